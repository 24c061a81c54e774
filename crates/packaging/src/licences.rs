//! The licences of what is linked: that all of them are known to be permissive, and their texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::linked::Package;

/// Licences whose only duty is to pass their text on. A package under anything else must be looked at by a person first.
const PERMISSIVE: [&str; 11] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "BSL-1.0",
];

/// What nobody lists as a package but every program has in it.
const RUNTIME: &str = "\
The Rust standard library, MIT OR Apache-2.0, by the Rust project developers (https://github.com/rust-lang/rust).
In the archives for Linux (musl) also the C library musl, MIT, by Rich Felker and others (https://musl.libc.org).
";

/// One text with all of it. An error names what may not be passed on, or has no text.
pub(crate) fn collect(root: &Path, packages: &[Package]) -> Result<String> {
    let ours = |package: &Package| package.checksum.is_none();
    let foreign: Vec<&Package> = packages.iter().filter(|package| !ours(package)).collect();
    let strangers: Vec<String> = foreign
        .iter()
        .filter(|package| !is_permissive(&package.license))
        .map(|package| format!("{} {} ({})", package.name, package.version, package.license))
        .collect();
    if !strangers.is_empty() {
        bail!(
            "a licence that nobody has looked at: {} (see crates/packaging/src/licences.rs)",
            strangers.join(", ")
        );
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in &foreign {
        for text in texts_of(root, package)? {
            let whose = format!("{} {} ({})", package.name, package.version, package.license);
            let holders = texts.entry(text).or_default();
            if holders.last() != Some(&whose) {
                holders.push(whose);
            }
        }
    }
    let mut all: Vec<(String, Vec<String>)> = texts.into_iter().collect();
    all.sort_by(|one, other| one.1.cmp(&other.1).then_with(|| one.0.cmp(&other.0)));
    let mut out = format!(
        "The seven programs link {} packages of others, and:\n\n{RUNTIME}",
        foreign.len()
    );
    for (text, holders) in all {
        let line = "=".repeat(80);
        let _infallible = write!(out, "\n{line}\n{}\n{line}\n\n{text}\n", holders.join("\n"));
    }
    Ok(out)
}

// `OR` leaves the choice, `AND` does not.
fn is_permissive(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "");
    plain.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|one| PERMISSIVE.contains(&one.trim()))
    })
}

// The licence files that came with it. A few packages bring none; then it is the one of their licences that we use too.
fn texts_of(root: &Path, package: &Package) -> Result<Vec<String>> {
    let mut files: Vec<_> = std::fs::read_dir(&package.folder)
        .with_context(|| format!("{} cannot be listed", package.folder.display()))?
        .flatten()
        .filter(|entry| entry.path().is_file() && is_licence(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    if files.is_empty() {
        let own = match package.license.as_str() {
            license if license.contains("Apache-2.0") => "LICENSE-APACHE",
            license if license.contains("MIT") => "LICENSE-MIT",
            license => bail!(
                "{} {} ({license}) has no licence file in its package",
                package.name,
                package.version
            ),
        };
        files.push(root.join(own));
    }
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            Ok(text.replace("\r\n", "\n").trim().to_owned())
        })
        .collect()
}

fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "NOTICE",
        "UNLICENSE",
    ]
    .iter()
    .any(|word| name.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_and_a_sum_needs_all() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(is_permissive(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "SSPL-1.0 OR GPL-2.0"] {
            assert!(!is_permissive(bad), "{bad}");
        }
    }

    fn package(folder: &Path, license: &str) -> Package {
        Package {
            name: "theirs".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.to_owned(),
            folder: folder.to_owned(),
            checksum: Some("00".to_owned()),
            description: None,
            repository: None,
            needs: std::collections::BTreeSet::new(),
        }
    }

    #[test]
    fn texts_are_passed_on_and_strangers_stop_the_release() {
        let folder = tempfile::tempdir().unwrap();
        let (root, theirs) = (folder.path(), folder.path().join("theirs"));
        crate::put(&root.join("LICENSE-MIT"), b"our text").unwrap();
        crate::put(&theirs.join("LICENSE-MIT"), b"their text\r\nits end\r\n").unwrap();
        let told = collect(root, &[package(&theirs, "MIT")]).unwrap();
        assert!(
            told.contains("theirs 1.0.0 (MIT)") && told.contains("their text\nits end\n"),
            "{told}"
        );
        let bare = folder.path().join("bare");
        std::fs::create_dir(&bare).unwrap();
        assert!(
            collect(root, &[package(&bare, "MIT")])
                .unwrap()
                .contains("our text")
        );
        let error = collect(root, &[package(&bare, "ISC")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("no licence file"), "{error}");
        let error = collect(root, &[package(&theirs, "GPL-3.0")])
            .unwrap_err()
            .to_string();
        assert!(error.contains("theirs 1.0.0 (GPL-3.0)"), "{error}");
    }
}
