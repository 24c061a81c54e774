//! What waits for what, read from a template: JSON, or YAML with CloudFormation's short forms. Pure.
//!
//! The forms are those of the CloudFormation user guide, "Intrinsic function reference" (`Ref`, `Fn::GetAtt`, `Fn::Sub`) and
//! "DependsOn attribute". Conditions are not evaluated, since the parameters are not known.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, Tag};
use serde_json::{Map, Value};
use thiserror::Error;

/// The resources of a template and what each waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// By logical id.
    pub resources: BTreeMap<String, TemplateResource>,
}

/// One resource of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateResource {
    /// For example `AWS::ECS::Service`.
    pub resource_type: String,
    /// Logical ids of the resources that must be there before it.
    pub waits_for: BTreeSet<String>,
    /// Whether it has a `Condition`, and so may not be made at all.
    pub conditional: bool,
}

/// Why a template could not be read. The estimate goes on without it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// Neither JSON nor YAML.
    #[error("the template is neither JSON nor YAML: {detail}")]
    Syntax {
        /// What the reader says, with the line.
        detail: String,
    },
    /// Deeper than any real template; reading on could exhaust the stack.
    #[error("the template nests deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Read, but not a template.
    #[error("the template has no `Resources`")]
    NoResources,
}

/// serde_json stops at 128 levels; real templates stay below 40.
const MAX_DEPTH: usize = 120;

impl Template {
    /// Reads a template, JSON or YAML.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let document = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).or_else(|_| yaml(text))?
        } else {
            yaml(text)?
        };
        let Some(resources) = document.get("Resources").and_then(Value::as_object) else {
            return Err(TemplateError::NoResources);
        };
        let ids: BTreeSet<&str> = resources.keys().map(String::as_str).collect();
        let resources = resources
            .iter()
            .filter_map(|(id, body)| Some((id.clone(), resource(id, body, &ids)?)))
            .collect();
        Ok(Self { resources })
    }
}

fn resource(id: &str, body: &Value, ids: &BTreeSet<&str>) -> Option<TemplateResource> {
    let resource_type = body.get("Type")?.as_str()?.to_owned();
    let mut found = BTreeSet::new();
    depends_on(body.get("DependsOn"), &mut found);
    references(body, &mut found);
    let waits_for = found
        .into_iter()
        .filter(|other| other != id && ids.contains(other.as_str()))
        .collect();
    Some(TemplateResource {
        resource_type,
        waits_for,
        conditional: body.get("Condition").is_some(),
    })
}

