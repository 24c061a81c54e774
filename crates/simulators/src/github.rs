//! GitHub: the state of workflow runs, their attempts and jobs.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use registry_core::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::Trouble;
use crate::http::{Answer, Delivery, Reply, Request, Server, Service, Unread};
use crate::respond::{self, Wrong};
use crate::scenario::Scenario;
use crate::stage::{Stage, done, refused, seconds, steering};

/// One attempt of a workflow run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `owner/name`.
    pub repository: String,
    /// The run's id.
    pub id: u64,
    /// 1 and up; a newer one is what `/runs/ID` shows.
    #[serde(default = "first")]
    pub attempt: u32,
    /// `queued`, `in_progress`, `completed`, …
    pub status: String,
    /// `success`, `failure`, `cancelled`, …; only of a completed one.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// Its jobs.
    #[serde(default)]
    pub jobs: Vec<Job>,
    /// This is how things are from so many seconds after it was set on; until then what was said before holds.
    #[serde(default)]
    pub after: f64,
}

fn first() -> u32 {
    1
}

/// A job of a run's attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// As of a run.
    pub status: String,
    /// As of a run.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// The runner it is on; none while it is queued.
    #[serde(default)]
    pub runner_name: Option<String>,
}

impl Run {
    /// The first attempt of a run, in progress, with no jobs.
    #[must_use]
    pub fn in_progress(repository: &str, id: u64) -> Self {
        Self {
            repository: repository.to_owned(),
            id,
            attempt: 1,
            status: "in_progress".to_owned(),
            conclusion: None,
            jobs: Vec::new(),
            after: 0.0,
        }
    }

    /// Completed, with this conclusion, and all its jobs too.
    #[must_use]
    pub fn completed(mut self, conclusion: &str) -> Self {
        (self.status, self.conclusion) = ("completed".to_owned(), Some(conclusion.to_owned()));
        for job in &mut self.jobs {
            (job.status, job.conclusion) = (self.status.clone(), self.conclusion.clone());
        }
        self
    }

    /// So many seconds from when it is set.
    #[must_use]
    pub fn after(mut self, seconds: f64) -> Self {
        self.after = seconds;
        self
    }

    /// This attempt.
    #[must_use]
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt = number;
        self
    }

    /// With one more job in the state of the run.
    #[must_use]
    pub fn job(mut self, name: &str, runner_name: &str) -> Self {
        self.jobs.push(Job {
            name: name.to_owned(),
            status: self.status.clone(),
            conclusion: self.conclusion.clone(),
            runner_name: Some(runner_name.to_owned()),
        });
        self
    }
}

/// By repository and id: what was said of it and from when on that holds.
type Runs = BTreeMap<(String, u64), Vec<(Timestamp, Run)>>;

#[derive(Default)]
struct Shared {
    runs: Runs,
    token: Option<String>,
}

/// A GitHub on loopback. It ends when dropped.
///
/// ```no_run
/// use simulators::{GitHub, Run};
/// let github = GitHub::start()?; // GITHUB_API_URL = github.url()
/// github.set_run(Run::in_progress("owner/repo", 12345).job("deploy", "runner-1"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct GitHub {
    server: Server,
    stage: Stage,
    shared: Arc<Mutex<Shared>>,
}

steering!(GitHub);

impl GitHub {
    fn start_with(port: u16, stage: Stage) -> io::Result<Self> {
        let shared: Arc<Mutex<Shared>> = Arc::default();
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

    /// Says how an attempt of a run is, from now on or from `run.after` seconds on.
    pub fn set_run(&self, run: Run) {
        let now = self.stage.real_now();
        self.shared().set_run(run, now);
    }

    /// Starts this service's part of a scenario now.
    pub fn run(&self, scenario: &Scenario) {
        run(&self.stage, &mut self.shared(), scenario);
    }

    /// Takes only this token; by default any, and none at all.
    pub fn set_token(&self, token: &str) {
        self.shared().token = Some(token.to_owned());
    }
}

impl Shared {
    fn set_run(&mut self, run: Run, now: Timestamp) {
        let said = self
            .runs
            .entry((run.repository.to_ascii_lowercase(), run.id))
            .or_default();
        let from = now + seconds(run.after);
        let place = said.partition_point(|(at, _)| *at <= from);
        said.insert(place, (from, run));
    }

    /// The newest attempt there is now, or the one that is asked for, as it is now.
    fn run(&self, asked: &Asked, now: Timestamp) -> Option<&Run> {
        let said = self.runs.get(&(asked.repository.clone(), asked.id))?;
        let so_far = said
            .iter()
            .filter(|(from, _)| *from <= now)
            .map(|(_, run)| run);
        let wanted = so_far.filter(|run| asked.attempt.is_none_or(|number| number == run.attempt));
        wanted.max_by_key(|run| run.attempt)
    }
}

fn run(stage: &Stage, shared: &mut Shared, scenario: &Scenario) {
    for run in &scenario.runs {
        shared.set_run(run.clone(), stage.real_now());
    }
    for fault in &scenario.github_faults {
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
        // A GitHub Enterprise server has its API under this prefix.
        let path = request
            .path
            .strip_prefix("/api/v3")
            .unwrap_or(&request.path);
        let asked = Asked::parse(path);
        let action = asked
            .as_ref()
            .map_or("none", |asked| if asked.jobs { "jobs" } else { "run" });
        let strike = self.stage.strike(action, request);
        let right = || self.right(request, asked.as_ref());
        let reply = respond::reply(strike.as_ref(), right, |trouble| {
            wrong(trouble, self.stage.now())
        });
        let sent = matches!(
            reply.delivery,
            Delivery::Whole | Delivery::After(_) | Delivery::Drip(_)
        );
        self.stage.record(
            action,
            request,
            sent.then_some(reply.answer.status),
            strike.map(|s| respond::name(&s.trouble)),
        );
        reply
    }
}

/// `/repos/O/R/actions/runs/ID[/attempts/N][/jobs]`.
struct Asked {
    repository: String,
    id: u64,
    attempt: Option<u32>,
    jobs: bool,
}

impl Asked {
    fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let ["repos", owner, name, "actions", "runs", id, rest @ ..] = parts.as_slice() else {
            return None;
        };
        let (attempt, jobs) = match rest {
            [] => (None, false),
            ["jobs"] => (None, true),
            ["attempts", number] => (Some(number.parse().ok()?), false),
            ["attempts", number, "jobs"] => (Some(number.parse().ok()?), true),
            _ => return None,
        };
        let repository = format!("{owner}/{name}").to_ascii_lowercase();
        Some(Self {
            repository,
            id: id.parse().ok()?,
            attempt,
            jobs,
        })
    }
}

