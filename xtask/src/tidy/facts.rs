//! What the rules look at: the members, what each links by default, and the text of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{cargo, metadata, output, root};

/// Everything the rules look at.
pub(crate) struct Facts {
    /// The workspace's own crates by name.
    pub(crate) members: BTreeMap<String, Member>,
    /// Every text file of the project: its path from the root, with `/`, and its text.
    pub(crate) files: BTreeMap<String, String>,
    /// The paths of all other files.
    pub(crate) others: BTreeSet<String>,
    /// `Cargo.lock`: every target and feature.
    pub(crate) lockfile: String,
    /// Every package of others that cargo may build here, for whatever target or feature.
    pub(crate) foreign: Vec<Foreign>,
}

/// A package that is not ours.
pub(crate) struct Foreign {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// What it says of its licence; empty where it says nothing.
    pub(crate) license: String,
    /// Where cargo takes it from; empty for a folder.
    pub(crate) source: String,
}

/// One crate of the workspace.
pub(crate) struct Member {
    /// Its folder from the root.
    pub(crate) folder: String,
    /// Names of the crates it depends on directly, also optionally, to build or to test.
    pub(crate) direct: BTreeSet<String>,
    /// What its default build links: (name, version), itself included.
    pub(crate) links: BTreeSet<(String, String)>,
}

impl Facts {
    /// Asks cargo, and reads the files that git would take.
    pub(crate) fn gather() -> Result<Self> {
        let root = root();
        let metadata = metadata()?;
        let mut members = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let name = package["name"].as_str().context("a package has no name")?;
            let manifest = package["manifest_path"]
                .as_str()
                .context("a package has no manifest")?;
            let folder = Path::new(manifest)
                .parent()
                .and_then(|folder| folder.strip_prefix(&root).ok())
                .with_context(|| format!("{manifest} is not below {}", root.display()))?;
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let member = Member {
                folder: folder.to_string_lossy().into_owned(),
                direct: dependencies
                    .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                    .collect(),
                links: links(name)?,
            };
            members.insert(name.to_owned(), member);
        }
        let lockfile = std::fs::read_to_string(root.join("Cargo.lock"))
            .context("Cargo.lock cannot be read")?;
        let (mut files, mut others) = (BTreeMap::new(), BTreeSet::new());
        read_folder(&root, "", &mut files, &mut others)?;
        Ok(Self {
            members,
            files,
            others,
            lockfile,
            foreign: foreign()?,
        })
    }
}

fn foreign() -> Result<Vec<Foreign>> {
    let text = output(cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
    let metadata: Value =
        serde_json::from_str(&text).context("cargo metadata printed what is not JSON")?;
    let ours = metadata["workspace_members"].as_array();
    let is_ours = |package: &&Value| ours.is_some_and(|ours| ours.contains(&package["id"]));
    let word = |package: &Value, name: &str| package[name].as_str().unwrap_or("").to_owned();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages
        .filter(|package| !is_ours(package))
        .map(|package| Foreign {
            name: word(package, "name"),
            version: word(package, "version"),
            license: word(package, "license"),
            source: word(package, "source"),
        })
        .collect())
}

/// What `cargo tree` says that a crate's default build links. Proc macros and build scripts run at build time only.
fn links(name: &str) -> Result<BTreeSet<(String, String)>> {
    let arguments = [
        "tree",
        "-p",
        name,
        "-e",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let text = output(cargo().args(arguments))?;
    Ok(parse_tree(&text))
}

/// Lines are `name vVERSION (where it is) (*)`.
fn parse_tree(text: &str) -> BTreeSet<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let version = words.next()?.strip_prefix('v')?;
            Some((name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// Folders that hold no file of ours: what is built, and what programs leave when they are tried by hand.
const NOT_OURS: [&str; 6] = [
    ".git",
    "target",
    "node_modules",
    "demo-run",
    ".deployment-registry",
    ".slack-retry-queue",
];
const TEXT: [&str; 9] = [
    "rs", "toml", "md", "sh", "yml", "yaml", "json", "txt", "run",
];

fn read_folder(
    root: &Path,
    below: &str,
    files: &mut BTreeMap<String, String>,
    others: &mut BTreeSet<String>,
) -> Result<()> {
    let folder = root.join(below);
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be listed", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("{} cannot be listed", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        let kind = entry
            .file_type()
            .with_context(|| format!("{path} cannot be read"))?;
        if kind.is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                read_folder(root, &path, files, others)?;
            }
        } else if kind.is_file()
            && TEXT.contains(&name.rsplit('.').next().unwrap_or_default())
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            files.insert(path, text);
        } else if kind.is_file() && path == ".ci/run" {
            let text = std::fs::read_to_string(entry.path()).context(".ci/run cannot be read")?;
            files.insert(path, text);
        } else {
            others.insert(path);
        }
    }
    Ok(())
}

