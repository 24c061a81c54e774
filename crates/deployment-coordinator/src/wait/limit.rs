//! How long to wait: `MAX` in the workflow's words and in the guide's.

use std::time::Duration;

use registry_core::clock::parse_duration;

use crate::error::Problem;

/// No hosted job of GitHub's may run longer than so many minutes; a bare number up to here is what a workflow passes, minutes.
const MOST_MINUTES: u64 = 360;

/// The limit, and how the word was read.
pub(crate) fn read(word: &str) -> Result<(Duration, String), Problem> {
    let word = word.trim();
    let bad = || {
        Problem::Usage(format!(
            "MAX is {word:?}: give a time such as 30m, 1800s, 1h, or a bare number (up to {MOST_MINUTES} minutes, above it seconds)"
        ))
    };
    let bare = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    if !bare {
        let span = parse_duration(word).ok_or_else(bad)?;
        return Ok((span, format!("read from {word:?}")));
    }
    let number: u64 = word.parse().map_err(|_| bad())?;
    if number <= MOST_MINUTES {
        let reading = format!("{number} read as minutes, as every number up to {MOST_MINUTES}");
        return Ok((Duration::from_secs(number * 60), reading));
    }
    let span = parse_duration(word).ok_or_else(bad)?;
    Ok((
        span,
        format!("{number} read as seconds, as every number above {MOST_MINUTES}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_seconds() {
        for (word, seconds) in [
            ("0", 0),
            ("30", 1800),
            ("360", 21_600),
            ("361", 361),
            ("1800", 1800),
            ("30m", 1800),
            ("1800s", 1800),
            ("1h", 3600),
            ("200ms", 0),
        ] {
            assert_eq!(read(word).unwrap().0.as_secs(), seconds, "{word}");
        }
        assert!(read("30").unwrap().1.contains("minutes"));
        assert!(read("1800").unwrap().1.contains("seconds"));
        for bad in [
            "",
            "-5",
            "abc",
            "1.5",
            "99999999999999999999",
            "9999999999999",
        ] {
            let sentence = read(bad).unwrap_err().to_string();
            assert!(sentence.starts_with("MAX is "), "{sentence}");
        }
    }
}
