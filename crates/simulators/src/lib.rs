//! CloudFormation, Slack and GitHub played on loopback, for tests and for trying things by hand.
#![warn(missing_docs)]

mod cloudformation;
mod crowd;
mod dead_end;
mod fault;
mod github;
mod http;
mod respond;
mod scenario;
mod simulators;
mod slack;
mod stage;

use std::path::{Path, PathBuf};

pub use self::simulators::{Ports, Simulators};
pub use cloudformation::{ACCOUNT, CloudFormation, Event, Play, Resource, Stack};
pub use crowd::Crowd;
pub use dead_end::DeadEnd;
pub use fault::{Fault, Trouble};
pub use github::{GitHub, Job, Run};
pub use scenario::{Scenario, ScenarioError};
pub use slack::{Channel, Duplicates, INTERACT, Message, Slack, TOKEN, UPDATES};
pub use stage::Recorded;

/// A recorded operation that comes with this crate (`traces/README.md` tells what they are).
pub fn trace_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("traces")
        .join(name)
}
