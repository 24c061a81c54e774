//! Starts a `deployment-monitor` and keeps it alive: used by `monitor-recovery` and by `deployment-coordinator run`.
#![warn(missing_docs)]

pub mod beat;
pub mod files;

pub use beat::Beat;
