//! The verdict, the lingering after a failure, the end.

use std::time::Duration;

use registry_core::clock::{Timestamp, human_duration};
use registry_core::progress::{Phase, Verdict, verdict_of};
use registry_core::stack::{StackStatus, StatusClass};

use super::{Ending, Outcome, Outside, StackWatch, Stage};
use crate::judge::Judgement;
use crate::lines::Level;
use crate::messages;
use crate::ports::Channel;

/// Said once when nothing has begun for so long.
const NOT_BEGUN_NOTICE: Duration = Duration::from_secs(600);

/// After the hold has ended, so many looks may still be spent on a verdict that is about to come.
const LAST_LOOKS: u32 = 5;

impl StackWatch {
    // Weighs what was seen, and ends the watching where it is to end.
    pub(super) fn decide(&mut self, outside: &mut Outside<'_>) -> Judgement {
        let mut judgement = Judgement::Open;
        if let Some(described) = self.described.clone() {
            judgement = self.judge.weigh(&described, &self.progress);
        }
        if self.gone || self.followed {
            judgement = self.verdict_of_events();
        }
        if self.progress.started_at().is_some() && self.stage == Stage::NotBegun {
            self.stage = Stage::Running;
        }
        let again = self.progress.phase() != Phase::Ended;
        if again && matches!(self.stage, Stage::Lingering { .. }) {
            self.stage = Stage::Running;
            self.cursor.failed_at_ms = None;
        }
        match judgement {
            Judgement::Over(Verdict::Deployed) => self.succeed(outside),
            Judgement::Over(Verdict::Failed) => self.fail(outside),
            Judgement::Open | Judgement::Closing => {}
        }
        self.end_if_due(outside);
        judgement
    }

    // A stack that is no more, or that another deployment works on, tells our end only by its events.
    fn verdict_of_events(&self) -> Judgement {
        let status = self
            .progress
            .status()
            .filter(|_| self.progress.phase() == Phase::Ended);
        status
            .and_then(|status| verdict_of(status, self.progress.is_undone()))
            .map_or(Judgement::Open, Judgement::Over)
    }

    fn final_status(&self) -> StackStatus {
        let described = self
            .described
            .as_ref()
            .filter(|_| !self.gone && !self.followed)
            .map(|stack| stack.status.clone());
        described
            .or_else(|| self.progress.status().cloned())
            .unwrap_or(StackStatus::Unknown("UNKNOWN".to_owned()))
    }

    fn succeed(&mut self, outside: &mut Outside<'_>) {
        let status = self.final_status();
        self.record(&status, None, outside);
        self.failed_before = None;
        self.stage = Stage::Over(Outcome::Deployed(status));
    }

    fn fail(&mut self, outside: &mut Outside<'_>) {
        let status = self.final_status();
        if let Stage::Lingering { status: told, .. } = &self.stage
            && *told == status
        {
            return;
        }
        self.failed_before = Some(status.clone());
        let at = self.aws.now(outside.clock);
        let since = match (self.cursor.failed_at_ms, &self.stage) {
            // A stack that was deleted after its failure is waited for anew.
            (Some(millis), Stage::NotBegun | Stage::Running) => Timestamp::from_millis(millis),
            (_, Stage::Lingering { .. } | Stage::Over(_)) | (None, _) => at,
        };
        self.cursor.failed_at_ms = Some(since.millis());
        let first_time = !matches!(self.stage, Stage::Lingering { .. });
        self.stage = Stage::Lingering {
            since,
            status: status.clone(),
        };
        if !first_time {
            return;
        }
        let cause = self
            .progress
            .first_failure()
            .map(registry_core::progress::Failure::sentence);
        self.record(&status, cause.clone(), outside);
        let message = messages::failed(&self.progress, &status);
        let key = self.attempt_key("failed");
        let text = format!(
            "{message}. Another attempt is waited for until the deployment is cleaned up, {} at most",
            human_duration(self.limits.retry_grace)
        );
        self.note(&key, Level::Error, &text, outside);
        // A line each, so that a command can be copied out of a log.
        let ways = messages::next(&self.progress, &status, &self.name);
        for (number, line) in messages::next_lines(&ways).iter().enumerate() {
            let key = self.attempt_key(&format!("next-{number}-{status}"));
            self.note(&key, Level::Info, line, outside);
        }
        if let Some(question) = messages::question(&status, &self.name, cause.as_deref()) {
            let key = self.attempt_key(&format!("question-{status}"));
            self.alert(&key, question, Channel::Interact, outside);
        }
    }

