//! `cargo xtask faults`: the faults of the tests, or more of them, or all; the table goes into `docs/faults.md`.

use anyhow::{Context, Result, bail, ensure};

use crate::process::{cargo, root, succeeds};

/// What was asked for, as the test's knobs.
#[derive(Debug, Default, PartialEq)]
struct Wish {
    seed: Option<String>,
    count: Option<String>,
}

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let wish = wish(arguments)?;
    let mut test = cargo();
    test.args(["test", "--package", "end-to-end", "--test", "faults"])
        .args(["--", "--nocapture"])
        .env("FAULTS_PAGE", root().join("docs/faults.md"))
        .env("FAULTS_SEED", wish.seed.unwrap_or_default())
        .env("FAULTS_COUNT", wish.count.unwrap_or_default());
    succeeds(&mut test)
}

fn wish(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut number = || -> Result<String> {
            let value = words
                .next()
                .with_context(|| format!("{word} needs a number"))?;
            ensure!(
                value.parse::<u64>().is_ok(),
                "{word} {value}: that is no number"
            );
            Ok(value.clone())
        };
        match word.as_str() {
            "--seed" => wish.seed = Some(number()?),
            "--count" => wish.count = Some(number()?),
            "--all" => wish.count = Some("all".to_owned()),
            other => bail!("faults knows no {other:?}; it takes --seed N, --count N and --all"),
        }
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Wish> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        wish(&words)
    }

    #[test]
    fn words_become_knobs() {
        assert_eq!(read(&[]).unwrap(), Wish::default());
        let both = read(&["--seed", "7", "--count", "9"]).unwrap();
        assert_eq!(
            (both.seed.as_deref(), both.count.as_deref()),
            (Some("7"), Some("9"))
        );
        assert_eq!(read(&["--all"]).unwrap().count.as_deref(), Some("all"));
        for wrong in [&["--seed"][..], &["--count", "x"], &["all"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
