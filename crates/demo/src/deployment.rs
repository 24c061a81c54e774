//! One deployment's way through the guide's fourteen steps.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use registry_core::trace::Trace;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use simulators::{Play, Run};

use crate::scene::Scene;
use crate::timeline::Timeline;

/// The stack that both deployments want.
pub(crate) const STACK: &str = "CourtCaseManagementStack";
const CHANNEL: &str = simulators::UPDATES;
const SCRIPTS: &str = "bash caseapp/scripts";

/// A recorded operation takes so many seconds here.
const PLAYED_SECONDS: f64 = 13.0;

/// How a deployment ended, as its monitor saw it.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) succeeded: bool,
    pub(crate) outcome: Value,
}

/// A deployment that has an id.
pub(crate) struct Deployment<'a> {
    scene: &'a Scene,
    /// How the timeline calls it.
    pub(crate) who: &'static str,
    pub(crate) id: String,
    run: u64,
    begun: Instant,
}

impl<'a> Deployment<'a> {
    /// Steps 1 and 2: GitHub starts a run, which makes its id.
    pub(crate) fn trigger(scene: &'a Scene, who: &'static str, run: u64) -> Result<Self> {
        scene
            .github
            .set_run(Run::in_progress("owner/repo", run).job("deploy", who));
        scene
            .timeline
            .tell(who, &format!("GitHub starts workflow run {run}"));
        let made = scene.expect(
            who,
            "",
            0,
            &format!("{SCRIPTS}/deployment-coordinator.sh new_id"),
        )?;
        let id = made.stdout.trim().to_owned();
        Timeline::answer(&format!("its correlation id is {id}"));
        Ok(Self {
            scene,
            who,
            id,
            run,
            begun: Instant::now(),
        })
    }

    fn expect(&self, code: i32, line: &str) -> Result<crate::scene::Done> {
        self.scene
            .expect(self.who, &self.id, code, &format!("{SCRIPTS}/{line}"))
    }

    /// Step 3: may it start? `code` is the right answer.
    pub(crate) fn can_deploy(&self, code: i32) -> Result<Value> {
        let answer = self
            .expect(code, "deployment-coordinator.sh can_deploy production")?
            .json()?;
        Timeline::answer(&format!(
            "can_deploy {}: {}",
            answer["can_deploy"], answer["reason"]
        ));
        Ok(answer)
    }

    /// Step 4, first half: Slack is told that this one queues behind `answer`'s deployment.
    pub(crate) fn tell_queued(&self, answer: &Value) -> Result<()> {
        let active = self.scene.path("active.json");
        #[expect(clippy::disallowed_methods, reason = "a scratch file of the demo")]
        fs::write(&active, answer["active_deployment"].to_string())?;
        let line = format!(
            "slack-notifier.sh concurrent {} production \"$(cat active.json)\"",
            self.id
        );
        self.expect(0, &line)?;
        Ok(())
    }

    /// Step 4, second half: takes its place in the waiting queue.
    pub(crate) fn wait_in_background(&self) -> Result<std::process::Child> {
        let line = format!(
            "{SCRIPTS}/deployment-coordinator.sh wait production 1800 > wait.json 2> wait.log"
        );
        self.scene.start(self.who, &self.id, &line)
    }

