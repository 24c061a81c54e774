//! One deployment as the programs tell it to each other and to people.

use serde::{Deserialize, Serialize};

/// The deployment that is in the way: the contract's `active_deployment`, with exactly the fields that
/// `slack-notifier concurrent` takes. Unknown values are `None` and left out of the JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveDeployment {
    /// Whose deployment; `unknown-fallback` where only CloudFormation could be asked and the stack has no tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Which environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Which stack, or several separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_name: Option<String>,
    /// The stack's status, for example `CREATE_IN_PROGRESS`; the registry's (`IN_PROGRESS`) while the stack has not moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// Whole minutes since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_minutes: Option<u64>,
    /// Whole minutes it will still take; `None` when nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_remaining_minutes: Option<u64>,
    /// The GitHub run's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_url: Option<String>,
    /// `registry`, `cloudformation` or `cloudformation_fallback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}
