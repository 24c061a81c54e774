//! The rules of deployment coordination, without a network, a runtime or a command line.
//!
//! Start at [`stack`] (what CloudFormation says) and [`settings`]; the code map is in docs/ARCHITECTURE.md.
#![warn(missing_docs)]

pub mod advice;
pub mod clock;
pub mod decide;
pub mod deployment;
pub mod estimate;
pub mod history;
pub mod ids;
pub mod notification;
pub mod progress;
pub mod reader;
pub mod registry;
pub mod settings;
pub mod slot;
pub mod stack;
pub mod store;
pub mod text;
pub mod trace;
