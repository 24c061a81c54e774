//! `wait`: a place in the queue, a poll every interval, the reservation of a freed environment.

pub(crate) mod limit;

use std::time::Duration;

use command_line::{Status, print_json, signals};
use registry_core::clock::{Clock, StopSignal, SystemClock, Wake, human_duration};
use registry_core::decide::{Decision, Seen, Verdict};
use registry_core::ids::CorrelationId;
use registry_core::registry::Registry;
use registry_core::settings::{CHECK_INTERVAL, RESERVATION};
use registry_core::slot::{Ask, Poll, Tombstone};
use registry_core::store::StoreError;

use crate::answer::{self, Answer};
use crate::args::{self, Place};
use crate::can_deploy::object;
use crate::error::Problem;
use crate::estimate;
use crate::judge::{View, fall_back, still_against, when_busy};
use crate::world::{Target, World};

/// How the waiting ended.
pub(crate) enum End {
    /// Free; with an id, reserved for it.
    Free { reserved: bool },
    /// The limit was reached; the last poll said no.
    Timeout,
    /// The last poll could not tell, or nothing that waiting can mend is in the way.
    CannotTell,
    /// Somebody cleaned the waiter up.
    Removed(Box<Tombstone>),
    /// A signal.
    Stopped(i32),
}

/// What one poll came to.
enum Turn {
    End(End),
    Again { place: usize },
}

/// One who waits.
pub(crate) struct Waiting<'a> {
    world: &'a World,
    registry: Registry,
    target: Target,
    ask: Option<Ask>,
    interval: Duration,
    limit: Duration,
    clock: SystemClock,
    begun: Duration,
    in_line: bool,
    fallback_told: bool,
    on_no: &'a mut dyn FnMut(&Decision),
}

/// What is waited for, and how long.
pub(crate) struct Plan<'a> {
    /// The environment.
    pub(crate) target: Target,
    /// Who waits; without an id there is no place in the queue.
    pub(crate) id: Option<&'a CorrelationId>,
    /// How often to look.
    pub(crate) interval: Duration,
    /// How long at most.
    pub(crate) limit: Duration,
}

pub(crate) fn run(world: &World, words: &args::Wait) -> Result<Status, Problem> {
    let (limit, reading) = limit::read(&words.max)?;
    let target = world.target(&Place {
        environment: Some(words.environment.clone()),
        stack: words.stack.clone(),
    })?;
    let interval = interval(world, words)?;
    let id = world.id()?;
    let stop = signals::catch().map_err(|error| {
        Problem::Usage(format!(
            "the signals that end the waiting could not be caught: {error}"
        ))
    })?;
    let who = id.as_ref().map_or_else(
        || "without an id, so with no place in the queue (CORRELATION_ID gives one)".to_owned(),
        |id| format!("as {id}"),
    );
    world.console().info(&format!(
        "waiting for {} at most {} ({reading}), {who}",
        target.environment,
        human_duration(limit)
    ));
    let plan = Plan {
        target,
        id: id.as_ref(),
        interval,
        limit,
    };
    let mut nobody = |_: &Decision| {};
    let mut waiting = Waiting::new(world, plan, &stop, &mut nobody)?;
    let (end, decision) = waiting.until_the_end(&stop)?;
    waiting.finish(id.as_ref(), &end, decision.as_ref())
}

fn interval(world: &World, words: &args::Wait) -> Result<Duration, Problem> {
    let Some(text) = &words.interval else {
        return Ok(world.settings().duration(&CHECK_INTERVAL)?);
    };
    registry_core::clock::parse_duration(text)
        .filter(|span| !span.is_zero())
        .ok_or_else(|| {
            Problem::Usage(format!(
                "--interval is {text:?}: give a duration above zero such as 200ms, 30s, 5m"
            ))
        })
}

impl<'a> Waiting<'a> {
    /// `on_no` is told every poll's decision that the wait goes on after. Waiting for the registry's lock ends with `stop`.
    pub(crate) fn new(
        world: &'a World,
        plan: Plan<'_>,
        stop: &StopSignal,
        on_no: &'a mut dyn FnMut(&Decision),
    ) -> Result<Self, Problem> {
        let clock = SystemClock::new(stop.clone());
        Ok(Self {
            world,
            registry: world.registry_until(stop)?,
            target: plan.target,
            ask: plan.id.map(|id| world.ask(id, plan.interval)).transpose()?,
            interval: plan.interval,
            limit: plan.limit,
            begun: clock.boot().since_boot,
            clock,
            in_line: false,
            fallback_told: false,
            on_no,
        })
    }

