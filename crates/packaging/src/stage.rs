//! One archive with everything: programs, shims, man pages, completions, documents, licences, the bill of materials, checksums.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap_complete::{Shell, generate};
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

use crate::linked::linked;
use crate::programs::{all, shown};
use crate::{licences, sbom};

/// What goes into an archive, and where it is made.
pub(crate) struct Wish {
    pub(crate) root: PathBuf,
    /// The folder with the seven programs.
    pub(crate) built: PathBuf,
    /// The folder with the shims.
    pub(crate) shims: PathBuf,
    /// The folder for the archive.
    pub(crate) out: PathBuf,
    pub(crate) target: String,
    /// Seconds since 1970 that every file in the archive bears.
    pub(crate) time: u64,
}

/// A file of the archive.
struct Item {
    bytes: Vec<u8>,
    mode: u32,
}

/// The name of the archive and of the folder in it.
pub(crate) fn name(target: &str) -> String {
    format!(
        "deployment-coordination-{}-{target}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Makes the archive and the file with its checksum; returns the archive.
pub(crate) fn archive(wish: &Wish) -> Result<PathBuf> {
    let name = name(&wish.target);
    let mut items = BTreeMap::new();
    for (folder, below, mode) in [(&wish.built, "bin", 0o755), (&wish.shims, "shims", 0o755)] {
        for program in all() {
            let program = program.get_name();
            let file = if below == "shims" {
                format!("{program}.sh")
            } else {
                program.to_owned()
            };
            let bytes = read(&folder.join(&file))?;
            items.insert(format!("{below}/{file}"), Item { bytes, mode });
        }
    }
    manuals(&mut items)?;
    completions(&mut items);
    documents(&wish.root, &mut items)?;
    let packages = linked(&wish.root, &wish.target)?;
    let programs: Vec<String> = all().iter().map(|one| one.get_name().to_owned()).collect();
    let bill = sbom::sbom(&name, env!("CARGO_PKG_VERSION"), &programs, &packages);
    let mut bill = serde_json::to_vec_pretty(&bill)?;
    bill.push(b'\n');
    plain(&mut items, "sbom.cdx.json", bill.clone());
    let licences = licences::collect(&wish.root, &packages)?;
    plain(
        &mut items,
        "THIRD-PARTY-LICENSES.txt",
        licences.into_bytes(),
    );
    let mut sums = String::new();
    for (file, item) in &items {
        sums.extend([&sum(&item.bytes), "  ", file, "\n"]);
    }
    plain(&mut items, "SHA256SUMS", sums.into_bytes());

    let packed = packed(&name, &items, wish.time)?;
    let file = format!("{name}.tar.gz");
    let line = format!("{}  {file}\n", sum(&packed));
    crate::put(&wish.out.join(format!("{file}.sha256")), line.as_bytes())?;
    crate::put(&wish.out.join(format!("{name}.cdx.json")), &bill)?;
    let path = wish.out.join(file);
    crate::put(&path, &packed)?;
    Ok(path)
}

/// The SHA-256 of `bytes`, as `sha256sum` prints it.
pub(crate) fn sum(bytes: &[u8]) -> String {
    let digits: Vec<String> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    digits.concat()
}

fn plain(items: &mut BTreeMap<String, Item>, name: &str, bytes: Vec<u8>) {
    items.insert(name.to_owned(), Item { bytes, mode: 0o644 });
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

// A page for each program and for each of its commands, as `man git-commit` has it.
fn manuals(items: &mut BTreeMap<String, Item>) -> Result<()> {
    for program in all() {
        let name = program.get_name().to_owned();
        for command in shown(&program) {
            let full = format!("{name}-{}", command.get_name());
            let page = command
                .clone()
                .name(full.clone())
                .display_name(full.clone());
            let page = page.version(env!("CARGO_PKG_VERSION"));
            plain(items, &format!("man/man1/{full}.1"), manual(page)?);
        }
        plain(items, &format!("man/man1/{name}.1"), manual(program)?);
    }
    Ok(())
}

fn manual(command: clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .manual("deployment coordination")
        .render(&mut page)
        .context("a man page could not be written")?;
    Ok(page)
}

fn completions(items: &mut BTreeMap<String, Item>) {
    for program in all() {
        let name = program.get_name().to_owned();
        // The names under which each shell looks for them.
        for (shell, file) in [
            (Shell::Bash, format!("completions/bash/{name}")),
            (Shell::Zsh, format!("completions/zsh/_{name}")),
            (Shell::Fish, format!("completions/fish/{name}.fish")),
        ] {
            let mut script = Vec::new();
            generate(shell, &mut program.clone(), name.clone(), &mut script);
            plain(items, &file, script);
        }
    }
}

// What the README links to is there too.
fn documents(root: &Path, items: &mut BTreeMap<String, Item>) -> Result<()> {
    let files = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ];
    for name in files {
        plain(items, name, read(&root.join(name))?);
    }
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(root.join(&folder))
            .with_context(|| format!("{folder} cannot be listed"))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("{folder} cannot be listed"))?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(name);
            } else {
                plain(items, &name, read(&entry.path())?);
            }
        }
    }
    Ok(())
}

