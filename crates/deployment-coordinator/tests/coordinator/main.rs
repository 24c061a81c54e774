//! The program as its callers use it: the real binary, a folder of its own, CloudFormation and GitHub on loopback.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod decision;
mod disks;
#[path = "../../../registry-dynamodb/tests/shared/emulator.rs"]
mod emulator;
mod estimate;
mod files;
mod life;
#[path = "../../../registry-dynamodb/tests/shared/moto.rs"]
mod moto;
mod operator;
#[path = "../../../registry-dynamodb/tests/shared/proxy.rs"]
mod proxy;
mod race;
#[path = "../../../registry-dynamodb/tests/shared/raw.rs"]
mod raw;
mod room;
mod shared;
mod shared_trouble;
mod stories;
mod storm;
#[path = "../../../registry-dynamodb/tests/shared/throttle.rs"]
mod throttle;
mod wait;
mod words;
