//! `cargo xtask demo`: builds, puts the programs and their shims into `demo-run/`, and plays the demo there.

use std::fs;

use anyhow::{Context, Result};

use crate::{install, process};

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let folder = process::root().join("demo-run");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("{} could not be removed", folder.display()))?;
    }
    let below = |name: &str| folder.join(name).display().to_string();
    let (bin, scripts) = (below("bin"), below("caseapp/scripts"));
    let words = ["--debug", "--to", &bin, "--shims", &scripts].map(str::to_owned);
    if !install::run(&words)? {
        return Ok(false);
    }
    let mut play = process::cargo();
    play.args(["run", "--quiet", "--package", "demo", "--", "--folder"])
        .arg(&folder)
        .args(arguments);
    process::succeeds(&mut play)
}
