//! `deployment-history.json`: what earlier deployments took. The guide's format with more beside it; what a person or
//! another program added survives every rewrite.
//!
//! Pure but for [`file`], which locks and replaces the file; [`store`] says what any place for it can do. Beside the guide's fields stand `operations`: what CloudFormation
//! did in each of a stack's last operations, resource by resource ([`record`]).

mod averages;
pub mod collect;
mod deployments;
mod entries;
pub mod file;
mod record;
pub mod store;

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::clock::Timestamp;
use crate::estimate::operation::{Kind, Operation};
use crate::estimate::past::Past;
use crate::estimate::table::Table;

pub use deployments::{Deployment, LONGEST_MINUTES};
pub use entries::EntryKey;
pub use record::RecordedOperation;

/// The history as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    deployments: Vec<Value>,
    operations: Vec<Value>,
    /// Every other field, in the file's order.
    rest: Map<String, Value>,
}

/// Why a text is no history.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HistoryError {
    /// Not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// JSON, but of another shape.
    #[error("{0}")]
    NotHistory(&'static str),
}

/// How many operations of a stack are kept, at least.
pub const KEPT_OPERATIONS: usize = 20;

impl Default for History {
    fn default() -> Self {
        Self {
            deployments: Vec::new(),
            operations: Vec::new(),
            rest: entries::empty_summary(),
        }
    }
}

