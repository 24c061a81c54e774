//! `cargo xtask install`: the seven programs into one folder, and the shims into another.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::packaging::{host, release};
use crate::process::{build_programs, metadata, succeeds, target_directory, variable};
use crate::shim::{self, PROGRAMS};

#[derive(Debug, Default, PartialEq)]
struct Wish {
    to: Option<PathBuf>,
    shims: Option<PathBuf>,
    debug: bool,
}

/// Builds and installs. Without `--to` the programs go where cargo's own go.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let wish = parse(arguments)?;
    let to = match wish.to {
        Some(folder) => folder,
        None => cargo_bin()?,
    };
    let built = if wish.debug {
        let debug = target_directory(&metadata()?)?.join("debug");
        succeeds(&mut build_programs())?.then_some(debug)
    } else {
        release(build_programs(), &host()?)?
    };
    let Some(built) = built else {
        return Ok(false);
    };
    std::fs::create_dir_all(&to).with_context(|| format!("{} cannot be made", to.display()))?;
    for program in PROGRAMS {
        let from = built.join(program);
        let bytes =
            std::fs::read(&from).with_context(|| format!("{} cannot be read", from.display()))?;
        place(&to.join(program), &bytes, 0o755)?;
    }
    println!(
        "installed {} programs into {}",
        PROGRAMS.len(),
        to.display()
    );
    if !on_path(&to) {
        println!(
            "{} is not on PATH: add it, or install with --to DIR",
            to.display()
        );
    }
    if let Some(folder) = wish.shims {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        for kept in shim::write_all(&folder)? {
            println!("kept the script that was there as {}", kept.display());
        }
        println!("wrote {} shims into {}", PROGRAMS.len(), folder.display());
    }
    Ok(true)
}

fn parse(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut folder = || match arguments.next() {
            Some(folder) if !folder.is_empty() => {
                std::path::absolute(folder).context("no such folder")
            }
            Some(_) | None => bail!("{argument} needs a folder"),
        };
        match argument.as_str() {
            "--to" => wish.to = Some(folder()?),
            "--shims" => wish.shims = Some(folder()?),
            "--debug" => wish.debug = true,
            other => bail!("install takes --to DIR, --shims DIR and --debug, not {other:?}"),
        }
    }
    Ok(wish)
}

fn cargo_bin() -> Result<PathBuf> {
    if let Some(home) = variable("CARGO_HOME") {
        return Ok(Path::new(&home).join("bin"));
    }
    let home = variable("HOME").context("HOME is not set: say --to DIR")?;
    Ok(Path::new(&home).join(".cargo/bin"))
}

fn on_path(folder: &Path) -> bool {
    let path = variable("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|entry| entry == folder)
}

/// Puts a file in its place by renaming, so that a program that is running, or a script that is being read, stays whole.
#[expect(
    clippy::disallowed_methods,
    reason = "the durable rename is for state; an install that a crash cut short is run again"
)]
pub(crate) fn place(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut name = path.file_name().context("a file needs a name")?.to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let fresh = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&fresh)?;
        file.write_all(bytes)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        drop(file);
        std::fs::rename(&fresh, path)
    };
    let result = write().with_context(|| format!("{} cannot be written", path.display()));
    if result.is_err() {
        drop(std::fs::remove_file(&fresh));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str]) -> Result<Wish> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        parse(&words)
    }

    #[test]
    fn arguments() {
        let wish = check(&["--to", "/a", "--shims", "/b", "--debug"]).unwrap();
        let expected = Wish {
            to: Some("/a".into()),
            shims: Some("/b".into()),
            debug: true,
        };
        assert_eq!(wish, expected);
        assert_eq!(check(&[]).unwrap(), Wish::default());
        for bad in [&["--to"][..], &["--shims", ""], &["x"], &["--release"]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_placed_leaves_nothing() {
        let folder = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("taken/inside")).unwrap();
        assert!(place(&folder.join("taken"), b"x", 0o644).is_err());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
