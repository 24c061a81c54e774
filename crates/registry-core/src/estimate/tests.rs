use std::cell::RefCell;

use super::interval::{ENOUGH_JUDGED, Judged};
use super::operation::{Action, Run, RunState};
use super::watch::for_stack;
use super::*;
use crate::clock::Timestamp;
use crate::ids::StackName;
use crate::stack::{
    EventsPage, Observed, Stack, StackError, StackEvent, StackResource, StackSource, StackState,
    StackStatus,
};

fn started() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

fn empty(kind: Kind) -> Operation {
    Operation {
        id: "op".to_owned(),
        kind,
        outcome: Outcome::Running,
        started: started(),
        took: None,
        cleanup_at: None,
        rollback_at: None,
        cut: false,
        first_cause: None,
        runs: Vec::new(),
    }
}

fn run(id: &str, start: f64, end: Option<f64>) -> Run {
    Run {
        id: id.to_owned(),
        resource_type: format!("T::{}::X", id.trim_end_matches(char::is_numeric)),
        action: Action::Create,
        phase: Phase::Forward,
        start: Some(start),
        ready: None,
        end,
        state: if end.is_some() {
            RunState::Completed
        } else {
            RunState::Running
        },
    }
}

/// A creation that is over, from `(id, begin, end)`.
fn past_creation(rows: &[(&str, f64, f64)]) -> Operation {
    let runs: Vec<Run> = rows
        .iter()
        .map(|(id, start, end)| run(id, *start, Some(*end)))
        .collect();
    let last = rows.iter().map(|row| row.2).fold(0.0, f64::max);
    Operation {
        outcome: Outcome::Succeeded,
        took: Some(last + 1.0),
        runs,
        ..empty(Kind::Create)
    }
}

fn past(operations: Vec<Operation>) -> Past {
    Past {
        operations,
        ..Past::default()
    }
}

fn seconds(operation: &Operation, past: &Past, template: Option<&Template>, now: f64) -> f64 {
    of(operation, past, template, now).remaining.as_secs_f64()
}

fn of(operation: &Operation, past: &Past, template: Option<&Template>, now: f64) -> Estimate {
    let planned = plan::expected(operation, template, past);
    estimate(&EstimateInput {
        operation,
        planned: &planned,
        template,
        past,
        table: &Table::shipped(),
        now,
    })
}

fn near(actual: f64, expected: f64, by: f64) {
    assert!(
        (actual - expected).abs() <= by,
        "{actual} is not {expected} ± {by}"
    );
}

#[test]
fn what_runs_in_parallel_is_not_added_up() {
    let past = past(vec![past_creation(&[("A", 2.0, 102.0), ("B", 2.0, 82.0)])]);
    let mut now = empty(Kind::Create);
    now.runs = vec![run("A", 2.0, None), run("B", 2.0, None)];
    near(seconds(&now, &past, None, 2.0), 101.0, 2.0);
}

#[test]
fn what_waits_is_added() {
    let template =
        Template::parse("Resources:\n  A: {Type: 'T::A::X'}\n  B: {Type: 'T::B::X', P: !Ref A}\n")
            .unwrap();
    let past = past(vec![past_creation(&[("A", 2.0, 102.0), ("B", 2.0, 82.0)])]);
    let mut now = empty(Kind::Create);
    now.runs = vec![run("A", 2.0, None)];
    let estimate = of(&now, &past, Some(&template), 2.0);
    near(estimate.remaining.as_secs_f64(), 181.5, 3.0);
    let path: Vec<&str> = estimate.path.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(path, ["A", "B"]);
    assert_eq!(estimate.basis, Basis::Chain);
}

#[test]
fn without_a_template_the_order_of_earlier_operations_counts() {
    let earlier = past(vec![past_creation(&[
        ("A", 2.0, 102.0),
        ("B", 103.0, 183.0),
    ])]);
    let mut now = empty(Kind::Create);
    now.runs = vec![run("A", 2.0, None)];
    near(seconds(&now, &earlier, None, 2.0), 182.0, 4.0);
}

