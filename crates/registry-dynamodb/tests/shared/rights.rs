//! The rights that the documentation asks for are those that the code uses, all of them and no more.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/shared-registry.md");
const SETUP: &str = include_str!("../../src/setup.rs");
const TABLE: &str = include_str!("../../src/table.rs");
/// Everything that is neither asks through the table's functions.
const OTHERS: [&str; 7] = [
    include_str!("../../src/claims.rs"),
    include_str!("../../src/ended.rs"),
    include_str!("../../src/history.rs"),
    include_str!("../../src/item.rs"),
    include_str!("../../src/lib.rs"),
    include_str!("../../src/session.rs"),
    include_str!("../../src/store.rs"),
];

/// The operations that `source` asks the SDK's client for, as IAM calls them.
fn operations(source: &str) -> BTreeSet<String> {
    let plain: String = source.split_whitespace().collect();
    plain
        .split(".client.")
        .skip(1)
        .filter_map(|rest| rest.split_once("()"))
        .map(|(name, _)| name.split('_').map(capitalized).collect())
        .collect()
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// The actions of DynamoDB that `text` names.
fn actions(text: &str) -> BTreeSet<String> {
    let words = text.split("dynamodb:").skip(1);
    words
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        // A path of Rust, a condition's key, and the region in the table's ARN.
        .filter(|name| !["", "LeadingKeys", "REGION"].contains(&name.as_str()))
        .collect()
}

#[test]
fn the_policy_allows_what_is_asked_and_nothing_else() {
    let (_, page) = PAGE.split_once("## Least rights").unwrap();
    let (policy, rest) = page.split_once("\n```\n").unwrap();
    let json = policy.split_once("```json").unwrap().1;
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["Statement"][0]["Effect"], "Allow");
    let used = operations(TABLE);
    assert!(used.contains("GetItem"), "{used:?}");
    assert_eq!(actions(policy), used);
    let (init, _) = rest.split_once("\n## ").unwrap();
    assert_eq!(actions(init), operations(SETUP));
    for source in OTHERS {
        assert_eq!(operations(source), BTreeSet::new());
    }
}

/// What an error names as denied is what the policy has to allow.
#[test]
fn errors_name_the_action_that_was_asked() {
    for source in [TABLE, SETUP] {
        let named = actions(source);
        let used = operations(source);
        assert!(named.is_subset(&used), "{named:?} {used:?}");
    }
    assert_eq!(actions(TABLE), operations(TABLE));
}
