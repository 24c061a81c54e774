//! Rules on who depends on whom.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Member};

/// The AWS SDK crates, and the only members that may name each.
pub(super) const DOORS: [(&str, &str); 3] = [
    ("aws-sdk-cloudformation", "stack-client"),
    ("aws-sdk-sts", "stack-client"),
    ("aws-sdk-dynamodb", "registry-dynamodb"),
];

/// `registry-core` compiles in seconds and its rules need no network.
pub(super) fn core_stays_pure(facts: &Facts) -> Vec<String> {
    must_not_link(
        facts,
        "registry-core",
        "the rules need no network, no async and no command line",
        |name| {
            ["tokio", "ureq", "clap", "hyper", "rustls"].contains(&name) || name.starts_with("aws-")
        },
    )
}

/// The Slack programs are small and start fast.
pub(super) fn slack_programs_link_no_aws(facts: &Facts) -> Vec<String> {
    ["slack-notifier", "slack-retry-queue"]
        .into_iter()
        .flat_map(|program| {
            must_not_link(
                facts,
                program,
                "Slack needs no AWS SDK in the default build",
                |name| name.starts_with("aws-") || name == "tokio",
            )
        })
        .collect()
}

fn must_not_link(
    facts: &Facts,
    member: &str,
    why: &str,
    bad: impl Fn(&str) -> bool,
) -> Vec<String> {
    let Some(found) = facts.members.get(member) else {
        return vec![format!(
            "{member} is no member of the workspace, but there is a rule on it"
        )];
    };
    let names: BTreeSet<&str> = found.links.iter().map(|(name, _)| name.as_str()).collect();
    names
        .into_iter()
        .filter(|name| bad(name))
        .map(|name| format!("{member} links {name}: {why}"))
        .collect()
}

/// SDK crates are direct dependencies of their adapter only.
pub(super) fn sdk_crates_stay_at_their_doors(facts: &Facts) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, Member { direct, .. }) in &facts.members {
        for (sdk, door) in DOORS {
            if direct.contains(sdk) && name != door {
                findings.push(format!("{name} depends on {sdk}: only {door} may"));
            }
        }
        for other in direct.iter().filter(|other| other.starts_with("aws-sdk-")) {
            if !DOORS.iter().any(|(sdk, _)| sdk == other) {
                findings.push(format!(
                    "{name} depends on {other}, an SDK crate that no adapter owns"
                ));
            }
        }
    }
    findings
}

/// One TLS stack, in one version, in every program.
pub(super) fn one_tls_stack(facts: &Facts) -> Vec<String> {
    let mut findings = Vec::new();
    for (member, Member { links, .. }) in &facts.members {
        let mut stacks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, version) in links {
            if ["rustls", "native-tls", "openssl", "boring", "s2n-tls"].contains(&name.as_str()) {
                stacks.entry(name).or_default().push(version);
            }
        }
        let all: Vec<String> = stacks
            .iter()
            .flat_map(|(name, versions)| {
                versions
                    .iter()
                    .map(move |version| format!("{name} {version}"))
            })
            .collect();
        if all.len() > 1 {
            findings.push(format!(
                "{member} links more than one TLS stack: {}",
                all.join(", ")
            ));
        }
    }
    findings
}

/// ring is the one crypto provider; nothing may bring another, for whatever target or feature.
pub(super) fn no_foreign_crypto(facts: &Facts) -> Vec<String> {
    ["aws-lc-sys", "aws-lc-rs", "openssl-sys"]
        .into_iter()
        .filter(|name| facts.lockfile.contains(&format!("name = \"{name}\"")))
        .map(|name| format!("Cargo.lock has {name}: ring is the one crypto provider; find who brings it with cargo tree -i {name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Facts, fake};
    use super::super::findings;

    fn check(break_it: impl FnOnce(&mut Facts), expected: &[&str]) {
        let mut facts = fake();
        break_it(&mut facts);
        assert_eq!(findings(&facts), expected);
    }

    fn link(facts: &mut Facts, member: &str, name: &str, version: &str) {
        let links = &mut facts.members.get_mut(member).unwrap().links;
        links.insert((name.to_owned(), version.to_owned()));
    }

    fn depend(facts: &mut Facts, member: &str, name: &str) {
        facts
            .members
            .get_mut(member)
            .unwrap()
            .direct
            .insert(name.to_owned());
    }

    #[test]
    fn the_core_links_nothing_of_the_outside() {
        for name in ["tokio", "aws-smithy-types", "ureq", "clap"] {
            check(
                |facts| link(facts, "registry-core", name, "1.0.0"),
                &[&format!(
                    "registry-core links {name}: the rules need no network, no async and no command line"
                )],
            );
        }
        check(
            |facts| drop(facts.members.remove("registry-core")),
            &["registry-core is no member of the workspace, but there is a rule on it"],
        );
    }

    #[test]
    fn slack_links_no_aws() {
        for program in ["slack-notifier", "slack-retry-queue"] {
            check(
                |facts| link(facts, program, "aws-config", "1.0.0"),
                &[&format!(
                    "{program} links aws-config: Slack needs no AWS SDK in the default build"
                )],
            );
        }
    }

    #[test]
    fn only_adapters_name_the_sdk() {
        for (sdk, door) in super::DOORS {
            check(
                |facts| depend(facts, "end-to-end", sdk),
                &[&format!("end-to-end depends on {sdk}: only {door} may")],
            );
        }
        check(
            |facts| depend(facts, "stack-client", "aws-sdk-s3"),
            &["stack-client depends on aws-sdk-s3, an SDK crate that no adapter owns"],
        );
    }

    #[test]
    fn one_tls_stack_only() {
        check(
            |facts| link(facts, "stack-client", "rustls", "0.21.12"),
            &["stack-client links more than one TLS stack: rustls 0.21.12, rustls 0.23.1"],
        );
        check(
            |facts| link(facts, "slack-notifier", "native-tls", "0.2.0"),
            &["slack-notifier links more than one TLS stack: native-tls 0.2.0, rustls 0.23.1"],
        );
    }

    #[test]
    fn ring_is_the_only_crypto() {
        for name in ["aws-lc-sys", "openssl-sys"] {
            check(
                |facts| facts.lockfile = format!("[[package]]\nname = \"{name}\"\n"),
                &[&format!(
                    "Cargo.lock has {name}: ring is the one crypto provider; find who brings it with cargo tree -i {name}"
                )],
            );
        }
    }
}
