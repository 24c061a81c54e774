//! What a person sees while the monitor runs: lines on stderr, a live table on a terminal, or nothing at all where stderr is
//! the log itself.

use std::time::Duration;

use command_line::Console;
use command_line::console;
use registry_core::clock::Clock;

use crate::args::Plan;
use crate::estimating::Estimator;
use crate::lines::Level;
use crate::live::{Live, View};
use crate::watch::StackWatch;

/// The face of one monitor.
pub(crate) struct Face {
    console: Console,
    live: Option<Live>,
}

impl Face {
    /// A live table where that can be drawn and was not refused, else lines.
    pub(crate) fn new(console: Console, plan: &Plan, own_log: bool) -> Self {
        let live = (plan.live && !own_log).then(Live::open).flatten();
        Self { console, live }
    }

    /// Says one line.
    pub(crate) fn say(&mut self, level: Level, text: &str) {
        if let Some(live) = &mut self.live {
            live.remember(level, text);
            return;
        }
        self.print(level, text);
    }

    fn print(&self, level: Level, text: &str) {
        let level = match level {
            Level::Info | Level::Event => console::Level::Info,
            Level::Success => console::Level::Success,
            Level::Warning => console::Level::Warning,
            Level::Error => console::Level::Error,
        };
        self.console.write(level, text);
    }

    /// Draws how things stand.
    pub(crate) fn draw(
        &mut self,
        stacks: &[StackWatch],
        estimators: &[Estimator],
        clock: &dyn Clock,
        pause: Duration,
    ) {
        let Some(live) = &mut self.live else { return };
        let views: Vec<View> = stacks
            .iter()
            .zip(estimators)
            .map(|(stack, estimator)| View::of(stack, estimator, stack.now(clock)))
            .collect();
        if !live.draw(&views, pause) {
            // The terminal went away, or cannot do it: lines from now on.
            self.live = None;
        }
    }

    /// Leaves the terminal as it was; the last words stay.
    pub(crate) fn leave(&mut self) {
        if let Some(live) = self.live.take() {
            for (level, line) in live.leave() {
                self.print(level, &line);
            }
        }
    }
}
