//! What GitHub says about a run: the proof that a holder is dead.
//!
//! REST API, "Workflow runs" and "Workflow jobs" (<https://docs.github.com/rest/actions>); `actions: read` is enough.

use std::sync::Arc;
use std::time::Duration;

use registry_core::clock::{Clock as _, SystemClock};
use registry_core::registry::{RunSource, RunState};
use registry_core::settings::Settings;
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// For all questions about one run together.
const LIMIT: Duration = Duration::from_secs(20);
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const ATTEMPT_LIMIT: Duration = Duration::from_secs(6);
/// Jobs a page; GitHub's most.
const PAGE: usize = 100;
/// A matrix has at most 256 jobs; a run that has more pages than this proves nothing.
const MOST_PAGES: usize = 20;

pub(crate) struct GitHub {
    agent: Agent,
    base: String,
    repository: String,
    token: String,
}

impl GitHub {
    /// GitHub as its own variables describe it; `None` without a token and a repository.
    pub(crate) fn of(settings: &Settings) -> Option<Self> {
        let token = settings.variable("GITHUB_TOKEN")?;
        let repository = settings.variable("GITHUB_REPOSITORY")?;
        let base = settings
            .variable("GITHUB_API_URL")
            .unwrap_or_else(|| "https://api.github.com".to_owned());
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected question would carry the token elsewhere.
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_LIMIT))
            .user_agent(concat!(
                "deployment-coordination/",
                env!("CARGO_PKG_VERSION")
            ));
        if base.starts_with("https://") {
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::PlatformVerifier)
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .build();
            config = config.tls_config(tls);
        }
        Some(Self {
            agent: config.build().new_agent(),
            base: base.trim_end_matches('/').to_owned(),
            repository,
            token,
        })
    }

    fn get(&self, path: &str, deadline: Deadline) -> Result<Value, String> {
        let limit = deadline.left().min(ATTEMPT_LIMIT);
        if limit.is_zero() {
            return Err("GitHub took too long".to_owned());
        }
        let url = format!(
            "{}/repos/{}/actions/runs/{path}",
            self.base, self.repository
        );
        let mut answer = self
            .agent
            .get(&url)
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header("Authorization", &format!("Bearer {}", self.token))
            .config()
            .timeout_global(Some(limit))
            .build()
            .call()
            .map_err(|error| format!("GitHub could not be asked: {error}"))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(format!("GitHub answered {status}"));
        }
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| format!("GitHub's answer broke off: {error}"))?;
        serde_json::from_str(&text).map_err(|_| "GitHub's answer is no JSON".to_owned())
    }

    fn ask(
        &self,
        run: &str,
        attempt: Option<u64>,
        runner: Option<&str>,
    ) -> Result<RunState, String> {
        let deadline = Deadline::begin();
        let latest = self.get(run, deadline)?;
        let newest = latest.get("run_attempt").and_then(Value::as_u64);
        if let (Some(attempt), Some(newest)) = (attempt, newest)
            && newest > attempt
        {
            return Ok(RunState::Over(format!(
                "GitHub says that attempt {newest} of run {run} has begun, the hold is of attempt {attempt}"
            )));
        }
        if newest < attempt {
            return Err(format!(
                "GitHub does not know attempt {attempt:?} of run {run}"
            ));
        }
        if is_completed(&latest) {
            return Ok(RunState::Over(format!(
                "GitHub says that run {run} has completed ({})",
                word(&latest, "conclusion")
            )));
        }
        match (runner, newest) {
            (Some(runner), Some(attempt)) => self.job_on(run, attempt, runner, deadline),
            (None, _) | (_, None) => Ok(RunState::Running),
        }
    }

    // A killed job in a run whose other jobs go on.
    fn job_on(
        &self,
        run: &str,
        attempt: u64,
        runner: &str,
        deadline: Deadline,
    ) -> Result<RunState, String> {
        let mut seen = false;
        for page in 1..=MOST_PAGES {
            let path = format!("{run}/attempts/{attempt}/jobs?per_page={PAGE}&page={page}");
            let answer = self.get(&path, deadline)?;
            let jobs = answer.get("jobs").and_then(Value::as_array);
            let jobs = jobs.ok_or("GitHub's answer names no jobs")?;
            for job in jobs.iter().filter(|job| word(job, "runner_name") == runner) {
                if !is_completed(job) {
                    return Ok(RunState::Running);
                }
                seen = true;
            }
            if jobs.len() < PAGE {
                return Ok(if seen {
                    RunState::Over(format!(
                        "GitHub says that the job of run {run} on {runner} has completed"
                    ))
                } else {
                    RunState::Running
                });
            }
        }
        Err("the run has too many jobs".to_owned())
    }
}

