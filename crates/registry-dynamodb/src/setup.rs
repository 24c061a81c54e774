//! `init`: makes the table, or says what an existing one lacks.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::operation::update_continuous_backups::UpdateContinuousBackupsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, MultiRegionConsistency,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, ScalarAttributeType,
    TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use registry_core::clock::{Clock, Wake};
use registry_core::store::StoreError;

use crate::address::Address;
use crate::error::Trouble;
use crate::item::{PK, SK, TTL};
use crate::session::Session;
use crate::table::Table;

/// How long a new table may take until it can be used. AWS takes ten seconds or so.
const CREATION: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

/// What `init` found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The table's name.
    pub table: String,
    /// Its region.
    pub region: String,
    /// Whether it was made just now.
    pub created: bool,
    /// What is missing, each with the command that mends it. The registry works without, but should not be left so.
    pub missing: Vec<String>,
}

/// Makes the table at `address`, with on-demand billing, point-in-time recovery and time-to-live for garbage. An existing table
/// is not changed: its keys are checked (another schema is [`StoreError::Wrong`]) and what it lacks is listed.
pub fn set_up(address: Address, clock: &dyn Clock) -> Result<Setup, StoreError> {
    let session = Session::new(address)?;
    let created = make_if_missing(&session)?;
    let description = wait_until_usable(&session, clock)?;
    check_shape(session.address(), &description)?;
    if created {
        switch_on(&session, clock)?;
    }
    let (region, missing) = ask(&session, async |table| {
        let missing = what_is_missing(&table).await;
        Ok((table.connected.region.clone(), missing))
    })?;
    Ok(Setup {
        table: session.address().table.clone(),
        region,
        created,
        missing,
    })
}

fn ask<T>(
    session: &Session,
    question: impl AsyncFnOnce(Table) -> Result<T, Trouble>,
) -> Result<T, StoreError> {
    session.ask(question).map_err(|trouble| match trouble {
        Trouble::Unclear(error) | Trouble::Refused(error) | Trouble::Credentials(error) => error,
        Trouble::Contended => StoreError::Unavailable(
            "DynamoDB asked to go slower (try again in a minute)".to_owned(),
        ),
    })
}

fn make_if_missing(session: &Session) -> Result<bool, StoreError> {
    ask(session, async |table| match describe(&table).await? {
        Some(_) => Ok(false),
        None => make(&table).await,
    })
}

/// `None`: there is no such table.
async fn describe(table: &Table) -> Result<Option<TableDescription>, Trouble> {
    let answer = table
        .connected
        .client
        .describe_table()
        .table_name(&table.name)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.table),
        Err(error) => {
            let missing = error
                .as_service_error()
                .is_some_and(DescribeTableError::is_resource_not_found_exception);
            if missing {
                return Ok(None);
            }
            Err(table.trouble("dynamodb:DescribeTable", &error))
        }
    }
}

async fn make(table: &Table) -> Result<bool, Trouble> {
    let built = |error: aws_smithy_types::error::operation::BuildError| {
        Trouble::from(StoreError::Unavailable(error.to_string()))
    };
    let mut request = table
        .connected
        .client
        .create_table()
        .table_name(&table.name)
        .billing_mode(BillingMode::PayPerRequest)
        .deletion_protection_enabled(true);
    for (name, kind) in [(PK, KeyType::Hash), (SK, KeyType::Range)] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind);
        request = request
            .attribute_definitions(attribute.build().map_err(built)?)
            .key_schema(key.build().map_err(built)?);
    }
    match request.send().await {
        Ok(_) => Ok(true),
        // Somebody else, or our own request whose reply was lost, was first.
        Err(error)
            if error
                .as_service_error()
                .is_some_and(CreateTableError::is_resource_in_use_exception) =>
        {
            Ok(true)
        }
        Err(error) => Err(table.trouble("dynamodb:CreateTable", &error)),
    }
}

fn wait_until_usable(session: &Session, clock: &dyn Clock) -> Result<TableDescription, StoreError> {
    let begun = clock.boot();
    loop {
        let found = ask(session, async |table| describe(&table).await)?;
        let usable = |description: &TableDescription| {
            matches!(
                description.table_status(),
                Some(TableStatus::Active | TableStatus::Updating)
            )
        };
        if let Some(description) = found.filter(usable) {
            return Ok(description);
        }
        if clock.boot().since(&begun).unwrap_or(CREATION) >= CREATION {
            return Err(StoreError::Unavailable(format!(
                "the table {} is not ready yet (run this command again in a minute)",
                session.address().table
            )));
        }
        if clock.sleep(PAUSE) == Wake::Stopped {
            return Err(StoreError::Stopped);
        }
    }
}

