//! A page of what people see in Slack: the real program sends, the simulator takes it down and draws it.
//! `cargo xtask pictures` runs it: `slack_page PROGRAM messages|forms FILE`.

use std::error::Error;
use std::process::{Command, Stdio};

use simulators::{Fault, Slack, TOKEN};

const ID: &str = "20260114-123456-abc123";
/// An error as CDK tells it, with all that Slack's own syntax is made of.
const ERROR: &str = "CourtCaseManagementStack | UPDATE_FAILED | AWS::RDS::DBInstance | Database\n\
    Resource handler returned message: \"db.r5.4xlarge is not available in us-east-1a & <us-east-1b>\"\n\
    branch feat/<login>, commit `3f2a91c`, **not** deployed by <@U123> for <!channel>";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Place {
    program: String,
    slack: Slack,
    folder: tempfile::TempDir,
    webhook: bool,
}

impl Place {
    fn new(program: &str) -> Result<Self> {
        Ok(Self {
            program: program.to_owned(),
            slack: Slack::start()?,
            folder: tempfile::tempdir()?,
            webhook: false,
        })
    }

    fn send(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .args(words)
            .current_dir(self.folder.path())
            .env_clear()
            .env("SLACK_API_URL", self.slack.api_url())
            .env("GITHUB_REPOSITORY", "owner/repo")
            .stdin(Stdio::null());
        if self.webhook {
            command.env("SLACK_WEBHOOK_URL", self.slack.webhook_url());
        } else {
            command.env("SLACK_BOT_TOKEN", TOKEN);
        }
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("[SUCCESS]") {
            Ok(())
        } else {
            Err(format!("{words:?}: {said}").into())
        }
    }

    fn piece(&self, title: &str, words: &str) -> String {
        format!("<h1>{title}</h1><p>{words}</p>{}", self.slack.html())
    }
}

const ACTIVE: &str = r#"{"can_deploy":false,"active_deployment":{"status":"CREATE_IN_PROGRESS",
    "started_at":"2026-01-14T12:00:00Z","elapsed_minutes":15,"estimated_remaining_minutes":10}}"#;

/// Each kind of message, as one deployment's thread and as a webhook's channel.
fn messages(program: &str) -> Result<String> {
    let failed = Place::new(program)?;
    failed.send(&["concurrent", ID, "production", ACTIVE])?;
    failed.send(&["start", ID, "production", "12345"])?;
    let details = "Creating RDS instance...";
    failed.send(&[
        "progress",
        ID,
        "CREATE_IN_PROGRESS",
        details,
        "--elapsed",
        "15",
        "--remaining",
        "10",
    ])?;
    let stalled = "Still in progress:\n- Database (AWS::RDS::DBInstance): 14m, usually 15m\n- Cluster (AWS::ECS::Cluster): 11m, usually 1m";
    failed.send(&[
        "stalled",
        ID,
        "CourtCaseManagementStack",
        "12",
        "--details",
        stalled,
    ])?;
    failed.send(&[
        "alert",
        ID,
        "CourtCaseManagementStack",
        "The monitor crashed (exit 139) and was started again.",
    ])?;
    failed.send(&[
        "failed",
        ID,
        "production",
        ERROR,
        "CourtCaseManagementStack",
    ])?;
    let complete = Place::new(program)?;
    complete.send(&["start", ID, "production", "12345"])?;
    complete.send(&["complete", ID, "production", "25", "http://app.example.com"])?;
    let mut webhook = Place::new(program)?;
    webhook.webhook = true;
    webhook.send(&["start", ID, "production", "12345"])?;
    webhook.send(&["complete", ID, "production", "25", "http://app.example.com"])?;
    webhook.send(&["custom", "**Heads up:** the *database* moves to `us-east-1b` tonight:\n\n- read [the plan](https://example.com/plan)\n- ~~no~~ some downtime"])?;
    Ok([
        complete.piece("A deployment that succeeds", "With a bot token: one thread, and its first message shows how it stands."),
        failed.piece("A deployment that waits, stalls and fails", "Every kind of message. The error has <code>&lt;!channel&gt;</code> and <code>&lt;@U123&gt;</code> in it: nobody is called."),
        webhook.piece("Through a webhook", "Separate messages; and a custom one in Markdown."),
    ]
    .concat())
}

/// One message in each of its forms, and what stands below it where there is more to say.
fn forms(program: &str) -> Result<String> {
    let mut pieces = String::new();
    for (refused, title) in [
        (0, "1. A markdown block"),
        (1, "2. Sections of mrkdwn, where Slack refuses the block"),
        (2, "3. Plain text, where it refuses these as well"),
        (3, "4. The beginning of the text, where it is too long"),
    ] {
        let place = Place::new(program)?;
        if refused > 0 {
            let fault = Fault::error("invalid_blocks").on("chat.postMessage");
            place.slack.fault(fault.times(refused));
        }
        let long = format!(
            "{ERROR}\n{}",
            "a line of the log that nobody wanted to see\n".repeat(40)
        );
        let error = if refused == 3 { &long } else { ERROR };
        place.send(&[
            "failed",
            ID,
            "production",
            error,
            "CourtCaseManagementStack",
        ])?;
        pieces.push_str(&place.piece(title, ""));
    }
    Ok(pieces)
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [program, what, file] = words.as_slice() else {
        return Err("give PROGRAM messages|forms FILE".into());
    };
    let pieces = match what.as_str() {
        "messages" => messages(program)?,
        "forms" => forms(program)?,
        other => return Err(format!("there is no {other:?}: give messages or forms").into()),
    };
    let page = Slack::html_page("What people see in Slack", &pieces);
    let mut out = std::fs::File::create(file)?;
    std::io::Write::write_all(&mut out, page.as_bytes())?;
    Ok(())
}
