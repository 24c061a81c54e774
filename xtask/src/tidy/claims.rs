//! `SECURITY.md` names a test for each of its claims, and the tests are there.

use super::facts::Facts;

const PAGE: &str = "SECURITY.md";

/// Every row of the page's tables names at least one test, and each test named is a function somewhere in the project.
pub(super) fn claims_have_tests(facts: &Facts) -> Vec<String> {
    let Some(page) = facts.files.get(PAGE) else {
        // That it is there at all is the rule of links: README.md leads to it.
        return Vec::new();
    };
    let rows = page.lines().filter(|line| {
        line.starts_with("| ") && !line.starts_with("| who ") && !line.starts_with("|--")
    });
    rows.flat_map(|row| wrong_with(row, facts)).collect()
}

fn wrong_with(row: &str, facts: &Facts) -> Vec<String> {
    let last = row
        .trim_end_matches(['|', ' '])
        .rsplit('|')
        .next()
        .unwrap_or("");
    let tests: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
    if tests.is_empty() {
        return vec![format!("{PAGE} names no test for: {}", row.trim())];
    }
    let missing = tests.into_iter().filter(|test| {
        let function = format!("fn {test}(");
        !facts
            .files
            .iter()
            .any(|(path, text)| path.contains(".rs") && text.contains(&function))
    });
    missing
        .map(|test| format!("{PAGE} names a test {test} that is nowhere"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::fake;
    use super::super::findings;

    fn found(row: &str) -> usize {
        let mut facts = fake();
        let test = "fn it_holds() {}\n".to_owned();
        facts.files.insert("tests/e2e/x.rs".to_owned(), test);
        let page = format!("| who | may | test |\n|---|---|---|\n{row}\n");
        facts.files.insert("SECURITY.md".to_owned(), page);
        let readme = "`AWS_REGION` [map](docs/ARCHITECTURE.md) [claims](SECURITY.md)\n";
        facts
            .files
            .insert("README.md".to_owned(), readme.to_owned());
        findings(&facts).len()
    }

    #[test]
    fn a_claim_without_its_test_is_found() {
        assert_eq!(found("| a `x` | b | `it_holds` |"), 0);
        assert_eq!(found("| a `x` | b | it holds |"), 1);
        assert_eq!(found("| a | b | `it_holds`, `it_never_was` |"), 1);
    }
}