// In order of name, owned by nobody, of one time: the same input gives the same bytes.
fn packed(name: &str, items: &BTreeMap<String, Item>, time: u64) -> Result<Vec<u8>> {
    let gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for (file, Item { bytes, mode }) in items {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, format!("{name}/{file}"), bytes.as_slice())
            .with_context(|| format!("{file} cannot be packed"))?;
    }
    let mut gzip = tar.into_inner().context("the archive has no end")?;
    gzip.flush()?;
    gzip.finish().context("the archive has no end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let make = || {
            let mut items = BTreeMap::new();
            plain(&mut items, "b", b"text".to_vec());
            plain(&mut items, "a/c", b"more".to_vec());
            packed("name", &items, 1_700_000_000).unwrap()
        };
        assert_eq!(make(), make());
        let bytes = make();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let names: Vec<String> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["name/a/c", "name/b"]);
    }

    #[test]
    fn a_checksum_is_what_sha256sum_prints() {
        // sha256sum < /dev/null
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sum(b""), empty);
    }

    #[test]
    fn every_program_and_command_has_a_man_page_and_completions() {
        let mut items = BTreeMap::new();
        manuals(&mut items).unwrap();
        completions(&mut items);
        let text = |name: &str| String::from_utf8(items[name].bytes.clone()).unwrap();
        for program in all() {
            let name = program.get_name();
            let page = text(&format!("man/man1/{name}.1"));
            assert!(
                page.contains(".SH NAME") && page.to_lowercase().contains("exit status"),
                "{page}"
            );
            for command in shown(&program) {
                let page = text(&format!("man/man1/{name}-{}.1", command.get_name()));
                assert!(page.contains(".SH SYNOPSIS"), "{page}");
                for shell in [
                    format!("bash/{name}"),
                    format!("zsh/_{name}"),
                    format!("fish/{name}.fish"),
                ] {
                    let script = text(&format!("completions/{shell}"));
                    assert!(script.contains(command.get_name()), "{shell}: {script}");
                }
            }
        }
    }

    /// A link between documents leads nowhere where its end stays behind in the repository.
    #[test]
    fn every_link_leads_into_the_archive() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut items = BTreeMap::new();
        documents(&root, &mut items).unwrap();
        let mut followed = 0;
        for (name, item) in &items {
            if Path::new(name)
                .extension()
                .is_none_or(|ending| ending != "md")
            {
                continue;
            }
            let text = std::str::from_utf8(&item.bytes).unwrap();
            for link in text.split("](").skip(1) {
                let link = link.split([')', '#']).next().unwrap();
                if link.is_empty() || link.contains("://") {
                    continue;
                }
                let mut end: Vec<&str> = name.split('/').collect();
                end.pop();
                for step in link.trim_end_matches('/').split('/') {
                    match step {
                        "." => {}
                        ".." => assert!(end.pop().is_some(), "{name}: {link}"),
                        step => end.push(step),
                    }
                }
                let end = end.join("/");
                let below = format!("{end}/");
                let there = items
                    .keys()
                    .any(|item| *item == end || item.starts_with(&below));
                assert!(there, "{name} links to {link}, which the archive has not");
                followed += 1;
            }
        }
        assert!(followed > 20, "{followed}");
    }

    /// `cargo binstall` finds the archive by a pattern that stands in each program's manifest.
    #[test]
    fn binstall_looks_where_the_archive_is() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let archive = name("{ target }").replace(env!("CARGO_PKG_VERSION"), "{ version }");
        let expected = format!(
            "[package.metadata.binstall]\n\
             pkg-url = \"{{ repo }}/releases/download/v{{ version }}/{archive}.tar.gz\"\n\
             bin-dir = \"{archive}/bin/{{ bin }}\"\n\
             pkg-fmt = \"tgz\"\n"
        );
        for program in all() {
            let manifest = root.join(format!("crates/{}/Cargo.toml", program.get_name()));
            let manifest = std::fs::read_to_string(manifest).unwrap();
            assert!(
                manifest.contains(&expected),
                "{}: it needs\n{expected}",
                program.get_name()
            );
        }
    }
}
