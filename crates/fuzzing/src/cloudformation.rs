//! CloudFormation's answers through the real SDK: the first byte chooses the question and the status, the rest is the body.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use registry_core::ids::StackName;
use registry_core::stack::{StackError, StackSource, StackState};
use simulators::{CloudFormation, Fault, Trouble};
use stack_client::AwsStacks;

use crate::{assert_a_sentence, with};

struct Asking {
    service: CloudFormation,
    stacks: AwsStacks,
    name: StackName,
}

thread_local! {
    static ASKING: OnceCell<Asking> = const { OnceCell::new() };
}

fn start() -> Asking {
    let service = CloudFormation::start().expect("a simulator");
    let stacks = AwsStacks::emulator(service.port()).expect("a client");
    Asking {
        service,
        stacks,
        name: "App".parse().expect("a name"),
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    with(&ASKING, start, |asking| asking.ask(*first, body));
}

impl Asking {
    fn ask(&self, choice: u8, body: &[u8]) {
        // 5xx and throttling are tried again by the SDK, which other tests look at; here a body is read once.
        let status = [200, 200, 200, 200, 400, 403, 404, 413][usize::from(choice % 8)];
        let answer = Trouble::Answer {
            status,
            headers: BTreeMap::from([("Content-Type".to_owned(), "text/xml".to_owned())]),
            body: String::from_utf8_lossy(body).into_owned(),
        };
        // A body may promise another page; one more answer must be enough to see where that leads.
        self.service.clear_faults();
        self.service.fault(Fault::new(answer).times(2));
        let error = match choice % 4 {
            0 => self.stacks.describe(&self.name).map(|seen| {
                if let StackState::Exists(stack) = seen.value {
                    let status = stack.status.as_str();
                    let whole = !stack.name.is_empty() && stack.created_at.millis() > 0;
                    assert!(whole, "half a stack: {stack:?}");
                    assert!(
                        !status.is_empty() && status != "no value was set",
                        "{stack:?}"
                    );
                }
            }),
            1 => self.stacks.events(&self.name, None).map(|page| {
                for event in page.value.events {
                    let whole = !event.event_id.is_empty() && event.timestamp.millis() > 0;
                    assert!(whole, "half an event: {event:?}");
                }
            }),
            2 => self.stacks.resources(&self.name).map(drop),
            _ => self.stacks.template(&self.name).map(drop),
        };
        if let Err(error) = error {
            assert_a_sentence(&error);
            // Nobody may take an answer that makes no sense for a stack that is not there.
            assert!(
                !matches!(error, StackError::Invalid { .. }) || status >= 400,
                "{error:?}"
            );
        }
    }
}
