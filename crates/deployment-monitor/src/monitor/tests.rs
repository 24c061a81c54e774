//! Ten minutes without CloudFormation, on a clock that moves only when the monitor sleeps: the whole loop with its real reader, reducer,
//! judge, pace, log and cursor; only AWS, Slack and the registry are played.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use command_line::Console;
use registry_core::clock::ManualClock;
use registry_core::estimate::{Past, Table};
use registry_core::stack::{ResourceStatus, STACK_TYPE, Stack, StackEvent, StackStatus};

use super::*;
use crate::cursor::Cursor;
use crate::ports::Ending as Recorded;
use crate::watch::{Beginning, Limits};

const ID: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

/// Page size of `DescribeStackEvents` in practice.
const PAGE: usize = 100;

/// When the update begins.
fn began() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

/// CloudFormation, as it is at the clock's time.
struct Aws {
    clock: ManualClock,
    events: Vec<StackEvent>,
    // Seconds after the beginning, and what is wrong between them.
    trouble: (u64, u64, StackError),
    asked_in_trouble: Cell<u32>,
}

impl Aws {
    fn may_answer(&self) -> Result<(), StackError> {
        let now = self.clock.now().since(began()).as_secs();
        let (from, until, error) = &self.trouble;
        if (*from..*until).contains(&now) {
            self.asked_in_trouble.set(self.asked_in_trouble.get() + 1);
            return Err(error.clone());
        }
        Ok(())
    }

    fn so_far(&self) -> impl Iterator<Item = &StackEvent> {
        let now = self.clock.now();
        self.events
            .iter()
            .filter(move |event| event.timestamp <= now)
    }

    fn answer<T>(&self, value: T) -> Observed<T> {
        Observed {
            value,
            server_time: Some(Timestamp::from_seconds(self.clock.now().seconds())),
        }
    }
}

impl StackSource for Aws {
    fn describe(&self, _: &StackName) -> Result<Observed<StackState>, StackError> {
        self.may_answer()?;
        let own = self.so_far().filter(|event| event.is_stack_itself());
        let status = own
            .last()
            .map_or("CREATE_COMPLETE", |event| event.status.as_str());
        Ok(self.answer(StackState::Exists(Box::new(Stack {
            id: ID.parse().unwrap(),
            name: "App".to_owned(),
            status: StackStatus::parse(status),
            status_reason: None,
            created_at: began() - Duration::from_secs(86_400),
            updated_at: Some(began()),
            tags: BTreeMap::new(),
            root_id: None,
            last_operations: Vec::new(),
        }))))
    }

    fn events(
        &self,
        _: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        self.may_answer()?;
        let skip: usize = next.map_or(0, |token| token.parse().unwrap());
        let mut newest_first: Vec<StackEvent> = self.so_far().cloned().collect();
        newest_first.reverse();
        let more = newest_first.len() > skip + PAGE;
        Ok(self.answer(EventsPage {
            events: newest_first.into_iter().skip(skip).take(PAGE).collect(),
            next: more.then(|| (skip + PAGE).to_string()),
        }))
    }

    fn resources(&self, _: &StackName) -> Result<Vec<StackResource>, StackError> {
        Ok(Vec::new())
    }

    fn template(&self, _: &StackName) -> Result<String, StackError> {
        self.may_answer()?;
        Ok(String::new())
    }
}

/// An update that takes `seconds`, with two resources' events every ten seconds.
fn update_of(seconds: i64) -> Vec<StackEvent> {
    let event = |at: i64, id: &str, status: &str| {
        let own = id == "App";
        StackEvent {
            event_id: format!("{id}-{status}-{at}"),
            stack_id: ID.to_owned(),
            stack_name: "App".to_owned(),
            logical_id: id.to_owned(),
            physical_id: own.then(|| ID.to_owned()),
            resource_type: if own { STACK_TYPE } else { "AWS::SQS::Queue" }.to_owned(),
            status: ResourceStatus(status.to_owned()),
            reason: None,
            timestamp: began() + Duration::from_secs(u64::try_from(at).unwrap()),
            operation_id: None,
            detailed_status: None,
            hook: None,
        }
    };
    let mut events = vec![event(0, "App", "UPDATE_IN_PROGRESS")];
    for at in (1..seconds - 10).step_by(10) {
        let id = format!("Queue{at}");
        events.push(event(at, &id, "UPDATE_IN_PROGRESS"));
        events.push(event(at + 9, &id, "UPDATE_COMPLETE"));
    }
    events.push(event(seconds, "App", "UPDATE_COMPLETE"));
    events
}

#[derive(Default)]
struct Told(RefCell<BTreeMap<String, Notification>>);

impl Telling for Told {
    fn tell(&self, key: &str, note: Notification, _: Channel) -> Result<(), String> {
        let before = self.0.borrow_mut().insert(key.to_owned(), note);
        assert_eq!(before, None, "{key} was queued twice");
        Ok(())
    }

    fn push(&self) {}
}

#[derive(Default)]
struct Unregistered(Vec<StackStatus>);

impl Deployments for Unregistered {
    fn look(&mut self) -> Standing {
        Standing::NeverSeen
    }

    fn record(&mut self, ending: &Recorded) -> Result<(), String> {
        self.0.push(ending.status.clone());
        Ok(())
    }
}

