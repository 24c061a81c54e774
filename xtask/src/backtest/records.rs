//! The recorded operations and who recorded them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use registry_core::estimate::operation::{Operation, operations};
use registry_core::estimate::replay;
use registry_core::estimate::table::{Sourced, Table};
use registry_core::trace::Trace;

/// One recorded operation.
pub(crate) struct Record {
    /// The file's name, to show.
    pub(crate) name: String,
    /// Who recorded it: an operation is never estimated from others of its source when it counts as cold.
    pub(crate) source: String,
    /// The stack's name; operations of one source and stack are each other's past.
    pub(crate) stack: String,
    /// Whether the record tells the time of day only, so that it has no place in an order.
    pub(crate) undated: bool,
    /// What happened.
    pub(crate) operation: Operation,
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
        let source = known
            .get(&name)
            .cloned()
            .unwrap_or_else(|| name.split('_').next().unwrap_or(&name).to_owned());
        let stack = trace.stack_name().unwrap_or(&name).to_owned();
        let undated = trace.events.first().is_none_or(|event| {
            registry_core::clock::Timestamp::parse_rfc3339(&event.timestamp).is_none()
        });
        for operation in operations(&replay::events(&trace)) {
            records.push(Record {
                name: name.clone(),
                source: source.clone(),
                stack: stack.clone(),
                undated,
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
