//! The reader against a scripted source that counts what it is asked.

use std::cell::{Cell, RefCell};

use super::*;
use crate::stack::{EventsPage, Observed, ResourceStatus, StackResource, StackState};

const ROOT: &str = "arn:aws-cn:cloudformation:cn-north-1:123456789012:stack/App/1";
const CHILD: &str = "arn:aws-cn:cloudformation:cn-north-1:123456789012:stack/App-Db-X/2";

#[derive(Default)]
struct Script {
    // Oldest first, by stack id.
    events: RefCell<BTreeMap<String, Vec<StackEvent>>>,
    asked: Cell<usize>,
    fail: RefCell<BTreeMap<String, StackError>>,
}

impl Script {
    fn add(&self, stack: &str, seconds: i64, logical: &str, kind: &str, status: &str) {
        let mut all = self.events.borrow_mut();
        let list = all.entry(stack.to_owned()).or_default();
        let number = list.len();
        list.push(event(stack, number, seconds, logical, kind, status));
    }

    fn history(&self, stack: &str, count: usize) {
        for number in 0..count {
            self.add(
                stack,
                i64::try_from(number).unwrap(),
                "Old",
                "AWS::SNS::Topic",
                "UPDATE_COMPLETE",
            );
        }
    }

    fn taken(&self) -> usize {
        self.asked.replace(0)
    }
}

fn event(
    stack: &str,
    number: usize,
    seconds: i64,
    logical: &str,
    kind: &str,
    status: &str,
) -> StackEvent {
    let physical = match kind {
        "own" => Some(stack.to_owned()),
        "nested" => Some(CHILD.to_owned()),
        _ => None,
    };
    StackEvent {
        event_id: format!("{}-{number}", stack.rsplit('/').next().unwrap()),
        stack_id: stack.to_owned(),
        stack_name: "App".to_owned(),
        logical_id: logical.to_owned(),
        resource_type: if physical.is_some() {
            STACK_TYPE.to_owned()
        } else {
            kind.to_owned()
        },
        physical_id: physical,
        status: ResourceStatus(status.to_owned()),
        reason: None,
        timestamp: Timestamp::from_seconds(1_700_000_000 + seconds),
        operation_id: None,
        detailed_status: None,
        hook: None,
    }
}

impl StackSource for Script {
    fn describe(&self, _: &StackName) -> Result<Observed<StackState>, StackError> {
        Ok(Observed {
            value: StackState::Missing,
            server_time: None,
        })
    }

    fn events(
        &self,
        stack: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        self.asked.set(self.asked.get() + 1);
        if let Some(error) = self.fail.borrow().get(stack.as_str()) {
            return Err(error.clone());
        }
        let all = self.events.borrow();
        let mut list: Vec<StackEvent> = all.get(stack.as_str()).cloned().unwrap_or_default();
        list.reverse();
        let from: usize = next.map_or(0, |token| token.parse().unwrap());
        let until = (from + 100).min(list.len());
        Ok(Observed {
            value: EventsPage {
                events: list[from..until].to_vec(),
                next: (until < list.len()).then(|| until.to_string()),
            },
            server_time: Some(Timestamp::from_seconds(1_700_000_000)),
        })
    }

    fn resources(&self, _: &StackName) -> Result<Vec<StackResource>, StackError> {
        Ok(Vec::new())
    }

    fn template(&self, _: &StackName) -> Result<String, StackError> {
        Ok(String::new())
    }
}

fn root() -> StackName {
    ROOT.parse().unwrap()
}

struct Watch {
    reader: Reader,
    progress: StackProgress,
    floor: Floor,
}

impl Watch {
    fn new(floor: Floor) -> Self {
        Self {
            reader: Reader::new(),
            progress: StackProgress::of(ROOT),
            floor,
        }
    }

    fn poll(&mut self, script: &Script) -> Vec<String> {
        let batch = self
            .reader
            .poll(script, &root(), &self.floor, &self.progress)
            .unwrap();
        for seen in &batch.events {
            self.progress.apply(&seen.event);
        }
        self.reader.commit(&batch);
        batch
            .events
            .iter()
            .map(|seen| seen.event.event_id.clone())
            .collect()
    }
}

#[test]
fn a_quiet_poll_costs_one_request_whatever_the_history() {
    for history in [10, 1_000, 100_000] {
        let script = Script::default();
        script.history(ROOT, history);
        let baseline = Floor {
            after_event: Some(format!("1-{}", history - 1)),
            ..Floor::default()
        };
        let mut watch = Watch::new(baseline);
        assert_eq!(watch.poll(&script), Vec::<String>::new());
        assert_eq!(script.taken(), 1, "first poll, {history}");
        script.add(ROOT, 200_000, "App", "own", "UPDATE_IN_PROGRESS");
        assert_eq!(watch.poll(&script).len(), 1);
        assert_eq!(script.taken(), 1);
        assert_eq!(watch.poll(&script), Vec::<String>::new());
        assert_eq!(script.taken(), 1, "quiet poll, {history}");
    }
}

#[test]
fn more_than_a_page_between_two_polls_is_read_whole() {
    let script = Script::default();
    script.history(ROOT, 50);
    let mut watch = Watch::new(Floor::default());
    assert_eq!(watch.poll(&script).len(), 50);
    script.taken();
    for number in 0..250 {
        script.add(
            ROOT,
            100 + number,
            "New",
            "AWS::SNS::Topic",
            "UPDATE_COMPLETE",
        );
    }
    let new = watch.poll(&script);
    assert_eq!(new.len(), 250);
    assert_eq!((new[0].as_str(), new[249].as_str()), ("1-50", "1-299"));
    assert_eq!(script.taken(), 3);
}