    /// Polls until the waiting ends, and gives up the place in the queue unless the environment is free. What is reserved then
    /// ends with this process, unless it is taken or [`Waiting::keep_the_reservation`] is called. May be called again after
    /// a yes that came to nothing; the limit is for all together.
    pub(crate) fn until_the_end(
        &mut self,
        stop: &StopSignal,
    ) -> Result<(End, Option<Decision>), Problem> {
        let (end, mut decision) = match self.poll_until_the_end(stop) {
            Ok(done) => done,
            Err(problem) => {
                self.give_up_the_place();
                return Err(problem);
            }
        };
        if !matches!(end, End::Free { .. }) {
            self.give_up_the_place();
        }
        self.in_line = false;
        if let Some(decision) = &mut decision {
            estimate::complete(self.world, decision, None);
        }
        Ok((end, decision))
    }

    fn poll_until_the_end(
        &mut self,
        stop: &StopSignal,
    ) -> Result<(End, Option<Decision>), Problem> {
        let mut last = None;
        loop {
            if let Some(signal) = stop.signal() {
                return Ok((End::Stopped(signal), last));
            }
            let (turn, decision) = match self.poll() {
                Ok(polled) => polled,
                Err(Problem::Store(StoreError::Stopped)) => continue,
                Err(other) => return Err(other),
            };
            let place = match turn {
                Turn::End(end) => return Ok((end, Some(decision))),
                Turn::Again { place } => place,
            };
            let left = self.left();
            if left.is_zero() {
                let end = if decision.verdict == Verdict::CannotTell {
                    End::CannotTell
                } else {
                    End::Timeout
                };
                return Ok((end, Some(decision)));
            }
            self.tell(&decision, place);
            last = Some(decision);
            // The stop is looked at above.
            let (Wake::Elapsed | Wake::Stopped) = self.clock.sleep(self.interval.min(left));
        }
    }

    /// How long it has waited.
    pub(crate) fn waited(&self) -> Duration {
        self.clock.boot().since_boot.saturating_sub(self.begun)
    }