#[test]
fn it_shrinks_as_time_passes() {
    let whole = past_creation(&[("A", 2.0, 102.0), ("B", 103.0, 183.0), ("C", 2.0, 40.0)]);
    let past = past(vec![whole.clone(), whole.clone(), whole.clone()]);
    let left: Vec<f64> = (0..180)
        .step_by(10)
        .map(|now| {
            let now = f64::from(now) + 2.5;
            replay::estimate_at(&whole, now, &past, &Table::shipped())
                .remaining
                .as_secs_f64()
        })
        .collect();
    assert!(left.windows(2).all(|pair| pair[1] < pair[0]), "{left:?}");
    near(left[9], 184.0 - 92.5, 8.0);
}

#[test]
fn unknown_types_are_named_and_known_ones_are_not() {
    let mut now = empty(Kind::Create);
    now.runs = vec![run("Strange", 2.0, None), run("Odd", 2.0, Some(4.0))];
    now.runs.push(Run {
        resource_type: "AWS::RDS::DBInstance".to_owned(),
        ..run("Db", 2.0, None)
    });
    let estimate = of(&now, &Past::default(), None, 10.0);
    assert_eq!(estimate.unknown_types, ["T::Strange::X"]);
    assert_eq!(estimate.shipped_types, ["AWS::RDS::DBInstance"]);
}

#[test]
fn a_rollback_has_its_own_estimate() {
    let mut now = empty(Kind::Create);
    now.runs = vec![run("A", 2.0, Some(300.0))];
    now.runs[0].resource_type = "AWS::EC2::NatGateway".to_owned();
    now.rollback_at = Some(301.0);
    let estimate = of(&now, &Past::default(), None, 301.0);
    // Creating one takes 100 s, removing one half of that.
    near(estimate.remaining.as_secs_f64(), 55.0, 10.0);
}

#[test]
fn an_update_ends_after_its_clean_up() {
    let mut now = empty(Kind::Update);
    now.runs = vec![run("A", 2.0, Some(10.0))];
    now.cleanup_at = Some(11.0);
    let mut old = run("Old", 12.0, None);
    old.action = Action::Delete;
    old.phase = Phase::CleanUp;
    old.resource_type = "AWS::SQS::Queue".to_owned();
    now.runs.push(old);
    near(seconds(&now, &Past::default(), None, 12.0), 31.3, 2.0);
}

#[test]
fn what_may_not_come_is_given_up_when_nothing_holds_it_up() {
    let template = Template::parse(
        "Resources:\n  A: {Type: 'AWS::SQS::Queue'}\n  B: {Type: 'AWS::RDS::DBInstance', Condition: C}\n",
    )
    .unwrap();
    let mut now = empty(Kind::Create);
    now.runs = vec![run("A", 2.0, None)];
    now.runs[0].resource_type = "AWS::SQS::Queue".to_owned();
    assert!(seconds(&now, &Past::default(), Some(&template), 3.0) > 200.0);
    assert!(seconds(&now, &Past::default(), Some(&template), 25.0) < 15.0);
}

#[test]
fn a_nested_stack_lasts_as_long_as_what_is_in_it() {
    let mut now = empty(Kind::Create);
    let mut net = run("Net", 2.0, None);
    net.resource_type = crate::stack::STACK_TYPE.to_owned();
    let mut gateway = run("Net/Gateway", 10.0, None);
    gateway.resource_type = "AWS::EC2::NatGateway".to_owned();
    now.runs = vec![net, gateway];
    near(seconds(&now, &Past::default(), None, 10.0), 99.0, 15.0);
}

#[test]
fn the_interval_is_that_of_the_past_errors_at_this_share_of_the_time() {
    let mut past = past(vec![past_creation(&[("A", 2.0, 102.0)])]);
    let mut now = empty(Kind::Create);
    now.runs = vec![run("A", 2.0, None)];
    let times = |past: &Past, at: f64| {
        let estimate = of(&now, past, None, at);
        let remaining = estimate.remaining.as_secs_f64();
        (
            estimate.low.as_secs_f64() / remaining,
            estimate.high.as_secs_f64() / remaining,
        )
    };
    let (low, high) = times(&past, 2.0);
    near(low, 0.8, 1e-6);
    near(high, 1.2, 1e-6);
    past.errors = vec![Judged::new(&[0.9, 0.9, 1.0, 3.0, 3.0]).unwrap(); 9];
    let (low, high) = times(&past, 2.0);
    near(low, 0.9, 1e-6);
    near(high, 1.0, 1e-6);
    let (low, high) = times(&past, 90.0);
    near(low, 1.0, 1e-6);
    near(high, 3.0, 1e-6);
}