impl History {
    /// Reads the file's content. An empty file is an empty history.
    pub fn parse(bytes: &[u8]) -> Result<Self, HistoryError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| HistoryError::NotJson(error.to_string()))?;
        let Value::Object(mut rest) = value else {
            return Err(HistoryError::NotHistory("it is not a JSON object"));
        };
        let mut list = |name| match rest.shift_remove(name) {
            Some(Value::Array(list)) => Ok(list),
            None => Ok(Vec::new()),
            Some(_) => Err(HistoryError::NotHistory(
                "its `deployments` or `operations` is not a list",
            )),
        };
        Ok(Self {
            deployments: list("deployments")?,
            operations: list("operations")?,
            rest,
        })
    }

    /// The file's content.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut root = Map::new();
        root.insert("deployments".to_owned(), json!(self.deployments));
        root.extend(self.rest.clone());
        let mut text = serde_json::to_string_pretty(&root).unwrap_or_default();
        if !self.operations.is_empty() {
            // One operation a line: its rows spread out would be ten thousand lines of numbers.
            if let Some(open) = text.strip_suffix("\n}").map(str::len) {
                text.truncate(open);
            }
            text.push_str(",\n  \"operations\": [\n");
            let lines: Vec<String> = self
                .operations
                .iter()
                .map(|operation| format!("    {operation}"))
                .collect();
            text.push_str(&lines.join(",\n"));
            text.push_str("\n  ]\n}");
        }
        text.push('\n');
        text.into_bytes()
    }

    /// What a stack did before, for an estimate.
    #[must_use]
    pub fn past(&self, stack: &str) -> Past {
        let mut here = Vec::new();
        let mut elsewhere = Vec::new();
        let mut errors = Vec::new();
        for recorded in self.operations() {
            if recorded.stack_name == stack {
                errors.extend(recorded.judged);
                here.push(recorded.operation);
            } else {
                elsewhere.push(recorded.operation);
            }
        }
        here.sort_by_key(|operation| operation.started);
        let recorded = averages::by_type_and_action(here.iter().chain(&elsewhere));
        let mut type_averages = averages::read(&self.rest);
        type_averages.retain(|resource_type, _| !recorded.contains_key(resource_type));
        Past {
            operations: here,
            elsewhere: averages::by_type_and_action(&elsewhere),
            type_averages,
            totals: self
                .deployments(stack)
                .into_iter()
                .map(|deployment| (deployment.kind, deployment.seconds))
                .collect(),
            errors,
        }
    }

    /// All recorded operations, in the file's order. Entries that make no sense are left out (and stay in the file).
    #[must_use]
    pub fn operations(&self) -> Vec<RecordedOperation> {
        self.operations.iter().filter_map(record::read).collect()
    }

    /// The successful deployments of a stack, in order of their end.
    #[must_use]
    pub fn deployments(&self, stack: &str) -> Vec<Deployment> {
        let mut deployments: Vec<Deployment> = self
            .deployments
            .iter()
            .filter_map(deployments::read)
            .filter(|deployment| deployment.stack_name == stack)
            .collect();
        deployments.sort_by_key(|deployment| deployment.completed_at);
        deployments
    }

    /// The guide's figure: the average of the last ten deployments, in whole minutes.
    #[must_use]
    pub fn average_deployment_minutes(&self) -> Option<f64> {
        self.rest.get("average_deployment_minutes")?.as_f64()
    }

    /// Stacks that have a deployment or an operation, sorted.
    #[must_use]
    pub fn stacks(&self) -> Vec<String> {
        let mut stacks: Vec<String> = self
            .deployments
            .iter()
            .chain(&self.operations)
            .filter_map(|entry| entry.get("stack_name")?.as_str().map(str::to_owned))
            .collect();
        stacks.sort();
        stacks.dedup();
        stacks
    }

    /// Adds what a deployment took, in whole minutes (`update`). The same id and stack again replaces the minutes.
    pub fn add_deployment(&mut self, id: &str, stack: &str, minutes: u64, now: Timestamp) {
        let operation = self
            .operations()
            .into_iter()
            .rev()
            .find(|recorded| {
                recorded.stack_name == stack
                    && deployments::is_same(&recorded.operation, minutes, now)
            })
            .map(|recorded| recorded.operation);
        let list = &mut self.deployments;
        deployments::add(list, id, stack, minutes, now, operation.as_ref());
        self.refresh(stack, now);
    }

    /// Adds operations of a stack that are over and not yet known; returns how many were new. Keeps the newest `keep` of the
    /// stack. Each is first estimated from those before it, so that the history learns how far its estimates are off.
    pub fn add_operations(
        &mut self,
        stack: &str,
        operations: &[Operation],
        keep: usize,
        table: &Table,
        now: Timestamp,
    ) -> usize {
        let known: Vec<(String, Timestamp)> = self
            .operations()
            .into_iter()
            .filter(|recorded| recorded.stack_name == stack)
            .map(|recorded| (recorded.operation.id, recorded.operation.started))
            .collect();
        let mut new: Vec<&Operation> = operations
            .iter()
            .filter(|operation| operation.took.is_some() && !operation.cut)
            .filter(|operation| known.iter().all(|(id, _)| *id != operation.id))
            .collect();
        new.sort_by_key(|operation| operation.started);
        // Reading less far than before forgets nothing; what is too old to be kept is not new either.
        let keep = keep.max(KEPT_OPERATIONS).max(known.len());
        let mut begun: Vec<Timestamp> = known.iter().map(|(_, started)| *started).collect();
        begun.extend(new.iter().map(|operation| operation.started));
        begun.sort();
        if let Some(&oldest) = begun.len().checked_sub(keep).and_then(|at| begun.get(at)) {
            new.retain(|operation| operation.started >= oldest);
        }
        let mut past = self.past(stack);
        for &operation in &new {
            let judged = averages::judge(operation, &past, table);
            past.operations.push(operation.clone());
            past.errors.extend(judged);
            let entry = record::write(stack, operation, judged);
            self.operations.push(entry);
            deployments::add_operation(&mut self.deployments, stack, operation);
        }
        record::keep_newest(&mut self.operations, stack, keep.max(KEPT_OPERATIONS));
        if !new.is_empty() {
            self.refresh(stack, now);
        }
        new.len()
    }

    /// Computes the guide's figures anew, the average over the stack of the newest deployment.
    pub fn recompute(&mut self, now: Timestamp) {
        let newest = self
            .deployments
            .iter()
            .filter_map(deployments::read)
            .max_by_key(|deployment| deployment.completed_at);
        if let Some(newest) = newest {
            self.refresh(&newest.stack_name, now);
        }
    }

    /// Computes the guide's figures anew.
    fn refresh(&mut self, stack: &str, now: Timestamp) {
        let operations: Vec<Operation> = self
            .operations()
            .into_iter()
            .map(|recorded| recorded.operation)
            .collect();
        averages::refresh(&mut self.rest, &operations);
        let past = self.past(stack);
        let newest: Option<Kind> = past.totals.last().and_then(|(kind, _)| *kind);
        if let Some(seconds) = past.average_total(newest) {
            let minutes = (seconds / 60.0).round() as u64;
            self.rest
                .insert("average_deployment_minutes".to_owned(), json!(minutes));
        }
        self.rest
            .insert("last_updated".to_owned(), json!(now.rfc3339()));
    }
}

#[cfg(test)]
mod tests;
