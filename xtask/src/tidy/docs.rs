//! Rules on what the documents must name.

use super::facts::Facts;

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
const README: &str = "README.md";
const SETTINGS: &str = "crates/registry-core/src/settings.rs";

/// The map of the house has every room.
pub(super) fn architecture_names_every_crate(facts: &Facts) -> Vec<String> {
    let Some(text) = facts.files.get(ARCHITECTURE) else {
        return vec![format!("{ARCHITECTURE} is missing")];
    };
    let folders = facts.members.values().map(|member| {
        let folder = member.folder.as_str();
        folder.rsplit('/').next().unwrap_or(folder)
    });
    folders
        .filter(|folder| !text.contains(folder))
        .map(|folder| format!("{ARCHITECTURE} does not name {folder}"))
        .collect()
}

/// Whoever sets something up finds every setting in one place.
pub(super) fn readme_names_every_setting(facts: &Facts) -> Vec<String> {
    let Some(readme) = facts.files.get(README) else {
        return vec![format!("{README} is missing")];
    };
    let names = facts
        .files
        .get(SETTINGS)
        .map(|text| settings(text))
        .unwrap_or_default();
    if names.is_empty() {
        return vec![format!(
            "no settings were found in {SETTINGS}: the rule that README names them has nothing to check"
        )];
    }
    names
        .into_iter()
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .map(|name| format!("{README} does not name the setting `{name}`"))
        .collect()
}

/// The names in the table `settings! { NAME = "default", "help"; }`.
fn settings(text: &str) -> Vec<&str> {
    let table = text
        .split_once("\nsettings! {")
        .or_else(|| text.split_once("settings! {"));
    let Some((_, table)) = table else {
        return Vec::new();
    };
    table
        .lines()
        .take_while(|line| *line != "}")
        .filter_map(|line| Some(line.trim().split_once(" = \"")?.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::fake;
    use super::super::findings;

    fn check(path: &str, text: Option<&str>, expected: &[&str]) {
        let mut facts = fake();
        match text {
            Some(text) => facts.files.insert(path.to_owned(), text.to_owned()),
            None => facts.files.remove(path),
        };
        assert_eq!(findings(&facts), expected);
    }

    #[test]
    fn the_map_has_every_room() {
        let all_but_one = "registry-core stack-client slack-notifier slack-retry-queue";
        check(
            super::ARCHITECTURE,
            Some(all_but_one),
            &["docs/ARCHITECTURE.md does not name end-to-end"],
        );
        check(
            super::ARCHITECTURE,
            None,
            &[
                "docs/ARCHITECTURE.md is missing",
                "README.md links to docs/ARCHITECTURE.md, and there is no docs/ARCHITECTURE.md",
            ],
        );
    }

    #[test]
    fn readme_has_every_setting() {
        check(
            super::README,
            Some("AWS_REGION [map](docs/ARCHITECTURE.md)"),
            &["README.md does not name the setting `AWS_REGION`"],
        );
        check(
            super::README,
            None,
            &[
                "README.md is missing",
                "docs/ARCHITECTURE.md is not within two clicks of README.md",
            ],
        );
        check(
            super::SETTINGS,
            Some("moved"),
            &[
                "no settings were found in crates/registry-core/src/settings.rs: \
                 the rule that README names them has nothing to check",
            ],
        );
    }
}
