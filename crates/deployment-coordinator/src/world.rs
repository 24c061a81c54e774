//! Everything a command works with: settings, console, clock, registry, CloudFormation, GitHub.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use command_line::{Console, Context};
use registry_core::clock::{Clock, StopSignal, SystemClock};
use registry_core::decide::{Seen, look};
use registry_core::deployment::ActiveDeployment;
use registry_core::history::store::HistoryStore;
use registry_core::ids::{CorrelationId, Environment, StackName};
use registry_core::registry::{Registry, RunSource};
use registry_core::settings::{self, Settings};
use registry_core::slot::{Ask, Entry, Leases};
use registry_core::stack::{StackError, StackSource};
use registry_core::store::{Scope, Snapshot, StoreError, network, process};
use stack_client::AwsStacks;

use crate::args::{Common, Place};
use crate::caller::Caller;
use crate::error::Problem;
use crate::github::GitHub;

pub(crate) struct World {
    context: Context,
    id: Option<CorrelationId>,
    stacks: OnceLock<Result<AwsStacks, StackError>>,
    silent: AtomicBool,
    no_registry: AtomicBool,
}

/// What a command is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) environment: Environment,
    pub(crate) stacks: Vec<StackName>,
}

impl Target {
    pub(crate) fn names(&self) -> Vec<String> {
        self.stacks.iter().map(ToString::to_string).collect()
    }
}

impl World {
    pub(crate) fn new(common: &Common) -> Result<Self, Problem> {
        let mut context = Context::load()?;
        let set = &mut context.settings;
        if common.require_registry {
            let yes = Some("true".to_owned());
            set.set_flag(&settings::REGISTRY_REQUIRED, "--require-registry", yes);
        }
        let folder = common.registry_dir.clone();
        set.set_flag(&settings::REGISTRY_DIR, "--registry-dir", folder);
        set.set_flag(&settings::AWS_REGION, "--region", common.region.clone());
        Ok(Self {
            context,
            id: common.correlation_id.clone(),
            stacks: OnceLock::new(),
            silent: AtomicBool::new(false),
            no_registry: AtomicBool::new(false),
        })
    }

    pub(crate) fn console(&self) -> &Console {
        &self.context.console
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.context.settings
    }

    /// The caller's own id, if it gave one.
    pub(crate) fn id(&self) -> Result<Option<CorrelationId>, Problem> {
        if let Some(id) = &self.id {
            return Ok(Some(id.clone()));
        }
        let text = self.settings().variable("CORRELATION_ID");
        text.map(|text| {
            text.parse()
                .map_err(|error| Problem::Usage(format!("CORRELATION_ID: {error}")))
        })
        .transpose()
    }

    pub(crate) fn caller(&self) -> Caller {
        Caller::of(self.settings())
    }

    /// The environment and stacks that `words` mean.
    pub(crate) fn target(&self, words: &Place) -> Result<Target, Problem> {
        let settings = self.settings();
        let stack = words.stack.clone().or_else(|| {
            let given = words.environment.is_some();
            let name = settings.text(&settings::STACK_NAME);
            (!given && !name.is_empty()).then_some(name)
        });
        let environment = match &words.environment {
            Some(environment) => environment.clone(),
            None => self.unnamed_environment(stack.as_deref())?,
        };
        let stacks = settings.stacks(&environment, stack.as_deref())?;
        Ok(Target {
            environment,
            stacks,
        })
    }

    fn unnamed_environment(&self, stack: Option<&str>) -> Result<Environment, Problem> {
        let name = self.settings().text(&settings::ENVIRONMENT);
        if !name.is_empty() {
            return Ok(name.parse()?);
        }
        let Some(stack) = stack else {
            return Err(Problem::Usage(
                "missing ENV: give the environment, or set ENVIRONMENT or STACK_NAME".to_owned(),
            ));
        };
        for stack in StackName::parse_list(stack)? {
            if let Some(environment) = self.settings().environment_of(&stack) {
                return Ok(environment);
            }
        }
        Err(Problem::Usage(format!(
            "missing ENV: no environment is known for the stack {stack}, give one or set ENVIRONMENT"
        )))
    }

    pub(crate) fn registry(&self) -> Result<Registry, StoreError> {
        self.registry_with(Arc::new(SystemClock::default()))
    }

    /// A registry whose waiting for the lock ends when the program is asked to stop.
    pub(crate) fn registry_until(&self, stop: &StopSignal) -> Result<Registry, StoreError> {
        self.registry_with(Arc::new(SystemClock::new(stop.clone())))
    }

    fn registry_with(&self, clock: Arc<dyn Clock>) -> Result<Registry, StoreError> {
        registry_dynamodb::open_registry(self.settings(), clock)
    }

    /// What earlier deployments took: beside the registry, wherever that is.
    pub(crate) fn history(&self) -> Result<Box<dyn HistoryStore>, StoreError> {
        registry_dynamodb::open_history(self.settings(), Arc::new(SystemClock::default()))
    }

    pub(crate) fn registry_required(&self) -> Result<bool, Problem> {
        Ok(self.settings().flag(&settings::REGISTRY_REQUIRED)?)
    }

