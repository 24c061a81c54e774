//! What the caller did not say about the deployment in the way is looked up in this machine's registry and history.

use std::sync::Arc;

use registry_core::clock::{Clock, whole_minutes};
use registry_core::history::History;
use registry_core::notification::{Active, Notification};
use registry_core::registry::Registry;
use registry_core::settings::{REGISTRY_DIR, Settings};
use registry_core::slot::Entry;
use registry_core::store::Location;

/// The notification with ACTIVE completed, and what kept it from being so, where something did. A registry that cannot be read
/// changes nothing: this is a courtesy.
pub(crate) fn complete(
    notification: Notification,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> (Notification, Option<String>) {
    let Notification::Queued {
        id,
        environment,
        active,
    } = notification
    else {
        return (notification, None);
    };
    let mut read = Active::read(&active);
    let mut warning = None;
    match holders(settings, clock) {
        Ok(holders) => {
            if let Some(holder) = in_the_way(holders, &id, &environment, &read) {
                fill(&mut read, &holder, settings, &**clock);
            }
        }
        Err(why) if read.deployment.status.is_none() => warning = Some(why),
        Err(_) => {}
    }
    let known = read.deployment != registry_core::deployment::ActiveDeployment::default();
    let notification = Notification::Queued {
        id,
        environment,
        active: if known { read.word() } else { active },
    };
    (notification, warning)
}

/// A registry in which nothing can be looked up.
pub(crate) struct OutOfReach {
    /// Why, and what follows from it.
    pub(crate) why: String,
    /// What to do instead.
    pub(crate) fix: &'static str,
}

/// Where the registry is, in words.
pub(crate) fn place(settings: &Settings) -> Result<String, OutOfReach> {
    let why = match Registry::location(settings) {
        Ok(Location::Folder(folder)) => return Ok(folder.display().to_string()),
        Ok(Location::DynamoDb { .. }) => {
            "slack-notifier does not read the shared registry of REGISTRY_URL".to_owned()
        }
        Err(error) => error.to_string(),
    };
    Err(OutOfReach {
        why: format!(
            "{why}; what ACTIVE of `concurrent` does not say of the deployment in the way reads UNKNOWN"
        ),
        fix: "give ACTIVE the answer of `deployment-coordinator can_deploy`, which has it all",
    })
}

fn holders(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Vec<Entry>, String> {
    place(settings).map_err(|OutOfReach { why, fix }| format!("{why}: {fix}"))?;
    Registry::open(settings, Arc::clone(clock))
        .and_then(|registry| registry.active())
        .map_err(|error| format!("{error}; what ACTIVE does not say reads UNKNOWN"))
}

fn in_the_way(holders: Vec<Entry>, id: &str, environment: &str, read: &Active) -> Option<Entry> {
    holders.into_iter().find(|holder| {
        let named = read.deployment.correlation_id.as_deref();
        holder.environment == environment
            && holder.correlation_id != id
            && named.is_none_or(|named| named == holder.correlation_id)
    })
}

fn fill(read: &mut Active, holder: &Entry, settings: &Settings, clock: &dyn Clock) {
    let known = &mut read.deployment;
    known
        .correlation_id
        .get_or_insert_with(|| holder.correlation_id.clone());
    known
        .environment
        .get_or_insert_with(|| holder.environment.clone());
    known
        .status
        .get_or_insert_with(|| holder.status.as_str().to_owned());
    known
        .started_at
        .get_or_insert_with(|| holder.started_at.rfc3339());
    known.stack_name.get_or_insert_with(|| holder.stack_list());
    let elapsed = whole_minutes(clock.now().since(holder.started_at));
    let elapsed = *known.elapsed_minutes.get_or_insert(elapsed);
    if known.estimated_remaining_minutes.is_none() {
        known.estimated_remaining_minutes = usual_minutes(settings).and_then(|usual| {
            // Longer than usual already: how much longer, nobody knows.
            usual.checked_sub(elapsed)
        });
    }
}

fn usual_minutes(settings: &Settings) -> Option<u64> {
    let file = settings
        .path(&REGISTRY_DIR)
        .join(registry_core::history::file::FILE_NAME);
    let history = History::parse(&std::fs::read(file).ok()?).ok()?;
    let usual = history.average_deployment_minutes()?;
    (usual.is_finite() && usual >= 0.0).then_some(usual.round() as u64)
}
