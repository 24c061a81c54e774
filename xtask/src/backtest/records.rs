//! The recorded operations and who recorded them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use registry_core::clock::Timestamp;
use registry_core::estimate::operation::{Operation, operations};
use registry_core::estimate::replay;
use registry_core::estimate::table::{Sourced, Table};
use registry_core::trace::Trace;

/// One recorded operation.
pub(crate) struct Record {
    /// The file's name, to show.
    pub(crate) name: String,
    /// Who recorded it: an operation is never estimated from others of its source when it counts as cold. As `SOURCES.md` beside
    /// the file has it; else the beginning of the file's name; else the stack.
    pub(crate) source: String,
    /// Whether `SOURCES.md` says so.
    is_published: bool,
    /// The stack's name; operations of one source and stack are each other's past.
    pub(crate) stack: String,
    /// Whether the record tells the time of day only, so that it has no place in an order.
    pub(crate) undated: bool,
    /// What happened.
    pub(crate) operation: Operation,
    /// Seconds from the operation's first event to its last of any kind.
    pub(crate) last_event: f64,
}

impl Record {
    /// Whether both may be from one source. Where only one of them says who published it, the stack's name or the beginning of the
    /// file's name tells; the same resources tell it always. Rather too often than once too little: an operation that is tested
    /// with itself in the table would be praised for nothing.
    fn is_related(&self, other: &Self) -> bool {
        self.source == other.source
            || self.resources() == other.resources()
            || !(self.is_published && other.is_published)
                && (self.stack == other.stack || beginning(&self.name) == beginning(&other.name))
    }

    fn resources(&self) -> BTreeSet<&str> {
        let runs = &self.operation.runs;
        runs.iter().map(|run| run.id.as_str()).collect()
    }
}

/// Those of the records that come from elsewhere than `record`, with everything else of a source that may be its own left out.
pub(crate) fn strangers<'a>(records: &'a [Record], record: &Record) -> Vec<&'a Record> {
    let related: BTreeSet<&str> = records
        .iter()
        .filter(|other| other.is_related(record))
        .map(|other| other.source.as_str())
        .collect();
    records
        .iter()
        .filter(|other| !related.contains(other.source.as_str()))
        .collect()
}

/// The traces' files begin with the name of the repository.
fn beginning(name: &str) -> Option<&str> {
    name.split_once('_').map(|(beginning, _)| beginning)
}

/// The traces that come with the project.
pub(crate) fn shipped() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/simulators/traces");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the files: every operation in each.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Record>> {
    let mut sources: HashMap<PathBuf, HashMap<String, String>> = HashMap::new();
    let mut records = Vec::new();
    for file in files {
        let shown = file.display().to_string();
        let bytes = std::fs::read(file).with_context(|| shown.clone())?;
        let trace = Trace::parse(&bytes).with_context(|| shown.clone())?;
        let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
        let known = sources
            .entry(folder.clone())
            .or_insert_with(|| sources_of(&folder));
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let stack = trace.stack_name().unwrap_or(&name).to_owned();
        let published = known.get(&name);
        let source = published
            .cloned()
            .unwrap_or_else(|| beginning(&name).unwrap_or(&stack).to_owned());
        let undated = trace
            .events
            .first()
            .is_none_or(|event| Timestamp::parse_rfc3339(&event.timestamp).is_none());
        let events = replay::events(&trace);
        let operations = operations(&events);
        let begins: Vec<Timestamp> = operations.iter().map(|one| one.started).collect();
        for (index, operation) in operations.into_iter().enumerate() {
            let next = begins.get(index + 1);
            let last = events
                .iter()
                .rfind(|event| next.is_none_or(|next| event.timestamp < *next));
            records.push(Record {
                name: name.clone(),
                source: source.clone(),
                is_published: published.is_some(),
                stack: stack.clone(),
                undated,
                last_event: last.map_or(0.0, |event| {
                    event.timestamp.since(operation.started).as_secs_f64()
                }),
                operation,
            });
        }
    }
    Ok(records)
}

