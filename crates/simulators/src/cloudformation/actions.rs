//! The actions of the Query API, as CloudFormation and STS answer them.

use registry_core::clock::Timestamp;
use serde_json::json;

use super::live::{Happened, Live, Standing};
use super::spec::Stack;
use super::world::World;
use super::xml::{self, Xml};
use crate::http::find;

pub(super) const CLOUDFORMATION: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
pub(super) const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Measured, not documented: DescribeStackEvents gives 100 events a page.
const PAGE: u64 = 100;

/// An error in AWS' words.
#[derive(Debug)]
pub(super) struct AwsError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl AwsError {
    fn validation(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: "ValidationError",
            message: message.into(),
        }
    }
}

/// Who asks, where and when.
pub(super) struct Asked<'a> {
    pub(super) params: &'a [(String, String)],
    pub(super) region: String,
    pub(super) account: &'a str,
    pub(super) request_id: String,
    /// By which events happen.
    pub(super) real_now: Timestamp,
    /// Real time to the time this server tells.
    pub(super) tell: &'a dyn Fn(Timestamp) -> Timestamp,
}

impl Asked<'_> {
    fn param(&self, name: &str) -> Option<&str> {
        find(self.params, name).filter(|value| !value.is_empty())
    }

    fn partition(&self) -> &'static str {
        partition(&self.region)
    }

    fn arn(&self, live: &Live) -> String {
        let (partition, region) = (self.partition(), &self.region);
        format!(
            "arn:{partition}:cloudformation:{region}:{}:stack/{}/{}",
            self.account, live.spec.name, live.uuid
        )
    }

    /// The stack that `StackName` means, at that moment; `missing` makes AWS' sentence of what was asked for.
    fn stack(
        &self,
        world: &World,
        at: Timestamp,
        missing: fn(&str) -> String,
    ) -> Result<usize, AwsError> {
        let name = self.param("StackName").ok_or_else(|| {
            AwsError::validation("1 validation error detected: Value null at 'stackName' failed to satisfy constraint: Member must not be null")
        })?;
        if !is_name_or_arn(name) {
            return Err(AwsError::validation(format!(
                "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy \
                 regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*"
            )));
        }
        world
            .find(name, &self.region, at)
            .ok_or_else(|| AwsError::validation(missing(name)))
    }
}

/// The partition a region is in.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn is_name_or_arn(text: &str) -> bool {
    let letter_first = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let name = letter_first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let arn = text.starts_with("arn:")
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-:/._+".contains(c));
    name || arn
}

fn no_stack_with_id(name: &str) -> String {
    format!("Stack with id {name} does not exist")
}

fn no_stack(name: &str) -> String {
    format!("Stack [{name}] does not exist")
}

/// Carries an action out. `Err` with the code `InvalidAction` for those not played here.
pub(super) fn answer(
    world: &mut World,
    action: &str,
    asked: &Asked<'_>,
) -> Result<String, AwsError> {
    match action {
        "DescribeStacks" => describe_stacks(world, asked),
        "DescribeStackEvents" => describe_stack_events(world, asked),
        "DescribeStackResources" => describe_stack_resources(world, asked),
        "ListStackResources" => list_stack_resources(world, asked),
        "GetTemplate" => get_template(world, asked),
        "DeleteStack" => Ok(delete_stack(world, asked)),
        "GetCallerIdentity" => Ok(get_caller_identity(asked)),
        _ => Err(AwsError {
            status: 400,
            code: "InvalidAction",
            message: format!("Could not find operation {action} for version 2010-05-15"),
        }),
    }
}

fn response(action: &str, asked: &Asked<'_>, inside: impl FnOnce(&mut Xml)) -> String {
    xml::response(action, CLOUDFORMATION, &asked.request_id, inside)
}

fn describe_stacks(world: &World, asked: &Asked<'_>) -> Result<String, AwsError> {
    let at = asked.real_now - world.lag;
    let found = match asked.param("StackName") {
        Some(_) => vec![asked.stack(world, at, no_stack_with_id)?],
        None => world.all(&asked.region, at),
    };
    let skip = position(asked)?.unwrap_or(0) as usize;
    let page = found.iter().skip(skip).take(PAGE as usize);
    let next = skip + PAGE as usize;
    Ok(response("DescribeStacks", asked, |xml| {
        xml.list("Stacks", page, |xml, index| {
            stack(xml, world, *index, asked, at);
        });
        xml.maybe(
            "NextToken",
            (next < found.len()).then(|| token(next as u64)).as_deref(),
        );
    }))
}

