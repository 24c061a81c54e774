//! The forms a message is sent in, best first. Each is tried once, when Slack refuses the content of the one before.

use registry_core::notification::Notification;
use serde_json::{Map, Value, json};

use crate::document::{cut, slack_length};
use crate::forms::{Markdown, Mrkdwn, Plain};
use crate::message::{Circumstances, document};

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// One `markdown` block.
    Markdown,
    /// `section` blocks of mrkdwn.
    Sections,
    /// Text without blocks.
    Plain,
    /// The beginning of the text and where the whole is.
    Truncated,
}

impl Rung {
    /// The next plainer form.
    #[must_use]
    pub fn below(self) -> Option<Self> {
        match self {
            Self::Markdown => Some(Self::Sections),
            Self::Sections => Some(Self::Plain),
            Self::Plain => Some(Self::Truncated),
            Self::Truncated => None,
        }
    }

    /// The form of that name.
    pub(crate) fn named(word: &str) -> Option<Self> {
        [Self::Markdown, Self::Sections, Self::Plain, Self::Truncated]
            .into_iter()
            .find(|rung| rung.word() == word)
    }

    /// The form's name, for the history of attempts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Sections => "sections",
            Self::Plain => "plain",
            Self::Truncated => "truncated",
        }
    }
}

/// All blocks of a message together. 12,000 are documented for markdown blocks; refusals were seen from 11,341 on.
const LONGEST_BLOCKS: usize = 10_000;
/// Text of one section block (documented).
const LONGEST_SECTION: usize = 3_000;
/// `text`: best below 4,000 (documented), and `chat.update` refuses more.
const LONGEST_TEXT: usize = 4_000;
/// What the last form keeps of the text.
const LONGEST_BEGINNING: usize = 1_000;

/// `text` and `blocks` of a message in one form. `pointer` says where the whole text is.
pub(crate) fn content(
    rung: Rung,
    notification: &Notification,
    circumstances: &Circumstances,
    pointer: &str,
) -> Map<String, Value> {
    let document = document(notification, circumstances);
    let text = document.draw(&Plain, LONGEST_TEXT);
    let mut content = Map::new();
    match rung {
        Rung::Markdown => {
            let source = document.draw(&Markdown, LONGEST_BLOCKS);
            content.insert("text".to_owned(), text.into());
            content.insert(
                "blocks".to_owned(),
                json!([{"type": "markdown", "text": source}]),
            );
        }
        Rung::Sections => {
            let source = document.draw(&Mrkdwn, LONGEST_BLOCKS);
            let sections: Vec<Value> = split(&source, LONGEST_SECTION)
                .into_iter()
                .map(|part| json!({"type": "section", "text": {"type": "mrkdwn", "text": part}}))
                .collect();
            content.insert("text".to_owned(), text.into());
            content.insert("blocks".to_owned(), sections.into());
        }
        Rung::Plain => {
            content.insert("text".to_owned(), text.into());
            content.insert("mrkdwn".to_owned(), false.into());
        }
        Rung::Truncated => {
            let mut beginning = cut(&text, LONGEST_BEGINNING);
            beginning.push_str("\n[…] ");
            beginning.push_str(&crate::forms::escape(pointer));
            content.insert("text".to_owned(), beginning.into());
            content.insert("mrkdwn".to_owned(), false.into());
        }
    }
    content.insert("unfurl_links".to_owned(), false.into());
    content.insert("unfurl_media".to_owned(), false.into());
    content
}

/// Cuts a text into parts of at most `limit`, at line ends where that is possible; a code fence is closed and opened again.
fn split(text: &str, limit: usize) -> Vec<String> {
    const FENCE: &str = "```";
    // A fence and its line break may come before and after a part.
    let room = limit - 2 * (FENCE.len() + 1);
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    let mut length = 0;
    let mut fenced = false;
    for line in text.split('\n') {
        let mut rest = line;
        loop {
            let piece = cut(rest, room);
            let more = slack_length(&piece) + 1;
            if !part.is_empty() && length + more > room {
                if fenced {
                    part.push('\n');
                    part.push_str(FENCE);
                }
                parts.push(std::mem::take(&mut part));
                length = 0;
                if fenced {
                    part.push_str(FENCE);
                }
            }
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(&piece);
            length += more;
            if piece.trim() == FENCE {
                fenced = !fenced;
            }
            rest = &rest[piece.len()..];
            if rest.is_empty() || piece.is_empty() {
                break;
            }
        }
    }
    parts.push(part);
    // Slack refuses a section without text.
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(message: String) -> Notification {
        Notification::Custom { message }
    }

    fn render(rung: Rung, message: &str) -> Map<String, Value> {
        content(
            rung,
            &custom(message.to_owned()),
            &Circumstances::default(),
            "full text: show 1",
        )
    }

    fn sections(content: &Map<String, Value>) -> Vec<String> {
        content["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["text"]["text"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn each_form() {
        let message = "**Hi** <!here>";
        let markdown = render(Rung::Markdown, message);
        assert_eq!(
            markdown["blocks"],
            json!([{"type": "markdown", "text": "**Hi** &lt;!here&gt;"}])
        );
        assert_eq!(markdown["text"], "**Hi** &lt;!here&gt;");
        assert_eq!(markdown["unfurl_links"], false);
        assert_eq!(markdown["unfurl_media"], false);
        assert_eq!(
            sections(&render(Rung::Sections, message)),
            ["*Hi* &lt;!here&gt;"]
        );
        let plain = render(Rung::Plain, message);
        assert!(!plain.contains_key("blocks") && plain["mrkdwn"] == false);
        let long = render(Rung::Truncated, &"x".repeat(5_000));
        let text = long["text"].as_str().unwrap();
        assert!(text.starts_with("xxx") && text.ends_with("\n[…] full text: show 1"));
        assert!(slack_length(text) < 1_100);
    }

    #[test]
    fn limits_hold_at_their_edges() {
        for length in [2_999, 3_000, 3_001, 4_001, 9_999, 12_001] {
            for unit in ["x\n", "<", "🎉"] {
                let message = unit.repeat(length);
                let markdown = render(Rung::Markdown, &message);
                let source = markdown["blocks"][0]["text"].as_str().unwrap();
                assert!(slack_length(source) <= LONGEST_BLOCKS, "{length} {unit}");
                let in_sections = render(Rung::Sections, &message);
                for content in [&markdown, &in_sections, &render(Rung::Plain, &message)] {
                    let text = content["text"].as_str().unwrap();
                    assert!(slack_length(text) <= LONGEST_TEXT, "{length} {unit}");
                }
                let sections = sections(&in_sections);
                assert!(sections.len() <= 50);
                for section in &sections {
                    assert!(slack_length(section) <= LONGEST_SECTION && !section.is_empty());
                    assert!(
                        !section.ends_with("&l") && !section.starts_with("t;"),
                        "{section}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_split_fence_is_closed_and_opened_again() {
        let code = format!("```\n{}```\nend", "line of code\n".repeat(500));
        let parts = sections(&render(Rung::Sections, &code));
        assert!(parts.len() > 2);
        for part in &parts {
            assert_eq!(part.matches("```").count() % 2, 0, "{part}");
        }
    }
}
