//! The registry: reachable, readable, writable, and nobody in it who has been dead for long.

use registry_core::clock::human_duration;
use registry_core::registry::Registry;
use registry_core::settings::REGISTRY_DIR;
use registry_core::slot::HoldKind;
use registry_core::store::atomic;
use registry_core::store::{Location, Scope, Snapshot, StoreError};
use slack_client::Finding;

use super::{bad, good, weak};
use crate::world::{Target, World};

pub(super) fn examine(world: &World, targets: &[Target]) -> Vec<Finding> {
    let registry = match world.registry() {
        Ok(registry) => registry,
        Err(error) => return vec![broken(world, &error)],
    };
    let snapshot = match registry.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return vec![broken(world, &error)],
    };
    let mut findings = vec![writable(world, &registry), reach(world, &registry)];
    findings.extend(stale(world, &snapshot));
    findings.extend(frozen(&snapshot, targets));
    findings
}

fn broken(world: &World, error: &StoreError) -> Finding {
    let text = error.to_string();
    if is_shared(world) {
        let (words, fix) = shared_fix(error, &text);
        return bad("registry", words.to_owned(), fix);
    }
    let fix = match error {
        StoreError::Busy { .. } => {
            "end the process that keeps the lock, if it hangs: its pid stands in the lock file"
                .to_owned()
        }
        StoreError::Wrong(_) => {
            "set REGISTRY_URL or REGISTRY_DIR to what it should be, or unset it".to_owned()
        }
        StoreError::Unavailable(_) | StoreError::Stopped => format!(
            "make it anew if nothing in it is wanted: mkdir -p {0} && echo '{{\"deployments\":[]}}' > {0}/deployments.json",
            world.settings().path(&REGISTRY_DIR).display()
        ),
    };
    bad("registry", text, fix)
}

fn is_shared(world: &World) -> bool {
    matches!(
        Registry::location(world.settings()),
        Ok(Location::DynamoDb { .. })
    )
}

/// What is wrong with a shared registry, and what mends it. What makes it unavailable says so itself, in brackets at its end.
fn shared_fix<'a>(error: &StoreError, text: &'a str) -> (&'a str, &'a str) {
    match error {
        StoreError::Wrong(_) => (
            text,
            "set REGISTRY_URL=dynamodb://TABLE?region=REGION (and REGISTRY_NAMESPACE) to what it should be; deployment-coordinator init makes a table that is not there",
        ),
        StoreError::Busy { .. } => (
            text,
            "try again in a minute; if it goes on, look at the table's throttled requests in CloudWatch, and give it on-demand billing",
        ),
        StoreError::Unavailable(_) | StoreError::Stopped => text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once(" ("))
            .unwrap_or((
                text,
                "see what goes wrong in docs/shared-registry.md; until then deployments do not see each other",
            )),
    }
}

// By writing something beside it, as every change of it does.
fn writable(world: &World, registry: &Registry) -> Finding {
    let place = registry.place();
    if is_shared(world) {
        return match registry.check_writable() {
            Ok(()) => good("registry", format!("{place} can be read and written")),
            Err(error) => broken(world, &error),
        };
    }
    let folder = world.settings().path(&REGISTRY_DIR);
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let tried = atomic::create_folder(&folder, 0o755)
        .and_then(|()| atomic::write(&probe, b"probe\n", 0o600))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => good("registry", format!("{place} can be read and written")),
        Err(error) => bad(
            "registry",
            format!("{} cannot be written: {error}", folder.display()),
            "give this user the right to write there (chown, chmod), free space, or set REGISTRY_DIR to another folder",
        ),
    }
}

fn reach(world: &World, registry: &Registry) -> Finding {
    let hosted =
        world.settings().variable("RUNNER_ENVIRONMENT").as_deref() == Some("github-hosted");
    match registry.scope() {
        Scope::Shared => good("reach", "every machine that uses this registry".to_owned()),
        Scope::Machine if hosted => weak(
            "reach",
            "this job only: the folder dies with the GitHub-hosted runner".to_owned(),
            "set REGISTRY_URL=dynamodb://TABLE, so that jobs see each other",
        ),
        Scope::Machine => good("reach", "this machine only".to_owned()),
    }
}

fn stale(world: &World, snapshot: &Snapshot) -> Vec<Finding> {
    let leases = world.leases().unwrap_or_default();
    let mut findings = Vec::new();
    for entry in snapshot.slots.values().flat_map(|slot| &slot.holds) {
        let silent = snapshot.now.age(&entry.last_beat());
        let lease = match entry.kind {
            HoldKind::Registered => leases.registered,
            HoldKind::Run => leases.run,
        };
        let id = &entry.correlation_id;
        if silent >= lease {
            findings.push(weak(
                "holder",
                format!(
                    "{id} holds {} and has given no sign of life for {}",
                    entry.environment,
                    human_duration(silent)
                ),
                format!("if it is dead: deployment-coordinator cleanup {id}; if not, it needs a monitor. The next deployment frees it once its stack is idle"),
            ));
        } else {
            findings.push(good(
                "holder",
                format!(
                    "{id} holds {}, last sign of life {} ago",
                    entry.environment,
                    human_duration(silent)
                ),
            ));
        }
    }
    findings
}

fn frozen(snapshot: &Snapshot, targets: &[Target]) -> Vec<Finding> {
    targets
        .iter()
        .filter_map(|target| {
            let environment = target.environment.as_str();
            let freeze = snapshot.slot(environment).freeze?;
            Some(weak(
                "freeze",
                format!(
                    "{environment} is frozen by {}: {}",
                    freeze.by, freeze.reason
                ),
                format!("deployment-coordinator thaw {environment}"),
            ))
        })
        .collect()
}
