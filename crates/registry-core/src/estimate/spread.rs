//! How long something takes, as a median and how far from it one may land. Pure.

/// A guess at a duration: most work keeps its habit, a log-normal distribution around the median; a little of it, and all of
/// what nobody knows, keeps none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half of all cases take longer; seconds.
    pub median: f64,
    /// Standard deviation of the habit's logarithm: 0.1 is "always about the same", 1 is "anything".
    pub sigma: f64,
    /// Share of the cases that keep the habit.
    habit: f64,
}

/// One case in twenty keeps no habit: a slow container, a retried call.
const HABIT: f64 = 0.95;

/// How wide a [`Spread`] is at least, by the number of cases it is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sureness {
    /// `sigma` that a single case leaves.
    pub one: f64,
    /// `sigma` that even very many leave.
    pub many: f64,
}

impl Sureness {
    /// The same resource in the same stack.
    pub const SAME: Self = Self {
        one: 0.15,
        many: 0.05,
    };
    /// Another resource of the type, in the same account and region.
    pub const ALIKE: Self = Self {
        one: 0.3,
        many: 0.1,
    };
    /// Somebody else's resource of the type.
    pub const STRANGE: Self = Self {
        one: 0.4,
        many: 0.05,
    };
}

/// Shorter durations than this are one API call; no logarithm is taken of zero.
const SHORTEST: f64 = 0.2;

impl Spread {
    /// A habit of this median and `sigma`.
    #[must_use]
    pub fn new(median: f64, sigma: f64) -> Self {
        Self {
            median,
            sigma,
            habit: HABIT,
        }
    }

    /// Nothing is known but what such things take in the middle: what has lasted long will last about as long again.
    #[must_use]
    pub fn unknown(median: f64) -> Self {
        Self {
            median,
            sigma: 2.0,
            habit: 0.0,
        }
    }

    /// From past durations in seconds; `None` without any. `sure` is how sure that many cases of this sort can make.
    #[must_use]
    pub fn of(seconds: &[f64], sure: Sureness) -> Option<Self> {
        let mut logs: Vec<f64> = seconds.iter().map(|s| s.max(SHORTEST).ln()).collect();
        logs.sort_by(f64::total_cmp);
        let middle = median(&logs)?;
        let mut off: Vec<f64> = logs.iter().map(|log| (log - middle).abs()).collect();
        off.sort_by(f64::total_cmp);
        // 1.4826 times the median deviation is the standard deviation of a normal distribution; one outlier cannot move it.
        let sigma = 1.4826 * median(&off)?;
        let few = sure.one / logs.len() as f64;
        Some(Self::new(middle.exp(), sigma.hypot(sure.many).hypot(few)))
    }

    /// Two independent guesses at the same thing, each weighing as much as it is sure.
    #[must_use]
    pub fn pooled(self, other: Self) -> Self {
        let weight = |spread: Self| 1.0 / spread.sigma.max(0.01).powi(2);
        let (a, b) = (weight(self), weight(other));
        let log = |spread: Self| spread.median.max(SHORTEST).ln();
        Self {
            median: ((a * log(self) + b * log(other)) / (a + b)).exp(),
            sigma: (1.0 / (a + b)).sqrt(),
            habit: self.habit.max(other.habit),
        }
    }

    /// The seconds that are still left, half the time, of something that has taken `elapsed` seconds and is not over.
    ///
    /// Shrinks as time passes; grows again when the work takes longer than it ever did.
    #[must_use]
    pub fn remaining(&self, elapsed: f64) -> f64 {
        if elapsed <= 0.0 {
            return self.median;
        }
        let half = self.outlasts(elapsed) / 2.0;
        let (mut low, mut high) = (elapsed, elapsed.max(self.median) * 64.0);
        for _ in 0..48 {
            let middle = f64::midpoint(low, high);
            if self.outlasts(middle) > half {
                low = middle;
            } else {
                high = middle;
            }
        }
        (low - elapsed).max(0.0)
    }

    /// The chance that it takes longer than `seconds`.
    fn outlasts(&self, seconds: f64) -> f64 {
        let times_median = seconds.max(SHORTEST) / self.median.max(SHORTEST);
        let by_habit = upper_tail(times_median.ln() / self.sigma.max(0.01));
        // Log-logistic of shape one: whatever has passed, half of what is left of such cases lasts as long again.
        let without = 1.0 / (1.0 + times_median);
        self.habit * by_habit + (1.0 - self.habit) * without
    }
}

/// The middle of sorted values; `None` of none.
#[must_use]
pub fn median(sorted: &[f64]) -> Option<f64> {
    let n = sorted.len();
    match (sorted.get(n.checked_sub(1)? / 2), sorted.get(n / 2)) {
        (Some(a), Some(b)) => Some(f64::midpoint(*a, *b)),
        _ => None,
    }
}

/// The value below which `share` (0 to 1) of the sorted values lie, between neighbours in proportion; `None` of none.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share.clamp(0.0, 1.0) * (sorted.len().checked_sub(1)?) as f64;
    let below = *sorted.get(at.floor() as usize)?;
    let above = *sorted.get(at.ceil() as usize)?;
    Some(below + (above - below) * at.fract())
}

/// The chance that a standard normal variable exceeds `z`: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.17;
/// off by less than 7.5e-8.
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    if z >= 0.0 {
        density * series
    } else {
        1.0 - density * series
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 3.0]), Some(2.0));
        assert_eq!(quantile(&[0.0, 10.0], 0.1), Some(1.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
    }

    #[test]
    fn the_normal_tail_is_right() {
        for (z, chance) in [
            (0.0, 0.5),
            (1.0, 0.158_655),
            (-1.0, 0.841_345),
            (1.96, 0.024_998),
        ] {
            assert!((upper_tail(z) - chance).abs() < 1e-5, "{z}");
        }
    }

    #[test]
    fn what_is_overdue_is_believed_less() {
        let usual = Spread::new(100.0, 0.1);
        assert!((usual.remaining(0.0) - 100.0).abs() < 1e-9);
        assert!((usual.remaining(50.0) - 50.0).abs() < 3.0);
        assert!(usual.remaining(98.0) < 15.0);
        // Three times as long as usual: it may be as long again.
        assert!(usual.remaining(300.0) > 100.0);
        // Of what nobody knows that is so from the beginning.
        let left = Spread::unknown(10.0).remaining(140.0);
        assert!((left - 150.0).abs() < 0.1, "{left}");
    }

    #[test]
    fn one_outlier_moves_little() {
        let spread = Spread::of(&[7.0, 7.2, 7.1, 7.3, 229.0], Sureness::ALIKE).unwrap();
        assert!((spread.median - 7.2).abs() < 0.01);
        assert!(spread.sigma < 0.15);
        assert_eq!(Spread::of(&[], Sureness::SAME), None);
    }

    proptest! {
        #[test]
        fn remaining_is_a_number_and_never_negative(
            median in 0.0f64..100_000.0, sigma in 0.0f64..3.0, elapsed in -10.0f64..1_000_000.0
        ) {
            let left = Spread::new(median, sigma).remaining(elapsed);
            prop_assert!(left.is_finite() && left >= 0.0, "{left}");
        }

        #[test]
        fn while_on_time_it_shrinks(median in 20.0f64..1_000.0, a in 0.05f64..0.6, step in 0.05f64..0.3) {
            let spread = Spread::new(median, 0.15);
            prop_assert!(spread.remaining((a + step) * median) < spread.remaining(a * median));
        }
    }
}
