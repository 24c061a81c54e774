//! One deployment, one thread: which message is its root, remembered beside the registry.

use std::path::{Path, PathBuf};

use registry_core::clock::Timestamp;
use registry_core::ids::CorrelationId;
use registry_core::notification::{Kind, Notification, Words};
use registry_core::store::atomic;
use serde::{Deserialize, Serialize};

use crate::hash;

/// The first message of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pub(crate) correlation_id: String,
    /// The channel as it was asked for.
    pub(crate) channel: String,
    /// The channel's id, as Slack answered.
    pub(crate) channel_id: String,
    /// The message's id.
    pub(crate) ts: String,
    pub(crate) message_id: String,
    pub(crate) notification_type: String,
    pub(crate) args: Vec<String>,
    /// When it happened, RFC 3339.
    pub(crate) at: String,
    /// When the state it shows now began, in milliseconds since 1970; an older one is not shown any more.
    #[serde(default)]
    pub(crate) state_at: i64,
    /// Whether its text can be changed.
    #[serde(default)]
    pub(crate) editable: bool,
    /// The form it has there, as [`crate::ladder::Rung::word`] calls it; unknown where another machine posted it.
    #[serde(default)]
    pub(crate) form: String,
}

impl Root {
    /// What it says, where it can be said again.
    pub(crate) fn notification(&self) -> Option<(Notification, Timestamp)> {
        let kind = self.kind()?;
        let words = Words {
            args: self.args.clone(),
            ..Words::default()
        };
        let parsed = Notification::from_words(kind, words).ok()?;
        Some((parsed.notification, Timestamp::parse_rfc3339(&self.at)?))
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::parse(&self.notification_type)
    }
}

/// The folder of the roots. What goes wrong in it costs a thread, never a message.
#[derive(Debug, Clone)]
pub(crate) struct Threads(PathBuf);

impl Threads {
    pub(crate) fn beside(registry: &Path) -> Self {
        Self(registry.join("slack-threads"))
    }

    // An id that is none (`slack-notifier` takes any text) is no file name.
    fn path(&self, id: &str) -> PathBuf {
        let name = match id.parse::<CorrelationId>() {
            Ok(id) => format!("{id}.json"),
            Err(_) => format!("_{}.json", hash::of(id)),
        };
        self.0.join(name)
    }

    pub(crate) fn load(&self, id: &str) -> Option<Root> {
        let bytes = std::fs::read(self.path(id)).ok()?;
        let root: Root = serde_json::from_slice(&bytes).ok()?;
        (root.correlation_id == id).then_some(root)
    }

    pub(crate) fn save(&self, root: &Root) {
        let text = serde_json::to_string_pretty(root).unwrap_or_default();
        if self.0.is_dir() || atomic::create_folder(&self.0, 0o755).is_ok() {
            // Lost roots are found again in the channel's history.
            let _lost = atomic::write(&self.path(&root.correlation_id), text.as_bytes(), 0o600);
        }
    }

    pub(crate) fn forget(&self, id: &str) {
        let _gone = std::fs::remove_file(self.path(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_kept_by_id_whatever_the_id() {
        let folder = tempfile::tempdir().unwrap();
        let threads = Threads::beside(folder.path());
        for id in ["20260114-123456-abc123", "../../evil", "", "a b\n"] {
            let root = Root {
                correlation_id: id.into(),
                channel: "C1".into(),
                channel_id: "C1".into(),
                ts: "1.2".into(),
                message_id: "1-a".into(),
                notification_type: "start".into(),
                args: vec![id.into(), "production".into(), "1".into()],
                at: "2026-01-14T12:34:56.789Z".into(),
                state_at: 5,
                editable: true,
                form: "markdown".into(),
            };
            assert_eq!(threads.load(id), None);
            threads.save(&root);
            assert_eq!(threads.load(id), Some(root));
        }
        assert_eq!(std::fs::read_dir(&threads.0).unwrap().count(), 4);
        threads.forget("a b\n");
        assert_eq!(threads.load("a b\n"), None);
    }
}
