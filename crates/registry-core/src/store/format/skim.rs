//! A registry file read once over: that it is JSON is checked everywhere, but a record is taken apart only when it is asked about.
//! The others are written back as the letters they were.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::FormatError;
use crate::ids::StackName;

/// One record of the file.
#[derive(Debug, Clone)]
pub(super) enum Record<'a> {
    /// As it stands in the file.
    Read(&'a RawValue),
    /// As it is to be written.
    Written(Value),
}

impl Record<'_> {
    /// The record taken apart. That its text is JSON is known; it may still hold what we have no room for, such as a number that is
    /// too large, and is then unreadable rather than absent.
    pub(super) fn value(&self) -> Result<Cow<'_, Value>, FormatError> {
        match self {
            Self::Read(text) => match serde_json::from_str(text.get()) {
                Ok(value) => Ok(Cow::Owned(value)),
                Err(error) => Err(FormatError::NotJson(format!(
                    "in one of its records: {error}"
                ))),
            },
            Self::Written(value) => Ok(Cow::Borrowed(value)),
        }
    }

    /// Whether one of `words` may stand in it; `false` is certain, and known at a glance.
    pub(super) fn may_mention(&self, words: &[&str]) -> bool {
        match self {
            // Anything may be behind an escape.
            Self::Read(text) => {
                let text = text.get();
                words.iter().any(|word| text.contains(word)) || text.contains('\\')
            }
            Self::Written(_) => true,
        }
    }

    /// Appends the record to `text`, in lines that are indented by `indent`.
    pub(super) fn write(&self, text: &mut String, indent: &str) {
        match self {
            Self::Read(raw) => text.push_str(raw.get()),
            // No text in JSON has a line break of its own. Nothing that came from JSON can fail to be written.
            Self::Written(value) => {
                let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
                text.push_str(&pretty.replace('\n', &format!("\n{indent}")));
            }
        }
    }
}

/// What of a record may stand for `stack`, whether that is a name or an ARN.
pub(super) fn stack_word(stack: &str) -> String {
    stack
        .parse::<StackName>()
        .map_or_else(|_| stack.to_owned(), |stack| stack.name().to_owned())
}

/// What stands behind a key of the file.
#[derive(Debug, Clone)]
pub(super) enum Part<'a> {
    /// `null`.
    Nothing,
    /// A list, as `deployments` and `ended` are.
    List(Vec<Record<'a>>),
    /// An object, as `environments` is. Of members with one name the last counts.
    Object(Vec<(String, Record<'a>)>),
    /// Any other value; what it is does not matter where a list or an object is wanted.
    Other,
    /// A key we do not know, as it stands there.
    Unknown(Record<'a>),
}

impl<'de> Deserialize<'de> for Part<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Part<'de>, E> {
        Ok(Part::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Part<'de>, E> {
        Ok(Part::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Part<'de>, E> {
        Ok(Part::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Part<'de>, E> {
        Ok(Part::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part<'de>, E> {
        Ok(Part::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Part<'de>, E> {
        Ok(Part::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Part<'de>, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = list.next_element::<&RawValue>()? {
            records.push(Record::Read(record));
        }
        Ok(Part::List(records))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((name, member)) = map.next_entry::<String, &RawValue>()? {
            members.push((name, Record::Read(member)));
        }
        Ok(Part::Object(members))
    }
}

/// The keys of the file in their order; of two with one name the last counts, in the first one's place.
pub(super) struct Keys<'a>(pub(super) Vec<(String, Part<'a>)>);

impl<'de> Deserialize<'de> for Keys<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
        let mut keys: Vec<(String, Part<'de>)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let part = if super::KNOWN.contains(&name.as_str()) {
                map.next_value()?
            } else {
                Part::Unknown(Record::Read(map.next_value()?))
            };
            match keys.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = part,
                None => keys.push((name, part)),
            }
        }
        Ok(Keys(keys))
    }
}

/// Reads the keys of a whole file.
pub(super) fn keys(text: &str) -> Result<Vec<(String, Part<'_>)>, FormatError> {
    let broken = |error: serde_json::Error| FormatError::NotJson(error.to_string());
    if text.trim_start().starts_with('{') {
        return serde_json::from_str::<Keys<'_>>(text)
            .map(|keys| keys.0)
            .map_err(broken);
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(broken)?;
    Err(FormatError::Shape("it is JSON, but not an object"))
}
