//! Rules on the links between the documents.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;

const README: &str = "README.md";

/// Documents that are no page of the docs: they belong to the tests.
const NO_PAGES: [&str; 1] = ["tests/"];

/// Every link to a file of the project leads somewhere, also to the heading that it names.
pub(super) fn links_resolve(facts: &Facts) -> Vec<String> {
    let mut findings = Vec::new();
    for page in pages(facts) {
        for link in links(&facts.files[page]) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = resolved(page, path);
            let folder = format!("{target}/");
            let text = facts.files.get(&target);
            if text.is_none()
                && !facts.others.contains(&target)
                && !facts.files.keys().any(|file| file.starts_with(&folder))
            {
                findings.push(format!("{page} links to {link}, and there is no {target}"));
            } else if !heading.is_empty()
                && !text.is_some_and(|text| headings(text).any(|one| one == heading))
            {
                findings.push(format!(
                    "{page} links to {link}: no heading of {target} is so"
                ));
            }
        }
    }
    findings
}

/// Whoever has the README finds every page with two clicks.
pub(super) fn pages_are_two_clicks_away(facts: &Facts) -> Vec<String> {
    let mut near: BTreeMap<&str, usize> = BTreeMap::from([(README, 0)]);
    for clicks in 1..=2 {
        let reached: Vec<&str> = near
            .iter()
            .filter(|(_, at)| **at == clicks - 1)
            .flat_map(|(page, _)| targets(facts, page))
            .collect();
        for page in reached {
            near.entry(page).or_insert(clicks);
        }
    }
    pages(facts)
        .filter(|page| !near.contains_key(page))
        .map(|page| format!("{page} is not within two clicks of {README}"))
        .collect()
}

fn pages(facts: &Facts) -> impl Iterator<Item = &str> {
    facts.files.keys().map(String::as_str).filter(|path| {
        let in_docs = path.starts_with("docs/") || !path.contains('/');
        let is_page = path.rsplit('.').next() == Some("md");
        is_page && in_docs && !NO_PAGES.iter().any(|folder| path.starts_with(folder))
    })
}

fn targets<'a>(facts: &'a Facts, page: &str) -> Vec<&'a str> {
    let Some(text) = facts.files.get(page) else {
        return Vec::new();
    };
    let found: BTreeSet<String> = links(text)
        .into_iter()
        .map(|link| resolved(page, link.split('#').next().unwrap_or(link)))
        .collect();
    pages(facts).filter(|page| found.contains(*page)).collect()
}

/// The targets of `[words](target)` that are no addresses, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            let mut rest = line;
            while let Some((_, after)) = rest.split_once("](") {
                let (target, behind) = after.split_once(')').unwrap_or((after, ""));
                if !target.contains("://") {
                    found.push(target);
                }
                rest = behind;
            }
        }
    }
    found
}

fn resolved(page: &str, link: &str) -> String {
    if link.is_empty() {
        return page.to_owned();
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// As GitHub makes them: small letters, hyphens for spaces, no other signs.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter_map(|line| {
            line.trim_start_matches('#')
                .strip_prefix(' ')
                .filter(|_| line.starts_with('#'))
        })
        .map(|heading| {
            heading
                .to_lowercase()
                .chars()
                .filter_map(|sign| match sign {
                    ' ' => Some('-'),
                    '-' | '_' => Some(sign),
                    _ => sign.is_alphanumeric().then_some(sign),
                })
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::super::facts::fake;
    use super::super::findings;

    fn check(pages: &[(&str, &str)], expected: &[&str]) {
        let mut facts = fake();
        for (path, text) in pages {
            let old = facts.files.entry((*path).to_owned()).or_default();
            old.push_str(text);
        }
        assert_eq!(findings(&facts), expected);
    }

    #[test]
    fn a_link_leads_to_a_file_and_a_heading() {
        check(
            &[
                (
                    "README.md",
                    "[a](docs/a.md#the-first-one) [w](https://example.com/x) [l](LICENSE-MIT)\n```\n[x](nowhere)\n```\n",
                ),
                (
                    "docs/a.md",
                    "# A\n## The `first` one!\n[back](../README.md) [here](#a) [b](b.md)\n",
                ),
                (
                    "docs/b.md",
                    "[c](c.md) [folder](../docs) [gone](a.md#gone)\n",
                ),
            ],
            &[
                "docs/b.md links to c.md, and there is no docs/c.md",
                "docs/b.md links to a.md#gone: no heading of docs/a.md is so",
            ],
        );
    }

    #[test]
    fn a_page_is_at_most_two_clicks_away() {
        check(
            &[
                ("README.md", "[a](docs/a.md)\n"),
                ("docs/a.md", "[b](b.md)\n"),
                ("docs/b.md", "[c](c.md)\n"),
                ("docs/c.md", "the end\n"),
                ("SECURITY.md", "\n"),
            ],
            &[
                "SECURITY.md is not within two clicks of README.md",
                "docs/c.md is not within two clicks of README.md",
            ],
        );
    }
}
