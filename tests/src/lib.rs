//! What the end-to-end tests stand on: a world of their own for each test, and the seven real programs run in it.
//!
//! A [`World`] has a temporary folder, a CloudFormation, a Slack and a GitHub on loopback, and an environment that takes nothing
//! from the machine: no credentials, no AWS profile, no GitHub variables, another time zone than UTC. Nothing a test starts outlives it.

#![expect(
    clippy::missing_panics_doc,
    reason = "a check that fails panics; that is what tests are for"
)]

mod dice;
mod disk;
mod outcome;
mod poll;
mod programs;
mod tools;
mod world;

pub use dice::Dice;
pub use disk::SmallDisk;
pub use outcome::Outcome;
pub use poll::{eventually, pause};
pub use programs::{Built, PROGRAMS, Programs};
pub use tools::{Server, node_tool, tool};
pub use world::{ID, Running, STACK, World};
