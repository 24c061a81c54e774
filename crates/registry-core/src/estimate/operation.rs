//! What one operation on a stack did, resource by resource, read from its events. Pure.
//!
//! Every number of the estimate begins here: the durations of the past, and the state of the operation that runs now.
//! Times are seconds since the operation's first event, by AWS's clock.

use std::collections::HashMap;

pub use super::words::{Action, Kind, Outcome, Phase, RunState};
use crate::clock::Timestamp;
use crate::stack::{ResourcePhase, STACK_TYPE, StackEvent, StackStatus, StatusClass};

/// The action a resource's status speaks of: its first word, but for the rollback of a nested stack's row.
fn action_of(status: &str) -> Option<Action> {
    match status.split('_').next()? {
        "CREATE" => Some(Action::Create),
        "UPDATE" => Some(Action::Update),
        "DELETE" | "ROLLBACK" => Some(Action::Delete),
        "IMPORT" => Some(Action::Import),
        // EXPORT_*, and what AWS may add: nothing we could learn a duration from.
        _ => None,
    }
}

/// One piece of work on one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The logical id; in a nested stack preceded by the nested stack's own, `Database/Instance`.
    pub id: String,
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// What is done to it.
    pub action: Action,
    /// When in the operation.
    pub phase: Phase,
    /// Seconds at its first `*_IN_PROGRESS`; `None` where the record lacks it, or there was none (an update that changes nothing).
    pub start: Option<f64>,
    /// Seconds at which what waits for it may go on before it is complete (`CONFIGURATION_COMPLETE`).
    pub ready: Option<f64>,
    /// Seconds at its end.
    pub end: Option<f64>,
    /// How it stands.
    pub state: RunState,
}

impl Run {
    /// How long it took, in seconds: first `*_IN_PROGRESS` to its end, only where it ended well and the record has both.
    #[must_use]
    pub fn took(&self) -> Option<f64> {
        match (self.state, self.start, self.end) {
            (RunState::Completed, Some(start), Some(end)) => Some((end - start).max(0.0)),
            _ => None,
        }
    }

    /// When what waits for it may begin.
    #[must_use]
    pub fn released(&self) -> Option<f64> {
        self.ready.or(self.end)
    }

    /// Whether it is a nested stack's row in its parent.
    #[must_use]
    pub fn is_nested_stack(&self) -> bool {
        self.resource_type == STACK_TYPE
    }
}

/// One operation on one stack, from the first event to the last that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The id of its first event: names it, and no other operation.
    pub id: String,
    /// What was asked.
    pub kind: Kind,
    /// How it ended.
    pub outcome: Outcome,
    /// When its first event happened.
    pub started: Timestamp,
    /// Seconds from the first event to the stack's last own event; `None` while it runs.
    pub took: Option<f64>,
    /// Seconds at which the clean-up began.
    pub cleanup_at: Option<f64>,
    /// Seconds at which the rollback began.
    pub rollback_at: Option<f64>,
    /// Whether the record lacks its beginning.
    pub cut: bool,
    /// The first resource that failed and CloudFormation's words, as `LOGICAL_ID: REASON`.
    pub first_cause: Option<String>,
    /// The work on each resource, in the order it began.
    pub runs: Vec<Run>,
}

impl Operation {
    /// Which part of it runs now, or ran last.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.rollback_at.is_some() {
            Phase::Rollback
        } else if self.cleanup_at.is_some() {
            Phase::CleanUp
        } else {
            Phase::Forward
        }
    }

    /// Whether the record shows no failure. A rollback whose cause lies before the record is among these.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.outcome != Outcome::Failed
            && self
                .runs
                .iter()
                .all(|run| !matches!(run.state, RunState::Failed | RunState::Cancelled))
    }

    /// Seconds of the last thing that is known to have happened in it.
    #[must_use]
    pub fn last_known(&self) -> f64 {
        self.runs
            .iter()
            .flat_map(|run| [run.start, run.ready, run.end])
            .chain([self.took, self.cleanup_at, self.rollback_at])
            .flatten()
            .fold(0.0, f64::max)
    }
}

/// Cuts events, oldest first, into the operations they tell of, oldest first. Events of nested stacks may be among them;
/// they are recognised by their parent's row. Never fails: what makes no sense is left out.
#[must_use]
pub fn operations(events: &[StackEvent]) -> Vec<Operation> {
    let mut reader = Reader {
        nested: nested_stacks(events),
        done: Vec::new(),
        now: None,
    };
    for event in events {
        reader.read(event);
    }
    reader.finish()
}

