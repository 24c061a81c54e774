//! Who calls: the run, its attempt, its runner, the person.

use registry_core::settings::Settings;
use registry_core::slot::Entry;
use registry_core::store::process::host;

/// The caller, as GitHub's variables and the machine tell it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// `GITHUB_RUN_ID`.
    pub(crate) run: Option<String>,
    /// `GITHUB_RUN_ATTEMPT`.
    pub(crate) attempt: Option<u64>,
    /// `RUNNER_NAME`, else the host.
    pub(crate) runner: Option<String>,
    /// `GITHUB_ACTOR`, else `USER`.
    person: Option<String>,
    host: Option<String>,
}

impl Caller {
    pub(crate) fn of(settings: &Settings) -> Self {
        let host = host();
        Self {
            run: settings.variable("GITHUB_RUN_ID"),
            attempt: settings
                .variable("GITHUB_RUN_ATTEMPT")
                .and_then(|text| text.parse().ok()),
            runner: settings.variable("RUNNER_NAME").or_else(|| host.clone()),
            person: settings
                .variable("GITHUB_ACTOR")
                .or_else(|| settings.variable("USER")),
            host,
        }
    }

    /// Who, in words for a record: `alice, run 12345 on runner-7`, `bob@host`.
    pub(crate) fn words(&self) -> String {
        let person = self.person.as_deref().unwrap_or("somebody");
        match &self.run {
            Some(run) => format!(
                "{person}, run {run} on {}",
                self.runner.as_deref().unwrap_or("an unknown runner")
            ),
            None => format!("{person}@{}", self.host.as_deref().unwrap_or("unknown")),
        }
    }

    /// Whether the caller may be the one that holds `entry`: nothing that both of them tell differs.
    pub(crate) fn may_be_holder_of(&self, entry: &Entry) -> bool {
        fn agree<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> bool {
            a.zip(b).is_none_or(|(a, b)| a == b)
        }
        agree(self.run.as_ref(), entry.workflow_run_id.as_ref())
            && agree(self.attempt.as_ref(), entry.run_attempt.as_ref())
            && agree(self.runner.as_ref(), entry.runner.as_ref())
    }
}
