//! How far off an estimate may be, told by what came true of earlier ones. Pure.

/// At which shares of an operation's time its estimate is compared with what came.
pub const JUDGED_AT: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// So many operations must have been judged before their errors make the interval: ten operations, of which nothing could estimate the
/// first. Fewer than nine could not tell where eight of ten lie.
pub const ENOUGH_JUDGED: usize = 9;

/// The share of the cases that lie below the interval, and of those that lie above it.
const OUTSIDE: f64 = 0.1;

/// What came true of the estimates of one operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged([f64; 5]);

impl Judged {
    /// From actual by estimated remaining time at each of [`JUDGED_AT`]; `None` of what cannot be such.
    #[must_use]
    pub fn new(ratios: &[f64]) -> Option<Self> {
        let ratios: [f64; 5] = ratios.try_into().ok()?;
        ratios
            .iter()
            .all(|ratio| (1e-6..=1e6).contains(ratio))
            .then_some(Self(ratios))
    }

    /// From pairs of what was left and what had been estimated, in seconds, at each of [`JUDGED_AT`].
    #[must_use]
    pub fn of(pairs: [(f64, f64); 5]) -> Self {
        // Within a second an estimate is right.
        Self(
            pairs
                .map(|(actual, estimated)| (actual.max(1.0) / estimated.max(1.0)).clamp(1e-6, 1e6)),
        )
    }

    /// Actual by estimated remaining time at each of [`JUDGED_AT`].
    #[must_use]
    pub fn ratios(&self) -> [f64; 5] {
        self.0
    }

    /// The ratio when `share` (0 to 1) of the time had passed: between two that were judged in proportion, beyond them as there.
    fn at(&self, share: f64) -> f64 {
        let after = JUDGED_AT.partition_point(|at| *at < share);
        let (Some(before), Some(since)) = (after.checked_sub(1), JUDGED_AT.get(after)) else {
            return self.0[after.min(self.0.len() - 1)];
        };
        let part = (share - JUDGED_AT[before]) / (since - JUDGED_AT[before]);
        let (from, to) = (self.0[before].ln(), self.0[after].ln());
        (from + (to - from) * part).exp()
    }

    /// The ratio halfway through.
    #[must_use]
    pub fn halfway(&self) -> f64 {
        self.at(0.5)
    }
}

/// Where `remaining` seconds may turn out to lie when `share` of the time has passed: contract section 8, ±20 % until the history knows
/// better, then [`learned`].
#[must_use]
pub fn around(remaining: f64, share: f64, judged: &[Judged]) -> (f64, f64) {
    learned(remaining, share, judged).unwrap_or((remaining * 0.8, remaining * 1.2))
}