fn check_shape(address: &Address, description: &TableDescription) -> Result<(), StoreError> {
    let table = &address.table;
    let found: Vec<(&str, &KeyType)> = description
        .key_schema()
        .iter()
        .map(|key| (key.attribute_name(), key.key_type()))
        .collect();
    let are_text = description
        .attribute_definitions()
        .iter()
        .filter(|attribute| [PK, SK].contains(&attribute.attribute_name()))
        .all(|attribute| *attribute.attribute_type() == ScalarAttributeType::S);
    if found != [(PK, &KeyType::Hash), (SK, &KeyType::Range)] || !are_text {
        let keys: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        return Err(StoreError::Wrong(format!(
            "the table {table} has the keys {}, and a registry has pk and sk (text both): give REGISTRY_URL the name of another table",
            keys.join(", ")
        )));
    }
    let strong = description.multi_region_consistency() == Some(&MultiRegionConsistency::Strong);
    if !description.replicas().is_empty() && !strong {
        return Err(StoreError::Wrong(format!(
            "the table {table} is a global table whose last writer wins, so two regions could both be told yes: use a table of one region"
        )));
    }
    Ok(())
}

// What fails here is listed as missing afterwards, with the command that mends it.
fn switch_on(session: &Session, clock: &dyn Clock) -> Result<(), StoreError> {
    ask(session, async |table| {
        let enabled = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(TTL);
        if let Ok(enabled) = enabled.build() {
            let request = table.connected.client.update_time_to_live();
            let request = request
                .table_name(&table.name)
                .time_to_live_specification(enabled);
            let _told_below = request.send().await;
        }
        Ok(())
    })?;
    let begun = clock.boot();
    // A new table has no backups for some seconds, and says so with an error.
    while !ask(session, async |table| Ok(switch_recovery_on(&table).await))? {
        let waited = clock.boot().since(&begun).unwrap_or(CREATION);
        if waited >= CREATION || clock.sleep(PAUSE) == Wake::Stopped {
            break;
        }
    }
    Ok(())
}

/// Whether there is no use in asking again.
async fn switch_recovery_on(table: &Table) -> bool {
    let enabled = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let Ok(enabled) = enabled.build() else {
        return true;
    };
    let request = table.connected.client.update_continuous_backups();
    let request = request
        .table_name(&table.name)
        .point_in_time_recovery_specification(enabled);
    match request.send().await {
        Ok(_) => true,
        Err(error) => !error
            .as_service_error()
            .is_some_and(UpdateContinuousBackupsError::is_continuous_backups_unavailable_exception),
    }
}

async fn what_is_missing(table: &Table) -> Vec<String> {
    let mut missing = Vec::new();
    missing.extend(time_to_live_missing(table).await);
    missing.extend(recovery_missing(table).await);
    missing
}

fn unsure(what: &str, table: &Table, trouble: Trouble) -> String {
    match trouble {
        Trouble::Unclear(error) | Trouble::Refused(error) | Trouble::Credentials(error) => {
            format!("{what} of {} could not be looked at: {error}", table.name)
        }
        Trouble::Contended => format!("{what} of {} could not be looked at: try again", table.name),
    }
}

async fn time_to_live_missing(table: &Table) -> Option<String> {
    let request = table.connected.client.describe_time_to_live();
    let found = match request.table_name(&table.name).send().await {
        Ok(answer) => answer.time_to_live_description,
        Err(error) => {
            let trouble = table.trouble("dynamodb:DescribeTimeToLive", &error);
            return Some(unsure("time-to-live", table, trouble));
        }
    };
    let is_on = found.as_ref().is_some_and(|found| {
        matches!(
            found.time_to_live_status(),
            Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
        )
    });
    let attribute = found.as_ref().and_then(|found| found.attribute_name());
    match (is_on, attribute) {
        (true, Some(TTL)) => None,
        (true, other) => Some(format!(
            "time-to-live is on the attribute {:?} and not on {TTL:?}, so garbage stays: switch it over in the console, an hour apart",
            other.unwrap_or_default()
        )),
        (false, _) => Some(format!(
            "time-to-live is off, so garbage stays: aws dynamodb update-time-to-live --region {} --table-name {} --time-to-live-specification Enabled=true,AttributeName={TTL}",
            table.connected.region, table.name
        )),
    }
}

async fn recovery_missing(table: &Table) -> Option<String> {
    let request = table.connected.client.describe_continuous_backups();
    let found = match request.table_name(&table.name).send().await {
        Ok(answer) => answer.continuous_backups_description,
        Err(error) => {
            let trouble = table.trouble("dynamodb:DescribeContinuousBackups", &error);
            return Some(unsure("point-in-time recovery", table, trouble));
        }
    };
    let status = found
        .as_ref()
        .and_then(|found| found.point_in_time_recovery_description())
        .and_then(|found| found.point_in_time_recovery_status());
    if status == Some(&PointInTimeRecoveryStatus::Enabled) {
        return None;
    }
    Some(format!(
        "point-in-time recovery is off, so a table deleted by mistake is lost: aws dynamodb update-continuous-backups --region {} --table-name {} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
        table.connected.region, table.name
    ))
}
