//! Slack: the Web API methods the notifier uses, an incoming webhook, and what the channels show.

mod channel;
mod html;
mod methods;
mod mrkdwn;
mod validate;
mod wrong;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use registry_core::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::channel::{Channel, Duplicates, Message};

use self::channel::Workspace;
use self::methods::Call;
use self::wrong::Door;
use crate::http::{Answer, Delivery, Reply, Request, Server, Service, Unread};
use crate::respond;
use crate::scenario::Scenario;
use crate::stage::{Stage, done, refused, steering};

/// `#kiro-updates` of the guide.
pub const UPDATES: &str = "C0A9M9DPFUY";
/// `#kiro-interact` of the guide.
pub const INTERACT: &str = "C0A95T7UU4R";
/// A token the workspace takes. It takes any that begins with `xoxb-`, unless told otherwise.
pub const TOKEN: &str = "xoxb-simulated-token";

const WEBHOOK_PATH: &str = "/services/T0SIMULATE/B0SIMHOOK/simulatedwebhooksecret";

/// A Slack on loopback. It ends when dropped.
///
/// ```no_run
/// use simulators::{Fault, Slack};
/// let slack = Slack::start()?;
/// // SLACK_API_URL = slack.api_url(), SLACK_BOT_TOKEN = simulators::TOKEN, or SLACK_WEBHOOK_URL = slack.webhook_url()
/// slack.fault(Fault::error("channel_not_found").on("chat.postMessage").times(1));
/// slack.fault(Fault::rate_limited(Some("30")).on("webhook"));
/// assert!(slack.messages(simulators::UPDATES).is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Slack {
    server: Server,
    stage: Stage,
    shared: Arc<Mutex<Shared>>,
}

steering!(Slack);

/// What is set besides faults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    one_per_second: Option<bool>,
    dedupe: Option<bool>,
    token: Option<String>,
    webhook_channel: Option<String>,
}

#[derive(Default)]
struct Shared {
    workspace: Workspace,
    settings: Settings,
    text_file: Option<PathBuf>,
}

impl Shared {
    fn new() -> Self {
        let mut shared = Self::default();
        for channel in [
            Channel::new(UPDATES, "kiro-updates"),
            Channel::new(INTERACT, "kiro-interact"),
        ] {
            shared
                .workspace
                .channels
                .insert(channel.id.clone(), channel);
        }
        shared
    }

    /// The page of the channels, kept in a file where one is asked for.
    #[expect(
        clippy::disallowed_methods,
        reason = "a page to look at; a torn one is rewritten with the next message"
    )]
    fn write_text(&self) {
        if let Some(path) = &self.text_file {
            // A file that cannot be written was refused when it was set; a disk that fills up later harms no answer.
            drop(std::fs::write(path, self.workspace.text()));
        }
    }
}

impl Slack {
    fn start_with(port: u16, stage: Stage) -> io::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::new()));
        let played = Played {
            stage: stage.clone(),
            shared: Arc::clone(&shared),
        };
        let server = Server::start(port, Arc::new(played))?;
        Ok(Self {
            server,
            stage,
            shared,
        })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For `SLACK_API_URL`: ends in `/api/`.
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.url())
    }

    /// For `SLACK_WEBHOOK_URL`. It posts to [`UPDATES`] unless told otherwise.
    pub fn webhook_url(&self) -> String {
        format!("{}{WEBHOOK_PATH}", self.url())
    }

    /// Adds a channel, or replaces the one of this id. [`UPDATES`] and [`INTERACT`] are there from the start.
    pub fn add_channel(&self, channel: Channel) {
        self.shared()
            .workspace
            .channels
            .insert(channel.id.clone(), channel);
    }

    /// Takes one message per second and channel and answers 429 to more, or (the default) takes all.
    pub fn set_one_per_second(&self, on: bool) {
        self.shared().settings.one_per_second = Some(on);
    }

    /// Answers a known `client_msg_id` with the message that was posted with it, or (the default, and the worse case) posts
    /// again and counts a duplicate.
    pub fn set_dedupe(&self, on: bool) {
        self.shared().settings.dedupe = Some(on);
    }

    /// Takes only this token.
    pub fn set_token(&self, token: &str) {
        self.shared().settings.token = Some(token.to_owned());
    }

    /// The channel the webhook posts to.
    pub fn set_webhook_channel(&self, id: &str) {
        self.shared().settings.webhook_channel = Some(id.to_owned());
    }

    /// Keeps the page of [`Slack::text`] in a file, rewritten with every message.
    pub fn keep_text_in(&self, path: PathBuf) -> io::Result<()> {
        drop(std::fs::File::create(&path)?);
        let mut shared = self.shared();
        shared.text_file = Some(path);
        shared.write_text();
        Ok(())
    }

    /// Starts this service's part of a scenario now.
    pub fn run(&self, scenario: &Scenario) {
        run(&self.stage, &mut self.shared(), scenario);
    }

    /// The messages of a channel, in the order they were posted.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.shared()
            .workspace
            .in_channel(channel)
            .cloned()
            .collect()
    }

    /// The messages of all channels, in the order they were posted.
    pub fn all_messages(&self) -> Vec<Message> {
        self.shared().workspace.messages.clone()
    }

    /// How often a message was posted that had been posted already.
    pub fn duplicates(&self) -> Duplicates {
        self.shared().workspace.duplicates()
    }

    /// The channels drawn as Slack draws them, as pieces of HTML for [`Slack::html_page`].
    pub fn html(&self) -> String {
        html::channels(&self.shared().workspace)
    }

    /// A whole page around pieces of HTML.
    #[must_use]
    pub fn html_page(title: &str, pieces: &str) -> String {
        html::page(title, pieces)
    }

    /// The channels as a person sees them: in order, threads indented, changed messages marked.
    pub fn text(&self) -> String {
        self.shared().workspace.text()
    }
}

