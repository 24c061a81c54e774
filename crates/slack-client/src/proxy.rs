//! Which proxy to go through, as curl and the CI runners' other tools read the environment.

/// The proxy's URL for a request to `host`:`port`, or none. `variable` looks an environment variable up.
///
/// `HTTPS_PROXY` before `ALL_PROXY`, lower case before upper (as curl has it); nothing for a host that `NO_PROXY` names,
/// nor for this machine itself.
pub(crate) fn choose(
    host: &str,
    port: u16,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    if is_loopback(host) {
        return None;
    }
    let either = |lower: &str| variable(lower).or_else(|| variable(&lower.to_uppercase()));
    let proxy = either("https_proxy").or_else(|| either("all_proxy"))?;
    let excluded = either("no_proxy").is_some_and(|list| excludes(&list, host, port));
    (!excluded).then(|| {
        if proxy.contains("://") {
            proxy
        } else {
            format!("http://{proxy}")
        }
    })
}

/// Whether `host` is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

// `*`, `example.com` (and every name below it), `.example.com`, `example.com:443`; blanks around them do not matter.
fn excludes(list: &str, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    list.split([',', ' ']).map(str::trim).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let with_port = entry
            .rsplit_once(':')
            .and_then(|(name, digits)| Some((name, digits.parse::<u16>().ok()?)));
        let (name, only_port) = match with_port {
            Some((name, port)) => (name, Some(port)),
            None => (entry.as_str(), None),
        };
        let name = name.trim_start_matches('*').trim_start_matches('.');
        let matches = if name.is_empty() {
            entry.starts_with('*')
        } else {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        };
        matches && only_port.is_none_or(|only| only == port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, environment: &[(&str, &str)], expected: Option<&str>) {
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(
            choose(host, 443, &variable).as_deref(),
            expected,
            "{host} {environment:?}"
        );
    }

    #[test]
    fn the_environment_of_ci_runners() {
        let proxy = Some("http://proxy:3128");
        check("slack.com", &[], None);
        check("slack.com", &[("HTTPS_PROXY", "http://proxy:3128")], proxy);
        check("slack.com", &[("https_proxy", "proxy:3128")], proxy);
        check("slack.com", &[("ALL_PROXY", "http://proxy:3128")], proxy);
        check("slack.com", &[("HTTP_PROXY", "http://proxy:3128")], None);
        check("127.0.0.1", &[("HTTPS_PROXY", "http://proxy:3128")], None);
        check("[::1]", &[("HTTPS_PROXY", "http://proxy:3128")], None);
        for (list, through) in [
            ("*", false),
            ("slack.com", false),
            (".slack.com", false),
            ("localhost, slack.com", false),
            ("slack.com:443", false),
            ("slack.com:80", true),
            ("com", false),
            ("ack.com", true),
            ("localhost,127.0.0.1,169.254.169.254", true),
            ("", true),
        ] {
            let environment = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", list)];
            check(
                "slack.com",
                &environment,
                through.then_some("http://proxy:3128"),
            );
            check(
                "SLACK.com",
                &environment,
                through.then_some("http://proxy:3128"),
            );
        }
        check(
            "hooks.slack.com",
            &[
                ("HTTPS_PROXY", "http://proxy:3128"),
                ("NO_PROXY", "slack.com"),
            ],
            None,
        );
    }
}
