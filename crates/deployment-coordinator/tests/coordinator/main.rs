//! The program as its callers use it: the real binary, a folder of its own, CloudFormation and GitHub on loopback.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod decision;
#[path = "../../../registry-dynamodb/tests/shared/emulator.rs"]
mod emulator;
mod estimate;
mod files;
mod life;
#[path = "../../../registry-dynamodb/tests/shared/moto.rs"]
mod moto;
mod race;
mod room;
mod shared;
mod wait;
mod words;
