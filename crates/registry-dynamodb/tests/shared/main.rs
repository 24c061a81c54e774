//! The shared registry against emulators of DynamoDB on loopback: dynalite for everything that must exclude, moto for what
//! dynalite does not know.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail, and says when it was skipped"
)]

mod emulator;
mod fixture;
mod history;
mod moto;
mod promises;
mod proxy;
mod race;
mod raw;
mod refusals;
mod rights;
mod slow;
mod throttle;
