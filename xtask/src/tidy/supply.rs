//! Rules on what others wrote and we build: where it comes from, under which licence, and what is never taken.

use super::facts::{Facts, Foreign};

/// Licences whose only duty is to pass their text on. What is linked into a program is held to a shorter list
/// (`crates/packaging/src/licences.rs`); the last one here is of a list of certificates that only other targets than ours take.
const LICENCES: [&str; 11] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];

/// Crates that are never taken, and why.
const BANNED: [(&str, &str); 6] = [
    ("openssl", "rustls is the one TLS stack"),
    ("native-tls", "rustls is the one TLS stack"),
    ("boring-sys", "rustls is the one TLS stack"),
    ("serde_yaml", "nobody looks after it; saphyr reads YAML"),
    ("atty", "unsound and given up; std tells a terminal"),
    ("failure", "unsound and given up; thiserror makes errors"),
];

/// crates.io, as `Cargo.lock` and `cargo metadata` name it.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Everything comes from crates.io, with a checksum in `Cargo.lock`: no git, no other registry, no folder outside of the workspace.
pub(super) fn sources_are_known(facts: &Facts) -> Vec<String> {
    let stray = facts
        .foreign
        .iter()
        .filter(|package| package.source != SOURCE);
    stray
        .map(
            |Foreign {
                 name,
                 version,
                 source,
                 ..
             }| {
                format!("{name} {version} comes from {source}: take it from crates.io")
            },
        )
        .collect()
}

/// Every licence is one that somebody has looked at.
pub(super) fn licences_are_known(facts: &Facts) -> Vec<String> {
    let strange = facts
        .foreign
        .iter()
        .filter(|package| !is_known(&package.license));
    strange
        .map(|Foreign { name, version, license, .. }| {
            format!("{name} {version} is under {license:?}, which nobody has looked at: see xtask/src/tidy/supply.rs")
        })
        .collect()
}

// `OR` leaves the choice, `AND` does not; `/` is an older `OR`.
fn is_known(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain
        .split(" AND ")
        .all(|part| part.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

/// No banned crate in `Cargo.lock`, for whatever target or feature.
pub(super) fn banned_crates_stay_out(facts: &Facts) -> Vec<String> {
    BANNED
        .into_iter()
        .filter(|(name, _)| facts.lockfile.contains(&format!("name = \"{name}\"\n")))
        .map(|(name, why)| {
            format!("Cargo.lock has {name}: {why}; cargo tree -i {name} tells who brings it")
        })
        .collect()
}

/// `unsafe` is forbidden, which no attribute can undo, and every member takes the workspace's lints (another rule).
pub(super) fn unsafe_is_forbidden(facts: &Facts) -> Vec<String> {
    let manifest = facts.files.get("Cargo.toml").map_or("", String::as_str);
    if manifest
        .lines()
        .any(|line| line.trim() == "unsafe_code = \"forbid\"")
    {
        return Vec::new();
    }
    vec!["Cargo.toml does not have `unsafe_code = \"forbid\"` among its lints".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::super::facts::fake;
    use super::super::findings;
    use super::*;

    fn found(package: Foreign) -> Vec<String> {
        let mut facts = fake();
        facts.foreign.push(package);
        findings(&facts)
    }

    fn package() -> Foreign {
        Foreign {
            name: "strange".to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            source: SOURCE.to_owned(),
        }
    }

    #[test]
    fn a_stranger_is_found() {
        assert_eq!(found(package()), Vec::<String>::new());
        let git = Foreign {
            source: "git+https://example.com/x".to_owned(),
            ..package()
        };
        assert_eq!(found(git).len(), 1);
        for license in ["GPL-3.0", "MIT AND GPL-3.0", "", "LGPL-2.1 OR SSPL-1.0"] {
            let package = Foreign {
                license: license.to_owned(),
                ..package()
            };
            assert_eq!(found(package).len(), 1, "{license}");
        }
        for license in [
            "MIT/Apache-2.0",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 OR GPL-2.0",
        ] {
            let package = Foreign {
                license: license.to_owned(),
                ..package()
            };
            assert_eq!(found(package), Vec::<String>::new(), "{license}");
        }
    }

    #[test]
    fn a_banned_crate_is_found() {
        let mut facts = fake();
        facts
            .lockfile
            .push_str("[[package]]\nname = \"native-tls\"\n");
        let findings = findings(&facts);
        assert!(findings[0].contains("native-tls"), "{findings:?}");
    }

    #[test]
    fn unsafe_code_that_is_only_denied_is_found() {
        let mut facts = fake();
        let manifest = "[workspace.lints.rust]\nunsafe_code = \"deny\"\n".to_owned();
        facts.files.insert("Cargo.toml".to_owned(), manifest);
        assert_eq!(findings(&facts).len(), 1);
    }
}
