//! Slack: how a notification looks there, how it is delivered, and the retry queue on disk.
//!
//! [`Slack`] is what programs use. Inside: [`classify`] says what an answer means (a table), `message` what a notification
//! says (the guide's words), [`ladder`] in which form it is sent, `wire` and `web` speak to Slack, `courier` carries one
//! message, [`spool`] keeps the messages and `session` sends them in order.
#![warn(missing_docs)]

pub mod classify;
pub mod ladder;
pub mod message;
pub mod spool;

mod access;
mod courier;
mod crash;
mod deadline;
mod direct;
mod doctor;
mod document;
mod fixes;
mod forms;
mod hash;
mod links;
mod mrkdwn;
mod proxy;
mod session;
mod slack;
mod threads;
mod web;
mod wire;

pub use doctor::{Finding, Health};
pub use session::Fate;
pub use slack::{Delivery, Effort, Options, Report, Slack};
