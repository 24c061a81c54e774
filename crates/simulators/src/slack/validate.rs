//! What Slack checks before it takes a message: the limits of docs.slack.dev, as `reference/slack.md` collects them.

use serde_json::Value;

/// Longer text is cut, not refused.
const TEXT_CUT: usize = 40_000;
const UPDATE_TEXT: usize = 4_000;
const BLOCKS: usize = 50;
const SECTION: usize = 3_000;
const FIELDS: usize = 10;
const FIELD: usize = 2_000;
const HEADER: usize = 150;
const CONTEXT_ELEMENTS: usize = 10;
const MARKDOWN: usize = 12_000;
const ATTACHMENTS: usize = 100;
const METADATA: usize = 8_000;

/// Slack's `error`, and what was wrong in words (`response_metadata.messages`).
pub(super) type Complaint = (&'static str, String);

fn complain<T>(code: &'static str, words: impl Into<String>) -> Result<T, Complaint> {
    Err((code, words.into()))
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// The `blocks` argument: an array, or the JSON text of one.
pub(super) fn blocks(arguments: &Value) -> Result<Vec<Value>, Complaint> {
    let blocks = match &arguments["blocks"] {
        Value::Null => Vec::new(),
        Value::Array(blocks) => blocks.clone(),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Array(blocks)) => blocks,
            Ok(_) | Err(_) => return complain("invalid_blocks_format", "`blocks` is not an array"),
        },
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return complain("invalid_blocks_format", "`blocks` is not an array");
        }
    };
    if blocks.len() > BLOCKS {
        return complain(
            "invalid_blocks",
            format!("no more than {BLOCKS} items allowed [json-pointer:/blocks]"),
        );
    }
    for (index, block) in blocks.iter().enumerate() {
        one_block(block)
            .map_err(|(code, words)| (code, format!("{words} [json-pointer:/blocks/{index}]")))?;
    }
    let markdown = blocks.iter().filter(|block| block["type"] == "markdown");
    let total: usize = markdown
        .filter_map(|block| block["text"].as_str())
        .map(chars)
        .sum();
    if total > MARKDOWN {
        return complain(
            "msg_blocks_too_long",
            format!("markdown blocks have {total} characters, at most {MARKDOWN}"),
        );
    }
    Ok(blocks)
}

fn one_block(block: &Value) -> Result<(), Complaint> {
    match block["type"].as_str() {
        Some("section") => section(block),
        Some("header") if block["text"]["type"] != "plain_text" => {
            complain("invalid_blocks", "a header's text must be plain_text")
        }
        Some("header") => text_object(&block["text"], HEADER),
        Some("context") => context(block),
        Some("markdown") => match block["text"].as_str() {
            Some("") | None => complain("invalid_blocks", "a markdown block needs text"),
            Some(_) => Ok(()),
        },
        Some("divider" | "actions" | "image" | "rich_text" | "table") => Ok(()),
        Some(other) => complain("invalid_blocks", format!("unsupported type: {other}")),
        None => complain("invalid_blocks", "missing required field: type"),
    }
}

fn section(block: &Value) -> Result<(), Complaint> {
    let fields = block["fields"].as_array();
    if block["text"].is_null() && fields.is_none() {
        return complain("invalid_blocks", "a section needs text or fields");
    }
    if !block["text"].is_null() {
        text_object(&block["text"], SECTION)?;
    }
    let fields = fields.map(Vec::as_slice).unwrap_or_default();
    if fields.len() > FIELDS {
        return complain(
            "invalid_blocks",
            format!("no more than {FIELDS} fields allowed"),
        );
    }
    fields
        .iter()
        .try_for_each(|field| text_object(field, FIELD))
}

fn context(block: &Value) -> Result<(), Complaint> {
    match block["elements"].as_array() {
        None => complain("invalid_blocks", "a context needs elements"),
        Some(elements) if elements.is_empty() || elements.len() > CONTEXT_ELEMENTS => complain(
            "invalid_blocks",
            format!("a context has 1 to {CONTEXT_ELEMENTS} elements"),
        ),
        Some(_) => Ok(()),
    }
}

fn text_object(text: &Value, longest: usize) -> Result<(), Complaint> {
    if !matches!(text["type"].as_str(), Some("mrkdwn" | "plain_text")) {
        return complain(
            "invalid_blocks",
            "a text must be an object of type mrkdwn or plain_text",
        );
    }
    match text["text"].as_str() {
        Some("") | None => complain("invalid_blocks", "must be more than 0 characters"),
        Some(text) if chars(text) > longest => complain(
            "invalid_blocks",
            format!("must be less than {} characters", longest + 1),
        ),
        Some(_) => Ok(()),
    }
}

