//! Whether everything is there that messages need: settings, token, scopes, channels, clock, proxy, queue. Posts nothing.

use std::time::Duration;

use registry_core::clock::{Clock, Timestamp, human_duration};
use registry_core::text::one_line;
use serde::Serialize;
use serde_json::Value;

use crate::access::Access;
use crate::classify::Answer;
use crate::courier::Courier;
use crate::deadline::Deadline;
use crate::spool::Spool;
use crate::web::Web;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Messages arrive, but something is missing.
    Weak,
    /// Messages do not arrive.
    Bad,
    /// It could not be found out.
    Unknown,
}

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub health: Health,
    /// In words.
    pub words: String,
    /// What to do, where there is something.
    pub fix: Option<String>,
}

impl Finding {
    fn new(subject: &str, health: Health, words: impl Into<String>) -> Self {
        Self {
            subject: subject.to_owned(),
            health,
            words: words.into(),
            fix: None,
        }
    }

    fn with_fix(self, fix: impl Into<String>) -> Self {
        Self {
            fix: Some(fix.into()),
            ..self
        }
    }
}

/// A wrong clock makes times in messages wrong, and looks for lost ones too early.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// Without this scope nothing is sent.
const NEEDED: &str = "chat:write";
/// What each further scope is good for. One of the names in a row is enough.
const USEFUL: [(&[&str], &str); 2] = [
    (
        &["channels:history", "groups:history"],
        "a message whose answer was lost cannot be looked for, nor a thread that another machine began",
    ),
    (
        &["channels:read", "groups:read"],
        "this command cannot see whether the bot is in its channels",
    ),
];

/// The way to Slack and what is at its end. `channels`: what each is for, and its id.
pub(crate) fn examine_way(
    courier: &Courier,
    channels: &[(&str, &str)],
    clock: &dyn Clock,
    deadline: &Deadline,
) -> Vec<Finding> {
    let web = match courier.web() {
        Ok(web) => web,
        Err(unusable) => {
            let finding = Finding::new("settings", Health::Bad, unusable.reason.clone());
            return vec![finding.with_fix(unusable.fix.clone())];
        }
    };
    let mut findings = vec![
        settings(web.access(), web.is_webhook()),
        proxy(web.access()),
    ];
    if web.is_webhook() {
        let words = "a webhook cannot be tried without posting; it has no threads, one channel, and lost answers cannot be looked for";
        let fix = "for threads and channels set SLACK_BOT_TOKEN instead of SLACK_WEBHOOK_URL";
        findings.push(Finding::new("webhook", Health::Unknown, words).with_fix(fix));
        return findings;
    }
    let (json, answer) = match web.read("auth.test", &[], deadline.remaining()) {
        Ok(read) => read,
        Err(why) => {
            findings.push(refused("token", &why, courier, ""));
            return findings;
        }
    };
    let text = |name: &str| one_line(json.get(name).and_then(Value::as_str).unwrap_or("?"));
    let who = format!("valid: {} in the workspace {}", text("user"), text("team"));
    findings.push(Finding::new("token", Health::Good, who));
    findings.push(scopes(&answer));
    findings.push(clock_of(&answer, clock.now()));
    for (purpose, id) in channels {
        let public = has_scope(&answer, "chat:write.public");
        findings.push(channel(web, courier, purpose, id, public, deadline));
    }
    findings
}

fn settings(access: &Access, webhook: bool) -> Finding {
    let with = if webhook {
        "SLACK_WEBHOOK_URL"
    } else {
        "SLACK_BOT_TOKEN"
    };
    let words = format!("{with}, to {}", access.host);
    Finding::new("settings", Health::Good, words)
}

fn proxy(access: &Access) -> Finding {
    let words = match access.proxy_host() {
        Some(host) => format!("through {host}"),
        None => "none is used".to_owned(),
    };
    Finding::new("proxy", Health::Good, words)
}

fn refused(subject: &str, why: &str, courier: &Courier, channel: &str) -> Finding {
    // Slack's codes are one lower-case word; the rest is trouble on the way.
    let is_code = why
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let health = if is_code {
        Health::Bad
    } else {
        Health::Unknown
    };
    let finding = Finding::new(subject, health, one_line(why));
    if is_code {
        finding.with_fix(courier.fix(why, None, channel))
    } else {
        finding.with_fix("check SLACK_API_URL, HTTPS_PROXY, SSL_CERT_FILE and the firewall")
    }
}

fn has_scope(answer: &Answer, scope: &str) -> bool {
    let header = answer.scopes.as_deref().unwrap_or_default();
    header.split(',').any(|had| had.trim() == scope)
}

