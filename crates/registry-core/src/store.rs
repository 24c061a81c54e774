//! Where the registry is kept: the trait every store implements, and the file store.

pub mod atomic;
mod crash;
pub mod file;
pub mod format;
pub mod lock;
pub mod network;
pub mod process;
pub mod transfer;

use std::collections::BTreeMap;
use std::path::PathBuf;

use thiserror::Error;

use crate::clock::human_duration;
use crate::ids::Environment;
use crate::slot::{Elsewhere, Now, Slot};
use lock::{Holder, LockError};

/// How far a store's exclusion reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Processes that share a folder: one machine.
    Machine,
    /// Everybody who reaches the shared store.
    Shared,
}

impl Scope {
    /// `machine` or `shared`, as the JSON answers have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Shared => "shared",
        }
    }
}

/// Why a store could not do what was asked. A variant per thing the caller does next.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The setting is wrong: exit 2, no fallback.
    #[error("{0}")]
    Wrong(String),
    /// The registry cannot be used: fall back to CloudFormation, or exit 2 where it is required.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing is broken, others are working: look once more without the lock, then exit 2. Never fall back.
    #[error("the registry is busy: {}", busy(.holder.as_deref(), *.waited))]
    Busy {
        /// Who holds it, where that is known.
        holder: Option<Box<Holder>>,
        /// For how long it was tried.
        waited: std::time::Duration,
    },
    /// The program was asked to stop meanwhile. Nothing was changed.
    #[error("asked to stop while waiting for the registry")]
    Stopped,
}

// The name in the lock file may be that of an earlier holder, so nobody is told to end that process unseen.
fn busy(holder: Option<&Holder>, waited: std::time::Duration) -> String {
    let waited = human_duration(waited);
    match holder {
        Some(holder) => format!(
            "process {} has kept its lock since {}, waited {waited} (try again; if it goes on, see what that process is: ps -fp {})",
            holder.pid,
            holder.since.human(),
            holder.pid
        ),
        None => format!("others keep it so, waited {waited} (try again)"),
    }
}

impl StoreError {
    fn of_lock(error: LockError) -> Self {
        match error {
            LockError::Busy { holder, waited, .. } => Self::Busy { holder, waited },
            LockError::Stopped { .. } => Self::Stopped,
            LockError::Io { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

/// Every environment at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// By name.
    pub slots: BTreeMap<String, Slot>,
    /// When it was taken, by the store's clock.
    pub now: Now,
}

impl Snapshot {
    /// One environment, settled; an empty one where there is nothing.
    #[must_use]
    pub fn slot(&self, environment: &str) -> Slot {
        let mut slot = self
            .slots
            .get(environment)
            .cloned()
            .unwrap_or_else(|| Slot::new(environment));
        slot.settle(&self.now);
        slot
    }

    /// What other environments have that touches a request.
    #[must_use]
    pub fn elsewhere(&self, environment: &str, id: Option<&str>, stacks: &[String]) -> Elsewhere {
        Elsewhere::of(self.slots.values(), environment, id, stacks)
    }
}

/// What an update touches, so that a store with an item per environment knows what else to look at in the same step.
#[derive(Debug, Clone, Copy)]
pub struct Touches<'a> {
    /// The environment that is changed.
    pub environment: &'a str,
    /// The deployment it is about.
    pub id: Option<&'a str>,
    /// The stacks it names.
    pub stacks: &'a [String],
}

/// What a reader asks about, so that a store need not read all it has.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// This environment.
    pub environment: Option<&'a str>,
    /// Every environment in which this deployment has anything.
    pub id: Option<&'a str>,
    /// Every environment with an entry of one of these stacks.
    pub stacks: &'a [String],
}

/// A place where registries are kept. Everything that is decided goes through [`Store::update`].
pub trait Store: Send + Sync {
    /// How far its exclusion reaches.
    fn scope(&self) -> Scope;

    /// Where it is, for messages (`.deployment-registry/deployments.json`, `dynamodb://TABLE`).
    fn place(&self) -> String;