    /// Waits until the next poll is due; `false`: no time is left.
    pub(crate) fn pause(&self) -> bool {
        let left = self.left();
        // A stop is seen by the next poll.
        let (Wake::Elapsed | Wake::Stopped) = self.clock.sleep(self.interval.min(left));
        !left.is_zero()
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.waited())
    }

    fn poll(&mut self) -> Result<(Turn, Decision), Problem> {
        // In line before CloudFormation is asked: first come, first served.
        let lined_up = self.line_up();
        let seen = self.world.look(&self.target.stacks)?;
        let polled = lined_up.and_then(|()| self.ask_registry(&seen));
        let (turn, decision) = match polled {
            Err(Problem::Store(why @ StoreError::Unavailable(_))) => {
                self.poll_alone(&seen, &why)?
            }
            Err(Problem::Store(why @ StoreError::Busy { .. })) => {
                let id = self.ask.as_ref().map(|ask| ask.correlation_id.as_str());
                let (_, decision) =
                    when_busy(self.world, &self.registry, &self.target, id, &seen, &why)?;
                (Turn::Again { place: 0 }, decision)
            }
            other => other?,
        };
        let hopeless = seen
            .iter()
            .filter_map(|seen| seen.answer.as_ref().err())
            .find(|error| !error.may_pass());
        if let (Some(error), Turn::Again { .. }) = (hopeless, &turn) {
            self.world
                .console()
                .error(&format!("{error}; waiting does not mend that"));
            return Ok((Turn::End(End::CannotTell), decision));
        }
        Ok((turn, decision))
    }

    fn line_up(&mut self) -> Result<(), Problem> {
        if let (Some(ask), false) = (&self.ask, self.in_line) {
            self.registry
                .enqueue(self.target.environment.as_str(), ask)?;
            self.in_line = true;
        }
        Ok(())
    }

    fn ask_registry(&self, seen: &[Seen]) -> Result<(Turn, Decision), Problem> {
        let (world, registry, target) = (self.world, &self.registry, &self.target);
        let id = self.ask.as_ref().map(|ask| ask.correlation_id.as_str());
        let view = View::take(registry, target, id)?.bury_the_dead(
            world,
            registry,
            target,
            id,
            seen,
            id.is_some(),
        )?;
        let Some(ask) = &self.ask else {
            let decision = view.decide(target, seen);
            return Ok(match decision.verdict {
                Verdict::May => (Turn::End(End::Free { reserved: false }), decision),
                Verdict::MayNot | Verdict::CannotTell => (Turn::Again { place: 0 }, decision),
            });
        };
        let environment = target.environment.as_str();
        let decided = registry.poll(environment, ask, &target.names(), seen)?;
        let turn = match decided.answer {
            Poll::Free(_) => Turn::End(End::Free { reserved: true }),
            Poll::Waiting(_, place) => Turn::Again { place },
            Poll::Removed(tombstone) => Turn::End(End::Removed(tombstone)),
        };
        Ok((turn, decided.decision))
    }

    // No holder and no queue can be seen: CloudFormation decides.
    fn poll_alone(&mut self, seen: &[Seen], why: &StoreError) -> Result<(Turn, Decision), Problem> {
        if self.world.registry_required()? {
            return Err(Problem::RegistryRequired(why.to_string()));
        }
        let id = self.ask.as_ref().map(|ask| ask.correlation_id.as_str());
        if let Some((_, decision)) = still_against(&self.registry, &self.target, id, seen) {
            return Ok((Turn::Again { place: 0 }, decision));
        }
        let decision = fall_back(self.world, &self.target, seen, why, !self.fallback_told)?;
        self.fallback_told = true;
        let turn = match decision.verdict {
            Verdict::May => Turn::End(End::Free { reserved: false }),
            Verdict::MayNot | Verdict::CannotTell => Turn::Again { place: 0 },
        };
        Ok((turn, decision))
    }

    fn tell(&mut self, decision: &Decision, place: usize) {
        let queue = match place {
            0 => String::new(),
            place => format!("; place {place} in the queue"),
        };
        let mut decision = decision.clone();
        estimate::complete(self.world, &mut decision, None);
        let remaining = decision
            .active
            .as_ref()
            .and_then(|active| active.estimated_remaining_minutes)
            .map_or_else(String::new, |minutes| {
                format!("; it needs about {minutes}m more")
            });
        let line = format!(
            "{}: {}{remaining}{queue}; waited {}, {} left",
            decision.reason.as_str(),
            decision.message,
            human_duration(self.waited()),
            human_duration(self.left())
        );
        match decision.verdict {
            Verdict::CannotTell => self.world.console().warning(&line),
            Verdict::May | Verdict::MayNot => self.world.console().info(&line),
        }
        (self.on_no)(&decision);
    }

    // With a registry of its own, whose lock is waited for although a signal came.
    fn give_up_the_place(&self) {
        let (Some(ask), true) = (&self.ask, self.in_line) else {
            return;
        };
        let left = self.world.registry().and_then(|registry| {
            registry.leave(self.target.environment.as_str(), &ask.correlation_id)
        });
        if let Err(error) = left {
            self.world.console().warning(&format!(
                "the place in the queue could not be given up, it lapses by itself: {error}"
            ));
        }
    }

    fn finish(
        &self,
        id: Option<&CorrelationId>,
        end: &End,
        decision: Option<&Decision>,
    ) -> Result<Status, Problem> {
        let console = self.world.console();
        let environment = &self.target.environment;
        let waited = human_duration(self.waited());
        let (outcome, status) = match end {
            End::Free { reserved } => {
                let kept = if *reserved {
                    ", and kept for this deployment: register it now"
                } else {
                    ""
                };
                console.success(&format!("{environment} is free after {waited}{kept}"));
                ("FREE", Status::Yes)
            }
            End::Timeout => {
                console.error(&format!("{environment} was not free within {waited}"));
                ("TIMEOUT", Status::No)
            }
            End::CannotTell => {
                let why = decision.map_or("", |decision| decision.message.as_str());
                console.error(&format!(
                    "whether {environment} is free cannot be told: {why}"
                ));
                ("CANNOT_TELL", Status::CannotTell)
            }
            End::Removed(tombstone) => {
                let by = tombstone.ended.by.as_deref().unwrap_or("somebody");
                console.error(&format!(
                    "the place in the queue was taken away by {by} (cleanup)"
                ));
                ("REMOVED", Status::No)
            }
            End::Stopped(signal) => {
                console.info(&format!(
                    "stopped by signal {signal}, the place in the queue is given up"
                ));
                // As a shell tells it: 128 and the signal's number.
                let code = u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX);
                ("STOPPED", Status::Other(code))
            }
        };
        let reserved = matches!(end, End::Free { reserved: true });
        let seconds = self.world.settings().duration(&RESERVATION)?.as_secs();
        let scope = self.registry.scope().as_str();
        let fields =
            decision.map(|decision| answer::decision(decision, &self.target, Some(scope)).value());
        let json = Answer::default()
            .with("outcome", outcome)
            .with("waited_seconds", self.waited().as_secs())
            .and(fields.map(object).unwrap_or_default())
            .with(
                "reserved_for",
                id.filter(|_| reserved).map(CorrelationId::as_str),
            )
            .with("reservation_seconds", reserved.then_some(seconds));
        self.world
            .github_output(&[("can_proceed", matches!(end, End::Free { .. }).to_string())]);
        let status = print_json(&json.value(), status);
        if reserved {
            self.keep_the_reservation();
        }
        Ok(status)
    }

    // From now on the reservation no longer ends with this process.
    fn keep_the_reservation(&self) {
        let Some(ask) = &self.ask else {
            return;
        };
        let environment = self.target.environment.as_str();
        if let Err(error) = self.registry.answered(environment, &ask.correlation_id) {
            self.world.console().warning(&format!(
                "{environment} is free, but could not be kept for {}: {error}",
                ask.correlation_id
            ));
        }
    }
}
