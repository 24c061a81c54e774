//! Makes `crates/registry-core/data/resource-durations.json` from the recorded operations.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::backtest::records;

/// `cargo xtask durations [--check]`.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let check = arguments == ["--check"];
    ensure!(check || arguments.is_empty(), "the only option is --check");
    let records = records::read(&records::shipped()?)?;
    let table = records::table(records.iter());
    let mut text = serde_json::to_string_pretty(&table)?;
    text.push('\n');
    let path = path();
    if check {
        let now = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        println!(
            "{} {}",
            path.display(),
            if now == text {
                "is up to date"
            } else {
                "is out of date"
            }
        );
        return Ok(now == text);
    }
    registry_core::store::atomic::write(&path, text.as_bytes(), 0o644)
        .with_context(|| path.display().to_string())?;
    println!(
        "{} types from {} operations in {}",
        table.durations.len(),
        records.len(),
        path.display()
    );
    Ok(true)
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/registry-core/data/resource-durations.json")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_shipped_table_is_what_the_records_make() {
        assert!(super::run(&["--check".to_owned()]).unwrap());
    }
}
