//! Starts a `deployment-monitor` and keeps it alive: used by `monitor-recovery` and by `deployment-coordinator run`.
//!
//! Whether a monitor lives says the lock it holds, never a process's name; whether it works says the beat in the lock file;
//! whether it is done says its log's last line. [`Keeper::tick`] looks at all three and does what is to be done.
#![warn(missing_docs)]

mod beat;
pub mod files;
mod keeper;
mod life;
mod log_end;
mod spec;
mod streams;
mod window;

pub use beat::Beat;
pub use keeper::{End, Keeper, Report};
pub use life::Life;
pub use spec::{ARGV0, MonitorSpec, StartError, find_program};
pub use streams::is_standard_stream;