/// The `text` argument; what is longer than Slack keeps is cut.
pub(super) fn text(
    arguments: &Value,
    blocks: &[Value],
    is_update: bool,
) -> Result<String, Complaint> {
    let markdown_text = arguments["markdown_text"].as_str();
    let text = arguments["text"].as_str().unwrap_or_default();
    if let Some(markdown) = markdown_text {
        if !text.is_empty() || !blocks.is_empty() {
            return complain(
                "markdown_text_conflict",
                "markdown_text cannot stand beside text or blocks",
            );
        }
        if chars(markdown) > MARKDOWN {
            return complain(
                "markdown_text_too_long",
                format!("at most {MARKDOWN} characters"),
            );
        }
        return Ok(markdown.to_owned());
    }
    let has_attachments = arguments["attachments"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    if text.trim().is_empty() && blocks.is_empty() && !has_attachments {
        return complain("no_text", "neither text nor blocks");
    }
    if is_update && chars(text) > UPDATE_TEXT {
        return complain("msg_too_long", format!("at most {UPDATE_TEXT} characters"));
    }
    Ok(text.chars().take(TEXT_CUT).collect())
}

/// The `attachments` argument.
pub(super) fn attachments(arguments: &Value) -> Result<(), Complaint> {
    match arguments["attachments"].as_array() {
        Some(list) if list.len() > ATTACHMENTS => complain(
            "too_many_attachments",
            format!("at most {ATTACHMENTS} attachments"),
        ),
        Some(_) | None => Ok(()),
    }
}

/// The `metadata` argument: an object with `event_type` and `event_payload`, or the JSON text of one.
pub(super) fn metadata(arguments: &Value) -> Result<Option<Value>, Complaint> {
    let metadata = match &arguments["metadata"] {
        Value::Null => return Ok(None),
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    if !metadata["event_type"].is_string() || !metadata["event_payload"].is_object() {
        return complain(
            "invalid_metadata_format",
            "metadata needs event_type and event_payload",
        );
    }
    if metadata.to_string().len() > METADATA {
        return complain("metadata_too_large", format!("at most {METADATA} bytes"));
    }
    Ok(Some(metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code_of(arguments: &Value) -> &'static str {
        match blocks(arguments).and_then(|blocks| text(arguments, &blocks, false)) {
            Ok(_) => "ok",
            Err((code, _)) => code,
        }
    }

    fn check(expected: &str, block: Value) {
        let arguments = json!({"text": "x", "blocks": [block]});
        assert_eq!(
            code_of(&arguments),
            expected,
            "{}",
            &arguments.to_string()[..80]
        );
    }

    #[test]
    fn sections_headers_and_markdown_have_their_limits() {
        for (length, expected) in [
            (2_999, "ok"),
            (3_000, "ok"),
            (3_001, "invalid_blocks"),
            (0, "invalid_blocks"),
        ] {
            check(
                expected,
                json!({"type": "section", "text": {"type": "mrkdwn", "text": "é".repeat(length)}}),
            );
        }
        for (length, expected) in [(149, "ok"), (150, "ok"), (151, "invalid_blocks")] {
            check(
                expected,
                json!({"type": "header", "text": {"type": "plain_text", "text": "x".repeat(length)}}),
            );
        }
        for (length, expected) in [
            (9_999, "ok"),
            (12_000, "ok"),
            (12_001, "msg_blocks_too_long"),
        ] {
            check(
                expected,
                json!({"type": "markdown", "text": "x".repeat(length)}),
            );
        }
        let halves = json!({"blocks": [{"type": "markdown", "text": "x".repeat(6_001)}, {"type": "markdown", "text": "x".repeat(6_000)}]});
        assert_eq!(
            code_of(&halves),
            "msg_blocks_too_long",
            "the limit is for all of them together"
        );
    }

    #[test]
    fn fifty_blocks_and_not_one_more() {
        for (count, expected) in [(50, "ok"), (51, "invalid_blocks")] {
            assert_eq!(
                code_of(&json!({"blocks": vec![json!({"type": "divider"}); count]})),
                expected
            );
        }
    }

    #[test]
    fn text_metadata_and_shapes() {
        assert_eq!(code_of(&json!({"text": " "})), "no_text");
        assert_eq!(
            code_of(&json!({"text": "a", "markdown_text": "b"})),
            "markdown_text_conflict"
        );
        assert_eq!(code_of(&json!({"blocks": 7})), "invalid_blocks_format");
        assert_eq!(
            code_of(&json!({"blocks": "[{\"type\": \"divider\"}]"})),
            "ok"
        );
        check("invalid_blocks", json!({"type": "carousel9"}));
        check(
            "invalid_blocks",
            json!({"type": "section", "text": "not an object"}),
        );
        assert_eq!(
            text(&json!({"text": "x".repeat(40_001)}), &[], false)
                .unwrap()
                .len(),
            40_000
        );
        assert_eq!(
            text(&json!({"text": "x".repeat(4_001)}), &[], true)
                .unwrap_err()
                .0,
            "msg_too_long"
        );
        assert_eq!(
            metadata(&json!({"metadata": {"event_type": "x"}}))
                .unwrap_err()
                .0,
            "invalid_metadata_format"
        );
        assert_eq!(metadata(&json!({})), Ok(None));
    }
}