    /// CloudFormation. Nothing is asked before the first question.
    pub(crate) fn stacks(&self) -> Result<&dyn StackSource, Problem> {
        let made = self.stacks.get_or_init(|| AwsStacks::new(self.settings()));
        match made {
            Ok(stacks) => Ok(stacks),
            Err(error) => Err(error.clone().into()),
        }
    }

    /// Asks for every one of `stacks`.
    pub(crate) fn look(&self, stacks: &[StackName]) -> Result<Vec<Seen>, Problem> {
        let seen = look(self.stacks()?, stacks);
        if seen.iter().any(|seen| seen.answer.is_err()) {
            self.note_silence();
        }
        Ok(seen)
    }

    /// AWS has not answered a question.
    pub(crate) fn note_silence(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Whether AWS has left a question unanswered.
    pub(crate) fn aws_is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// The registry could not be used.
    pub(crate) fn note_lost_registry(&self) {
        self.no_registry.store(true, Ordering::Relaxed);
    }

    /// Whether the registry could not be used: then its history is not worth another wait.
    pub(crate) fn has_lost_registry(&self) -> bool {
        self.no_registry.load(Ordering::Relaxed)
    }

    /// GitHub, where there are a token and a repository.
    pub(crate) fn runs(&self) -> Option<impl RunSource + use<>> {
        GitHub::of(self.settings())
    }

    pub(crate) fn leases(&self) -> Result<Leases, Problem> {
        let registered = self.settings().duration(&settings::LEASE)?;
        let usual = Leases::default();
        Ok(Leases {
            registered,
            // Whoever trusts silence for less than that trusts it for less everywhere.
            run: usual.run.min(registered),
            ..usual
        })
    }

    /// How this caller asks for a reservation or a place; `poll` is how often it will look again.
    pub(crate) fn ask(&self, id: &CorrelationId, poll: Duration) -> Result<Ask, Problem> {
        Ok(Ask {
            correlation_id: id.to_string(),
            reservation: self.settings().duration(&settings::RESERVATION)?,
            lease: (poll * 3).max(Duration::from_secs(10)),
            process: process::current(),
        })
    }

    /// Fills in what the registry's entry does not say itself.
    pub(crate) fn complete(&self, active: &mut ActiveDeployment, entry: Option<&Entry>) {
        if active.workflow_url.is_none()
            && let Some(run) = entry.and_then(|entry| entry.workflow_run_id.as_deref())
        {
            active.workflow_url = self.settings().workflow_url(run);
        }
    }

    /// Refuses an environment that neither the settings nor the registry know.
    pub(crate) fn known(
        &self,
        environment: &Environment,
        snapshot: &Snapshot,
    ) -> Result<(), Problem> {
        if snapshot.slots.contains_key(environment.as_str()) {
            return Ok(());
        }
        self.settings().stacks(environment, None)?;
        Ok(())
    }

    /// Says how far a registry of one machine reaches.
    pub(crate) fn tell_scope(&self, registry: &Registry) {
        if registry.scope() != Scope::Machine {
            return;
        }
        let folder = self.settings().path(&settings::REGISTRY_DIR);
        if let Some(kind) = network::file_system(&folder) {
            self.console().warning(&format!(
                "the registry {} lies on a network file system ({kind}), where locks may not hold between machines: keep it on a local disk, or set REGISTRY_URL=dynamodb://TABLE to share one",
                registry.place()
            ));
        }
        let hosted =
            self.settings().variable("RUNNER_ENVIRONMENT").as_deref() == Some("github-hosted");
        let place = registry.place();
        if hosted {
            self.console().warning(&format!(
                "the registry {place} dies with this GitHub-hosted runner, so it sees no other job: set REGISTRY_URL=dynamodb://TABLE to share one"
            ));
        } else {
            self.console().info(&format!(
                "the registry {place} is this machine's own: it stops deployments from this machine, not from others"
            ));
        }
    }

    /// Hands values on to later steps of a GitHub job (`GITHUB_OUTPUT`); does nothing elsewhere.
    pub(crate) fn github_output(&self, values: &[(&str, String)]) {
        // Words and numbers of ours only; a line break would forge another value.
        let lines: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(['\n', '\r'], " ")))
            .collect();
        self.append("GITHUB_OUTPUT", &(lines.join("\n") + "\n"));
    }

    /// Adds Markdown to the page of a GitHub job (`GITHUB_STEP_SUMMARY`); does nothing elsewhere.
    pub(crate) fn github_summary(&self, markdown: &str) {
        self.append("GITHUB_STEP_SUMMARY", markdown);
    }

    // To the file that a variable of GitHub's names.
    fn append(&self, variable: &str, text: &str) {
        let Some(path) = self.settings().variable(variable) else {
            return;
        };
        let written = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            self.console().warning(&format!(
                "{variable} ({path}) could not be written: {error}"
            ));
        }
    }
}

/// Where a registry is, so that it also says something to who stands in another folder.
pub(crate) fn whole_place(registry: &Registry) -> String {
    let place = registry.place();
    match registry.scope() {
        Scope::Machine => {
            std::path::absolute(&place).map_or(place, |path| path.display().to_string())
        }
        Scope::Shared => place,
    }
}
