//! The decision as commands reach it: the registry's snapshot, CloudFormation, dead holders abandoned on the way, and the
//! fallback where the registry cannot be used.

use registry_core::decide::{Decision, Question, Reason, Seen, Source, Verdict, decide};
use registry_core::registry::{Registry, RunSource, gather};
use registry_core::slot::{Entry, EntryStatus, Now, Slot, Standing};
use registry_core::store::{About, Snapshot, StoreError};

use crate::error::Problem;
use crate::world::{Target, World};

/// The words that say that the registry is not used; people search for them.
pub(crate) const FALLBACK_WORDS: &str =
    "Registry unavailable, falling back to CloudFormation-only coordination";

/// Where the caller stands, after dead holders were taken away.
pub(crate) struct View {
    pub(crate) slot: Slot,
    pub(crate) standing: Standing,
    snapshot: Snapshot,
}

impl View {
    pub(crate) fn take(
        registry: &Registry,
        target: &Target,
        id: Option<&str>,
    ) -> Result<Self, StoreError> {
        let about = About {
            environment: Some(target.environment.as_str()),
            id,
            stacks: &target.names(),
        };
        Ok(Self::of(registry.look(about)?, target, id))
    }

    fn of(snapshot: Snapshot, target: &Target, id: Option<&str>) -> Self {
        let environment = target.environment.as_str();
        let slot = snapshot.slot(environment);
        let elsewhere = snapshot.elsewhere(environment, id, &target.names());
        let standing = slot.standing(id, &elsewhere);
        Self {
            slot,
            standing,
            snapshot,
        }
    }

    /// The decision, by what CloudFormation said.
    pub(crate) fn decide(&self, target: &Target, seen: &[Seen]) -> Decision {
        decide(
            &Question {
                environment: target.environment.as_str(),
                standing: &self.standing,
                now: self.snapshot.now.at,
            },
            seen,
        )
    }

    fn without(mut self, dead: &Entry, target: &Target, id: Option<&str>) -> Self {
        for slot in self.snapshot.slots.values_mut() {
            if slot.environment == dead.environment {
                slot.holds.retain(|entry| entry != dead);
            }
        }
        Self::of(self.snapshot, target, id)
    }

    /// Takes away, one after the other, the holders in the caller's way that are proven dead: in the registry when `write`,
    /// else only in this view.
    pub(crate) fn bury_the_dead(
        mut self,
        world: &World,
        registry: &Registry,
        target: &Target,
        id: Option<&str>,
        seen: &[Seen],
        write: bool,
    ) -> Result<Self, Problem> {
        // One that cannot be read is told of now, and not only when somebody may be dead.
        world.leases()?;
        // No more than there are holders; a file that is changed under us cannot keep us here.
        for _ in 0..=self
            .snapshot
            .slots
            .values()
            .map(|slot| slot.holds.len())
            .sum()
        {
            let Standing::HeldByOther(entry) = &self.standing else {
                break;
            };
            let entry = entry.clone();
            let now = &self.snapshot.now;
            let Some(proof) = proof_of_death(world, &entry, seen, now)? else {
                break;
            };
            if write {
                let (environment, holder) = (&entry.environment, &entry.correlation_id);
                let gone = registry.abandon(environment, holder, &entry.last_beat(), &proof)?;
                if gone.is_none() {
                    // It beat meanwhile, or somebody else was faster: look anew and leave it at that.
                    return Ok(Self::take(registry, target, id)?);
                }
            }
            tell_abandoned(world, &entry, &proof);
            self = self.without(&entry, target, id);
        }
        Ok(self)
    }
}

// What proves that the holder `entry` is dead; asks about its stacks and, where that can be done, GitHub about its run.
fn proof_of_death(
    world: &World,
    entry: &Entry,
    seen: &[Seen],
    now: &Now,
) -> Result<Option<String>, Problem> {
    let leases = world.leases()?;
    if !leases.worth_asking(entry, now) {
        return Ok(None);
    }
    let runs = world.runs();
    let runs = runs.as_ref().map(|runs| runs as &dyn RunSource);
    let evidence = gather(entry, seen, world.stacks()?, runs, &leases, now);
    Ok(leases.proof_of_death(entry, &evidence, now))
}

