//! Slack's mrkdwn as HTML: what a person sees of a section and of `text`.

/// What mrkdwn text looks like. Its entities are HTML's, so they stay.
pub(super) fn html(text: &str) -> String {
    let mut out = String::new();
    for (number, piece) in text.split("```").enumerate() {
        if number % 2 == 1 {
            out.push_str(&format!("<pre>{}</pre>", piece.trim_matches('\n')));
        } else {
            out.push_str(&spans(piece.trim_matches('\n')).replace('\n', "<br>"));
        }
    }
    out
}

// Code first: nothing in it is formatted.
fn spans(text: &str) -> String {
    let mut out = String::new();
    for (number, piece) in text.split('`').enumerate() {
        if number % 2 == 1 {
            out.push_str(&format!("<code>{piece}</code>"));
        } else {
            out.push_str(&tokens(piece));
        }
    }
    out
}

// `<url|label>` is a link; `<!channel>` and `<@U1>` call people, which is drawn so that nobody overlooks it.
fn tokens(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, token, after)) = next_token(rest) {
        out.push_str(&styles(before));
        if token.starts_with(['!', '@', '#']) {
            out.push_str(&format!("<b class=ping>{token}</b>"));
        } else {
            let (url, label) = token.split_once('|').unwrap_or((token, token));
            out.push_str(&format!(
                "<a href=\"{}\">{label}</a>",
                url.replace('"', "%22")
            ));
        }
        rest = after;
    }
    out.push_str(&styles(rest));
    out
}

fn next_token(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('<')?;
    let close = open + text[open..].find('>')?;
    Some((&text[..open], &text[open + 1..close], &text[close + 1..]))
}

fn styles(text: &str) -> String {
    let bold = style(text, '*', "b");
    let italic = style(&bold, '_', "i");
    style(&links(&italic), '~', "s")
}

// A mark opens before a word and closes behind one.
fn style(text: &str, mark: char, tag: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find(mark) {
        let inside = &rest[open + 1..];
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        let close = inside.find(mark).filter(|&close| {
            close > 0
                && edge(rest[..open].chars().next_back())
                && edge(inside[close + 1..].chars().next())
                && !inside[..close].contains('\n')
                && !inside.starts_with(' ')
                && !inside[..close].ends_with(' ')
        });
        let Some(close) = close else {
            out.push_str(&rest[..=open]);
            rest = inside;
            continue;
        };
        out.push_str(&format!(
            "{}<{tag}>{}</{tag}>",
            &rest[..open],
            &inside[..close]
        ));
        rest = &inside[close + 1..];
    }
    out + rest
}

/// Slack makes links of bare URLs.
pub(super) fn links(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let bare = word.trim_end();
        if bare.starts_with("https://") || bare.starts_with("http://") {
            format!("<a href=\"{bare}\">{bare}</a>{}", &word[bare.len()..])
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mrkdwn_looks_like() {
        for (text, html_text) in [
            ("*a b* _c_ ~d~ 2*3*4", "<b>a b</b> <i>c</i> <s>d</s> 2*3*4"),
            ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS"),
            ("`*a*` &lt;!here&gt;", "<code>*a*</code> &lt;!here&gt;"),
            (
                "<https://x|y> <!channel>",
                "<a href=\"https://x\">y</a> <b class=ping>!channel</b>",
            ),
            ("a\nb", "a<br>b"),
            ("```x\n*y*```", "<pre>x\n*y*</pre>"),
            (
                "see http://x/ there",
                "see <a href=\"http://x/\">http://x/</a> there",
            ),
        ] {
            assert_eq!(html(text), html_text);
        }
    }
}
