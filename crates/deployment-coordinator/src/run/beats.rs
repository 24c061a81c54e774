//! Beats while COMMAND runs: signs of life of its hold, each of which also tells whether it still is its hold.

use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use command_line::Console;
use registry_core::clock::{StopSignal, Wake};
use registry_core::ids::CorrelationId;
use registry_core::registry::Registry;
use registry_core::slot::{BeatAnswer, Entry};
use registry_core::store::StoreError;

use super::course::Event;
use crate::verify::ended;

/// A hold whose run GitHub calls over is taken after two minutes of silence; a beat must never be that late.
const LONGEST: Duration = Duration::from_secs(30);

/// The thread that beats.
pub(super) struct Beats {
    stop: StopSignal,
    thread: Option<JoinHandle<()>>,
}

/// Beats for one hold.
pub(super) struct Beater {
    /// Its waiting for the lock ends with `stop`.
    pub(super) registry: Registry,
    pub(super) stop: StopSignal,
    pub(super) id: CorrelationId,
    pub(super) entry: Box<Entry>,
    /// How often.
    pub(super) interval: Duration,
    pub(super) console: Console,
    pub(super) events: Sender<Event>,
}

impl Beats {
    /// Starts beating.
    pub(super) fn start(beater: Beater) -> std::io::Result<Self> {
        let stop = beater.stop.clone();
        let thread = std::thread::Builder::new()
            .name("beats".to_owned())
            .spawn(move || beater.run())?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the beating.
    pub(super) fn end(mut self) {
        self.stop.stop(0);
        if let Some(thread) = self.thread.take() {
            // A panic there has told its own story; the deployment is ended all the same.
            let _ended = thread.join();
        }
    }
}

impl Beater {
    fn run(mut self) {
        let mut trouble = false;
        while self.stop.wait(self.interval.min(LONGEST)) == Wake::Elapsed {
            match self.registry.beat(&self.id, Some(&self.entry)) {
                Ok(answer) => {
                    if std::mem::take(&mut trouble) {
                        self.console
                            .info("the registry can be used again; the hold goes on");
                    }
                    if let Some(why) = self.lost(answer) {
                        let _nobody_listens = self.events.send(Event::Lost(why));
                        return;
                    }
                }
                Err(StoreError::Stopped) => return,
                Err(error) => {
                    // Once; an outage of the registry ends no deployment that is under way.
                    if !std::mem::replace(&mut trouble, true) {
                        self.console.warning(&format!(
                            "the hold's sign of life could not be written, the command goes on: {error}"
                        ));
                    }
                }
            }
        }
    }

    // Why the hold is lost; `None`: it is not.
    fn lost(&mut self, answer: BeatAnswer) -> Option<String> {
        let id = &self.id;
        let environment = &self.entry.environment;
        Some(match answer {
            BeatAnswer::StillHolds(entry) if entry.fencing_token == self.entry.fencing_token => {
                self.entry = entry;
                return None;
            }
            BeatAnswer::StillHolds(_) => {
                format!("{id} was registered anew for {environment} by somebody else")
            }
            BeatAnswer::Failed(entry) => {
                let how = ended(entry.ended.as_ref());
                format!("{id} was cleaned up as failed{how}")
            }
            BeatAnswer::Abandoned(entry) => {
                let how = ended(entry.ended.as_ref());
                format!("{id} was taken for dead{how}")
            }
            BeatAnswer::Ended(tombstone) => {
                let how = ended(Some(&tombstone.ended));
                format!("{id} was cleaned up{how}")
            }
            BeatAnswer::Lost(other) => format!(
                "{id} is no longer in the registry, and {} holds {environment} now",
                other.correlation_id
            ),
            BeatAnswer::NeverSeen => format!("{id} is no longer in the registry"),
        })
    }
}
