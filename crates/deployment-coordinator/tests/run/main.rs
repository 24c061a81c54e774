//! `run` and `doctor` as their callers use them: the real binary with real signals and process groups, in a folder of its own, with CloudFormation and
//! Slack on loopback.

mod doctor;
mod endings;
mod place;
mod turns;
mod watch;
mod words;