fn plan(folder: &std::path::Path) -> Plan {
    let seconds = Duration::from_secs;
    Plan {
        id: "m1".parse().unwrap(),
        stacks: vec!["App".parse().unwrap()],
        channel: None,
        log_file: folder.join("m.log"),
        limits: Limits {
            interval: seconds(30),
            stall: seconds(600),
            most: seconds(7200),
            progress: seconds(600),
            start_grace: seconds(2700),
            retry_grace: seconds(600),
            give_up: seconds(21_600),
        },
        adaptive: false,
        live: false,
    }
}

/// What a monitor made of an update of `seconds` with CloudFormation in trouble between two of them.
struct Watched {
    status: Status,
    log: Vec<Value>,
    slack: BTreeMap<String, Notification>,
    recorded: Vec<StackStatus>,
    asked_in_trouble: u32,
}

fn watch_through(seconds: i64, trouble: (u64, u64, StackError)) -> Watched {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path());
    let clock = ManualClock::at(began());
    let aws = Aws {
        clock: clock.clone(),
        events: update_of(seconds),
        trouble,
        asked_in_trouble: Cell::new(0),
    };
    let mut log = EventLog::open(&plan.log_file).unwrap();
    let watch = StackWatch::new(
        "App".parse().unwrap(),
        Cursor::default(),
        folder.path().join("cursor.json"),
        Beginning::default(),
        plan.limits,
        BTreeSet::new(),
    );
    let (told, mut registry) = (Told::default(), Unregistered::default());
    let estimator = Estimator {
        past: Past::default(),
        table: Table::shipped(),
        template: None,
    };
    let monitor = Monitor {
        plan: &plan,
        source: &aws,
        clock: &clock,
        stop: &StopSignal::default(),
        lines: &Lines {
            id: "m1".to_owned(),
            ..Lines::default()
        },
        held: &[],
        hung_after: Duration::from_secs(90),
        slack: &told,
        face: Face::new(Console::silent(), &plan, true),
        summary: None,
    };
    let watched = vec![super::Watched {
        watch,
        resumes: false,
    }];
    let status = monitor.run(
        watched,
        &Standing::NeverSeen,
        &mut log,
        &mut registry,
        &mut [estimator],
    );
    let text = std::fs::read_to_string(&plan.log_file).unwrap();
    Watched {
        status,
        log: text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        slack: told.0.into_inner(),
        recorded: registry.0,
        asked_in_trouble: aws.asked_in_trouble.get(),
    }
}

fn troubles() -> [StackError; 5] {
    let (action, detail) = ("cloudformation:DescribeStacks".to_owned(), "x".to_owned());
    [
        StackError::Throttled {
            action: action.clone(),
            detail: detail.clone(),
        },
        StackError::Expired {
            detail: detail.clone(),
        },
        StackError::Denied {
            action,
            detail: detail.clone(),
        },
        StackError::Unreachable {
            detail: detail.clone(),
        },
        StackError::Nonsense { detail },
    ]
}

fn lines_with<'a>(log: &'a [Value], part: &str) -> Vec<&'a str> {
    log.iter()
        .filter_map(|line| line["message"].as_str())
        .filter(|message| message.contains(part))
        .collect()
}

// Every event once, in order, the right verdict, the trouble said once and its end once.
fn assert_nothing_was_missed(watched: &Watched, seconds: i64, error: &StackError) {
    assert_eq!(watched.status, Status::Yes, "{error}");
    assert_eq!(watched.recorded, [StackStatus::UpdateComplete], "{error}");
    let told: Vec<&str> = watched
        .log
        .iter()
        .filter(|line| line["level"] == "EVENT")
        .filter_map(|line| line["event_id"].as_str())
        .collect();
    let all = update_of(seconds);
    let happened: Vec<&str> = all.iter().map(|event| event.event_id.as_str()).collect();
    assert_eq!(told, happened, "{error}");
    assert_eq!(watched.log.last().unwrap()["outcome"], "deployed");
    assert_eq!(
        lines_with(&watched.log, "nothing is known until then").len(),
        1
    );
    let again = lines_with(&watched.log, "answers again after 1");
    assert_eq!(again.len(), 1, "{error}: {again:?}");
}

#[test]
fn ten_minutes_without_an_answer_lose_nothing_and_are_told_once() {
    for error in troubles() {
        let watched = watch_through(2400, (300, 1000, error.clone()));
        assert_nothing_was_missed(&watched, 2400, &error);
        // Backed off to a minute, not hammering and not asleep.
        assert!(
            (11..=20).contains(&watched.asked_in_trouble),
            "{error}: asked {} times in 700 s",
            watched.asked_in_trouble
        );
        let blind: Vec<&String> = watched
            .slack
            .keys()
            .filter(|key| key.contains("blind"))
            .collect();
        assert_eq!(blind.len(), 1, "{error}: {:?}", watched.slack.keys());
        // Not to see is no stall.
        assert!(
            watched.slack.keys().all(|key| !key.contains("stall")),
            "{error}"
        );
        let steps = |key: &&String| key.contains("progress-");
        assert_eq!(watched.slack.keys().filter(steps).count(), 3, "{error}");
    }
}

#[test]
fn a_deployment_that_ends_while_nothing_can_be_seen_is_judged_afterwards() {
    for error in troubles() {
        let watched = watch_through(700, (300, 1000, error.clone()));
        assert_nothing_was_missed(&watched, 700, &error);
    }
}
