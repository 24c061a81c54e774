//! `cargo xtask docs` and `cargo xtask dist`. What they make is made by the package `packaging`, which stands on the programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{
    build_programs, cargo, metadata, output, root, succeeds, target_directory, variable,
};
use crate::shim::{self, PROGRAMS};

/// What tells the programs their version at compile time; see `command_line::VERSION`.
const VERSION_VARIABLE: &str = "DEPLOYMENT_COORDINATION_VERSION";

/// Writes `docs/cli/` and the table of `docs/exit-status.md`; with `--check` it only says what is stale.
pub(crate) fn docs(arguments: &[String]) -> Result<bool> {
    let check = match arguments {
        [] => false,
        [word] if word == "--check" => true,
        _ => bail!("docs takes --check and nothing else"),
    };
    let mut packaging = packaging();
    packaging.arg("docs");
    if check {
        packaging.arg("--check");
    }
    succeeds(&mut packaging)
}

#[derive(Debug, Default, PartialEq)]
struct Wish {
    target: Option<String>,
    out: Option<PathBuf>,
    check: bool,
}

fn parse(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || match arguments.next() {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) | None => bail!("{argument} needs a value"),
        };
        match argument.as_str() {
            "--target" => wish.target = Some(value()?.clone()),
            "--out" => wish.out = Some(std::path::absolute(value()?).context("no such folder")?),
            "--check" => wish.check = true,
            other => bail!("dist takes --target TARGET, --out DIR and --check, not {other:?}"),
        }
    }
    Ok(wish)
}

/// Builds the programs for a release and packs them; with `--check` the archive is then tried on a machine that has nothing else.
pub(crate) fn dist(arguments: &[String]) -> Result<bool> {
    let wish = parse(arguments)?;
    let target = match wish.target {
        Some(target) => target,
        None => host()?,
    };
    let folder = release_directory()?;
    let out = wish.out.unwrap_or_else(|| folder.join("archives"));
    let version = version()?;
    let Some(built) = release(build_programs(), &target)? else {
        return Ok(false);
    };
    let shims = folder.join("shims");
    std::fs::create_dir_all(&shims)
        .with_context(|| format!("{} cannot be made", shims.display()))?;
    shim::write_all(&shims)?;
    let mut archive = packaging();
    archive
        .args([
            "archive",
            "--target",
            &target,
            "--time",
            &time()?.to_string(),
        ])
        .arg("--built")
        .arg(&built)
        .arg("--shims")
        .arg(&shims)
        .arg("--out")
        .arg(&out);
    let made = output(&mut archive)?;
    print!("{made}");
    if !wish.check {
        return Ok(true);
    }
    let mut check = packaging();
    check.args(["check", made.trim(), "--version", &version]);
    for trace in [root(), cargo_home()?] {
        check.arg("--trace").arg(trace);
    }
    succeeds(&mut check)
}

/// Runs `build`, a `cargo build`, as for a release; the folder of what it built, or `None` where cargo has said what is wrong.
pub(crate) fn release(mut build: Command, target: &str) -> Result<Option<PathBuf>> {
    let folder = release_directory()?;
    build
        .args(["--release", "--locked", "--target", target])
        .arg("--target-dir")
        .arg(&folder)
        .env(VERSION_VARIABLE, version()?)
        .env("RUSTFLAGS", release_flags()?);
    Ok(succeeds(&mut build)?.then(|| folder.join(target).join("release")))
}

/// Apart from other builds: the flags differ, and each would build everything anew after the other.
fn release_directory() -> Result<PathBuf> {
    Ok(target_directory(&metadata()?)?.join("dist"))
}

fn release_flags() -> Result<String> {
    Ok([
        // The same sources give the same programs wherever they are built.
        format!("--remap-path-prefix={}=/cargo", cargo_home()?.display()),
        format!("--remap-path-prefix={}=/source", root().display()),
        // A tenth of each program; who panics is ended (`panic = "abort"`) and unwinds nothing.
        "-Cforce-unwind-tables=no".to_owned(),
    ]
    .join(" "))
}

/// `0.1.0 (0123456789ab)`: the version of all programs and the commit they are built from.
fn version() -> Result<String> {
    let metadata = metadata()?;
    let package = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == PROGRAMS[0])
        .context("cargo metadata does not name the programs")?;
    let version = package["version"].as_str().context("no version")?;
    Ok(match git(&["rev-parse", "--short=12", "HEAD"]) {
        // An unpacked archive of the sources has no commit to tell.
        Err(_) => version.to_owned(),
        Ok(commit) => {
            let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
            let changed = if changed { ", changed" } else { "" };
            format!("{version} ({commit}{changed})")
        }
    })
}

// When the commit was made; the files in the archive bear this time, so that an archive can be made again to the byte.
fn time() -> Result<u64> {
    git(&["log", "-1", "--format=%ct"]).map_or(Ok(0), |text| {
        text.parse().context("git told no time of the commit")
    })
}

fn git(words: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(words)
        .current_dir(root())
        .output()
        .context("git could not be started")?;
    ensure!(output.status.success(), "git {} failed", words.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The target that this machine's programs are built for.
pub(crate) fn host() -> Result<String> {
    let said =
        output(Command::new(variable("RUSTC").unwrap_or_else(|| "rustc".to_owned())).arg("-vV"))?;
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

fn cargo_home() -> Result<PathBuf> {
    match (variable("CARGO_HOME"), variable("HOME")) {
        (Some(folder), _) => Ok(folder.into()),
        (None, Some(home)) => Ok(Path::new(&home).join(".cargo")),
        (None, None) => bail!("neither CARGO_HOME nor HOME is set"),
    }
}

fn packaging() -> Command {
    let mut command = cargo();
    command
        .args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "packaging",
            "--",
            "--root",
        ])
        .arg(root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let check = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            parse(&words)
        };
        let expected = Wish {
            target: Some("aarch64-apple-darwin".to_owned()),
            out: Some("/a".into()),
            check: true,
        };
        let words = ["--target", "aarch64-apple-darwin", "--out", "/a", "--check"];
        assert_eq!(check(&words).unwrap(), expected);
        assert_eq!(check(&[]).unwrap(), Wish::default());
        for bad in [&["--target"][..], &["--out", ""], &["x"]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_version_is_the_workspaces_and_has_the_commit() {
        let version = version().unwrap();
        let plain = env!("CARGO_PKG_VERSION");
        assert!(
            version == plain || version.starts_with(&format!("{plain} (")),
            "{version}"
        );
    }
}