fn run(stage: &Stage, shared: &mut Shared, scenario: &Scenario) {
    for channel in &scenario.channels {
        shared
            .workspace
            .channels
            .insert(channel.id.clone(), channel.clone());
    }
    for fault in &scenario.slack_faults {
        stage.fault(fault.clone());
    }
}

/// The service behind the socket.
struct Played {
    stage: Stage,
    shared: Arc<Mutex<Shared>>,
}

impl Service for Played {
    fn before_reading(&self) -> Option<Unread> {
        self.stage.before_reading()
    }

    fn now(&self) -> Timestamp {
        self.stage.now()
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.path.starts_with("/_sim") {
            return self
                .stage
                .control(request)
                .unwrap_or_else(|| self.control(request))
                .into();
        }
        let (action, door) = match request.path.strip_prefix("/api/") {
            Some(method) => (method.to_owned(), Door::Api),
            None if request.path.starts_with("/services/") => ("webhook".to_owned(), Door::Webhook),
            None => ("none".to_owned(), Door::Api),
        };
        let strike = self.stage.strike(&action, request);
        let right = || match door {
            _ if action == "none" => Answer::html(404, "<html><body>Not found</body></html>\n"),
            Door::Api => self.api(&action, request),
            Door::Webhook => self.webhook(request),
        };
        let reply = respond::reply(strike.as_ref(), right, |trouble| {
            wrong::wrong(trouble, door)
        });
        let sent = matches!(
            reply.delivery,
            Delivery::Whole | Delivery::After(_) | Delivery::Drip(_)
        );
        self.stage.record(
            &action,
            request,
            sent.then_some(reply.answer.status),
            strike.map(|s| respond::name(&s.trouble)),
        );
        reply
    }
}

impl Played {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn api(&self, method: &str, request: &Request) -> Answer {
        let Some(arguments) = arguments(request) else {
            return wrong::error("invalid_json", None, Door::Api);
        };
        let mut shared = self.shared();
        if let Err(code) = authorised(request, &arguments, shared.settings.token.as_deref()) {
            return wrong::error(code, None, Door::Api);
        }
        let call = call(&shared.settings, &arguments, self.stage.now());
        match methods::method(&mut shared.workspace, method, &call) {
            Ok(answer) => {
                shared.write_text();
                Answer::json(200, &answer)
            }
            Err((code, words)) if words.is_empty() => wrong::error(code, None, Door::Api),
            Err((code, words)) => Answer::json(
                200,
                &json!({"ok": false, "error": code, "response_metadata": {"messages": [format!("[ERROR] {words}")]}}),
            ),
        }
    }

    fn webhook(&self, request: &Request) -> Answer {
        if request.path != WEBHOOK_PATH {
            return wrong::error("no_service", None, Door::Webhook);
        }
        if request.method != "POST" {
            return wrong::error("invalid_payload", None, Door::Webhook);
        }
        let arguments = arguments(request).unwrap_or_default();
        let mut shared = self.shared();
        let channel = shared
            .settings
            .webhook_channel
            .clone()
            .unwrap_or_else(|| UPDATES.to_owned());
        let call = call(&shared.settings, &arguments, self.stage.now());
        match methods::webhook(&mut shared.workspace, &call, &channel) {
            Ok(()) => {
                shared.write_text();
                Answer::html(200, "ok")
            }
            Err((429, _)) => {
                wrong::error("rate_limited", None, Door::Webhook).with_header("Retry-After", "1")
            }
            Err((status, body)) => Answer::text(status, body),
        }
    }

