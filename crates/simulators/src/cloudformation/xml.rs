//! Answers in the shape of the AWS Query protocol.

use registry_core::clock::Timestamp;

/// A document under construction.
#[derive(Debug, Default)]
pub(super) struct Xml(String);

impl Xml {
    /// One element with text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.element(name, |xml| xml.raw(text))
    }

    /// Text of the element that is open.
    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(&escape(text));
    }

    /// One element with text, or nothing.
    pub(super) fn maybe(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// A moment as CloudFormation prints it: `2026-01-14T12:34:56.789Z`.
    pub(super) fn time(&mut self, name: &str, at: Timestamp) -> &mut Self {
        self.text(name, &at.rfc3339_millis())
    }

    /// One element with what `inside` writes.
    pub(super) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.extend(["<", name, ">"]);
        inside(self);
        self.0.extend(["</", name, ">"]);
        self
    }

    /// A list: one `member` for each item.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut one: impl FnMut(&mut Self, T),
    ) {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| one(xml, item));
            }
        });
    }
}

/// A whole answer: `<ActionResponse xmlns=…><ActionResult>…</ActionResult><ResponseMetadata>…`.
pub(super) fn response(
    action: &str,
    namespace: &str,
    request_id: &str,
    inside: impl FnOnce(&mut Xml),
) -> String {
    let mut xml = Xml::default();
    xml.element(&format!("{action}Result"), inside);
    xml.element("ResponseMetadata", |xml| {
        xml.text("RequestId", request_id);
    });
    format!(
        "<{action}Response xmlns=\"{namespace}\">{}</{action}Response>\n",
        xml.0
    )
}

/// A whole error answer. `sender`: the caller is to blame.
pub(super) fn error(
    namespace: &str,
    sender: bool,
    code: &str,
    message: &str,
    request_id: &str,
) -> String {
    let mut xml = Xml::default();
    xml.element("Error", |xml| {
        xml.text("Type", if sender { "Sender" } else { "Receiver" });
        xml.text("Code", code).text("Message", message);
    });
    xml.text("RequestId", request_id);
    format!(
        "<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>\n",
        xml.0
    )
}

/// XML 1.0 has no place for other control characters, not even as references, and strict readers refuse them; the Rust SDK
/// takes them, and a test of hostile text needs them.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\n' | '\t' => escaped.push(character),
            other if other.is_control() => {
                escaped.extend(["&#", &(other as u32).to_string(), ";"]);
            }
            other => escaped.push(other),
        }
    }
    escaped
}