fn scopes(answer: &Answer) -> Finding {
    let Some(header) = &answer.scopes else {
        return Finding::new("scopes", Health::Unknown, "Slack did not tell them");
    };
    let has = |scope: &str| has_scope(answer, scope);
    let list = one_line(header);
    if !has(NEEDED) {
        let fix = format!(
            "add the bot token scope {NEEDED} to the app (OAuth & Permissions) and install it to the workspace again"
        );
        return Finding::new(
            "scopes",
            Health::Bad,
            format!("{list}; {NEEDED} is missing"),
        )
        .with_fix(fix);
    }
    let missing: Vec<_> = USEFUL
        .iter()
        .filter(|(names, _)| !names.iter().any(|name| has(name)))
        .collect();
    if missing.is_empty() {
        return Finding::new("scopes", Health::Good, list);
    }
    let what: Vec<String> = missing
        .iter()
        .map(|(names, loss)| format!("without {} {loss}", names[0]))
        .collect();
    let names: Vec<&str> = missing.iter().map(|(names, _)| names[0]).collect();
    let fix = format!(
        "add {} to the app (OAuth & Permissions) and install it again",
        names.join(" and ")
    );
    Finding::new(
        "scopes",
        Health::Weak,
        format!("{list}; {}", what.join("; ")),
    )
    .with_fix(fix)
}

fn clock_of(answer: &Answer, now: Timestamp) -> Finding {
    let Some(theirs) = answer.date.as_deref().and_then(Timestamp::parse_http_date) else {
        return Finding::new("clock", Health::Unknown, "Slack did not tell the time");
    };
    let off = now.since(theirs).max(theirs.since(now));
    if off > CLOCK_TOLERANCE {
        let words = format!("off by {}", human_duration(off));
        let fix = "set this machine's clock (NTP): the times in messages are wrong";
        return Finding::new("clock", Health::Weak, words).with_fix(fix);
    }
    Finding::new("clock", Health::Good, "as Slack's")
}

// `public`: the token may post to public channels without being in them.
fn channel(
    web: &Web,
    courier: &Courier,
    purpose: &str,
    id: &str,
    public: bool,
    deadline: &Deadline,
) -> Finding {
    let subject = format!("channel {purpose} ({id})");
    let limit = deadline.remaining();
    let json = match web.read("conversations.info", &[("channel", id)], limit) {
        Ok((json, _)) => json,
        Err(why) if why == "missing_scope" => {
            let words =
                "the token may not look (scope channels:read); messages may arrive all the same";
            return Finding::new(&subject, Health::Unknown, words)
                .with_fix("add the bot token scope channels:read to the app and install it again");
        }
        Err(why) => return refused(&subject, &why, courier, id),
    };
    let is = |name: &str| {
        json.pointer(&format!("/channel/{name}"))
            .and_then(Value::as_bool)
    };
    let name = json.pointer("/channel/name").and_then(Value::as_str);
    let name = one_line(name.unwrap_or("?"));
    if is("is_archived") == Some(true) {
        let fix = courier.fix("is_archived", None, id);
        return Finding::new(&subject, Health::Bad, format!("#{name} is archived")).with_fix(fix);
    }
    if is("is_member") == Some(false) && !(public && is("is_private") == Some(false)) {
        let fix = courier.fix("not_in_channel", None, id);
        return Finding::new(&subject, Health::Bad, format!("the bot is not in #{name}"))
            .with_fix(fix);
    }
    Finding::new(&subject, Health::Good, format!("#{name}"))
}

/// The retry queue.
pub(crate) fn examine_queue(spool: &Spool) -> Finding {
    let status = match spool.status() {
        Ok(status) => status,
        Err(error) => {
            return Finding::new("queue", Health::Bad, error.to_string())
                .with_fix("give SLACK_QUEUE_DIR a folder that this user can write");
        }
    };
    let words = format!(
        "{}: {} waiting, {} dead {}",
        status.queue_dir,
        status.pending,
        status.dead_letters,
        if status.dead_letters == 1 {
            "letter"
        } else {
            "letters"
        }
    );
    if let Err(error) = spool.sweep() {
        return Finding::new("queue", Health::Bad, error.to_string())
            .with_fix("give SLACK_QUEUE_DIR a folder that this user can write");
    }
    if status.dead_letters > 0 {
        return Finding::new("queue", Health::Weak, words).with_fix(
            "look with `slack-retry-queue status`, try again with `slack-retry-queue retry_dead`",
        );
    }
    if status.pending > 0 {
        return Finding::new("queue", Health::Weak, words)
            .with_fix("`slack-retry-queue process` sends them");
    }
    Finding::new("queue", Health::Good, words)
}
