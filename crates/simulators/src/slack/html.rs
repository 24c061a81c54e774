//! The channels drawn as Slack draws them, for a browser. As near as it matters for judging a message: who, when, bold, code,
//! links, lists, threads, what is edited, and who would be called.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag};
use serde_json::Value;

use super::channel::{Message, Workspace};
use super::mrkdwn;

const STYLE: &str = include_str!("slack.css");

/// A whole page around `pieces`.
pub(super) fn page(title: &str, pieces: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><body>{pieces}</body></html>\n"
    )
}

/// Every channel in which something was said.
pub(super) fn channels(workspace: &Workspace) -> String {
    let mut out = String::new();
    for channel in workspace.channels.values() {
        let messages: Vec<&Message> = workspace.in_channel(&channel.id).collect();
        if messages.is_empty() {
            continue;
        }
        out.push_str(&format!(
            "<section class=channel><h2># {}</h2>",
            escape(&channel.name)
        ));
        for message in &messages {
            if message.thread_ts.is_none() {
                out.push_str(&root(message, &messages));
            } else if message.reply_broadcast {
                let title = messages
                    .iter()
                    .find(|root| message.thread_ts.as_ref() == Some(&root.ts))
                    .map_or_else(String::new, |root| first_line(root));
                let note = format!("<p class=note>replied to a thread: <a>{title}</a></p>");
                out.push_str(&drawn(message, &note));
            }
        }
        out.push_str("</section>");
    }
    out
}

fn root(root: &Message, messages: &[&Message]) -> String {
    let replies: Vec<String> = messages
        .iter()
        .filter(|reply| reply.thread_ts.as_ref() == Some(&root.ts))
        .map(|reply| drawn(reply, ""))
        .collect();
    let mut out = drawn(root, "");
    if !replies.is_empty() {
        let count = match replies.len() {
            1 => "1 reply".to_owned(),
            more => format!("{more} replies"),
        };
        out.push_str(&format!(
            "<div class=thread><p class=note>{count}</p>{}</div>",
            replies.concat()
        ));
    }
    out
}

// What a notification of a telephone would begin with.
fn first_line(message: &Message) -> String {
    let shown = message.shown();
    let line = shown.lines().find(|line| !line.trim().is_empty());
    escape(&line.unwrap_or_default().replace("**", ""))
}

fn drawn(message: &Message, note: &str) -> String {
    let who = if message.by_webhook {
        "incoming-webhook"
    } else {
        "deploy-bot"
    };
    let time = message.posted_at.get(11..16).unwrap_or_default();
    let edited = if message.edits > 0 {
        "<span class=note> (edited)</span>"
    } else {
        ""
    };
    format!(
        "<article><div class=face>🤖</div><div class=body><p class=who><b>{who}</b><span class=app>APP</span>\
         <span class=note>{time}</span></p>{note}<div class=text>{}{edited}</div></div></article>",
        body(message)
    )
}

fn body(message: &Message) -> String {
    if message.blocks.is_empty() {
        return if message.mrkdwn {
            format!("<p>{}</p>", mrkdwn::html(&message.text))
        } else {
            // Slack's entities are HTML's.
            format!(
                "<p>{}</p>",
                mrkdwn::links(&message.text).replace('\n', "<br>")
            )
        };
    }
    message.blocks.iter().map(block).collect()
}

fn block(block: &Value) -> String {
    let text_of = |value: &Value| value["text"].as_str().unwrap_or_default().to_owned();
    match block["type"].as_str().unwrap_or_default() {
        "markdown" => markdown(&text_of(block)),
        "divider" => "<hr>".to_owned(),
        "header" => format!("<h3>{}</h3>", escape(&text_of(&block["text"]))),
        "section" => format!("<p>{}</p>", mrkdwn::html(&text_of(&block["text"]))),
        _ => format!("<p class=note>{}</p>", escape(&block.to_string())),
    }
}

/// A `markdown` block. Slack keeps its line breaks, and HTML in it is only text.
fn markdown(source: &str) -> String {
    let options =
        Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let mut in_link = false;
    let mut out = String::new();
    let events = Parser::new_ext(source, options).map(|event| match event {
        Event::SoftBreak => Event::HardBreak,
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { .. }) => {
            in_link = true;
            event
        }
        Event::End(pulldown_cmark::TagEnd::Link) => {
            in_link = false;
            event
        }
        Event::Text(text) if !in_link && text.contains("://") => {
            Event::Html(CowStr::from(mrkdwn::links(&escape(&text))))
        }
        other => other,
    });
    pulldown_cmark::html::push_html(&mut out, events);
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_markdown_block_looks_like() {
        for (source, html) in [
            ("**a** b\nc", "<p><strong>a</strong> b<br />\nc</p>\n"),
            (
                "\\*x\\* &lt;!here&gt; `a'b`",
                "<p>*x* &lt;!here&gt; <code>a'b</code></p>\n",
            ),
            ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
            (
                "at http://x/ now",
                "<p>at <a href=\"http://x/\">http://x/</a> now</p>\n",
            ),
        ] {
            assert_eq!(markdown(source), html);
        }
    }
}