fn message(status: u16, text: &str) -> Answer {
    let body = json!({"message": text, "documentation_url": "https://docs.github.com/rest", "status": status.to_string()});
    Answer::json(status, &body)
}

impl Played {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn right(&self, request: &Request, asked: Option<&Asked>) -> Answer {
        let shared = self.shared();
        if let Some(token) = &shared.token {
            let sent = request
                .header("authorization")
                .and_then(|value| value.split_once(' '))
                .map(|(_, token)| token);
            if sent != Some(token) {
                return message(401, "Bad credentials");
            }
        }
        let run = asked.and_then(|asked| shared.run(asked, self.stage.real_now()));
        match (run, asked.is_some_and(|asked| asked.jobs)) {
            (None, _) => message(404, "Not Found"),
            (Some(run), false) => Answer::json(200, &run_json(run)),
            (Some(run), true) => Answer::json(200, &jobs_json(run, request)),
        }
    }

    fn control(&self, request: &Request) -> Answer {
        let mut shared = self.shared();
        match (request.method.as_str(), request.path.trim_end_matches('/')) {
            ("GET", "/_sim" | "/_sim/help") => Answer::text(200, HELP),
            ("GET", "/_sim/page") => respond::page(),
            ("GET", "/_sim/github/runs") => {
                let said = shared.runs.values().flatten();
                Answer::json(
                    200,
                    &said
                        .map(|(from, run)| json!({"from": from.rfc3339(), "run": run}))
                        .collect(),
                )
            }
            ("POST", "/_sim/github/runs") => match serde_json::from_slice(&request.body) {
                Ok(run) => {
                    shared.set_run(run, self.stage.real_now());
                    done()
                }
                Err(error) => refused(&format!("not a run: {error}")),
            },
            ("POST", "/_sim/scenario") => {
                crate::stage::scenario(request, |scenario| run(&self.stage, &mut shared, scenario))
            }
            ("POST", "/_sim/reset") => {
                *shared = Shared::default();
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
GitHub simulator. Bodies are JSON.
GET  /_sim/github/runs           the runs there are
POST /_sim/github/runs           set one: {\"repository\": \"o/r\", \"id\": 1, \"attempt\": 1, \"status\", \"conclusion\", \"jobs\": [{\"name\", \"status\", \"runner_name\"}]}
GET, POST, DELETE /_sim/faults   e.g. {\"trouble\": \"access_denied\", \"action\": \"run\"}; actions: run, jobs
GET  /_sim/counts, /_sim/requests?action=NAME; DELETE /_sim/requests
PUT  /_sim/clock                 {\"offset\": SECONDS}
POST /_sim/scenario              this service's part of a scenario in TOML, beginning now
POST /_sim/reset
";

fn run_json(run: &Run) -> Value {
    let url = format!(
        "https://github.com/{}/actions/runs/{}",
        run.repository, run.id
    );
    json!({"id": run.id, "name": "CI/CD", "run_number": 1, "run_attempt": run.attempt, "status": run.status,
        "conclusion": run.conclusion, "html_url": url, "event": "push", "head_branch": "main",
        "repository": {"full_name": run.repository}})
}

/// 30 a page unless asked otherwise, 100 at most, as in all of GitHub's lists.
fn jobs_json(run: &Run, request: &Request) -> Value {
    let number = |name: &str, usual: usize| {
        request
            .query(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(usual)
            .max(1)
    };
    let (per_page, page) = (number("per_page", 30).min(100), number("page", 1));
    let jobs = run
        .jobs
        .iter()
        .enumerate()
        .skip(per_page * (page - 1))
        .take(per_page);
    let jobs: Vec<Value> = jobs
        .map(|(index, job)| {
            json!({"id": run.id * 100 + index as u64, "run_id": run.id, "run_attempt": run.attempt, "name": job.name,
                "status": job.status, "conclusion": job.conclusion, "runner_name": job.runner_name})
        })
        .collect();
    json!({"total_count": run.jobs.len(), "jobs": jobs})
}

fn wrong(trouble: &Trouble, now: Timestamp) -> Wrong {
    let answer = match trouble {
        Trouble::Throttling => message(403, "API rate limit exceeded for installation ID 1.")
            .with_header("x-ratelimit-remaining", "0")
            .with_header("x-ratelimit-reset", (now.seconds() + 3600).to_string()),
        Trouble::AccessDenied => message(403, "Resource not accessible by integration"),
        Trouble::ExpiredToken | Trouble::InvalidToken => message(401, "Bad credentials"),
        Trouble::NotFound => message(404, "Not Found"),
        Trouble::InternalError => message(500, "Server Error"),
        Trouble::Unavailable => message(503, "Service unavailable"),
        Trouble::Error { code, status, .. } => message(status.unwrap_or(400), code),
        _ => return Wrong::General,
    };
    Wrong::Answer(answer)
}
