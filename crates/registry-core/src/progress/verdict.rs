//! What a stack's status says about the deployment that was watched.

use crate::stack::{StackStatus, StatusClass};

/// What the end of an operation means for the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The new version is live.
    Deployed,
    /// It failed, whether undone or left standing.
    Failed,
}

/// The verdict of a status; `None` where there is none: work going on, a parked change set, a delete that was asked for
/// (a delete is no verdict), or a status we do not know. `undone` says that a creation was under way and is being removed
/// (`OnFailure=DELETE`), which makes its `DELETE_COMPLETE` a failure.
#[must_use]
pub fn verdict_of(status: &StackStatus, undone: bool) -> Option<Verdict> {
    match status.class() {
        StatusClass::Succeeded => Some(Verdict::Deployed),
        StatusClass::RolledBack | StatusClass::NeedsDecision => Some(Verdict::Failed),
        StatusClass::DeleteOnly => {
            (*status != StackStatus::DeleteFailed || undone).then_some(Verdict::Failed)
        }
        StatusClass::Deleted => undone.then_some(Verdict::Failed),
        StatusClass::InProgress
        | StatusClass::CleaningUp
        | StatusClass::RollingBack
        | StatusClass::Deleting
        | StatusClass::Parked
        | StatusClass::Unknown => None,
    }
}
