//! A person's Markdown (`custom`) as Slack's mrkdwn: bold, strike, links, headers and lists; the rest stays as it is.

use crate::forms::escape;

/// Converts line by line. What is between backticks is left alone.
pub(crate) fn from_markdown(text: &str) -> String {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            lines.push("```".to_owned());
        } else if fenced {
            lines.push(escape(line));
        } else {
            lines.push(convert_line(line));
        }
    }
    // A fence that is never closed would swallow what stands behind the message.
    if fenced {
        lines.push("```".to_owned());
    }
    lines.join("\n")
}

fn convert_line(line: &str) -> String {
    let indent = &line[..line.len() - line.trim_start().len()];
    let content = line.trim_start();
    let header = content.trim_start_matches('#');
    let depth = content.len() - header.len();
    if (1..=6).contains(&depth) && header.starts_with(' ') {
        let inner = convert_spans(header.trim()).replace('*', "");
        return format!("*{inner}*");
    }
    for marker in ["- ", "* ", "+ "] {
        if let Some(item) = content.strip_prefix(marker) {
            return format!("{indent}• {}", convert_spans(item));
        }
    }
    format!("{indent}{}", convert_spans(content))
}

fn convert_spans(text: &str) -> String {
    text.split('`')
        .enumerate()
        .map(|(index, piece)| {
            if index % 2 == 1 {
                escape(piece)
            } else {
                convert_links(piece)
                    .replace("**", "*")
                    .replace("__", "*")
                    .replace("~~", "~")
            }
        })
        .collect::<Vec<_>>()
        .join("`")
}

// `[label](url)`; anything else in brackets stays.
fn convert_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, label, url, after)) = next_link(rest) {
        out.push_str(&escape(before));
        out.push_str(&format_link(label, url));
        rest = after;
    }
    out.push_str(&escape(rest));
    out
}

fn format_link(label: &str, url: &str) -> String {
    let label = escape(label).replace('|', "/");
    format!("<{}|{label}>", escape(url).replace('|', "%7C"))
}

fn next_link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let middle = text.find("](")?;
    let open = text[..middle].rfind('[')?;
    let close = middle + 2 + text[middle + 2..].find(')')?;
    let url = &text[middle + 2..close];
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    (is_web && !url.contains(char::is_whitespace)).then(|| {
        (
            &text[..open],
            &text[open + 1..middle],
            url,
            &text[close + 1..],
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        for (markdown, mrkdwn) in [
            ("**b** and ~~s~~", "*b* and ~s~"),
            ("# Title **x**", "*Title x*"),
            ("#channel", "#channel"),
            ("- a\n  * b", "• a\n  • b"),
            (
                "[t](https://x/?a&b) <!here>",
                "<https://x/?a&amp;b|t> &lt;!here&gt;",
            ),
            ("[t](javascript:x)", "[t](javascript:x)"),
            ("`**x** <y>`", "`**x** &lt;y&gt;`"),
            ("```\n**x**", "```\n**x**\n```"),
            ("](", "]("),
            ("", ""),
        ] {
            assert_eq!(from_markdown(markdown), mrkdwn);
        }
    }
}
