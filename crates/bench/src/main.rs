//! What the programs cost, measured: `cargo xtask bench [AREA…]`.
//!
//! Figures of one machine say little elsewhere, so everything is compared within one run: with the same job done the way the
//! shell scripts did it, and with the floor below which no program can get. Compared commands run in turn, A B A B, so that a
//! machine that slows down slows both. Nothing here asserts a time; targets are printed
//! as met or missed. Memory is another matter: over its limit, the run fails.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers, whose output is its result"
)]

mod areas;
mod figures;
mod job;
mod launch;
mod page;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use areas::{AREAS, Area};
use page::Page;

/// Where things are. `cargo xtask bench` passes it.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    /// The seven programs as they are released.
    pub(crate) programs: PathBuf,
    /// The `aws` command, where it could be fetched.
    pub(crate) aws: Option<PathBuf>,
    /// The page that is written.
    pub(crate) page: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Each measured command has a small process of ours as its parent; see `launch`.
    let word = arguments.split_first();
    match word.map(|(first, rest)| (first.as_str(), rest)) {
        Some((launch::WORD, rest)) => return launch::serve(rest),
        Some((areas::registry::WORD, rest)) => return areas::registry::serve(rest),
        Some(_) | None => {}
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let bench = Bench {
        programs: path_in("BENCH_PROGRAMS").context("run it as cargo xtask bench")?,
        page: path_in("BENCH_PAGE").context("run it as cargo xtask bench")?,
        aws: path_in("AWS_CLI"),
    };
    let wanted = wanted(arguments)?;
    let mut page = Page::read(&bench.page)?;
    let mut broken = Vec::new();
    for area in wanted {
        eprintln!("== {}: {}", area.name, area.help);
        let section = (area.measure)(&bench).with_context(|| area.name.to_owned())?;
        println!("{}", section.markdown());
        page.put(area.name, &section);
        // After each, so that a later area that fails takes nothing away.
        page.write(&bench.page)?;
        broken.extend_from_slice(section.broken());
    }
    if !broken.is_empty() {
        bail!("over its limit: {}", broken.join("; "));
    }
    Ok(())
}

/// The areas that were named; all of them where none was.
fn wanted(names: &[String]) -> Result<Vec<&'static Area>> {
    if names.is_empty() {
        return Ok(AREAS.iter().collect());
    }
    let known: Vec<&str> = AREAS.iter().map(|area| area.name).collect();
    names
        .iter()
        .map(|name| {
            let area = AREAS.iter().find(|area| area.name == name);
            match area {
                Some(area) => Ok(area),
                None => bail!("there is no area {name:?}: {}", known.join(", ")),
            }
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "what cargo xtask bench passes, which is no setting of the programs"
)]
fn path_in(name: &str) -> Option<PathBuf> {
    let value = std::env::var(name).ok()?;
    (!value.is_empty()).then(|| PathBuf::from(value))
}