    /// Every environment at one moment, without a lock. A registry that does not exist yet is empty.
    fn snapshot(&self) -> Result<Snapshot, StoreError>;

    /// As [`Store::snapshot`], but of the environments that `about` is about, at least; others may be missing from it.
    fn look(&self, _about: About<'_>) -> Result<Snapshot, StoreError> {
        self.snapshot()
    }

    /// One atomic step: reads the environment, lets `change` act on it, writes it back if it changed. `change` may run more
    /// than once (each time on what is stored then) and the last run counts; it must not ask anybody anything.
    fn update(
        &self,
        touches: Touches<'_>,
        change: &mut dyn FnMut(&mut Slot, &Elsewhere, &Now),
    ) -> Result<(), StoreError>;

    /// Whether it could be changed, without changing anything. What is not known only when it is tried is asked elsewhere.
    fn check_writable(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Where the settings say the registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A DynamoDB table.
    DynamoDb {
        /// The table's name.
        table: String,
        /// The region, where the address names one.
        region: Option<String>,
    },
}

impl Location {
    /// Reads `REGISTRY_URL`; with none, the registry is the folder `directory`.
    pub fn parse(url: &str, directory: PathBuf) -> Result<Self, StoreError> {
        if url.is_empty() {
            return Ok(Self::Folder(directory));
        }
        let wrong = |what: &str| {
            StoreError::Wrong(format!(
                "REGISTRY_URL is {:?}: {what}; give dynamodb://TABLE, file://FOLDER, or nothing for the folder REGISTRY_DIR",
                crate::text::mask(url)
            ))
        };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(wrong("it has no scheme"));
        };
        match scheme {
            "file" if rest.is_empty() => Err(wrong("it names no folder")),
            "file" => Ok(Self::Folder(PathBuf::from(rest))),
            "dynamodb" => dynamodb(rest).map_err(wrong),
            _ => Err(wrong("this scheme is not known")),
        }
    }
}

fn dynamodb(rest: &str) -> Result<Location, &'static str> {
    let (table, query) = rest.split_once('?').unwrap_or((rest, ""));
    let table = table.trim_end_matches('/');
    // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !(3..=255).contains(&table.len()) || !table.chars().all(allowed) {
        return Err("a table's name has 3 to 255 letters, digits, '_', '-' and '.'");
    }
    let mut region = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("region", name)) if !name.is_empty() => region = Some(name.to_owned()),
            Some(_) | None => return Err("after the '?' only region=NAME is understood"),
        }
    }
    Ok(Location::DynamoDb {
        table: table.to_owned(),
        region,
    })
}

/// The name of an environment as the store's functions take it.
impl<'a> From<&'a Environment> for Touches<'a> {
    fn from(environment: &'a Environment) -> Self {
        Self {
            environment: environment.as_str(),
            id: None,
            stacks: &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let parse =
            |url: &str| Location::parse(url, PathBuf::from("here")).map_err(|e| e.to_string());
        assert_eq!(parse(""), Ok(Location::Folder("here".into())));
        assert_eq!(
            parse("file:///srv/x"),
            Ok(Location::Folder("/srv/x".into()))
        );
        let table = |region: Option<&str>| {
            Ok(Location::DynamoDb {
                table: "my-table".to_owned(),
                region: region.map(str::to_owned),
            })
        };
        assert_eq!(parse("dynamodb://my-table"), table(None));
        assert_eq!(
            parse("dynamodb://my-table?region=eu-west-1"),
            table(Some("eu-west-1"))
        );
        for bad in [
            "x",
            "redis://x",
            "dynamodb://",
            "dynamodb://a b c",
            "dynamodb://tab?x=1",
            "file://",
        ] {
            let sentence = parse(bad).unwrap_err();
            assert!(
                sentence.starts_with("REGISTRY_URL is ") && !sentence.contains('\n'),
                "{sentence}"
            );
        }
        assert!(!parse("redis://u:secret@h").unwrap_err().contains("secret"));
    }
}
