//! The program as its callers use it: the real binary, a folder of its own, CloudFormation and GitHub on loopback.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod decision;
mod estimate;
mod files;
mod life;
mod race;
mod room;
mod wait;
mod words;