#[test]
fn nothing_but_an_average_is_something() {
    let mut known = Past::default();
    let shipped = of(&empty(Kind::Create), &known, None, 0.0);
    assert_eq!(shipped.basis, Basis::Shipped);
    assert!(shipped.remaining > Duration::ZERO);
    known.totals = vec![(Some(Kind::Create), 1500.0)];
    let average = of(&empty(Kind::Create), &known, None, 900.0);
    assert_eq!(average.basis, Basis::Average);
    near(average.remaining.as_secs_f64(), 600.0, 40.0);
    near(average.total.as_secs_f64(), 1500.0, 40.0);
}

#[test]
fn what_is_over_has_nothing_left() {
    let over = past_creation(&[("A", 2.0, 102.0)]);
    let estimate = of(&over, &Past::default(), None, 500.0);
    assert_eq!(
        (estimate.remaining, estimate.basis, estimate.total),
        (Duration::ZERO, Basis::Over, Duration::from_secs(103))
    );
}

#[test]
fn a_circle_of_references_ends() {
    let template =
        Template::parse("Resources:\n  A: {Type: T, P: !Ref B}\n  B: {Type: T, P: !Ref A}\n")
            .unwrap();
    let left = seconds(&empty(Kind::Create), &Past::default(), Some(&template), 0.0);
    assert!(left.is_finite() && left > 0.0);
}

/// The 80 % interval on a stack whose durations vary by a fifth: it must hold the truth in about so many cases.
#[test]
fn the_learned_interval_holds_what_it_promises() {
    let mut state: u64 = 7;
    let mut noise = || {
        // Twelve uniform numbers make a good enough normal one; the generator is Knuth's MMIX.
        let sum: f64 = (0..12)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / (1u64 << 24) as f64
            })
            .sum();
        ((sum - 6.0) * 0.2).exp()
    };
    let table = Table::shipped();
    let mut history = crate::history::History::default();
    let (mut held, mut cases) = (0, 0);
    for number in 0..60u32 {
        let a = 2.0 + 200.0 * noise();
        let b = 2.0 + 120.0 * noise();
        let c = a + 1.0 + 90.0 * noise();
        let mut ran = past_creation(&[("A", 2.0, a), ("B", 2.0, b), ("C", a + 1.0, c)]);
        ran.id = format!("op{number}");
        ran.started = started() + Duration::from_secs(u64::from(number) * 10_000);
        let past = history.past("App");
        // From the eleventh operation on there are ten to learn from.
        assert_eq!(past.errors.len() >= ENOUGH_JUDGED, number >= 10);
        if past.errors.len() >= ENOUGH_JUDGED {
            let took = ran.took.unwrap();
            for share in [0.25, 0.5, 0.75] {
                let estimate = replay::estimate_at(&ran, took * share, &past, &table);
                let actual = took * (1.0 - share);
                cases += 1;
                held += usize::from(
                    (estimate.low.as_secs_f64()..=estimate.high.as_secs_f64()).contains(&actual),
                );
            }
        }
        history.add_operations("App", &[ran], 20, &table, started());
    }
    let share = held as f64 / f64::from(cases);
    assert!((0.7..=0.9).contains(&share), "{held} of {cases}");
}

/// A stack in progress whose answers are given; counts the questions.
struct Scripted {
    status: StackStatus,
    updated: Option<Timestamp>,
    events: Vec<StackEvent>,
    template: Result<String, StackError>,
    asked: RefCell<Vec<&'static str>>,
}

const ARN: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/App/1";

impl Scripted {
    fn of(trace: &str, until: f64) -> Self {
        let path = format!(
            "{}/../simulators/traces/{trace}",
            env!("CARGO_MANIFEST_DIR")
        );
        let trace = crate::trace::Trace::parse(&std::fs::read(path).unwrap()).unwrap();
        let mut events = replay::events(&trace);
        let begin = events[0].timestamp;
        events.retain(|event| event.timestamp <= begin + Duration::from_secs_f64(until));
        events.reverse();
        Self {
            status: StackStatus::CreateInProgress,
            updated: None,
            events,
            template: Ok("Resources: {}".to_owned()),
            asked: RefCell::default(),
        }
    }

    fn begin(&self) -> Timestamp {
        self.events.last().unwrap().timestamp
    }
}

