//! Text from outside is data: what is printed, logged, queued or sent goes through here first.

use std::sync::OnceLock;

use regex_lite::Regex;

/// Removes terminal escapes and control characters; keeps newlines and tabs.
#[must_use]
pub fn printable(text: &str) -> String {
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .filter(|&c| matches!(c, '\n' | '\t') || !is_control(c))
        .collect()
}

// C0 and C1 controls, and the marks that turn the direction of text around so that it reads as something else.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line that cannot be taken for anything but text: no escapes, no line breaks, no GitHub workflow command.
///
/// GitHub's runner reads `::command::` at the beginning of a line and the older `##[command]` anywhere in it
/// (actions/runner, `src/Runner.Worker/ActionCommandManager.cs` and `ActionCommand.cs`).
#[must_use]
pub fn one_line(text: &str) -> String {
    let joined = printable(&text.replace("\r\n", "\n"))
        .split(['\n', '\u{2028}', '\u{2029}', '\t'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    unforged(&joined)
}

/// A line that GitHub's runner does not take for a workflow command; nothing else about it is changed.
#[must_use]
pub fn unforged(line: &str) -> String {
    let line = line.replace("##[", "# #[");
    let indent = line.len() - line.trim_start().len();
    match line[indent..].strip_prefix("::") {
        Some(rest) => format!("{}: :{rest}", &line[..indent]),
        None => line,
    }
}

const CUT_MARK: &str = " […] ";

/// The beginning and the end of a long text, with a mark between; at most `max` characters (3 at least are needed for the mark).
/// What has the shape of a secret is masked first: half of one would not be recognised any more.
#[must_use]
pub fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    shorten_masked(&mask(text), max)
}

/// As [`shorten`], for a text that went through [`mask`] before: that takes long, and who tries several lengths needs it once.
#[must_use]
pub fn shorten_masked(text: &str, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(CUT_MARK.chars().count());
    let head = room * 2 / 3;
    let tail = room - head;
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{start}{CUT_MARK}{end}")
        .chars()
        .take(max)
        .collect()
}

/// Shapes that secrets have, whoever they belong to.
const SECRET_SHAPES: [&str; 9] = [
    // AWS access key ids (IAM user guide, "unique identifiers").
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    // AWS secret keys and session tokens, where their name stands before them.
    r#"(?i)(?:aws_?)?(?:secret_?access_?key|session_?token|security_?token)["']?\s*[=:]\s*["']?([A-Za-z0-9/+=]{16,})"#,
    // Slack tokens and incoming webhooks.
    r"\bx(?:ox[a-z]|app)-[A-Za-z0-9-]{8,}",
    r"(?i)(hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers))/[A-Za-z0-9/_-]+",
    // GitHub tokens.
    r"\bgh[pousr]_[A-Za-z0-9]{16,}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}\b",
    // Credentials in a URL.
    r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s:@]+(?::[^/\s@]*)?@",
    // Authorization headers.
    r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}",
    // Signatures of presigned URLs, and tokens in a URL's query.
    r"(?i)(X-Amz-(?:Signature|Security-Token|Credential)=|[?&](?:[a-z]+_)?(?:token|password|secret)=)[^&\s#]+",
];

fn secret_shapes() -> &'static [Regex] {
    static SHAPES: OnceLock<Vec<Regex>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        SECRET_SHAPES
            .iter()
            .filter_map(|shape| Regex::new(shape).ok())
            .collect()
    })
}

/// What stands where a secret stood.
pub const MASK: &str = "***";

/// Masks everything that has the shape of a secret.
#[must_use]
pub fn mask(text: &str) -> String {
    let mut masked = text.to_owned();
    for (index, shape) in secret_shapes().iter().enumerate() {
        if !shape.is_match(&masked) {
            continue;
        }
        masked = shape
            .replace_all(&masked, |found: &regex_lite::Captures<'_>| {
                let whole = found.get(0).map_or("", |m| m.as_str());
                let group = found.get(1).map_or("", |m| m.as_str());
                match index {
                    1 => whole.replace(group, MASK),
                    3 => format!("{group}/{MASK}"),
                    6 => format!("{group}{MASK}@"),
                    7 => format!("{group} {MASK}"),
                    8 => format!("{group}{MASK}"),
                    _ => MASK.to_owned(),
                }
            })
            .into_owned();
    }
    masked
}

/// Masks secrets by their shape, and the secrets this process was given by their value.
#[derive(Clone, Default)]
pub struct Masker {
    values: Vec<String>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} secrets)", self.values.len())
    }
}

impl Masker {
    /// Knows `values` as secrets; those shorter than eight characters are left out, since masking them would garble plain words.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values
            .into_iter()
            .filter(|value| value.len() >= 8)
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// The text with every secret replaced by [`MASK`].
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), MASK);
            }
        }
        mask(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_go() {
        assert_eq!(
            printable("a\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}b\n\tc\u{202e}"),
            "aredb\n\tc"
        );
        assert_eq!(one_line("a\r\nb\n\n  c\u{2028}d"), "a b c d");
    }

    #[test]
    fn workflow_commands_cannot_be_forged() {
        assert_eq!(
            one_line("::set-output name=x::y"),
            ": :set-output name=x::y"
        );
        assert_eq!(one_line("x ##[error]boo"), "x # #[error]boo");
        assert_eq!(one_line("\n::error::x"), ": :error::x");
        assert_eq!(one_line("\u{1b}[0m::error::x"), ": :error::x");
        assert_eq!(one_line("#\u{1b}[1m#[error]x"), "# #[error]x");
    }

    #[test]
    fn secrets_are_masked() {
        for (text, expected) in [
            ("key AKIAIOSFODNN7EXAMPLE end", "key *** end"),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "aws_secret_access_key = ***",
            ),
            ("token xoxb-1234567890-abcdef", "token ***"),
            (
                "https://hooks.slack.com/services/T000/B000/XXXX bad",
                "https://hooks.slack.com/services/*** bad",
            ),
            (
                "https://user:pass@example.com/x",
                "https://***@example.com/x",
            ),
            (
                "https://token@example.com/x?a=b&access_token=abc&c=d",
                "https://***@example.com/x?a=b&access_token=***&c=d",
            ),
            (
                "Authorization: Bearer abcdefghijkl",
                "Authorization: Bearer ***",
            ),
            ("ghp_abcdefghijklmnopqrstuvwx1234567890", "***"),
            (
                "nothing secret in https://example.com/a:b",
                "nothing secret in https://example.com/a:b",
            ),
        ] {
            assert_eq!(mask(text), expected);
        }
        let masker = Masker::new(["s3cr3t-value".to_owned(), "short".to_owned()]);
        assert_eq!(masker.mask("a s3cr3t-value and short"), "a *** and short");
    }

    #[test]
    fn shortening_keeps_both_ends() {
        assert_eq!(shorten("abc", 10), "abc");
        let secret = format!(
            "{} xoxb-123456789012-abcdefGHIJKL {}",
            "a".repeat(20),
            "z".repeat(20)
        );
        assert!(
            !shorten(&secret, 50).contains("xoxb"),
            "{}",
            shorten(&secret, 50)
        );
        assert!(
            !shorten(&secret, 30).contains("GHIJKL"),
            "{}",
            shorten(&secret, 30)
        );
        let short = shorten(&("a".repeat(50) + &"z".repeat(50)), 20);
        assert_eq!(short.chars().count(), 20);
        assert!(short.starts_with("aaa") && short.ends_with("zzz") && short.contains("[…]"));
    }
}