/// The interval that holds the truth in eight of ten cases, by the errors of earlier estimates; `None` where fewer than
/// [`ENOUGH_JUDGED`] are known.
///
/// Each operation counts once, with its error at this share of its time: three errors of one operation are not three witnesses.
/// Ends are the split conformal ones: of n errors that are as good as the next, the k-th smallest lies above it with a chance of
/// k in n + 1 (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005). The estimate itself is always within.
#[must_use]
pub fn learned(remaining: f64, share: f64, judged: &[Judged]) -> Option<(f64, f64)> {
    if judged.len() < ENOUGH_JUDGED {
        return None;
    }
    let mut errors: Vec<f64> = judged.iter().map(|judged| judged.at(share)).collect();
    errors.sort_by(f64::total_cmp);
    let outside = (((errors.len() + 1) as f64 * OUTSIDE).floor() as usize).max(1);
    let low = errors.get(outside - 1)?;
    let high = errors.get(errors.len() - outside)?;
    Some((remaining * low.min(1.0), remaining * high.max(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ratio: f64) -> Judged {
        Judged::new(&[ratio; 5]).unwrap()
    }

    fn many(ratios: &[f64]) -> Vec<Judged> {
        ratios.iter().copied().map(judged).collect()
    }

    #[test]
    fn what_is_no_ratio_judges_nothing() {
        for (ratios, is_one) in [
            (vec![1.0, 0.5, 2.0, 1.0, 1.0], true),
            (vec![], false),
            (vec![1.0; 3], false),
            (vec![1.0; 6], false),
            (vec![1.0, -0.5, 1.0, 1.0, 1.0], false),
            (vec![1.0, 1.0, 0.0, 1.0, 1.0], false),
            (vec![1.0, 1.0, 1.0, f64::NAN, 1.0], false),
            (vec![1.0, 1.0, 1.0, 1.0, f64::INFINITY], false),
            (vec![1e300, 1.0, 1.0, 1.0, 1.0], false),
        ] {
            assert_eq!(Judged::new(&ratios).is_some(), is_one, "{ratios:?}");
        }
        // Nothing was thought to be left, or nothing was left.
        let judged = Judged::of([(30.0, 0.0), (0.0, 20.0), (0.3, 0.9), (6.0, 3.0), (9.0, 9.0)]);
        let hundredths = judged.ratios().map(|ratio| (ratio * 100.0).round() as u32);
        assert_eq!(hundredths, [3000, 5, 100, 200, 100]);
        assert!((judged.halfway() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn it_is_a_fifth_until_ten_operations_are_known() {
        // However many errors each had: the first has none, so that nine are judged of ten.
        for known in 0..ENOUGH_JUDGED {
            let errors = vec![judged(3.0); known];
            assert_eq!(around(100.0, 0.5, &errors), (80.0, 120.0), "{known}");
        }
        let errors = many(&[0.5, 0.9, 0.9, 1.0, 1.0, 1.0, 1.1, 1.1, 2.0]);
        assert_eq!(around(100.0, 0.5, &errors), (50.0, 200.0));
    }

    #[test]
    fn the_outliers_of_many_are_outside() {
        let mut ratios: Vec<f64> = (0..19).map(|n| 0.6 + 0.05 * f64::from(n)).collect();
        let (low, high) = learned(100.0, 0.5, &many(&ratios)).unwrap();
        assert!((low - 65.0).abs() < 1e-9 && (high - 145.0).abs() < 1e-9);
        // In which order they came is nothing to it.
        ratios.reverse();
        assert_eq!(learned(100.0, 0.5, &many(&ratios)), Some((low, high)));
    }

    #[test]
    fn the_estimate_is_within_even_if_all_before_were_too_short() {
        assert_eq!(learned(100.0, 0.5, &[judged(1.5); 9]), Some((100.0, 150.0)));
        assert_eq!(learned(100.0, 0.5, &[judged(0.5); 9]), Some((50.0, 100.0)));
    }

    #[test]
    fn late_estimates_are_judged_by_late_ones() {
        let errors = [Judged::new(&[1.0, 1.0, 2.0, 8.0, 9.0]).unwrap(); 9];
        for (share, high) in [
            (0.0, 1.0),
            (0.1, 1.0),
            (0.2, 1.0),
            (0.25, 1.0),
            (0.375, 2.0_f64.sqrt()),
            (0.5, 2.0),
            (0.625, 4.0),
            (0.75, 8.0),
            (0.9, 9.0),
            (1.0, 9.0),
        ] {
            let (_, found) = learned(1.0, share, &errors).unwrap();
            assert!((found - high).abs() < 1e-9, "{share}: {found}");
        }
    }

    /// Of errors that are all alike the tenth falls outside the nine before in two of ten cases, whatever their sizes are.
    #[test]
    fn it_holds_what_it_promises_of_errors_that_are_alike() {
        let mut state: u64 = 7;
        let mut error = || {
            // Knuth's MMIX.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1u64 << 24) as f64 + 0.5
        };
        for known in [9, 12, 19, 30] {
            let held = (0..2000)
                .filter(|_| {
                    let errors: Vec<Judged> = (0..known).map(|_| judged(error())).collect();
                    let (low, high) = learned(1.0, 0.5, &errors).unwrap();
                    (low..=high).contains(&error())
                })
                .count();
            assert!((1500..=1800).contains(&held), "{known}: {held}");
        }
    }
}