/// The nested stacks' ids, with the path of logical ids that leads to each.
fn nested_stacks(events: &[StackEvent]) -> HashMap<String, String> {
    let mut rows: HashMap<&str, (&str, &str)> = HashMap::new();
    for event in events {
        let Some(physical) = event.physical_id.as_deref() else {
            continue;
        };
        if event.resource_type == STACK_TYPE && !event.is_stack_itself() && !physical.is_empty() {
            rows.insert(physical, (&event.stack_id, &event.logical_id));
        }
    }
    let mut paths = HashMap::new();
    for &id in rows.keys() {
        let mut path = String::new();
        let mut at = id;
        // A stack cannot be its own ancestor; the bound only guards against nonsense.
        for _ in 0..rows.len() {
            let Some(&(parent, logical_id)) = rows.get(at) else {
                break;
            };
            path = format!("{logical_id}/{path}");
            at = parent;
        }
        paths.insert(id.to_owned(), path);
    }
    paths
}

struct Open {
    operation: Operation,
    /// The newest run of each resource.
    newest: HashMap<String, usize>,
}

impl Open {
    fn new(event: &StackEvent, kind: Kind, cut: bool) -> Self {
        Self {
            operation: Operation {
                id: event.event_id.clone(),
                kind,
                outcome: Outcome::Running,
                started: event.timestamp,
                took: None,
                cleanup_at: None,
                rollback_at: None,
                cut,
                first_cause: None,
                runs: Vec::new(),
            },
            newest: HashMap::new(),
        }
    }
}

struct Reader {
    nested: HashMap<String, String>,
    done: Vec<Operation>,
    now: Option<Open>,
}

impl Reader {
    fn read(&mut self, event: &StackEvent) {
        let nested = self.nested.get(&event.stack_id).cloned();
        if event.is_stack_itself() {
            // A nested stack's own events repeat what its row in the parent says.
            if nested.is_none() {
                self.stack_event(event);
            }
        } else {
            self.resource_event(event, &nested.unwrap_or_default());
        }
    }

    fn stack_event(&mut self, event: &StackEvent) {
        let status = StackStatus::parse(event.status.as_str());
        if let Some(kind) = kind_begun(&status) {
            let repeated = self.now.as_ref().is_some_and(|open| {
                open.operation.kind == kind
                    && open.operation.took.is_none()
                    && open.operation.runs.is_empty()
            });
            if !repeated {
                self.begin(event, kind, false);
            }
            return;
        }
        match status.class() {
            StatusClass::RollingBack => self.rolling_back(event),
            StatusClass::CleaningUp => {
                let open = self.current(event, Kind::Update);
                let at = seconds(&open.operation, event);
                open.operation.cleanup_at.get_or_insert(at);
            }
            StatusClass::Succeeded | StatusClass::Deleted => self.end(event, Outcome::Succeeded),
            StatusClass::RolledBack => self.end(event, Outcome::RolledBack),
            StatusClass::DeleteOnly if status == StackStatus::RollbackComplete => {
                self.end(event, Outcome::RolledBack);
            }
            StatusClass::DeleteOnly | StatusClass::NeedsDecision => {
                self.end(event, Outcome::Failed);
            }
            StatusClass::InProgress
            | StatusClass::Deleting
            | StatusClass::Parked
            | StatusClass::Unknown => {}
        }
    }

    fn rolling_back(&mut self, event: &StackEvent) {
        let ended = self
            .now
            .as_ref()
            .is_none_or(|open| open.operation.took.is_some());
        if ended {
            self.begin(event, Kind::Rollback, false);
        }
        let open = self.current(event, Kind::Rollback);
        let at = seconds(&open.operation, event);
        open.operation.rollback_at.get_or_insert(at);
    }

    fn begin(&mut self, event: &StackEvent, kind: Kind, cut: bool) {
        if let Some(open) = self.now.take() {
            self.done.push(open.operation);
        }
        self.now = Some(Open::new(event, kind, cut));
    }

    /// The operation that runs, or one whose beginning the record lacks.
    fn current(&mut self, event: &StackEvent, kind: Kind) -> &mut Open {
        self.now.get_or_insert_with(|| Open::new(event, kind, true))
    }

    fn end(&mut self, event: &StackEvent, outcome: Outcome) {
        let status = event.status.as_str();
        let kind = if status.contains("ROLLBACK") {
            Kind::Rollback
        } else {
            action_of(status).map_or(Kind::Update, kind_of)
        };
        let open = self.current(event, kind);
        let at = seconds(&open.operation, event);
        if open.operation.took.is_some() {
            return;
        }
        open.operation.took = Some(at);
        open.operation.outcome = outcome;
        if status.contains("ROLLBACK") && open.operation.rollback_at.is_none() {
            // The record begins in the middle of the rollback.
            open.operation.rollback_at = Some(0.0);
            open.operation.kind = Kind::Rollback;
            for run in &mut open.operation.runs {
                run.phase = Phase::Rollback;
            }
        }
    }

