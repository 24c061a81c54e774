//! What `cargo xtask docs` and `cargo xtask dist` make from the seven programs' command lines and from what they link: pages,
//! man pages, completions, the bill of materials, the archive.
//!
//! A package of its own, so that xtask, for which everybody waits, does not wait for the programs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers, whose output is its result"
)]

mod check;
mod docs;
mod licences;
mod linked;
mod programs;
mod sbom;
mod stage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Make documents and archives; started by `cargo xtask docs` and `cargo xtask dist`
#[derive(Parser)]
#[command(name = "packaging")]
struct Words {
    /// The root of the workspace
    #[arg(long)]
    root: PathBuf,
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write docs/cli/ and the table of docs/exit-status.md
    Docs {
        /// Only say what is stale
        #[arg(long)]
        check: bool,
    },
    /// Make an archive
    Archive {
        /// The folder with the seven programs
        #[arg(long)]
        built: PathBuf,
        /// The folder with the shims
        #[arg(long)]
        shims: PathBuf,
        /// The folder for the archive
        #[arg(long)]
        out: PathBuf,
        /// What it was built for
        #[arg(long)]
        target: String,
        /// Seconds since 1970 that every file in it bears
        #[arg(long)]
        time: u64,
    },
    /// Unpack an archive into an empty folder and deploy with it
    Check {
        archive: PathBuf,
        /// What the programs must say as their version
        #[arg(long)]
        version: String,
        /// Text that must be nowhere in it
        #[arg(long)]
        trace: Vec<String>,
    },
}

fn main() -> ExitCode {
    match perform(Words::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn perform(words: Words) -> Result<bool> {
    let root = words.root;
    match words.command {
        Task::Docs { check } => {
            let stale = docs::write(&root, check)?;
            for name in &stale {
                println!("{} {name}", if check { "stale:" } else { "wrote" });
            }
            if check && !stale.is_empty() {
                println!("run cargo xtask docs and commit what it writes");
            }
            Ok(!check || stale.is_empty())
        }
        Task::Archive {
            built,
            shims,
            out,
            target,
            time,
        } => {
            let archive = stage::archive(&stage::Wish {
                root,
                built,
                shims,
                out,
                target,
                time,
            })?;
            println!("{}", archive.display());
            Ok(true)
        }
        Task::Check {
            archive,
            version,
            trace,
        } => {
            for line in check::check(&archive, &version, &trace)? {
                println!("{line}");
            }
            Ok(true)
        }
    }
}

/// Writes a file, and the folders it is in.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::File::create(path)?.write_all(bytes)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// An environment variable; an empty one counts as not set.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells us its path in the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