fn stack(xml: &mut Xml, world: &World, index: usize, asked: &Asked<'_>, at: Timestamp) {
    let Some(live) = world.get(index) else { return };
    let tell = asked.tell;
    let (status, reason) = live.status(at);
    let pairs = |xml: &mut Xml,
                 list: &str,
                 (key, value): (&str, &str),
                 from: &std::collections::BTreeMap<_, String>| {
        xml.list(list, from, |xml, (k, v): (&String, _)| {
            xml.text(key, k).text(value, v);
        });
    };
    xml.text("StackId", &asked.arn(live))
        .text("StackName", &live.spec.name);
    pairs(
        xml,
        "Parameters",
        ("ParameterKey", "ParameterValue"),
        &live.spec.parameters,
    );
    xml.time("CreationTime", tell(live.born));
    if let Some(updated) = live.last_own(at, |status| status == "UPDATE_IN_PROGRESS") {
        xml.time("LastUpdatedTime", tell(updated));
    }
    if let Some(deleted) = live.last_own(at, |status| {
        matches!(status, "DELETE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS")
    }) {
        xml.time("DeletionTime", tell(deleted));
    }
    xml.text("RollbackConfiguration", "")
        .text("StackStatus", &status)
        .maybe("StackStatusReason", reason.as_deref());
    xml.text("DisableRollback", "false")
        .text("NotificationARNs", "");
    xml.list(
        "Capabilities",
        ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        |xml, name| {
            xml.raw(name);
        },
    );
    if status != "CREATE_IN_PROGRESS" && status != "REVIEW_IN_PROGRESS" {
        pairs(
            xml,
            "Outputs",
            ("OutputKey", "OutputValue"),
            &live.spec.outputs,
        );
    }
    pairs(xml, "Tags", ("Key", "Value"), &live.spec.tags);
    if let Some(parent) = live.parent.and_then(|parent| world.get(parent)) {
        xml.text("ParentId", &asked.arn(parent));
        xml.maybe(
            "RootId",
            world
                .get(world.root(index))
                .map(|root| asked.arn(root))
                .as_deref(),
        );
    }
    xml.text("EnableTerminationProtection", "false");
    xml.element("DriftInformation", |xml| {
        xml.text("StackDriftStatus", "NOT_CHECKED");
    });
    xml.list(
        "LastOperations",
        live.operations(at),
        |xml, (number, first_status)| {
            xml.text("OperationType", operation_type(&first_status))
                .text("OperationId", &operation_id(live, number));
        },
    );
}

fn operation_type(first_status: &str) -> &'static str {
    match first_status {
        "REVIEW_IN_PROGRESS" => "CREATE_CHANGESET",
        "UPDATE_IN_PROGRESS" | "IMPORT_IN_PROGRESS" => "UPDATE_STACK",
        "DELETE_IN_PROGRESS" => "DELETE_STACK",
        _ if first_status.contains("ROLLBACK") => "ROLLBACK",
        _ => "CREATE_STACK",
    }
}

fn operation_id(live: &Live, number: u64) -> String {
    let start = live.uuid.get(..24).unwrap_or_default();
    format!("{start}{number:012x}")
}

fn describe_stack_events(world: &World, asked: &Asked<'_>) -> Result<String, AwsError> {
    let live = asked
        .stack(world, asked.real_now, no_stack)
        .map(|index| world.get(index))?;
    let Some(live) = live else {
        return Err(AwsError::validation(no_stack("")));
    };
    // A token counts from the oldest event, so that events which happen meanwhile do not shift the pages.
    let end = position(asked)?
        .unwrap_or(u64::MAX)
        .min(live.event_count(asked.real_now));
    let begin = end.saturating_sub(PAGE);
    Ok(response("DescribeStackEvents", asked, |xml| {
        xml.list(
            "StackEvents",
            (begin..end).rev().filter_map(|index| live.event(index)),
            |xml, happened| {
                event(xml, world, live, &happened, asked);
            },
        );
        xml.maybe("NextToken", (begin > 0).then(|| token(begin)).as_deref());
    }))
}

fn event(xml: &mut Xml, world: &World, live: &Live, happened: &Happened, asked: &Asked<'_>) {
    let arn = asked.arn(live);
    let child = happened
        .child
        .and_then(|index| world.get(index))
        .map(|child| asked.arn(child));
    let (id, resource_type, physical) = match &happened.resource {
        None => (
            live.spec.name.as_str(),
            "AWS::CloudFormation::Stack",
            arn.clone(),
        ),
        Some((id, kind)) => (
            id.as_str(),
            kind.as_str(),
            child
                .or_else(|| happened.physical.clone())
                .unwrap_or_default(),
        ),
    };
    xml.text("StackId", &arn)
        .text("EventId", &happened.event_id)
        .text("StackName", &live.spec.name);
    xml.text("OperationId", &operation_id(live, happened.operation));
    xml.text("LogicalResourceId", id)
        .text("PhysicalResourceId", &physical)
        .text("ResourceType", resource_type);
    xml.time("Timestamp", (asked.tell)(happened.at))
        .text("ResourceStatus", &happened.status);
    xml.maybe("ResourceStatusReason", happened.reason.as_deref());
    xml.maybe("DetailedStatus", happened.detailed_status.as_deref());
    if let Some([kind, status, reason]) = &happened.hook {
        xml.text("HookType", kind).text("HookStatus", status);
        xml.text("HookStatusReason", reason);
    }
}

