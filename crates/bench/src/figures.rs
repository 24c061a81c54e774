//! Medians and spread of what was measured.

use std::time::Duration;

/// A median with the smallest and the largest value it is the median of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// The middle value.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) low: f64,
    /// The largest.
    pub(crate) high: f64,
}

impl Spread {
    /// Of these values; zeros where there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) && middle > 0 {
            f64::midpoint(at(middle - 1), at(middle))
        } else {
            at(middle)
        };
        Self {
            median,
            low: at(0),
            high: at(values.len().saturating_sub(1)),
        }
    }

    /// Of these spans, in seconds.
    pub(crate) fn of_spans(spans: impl IntoIterator<Item = Duration>) -> Self {
        Self::of(spans.into_iter().map(|span| span.as_secs_f64()))
    }

    /// Seconds, as milliseconds with their spread: `3.21 ms (3.10 to 4.02)`.
    pub(crate) fn milliseconds(&self) -> String {
        let [median, low, high] = [self.median, self.low, self.high].map(|s| digits(s * 1e3));
        format!("{median} ms ({low} to {high})")
    }

    /// Bytes, as mebibytes: `8.1 MiB`.
    pub(crate) fn mebibytes(&self) -> String {
        format!("{:.1} MiB", self.median / f64::from(1 << 20))
    }

    /// The ratio of the two medians.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        self.median / other.median.max(f64::MIN_POSITIVE)
    }
}

/// A ratio as people write it: `0.43x`, `212x`.
pub(crate) fn ratio(value: f64) -> String {
    format!("{}x", digits(value))
}

/// Three digits that mean something.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_values() {
        let spread = |median, low, high| Spread { median, low, high };
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of([7.0]), spread(7.0, 7.0, 7.0));
        assert_eq!(Spread::of([]), spread(0.0, 0.0, 0.0));
    }

    #[test]
    fn figures_read_well() {
        let span =
            Spread::of_spans([1.5, 2.25, 1234.0].map(|ms| Duration::from_secs_f64(ms / 1e3)));
        assert_eq!(span.milliseconds(), "2.25 ms (1.50 to 1234)");
        assert_eq!(Spread::of([8_493_465.6]).mebibytes(), "8.1 MiB");
        assert_eq!(ratio(0.434), "0.43x");
        assert_eq!(ratio(212.3), "212x");
    }
}
