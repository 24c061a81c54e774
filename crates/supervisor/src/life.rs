//! Whether a monitor lives and works, and the end of one that lives and does not work.

use std::io;
use std::path::Path;
use std::time::Duration;

use registry_core::clock::{Clock, human_duration};
use registry_core::store::lock::held_by;
use rustix::process::{Pid, Signal};

use crate::beat::Beat;

/// How a monitor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Nobody holds its lock.
    Dead,
    /// It holds its lock and beats in time, or has not beaten yet.
    Works {
        /// Its process, where it has written its name.
        pid: Option<u32>,
    },
    /// It holds its lock and its beat is overdue.
    Hangs {
        /// Its process.
        pid: u32,
        /// Its last beat was so long ago.
        silent_for: Duration,
    },
}

impl Life {
    /// Looks at the lock (with a shared try-lock that is let go at once) and at the beat in it.
    pub fn of(lock: &Path, clock: &dyn Clock) -> io::Result<Self> {
        let Some(holder) = held_by(lock)? else {
            return Ok(Self::Dead);
        };
        let Some(holder) = holder else {
            return Ok(Self::Works { pid: None });
        };
        let now = clock.boot();
        let overdue = Beat::from_note(&holder.more).filter(|beat| beat.is_overdue(&now));
        Ok(match overdue {
            Some(beat) => Self::Hangs {
                pid: holder.pid,
                silent_for: now.since(&beat.at).unwrap_or_default(),
            },
            None => Self::Works {
                pid: Some(holder.pid),
            },
        })
    }
}

/// Ends the process `pid` that holds `lock`, and waits until the lock is free. A process that has got the same number meanwhile
/// is never touched: the process is pinned first, then the lock is looked at once more.
pub(crate) fn end(pid: u32, lock: &Path, clock: &dyn Clock) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const STEP: Duration = Duration::from_millis(50);
    let number = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| format!("process {pid} is none"))?;
    let still_holds = || matches!(held_by(lock), Ok(Some(Some(holder))) if holder.pid == pid);
    kill(number, &still_holds)
        .map_err(|error| format!("process {pid} could not be ended: {error}"))?;
    let began = clock.boot();
    while still_holds() {
        let waited = clock.boot().since(&began).unwrap_or(PATIENCE);
        if waited >= PATIENCE {
            return Err(format!(
                "process {pid} was killed but still holds its lock after {}",
                human_duration(PATIENCE)
            ));
        }
        let _woken = clock.sleep(STEP);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn kill(pid: Pid, still_holds: &dyn Fn() -> bool) -> rustix::io::Result<()> {
    let pinned = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    if still_holds() {
        rustix::process::pidfd_send_signal(&pinned, Signal::KILL)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn kill(pid: Pid, still_holds: &dyn Fn() -> bool) -> rustix::io::Result<()> {
    if still_holds() {
        rustix::process::kill_process(pid, Signal::KILL)?;
    }
    Ok(())
}