/// `SOURCES.md` beside the traces: the repository named for each file, or, where there is none, the source's own words.
fn sources_of(folder: &Path) -> HashMap<String, String> {
    let text = std::fs::read_to_string(folder.join("SOURCES.md")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("- `")?.split_once("`:")?;
            let published = rest.split(';').nth(1)?.trim();
            let first = published.split_whitespace().next()?;
            let source = if first.contains('/') {
                first
            } else {
                published
            };
            Some((name.to_owned(), source.to_owned()))
        })
        .collect()
}

/// The table that these records make.
pub(crate) fn table<'a>(records: impl Iterator<Item = &'a Record>) -> Table {
    let sourced: Vec<Sourced<'_>> = records
        .map(|record| Sourced {
            source: &record.source,
            operation: &record.operation,
        })
        .collect();
    Table::from_operations(&sourced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/simulators/traces");
        std::fs::read_to_string(folder.join(of)).unwrap()
    }

    /// What is read of a file that stands somewhere else, without `SOURCES.md`.
    fn read_as(name: &str, text: &str) -> Vec<Record> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        registry_core::store::atomic::write(&path, text.as_bytes(), 0o644).unwrap();
        read(&[path]).unwrap()
    }

    #[test]
    fn a_record_of_unknown_source_is_not_judged_by_itself() {
        let shipped = read(&shipped().unwrap()).unwrap();
        for (of, source) in [
            // Has the stack's own events: the stack's name tells.
            (
                "smart-device-api_smart-device-api-stack_update3.jsonl",
                "gustavosinbandera/smart-device-api",
            ),
            // Has none: the resources tell.
            (
                "excerpt_fargate-webapp-dev_create.jsonl",
                "readme \"Fargate deploy CDK\" (repository unknown) HH:MM:SS only in the source (1 s resolution)",
            ),
        ] {
            // The file's name may tell nothing, something, or mislead.
            for name in ["events.json", of, "ai-chatbot_events.jsonl"] {
                let tested = read_as(name, &text(of));
                let strangers = strangers(&shipped, &tested[0]);
                assert!(!strangers.is_empty());
                for stranger in strangers {
                    assert_ne!(stranger.source, source, "{name}: {}", stranger.name);
                }
            }
        }
    }

    #[test]
    fn another_operation_of_an_unknown_source_is_not_judged_by_its_kin() {
        let shipped = read(&shipped().unwrap()).unwrap();
        let text = text("smart-device-api_smart-device-api-stack_update3.jsonl");
        // Its first resources only, so that it is none of the shipped ones.
        let begun: String = text.split_inclusive('\n').take(5).collect();
        let renamed = begun.replace("smart-device-api-stack", "another-stack");
        for (name, text) in [
            ("events.json", &begun),
            ("smart-device-api_another-stack_update.jsonl", &renamed),
        ] {
            let tested = read_as(name, text);
            for stranger in strangers(&shipped, &tested[0]) {
                assert!(!stranger.source.contains("smart-device"), "{name}");
            }
        }
    }

    #[test]
    fn published_sources_are_told_apart() {
        let shipped = read(&shipped().unwrap()).unwrap();
        let of = |name: &str| shipped.iter().find(|record| record.name == name).unwrap();
        let cluster = of("excerpt_CdkClusterStack_create.jsonl");
        let strangers = strangers(&shipped, cluster);
        // The files' names begin alike, their sources are two.
        assert!(
            strangers
                .iter()
                .any(|record| record.name.starts_with("excerpt_fargate"))
        );
        assert!(strangers.len() + 1 >= shipped.len());
    }

    #[test]
    fn a_cut_record_ends_with_its_last_event() {
        let records = read_as(
            "cut.jsonl",
            &text("my-cloudformation-project_uppgift01stack_create.jsonl"),
        );
        assert_eq!(records[0].operation.took, None);
        assert!((records[0].last_event - 18.4).abs() < 0.1);
        let (truth, end) = super::super::measured(&records[0]);
        assert!((end - 18.4).abs() < 0.1, "{end}");
        // That event began a resource of which the record tells no end: it is not among what is estimated.
        assert!(truth.last_known() < 10.0);
        let whole = read_as(
            "whole.jsonl",
            &text("smart-device-api_smart-device-api-stack_update3.jsonl"),
        );
        assert_eq!(whole[0].operation.took, Some(whole[0].last_event));
    }
}