    fn resource_event(&mut self, event: &StackEvent, path: &str) {
        let Some(action) = action_of(event.status.as_str()) else {
            return;
        };
        let id = format!("{path}{}", event.logical_id);
        let over = self
            .now
            .as_ref()
            .is_some_and(|open| open.operation.took.is_some() && !has_open_run(open, &id, action));
        if over {
            self.begin(event, kind_of(action), true);
        }
        let open = self.current(event, kind_of(action));
        let at = seconds(&open.operation, event);
        match event.status.phase() {
            ResourcePhase::Started => started(open, event, id, action, at),
            ResourcePhase::Completed => ended(open, event, id, action, at, RunState::Completed),
            ResourcePhase::Skipped => ended(open, event, id, action, at, RunState::Skipped),
            ResourcePhase::Failed => {
                let cancelled = event
                    .reason
                    .as_deref()
                    .is_some_and(|reason| reason.to_ascii_lowercase().contains("cancelled"));
                let state = if cancelled {
                    RunState::Cancelled
                } else {
                    note_cause(&mut open.operation, &id, event);
                    RunState::Failed
                };
                ended(open, event, id, action, at, state);
            }
            ResourcePhase::Other => {}
        }
    }

    fn finish(mut self) -> Vec<Operation> {
        if let Some(open) = self.now.take() {
            self.done.push(open.operation);
        }
        self.done
    }
}

fn kind_begun(status: &StackStatus) -> Option<Kind> {
    // A change set under review is no operation yet; every other status continues or ends one.
    [
        (StackStatus::CreateInProgress, Kind::Create),
        (StackStatus::UpdateInProgress, Kind::Update),
        (StackStatus::DeleteInProgress, Kind::Delete),
        (StackStatus::ImportInProgress, Kind::Import),
    ]
    .into_iter()
    .find_map(|(begins, kind)| (begins == *status).then_some(kind))
}

fn kind_of(action: Action) -> Kind {
    match action {
        Action::Create => Kind::Create,
        Action::Update | Action::Replace => Kind::Update,
        Action::Delete => Kind::Delete,
        Action::Import => Kind::Import,
    }
}

fn seconds(operation: &Operation, event: &StackEvent) -> f64 {
    event.timestamp.since(operation.started).as_secs_f64()
}

/// Whether two words mean one piece of work: a replacement begins and ends as an update.
fn same_work(a: Action, b: Action) -> bool {
    let plain = |action| match action {
        Action::Replace => Action::Update,
        other @ (Action::Create | Action::Update | Action::Delete | Action::Import) => other,
    };
    plain(a) == plain(b)
}

fn has_open_run(open: &Open, id: &str, action: Action) -> bool {
    open.newest.get(id).is_some_and(|&index| {
        let run = &open.operation.runs[index];
        run.state == RunState::Running && same_work(run.action, action)
    })
}

fn started(open: &mut Open, event: &StackEvent, id: String, action: Action, at: f64) {
    let reason = event.reason.as_deref().unwrap_or_default();
    let replaced = action == Action::Update && reason.contains("creation of a new physical");
    if !has_open_run(open, &id, action) {
        push(open, event, id.clone(), action, Some(at));
    }
    let Some(&index) = open.newest.get(&id) else {
        return;
    };
    let run = &mut open.operation.runs[index];
    if replaced {
        run.action = Action::Replace;
    }
    // Some records lack DetailedStatus; CloudFormation's words for it are fixed.
    if event.detailed_status.as_deref() == Some("CONFIGURATION_COMPLETE")
        || reason.starts_with("Eventual consistency check initiated")
    {
        run.ready.get_or_insert(at);
    }
}

fn ended(
    open: &mut Open,
    event: &StackEvent,
    id: String,
    action: Action,
    at: f64,
    state: RunState,
) {
    if !has_open_run(open, &id, action) {
        push(open, event, id.clone(), action, None);
    }
    if let Some(&index) = open.newest.get(&id) {
        let run = &mut open.operation.runs[index];
        run.end = Some(at);
        run.state = state;
    }
}

fn push(open: &mut Open, event: &StackEvent, id: String, action: Action, start: Option<f64>) {
    let phase = match open.operation.phase() {
        // Without the stack's own events, what is deleted while creating is being undone.
        Phase::Forward if action == Action::Delete && open.operation.kind == Kind::Create => {
            Phase::Rollback
        }
        phase @ (Phase::Forward | Phase::CleanUp | Phase::Rollback) => phase,
    };
    open.newest.insert(id.clone(), open.operation.runs.len());
    open.operation.runs.push(Run {
        id,
        resource_type: event.resource_type.clone(),
        action,
        phase,
        start,
        ready: None,
        end: None,
        state: RunState::Running,
    });
}

fn note_cause(operation: &mut Operation, id: &str, event: &StackEvent) {
    if operation.first_cause.is_none() && event.resource_type != STACK_TYPE {
        let reason = event.reason.as_deref().unwrap_or("no reason given");
        operation.first_cause = Some(format!("{id}: {reason}"));
    }
}

#[cfg(test)]
mod tests;
