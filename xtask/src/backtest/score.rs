//! Errors gathered and printed.

use super::coverage;

/// One operation at one moment.
pub(crate) struct Case {
    pub(crate) name: String,
    /// How much of its time had passed.
    pub(crate) share: f64,
    /// Seconds it still took.
    pub(crate) actual: f64,
    /// Seconds by each method, ours first.
    pub(crate) estimates: [f64; 4],
    /// Our interval.
    pub(crate) interval: (f64, f64),
    /// Whether the interval is that of past errors.
    pub(crate) learned: bool,
    /// What our estimate waits for.
    pub(crate) path: Vec<String>,
}

const METHODS: [&str; 4] = [
    "ours",
    "average total - elapsed",
    "sum of pending",
    "longest pending",
];

/// The cases of one kind of test.
pub(crate) struct Scores {
    title: &'static str,
    cases: Vec<Case>,
}

impl Scores {
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            cases: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, case: Case) {
        if case.actual > 0.0 {
            self.cases.push(case);
        }
    }

    fn at(&self, share: f64) -> Vec<&Case> {
        self.cases
            .iter()
            .filter(|case| (case.share - share).abs() < 0.01)
            .collect()
    }

    /// The median error of our estimate at this share of the time, and the share of cases within half of the truth.
    #[cfg(test)]
    pub(crate) fn ours_at(&self, share: f64) -> Option<(f64, f64)> {
        errors(&self.at(share), 0)
    }

    pub(crate) fn print(&self, verbose: bool) {
        println!("\n{}", self.title);
        if verbose {
            for case in &self.cases {
                let [ours, ..] = case.estimates;
                println!(
                    "  {:<64} {:>3.0} %  left {:>6.1}  ours {:>6.1}  {:>+5.0} %  {}",
                    case.name,
                    case.share * 100.0,
                    case.actual,
                    ours,
                    (ours / case.actual - 1.0) * 100.0,
                    case.path.join(" > ")
                );
            }
        }
        println!(
            "  {:<6} {:>5}  {:<24} {:>12} {:>14}",
            "at", "cases", "estimate", "median error", "within ±50 %"
        );
        for share in super::SHARES {
            let cases = self.at(share);
            for (index, method) in METHODS.iter().enumerate() {
                print_row(share, &cases, index, method);
            }
        }
        coverage::shown(&self.cases, false).print("the interval of ±20 %, for a thin history,");
        coverage::shown(&self.cases, true).print("the interval learned from ten operations");
    }
}

/// The median error of a method, and the share of its cases within half of the truth; `None` of no cases.
fn errors(cases: &[&Case], method: usize) -> Option<(f64, f64)> {
    let mut errors: Vec<f64> = cases
        .iter()
        .map(|case| (case.estimates[method] / case.actual - 1.0).abs())
        .collect();
    errors.sort_by(f64::total_cmp);
    let within = errors.iter().filter(|error| **error <= 0.5).count();
    let median = registry_core::estimate::spread::median(&errors)?;
    Some((median, within as f64 / errors.len() as f64))
}

fn print_row(share: f64, cases: &[&Case], index: usize, method: &str) {
    if let Some((median, within)) = errors(cases, index) {
        println!(
            "  {:<6} {:>5}  {method:<24} {:>10.0} % {:>12.0} %",
            format!("{:.0} %", share * 100.0),
            cases.len(),
            median * 100.0,
            within * 100.0
        );
    }
}
