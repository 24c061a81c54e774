//! Where an axis of durations has its lines: at lengths that people say.

/// Lengths that people say, in seconds.
const SAID: [f64; 17] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    14_400.0, 43_200.0, 86_400.0,
];

/// Lines from 0 to `end` seconds, at most `most` of them beside the first.
pub(super) fn ticks(end: f64, most: usize) -> Vec<f64> {
    let step = SAID
        .into_iter()
        .find(|step| end / step <= most as f64)
        .unwrap_or_else(|| (end / most as f64).max(86_400.0));
    (0..=(end / step).floor() as usize)
        .map(|count| count as f64 * step)
        .collect()
}

/// A length as short as it can be said: `0`, `30s`, `5m`, `1h30m`.
pub(super) fn said(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let part = |amount: u64, unit: &str| {
        if amount == 0 {
            String::new()
        } else {
            format!("{amount}{unit}")
        }
    };
    if whole == 0 {
        return "0".to_owned();
    }
    let (hours, minutes, seconds) = (whole / 3600, whole % 3600 / 60, whole % 60);
    part(hours, "h") + &part(minutes, "m") + &part(seconds, "s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_at_lengths_that_people_say() {
        assert_eq!(ticks(40.0, 5), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(305.0, 6), [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]);
        assert_eq!(ticks(0.0, 5), [0.0]);
        for end in [0.4, 1.0, 77.0, 4000.0, 604_800.0, 31_536_000.0] {
            assert!(ticks(end, 5).len() <= 6, "{end}");
        }
    }

    #[test]
    fn a_length_is_short() {
        for (seconds, words) in [
            (0.0, "0"),
            (30.0, "30s"),
            (90.0, "1m30s"),
            (5400.0, "1h30m"),
        ] {
            assert_eq!(said(seconds), words);
        }
    }
}
