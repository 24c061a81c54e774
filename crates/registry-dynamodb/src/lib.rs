//! The registry in DynamoDB: one conditionally updated item per environment. The only crate that names the DynamoDB SDK.
//!
//! Start at `store.rs` (the atomic step) and `claims.rs` (why a stack never has two holders); docs/shared-registry.md has the
//! reasoning and how it is set up.
#![warn(missing_docs)]

mod address;
mod claims;
mod ended;
mod error;
mod history;
mod item;
mod patience;
mod session;
mod setup;
mod store;
mod table;

use std::sync::Arc;

use registry_core::clock::Clock;
use registry_core::history::store::{FileHistory, HistoryStore};
use registry_core::registry::Registry;
use registry_core::settings::Settings;
use registry_core::store::{Location, Store, StoreError};

pub use address::Address;
pub use history::DynamoHistory;
pub use setup::{Setup, set_up};

pub use store::DynamoStore;

/// The store that `location` names: the folder's file store, or the table. Nothing is asked before the first use.
pub fn open(
    location: Location,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn Store>, StoreError> {
    match location {
        Location::Folder(folder) => Ok(Box::new(registry_core::store::file::FileStore::open(
            folder, clock,
        )?)),
        Location::DynamoDb { table, region } => {
            let address = Address::new(table, region, settings)?;
            Ok(Box::new(DynamoStore::new(address, clock)?))
        }
    }
}

/// The registry that the settings name.
pub fn open_registry(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Registry, StoreError> {
    let store = open(Registry::location(settings)?, settings, clock)?;
    Ok(Registry::over(store))
}

/// The history that belongs to the registry at `location`. Nothing is asked before the first use.
pub fn history_at(
    location: Location,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn HistoryStore>, StoreError> {
    match location {
        Location::Folder(folder) => Ok(Box::new(FileHistory::in_folder(&folder, clock))),
        Location::DynamoDb { table, region } => {
            let address = Address::new(table, region, settings)?;
            Ok(Box::new(DynamoHistory::new(address, clock)?))
        }
    }
}

/// The history of the registry that the settings name.
pub fn open_history(
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn HistoryStore>, StoreError> {
    history_at(Registry::location(settings)?, settings, clock)
}
