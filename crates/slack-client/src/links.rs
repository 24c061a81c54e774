//! Links in messages: GitHub's run, the stack's events in the AWS console. Made where the settings are known.

use registry_core::ids::StackName;
use registry_core::notification::Notification;
use registry_core::settings::{AWS_REGION, Settings};

/// What links are made of.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    // The URL of a run without its id.
    runs: Option<String>,
    region: String,
    // Environment and its first stack.
    stacks: Vec<(String, String)>,
}

impl Links {
    pub(crate) fn from_settings(settings: &Settings) -> Self {
        let any_run = "1";
        let stacks = settings.environments().into_iter();
        Self {
            runs: settings
                .workflow_url(any_run)
                .and_then(|url| Some(url.strip_suffix(any_run)?.to_owned())),
            region: settings.text(&AWS_REGION),
            stacks: stacks
                .filter_map(|(name, stacks)| Some((name.to_string(), stacks.first()?.to_string())))
                .collect(),
        }
    }

    /// A run's id becomes its URL.
    pub(crate) fn resolve(&self, notification: &Notification) -> Notification {
        match (notification, &self.runs) {
            (
                Notification::Started {
                    id,
                    environment,
                    run,
                },
                Some(runs),
            ) if is_run_id(run) => Notification::Started {
                id: id.clone(),
                environment: environment.clone(),
                run: format!("{runs}{}", run.trim()),
            },
            _ => notification.clone(),
        }
    }

    /// The page of the failed stack's events; where no stack is known, the list of stacks.
    pub(crate) fn console(&self, notification: &Notification) -> Option<String> {
        let Notification::Failed {
            environment, stack, ..
        } = notification
        else {
            return None;
        };
        let first = stack.as_deref().and_then(|stack| stack.split(',').next());
        let known = || {
            let (_, stack) = self.stacks.iter().find(|(name, _)| name == environment)?;
            Some(stack.as_str())
        };
        let stack: Option<StackName> = first
            .or_else(known)
            .and_then(|name| name.trim().parse().ok());
        let region = stack
            .as_ref()
            .and_then(StackName::region)
            .unwrap_or(&self.region);
        let region = percent_encode(region);
        let page = match &stack {
            Some(stack) => format!("/events?stackId={}", percent_encode(stack.as_str())),
            None => String::new(),
        };
        let host = console_host(&region);
        Some(format!(
            "https://{host}/cloudformation/home?region={region}#/stacks{page}"
        ))
    }
}

fn is_run_id(run: &str) -> bool {
    let run = run.trim();
    !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_digit())
}

// The consoles of the three partitions.
fn console_host(region: &str) -> String {
    if region.starts_with("cn-") {
        "console.amazonaws.cn".to_owned()
    } else if region.starts_with("us-gov-") {
        "console.amazonaws-us-gov.com".to_owned()
    } else {
        format!("{region}.console.aws.amazon.com")
    }
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use registry_core::settings::SettingsFile;

    use super::*;

    fn links() -> Links {
        let look_up = |name: &str| (name == "GITHUB_REPOSITORY").then(|| "owner/repo".to_owned());
        Links::from_settings(&Settings::new(look_up, SettingsFile::default()))
    }

    fn failed(environment: &str, stack: Option<&str>) -> Notification {
        Notification::Failed {
            id: "i".into(),
            environment: environment.into(),
            error: "e".into(),
            stack: stack.map(str::to_owned),
        }
    }

    #[test]
    fn runs() {
        for (run, url) in [
            ("12345", "https://github.com/owner/repo/actions/runs/12345"),
            ("https://x/1", "https://x/1"),
            ("abc", "abc"),
            ("", ""),
        ] {
            let started = Notification::Started {
                id: "i".into(),
                environment: "e".into(),
                run: run.into(),
            };
            assert_eq!(links().resolve(&started).words().args[2], url);
        }
    }

    #[test]
    fn console_pages() {
        let home =
            "https://us-east-1.console.aws.amazon.com/cloudformation/home?region=us-east-1#/stacks";
        for (environment, stack, page) in [
            ("x", Some("My-Stack"), format!("{home}/events?stackId=My-Stack")),
            ("x", Some("A,B"), format!("{home}/events?stackId=A")),
            ("production", None, format!("{home}/events?stackId=CourtCaseManagementStack")),
            ("x", None, home.to_owned()),
            ("x", Some("no stack <!here>"), home.to_owned()),
            (
                "x",
                Some("arn:aws-cn:cloudformation:cn-north-1:123456789012:stack/S/0a"),
                "https://console.amazonaws.cn/cloudformation/home?region=cn-north-1#/stacks/events?stackId=\
                 arn%3Aaws-cn%3Acloudformation%3Acn-north-1%3A123456789012%3Astack%2FS%2F0a"
                    .to_owned(),
            ),
        ] {
            assert_eq!(links().console(&failed(environment, stack)), Some(page));
        }
        assert_eq!(
            links().console(&Notification::Custom {
                message: "m".into()
            }),
            None
        );
    }
}