fn depends_on(value: Option<&Value>, found: &mut BTreeSet<String>) {
    match value {
        Some(Value::String(id)) => {
            found.insert(id.clone());
        }
        Some(Value::Array(ids)) => {
            found.extend(ids.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {}
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                match key.as_str() {
                    "Ref" => found.extend(inner.as_str().map(str::to_owned)),
                    "Fn::GetAtt" => get_att(inner, found),
                    "Fn::Sub" => sub(inner, found),
                    _ => {}
                }
                references(inner, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `["Id", "Attribute"]` or `"Id.Attribute"`.
fn get_att(value: &Value, found: &mut BTreeSet<String>) {
    let id = match value {
        Value::Array(parts) => parts.first().and_then(Value::as_str),
        other => other.as_str().and_then(|text| text.split('.').next()),
    };
    found.extend(id.map(str::to_owned));
}

/// `"…${Id}…${Id.Attribute}…${!Literal}…"`, or a list of that and a map of names of its own.
fn sub(value: &Value, found: &mut BTreeSet<String>) {
    let (text, own) = match value {
        Value::Array(parts) => (
            parts.first().and_then(Value::as_str),
            parts.get(1).and_then(Value::as_object),
        ),
        other => (other.as_str(), None),
    };
    let Some(mut rest) = text else { return };
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            return;
        };
        rest = tail;
        let name = name.trim();
        if name.starts_with('!') || own.is_some_and(|own| own.contains_key(name)) {
            continue;
        }
        found.extend(name.split('.').next().map(str::to_owned));
    }
}

/// Reads YAML into the long forms: `!Ref X` becomes `{"Ref": "X"}`. Aliases, which CloudFormation does not take, become
/// null, so that no small text grows large.
pub fn yaml(text: &str) -> Result<Value, TemplateError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| TemplateError::Syntax {
            detail: error.to_string(),
        })?;
        match event {
            Event::Scalar(text, _, _, tag) => {
                builder.value(tagged(tag.as_deref(), Value::String(text.into_owned())));
            }
            Event::Alias(_) => builder.value(Value::Null),
            Event::SequenceStart(_, tag) => {
                builder.open(Value::Array(Vec::new()), tag.as_deref())?;
            }
            Event::MappingStart(_, tag) => {
                builder.open(Value::Object(Map::new()), tag.as_deref())?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            Event::DocumentEnd if builder.result.is_some() => break,
            Event::DocumentEnd
            | Event::DocumentStart(_)
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => {}
        }
    }
    builder.result.ok_or(TemplateError::NoResources)
}

/// The long form of a value with a short tag.
fn tagged(tag: Option<&Tag>, value: Value) -> Value {
    let Some(tag) = tag.filter(|tag| tag.handle == "!" && !tag.suffix.is_empty()) else {
        return value;
    };
    let name = match tag.suffix.as_str() {
        "Ref" | "Condition" => tag.suffix.clone(),
        function => format!("Fn::{function}"),
    };
    Value::Object(Map::from_iter([(name, value)]))
}

struct Level {
    value: Value,
    tag: Option<Tag>,
    /// The key that waits for its value.
    key: Option<String>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Level>,
    result: Option<Value>,
}

impl Builder {
    fn open(&mut self, value: Value, tag: Option<&Tag>) -> Result<(), TemplateError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(TemplateError::TooDeep { max: MAX_DEPTH });
        }
        self.open.push(Level {
            value,
            tag: tag.cloned(),
            key: None,
        });
        Ok(())
    }

    fn close(&mut self) {
        if let Some(level) = self.open.pop() {
            self.value(tagged(level.tag.as_ref(), level.value));
        }
    }

    fn value(&mut self, value: Value) {
        let Some(level) = self.open.last_mut() else {
            self.result.get_or_insert(value);
            return;
        };
        match &mut level.value {
            Value::Object(members) => match level.key.take() {
                Some(key) => {
                    members.insert(key, value);
                }
                // A key that is no text names nothing in a template; its value still has to be taken.
                None => level.key = Some(value.as_str().unwrap_or_default().to_owned()),
            },
            Value::Array(items) => items.push(value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waits(text: &str) -> Vec<(String, Vec<String>)> {
        let template = Template::parse(text).unwrap();
        template
            .resources
            .into_iter()
            .map(|(id, resource)| (id, resource.waits_for.into_iter().collect()))
            .filter(|(_, waits): &(_, Vec<String>)| !waits.is_empty())
            .collect()
    }

    fn check(body: &str, expected: &[&str]) {
        let text = format!(
            "Resources:\n  A: {{Type: T}}\n  B: {{Type: T}}\n  C:\n    Type: T\n    Properties:\n      P: {body}\n"
        );
        let expected: Vec<_> = expected.iter().map(|&id| id.to_owned()).collect();
        let expected = if expected.is_empty() {
            vec![]
        } else {
            vec![("C".to_owned(), expected)]
        };
        assert_eq!(waits(&text), expected, "{body}");
    }

    #[test]
    fn every_form_of_a_reference_is_found() {
        check("!Ref A", &["A"]);
        check("{Ref: A}", &["A"]);
        check("{\"Ref\": \"A\"}", &["A"]);
        check("!GetAtt A.Arn", &["A"]);
        check("!GetAtt [A, Arn]", &["A"]);
        check("{'Fn::GetAtt': [A, Arn]}", &["A"]);
        check("!Sub 'x-${A}-${B.Arn}'", &["A", "B"]);
        check("!Sub ['${A}${B}', {B: 1}]", &["A"]);
        check("!Sub ['${X}', {X: !Ref B}]", &["B"]);
        check("!Sub '${!A} ${AWS::Region}'", &[]);
        check("!If [Cond, !Ref A, !GetAtt 'B.X']", &["A", "B"]);
        check("!Join ['', [x, !Ref B]]", &["B"]);
        check("Ref A", &[]);
        check("!Ref Parameter", &[]);
        check("!Ref C", &[]);
        check("!Sub '${A'", &[]);
    }

    #[test]
    fn depends_on_may_be_one_or_a_list() {
        let yaml = "Resources:\n  A: {Type: T, DependsOn: B, Condition: X}\n  B: {Type: T, DependsOn: [C, D]}\n  C: {Type: T}\n  D: {Type: T}\n  M: [1]\n";
        assert_eq!(
            waits(yaml),
            [
                ("A".to_owned(), vec!["B".to_owned()]),
                ("B".to_owned(), vec!["C".to_owned(), "D".to_owned()])
            ]
        );
        let template = Template::parse(yaml).unwrap();
        assert!(template.resources["A"].conditional);
        assert!(!template.resources["B"].conditional);
    }

    #[test]
    fn json_reads_as_yaml_does() {
        let json = r#"{"Resources": {"A": {"Type": "T", "Properties": {"X": {"Fn::Sub": "${B}"}}},
            "B": {"Type": "U"}}}"#;
        assert_eq!(waits(json), [("A".to_owned(), vec!["B".to_owned()])]);
        assert_eq!(waits(&json.replace("    ", "\t")), waits(json));
    }

    #[test]
    fn what_is_no_template_is_said_in_a_sentence() {
        assert_eq!(Template::parse(""), Err(TemplateError::NoResources));
        assert_eq!(Template::parse("{}"), Err(TemplateError::NoResources));
        assert_eq!(
            Template::parse("- Resources"),
            Err(TemplateError::NoResources)
        );
        let broken = Template::parse("Resources: {A: [}").unwrap_err();
        assert!(
            broken
                .to_string()
                .starts_with("the template is neither JSON nor YAML: "),
            "{broken}"
        );
        let deep = format!("Resources: {}", "[".repeat(100_000));
        assert!(Template::parse(&deep).is_err());
        let deep = "{\"a\":".repeat(5_000);
        assert!(Template::parse(&deep).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ \\n{}\\[\\]:!&*a-zA-Z\"'$.,-]{0,200}") {
            drop(Template::parse(&text));
        }
    }
}