impl StackSource for Scripted {
    fn describe(&self, _: &StackName) -> Result<Observed<StackState>, StackError> {
        self.asked.borrow_mut().push("describe");
        Ok(Observed {
            value: StackState::Exists(Box::new(Stack {
                id: ARN.parse().unwrap(),
                name: "App".to_owned(),
                status: self.status.clone(),
                status_reason: None,
                created_at: self.begin(),
                updated_at: self.updated,
                tags: std::collections::BTreeMap::new(),
                root_id: None,
                last_operations: Vec::new(),
            })),
            server_time: Some(self.events[0].timestamp),
        })
    }
    fn events(
        &self,
        _: &StackName,
        next: Option<&str>,
    ) -> Result<Observed<EventsPage>, StackError> {
        self.asked.borrow_mut().push("events");
        let from: usize = next.map_or(0, |next| next.parse().unwrap());
        let events: Vec<StackEvent> = self.events.iter().skip(from).take(100).cloned().collect();
        Ok(Observed {
            value: EventsPage {
                next: (from + 100 < self.events.len()).then(|| (from + 100).to_string()),
                events,
            },
            server_time: None,
        })
    }
    fn resources(&self, _: &StackName) -> Result<Vec<StackResource>, StackError> {
        self.asked.borrow_mut().push("resources");
        Ok(Vec::new())
    }
    fn template(&self, _: &StackName) -> Result<String, StackError> {
        self.asked.borrow_mut().push("template");
        self.template.clone()
    }
}

fn watch(source: &Scripted) -> watch::Watched {
    let stack: StackName = "App".parse().unwrap();
    for_stack(
        source,
        &Past::default(),
        &Table::shipped(),
        &stack,
        started(),
    )
    .unwrap()
}

#[test]
fn a_stack_is_estimated_with_three_questions_however_many_events_it_has() {
    let small = Scripted::of("rlhf-synth-fixer_secure-web-stack_create3.jsonl", 12.0);
    let watched = watch(&small);
    assert_eq!(*small.asked.borrow(), ["describe", "events", "template"]);
    assert_eq!(watched.estimate.unwrap().elapsed.as_secs(), 7);
    let large = Scripted::of("rlhf-synth-fixer_tap-serverless-pr2695_create.jsonl", 500.0);
    assert!(large.events.len() > 200);
    let watched = watch(&large);
    assert_eq!(*large.asked.borrow(), ["describe", "events", "events"]);
    // The beginning lies before what was read; the stack's own time tells it.
    assert!(watched.estimate.unwrap().elapsed.as_secs() > 450);
}

#[test]
fn a_template_that_does_not_help_is_told_in_a_sentence() {
    for (template, expected) in [
        (
            Ok("{".to_owned()),
            "the template of App was not used: the template is neither JSON nor YAML: ",
        ),
        (
            Err(StackError::Denied {
                action: "cloudformation:GetTemplate".to_owned(),
                detail: "no".to_owned(),
            }),
            "the template of App was not read: AWS denied cloudformation:GetTemplate",
        ),
    ] {
        let source = Scripted {
            template,
            ..Scripted::of("ai-chatbot_ai-chatbot_create.jsonl", 10.0)
        };
        let watched = watch(&source);
        assert!(watched.estimate.is_some());
        assert!(
            watched.notes[0].starts_with(expected),
            "{:?}",
            watched.notes
        );
    }
}

#[test]
fn events_that_lag_behind_the_state_are_not_taken_for_the_operation() {
    let mut source = Scripted::of("ai-chatbot_ai-chatbot_create.jsonl", 100.0);
    // The events end with the creation, but CloudFormation says that an update has begun since.
    source.status = StackStatus::UpdateInProgress;
    source.updated = Some(source.events[0].timestamp + Duration::from_secs(60));
    let estimate = watch(&source).estimate.unwrap();
    assert!(estimate.remaining > Duration::ZERO);
    // The other way round the state lags, and all is over.
    source.updated = None;
    let estimate = watch(&source).estimate.unwrap();
    assert_eq!(estimate.basis, Basis::Over);
}

#[test]
fn an_idle_stack_has_no_estimate_and_costs_one_question() {
    let mut source = Scripted::of("ai-chatbot_ai-chatbot_create.jsonl", 100.0);
    source.status = StackStatus::CreateComplete;
    assert_eq!(watch(&source).estimate, None);
    assert_eq!(*source.asked.borrow(), ["describe"]);
}