    fn record(&mut self, status: &StackStatus, cause: Option<String>, outside: &mut Outside<'_>) {
        let ending = Ending {
            status: status.clone(),
            first_cause: cause,
            at: self.aws.now(outside.clock),
        };
        if let Err(error) = outside.deployments.record(&ending) {
            let text =
                format!("how the stack ended could not be recorded in the registry: {error}");
            self.say_once("record", Level::Warning, &text, outside);
        }
    }

    fn end_if_due(&mut self, outside: &mut Outside<'_>) {
        let now = self.aws.now(outside.clock);
        let ending = self.is_time_to_end();
        match self.stage.clone() {
            Stage::Lingering { since, status } => {
                if ending || now.since(since) >= self.limits.retry_grace {
                    self.stage = Stage::Over(Outcome::Failed(status));
                }
            }
            Stage::NotBegun | Stage::Running if ending => self.end_now(),
            Stage::NotBegun => self.wait_for_a_beginning(now, outside),
            Stage::Running => {
                if self.is_between_attempts() {
                    self.give_up_if_due(now);
                }
            }
            Stage::Over(_) => {}
        }
    }

    // Cleaned up: what was there has been read. A verdict that only waits for its second source gets a few looks more.
    fn is_time_to_end(&mut self) -> bool {
        let Some(looks) = self.ending.as_mut() else {
            return false;
        };
        *looks += 1;
        let closing = self.stage == Stage::Running
            && self.progress.phase() == Phase::Ended
            && *looks < LAST_LOOKS;
        !closing || self.is_between_attempts()
    }

    // Deleted, and not yet created anew; or a status that says nothing.
    fn is_between_attempts(&self) -> bool {
        self.progress.phase() == Phase::Ended
            && self
                .progress
                .status()
                .is_some_and(|status| match status.class() {
                    StatusClass::Deleted => !self.progress.is_undone(),
                    StatusClass::DeleteOnly => *status == StackStatus::DeleteFailed,
                    StatusClass::InProgress
                    | StatusClass::CleaningUp
                    | StatusClass::RollingBack
                    | StatusClass::Deleting
                    | StatusClass::Parked
                    | StatusClass::Succeeded
                    | StatusClass::RolledBack
                    | StatusClass::NeedsDecision
                    | StatusClass::Unknown => false,
                })
    }

    fn give_up_if_due(&mut self, now: Timestamp) -> bool {
        let first_look = Timestamp::from_millis(self.cursor.first_look_ms.unwrap_or_default());
        let due = now.since(first_look) >= self.limits.give_up;
        if due {
            self.stage = Stage::Over(match self.outcome_without_verdict() {
                Outcome::HoldEnded => Outcome::NothingSeen,
                other @ (Outcome::Deployed(_) | Outcome::Failed(_) | Outcome::NothingSeen) => other,
            });
        }
        due
    }

    fn wait_for_a_beginning(&mut self, now: Timestamp, outside: &mut Outside<'_>) {
        if self.give_up_if_due(now) {
            return;
        }
        let first_look = Timestamp::from_millis(self.cursor.first_look_ms.unwrap_or_default());
        let from = self
            .beginning
            .registered_at
            .filter(|at| *at < first_look)
            .unwrap_or(first_look);
        let waited = now.since(from);
        let told = human_duration(waited);
        if waited >= self.limits.start_grace {
            let text = format!(
                "No stack operation has begun since the deployment was registered {told} ago{}. Is the deploy command still running? \
                 If not, run: deployment-coordinator cleanup {}",
                self.no_such_stack(),
                outside.lines.id
            );
            let key = self.key("not-begun");
            self.note(&format!("{key}.log"), Level::Warning, &text, outside);
            self.alert(&key, text, Channel::Updates, outside);
        } else if waited >= NOT_BEGUN_NOTICE {
            let text = format!(
                "the deployment has not begun yet: no stack operation for {told}{}",
                self.no_such_stack()
            );
            let key = self.key("not-begun-notice");
            self.note(&key, Level::Info, &text, outside);
        }
    }

    // A stack that is only made by this deployment has its name before it exists; one with a wrong name never will.
    fn no_such_stack(&self) -> String {
        if self.missing {
            format!(
                ", and CloudFormation has no stack {} in this region",
                self.name()
            )
        } else {
            String::new()
        }
    }
}