impl RunSource for GitHub {
    fn state(&self, run_id: &str, attempt: Option<u64>, runner: Option<&str>) -> RunState {
        if run_id.is_empty() || !run_id.bytes().all(|b| b.is_ascii_digit()) {
            return RunState::CannotTell(format!("{run_id:?} is no run id of GitHub's"));
        }
        self.ask(run_id, attempt, runner)
            .unwrap_or_else(RunState::CannotTell)
    }
}

fn is_completed(value: &Value) -> bool {
    word(value, "status") == "completed"
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The end of all questions together, by the steady clock.
#[derive(Clone, Copy)]
struct Deadline(Duration);

impl Deadline {
    fn begin() -> Self {
        Self(SystemClock::default().boot().since_boot + LIMIT)
    }

    fn left(self) -> Duration {
        self.0
            .saturating_sub(SystemClock::default().boot().since_boot)
    }
}

#[cfg(test)]
mod tests {
    use registry_core::settings::SettingsFile;
    use simulators::{Fault, Job, Run};

    use super::*;

    const REPOSITORY: &str = "owner/repo";

    fn github(simulator: &simulators::GitHub) -> GitHub {
        let url = simulator.url();
        let variables = move |name: &str| match name {
            "GITHUB_TOKEN" => Some("a-token-of-tests".to_owned()),
            "GITHUB_REPOSITORY" => Some(REPOSITORY.to_owned()),
            "GITHUB_API_URL" => Some(url.clone()),
            _ => None,
        };
        GitHub::of(&Settings::new(variables, SettingsFile::default())).unwrap()
    }

    fn is_over(state: &RunState) -> bool {
        matches!(state, RunState::Over(_))
    }

    #[test]
    fn what_proves_an_end_and_what_does_not() {
        let simulator = simulators::GitHub::start().unwrap();
        simulator.set_token("a-token-of-tests");
        let runs = github(&simulator);
        let state = || runs.state("7", Some(1), Some("runner-1"));
        // A run id that GitHub does not know.
        assert!(matches!(state(), RunState::CannotTell(_)));
        let running = Run::in_progress(REPOSITORY, 7).job("deploy", "runner-1");
        simulator.set_run(running.clone());
        assert_eq!(state(), RunState::Running);
        // A killed job in a run whose other jobs go on.
        let mut killed = running.clone().job("test", "runner-2");
        killed.jobs[0].status = "completed".to_owned();
        simulator.set_run(killed);
        assert!(is_over(&state()));
        assert_eq!(
            runs.state("7", Some(1), Some("runner-2")),
            RunState::Running
        );
        // A job that nobody has taken yet is on no runner.
        let mut queued = Run::in_progress(REPOSITORY, 7);
        queued.jobs.push(Job {
            name: "deploy".to_owned(),
            status: "queued".to_owned(),
            conclusion: None,
            runner_name: None,
        });
        simulator.set_run(queued);
        assert_eq!(state(), RunState::Running);
        simulator.set_run(running.clone().completed("cancelled"));
        assert!(is_over(&state()));
        // A re-run of the same run as a new attempt.
        simulator.set_run(running.attempt(2));
        assert!(is_over(&state()));
        assert_eq!(
            runs.state("7", Some(2), Some("runner-1")),
            RunState::Running
        );
        assert!(matches!(
            runs.state("7", Some(3), None),
            RunState::CannotTell(_)
        ));
    }

    #[test]
    fn refusals_and_errors_prove_nothing() {
        let simulator = simulators::GitHub::start().unwrap();
        simulator.set_run(Run::in_progress(REPOSITORY, 7).completed("failure"));
        let runs = github(&simulator);
        assert!(is_over(&runs.state("7", Some(1), None)));
        for status in [403, 404, 429, 500, 301] {
            simulator.fault(Fault::status(status, "{}").times(1));
            let state = runs.state("7", Some(1), None);
            assert!(
                matches!(state, RunState::CannotTell(_)),
                "{status}: {state:?}"
            );
        }
        assert!(matches!(
            runs.state("local", None, None),
            RunState::CannotTell(_)
        ));
    }
}
