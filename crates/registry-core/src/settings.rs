//! Settings: their names, defaults and layers. Strongest first: flag, environment variable, settings file, default.
//!
//! Nothing here looks at the process's environment or the disk; `command-line` hands both in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::clock::parse_duration;
use crate::ids::{Environment, IdError, StackName};

/// One setting: the name of its environment variable (its key in the file is the same in lower case), its default, what it is.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name of the environment variable.
    pub name: &'static str,
    /// The built-in value; empty when there is none.
    pub default: &'static str,
    /// One line for people.
    pub help: &'static str,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $ident:ident = $default:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $ident: Setting = Setting { name: stringify!($ident), default: $default, help: $help };)*
        /// Every setting that may stand in the settings file.
        pub const ALL: &[Setting] = &[$($ident),*];
    };
}

settings! {
    AWS_REGION = "us-east-1", "AWS region of the stacks";
    REGISTRY_DIR = ".deployment-registry", "folder of the file registry, the history and the monitors' state";
    REGISTRY_URL = "", "shared registry, for example dynamodb://TABLE; empty: the file registry";
    REGISTRY_NAMESPACE = "", "prefix of keys in a shared registry; GITHUB_REPOSITORY when empty";
    REGISTRY_PATIENCE = "60s", "for how long a change of a shared registry is tried while others are in the way or it is throttled";
    REGISTRY_REQUIRED = "false", "true: exit 2 instead of falling back to CloudFormation when the registry cannot be used";
    STACK_NAME = "", "stack, used only where neither ENV nor STACK is given";
    ENVIRONMENT = "", "environment, where a command takes one and none is given";
    CHECK_INTERVAL = "30s", "how often the stack and the registry are looked at";
    STALL_THRESHOLD = "600s", "no stack event for so long is a stall";
    MAX_DURATION = "2400s", "an operation longer than this is told once as an overrun";
    PROGRESS_INTERVAL = "600s", "how often Slack is told about progress";
    START_GRACE = "45m", "no operation begun for so long after registration is warned about";
    RETRY_GRACE = "10m", "how long the monitor waits for another attempt after a failure";
    RECOVERY_INTERVAL = "60s", "how often monitor-recovery looks at the monitor";
    HUNG_AFTER = "90s", "a monitor that is silent for so long past its next look is ended and restarted";
    LEASE = "120m", "a hold without a beat for so long, and an idle stack, is abandoned (a hold of run after 15m at the latest)";
    RESERVATION = "120s", "how long a freed environment is kept for the one who was told yes";
    SLACK_CHANNEL_UPDATES = "C0A9M9DPFUY", "channel for status updates";
    SLACK_CHANNEL_INTERACT = "C0A95T7UU4R", "channel for questions that need a person";
    SLACK_API_URL = "https://slack.com/api/", "base of Slack's Web API";
    SLACK_TIMEOUT = "15s", "how long a call to Slack takes at the most, with everything it tries";
    SLACK_QUEUE_DIR = ".slack-retry-queue", "folder of the Slack retry queue";
}

/// Where a value came from, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag on the command line.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// The settings file.
    File(PathBuf),
    /// The built-in default.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "the flag {name}"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the settings file {}", path.display()),
            Self::Default => f.write_str("the built-in default"),
        }
    }
}

/// A setting that cannot be used; the text is one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The value does not parse.
    #[error("{name} is {value:?} in {origin}: {expected}")]
    Bad {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: String,
        /// Where it came from.
        origin: Origin,
        /// What it should be.
        expected: &'static str,
    },
    /// The settings file is not as it should be.
    #[error("the settings file {path} cannot be used: {detail}", path = .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What is wrong and where.
        detail: String,
    },
    /// The environment has no stack.
    #[error(
        "no stack is known for the environment {environment:?}: give STACK, or add it to [environments] in deployment-coordination.toml (known: {known})"
    )]
    UnknownEnvironment {
        /// The environment.
        environment: String,
        /// The known ones, separated by commas.
        known: String,
    },
    /// A name does not parse.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// The file `deployment-coordination.toml`, read.