fn tell_abandoned(world: &World, entry: &Entry, proof: &str) {
    world.console().warning(&format!(
        "{} no longer holds {} ({}): {proof}",
        entry.correlation_id,
        entry.environment,
        EntryStatus::Abandoned.as_str()
    ));
}

/// Takes the hold away that stands in the way of its own id (an earlier attempt of the same run, the other leg of a matrix), if
/// its holder is proven dead; whether it was.
pub(crate) fn bury_namesake(
    world: &World,
    registry: &Registry,
    entry: &Entry,
    seen: &[Seen],
) -> Result<bool, Problem> {
    let now = registry.look(About::default())?.now;
    let Some(proof) = proof_of_death(world, entry, seen, &now)? else {
        return Ok(false);
    };
    let (environment, id) = (&entry.environment, &entry.correlation_id);
    let gone = registry.abandon(environment, id, &entry.last_beat(), &proof)?;
    if gone.is_some() {
        tell_abandoned(world, entry, &proof);
    }
    Ok(gone.is_some())
}

/// The registry cannot be written, but it may still be read: what it has against the caller counts. `None`: nothing, or it
/// cannot be read either.
pub(crate) fn still_against(
    registry: &Registry,
    target: &Target,
    id: Option<&str>,
    seen: &[Seen],
) -> Option<(View, Decision)> {
    let view = View::take(registry, target, id).ok()?;
    let decision = view.decide(target, seen);
    let no = decision.verdict == Verdict::MayNot && decision.source == Source::Registry;
    no.then_some((view, decision))
}

/// Decides by CloudFormation alone, because of `why`; or, where the registry is required, cannot tell.
pub(crate) fn fall_back(
    world: &World,
    target: &Target,
    seen: &[Seen],
    why: &StoreError,
    tell: bool,
) -> Result<Decision, Problem> {
    world.note_lost_registry();
    let question = Question {
        environment: target.environment.as_str(),
        standing: &Standing::Free,
        now: registry_core::clock::Clock::now(&registry_core::clock::SystemClock::default()),
    };
    let mut decision = decide(&question, seen);
    decision.source = Source::Fallback;
    if world.registry_required()? {
        world
            .console()
            .error(&Problem::RegistryRequired(why.to_string()).to_string());
        return Ok(Decision {
            verdict: Verdict::CannotTell,
            reason: Reason::RegistryUnavailable,
            message: why.to_string(),
            source: Source::Registry,
            active: None,
            warning: None,
            ..decision
        });
    }
    if tell {
        world.console().warning(FALLBACK_WORDS);
        world.console().warning(&format!(
            "{why}; no holder, queue or freeze can be seen, so two deployments that start now do not see each other"
        ));
    }
    if let Some(active) = &mut decision.active {
        registry_core::decide::mark_fallback(active);
    }
    Ok(decision)
}

/// The lock could not be had in time: look once more without it. An active holder is a no; nothing else is an answer.
pub(crate) fn when_busy(
    world: &World,
    registry: &Registry,
    target: &Target,
    id: Option<&str>,
    seen: &[Seen],
    why: &StoreError,
) -> Result<(View, Decision), Problem> {
    let view = View::take(registry, target, id)?;
    let decision = view.decide(target, seen);
    let held = match &view.standing {
        Standing::HeldByOther(_) | Standing::HeldByCaller(_) => true,
        Standing::Frozen(_)
        | Standing::Behind(_)
        | Standing::ReservedForCaller
        | Standing::Free => false,
    };
    if held {
        return Ok((view, decision));
    }
    world.console().error(&why.to_string());
    let decision = Decision {
        verdict: Verdict::CannotTell,
        reason: Reason::RegistryBusy,
        message: why.to_string(),
        source: Source::Registry,
        active: None,
        warning: None,
        ..decision
    };
    Ok((view, decision))
}