fn describe_stack_resources(world: &World, asked: &Asked<'_>) -> Result<String, AwsError> {
    let live = asked
        .stack(world, asked.real_now, no_stack_with_id)
        .map(|index| world.get(index))?;
    let Some(live) = live else {
        return Err(AwsError::validation(no_stack_with_id("")));
    };
    let mut rows = live.resources(asked.real_now);
    rows.retain(|row| {
        asked
            .param("LogicalResourceId")
            .is_none_or(|id| id == row.id)
    });
    // The AWS documentation: at most 100 resources; ListStackResources gives all.
    rows.truncate(PAGE as usize);
    Ok(response("DescribeStackResources", asked, |xml| {
        xml.list("StackResources", rows, |xml, row| {
            xml.text("StackName", &live.spec.name)
                .text("StackId", &asked.arn(live));
            resource(xml, world, &row, asked, "Timestamp");
        });
    }))
}

fn list_stack_resources(world: &World, asked: &Asked<'_>) -> Result<String, AwsError> {
    let live = asked
        .stack(world, asked.real_now, no_stack_with_id)
        .map(|index| world.get(index))?;
    let Some(live) = live else {
        return Err(AwsError::validation(no_stack_with_id("")));
    };
    let rows = live.resources(asked.real_now);
    let skip = position(asked)?.unwrap_or(0) as usize;
    let next = skip + PAGE as usize;
    Ok(response("ListStackResources", asked, |xml| {
        xml.list(
            "StackResourceSummaries",
            rows.iter().skip(skip).take(PAGE as usize),
            |xml, row| {
                resource(xml, world, row, asked, "LastUpdatedTimestamp");
            },
        );
        xml.maybe(
            "NextToken",
            (next < rows.len()).then(|| token(next as u64)).as_deref(),
        );
    }))
}

fn resource(xml: &mut Xml, world: &World, row: &Standing, asked: &Asked<'_>, time_name: &str) {
    let child = row
        .child
        .and_then(|index| world.get(index))
        .map(|child| asked.arn(child));
    xml.text("LogicalResourceId", &row.id);
    xml.maybe(
        "PhysicalResourceId",
        child.as_deref().or(row.physical.as_deref()),
    );
    xml.text("ResourceType", &row.resource_type)
        .time(time_name, (asked.tell)(row.at));
    xml.text("ResourceStatus", &row.status)
        .maybe("ResourceStatusReason", row.reason.as_deref());
    xml.element("DriftInformation", |xml| {
        xml.text("StackResourceDriftStatus", "NOT_CHECKED");
    });
}

fn get_template(world: &World, asked: &Asked<'_>) -> Result<String, AwsError> {
    let live = asked
        .stack(world, asked.real_now, no_stack_with_id)
        .map(|index| world.get(index))?;
    let Some(live) = live else {
        return Err(AwsError::validation(no_stack_with_id("")));
    };
    let body = template(&live.spec, &live.resources(asked.real_now));
    Ok(response("GetTemplate", asked, |xml| {
        xml.text("TemplateBody", &body);
        xml.list(
            "StagesAvailable",
            ["Original", "Processed"],
            |xml, stage| {
                xml.raw(stage);
            },
        );
    }))
}

/// The template that was given, else one that names the resources and nothing more.
fn template(spec: &Stack, rows: &[Standing]) -> String {
    let made = || {
        let resources: serde_json::Map<_, _> = rows
            .iter()
            .map(|row| (row.id.clone(), json!({"Type": row.resource_type})))
            .collect();
        json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}).to_string()
    };
    spec.template.clone().unwrap_or_else(made)
}

/// A deletion that takes two seconds. As with AWS, a stack that does not exist is deleted without complaint.
fn delete_stack(world: &mut World, asked: &Asked<'_>) -> String {
    if let Ok(index) = asked.stack(world, asked.real_now, no_stack_with_id)
        && let Some(name) = world.get(index).map(|live| live.spec.name.clone())
    {
        world.delete(&name, 2.0, asked.real_now);
    }
    let id = &asked.request_id;
    format!(
        "<DeleteStackResponse xmlns=\"{CLOUDFORMATION}\"><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
         </DeleteStackResponse>\n"
    )
}

fn get_caller_identity(asked: &Asked<'_>) -> String {
    let (partition, account) = (asked.partition(), asked.account);
    xml::response("GetCallerIdentity", STS, &asked.request_id, |xml| {
        xml.text(
            "Arn",
            &format!("arn:{partition}:sts::{account}:assumed-role/deployer/simulator"),
        );
        xml.text("UserId", "AROASIMULATED:simulator")
            .text("Account", account);
    })
}

const TOKEN: &str = "sim-";

fn token(position: u64) -> String {
    format!("{TOKEN}{position:016x}")
}

fn position(asked: &Asked<'_>) -> Result<Option<u64>, AwsError> {
    let Some(text) = asked.param("NextToken") else {
        return Ok(None);
    };
    let number = text
        .strip_prefix(TOKEN)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number
        .map(Some)
        .ok_or_else(|| AwsError::validation("NextToken is not valid"))
}