#[derive(Debug, Clone, Default)]
pub struct SettingsFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
    environments: Vec<(Environment, Vec<StackName>)>,
}

impl SettingsFile {
    /// Reads the text of the file at `path` (the path is only used in messages).
    ///
    /// Keys are the settings' names in lower case; `[environments]` maps an environment to a stack or an array of stacks.
    /// Secrets do not belong in a file that is committed, so no key takes one.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self, SettingsError> {
        let fail = |detail: String| SettingsError::File {
            path: path.clone(),
            detail,
        };
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| fail(crate::text::one_line(&error.to_string())))?;
        let mut file = Self {
            path: path.clone(),
            ..Self::default()
        };
        for (key, value) in table {
            if key == "environments" {
                let toml::Value::Table(environments) = value else {
                    return Err(fail(
                        "[environments] must be a table of NAME = \"STACK\"".to_owned(),
                    ));
                };
                for (name, stacks) in environments {
                    let stacks = stack_names(&stacks).ok_or_else(|| {
                        fail(format!(
                            "environments.{name} must be a stack's name or an array of them"
                        ))
                    })?;
                    let environment = name
                        .parse()
                        .map_err(|error: IdError| fail(error.to_string()))?;
                    let stacks = StackName::parse_list(&stacks)
                        .map_err(|error| fail(format!("environments.{name}: {error}")))?;
                    file.environments.push((environment, stacks));
                }
                continue;
            }
            if !ALL
                .iter()
                .any(|setting| setting.name.eq_ignore_ascii_case(&key))
            {
                let known: Vec<String> = ALL
                    .iter()
                    .map(|setting| setting.name.to_lowercase())
                    .collect();
                return Err(fail(format!(
                    "it has no key {key:?}; it has {}",
                    known.join(", ")
                )));
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => {
                    return Err(fail(format!(
                        "{key} must be text, a whole number, true or false"
                    )));
                }
            };
            file.values.insert(key.to_lowercase(), text);
        }
        Ok(file)
    }
}

fn stack_names(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Array(items) => {
            let names: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            names.map(|names| names.join(","))
        }
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Table(_) => None,
    }
}

/// Environments and stacks that are built in.
const BUILT_IN_ENVIRONMENTS: [(&str, &str); 2] = [
    ("production", "CourtCaseManagementStack"),
    ("staging", "CourtCaseManagementStack-Staging"),
];

type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// All layers of settings together.
pub struct Settings {
    flags: BTreeMap<&'static str, (String, String)>,
    variables: Lookup,
    file: SettingsFile,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The variables may hold secrets.
        f.debug_struct("Settings")
            .field("flags", &self.flags)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Layers `variables` (a look-up of environment variables) over `file`.
    pub fn new(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        file: SettingsFile,
    ) -> Self {
        Self {
            flags: BTreeMap::new(),
            variables: Box::new(variables),
            file,
        }
    }

    /// Adds a value given by a flag (`flag` is its spelling, `--interval`), the strongest layer. `None` changes nothing.
    pub fn set_flag(&mut self, setting: &Setting, flag: &str, value: Option<String>) {
        if let Some(value) = value {
            self.flags.insert(setting.name, (flag.to_owned(), value));
        }
    }

