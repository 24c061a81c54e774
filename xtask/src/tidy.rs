//! `cargo xtask tidy`: the rules of the house that the compiler does not check. One sentence for each finding.

mod claims;
mod docs;
mod facts;
mod links;
mod sources;
mod supply;
mod trees;

use anyhow::Result;

use self::facts::Facts;

/// A rule looks at the facts and says what is wrong.
type Rule = fn(&Facts) -> Vec<String>;

const RULES: &[Rule] = &[
    trees::core_stays_pure,
    trees::slack_programs_link_no_aws,
    trees::sdk_crates_stay_at_their_doors,
    trees::one_tls_stack,
    trees::no_foreign_crypto,
    supply::sources_are_known,
    supply::licences_are_known,
    supply::banned_crates_stay_out,
    supply::unsafe_is_forbidden,
    sources::sdk_types_stay_at_their_doors,
    sources::members_have_the_workspace_lints,
    sources::files_are_short,
    sources::no_path_of_a_machine,
    sources::no_unfinished_words,
    docs::architecture_names_every_crate,
    docs::readme_names_every_setting,
    claims::claims_have_tests,
    links::links_resolve,
    links::pages_are_two_clicks_away,
];

/// Gathers the facts, applies the rules, prints what they find.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    anyhow::ensure!(arguments.is_empty(), "tidy takes no arguments");
    let facts = Facts::gather()?;
    let findings = findings(&facts);
    for finding in &findings {
        println!("{finding}");
    }
    let (members, files) = (facts.members.len(), facts.files.len());
    match findings.len() {
        0 => println!(
            "tidy: {members} crates and {files} files keep the {} rules",
            RULES.len()
        ),
        count => println!("tidy: {count} findings"),
    }
    Ok(findings.is_empty())
}

fn findings(facts: &Facts) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(facts)).collect()
}

#[cfg(test)]
mod tests {
    use super::facts::fake;

    #[test]
    fn a_tidy_house_has_no_findings() {
        assert_eq!(super::findings(&fake()), Vec::<String>::new());
    }
}
