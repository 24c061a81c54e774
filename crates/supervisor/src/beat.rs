//! A monitor's sign of life, written into its lock file: when, and until when the next one is to be expected.
//!
//! The lock says that the process exists, the beat that it works. Both clocks are the machine's steady one, so setting the wall
//! clock kills nobody.

use std::time::Duration;

use registry_core::clock::BootInstant;
use serde_json::{Map, Value, json};

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// When.
    pub at: BootInstant,
    /// The next one comes within so long.
    pub next_within: Duration,
}

impl Beat {
    /// As it stands in the lock file.
    #[must_use]
    pub fn to_note(&self) -> Map<String, Value> {
        let mut note = Map::new();
        note.insert("boot_id".to_owned(), json!(self.at.boot_id));
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        note.insert(
            "beat_ms_since_boot".to_owned(),
            json!(millis(self.at.since_boot)),
        );
        note.insert(
            "next_beat_within_ms".to_owned(),
            json!(millis(self.next_within)),
        );
        note
    }

    /// Reads it from a lock file's note; `None` where it says nothing.
    #[must_use]
    pub fn from_note(note: &Map<String, Value>) -> Option<Self> {
        let millis = |name: &str| note.get(name)?.as_u64().map(Duration::from_millis);
        Some(Self {
            at: BootInstant {
                boot_id: note
                    .get("boot_id")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                since_boot: millis("beat_ms_since_boot")?,
            },
            next_within: millis("next_beat_within_ms")?,
        })
    }

    /// Whether the next one is overdue at `now`. A beat of another boot says nothing.
    #[must_use]
    pub fn is_overdue(&self, now: &BootInstant) -> bool {
        now.since(&self.at)
            .is_some_and(|silent| silent > self.next_within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, boot: &str) -> BootInstant {
        BootInstant {
            boot_id: Some(boot.to_owned()),
            since_boot: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_beat_is_overdue_by_the_steady_clock_of_its_own_boot() {
        let beat = Beat {
            at: at(100, "a"),
            next_within: Duration::from_secs(90),
        };
        let read = Beat::from_note(&beat.to_note()).unwrap();
        assert_eq!(read, beat);
        assert!(!read.is_overdue(&at(190, "a")));
        assert!(read.is_overdue(&at(191, "a")));
        assert!(!read.is_overdue(&at(5000, "b")));
        assert_eq!(Beat::from_note(&Map::new()), None);
    }
}