    /// Steps 5 to 8: registers, tells Slack, starts monitor and recovery.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.begun = Instant::now();
        let entry = self
            .expect(
                0,
                &format!(
                    "deployment-coordinator.sh register {} {} production",
                    self.id, self.run
                ),
            )?
            .json()?;
        Timeline::answer(&format!(
            "holds production, fencing token {}",
            entry["fencing_token"]
        ));
        self.expect(
            0,
            &format!(
                "slack-notifier.sh start {} production {}",
                self.id, self.run
            ),
        )?;
        let (id, log) = (&self.id, self.log());
        let words = format!("{id} {STACK} {CHANNEL} {log}");
        let mut nohup = self.scene.start(
            self.who,
            id,
            &format!("nohup {SCRIPTS}/deployment-monitor.sh {words} >> {log} 2>&1 &"),
        )?;
        nohup.wait()?;
        self.monitor()?;
        let mut nohup = self.scene.start(
            self.who,
            id,
            &format!(
                "nohup {SCRIPTS}/monitor-recovery.sh {words} >> recovery-{}.log 2>&1 &",
                self.who
            ),
        )?;
        nohup.wait()?;
        Ok(())
    }

    /// The name of the monitor's log.
    pub(crate) fn log(&self) -> String {
        format!("deployment-monitor-{}.log", self.who)
    }

    /// Step 9: the stack moves as it did in the record.
    pub(crate) fn deploy(&self, trace: &Trace, name: &str) {
        let seconds = trace.duration_seconds();
        let speed = (seconds / PLAYED_SECONDS).max(1.0);
        self.scene.timeline.tell(
            self.who,
            &format!("cdk deploy: the stack moves as in {name}, {seconds:.0} s of it at {speed:.0} times the speed"),
        );
        self.scene
            .cloudformation
            .play_trace(STACK, trace, &Play::at_speed(speed));
    }

    /// The process id of the monitor, as soon as there is one.
    pub(crate) fn monitor(&self) -> Result<Pid> {
        Scene::wait_for("a monitor to run", || monitor_of(&self.id))
    }

    /// Kills the monitor as the kernel does when memory runs out, and waits for recovery to start another.
    pub(crate) fn lose_monitor(&self) -> Result<()> {
        let lost = self.monitor()?;
        kill_process(lost, Signal::KILL)?;
        let lost = lost.as_raw_nonzero();
        self.scene.timeline.tell(
            self.who,
            &format!("its monitor, process {lost}, is killed with -9"),
        );
        let fresh = Scene::wait_for("recovery to start another monitor", || {
            monitor_of(&self.id).filter(|fresh| fresh.as_raw_nonzero() != lost)
        })?;
        let fresh = fresh.as_raw_nonzero();
        self.scene.timeline.tell(
            self.who,
            &format!("recovery has started another, process {fresh}"),
        );
        Ok(())
    }

    /// Step 11: waits for the monitor's last word.
    pub(crate) fn ending(&self) -> Result<Ending> {
        let last = Scene::wait_for("the monitor's outcome", || {
            let log = self.scene.read(&self.log());
            let line = log.lines().rfind(|line| line.contains("\"outcome\""))?;
            serde_json::from_str::<Value>(line).ok()
        })?;
        let text = last["outcome"].as_str().unwrap_or_default();
        self.scene.timeline.tell(
            self.who,
            &format!(
                "the monitor ends: {}",
                last["message"].as_str().unwrap_or(text)
            ),
        );
        Ok(Ending {
            succeeded: text == "deployed",
            outcome: last,
        })
    }

    /// Steps 12 to 14: tells Slack how it ended, cleans up, updates the history.
    pub(crate) fn finish(&self, ending: &Ending) -> Result<()> {
        let (id, minutes) = (&self.id, self.begun.elapsed().as_secs().div_ceil(60));
        if ending.succeeded {
            self.expect(
                0,
                &format!(
                    "slack-notifier.sh complete {id} production {minutes} http://app.example.com"
                ),
            )?;
        } else {
            let cause = first_cause(&ending.outcome).context("the outcome names no first cause")?;
            let quoted = cause.replace('\'', "'\\''");
            self.expect(
                0,
                &format!("slack-notifier.sh failed {id} production '{quoted}' {STACK}"),
            )?;
        }
        self.expect(0, &format!("deployment-coordinator.sh cleanup {id}"))?;
        let conclusion = if ending.succeeded {
            "success"
        } else {
            "failure"
        };
        self.scene
            .github
            .set_run(Run::in_progress("owner/repo", self.run).completed(conclusion));
        if ending.succeeded {
            self.expect(0, "deployment-time-estimator.sh collect")?;
            self.expect(
                0,
                &format!("deployment-time-estimator.sh update {id} {minutes}"),
            )?;
        }
        Ok(())
    }

    /// Every event of the stack's operation must stand in the log once.
    pub(crate) fn check_log(&self) -> Result<usize> {
        let log = self.scene.read(&self.log());
        let mut seen = std::collections::BTreeSet::new();
        for line in log.lines() {
            let line: Value = serde_json::from_str(line)
                .with_context(|| format!("the log has a line that is not JSON: {line}"))?;
            if line["level"] == "EVENT" && !seen.insert(line["event_id"].to_string()) {
                bail!("the log has event {} twice", line["event_id"]);
            }
        }
        Ok(seen.len())
    }
}

/// The first cause of a failure in an `outcome` line, as a sentence.
pub(crate) fn first_cause(outcome: &Value) -> Option<String> {
    match &outcome["first_cause"] {
        Value::String(text) => Some(text.clone()),
        Value::Object(cause) => {
            let text = |name: &str| {
                cause
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            Some(format!(
                "{} {}: {}",
                text("resource_type"),
                text("logical_resource_id"),
                text("reason")
            ))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// What `pgrep -f "deployment-monitor.sh ID"` finds: the guide's own way to look for a monitor.
pub(crate) fn monitor_of(id: &str) -> Option<Pid> {
    let found = std::process::Command::new("pgrep")
        .args(["-n", "-f", &format!("deployment-monitor.sh .*{id} ")])
        .output()
        .ok()?;
    let newest = String::from_utf8_lossy(&found.stdout).trim().parse().ok()?;
    Pid::from_raw(newest)
}
