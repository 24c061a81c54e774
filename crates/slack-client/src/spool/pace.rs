//! What the queue remembers beside its messages: how fast each channel may be posted to, and what was counted.

use std::collections::BTreeMap;
use std::time::Duration;

use registry_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Slack's own rate for `chat.postMessage` and webhooks: about one message a second to a channel.
pub(crate) const PACE: Duration = Duration::from_secs(1);

/// The file `state` of the queue's folder. Losing it loses counts and a wait, never a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    channels: BTreeMap<String, Channel>,
    /// Messages that were sent again although the time before may have arrived.
    pub(crate) maybe_repeated: u64,
    /// Progress and stalls that were too old to be sent.
    pub(crate) expired: u64,
    /// Progress that was replaced by newer progress.
    pub(crate) replaced: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Channel {
    // Milliseconds since 1970.
    since: i64,
    // Milliseconds.
    hold: u64,
}

impl State {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Nothing may be sent to the channel for `span` from `now` on. A shorter wait does not end a longer one.
    pub(crate) fn hold(&mut self, channel: &str, span: Duration, now: Timestamp) {
        if self.wait(channel, now) < span {
            let hold = Channel {
                since: now.millis(),
                hold: span.as_millis().try_into().unwrap_or(u64::MAX),
            };
            self.channels.insert(channel.to_owned(), hold);
        }
        self.channels.retain(|_, channel| {
            let since = Timestamp::from_millis(channel.since);
            now < since || now.since(since) < Duration::from_millis(channel.hold)
        });
    }

    /// How long nothing may be sent to the channel. A clock that was set back ends the wait.
    pub(crate) fn wait(&self, channel: &str, now: Timestamp) -> Duration {
        let Some(held) = self.channels.get(channel) else {
            return Duration::ZERO;
        };
        let since = Timestamp::from_millis(held.since);
        if now < since {
            return Duration::ZERO;
        }
        Duration::from_millis(held.hold).saturating_sub(now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_and_a_shorter_one_does_not_end_it() {
        let at = Timestamp::from_seconds;
        let mut state = State::default();
        state.hold("C", Duration::from_secs(30), at(100));
        state.hold("C", PACE, at(110));
        assert_eq!(state.wait("C", at(110)), Duration::from_secs(20));
        assert_eq!(state.wait("D", at(110)), Duration::ZERO);
        assert_eq!(state.wait("C", at(50)), Duration::ZERO, "set back");
        let again = State::read(state.to_text().as_bytes());
        assert_eq!(again, state);
        state.hold("D", PACE, at(200));
        assert_eq!(state.channels.len(), 1, "what is over is forgotten");
        assert_eq!(State::read(b"garbage"), State::default());
    }
}
