//! What a caller says about a stack: plain data, the same for tests, scenario files and `/_sim/stacks`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A stack as it is before anything is played on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its status, any text; absent: `CREATE_COMPLETE`, or what the last of `history` left.
    #[serde(default)]
    pub status: Option<String>,
    /// `StackStatusReason`.
    #[serde(default)]
    pub reason: Option<String>,
    /// It does not exist yet: only its tags, outputs and so on are known, for when a `CREATE` is played under its name.
    #[serde(default)]
    pub absent: bool,
    /// How many seconds ago it was created; absent: 30 days, or longer where `history` needs it.
    #[serde(default)]
    pub created_ago: Option<f64>,
    /// How many seconds ago its last operation began; absent: a day, or one minute where `status` is in progress.
    #[serde(default)]
    pub operation_ago: Option<f64>,
    /// So many old events, made when they are asked for: 100,000 cost no more memory than 10.
    #[serde(default)]
    pub history: u64,
    /// How many operations `history` makes up, each with as many events as the others; absent: nine events make one.
    #[serde(default)]
    pub history_operations: Option<u64>,
    /// Only found in this region; absent: in every region that asks.
    #[serde(default)]
    pub region: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Outputs.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    /// Parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The template's text; absent: one is made from the resources.
    #[serde(default)]
    pub template: Option<String>,
    /// Resources it has from before.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// The name of the stack it is nested in.
    #[serde(default)]
    pub parent: Option<String>,
}

impl Stack {
    /// A stack that was created 30 days ago, `CREATE_COMPLETE`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// A stack that does not exist yet.
    #[must_use]
    pub fn absent(name: &str) -> Self {
        Self {
            absent: true,
            ..Self::new(name)
        }
    }

    /// With this status, any text.
    #[must_use]
    pub fn status(mut self, status: &str) -> Self {
        self.status = Some(status.to_owned());
        self
    }

    /// With this reason of its status.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// Created so many seconds ago.
    #[must_use]
    pub fn created_ago(mut self, seconds: f64) -> Self {
        self.created_ago = Some(seconds);
        self
    }

    /// Its last operation began so many seconds ago.
    #[must_use]
    pub fn operation_ago(mut self, seconds: f64) -> Self {
        self.operation_ago = Some(seconds);
        self
    }

    /// With so many old events.
    #[must_use]
    pub fn history(mut self, events: u64) -> Self {
        self.history = events;
        self
    }

    /// With so many old events, which make up so many operations of equal size.
    #[must_use]
    pub fn busy_history(mut self, events: u64, operations: u64) -> Self {
        self.history = events;
        self.history_operations = Some(operations);
        self
    }

    /// Only found in this region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// With one more tag.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With one more output.
    #[must_use]
    pub fn output(mut self, key: &str, value: &str) -> Self {
        self.outputs.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With this template.
    #[must_use]
    pub fn template(mut self, text: &str) -> Self {
        self.template = Some(text.to_owned());
        self
    }

    /// With one more resource from before.
    #[must_use]
    pub fn resource(mut self, id: &str, resource_type: &str) -> Self {
        self.resources.push(Resource {
            id: id.to_owned(),
            resource_type: resource_type.to_owned(),
            status: None,
        });
        self
    }

    /// Nested in another stack.
    #[must_use]
    pub fn nested_in(mut self, parent: &str) -> Self {
        self.parent = Some(parent.to_owned());
        self
    }
}

/// A resource a stack has from before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// `LogicalResourceId`.
    pub id: String,
    /// `ResourceType`.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// `ResourceStatus`; absent: `CREATE_COMPLETE`.
    #[serde(default)]
    pub status: Option<String>,
}

/// An event to be played.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Seconds after the operation's start.
    #[serde(default)]
    pub at: f64,
    /// `LogicalResourceId`; absent: the stack's own event.
    #[serde(default)]
    pub id: Option<String>,
    /// `ResourceType`; absent: `AWS::CloudFormation::Stack`.
    #[serde(default, rename = "type")]
    pub resource_type: Option<String>,
    /// `ResourceStatus`, any text.
    pub status: String,
    /// `ResourceStatusReason`.
    #[serde(default)]
    pub reason: Option<String>,
    /// `DetailedStatus`.
    #[serde(default)]
    pub detailed_status: Option<String>,
    /// `PhysicalResourceId`; absent: made up, and missing on a resource's first `CREATE_IN_PROGRESS`, as AWS does.
    #[serde(default)]
    pub physical_id: Option<String>,
    /// What a hook said: `[HookType, HookStatus, HookStatusReason]`.
    #[serde(default)]
    pub hook: Option<[String; 3]>,
    /// The name of the nested stack that this resource is; its ARN becomes the `PhysicalResourceId`.
    #[serde(default)]
    pub nested: Option<String>,
}

impl Event {
    /// The stack's own event at this second.
    #[must_use]
    pub fn own(at: f64, status: &str) -> Self {
        Self {
            at,
            status: status.to_owned(),
            ..Self::default()
        }
    }

    /// A resource's event at this second.
    #[must_use]
    pub fn resource(at: f64, id: &str, resource_type: &str, status: &str) -> Self {
        Self {
            at,
            id: Some(id.to_owned()),
            resource_type: Some(resource_type.to_owned()),
            status: status.to_owned(),
            ..Self::default()
        }
    }

    /// With this reason.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// Of a resource that is the nested stack of this name.
    #[must_use]
    pub fn nested(mut self, name: &str) -> Self {
        self.nested = Some(name.to_owned());
        self
    }
}

/// How to play an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Play {
    /// How many times faster than recorded: 60 plays a minute in a second. More than zero.
    #[serde(default = "one")]
    pub speed: f64,
    /// Begin so many (real) seconds from now; negative: it began before now.
    #[serde(default)]
    pub after: f64,
    /// The stack's last status where the record has none; absent: what the events suggest.
    #[serde(default)]
    pub final_status: Option<String>,
}

fn one() -> f64 {
    1.0
}

impl Default for Play {
    fn default() -> Self {
        Self {
            speed: 1.0,
            after: 0.0,
            final_status: None,
        }
    }
}

impl Play {
    /// So many times faster than recorded.
    #[must_use]
    pub fn at_speed(speed: f64) -> Self {
        Self {
            speed,
            ..Self::default()
        }
    }

    /// Begin so many (real) seconds from now; negative: it began before now.
    #[must_use]
    pub fn after(mut self, seconds: f64) -> Self {
        self.after = seconds;
        self
    }

    /// End with this status where the record has no end.
    #[must_use]
    pub fn ending(mut self, status: &str) -> Self {
        self.final_status = Some(status.to_owned());
        self
    }
}
