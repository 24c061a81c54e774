//! One deployment, step by step, each step with a fault of its own.

use std::time::Duration;

use end_to_end::World;
use registry_core::clock::{Clock as _, SystemClock};
use serde_json::json;
use simulators::{Event, Play, Run, Stack};

use crate::fault::{Breaker, Fault, Reach, Service, Struck};
use crate::ledger::{Ledger, STALE, Step, broken, went};

/// Steps of a life, each of which takes a fault.
pub(crate) const STEPS: usize = 15;

const STACK: &str = end_to_end::STACK;

/// What can strike the step at this place of a life.
pub(crate) fn reach(at: usize) -> Reach {
    use Service::{CloudFormation, DynamoDb, GitHub, Slack};
    let (asks, writes): (&'static [Service], bool) = match at {
        0 | 1 | 14 => (&[CloudFormation, DynamoDb], true),
        2 | 7 => (&[CloudFormation], false),
        5 => (&[CloudFormation], true),
        3 | 4 | 6 | 9 | 12 => (&[Slack], true),
        10 => (&[DynamoDb], true),
        13 => (&[GitHub], false),
        _ => (&[], true),
    };
    Reach { asks, writes }
}

/// What came of one fault.
pub(crate) struct Tried {
    pub(crate) fault: Fault,
    pub(crate) went: &'static str,
    step: String,
    hits: Vec<String>,
    wrong: Vec<String>,
}

impl Tried {
    pub(crate) fn was_hit(&self) -> bool {
        !self.hits.is_empty()
    }

    /// What was wrong, with everything that helps to see why.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.wrong.is_empty() {
            return None;
        }
        let wrong = self.wrong.join("; ");
        let hits = self.hits.join("\n");
        Some(format!("{}: {wrong}\n{hits}\n{}", self.fault, self.step))
    }
}

struct Life<'a> {
    world: World,
    breaker: &'a Breaker,
    ledger: Ledger,
    number: usize,
    tried: Vec<Tried>,
}

/// Lives one life with one fault in each step.
pub(crate) fn live(world: World, breaker: &Breaker, number: usize, faults: &[Fault]) -> Vec<Tried> {
    let mut life = Life {
        world,
        breaker,
        ledger: Ledger::default(),
        number,
        tried: Vec::new(),
    };
    life.prepare();
    for (at, fault) in faults.iter().enumerate() {
        life.step(at, fault);
    }
    life.end();
    life.tried
}

