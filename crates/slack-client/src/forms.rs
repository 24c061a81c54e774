//! The forms of a message: Slack's `markdown` block, its older mrkdwn, and plain text.

use crate::document::Form;

/// Standard Markdown, for the `markdown` block.
pub(crate) struct Markdown;

impl Form for Markdown {
    fn bullet(&self) -> &'static str {
        "- "
    }
    fn bold(&self, words: &str) -> String {
        format!("**{words}**")
    }
    fn value(&self, value: &str) -> String {
        escape_markdown(value)
    }
    fn code(&self, value: &str) -> String {
        format!("`{}`", angles(&value.replace('`', "'")))
    }
    fn link(&self, label: &str, url: &str) -> String {
        format!("[{label}]({url})")
    }
    fn text(&self, text: &str) -> String {
        text.lines()
            .map(|line| protect_line(&escape_markdown(line)))
            .collect::<Vec<_>>()
            .join("\n")
    }
    fn markdown(&self, text: &str) -> String {
        angles(text)
    }
}

/// Slack's mrkdwn, for sections.
pub(crate) struct Mrkdwn;

impl Form for Mrkdwn {
    fn bullet(&self) -> &'static str {
        "• "
    }
    fn bold(&self, words: &str) -> String {
        format!("*{words}*")
    }
    fn value(&self, value: &str) -> String {
        escape(value)
    }
    fn code(&self, value: &str) -> String {
        format!("`{}`", escape(&value.replace('`', "'")))
    }
    fn link(&self, label: &str, url: &str) -> String {
        format!("<{}|{label}>", escape(url).replace('|', "%7C"))
    }
    fn text(&self, text: &str) -> String {
        escape(text)
    }
    fn markdown(&self, text: &str) -> String {
        crate::mrkdwn::from_markdown(text)
    }
}

/// Plain text, for `text`: notifications show it and screen readers read it.
pub(crate) struct Plain;

impl Form for Plain {
    fn bullet(&self) -> &'static str {
        "- "
    }
    fn bold(&self, words: &str) -> String {
        words.to_owned()
    }
    fn value(&self, value: &str) -> String {
        escape(value)
    }
    fn code(&self, value: &str) -> String {
        escape(value)
    }
    fn link(&self, label: &str, url: &str) -> String {
        format!("{label} ({})", escape(url))
    }
    fn text(&self, text: &str) -> String {
        escape(text)
    }
    fn markdown(&self, text: &str) -> String {
        escape(text)
    }
}

/// The three characters that Slack's own syntax is made of; nothing else is decoded again.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

// The markdown block reads `<!here>` and `<@U1>` too. An ampersand stays: escaping it breaks the query of links.
fn angles(text: &str) -> String {
    text.replace('<', "&lt;").replace('>', "&gt;")
}

fn escape_markdown(value: &str) -> String {
    if is_url(value) {
        return value.to_owned();
    }
    let chars: Vec<char> = value.chars().collect();
    let mut escaped = String::with_capacity(value.len() + 8);
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1).copied();
        let inside_word = before.is_some_and(char::is_alphanumeric)
            && after.is_some_and(|c| c.is_alphanumeric() || c == '_');
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '[' | ']' => escaped.extend(['\\', c]),
            // CREATE_IN_PROGRESS needs none.
            '_' if !inside_word => escaped.push_str("\\_"),
            '~' if before == Some('~') || after == Some('~') => escaped.push_str("\\~"),
            _ => escaped.push(c),
        }
    }
    escaped
}

// Shown as it is, so that it stays a link.
fn is_url(value: &str) -> bool {
    let rest = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .chars()
                .all(|c| c.is_ascii_graphic() && !"<>`*[]\\\"|~".contains(c))
    })
}

// At the beginning of a line `#` makes a header, and a line of hyphens makes one of the line above it.
fn protect_line(line: &str) -> String {
    let trimmed = line.trim();
    let rule = !trimmed.is_empty() && trimmed.chars().all(|c| matches!(c, '-' | '=' | ' '));
    if line.trim_start().starts_with('#') || rule {
        format!("\\{}", line.trim_start())
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_values() {
        for (value, shown) in [
            ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS"),
            ("<!channel> & <@U1>", "&lt;!channel&gt; & &lt;@U1&gt;"),
            ("feat/<x>", "feat/&lt;x&gt;"),
            (
                "**b** _i_ ~~s~~ `c`",
                "\\*\\*b\\*\\* \\_i\\_ \\~\\~s\\~\\~ \\`c\\`",
            ),
            ("[t](http://x)", "\\[t\\](http://x)"),
            (
                "http://app.example.com/a_b?c=d&e=f",
                "http://app.example.com/a_b?c=d&e=f",
            ),
            ("http://x/<!channel>", "http://x/&lt;!channel&gt;"),
            ("部署失败 🎉", "部署失败 🎉"),
        ] {
            assert_eq!(Markdown.value(value), shown);
        }
        assert_eq!(Markdown.code("a`<b>"), "`a'&lt;b&gt;`");
        assert_eq!(
            Markdown.text("# x\n---\n- item\nok"),
            "\\# x\n\\---\n- item\nok"
        );
    }

    #[test]
    fn mrkdwn_and_plain_values() {
        let evil = "<!channel> & `x`";
        assert_eq!(Mrkdwn.value(evil), "&lt;!channel&gt; &amp; `x`");
        assert_eq!(Plain.code(evil), "&lt;!channel&gt; &amp; `x`");
        assert_eq!(
            Mrkdwn.link("L", "http://x/?a=1&b=2"),
            "<http://x/?a=1&amp;b=2|L>"
        );
    }
}