#[test]
fn an_event_that_turns_up_late_among_the_newest_is_not_lost() {
    let script = Script::default();
    script.history(ROOT, 40);
    let mut watch = Watch::new(Floor::default());
    watch.poll(&script);
    let late = event(ROOT, 999, 37, "Late", "AWS::SNS::Topic", "CREATE_COMPLETE");
    script
        .events
        .borrow_mut()
        .get_mut(ROOT)
        .unwrap()
        .insert(37, late);
    assert_eq!(watch.poll(&script), ["1-999"]);
    assert_eq!(watch.poll(&script), Vec::<String>::new());
}

#[test]
fn equal_times_are_told_apart_by_id() {
    let script = Script::default();
    for _ in 0..3 {
        script.add(ROOT, 5, "A", "AWS::SNS::Topic", "CREATE_IN_PROGRESS");
    }
    let mut watch = Watch::new(Floor::default());
    assert_eq!(watch.poll(&script), ["1-0", "1-1", "1-2"]);
    script.add(ROOT, 5, "A", "AWS::SNS::Topic", "CREATE_COMPLETE");
    assert_eq!(watch.poll(&script), ["1-3"]);
}

#[test]
fn only_the_newest_operation_where_nothing_was_registered() {
    let script = Script::default();
    script.add(ROOT, 0, "App", "own", "CREATE_IN_PROGRESS");
    script.add(ROOT, 9, "App", "own", "CREATE_COMPLETE");
    script.add(ROOT, 100, "App", "own", "UPDATE_IN_PROGRESS");
    script.add(ROOT, 101, "Web", "AWS::ECS::Service", "UPDATE_IN_PROGRESS");
    script.add(ROOT, 109, "App", "own", "UPDATE_ROLLBACK_IN_PROGRESS");
    let mut watch = Watch::new(Floor::newest_operation());
    assert_eq!(watch.poll(&script), ["1-2", "1-3", "1-4"]);
}

#[test]
fn nested_stacks_are_read_while_they_are_worked_on() {
    let script = Script::default();
    script.history(CHILD, 3);
    script.add(ROOT, 1000, "App", "own", "UPDATE_IN_PROGRESS");
    script.add(ROOT, 1001, "Db", "nested", "UPDATE_IN_PROGRESS");
    script.add(CHILD, 1001, "App-Db-X", "own", "UPDATE_IN_PROGRESS");
    script.add(
        CHILD,
        1003,
        "Cluster",
        "AWS::RDS::DBCluster",
        "UPDATE_IN_PROGRESS",
    );
    let mut watch = Watch::new(Floor::default());
    // The child's own old history is not this deployment's.
    assert_eq!(watch.poll(&script), ["1-0", "1-1", "2-3", "2-4"]);
    assert_eq!(script.taken(), 2);
    assert_eq!(watch.poll(&script).len(), 0);
    assert_eq!(script.taken(), 2);
    script.add(CHILD, 1009, "App-Db-X", "own", "UPDATE_COMPLETE");
    script.add(ROOT, 1010, "Db", "nested", "UPDATE_COMPLETE");
    assert_eq!(watch.poll(&script), ["2-5", "1-2"]);
    script.taken();
    assert_eq!(watch.poll(&script).len(), 0);
    assert_eq!(script.taken(), 1);
    assert_eq!(
        watch.progress.chain(CHILD, "Cluster"),
        ["Db".to_owned(), "Cluster".to_owned()]
    );
}

#[test]
fn a_resumed_reader_marks_what_was_reported() {
    let script = Script::default();
    script.history(ROOT, 30);
    let mut watch = Watch::new(Floor::default());
    watch.poll(&script);
    script.add(ROOT, 100, "New", "AWS::SNS::Topic", "UPDATE_COMPLETE");
    let again = Reader::resume(watch.reader.tails());
    let batch = again
        .poll(
            &script,
            &root(),
            &Floor::default(),
            &StackProgress::of(ROOT),
        )
        .unwrap();
    assert_eq!(batch.events.len(), 31);
    let fresh: Vec<&str> = batch
        .events
        .iter()
        .filter(|seen| !seen.reported)
        .map(|seen| seen.event.event_id.as_str())
        .collect();
    assert_eq!(fresh, ["1-30"]);
}

#[test]
fn a_child_that_is_denied_does_not_blind_the_watcher_but_a_throttle_stops_the_poll() {
    let script = Script::default();
    script.add(ROOT, 0, "App", "own", "CREATE_IN_PROGRESS");
    script.add(ROOT, 1, "Db", "nested", "CREATE_IN_PROGRESS");
    let denied = StackError::Denied {
        action: "cloudformation:DescribeStackEvents".to_owned(),
        detail: "no".to_owned(),
    };
    script.fail.borrow_mut().insert(CHILD.to_owned(), denied);
    let reader = Reader::new();
    let progress = StackProgress::of(ROOT);
    let batch = reader
        .poll(&script, &root(), &Floor::default(), &progress)
        .unwrap();
    assert_eq!((batch.events.len(), batch.unread.len()), (2, 1));
    let throttled = StackError::Throttled {
        action: "cloudformation:DescribeStackEvents".to_owned(),
        detail: "Rate exceeded".to_owned(),
    };
    script.fail.borrow_mut().insert(CHILD.to_owned(), throttled);
    assert!(
        reader
            .poll(&script, &root(), &Floor::default(), &progress)
            .is_err()
    );
}
