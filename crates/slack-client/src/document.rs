//! A message as its parts: what the template says, and what came from outside. Each form of a message escapes only the latter.

use registry_core::text::{mask, shorten_masked};

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The template's own words.
    Words(&'static str),
    /// The template's own words, bold.
    Bold(&'static str),
    /// A value from outside, on one line.
    Value(String),
    /// A value from outside, in code type.
    Code(String),
    /// A link of ours.
    Link {
        /// Its text.
        label: &'static str,
        /// Its URL, already percent-encoded.
        url: String,
    },
}

/// A line or a longer piece of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// One line.
    Line(Vec<Part>),
    /// One line of a list.
    Item(Vec<Part>),
    /// An empty line.
    Empty,
    /// A text from outside that may have many lines; shortened in its middle where room is short.
    Text(String),
    /// As `Text`, but its author's Markdown is meant as such.
    Markdown(String),
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Document(pub(crate) Vec<Block>);

impl Document {
    pub(crate) fn line(&mut self, parts: impl IntoIterator<Item = Part>) -> &mut Self {
        self.0.push(Block::Line(short(parts)));
        self
    }

    pub(crate) fn item(&mut self, parts: impl IntoIterator<Item = Part>) -> &mut Self {
        self.0.push(Block::Item(short(parts)));
        self
    }

    pub(crate) fn empty(&mut self) -> &mut Self {
        self.0.push(Block::Empty);
        self
    }

    /// `**label** value`
    pub(crate) fn field(&mut self, label: &'static str, value: impl Into<String>) -> &mut Self {
        self.line([
            Part::Bold(label),
            Part::Words(" "),
            Part::Value(value.into()),
        ])
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.push(Block::Text(text.to_owned()));
        self
    }

    /// The whole as text, made by `draw` from each part; what comes from outside in many lines is shortened until the whole
    /// has at most `limit` characters as Slack counts them.
    pub(crate) fn draw(&self, form: &dyn Form, limit: usize) -> String {
        if self.may_fit(limit) {
            let whole = self.draw_with(form, usize::MAX);
            if slack_length(&whole) <= limit {
                return whole;
            }
        }
        // Escapes make a text longer, by how much only drawing it tells: a room that fits and wastes little is searched for.
        let shorter = self.shortened(limit);
        let (mut fits, mut too_much) = (0, limit);
        let mut best = shorter.draw_with(form, fits);
        let budget = limit.saturating_sub(slack_length(&best)).max(1);
        let mut room = budget;
        for step in 0.. {
            if fits + 1 >= too_much {
                break;
            }
            // A guess is near at once or, where escapes crowd in one place, for ever a little off: then halves find it.
            if step >= GUESSES {
                room = usize::midpoint(fits, too_much);
            }
            room = room.clamp(fits + 1, too_much - 1);
            let drawn = shorter.draw_with(form, room);
            let length = slack_length(&drawn);
            if length > limit {
                too_much = room;
            } else {
                (fits, best) = (room, drawn);
                if limit - length <= limit / ACCEPTED_WASTE {
                    break;
                }
            }
            // As much longer or shorter as this try was off.
            let used = (length + budget).saturating_sub(limit).max(1);
            room = room.saturating_mul(budget) / used;
        }
        // Only accidents are longer still: every value absurd at once.
        cut(&best, limit)
    }

    // Forms make a text longer, if anything: one that is too long as it is need not be drawn to be known so.
    fn may_fit(&self, limit: usize) -> bool {
        self.0.iter().all(|block| match block {
            Block::Text(text) | Block::Markdown(text) => text.chars().nth(limit).is_none(),
            Block::Line(_) | Block::Item(_) | Block::Empty => true,
        })
    }

    // Each text masked and with its middle left out; shortening it again keeps the same ends.
    fn shortened(&self, room: usize) -> Self {
        let shorten = |text: &str| shorten_masked(&mask(text), room);
        let blocks = self.0.iter().map(|block| match block {
            Block::Text(text) => Block::Text(shorten(text)),
            Block::Markdown(text) => Block::Markdown(shorten(text)),
            Block::Line(_) | Block::Item(_) | Block::Empty => block.clone(),
        });
        Self(blocks.collect())
    }

    // Without room for all of it only once its texts are masked.
    fn draw_with(&self, form: &dyn Form, room: usize) -> String {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|block| match block {
                Block::Empty => String::new(),
                Block::Line(parts) => draw_parts(form, parts),
                Block::Item(parts) => format!("{}{}", form.bullet(), draw_parts(form, parts)),
                Block::Text(text) => form.text(&shorten_masked(text, room)),
                Block::Markdown(text) => form.markdown(&shorten_masked(text, room)),
            })
            .collect();
        lines.join("\n")
    }
}

