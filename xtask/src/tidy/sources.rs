//! Rules on the text of sources and manifests.

use super::facts::Facts;
use super::trees::DOORS;

/// The longest source file, in lines.
const LONGEST: usize = 600;

fn is_source(path: &str) -> bool {
    path.rsplit('.').next() == Some("rs")
}

/// Lines of a file with their numbers, from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// SDK names do not occur outside their adapter, and not in its public signatures.
pub(super) fn sdk_types_stay_at_their_doors(facts: &Facts) -> Vec<String> {
    let mut findings = Vec::new();
    for (sdk, door) in DOORS {
        let module = sdk.replace('-', "_");
        let home = facts
            .members
            .get(door)
            .map(|member| format!("{}/", member.folder));
        for (path, text) in facts.files.iter().filter(|(path, _)| is_source(path)) {
            let at_home = home.as_ref().is_some_and(|home| path.starts_with(home));
            for (number, line) in lines(text).filter(|(_, line)| line.contains(&module)) {
                if !at_home {
                    findings.push(format!("{path}:{number} names {module}: only {door} may"));
                } else if line.trim_start().starts_with("pub ") {
                    findings.push(format!(
                        "{path}:{number} shows a type of {module} to the other crates"
                    ));
                }
            }
        }
    }
    findings
}

/// Every member takes the lints of the workspace.
pub(super) fn members_have_the_workspace_lints(facts: &Facts) -> Vec<String> {
    let without = facts.members.iter().filter(|(_, member)| {
        let manifest = facts.files.get(&format!("{}/Cargo.toml", member.folder));
        !manifest.is_some_and(|manifest| has_workspace_lints(manifest))
    });
    without
        .map(|(name, member)| {
            format!("{name} does not have the workspace's lints: add [lints] workspace = true to {}/Cargo.toml", member.folder)
        })
        .collect()
}

fn has_workspace_lints(manifest: &str) -> bool {
    let mut section = "";
    manifest.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            section = line;
        }
        let plain: String = line.split_whitespace().collect();
        (section == "[lints]" && plain == "workspace=true") || plain == "lints.workspace=true"
    })
}

/// A file does one thing and can be read in one sitting.
pub(super) fn files_are_short(facts: &Facts) -> Vec<String> {
    let sources = facts.files.iter().filter(|(path, _)| is_source(path));
    sources
        .filter_map(|(path, text)| {
            let count = text.lines().count();
            (count > LONGEST).then(|| {
                format!("{path} has {count} lines, {LONGEST} is the most: split it by what it does")
            })
        })
        .collect()
}

/// Data recorded elsewhere, lists that tools made, and the README that says where data came from.
fn is_written_by_us(path: &str) -> bool {
    !path.contains("/traces/") && !path.contains("/data/") && !path.ends_with("package-lock.json")
}

/// Nobody's home folder is in the project. A GitHub runner's is everybody's.
pub(super) fn no_path_of_a_machine(facts: &Facts) -> Vec<String> {
    // In two pieces, so that this file keeps the rule.
    let homes = [
        concat!("/ho", "me/"),
        concat!("/Use", "rs/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
    ];
    let runner = concat!("/ho", "me/runner");
    find(facts, move |line| {
        homes.into_iter().find_map(|home| {
            let mut places = line.match_indices(home);
            let place = places.find(|(at, _)| {
                let inside = line[..*at].chars().next_back();
                // `$HOME/x`, `a/work/b` and `https://host/home/` are no paths of a machine.
                !inside.is_some_and(|c| c.is_alphanumeric() || "/.-_}~".contains(c))
                    && !line[*at..].starts_with(runner)
            });
            place.map(|(at, _)| {
                let end = line[at..]
                    .find([' ', '"', '`', '\'', ')'])
                    .map_or(line.len(), |end| at + end);
                format!("has {}, a path of somebody's machine", &line[at..end])
            })
        })
    })
}

/// What says that something is not finished.
pub(super) fn no_unfinished_words(facts: &Facts) -> Vec<String> {
    // In two pieces, so that this file keeps the rule.
    let words = [
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("for ", "now"),
        concat!("place", "holder"),
        concat!("#[ig", "nore"),
        concat!("not yet ", "implemented"),
    ];
    find(facts, move |line| {
        let word = words.into_iter().find(|word| line.contains(word))?;
        Some(format!("says {word:?}: finish it, or say what it does"))
    })
}

fn find(facts: &Facts, what: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in facts
        .files
        .iter()
        .filter(|(path, _)| is_written_by_us(path))
    {
        for (number, line) in lines(text) {
            if let Some(found) = what(line) {
                findings.push(format!("{path}:{number} {found}"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::facts::fake;
    use super::super::findings;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let mut facts = fake();
        facts.files.insert(path.to_owned(), text.to_owned());
        assert_eq!(findings(&facts), expected, "{text}");
    }

    #[test]
    fn sdk_names_stay_at_their_doors() {
        // In two pieces, so that this file keeps the rule.
        let module = concat!("aws_sdk", "_sts");
        check(
            "crates/slack-notifier/src/x.rs",
            &format!("//! Text.\nuse {module}::Client;\n"),
            &[&format!(
                "crates/slack-notifier/src/x.rs:2 names {module}: only stack-client may"
            )],
        );
        check(
            "crates/stack-client/src/x.rs",
            &format!("use {module}::Client;\n"),
            &[],
        );
        check(
            "crates/stack-client/src/x.rs",
            &format!("    pub fn client(&self) -> {module}::Client {{\n"),
            &[&format!(
                "crates/stack-client/src/x.rs:1 shows a type of {module} to the other crates"
            )],
        );
    }

    #[test]
    fn lints_are_inherited() {
        let complaint = "slack-notifier does not have the workspace's lints: add [lints] workspace = true to \
                         crates/slack-notifier/Cargo.toml";
        let path = "crates/slack-notifier/Cargo.toml";
        check(path, "[lints]\nworkspace=true\n", &[]);
        check(path, "lints.workspace = true\n", &[]);
        check(path, "[package]\nname = \"x\"\n", &[complaint]);
        check(path, "[lints]\n[x]\nworkspace = true\n", &[complaint]);
        check(path, "[lints]\nworkspace = false\n", &[complaint]);
    }

    #[test]
    fn files_stay_short() {
        check("crates/a/src/x.rs", &"\n".repeat(600), &[]);
        check(
            "crates/a/src/x.rs",
            &"\n".repeat(601),
            &["crates/a/src/x.rs has 601 lines, 600 is the most: split it by what it does"],
        );
        check("notes/x.md", &"\n".repeat(601), &[]);
    }

    #[test]
    fn paths_of_machines_are_found() {
        let home = concat!("/ho", "me/");
        check(
            "notes/x.md",
            &format!("see `{home}kim/x` there"),
            &[&format!(
                "notes/x.md:1 has {home}kim/x, a path of somebody's machine"
            )],
        );
        for fine in ["{home}runner/work/x", "https://host{home}x", "$HOME{home}x"] {
            check("notes/x.md", &fine.replace("{home}", home), &[]);
        }
        check("crates/a/traces/x.md", &format!("{home}kim"), &[]);
    }

    #[test]
    fn unfinished_words_are_found() {
        for word in [
            concat!("to", "do!"),
            concat!("for ", "now"),
            concat!("TO", "DO"),
        ] {
            check(
                "crates/a/src/x.rs",
                &format!("a\nb {word} c"),
                &[&format!(
                    "crates/a/src/x.rs:2 says {word:?}: finish it, or say what it does"
                )],
            );
        }
    }
}