    /// An environment variable that is not one of ours (GitHub's, for example); an empty one counts as not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variables)(name).filter(|value| !value.is_empty())
    }

    /// The value of a setting and where it came from; `None` when it has no value and no default. Empty counts as not set.
    #[must_use]
    pub fn get(&self, setting: &Setting) -> Option<(String, Origin)> {
        if let Some((flag, value)) = self.flags.get(setting.name) {
            return Some((value.clone(), Origin::Flag(flag.clone())));
        }
        if let Some(value) = self.variable(setting.name) {
            return Some((value, Origin::Variable(setting.name.to_owned())));
        }
        if let Some(value) = self
            .file
            .values
            .get(&setting.name.to_lowercase())
            .filter(|value| !value.is_empty())
        {
            return Some((value.clone(), Origin::File(self.file.path.clone())));
        }
        (!setting.default.is_empty()).then(|| (setting.default.to_owned(), Origin::Default))
    }

    /// A setting as text; empty when it has no value.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> String {
        self.get(setting)
            .map(|(value, _)| value)
            .unwrap_or_default()
    }

    /// A setting as a path. A relative one in the settings file counts from that file's folder, so that everybody below it means
    /// the same; any other counts from the working directory, as whoever gave it sees it.
    #[must_use]
    pub fn path(&self, setting: &Setting) -> PathBuf {
        self.counted_from(setting, PathBuf::from(self.text(setting)))
    }

    /// A path that stands in the value of `setting`, as [`Settings::path`] counts.
    pub(crate) fn counted_from(&self, setting: &Setting, path: PathBuf) -> PathBuf {
        match self.get(setting) {
            Some((_, Origin::File(file))) => file
                .parent()
                .map_or(path.clone(), |folder| folder.join(path)),
            Some((_, Origin::Flag(_) | Origin::Variable(_) | Origin::Default)) | None => path,
        }
    }

    /// A setting as a duration of at least one millisecond.
    pub fn duration(&self, setting: &Setting) -> Result<Duration, SettingsError> {
        let (value, origin) = self
            .get(setting)
            .unwrap_or((String::new(), Origin::Default));
        parse_duration(&value).filter(|span| !span.is_zero()).ok_or(SettingsError::Bad {
            name: setting.name,
            value,
            origin,
            expected: "give a duration above zero such as 200ms, 30s, 5m, 2h, or a number of seconds",
        })
    }

    /// A setting as yes or no.
    pub fn flag(&self, setting: &Setting) -> Result<bool, SettingsError> {
        let (value, origin) = self
            .get(setting)
            .unwrap_or((String::new(), Origin::Default));
        match value.to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "" | "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(SettingsError::Bad {
                name: setting.name,
                value,
                origin,
                expected: "give true or false",
            }),
        }
    }

    /// Every environment with its stacks: those of the file, and the built-in ones it does not name.
    #[must_use]
    pub fn environments(&self) -> Vec<(Environment, Vec<StackName>)> {
        let mut all = self.file.environments.clone();
        for (name, stack) in BUILT_IN_ENVIRONMENTS {
            if !all.iter().any(|(known, _)| known.as_str() == name)
                && let (Ok(name), Ok(stack)) = (name.parse(), stack.parse())
            {
                all.push((name, vec![stack]));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The environment whose stacks include `stack`, if any does.
    #[must_use]
    pub fn environment_of(&self, stack: &StackName) -> Option<Environment> {
        self.environments()
            .into_iter()
            .find(|(_, stacks)| stacks.iter().any(|known| known.name() == stack.name()))
            .map(|(environment, _)| environment)
    }

    /// The stacks of an environment: `given` (STACK on the command line, may be a list) wins over the settings.
    pub fn stacks(
        &self,
        environment: &Environment,
        given: Option<&str>,
    ) -> Result<Vec<StackName>, SettingsError> {
        if let Some(given) = given {
            return Ok(StackName::parse_list(given)?);
        }
        let all = self.environments();
        if let Some((_, stacks)) = all.iter().find(|(known, _)| known == environment) {
            return Ok(stacks.clone());
        }
        Err(SettingsError::UnknownEnvironment {
            environment: environment.to_string(),
            known: all
                .iter()
                .map(|(known, _)| known.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// The page of a GitHub run; `None` when GitHub's variables are not there.
    #[must_use]
    pub fn workflow_url(&self, run_id: &str) -> Option<String> {
        let repository = self.variable("GITHUB_REPOSITORY")?;
        let server = self
            .variable("GITHUB_SERVER_URL")
            .unwrap_or_else(|| "https://github.com".to_owned());
        let numeric = !run_id.is_empty() && run_id.bytes().all(|b| b.is_ascii_digit());
        numeric.then(|| {
            format!(
                "{}/{repository}/actions/runs/{run_id}",
                server.trim_end_matches('/')
            )
        })
    }

    /// The values of secrets this process was given, to be masked wherever they turn up.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        const NAMES: [&str; 6] = [
            "SLACK_BOT_TOKEN",
            "SLACK_WEBHOOK_URL",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        ];
        let mut secrets: Vec<String> = NAMES
            .iter()
            .filter_map(|name| self.variable(name))
            .collect();
        // The last part of a webhook's URL is what nobody else knows, also without the rest.
        let webhook = self.variable("SLACK_WEBHOOK_URL");
        secrets.extend(
            webhook
                .as_deref()
                .and_then(|url| url.trim().rsplit('/').next())
                .map(str::to_owned),
        );
        secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &'static [(&'static str, &'static str)], file: &str) -> Settings {
        let file =
            SettingsFile::parse(PathBuf::from("deployment-coordination.toml"), file).unwrap();
        Settings::new(
            move |name| {
                variables
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            },
            file,
        )
    }

    #[test]
    fn the_stronger_layer_wins() {
        let mut all = settings(
            &[("CHECK_INTERVAL", "10s"), ("LEASE", "")],
            "check_interval = 20\nlease = \"1h\"",
        );
        assert_eq!(
            all.duration(&CHECK_INTERVAL).unwrap(),
            Duration::from_secs(10)
        );
        assert_eq!(all.duration(&LEASE).unwrap(), Duration::from_secs(3600));
        assert_eq!(
            all.duration(&STALL_THRESHOLD).unwrap(),
            Duration::from_secs(600)
        );
        all.set_flag(&CHECK_INTERVAL, "--interval", Some("5s".to_owned()));
        assert_eq!(
            all.duration(&CHECK_INTERVAL).unwrap(),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn a_bad_value_names_its_origin() {
        let all = settings(&[("CHECK_INTERVAL", "abc")], "");
        assert_eq!(
            all.duration(&CHECK_INTERVAL).unwrap_err().to_string(),
            "CHECK_INTERVAL is \"abc\" in the environment variable CHECK_INTERVAL: \
             give a duration above zero such as 200ms, 30s, 5m, 2h, or a number of seconds"
        );
        let all = settings(&[("CHECK_INTERVAL", "0")], "");
        assert!(all.duration(&CHECK_INTERVAL).is_err());
    }

    #[test]
    fn environments_map_to_stacks() {
        let all = settings(
            &[],
            "[environments]\nqa = [\"A\", \"B\"]\nproduction = \"Mine\"",
        );
        let stacks = |name: &str| {
            all.stacks(&name.parse().unwrap(), None).map(|stacks| {
                stacks
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(",")
            })
        };
        assert_eq!(stacks("qa").unwrap(), "A,B");
        assert_eq!(stacks("production").unwrap(), "Mine");
        assert_eq!(
            stacks("staging").unwrap(),
            "CourtCaseManagementStack-Staging"
        );
        assert_eq!(
            stacks("dev").unwrap_err().to_string(),
            "no stack is known for the environment \"dev\": give STACK, or add it to [environments] in \
             deployment-coordination.toml (known: production, qa, staging)"
        );
    }

    #[test]
    fn a_broken_file_is_one_sentence() {
        for text in [
            "x",
            "unknown_key = 1",
            "check_interval = 1.5",
            "[environments]\nqa = 3",
            "environments = 3",
        ] {
            let error = SettingsFile::parse(PathBuf::from("f.toml"), text)
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("the settings file f.toml cannot be used: ")
                    && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
