//! Why a command could not do what it was asked; each is one sentence and exit status 2.

use registry_core::ids::IdError;
use registry_core::settings::SettingsError;
use registry_core::stack::StackError;
use registry_core::store::StoreError;
use thiserror::Error;

/// Why a command ends with exit status 2.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    /// A setting.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A name.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The registry.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry cannot be used, and one is required.
    #[error("{0} (the registry is required: --require-registry or REGISTRY_REQUIRED)")]
    RegistryRequired(String),
    /// AWS.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The words of the command line make no sense together.
    #[error("{0}")]
    Usage(String),
}

impl Problem {
    /// The `reason` of the JSON object that stands for the answer; `None` where the words or settings were wrong, to which
    /// there is no answer at all.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Settings(_) | Self::Id(_) | Self::Usage(_) => None,
            Self::Stack(_) => Some("STATUS_UNKNOWN"),
            Self::Store(StoreError::Wrong(_)) => Some("REGISTRY_MISCONFIGURED"),
            Self::RegistryRequired(_) | Self::Store(StoreError::Unavailable(_)) => {
                Some("REGISTRY_UNAVAILABLE")
            }
            Self::Store(StoreError::Busy { .. }) => Some("REGISTRY_BUSY"),
            Self::Store(StoreError::Stopped) => Some("STOPPED"),
        }
    }
}