/// A small house in which all is well; tests break one thing each.
#[cfg(test)]
pub(crate) fn fake() -> Facts {
    let mut facts = Facts {
        members: BTreeMap::new(),
        files: BTreeMap::new(),
        others: BTreeSet::from(["LICENSE-MIT".to_owned()]),
        lockfile: "[[package]]\nname = \"ring\"\nversion = \"0.17.0\"\n".to_owned(),
        foreign: Vec::new(),
    };
    facts.files.insert(
        "Cargo.toml".to_owned(),
        "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n".to_owned(),
    );

    let crates: [(&str, &[&str], &[&str]); 5] = [
        ("registry-core", &["serde"], &["serde 1.0.0"]),
        (
            "stack-client",
            &["aws-sdk-cloudformation", "registry-core"],
            &[
                "aws-sdk-cloudformation 1.0.0",
                "tokio 1.0.0",
                "rustls 0.23.1",
            ],
        ),
        (
            "slack-notifier",
            &["registry-core", "ureq"],
            &["ureq 3.0.0", "rustls 0.23.1"],
        ),
        (
            "slack-retry-queue",
            &["registry-core", "ureq"],
            &["ureq 3.0.0", "rustls 0.23.1"],
        ),
        (
            "end-to-end",
            &["stack-client"],
            &["aws-sdk-cloudformation 1.0.0"],
        ),
    ];
    for (name, direct, links) in crates {
        let folder = format!("crates/{name}");
        facts.files.insert(
            format!("{folder}/Cargo.toml"),
            "[lints]\nworkspace = true\n".to_owned(),
        );
        facts
            .files
            .insert(format!("{folder}/src/lib.rs"), "//! Text.\n".to_owned());
        let pair = |text: &&str| {
            let (name, version) = text.split_once(' ').unwrap();
            (name.to_owned(), version.to_owned())
        };
        let member = Member {
            folder,
            direct: direct.iter().map(|name| (*name).to_owned()).collect(),
            links: links.iter().map(pair).collect(),
        };
        facts.members.insert(name.to_owned(), member);
    }
    let settings = "settings! {\n    AWS_REGION = \"us-east-1\", \"region\";\n}\n";
    facts.files.insert(
        "crates/registry-core/src/settings.rs".to_owned(),
        settings.to_owned(),
    );
    facts.files.insert(
        "README.md".to_owned(),
        "`AWS_REGION` [map](docs/ARCHITECTURE.md)\n".to_owned(),
    );
    let architecture = "registry-core stack-client slack-notifier slack-retry-queue end-to-end\n";
    facts
        .files
        .insert("docs/ARCHITECTURE.md".to_owned(), architecture.to_owned());
    facts
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tree_is_read() {
        let text = "slack-notifier v0.1.0 (/somewhere)\nclap v4.6.9\nserde v1.0.1 (*)\n\n[build-dependencies]\n";
        let read: Vec<(String, String)> = super::parse_tree(text).into_iter().collect();
        let expected = [
            ("clap", "4.6.9"),
            ("serde", "1.0.1"),
            ("slack-notifier", "0.1.0"),
        ];
        assert_eq!(
            read,
            expected.map(|(name, version)| (name.to_owned(), version.to_owned()))
        );
    }
}
