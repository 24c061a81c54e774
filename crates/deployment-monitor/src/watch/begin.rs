//! Where this deployment's events begin.

use registry_core::clock::Timestamp;
use registry_core::ids::StackName;
use registry_core::reader::{Batch, Floor};
use registry_core::stack::{Stack, StackError};

use super::{Outside, StackWatch, Stage};
use crate::lines::Level;

/// AWS's front doors and its stacks may differ by so much; the registration's newest event id is exact, its time only a limit.
const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_secs(5);

impl StackWatch {
    pub(super) fn floor_for(
        &self,
        stack: &Stack,
        outside: &Outside<'_>,
    ) -> Result<Floor, StackError> {
        if let Some(floor) = &self.floor {
            return Ok(floor.clone());
        }
        match self.beginning.baseline.clone() {
            Some(baseline) => Ok(registered_floor(
                stack,
                baseline.server_time,
                baseline.stack_id.as_deref(),
                baseline.event_id,
            )),
            None => self.unregistered_floor(stack, outside),
        }
    }

    // The operation in progress, else what is newer than this monitor's own start.
    fn unregistered_floor(
        &self,
        stack: &Stack,
        outside: &Outside<'_>,
    ) -> Result<Floor, StackError> {
        if stack.status.class().is_in_progress() {
            return Ok(Floor::newest_operation());
        }
        let started = Timestamp::from_millis(self.cursor.first_look_ms.unwrap_or_default());
        if stack.created_at >= started {
            return Ok(Floor::default());
        }
        let newest = outside
            .source
            .events(&stack.id, None)?
            .value
            .events
            .first()
            .filter(|event| event.timestamp < started)
            .map(|event| event.event_id.clone());
        Ok(Floor {
            after_event: newest,
            since: Some(started),
            newest_operation: false,
        })
    }

    // The first events of this deployment were found: from now on this stack id is watched, from its first event.
    pub(super) fn adopt(&mut self, id: &str, batch: &Batch) {
        self.cursor.stack_id = Some(id.to_owned());
        self.progress.set_root(id);
        self.gone = false;
        if let Some(floor) = self.floor.as_mut().filter(|floor| floor.newest_operation) {
            let first = batch
                .events
                .iter()
                .find(|seen| seen.event.stack_id == id)
                .map(|seen| seen.event.timestamp);
            *floor = Floor {
                since: first,
                ..Floor::default()
            };
        }
    }

    // Deleted and created anew under the same name: the same deployment's next attempt.
    pub(super) fn follow_new_incarnation(&mut self, id: &str, outside: &mut Outside<'_>) {
        self.reader.forget();
        self.progress.set_root(id);
        self.cursor.attempts_before = self.progress.attempt();
        self.cursor.stack_id = Some(id.to_owned());
        self.floor = Some(Floor::default());
        self.gone = false;
        self.described = None;
        self.stage = Stage::NotBegun;
        self.report(
            Level::Info,
            &format!("a new stack of the same name is watched now: {id}"),
            outside,
        );
    }

    /// The id the stack is watched by, once known.
    pub(crate) fn stack_id(&self) -> Option<StackName> {
        self.cursor.stack_id.as_ref()?.parse().ok()
    }
}

fn registered_floor(
    stack: &Stack,
    server_time: Option<Timestamp>,
    stack_id: Option<&str>,
    event_id: Option<String>,
) -> Floor {
    if stack_id == Some(stack.id.as_str()) {
        return match event_id {
            Some(event) => Floor {
                after_event: Some(event),
                since: server_time.map(|at| at - CLOCK_SLACK),
                newest_operation: false,
            },
            None => Floor {
                since: server_time,
                ..Floor::default()
            },
        };
    }
    // No stack at registration, or another one: this one is new. Unless it is older than the registration, which only did not
    // see it.
    match server_time {
        Some(at) if stack.created_at < at - CLOCK_SLACK => Floor::since(at),
        Some(_) | None => Floor::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::stack::StackStatus;
    use std::collections::BTreeMap;

    fn stack(created: i64) -> Stack {
        Stack {
            id: "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1"
                .parse()
                .unwrap(),
            name: "App".to_owned(),
            status: StackStatus::UpdateComplete,
            status_reason: None,
            created_at: Timestamp::from_seconds(created),
            updated_at: None,
            tags: BTreeMap::new(),
            root_id: None,
            last_operations: Vec::new(),
        }
    }

    #[test]
    fn the_registrations_newest_event_is_the_limit() {
        let at = Timestamp::from_seconds(1000);
        let same = stack(10);
        let id = same.id.as_str().to_owned();
        let floor = registered_floor(&same, Some(at), Some(&id), Some("e9".to_owned()));
        assert_eq!(floor.after_event.as_deref(), Some("e9"));
        assert_eq!(floor.since, Some(Timestamp::from_seconds(995)));
        // Created after the registration: all of it is ours.
        assert_eq!(
            registered_floor(&stack(1001), Some(at), None, None),
            Floor::default()
        );
        // There all the time, and the registration could not see it.
        assert_eq!(
            registered_floor(&stack(10), Some(at), None, None),
            Floor::since(at)
        );
    }
}