fn draw_parts(form: &dyn Form, parts: &[Part]) -> String {
    parts
        .iter()
        .map(|part| match part {
            Part::Words(words) => (*words).to_owned(),
            Part::Bold(words) => form.bold(words),
            Part::Value(value) => form.value(value),
            Part::Code(value) => form.code(value),
            Part::Link { label, url } => form.link(label, url),
        })
        .collect()
}

/// Guesses at the room before it is searched for by halves.
const GUESSES: usize = 4;
/// A text that is shortened may stay so much below its limit (one part in …).
const ACCEPTED_WASTE: usize = 20;

/// A value that belongs on one line and is longer than this is no id, status or URL, but an accident.
const LONGEST_VALUE: usize = 500;

// Once and not at each drawing: an accident of 100 kB is looked through for secrets when it is shortened.
fn short(parts: impl IntoIterator<Item = Part>) -> Vec<Part> {
    let short = |value: &str| registry_core::text::shorten(value, LONGEST_VALUE);
    let parts = parts.into_iter().map(|part| match part {
        Part::Value(value) => Part::Value(short(&value)),
        Part::Code(value) => Part::Code(short(&value)),
        Part::Words(_) | Part::Bold(_) | Part::Link { .. } => part,
    });
    parts.collect()
}

/// How a part looks in one of the forms a message can take.
pub(crate) trait Form {
    /// What stands before a line of a list.
    fn bullet(&self) -> &'static str;
    /// The template's words, bold.
    fn bold(&self, words: &str) -> String;
    /// A value from outside.
    fn value(&self, value: &str) -> String;
    /// A value from outside in code type.
    fn code(&self, value: &str) -> String;
    /// A link.
    fn link(&self, label: &str, url: &str) -> String;
    /// A text from outside with its lines.
    fn text(&self, text: &str) -> String;
    /// A text whose Markdown is meant.
    fn markdown(&self, text: &str) -> String;
}

/// The length as Slack's limits count it. They count characters of the escaped text; whether an emoji is one or two of them
/// Slack does not say, so the larger number counts.
pub(crate) fn slack_length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The beginning of a text that has at most `limit` characters as Slack counts them, never in the middle of an escape.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    let mut end = 0;
    let mut length = 0;
    for (at, c) in text.char_indices() {
        length += c.len_utf16();
        if length > limit {
            break;
        }
        end = at + c.len_utf8();
    }
    let kept = &text[..end];
    // `&lt` without its semicolon would show as such.
    match kept.rfind('&') {
        Some(at) if end < text.len() && kept.len() - at < 5 && !kept[at..].contains(';') => {
            kept[..at].to_owned()
        }
        Some(_) | None => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::forms::Plain;

    struct Counted(Cell<usize>);

    impl Form for Counted {
        fn bullet(&self) -> &'static str {
            Plain.bullet()
        }
        fn bold(&self, words: &str) -> String {
            Plain.bold(words)
        }
        fn value(&self, value: &str) -> String {
            Plain.value(value)
        }
        fn code(&self, value: &str) -> String {
            Plain.code(value)
        }
        fn link(&self, label: &str, url: &str) -> String {
            Plain.link(label, url)
        }
        fn text(&self, text: &str) -> String {
            self.0.set(self.0.get() + 1);
            Plain.text(text)
        }
        fn markdown(&self, text: &str) -> String {
            self.text(text)
        }
    }

    #[test]
    fn a_long_text_is_drawn_a_few_times_whatever_it_is() {
        for unit in ["x", "é&<", "<<<<<<<<x", "🎉\n", "&amp;"] {
            for count in [1_001, 3_001] {
                // Escapes at one end only, too.
                for text in [unit.repeat(count), unit.repeat(count) + &"x".repeat(9_000)] {
                    let form = Counted(Cell::new(0));
                    let mut document = Document::default();
                    document.text(&text);
                    let drawn = document.draw(&form, 4_000);
                    assert!(slack_length(&drawn) <= 4_000);
                    assert!(form.0.get() <= 20, "{unit} {count}: {}", form.0.get());
                }
            }
        }
    }
}
