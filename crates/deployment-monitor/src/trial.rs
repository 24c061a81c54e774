//! A monitor on a played stack, for those who try what it makes of a state that somebody else wrote.

use std::io;
use std::path::Path;
use std::time::Duration;

use registry_core::clock::Clock;
use registry_core::notification::Notification;
use registry_core::stack::StackSource;

use crate::cursor::Cursor;
use crate::lines::Lines;
use crate::log::EventLog;
use crate::ports::{Channel, Deployments, Ending, Standing, Telling};
use crate::watch::{Beginning, Limits, Outside, StackWatch};

/// Looks of a monitor that has nothing to wait for but a failure's next attempt.
const LOOKS: u32 = 3000;

struct Nobody;

impl Telling for Nobody {
    fn tell(&self, _: &str, _: Notification, _: Channel) -> Result<(), String> {
        Ok(())
    }

    fn push(&self) {}
}

impl Deployments for Nobody {
    fn look(&mut self) -> Standing {
        Standing::NeverSeen
    }

    fn record(&mut self, _: &Ending) -> Result<(), String> {
        Ok(())
    }
}

/// Goes on, as the monitor of the deployment `m1` of the stack `App` does, from whatever is in `cursor.json` and in
/// `monitor.log` of `folder`, by `clock`, which is moved on by sleeping. Nobody is told and nothing is registered. Whether it came to an end.
pub fn go_on_from(folder: &Path, source: &dyn StackSource, clock: &dyn Clock) -> io::Result<bool> {
    let path = folder.join("cursor.json");
    let log = folder.join("monitor.log");
    let mut log = EventLog::open(&log).map_err(io::Error::other)?;
    let stack = "App".parse().map_err(io::Error::other)?;
    let mut cursor = Cursor::load(&path);
    let reported = log.read_back(cursor.log.as_ref(), "m1", "App")?;
    if cursor.log.is_none() || reported.is_empty() {
        cursor.log = Some(log.position()?);
    }
    let limits = limits();
    let beginning = Beginning::default();
    let mut watch = StackWatch::new(stack, cursor, path, beginning, limits, reported);
    watch.save_first()?;
    let lines = Lines {
        id: "m1".to_owned(),
        ..Lines::default()
    };
    for _ in 0..LOOKS {
        let mut nobody = Nobody;
        let mut outside = Outside {
            source,
            clock,
            deployments: &mut nobody,
            slack: &Nobody,
            log: &mut log,
            lines: &lines,
            say: &|_, _| {},
            usual: &|_, _| None,
            remaining: &|_, _| None,
        };
        let _look = watch.look(&mut outside).map_err(io::Error::other)?;
        if watch.outcome().is_some() {
            return Ok(true);
        }
        let _waked = clock.sleep(limits.interval);
    }
    Ok(false)
}

fn limits() -> Limits {
    let seconds = Duration::from_secs;
    Limits {
        interval: seconds(30),
        stall: seconds(600),
        most: seconds(7200),
        progress: seconds(600),
        start_grace: seconds(2700),
        retry_grace: seconds(600),
        give_up: seconds(21_600),
    }
}