impl Life<'_> {
    fn prepare(&mut self) {
        let variables = [
            ("CHECK_INTERVAL", "100ms"),
            ("RECOVERY_INTERVAL", "200ms"),
            ("RETRY_GRACE", "100ms"),
            ("SLACK_TIMEOUT", "1s"),
            ("GITHUB_REPOSITORY", "owner/repo"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_TOKEN", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
        ];
        for (name, value) in variables {
            self.world.set(name, value);
        }
        self.world.github.set_run(Run::in_progress("owner/repo", 7));
        let since = SystemClock::default().now() - Duration::from_secs(600);
        let stale = json!({"deployments": [{
            "correlation_id": STALE, "workflow_run_id": "7", "environment": "staging", "stack_name": "OtherStack",
            "status": "IN_PROGRESS", "started_at": since.rfc3339(), "updated_at": since.rfc3339(),
        }]});
        self.world
            .write(".deployment-registry/deployments.json", &stale.to_string());
        self.world
            .cloudformation
            .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    }

    fn step(&mut self, at: usize, fault: &Fault) {
        let id = format!("life-{}", self.number);
        let run = format!("run-{}", self.number);
        let text = format!("message-{}-{at}", self.number);
        let i = id.as_str();
        let t = text.as_str();
        match at {
            0 => self.try_step(
                Step::Ask,
                i,
                fault,
                &[
                    "deployment-coordinator",
                    "can_deploy",
                    "production",
                    "--correlation-id",
                    i,
                ],
            ),
            1 => self.try_step(
                Step::Register,
                i,
                fault,
                &["deployment-coordinator", "register", i, "7", "production"],
            ),
            2 => self.try_step(
                Step::Look,
                i,
                fault,
                &["deployment-coordinator", "get_active", "production"],
            ),
            3 => self.try_step(
                Step::Tell(text.clone()),
                i,
                fault,
                &["slack-notifier", "concurrent", t, "production", "30"],
            ),
            4 => self.try_step(
                Step::Tell(text.clone()),
                i,
                fault,
                &["slack-notifier", "start", t, "production", "7"],
            ),
            5 => self.watched(i, fault),
            6 => self.try_step(
                Step::Tell(text.clone()),
                i,
                fault,
                &["slack-notifier", "progress", i, "UPDATE_IN_PROGRESS", t],
            ),
            7 => self.try_step(
                Step::Look,
                i,
                fault,
                &["deployment-time-estimator", "estimate", i, STACK, "1"],
            ),
            8 => self.try_step(
                Step::Queue(text.clone()),
                i,
                fault,
                &["slack-retry-queue", "queue", "alert", i, STACK, t],
            ),
            9 => self.try_step(
                Step::Tell(text.clone()),
                i,
                fault,
                &["slack-notifier", "failed", i, "production", t],
            ),
            10 => self.try_step(
                Step::CleanUp,
                i,
                fault,
                &[
                    "deployment-coordinator",
                    "cleanup",
                    i,
                    "--outcome",
                    "success",
                ],
            ),
            11 => self.try_step(
                Step::Learn,
                i,
                fault,
                &["deployment-time-estimator", "update", i, "7"],
            ),
            12 => self.try_step(Step::Send, i, fault, &["slack-retry-queue", "process"]),
            13 => self.try_step(
                Step::Doubt,
                "doubt",
                fault,
                &[
                    "deployment-coordinator",
                    "can_deploy",
                    "staging",
                    "--correlation-id",
                    "doubt",
                ],
            ),
            _ => self.run_command(&run, fault),
        }
    }

    // With the fault; and, where that did not succeed, once more without.
    fn try_step(&mut self, step: Step, id: &str, fault: &Fault, words: &[&str]) {
        let struck = self.breaker.run(&mut self.world, fault, words);
        let done = struck.outcome.code == Some(0) && struck.is_real();
        let mut wrong = broken(
            &self.world,
            &mut self.ledger,
            &step,
            id,
            Some(fault),
            &struck,
        );
        let mut shown = struck.outcome.to_string();
        // A fallback registers nothing, and a look tells nothing that lasts.
        let settled =
            done && !(step == Step::Register && self.ledger.holder.as_deref() != Some(id));
        if !settled && wrong.is_empty() {
            let again = Struck {
                outcome: self.world.run(words),
                hits: Vec::new(),
            };
            wrong = broken(&self.world, &mut self.ledger, &step, id, None, &again);
            if !wrong.is_empty() {
                shown = format!("{shown}\nand then\n{}", again.outcome);
            }
        }
        self.tried.push(Tried {
            fault: fault.clone(),
            went: went(&struck, fault),
            step: shown,
            hits: struck.hits,
            wrong,
        });
    }

    // The deployment itself: an update of half a second, watched by a monitor that is started again where it did not see the end.
    fn watched(&mut self, id: &str, fault: &Fault) {
        let events = [
            Event::own(0.0, "UPDATE_IN_PROGRESS"),
            Event::resource(0.1, "Queue", "AWS::SQS::Queue", "UPDATE_IN_PROGRESS"),
            Event::resource(0.2, "Queue", "AWS::SQS::Queue", "UPDATE_COMPLETE"),
            Event::own(0.3, "UPDATE_COMPLETE"),
        ];
        self.world
            .cloudformation
            .play(STACK, &events, &Play::default());
        let log = format!("{id}.log");
        self.try_step(
            Step::Watch,
            id,
            fault,
            &["deployment-monitor", id, STACK, "", &log],
        );
        let mut told: Vec<String> = Vec::new();
        for line in self.world.read(&log).lines() {
            if let Ok(line) = serde_json::from_str::<serde_json::Value>(line) {
                if line["level"] == "EVENT" {
                    told.push(line["event_id"].to_string());
                }
            } else {
                self.complain(format!("the log has a line that is none: {line}"));
            }
        }
        let all = told.len();
        told.sort();
        told.dedup();
        if told.len() != all || told.len() != events.len() {
            self.complain(format!(
                "{all} events in the log, {} of them different, of {}",
                told.len(),
                events.len()
            ));
        }
    }

    fn complain(&mut self, wrong: String) {
        if let Some(tried) = self.tried.last_mut() {
            tried.wrong.push(wrong);
        }
    }

    // The same under `run`, with an id of its own each time: one that was killed leaves its hold, which a person ends.
    fn run_command(&mut self, id: &str, fault: &Fault) {
        let words = [
            "deployment-coordinator",
            "run",
            "production",
            "--id",
            id,
            "--wait",
            "2s",
            "--",
            "echo",
            "ran",
        ];
        let struck = self.breaker.run(&mut self.world, fault, &words);
        let mut wrong = broken(
            &self.world,
            &mut self.ledger,
            &Step::Run,
            id,
            Some(fault),
            &struck,
        );
        let cleaned = self.world.run(&["deployment-coordinator", "cleanup", id]);
        if cleaned.code != Some(0) {
            wrong.push(format!("its hold cannot be ended: {cleaned}"));
        }
        let next = format!("{id}-again");
        let again = self.world.run(&[
            "deployment-coordinator",
            "run",
            "production",
            "--id",
            &next,
            "--",
            "echo",
            "ran",
        ]);
        if again.code != Some(0) || again.stdout.matches("ran\n").count() != 1 {
            wrong.push(format!("the next deployment does not run: {again}"));
        }
        self.tried.push(Tried {
            fault: fault.clone(),
            went: went(&struck, fault),
            step: struck.outcome.to_string(),
            hits: struck.hits,
            wrong,
        });
    }

    // Slack is there, and everything that was promised to it arrives.
    fn end(&mut self) {
        let sent = self
            .world
            .run(&["slack-retry-queue", "process", "--drain", "60s"]);
        if sent.code != Some(0) {
            self.complain(format!("the queue is not sent in the end: {sent}"));
        }
        let arrived: Vec<String> = self
            .world
            .slack
            .all_messages()
            .iter()
            .map(|message| format!("{} {:?}", message.text, message.blocks))
            .collect();
        // Progress that something newer replaced is not sent; there is one such message in a life.
        let progress = format!("message-{}-6", self.number);
        let missing = |text: &&String| {
            **text != progress && !arrived.iter().any(|there| there.contains(text.as_str()))
        };
        let missing: Vec<&String> = self.ledger.messages.iter().filter(missing).collect();
        if !missing.is_empty() {
            let files = self.world.files();
            let wrong = format!("{missing:?} never arrived in Slack; {files:?}; {sent}");
            self.complain(wrong);
        }
    }
}
