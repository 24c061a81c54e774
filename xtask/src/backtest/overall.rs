//! One figure for all cold cases, to choose between two rules by: every operation, short ones too, at every tenth of its time,
//! each source counting once. Seven long operations at one moment would praise whatever happens to fit them.

use std::collections::BTreeMap;

use super::records::Record;

/// An estimate four times too long is as useless as one forty times too long.
const WORST: f64 = 4.0;
/// Seconds by which nobody is misled.
const UNFELT: f64 = 2.0;

#[derive(Default)]
pub(super) struct Overall {
    /// By source: how far off, as a natural logarithm; above 0 where the estimate was too long.
    errors: BTreeMap<String, Vec<f64>>,
}

impl Overall {
    pub(super) fn add(&mut self, record: &Record, actual: f64, estimated: f64) {
        let error = ((estimated + UNFELT) / (actual + UNFELT)).ln();
        let worst = WORST.ln();
        self.errors
            .entry(record.source.clone())
            .or_default()
            .push(error.clamp(-worst, worst));
    }

    /// The mean of the sources' own means of what `of` makes of an error.
    fn mean(&self, of: impl Fn(f64) -> f64) -> f64 {
        let each = self.errors.values().map(|errors| {
            errors.iter().map(|error| of(*error)).sum::<f64>() / errors.len().max(1) as f64
        });
        each.sum::<f64>() / self.errors.len().max(1) as f64
    }

    pub(super) fn print(&self, verbose: bool) {
        println!(
            "\ncold, all operations at 10 to 90 %, each of {} sources once: off by a factor of {:.3}, bias {:+.0} %",
            self.errors.len(),
            self.mean(f64::abs).exp(),
            (self.mean(|error| error).exp() - 1.0) * 100.0
        );
        if verbose {
            for (source, errors) in &self.errors {
                let mean =
                    errors.iter().map(|error| error.abs()).sum::<f64>() / errors.len() as f64;
                println!(
                    "  {source:<60} {:>4} cases  factor {:.2}",
                    errors.len(),
                    mean.exp()
                );
            }
        }
    }
}
