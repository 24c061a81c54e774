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
    /// AWS.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The words of the command line make no sense together.
    #[error("{0}")]
    Usage(String),
}
