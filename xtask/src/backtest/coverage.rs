//! In how many cases the interval around our estimate held the truth.

use registry_core::estimate::interval::{self, Judged};

use super::score::Case;

/// How many cases there were, and in how many the interval held the truth.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) held: usize,
    pub(super) cases: usize,
}

impl Coverage {
    fn add(&mut self, actual: f64, (low, high): (f64, f64)) {
        self.cases += 1;
        self.held += usize::from((low..=high).contains(&actual));
    }

    pub(super) fn print(self, which: &str) {
        if self.cases > 0 {
            println!(
                "  {which} holds the truth in {} of {} cases ({:.0} %)",
                self.held,
                self.cases,
                self.held as f64 * 100.0 / self.cases as f64
            );
        }
    }
}

/// Of the intervals that were shown: those learned from past errors, or those of a thin history.
pub(super) fn shown(cases: &[Case], learned: bool) -> Coverage {
    let mut coverage = Coverage::default();
    for case in cases.iter().filter(|case| case.learned == learned) {
        coverage.add(case.actual, case.interval);
    }
    coverage
}

/// One operation of a stack that was estimated from its earlier ones.
pub(super) struct Repeated {
    /// What came true at the moments that a history keeps.
    pub(super) judged: Judged,
    /// At nine moments: seconds passed, seconds left, seconds estimated to be left.
    pub(super) moments: Vec<(f64, f64, f64)>,
}

/// Of the intervals that the errors of all other operations make. Few stacks have ten recorded operations; this tries the rule on
/// those that have fewer, with errors that are no more alike than those of one stack.
pub(super) fn by_the_others(operations: &[Repeated]) -> Coverage {
    let mut coverage = Coverage::default();
    for (index, operation) in operations.iter().enumerate() {
        let mut others: Vec<Judged> = operations.iter().map(|other| other.judged).collect();
        others.remove(index);
        for &(passed, left, estimated) in &operation.moments {
            let share = passed / (passed + estimated);
            if let Some(interval) = interval::learned(estimated, share, &others) {
                coverage.add(left, interval);
            }
        }
    }
    coverage
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations that took `ratios` times their estimate.
    fn operations(ratios: &[f64]) -> Vec<Repeated> {
        ratios
            .iter()
            .map(|ratio| Repeated {
                judged: Judged::new(&[*ratio; 5]).unwrap(),
                moments: vec![(10.0, 100.0 * ratio, 100.0), (70.0, 10.0 * ratio, 10.0)],
            })
            .collect()
    }

    #[test]
    fn the_shortest_and_the_longest_of_ten_lie_outside() {
        let ratios = [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 3.0];
        let operations = operations(&ratios);
        let coverage = by_the_others(&operations);
        assert_eq!(
            coverage,
            Coverage {
                held: 16,
                cases: 20
            }
        );
        // Nine leave eight others, which make no interval.
        assert_eq!(by_the_others(&operations[1..]).cases, 0);
    }

    #[test]
    fn thin_and_learned_intervals_are_counted_apart() {
        let case = |actual: f64, learned| Case {
            name: String::new(),
            share: 0.5,
            actual,
            estimates: [100.0; 4],
            interval: (80.0, 120.0),
            learned,
            path: Vec::new(),
        };
        let cases = [
            case(80.0, false),
            case(79.0, false),
            case(121.0, true),
            case(120.0, true),
            case(100.0, true),
        ];
        assert_eq!(shown(&cases, false), Coverage { held: 1, cases: 2 });
        assert_eq!(shown(&cases, true), Coverage { held: 2, cases: 3 });
    }
}
