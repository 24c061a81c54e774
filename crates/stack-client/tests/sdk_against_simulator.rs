//! The real SDK against the simulator: what our tests rest on is read by code that is not ours.
#![expect(clippy::expect_used, reason = "a test may fail")]

use aws_credential_types::Credentials;
use aws_http::LazyTlsClient;
use aws_sdk_cloudformation::config::retry::RetryConfig;
use aws_sdk_cloudformation::config::{BehaviorVersion, Region};
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::{Client, Config};
use simulators::{CloudFormation, Event, Fault, Play, Stack, Trouble};
use tokio::runtime::{Builder, Runtime};

struct Asking {
    service: CloudFormation,
    client: Client,
    runtime: Runtime,
}

fn asking() -> Asking {
    let service = CloudFormation::start().expect("a simulator");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(service.url())
        .region(Region::new("us-gov-west-1"))
        .credentials_provider(Credentials::new(
            "AKIASIMULATED",
            "simulated",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .http_client(LazyTlsClient::default())
        .build();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    Asking {
        service,
        client: Client::from_conf(config),
        runtime,
    }
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
}

#[test]
fn every_page_of_events_and_every_field_is_read() {
    let asking = asking();
    asking.service.add_stack(
        Stack::new("App")
            .history(250)
            .tag("CorrelationId", "<&>\"'")
            .output("Url", "http://x"),
    );
    asking.service.play(
        "App",
        &[
            Event::own(0.0, "UPDATE_IN_PROGRESS").because("line\none & <two>"),
            Event::resource(
                0.0,
                "Child",
                "AWS::CloudFormation::Stack",
                "UPDATE_IN_PROGRESS",
            )
            .nested("Nested"),
        ],
        &Play::default(),
    );
    let read = async {
        let mut pages = asking
            .client
            .describe_stack_events()
            .stack_name("App")
            .into_paginator()
            .send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            events.extend(page?.stack_events.unwrap_or_default());
        }
        let stack = asking
            .client
            .describe_stacks()
            .stack_name("App")
            .send()
            .await;
        Ok::<_, SdkError<_, _>>((events, stack.expect("a stack")))
    };
    let (events, stacks) = asking.runtime.block_on(read).expect("events");
    assert_eq!(events.len(), 252);
    let start = "arn:aws-us-gov:cloudformation:us-gov-west-1:123456789012:stack/Nested/";
    assert!(
        events[0]
            .physical_resource_id()
            .is_some_and(|id| id.starts_with(start)),
        "{:?}",
        events[0]
    );
    assert_eq!(
        events[1].resource_status_reason(),
        Some("line\none & <two>")
    );
    assert!(
        events
            .iter()
            .all(|event| event.timestamp().is_some() && event.operation_id().is_some())
    );
    let stack = &stacks.stacks()[0];
    assert_eq!(
        stack
            .stack_status()
            .map(aws_sdk_cloudformation::types::StackStatus::as_str),
        Some("UPDATE_IN_PROGRESS")
    );
    assert_eq!(stack.tags()[0].value(), Some("<&>\"'"));
    assert_eq!(stack.outputs()[0].output_value(), Some("http://x"));
    assert!(stack.creation_time().is_some() && stack.last_updated_time().is_some());
    assert_eq!(stack.last_operations().len(), 1);
}

#[test]
fn a_wrong_clock_is_corrected_by_the_second_attempt() {
    let asking = asking();
    asking.service.add_stack(Stack::new("App"));
    asking.service.set_clock_offset(3600.0);
    let answer = asking
        .runtime
        .block_on(asking.client.describe_stacks().stack_name("App").send());
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(asking.service.requests("DescribeStacks"), 2);
}

#[test]
fn errors_have_the_codes_the_sdk_knows() {
    let asking = asking();
    let ask = |fault: Option<Fault>| {
        asking.service.clear_faults();
        asking.service.forget_requests();
        if let Some(fault) = fault {
            asking.service.fault(fault);
        }
        let answer = asking
            .runtime
            .block_on(asking.client.describe_stacks().stack_name("App").send());
        let error = answer.expect_err("an error");
        (
            code(&error).map(str::to_owned),
            asking.service.requests("DescribeStacks"),
        )
    };
    assert_eq!(ask(None), (Some("ValidationError".to_owned()), 1));
    for (trouble, expected, requests) in [
        (Trouble::Throttling, Some("Throttling"), 3),
        (Trouble::AccessDenied, Some("AccessDenied"), 1),
        (Trouble::ExpiredToken, Some("ExpiredToken"), 1),
        (Trouble::InvalidToken, Some("InvalidClientTokenId"), 1),
        (Trouble::Unavailable, Some("ServiceUnavailable"), 3),
        (Trouble::NotItsFormat, None, 3),
        (Trouble::Reset, None, 3),
        (Trouble::Close, None, 3),
    ] {
        let seen = ask(Some(Fault::new(trouble.clone())));
        assert_eq!(seen, (expected.map(str::to_owned), requests), "{trouble:?}");
    }
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let asking = asking();
    asking.service.add_stack(Stack::new("App"));
    asking
        .service
        .fault(Fault::new(Trouble::Throttling).times(2));
    let answer = asking
        .runtime
        .block_on(asking.client.describe_stacks().stack_name("App").send());
    assert!(answer.is_ok_and(|answer| answer.stacks().len() == 1));
    assert_eq!(asking.service.requests("DescribeStacks"), 3);
}
