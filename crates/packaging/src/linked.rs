//! What the seven programs link, by cargo's own account.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::programs::all;

/// One package that is linked into at least one of the programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression; older forms (`MIT/Apache-2.0`) are rewritten.
    pub(crate) license: String,
    /// Where its sources are.
    pub(crate) folder: PathBuf,
    /// Of the archive on crates.io; none for a package of this workspace.
    pub(crate) checksum: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    /// Names and versions of what it links itself.
    pub(crate) needs: BTreeSet<(String, String)>,
}

/// Everything that is linked for `target`, in order of name and version.
pub(crate) fn linked(root: &Path, target: &str) -> Result<Vec<Package>> {
    let programs: Vec<String> = all()
        .iter()
        .map(|program| program.get_name().to_owned())
        .collect();
    let mut tree = cargo(root);
    tree.args(["tree", "--locked", "--target", target])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "depth"])
        .args(["--format", " {p}", "--no-dedupe"]);
    for program in &programs {
        tree.args(["--package", program]);
    }
    let tree = needs(&output(&mut tree)?)?;
    let mut metadata = cargo(root);
    metadata.args(["metadata", "--locked", "--format-version", "1"]);
    metadata.args(["--filter-platform", target]);
    let metadata: Value = serde_json::from_str(&output(&mut metadata)?)
        .context("cargo metadata printed what is not JSON")?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    let checksums = checksums(&lock);
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let word = |name: &str| package[name].as_str().map(str::to_owned);
        let (name, version) = (
            word("name").context("a package has no name")?,
            word("version").context("a package has no version")?,
        );
        let key = (name.clone(), version.clone());
        let Some(needs) = tree.get(&key) else {
            continue;
        };
        let manifest = word("manifest_path").context("a package has no manifest")?;
        packages.push(Package {
            license: word("license")
                .with_context(|| format!("{name} {version} names no licence"))?
                .replace('/', " OR ")
                .replace("  OR  ", " OR "),
            folder: Path::new(&manifest).parent().unwrap_or(root).to_owned(),
            checksum: checksums.get(&key).cloned(),
            description: word("description").map(|text| text.trim().replace('\n', " ")),
            repository: word("repository"),
            needs: needs.clone(),
            name,
            version,
        });
    }
    packages.sort();
    ensure!(
        packages.len() == tree.len(),
        "cargo tree names {} packages, and cargo metadata has {} of them",
        tree.len(),
        packages.len()
    );
    Ok(packages)
}

type Named = (String, String);

// Lines are `DEPTH NAME vVERSION (where it is)`; what is one deeper, down to the next of the same depth, is what it needs.
fn needs(tree: &str) -> Result<BTreeMap<Named, BTreeSet<Named>>> {
    let mut found: BTreeMap<Named, BTreeSet<Named>> = BTreeMap::new();
    let mut above: Vec<Named> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let parts = (|| {
            let depth: usize = words.next()?.parse().ok()?;
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            Some((depth, (name, version)))
        })();
        let Some((depth, named)) = parts else {
            bail!("cargo tree printed a line that is not understood: {line:?}");
        };
        above.truncate(depth);
        if let Some(parent) = above.last() {
            found
                .entry(parent.clone())
                .or_default()
                .insert(named.clone());
        }
        found.entry(named.clone()).or_default();
        above.push(named);
    }
    Ok(found)
}

fn checksums(lock: &str) -> BTreeMap<Named, String> {
    let mut found = BTreeMap::new();
    for block in lock.split("[[package]]") {
        let field = |name: &str| {
            block.lines().find_map(|line| {
                let value = line.strip_prefix(name)?.strip_prefix(" = \"")?;
                value.strip_suffix('"').map(str::to_owned)
            })
        };
        if let (Some(name), Some(version), Some(sum)) =
            (field("name"), field("version"), field("checksum"))
        {
            found.insert((name, version), sum);
        }
    }
    found
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(crate::variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.current_dir(root);
    command
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{command:?} could not be started"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    String::from_utf8(output.stdout).context("cargo printed what is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Named {
        let (name, version) = text.split_once(' ').unwrap();
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn a_tree_is_read() {
        let text = "0 a v1.0.0 (/here)\n1 b v2.0.0\n2 c v3.0.0\n1 c v3.0.0\n\n0 d v1.0.0 (/here)\n1 c v3.0.0\n";
        let found = needs(text).unwrap();
        let check = |of: &str, expected: &[&str]| {
            let expected: BTreeSet<Named> = expected.iter().map(|text| named(text)).collect();
            assert_eq!(found[&named(of)], expected, "{of}");
        };
        check("a 1.0.0", &["b 2.0.0", "c 3.0.0"]);
        check("b 2.0.0", &["c 3.0.0"]);
        check("c 3.0.0", &[]);
        check("d 1.0.0", &["c 3.0.0"]);
        assert!(needs("warning: something").is_err());
    }

    #[test]
    fn a_lock_file_is_read() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n\
            [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let expected = BTreeMap::from([(named("a 1.0.0"), "00ff".to_owned())]);
        assert_eq!(checksums(lock), expected);
    }
}
