//! What was tried and what it led to, as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::life::Tried;

/// The page: how many faults of each kind, and what each led to.
pub(crate) fn page(tried: &[Tried], seed: u64, everything: bool) -> String {
    let mut endings: Vec<&str> = tried.iter().map(|tried| tried.went).collect();
    endings.sort_unstable();
    endings.dedup();
    let mut rows: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for one in tried {
        let row = rows.entry(one.fault.row()).or_default();
        *row.entry(one.went).or_default() += 1;
    }
    let wrong = tried
        .iter()
        .filter(|tried| tried.complaint().is_some())
        .count();
    let how = if everything {
        "every fault there is, in every step".to_owned()
    } else {
        format!("drawn from the seed {seed}")
    };
    let mut text = format!(
        "{} faults, {how}; {wrong} broke a promise.\n\n| what breaks |",
        tried.len()
    );
    for ending in &endings {
        let _infallible = write!(text, " {ending} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"--:|".repeat(endings.len()));
    text.push('\n');
    for (row, counts) in rows {
        let _infallible = write!(text, "| {row} |");
        for ending in &endings {
            let count = counts
                .get(ending)
                .map_or_else(String::new, ToString::to_string);
            let _infallible = write!(text, " {count} |");
        }
        text.push('\n');
    }
    text
}

/// Puts the table between the marks of docs/faults.md.
pub(crate) fn keep(path: &Path, table: &str) {
    const BEGIN: &str = "<!-- table: begin, written by cargo xtask faults -->\n";
    const END: &str = "<!-- table: end -->";
    let page = std::fs::read_to_string(path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    let page = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    registry_core::store::atomic::write(path, page.as_bytes(), 0o644).expect("the page");
}
