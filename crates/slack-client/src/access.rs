//! With what Slack is reached: a bot token or a webhook, where, through which proxy. Checked before anything is sent.

use std::fmt;

use registry_core::settings::{SLACK_API_URL, Settings};
use registry_core::text::{Masker, one_line};

use crate::proxy;

/// The way to Slack.
#[derive(Clone)]
pub(crate) enum Way {
    /// The Web API with a bot's token.
    Bot(Token),
    /// An incoming webhook; its URL is the secret.
    Webhook(String),
}

/// A bot's token.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bot(_) => "Bot(***)",
            Self::Webhook(_) => "Webhook(***)",
        })
    }
}

/// Where and how to send.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) way: Way,
    /// Base of the Web API, ending in a slash.
    pub(crate) api: String,
    /// Host and port requests go to.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) https: bool,
    pub(crate) proxy: Option<String>,
    /// For what comes back: something before Slack may repeat what it was sent.
    pub(crate) masker: Masker,
}

/// Settings with which nothing can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// What is wrong.
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) fix: String,
}

fn unusable(reason: &str, fix: &str) -> Unusable {
    Unusable {
        reason: reason.to_owned(),
        fix: fix.to_owned(),
    }
}

impl Access {
    /// The proxy, without the name and password that may stand in its URL.
    pub(crate) fn proxy_host(&self) -> Option<String> {
        let url = self.proxy.as_deref()?;
        let host = url.rsplit(['@', '/']).find(|part| !part.is_empty());
        Some(one_line(host.unwrap_or("a proxy")))
    }

    pub(crate) fn from_settings(settings: &Settings) -> Result<Self, Unusable> {
        let trimmed = |name: &str| {
            settings
                .variable(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let token = trimmed("SLACK_BOT_TOKEN");
        let webhook = trimmed("SLACK_WEBHOOK_URL");
        let api = settings.text(&SLACK_API_URL);
        let (way, target, name) = match (token, webhook) {
            (Some(token), _) => (Way::Bot(check_token(token)?), api.clone(), "SLACK_API_URL"),
            (None, Some(url)) => (
                Way::Webhook(check_webhook(url.clone())?),
                url,
                "SLACK_WEBHOOK_URL",
            ),
            (None, None) => {
                return Err(unusable(
                    "Slack is not configured",
                    "set SLACK_BOT_TOKEN (a bot token, xoxb-…) or SLACK_WEBHOOK_URL",
                ));
            }
        };
        let place = place(&target, name)?;
        let proxy = if place.https {
            proxy::choose(&place.host, place.port, &|name| settings.variable(name))
        } else {
            None
        };
        Ok(Self {
            way,
            api: format!("{}/", api.trim_end_matches('/')),
            host: place.host,
            port: place.port,
            https: place.https,
            proxy,
            masker: Masker::new(settings.secrets()),
        })
    }
}

fn check_token(token: String) -> Result<Token, Unusable> {
    if token.starts_with("https://") || token.starts_with("http://") {
        return Err(unusable(
            "SLACK_BOT_TOKEN has a URL in it",
            "put a webhook's URL into SLACK_WEBHOOK_URL, or a bot token (xoxb-…) into SLACK_BOT_TOKEN",
        ));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(
            "SLACK_BOT_TOKEN has a character no token has (a blank, a line break, a quote that was typed along)",
            "copy the token again, without anything around it",
        ));
    }
    Ok(Token(token))
}

fn check_webhook(url: String) -> Result<String, Unusable> {
    if url.starts_with("xox") || url.starts_with("xapp-") {
        return Err(unusable(
            "SLACK_WEBHOOK_URL has a token in it",
            "put a bot token (xoxb-…) into SLACK_BOT_TOKEN, or a webhook's URL into SLACK_WEBHOOK_URL",
        ));
    }
    Ok(url)
}

struct Place {
    host: String,
    port: u16,
    https: bool,
}

// The URL itself may be the secret, so no message shows it.
fn place(url: &str, name: &str) -> Result<Place, Unusable> {
    let bad = || {
        unusable(
            &format!("{name} is no URL"),
            "give a URL that begins with https://",
        )
    };
    let parsed: ureq::http::Uri = url.parse().map_err(|_| bad())?;
    let host = parsed
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(bad)?;
    let https = match parsed.scheme_str() {
        Some("https") => true,
        Some("http") if proxy::is_loopback(host) => false,
        Some("http") => {
            return Err(unusable(
                &format!("{name} is not https, so the secret could be read on the way"),
                "give a URL that begins with https://",
            ));
        }
        Some(_) | None => return Err(bad()),
    };
    Ok(Place {
        host: host.to_owned(),
        port: parsed.port_u16().unwrap_or(if https { 443 } else { 80 }),
        https,
    })
}

#[cfg(test)]
mod tests {
    use registry_core::settings::SettingsFile;

    use super::*;

    fn access(variables: &'static [(&'static str, &'static str)]) -> Result<Access, Unusable> {
        let look_up = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Access::from_settings(&Settings::new(look_up, SettingsFile::default()))
    }

    #[test]
    fn usable_settings() {
        let bot = access(&[("SLACK_BOT_TOKEN", " xoxb-1-2\n")]).unwrap();
        assert!(matches!(&bot.way, Way::Bot(token) if token.header() == "Bearer xoxb-1-2"));
        assert_eq!(
            (bot.host.as_str(), bot.port, bot.https),
            ("slack.com", 443, true)
        );
        assert_eq!(bot.api, "https://slack.com/api/");
        let hook = access(&[(
            "SLACK_WEBHOOK_URL",
            "https://hooks.slack.com/services/T/B/x",
        )])
        .unwrap();
        assert!(matches!(hook.way, Way::Webhook(_)));
        let local = access(&[
            ("SLACK_BOT_TOKEN", "xoxb-1-2"),
            ("SLACK_API_URL", "http://127.0.0.1:8080/api"),
        ]);
        assert_eq!(local.unwrap().api, "http://127.0.0.1:8080/api/");
    }

    #[test]
    fn unusable_settings_say_why_and_never_show_the_secret() {
        for variables in [
            &[] as &[(&str, &str)],
            &[(
                "SLACK_BOT_TOKEN",
                "https://hooks.slack.com/services/T/B/secret",
            )],
            &[("SLACK_BOT_TOKEN", "xoxb-\"secret secret\"")],
            &[("SLACK_WEBHOOK_URL", "xoxb-secret")],
            &[("SLACK_WEBHOOK_URL", "secret")],
            &[(
                "SLACK_WEBHOOK_URL",
                "http://hooks.slack.com/services/T/B/secret",
            )],
            &[("SLACK_WEBHOOK_URL", "https://")],
            &[
                ("SLACK_BOT_TOKEN", "xoxb-secret"),
                ("SLACK_API_URL", "http://slack.com/api/"),
            ],
            &[
                ("SLACK_BOT_TOKEN", "xoxb-secret"),
                ("SLACK_API_URL", "ftp://slack.com/api/"),
            ],
        ] {
            let error = access(variables).unwrap_err();
            let text = format!("{error:?}");
            assert!(
                !text.contains("secret") || text.contains("the secret could"),
                "{text}"
            );
            assert!(!error.fix.is_empty());
        }
    }

    #[test]
    fn a_way_never_shows_its_secret() {
        let access = access(&[("SLACK_BOT_TOKEN", "xoxb-1-2")]).unwrap();
        assert!(!format!("{access:?}").contains("xoxb"));
    }
}