    fn control(&self, request: &Request) -> Answer {
        let mut shared = self.shared();
        match (request.method.as_str(), request.path.trim_end_matches('/')) {
            ("GET", "/_sim" | "/_sim/help") => Answer::text(200, HELP),
            ("GET", "/_sim/page") => respond::page(),
            ("GET", "/_sim/slack/channels") => Answer::json(200, &shared.workspace.json()),
            ("GET", "/_sim/slack/slack.txt") => Answer::text(200, shared.workspace.text()),
            ("GET", "/_sim/slack/slack.html") => {
                let channels = html::channels(&shared.workspace);
                Answer::html(200, &html::page("Slack", &channels))
            }
            ("GET", "/_sim/slack/duplicates") => {
                Answer::json(200, &json!(shared.workspace.duplicates()))
            }
            ("POST", "/_sim/slack/channels") => {
                match serde_json::from_slice::<Channel>(&request.body) {
                    Ok(channel) => {
                        shared
                            .workspace
                            .channels
                            .insert(channel.id.clone(), channel);
                        done()
                    }
                    Err(error) => refused(&format!("not a channel: {error}")),
                }
            }
            ("PUT" | "POST", "/_sim/slack/settings") => {
                match serde_json::from_slice::<Settings>(&request.body) {
                    Ok(new) => {
                        let old = &mut shared.settings;
                        old.one_per_second = new.one_per_second.or(old.one_per_second);
                        old.dedupe = new.dedupe.or(old.dedupe);
                        old.token = new.token.or(old.token.take());
                        old.webhook_channel = new.webhook_channel.or(old.webhook_channel.take());
                        done()
                    }
                    Err(error) => refused(&format!("not settings: {error}")),
                }
            }
            ("POST", "/_sim/scenario") => {
                crate::stage::scenario(request, |scenario| run(&self.stage, &mut shared, scenario))
            }
            ("POST", "/_sim/reset") => {
                let text_file = shared.text_file.take();
                *shared = Shared {
                    text_file,
                    ..Shared::new()
                };
                shared.write_text();
                self.stage.reset();
                done()
            }
            (method, path) => Answer::text(
                404,
                format!("there is no {method} {path}; GET /_sim/help tells what there is\n"),
            ),
        }
    }
}

const HELP: &str = "\
Slack simulator. Bodies are JSON.
GET  /_sim/slack/channels        what the channels show, with duplicates counted
GET  /_sim/slack/slack.txt       the same as a person sees it
GET  /_sim/slack/slack.html      the same drawn, for a browser
GET  /_sim/slack/duplicates
POST /_sim/slack/channels        add one: {\"id\", \"name\", \"is_archived\", \"is_member\", \"is_private\"}
PUT  /_sim/slack/settings        {\"one_per_second\", \"dedupe\", \"token\", \"webhook_channel\"}
GET, POST, DELETE /_sim/faults   e.g. {\"trouble\": {\"error\": {\"code\": \"not_in_channel\"}}, \"action\": \"chat.postMessage\", \"times\": 1}
GET  /_sim/counts, /_sim/requests?action=NAME; DELETE /_sim/requests
PUT  /_sim/clock                 {\"offset\": SECONDS}
POST /_sim/scenario              this service's part of a scenario in TOML, beginning now
POST /_sim/reset                 no messages, no faults, no record
";

fn call<'a>(settings: &Settings, arguments: &'a Value, now: Timestamp) -> Call<'a> {
    Call {
        arguments,
        now,
        one_per_second: settings.one_per_second.unwrap_or(false),
        dedupe: settings.dedupe.unwrap_or(false),
    }
}

/// The arguments from a JSON body, a form (`payload=…` of old webhooks too) or the query. `None`: the body is not JSON.
fn arguments(request: &Request) -> Option<Value> {
    let is_json = request
        .header("content-type")
        .is_some_and(|kind| kind.contains("json"));
    if is_json && !request.body.is_empty() {
        return serde_json::from_slice(&request.body)
            .ok()
            .filter(Value::is_object);
    }
    let form = if request.method == "GET" {
        request.query.clone()
    } else {
        request.form()
    };
    if let Some(payload) = crate::http::find(&form, "payload") {
        return serde_json::from_str(payload).ok();
    }
    Some(
        form.into_iter()
            .chain(request.query.clone())
            .map(|(k, v)| (k, Value::String(v)))
            .collect(),
    )
}

/// Whether the token is one the workspace takes. In a JSON body it may not stand.
fn authorised(
    request: &Request,
    arguments: &Value,
    only: Option<&str>,
) -> Result<(), &'static str> {
    let header = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let is_json = request
        .header("content-type")
        .is_some_and(|kind| kind.contains("json"));
    let in_form = arguments["token"].as_str().filter(|_| !is_json);
    match (header.or(in_form), only) {
        (None | Some(""), _) => Err("not_authed"),
        (Some(token), Some(only)) if token == only => Ok(()),
        (Some(token), None) if token.starts_with("xoxb-") => Ok(()),
        (Some(_), _) => Err("invalid_auth"),
    }
}
