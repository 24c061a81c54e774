//! One deployment as the programs tell it to each other and to people.

use serde::{Deserialize, Serialize};

/// The deployment that is in the way: the contract's `active_deployment`, with exactly the fields that
/// `slack-notifier concurrent` takes. Unknown values are `None`, and `null` in the JSON: the
/// contract promises the fields, and a script that looks for one should find it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveDeployment {
    /// Whose deployment; `unknown-fallback` where only CloudFormation could be asked and the stack has no tag.
    pub correlation_id: Option<String>,
    /// Which environment.
    pub environment: Option<String>,
    /// Which stack, or several separated by commas.
    pub stack_name: Option<String>,
    /// The stack's status, for example `CREATE_IN_PROGRESS`; the registry's (`IN_PROGRESS`) while the stack has not moved.
    pub status: Option<String>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// Whole minutes since then.
    pub elapsed_minutes: Option<u64>,
    /// Whole minutes it will still take; `None` when nothing is known.
    pub estimated_remaining_minutes: Option<u64>,
    /// The GitHub run's page.
    pub workflow_url: Option<String>,
    /// `registry`, `cloudformation` or `cloudformation_fallback`.
    pub source: Option<String>,
}
