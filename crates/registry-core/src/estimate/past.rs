//! What one stack did before: the part of the history that an estimate looks at. Pure.

use std::collections::BTreeMap;

use super::interval::Judged;
use super::operation::{Action, Kind, Operation, Outcome};
use super::spread::Spread;

/// Durations by type and action.
pub type TypeDurations = BTreeMap<String, BTreeMap<Action, Spread>>;

/// One stack's past.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Its recorded operations, oldest first.
    pub operations: Vec<Operation>,
    /// What actions on types took in other stacks of the same history.
    pub elsewhere: TypeDurations,
    /// Seconds by type, as the history file's `resource_averages` has them, of types that no recorded operation has.
    pub type_averages: BTreeMap<String, f64>,
    /// Seconds of its successful deployments, oldest first, and what each was, where known.
    pub totals: Vec<(Option<Kind>, f64)>,
    /// What came true of the estimates of this stack's earlier operations.
    pub errors: Vec<Judged>,
}

/// How many past cases count: what a stack did a year ago says little.
pub const RECENT: usize = 10;

impl Past {
    /// The average of the last ten successful deployments of this kind, or whose kind nobody told, in seconds; of any kind
    /// where this one is new.
    #[must_use]
    pub fn average_total(&self, kind: Option<Kind>) -> Option<f64> {
        let last_ten = |wanted: &dyn Fn(Option<Kind>) -> bool| {
            let taken: Vec<f64> = self
                .totals
                .iter()
                .rev()
                .filter(|(kind, _)| wanted(*kind))
                .map(|(_, seconds)| *seconds)
                .take(RECENT)
                .collect();
            (!taken.is_empty()).then(|| taken.iter().sum::<f64>() / taken.len() as f64)
        };
        kind.and_then(|kind| last_ten(&|other| other.is_none_or(|other| other == kind)))
            .or_else(|| last_ten(&|_| true))
    }

    /// The recorded operations that ended well.
    pub fn succeeded(&self) -> impl DoubleEndedIterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.outcome == Outcome::Succeeded)
    }
}

/// A logical id without the hash at its end, which tools change with the content: `MyApiDeployment9eb30b7ce0` and
/// `MyApiDeployment781cbcbd78` are the same thing to an operator. SAM appends 10 lower-case hexadecimal digits, CDK 8 upper-case
/// ones (and to an API's deployment 32 lower-case ones more).
#[must_use]
pub fn plain_id(id: &str) -> &str {
    let id = [32, 10]
        .into_iter()
        .find_map(|length| without_hash(id, length, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .unwrap_or(id);
    without_hash(id, 8, |b| matches!(b, b'0'..=b'9' | b'A'..=b'F')).unwrap_or(id)
}

fn without_hash(id: &str, length: usize, is_digit: impl Fn(u8) -> bool) -> Option<&str> {
    let (stem, hash) = id.split_at_checked(id.len().checked_sub(length)?)?;
    let is_hash = hash.bytes().all(is_digit) && hash.bytes().any(|b| b.is_ascii_digit());
    (is_hash && !stem.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_at_the_end_is_no_part_of_the_name() {
        for (id, plain) in [
            ("MyApiDeployment9eb30b7ce0", "MyApiDeployment"),
            ("ApiServiceLB08B891CD", "ApiServiceLB"),
            (
                "ApiDeployment149F1294c7a5f30e1b2d4c6f8091a3b5c7d9e1f0",
                "ApiDeployment",
            ),
            ("größe12345678", "größe"),
            ("ü2345678", "ü2345678"),
            ("WebServer", "WebServer"),
            ("deadbeefdeadbeef", "deadbeefdeadbeef"),
            ("Bucket2024", "Bucket2024"),
            ("FacadeFacade", "FacadeFacade"),
            ("", ""),
        ] {
            assert_eq!(plain_id(id), plain, "{id}");
        }
    }

    #[test]
    fn the_average_is_over_the_last_ten_of_the_kind() {
        let mut past = Past::default();
        assert_eq!(past.average_total(None), None);
        past.totals = vec![(Some(Kind::Create), 1000.0)];
        past.totals.extend(vec![(Some(Kind::Update), 500.0); 3]);
        past.totals.extend(vec![(Some(Kind::Update), 100.0); 10]);
        assert_eq!(past.average_total(Some(Kind::Update)), Some(100.0));
        assert_eq!(past.average_total(Some(Kind::Create)), Some(1000.0));
        assert_eq!(past.average_total(Some(Kind::Delete)), Some(100.0));
    }
}
