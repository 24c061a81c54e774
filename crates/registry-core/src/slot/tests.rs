//! Tables of cases, and a model: whatever happens in whatever order, an environment never has two holders.

mod model;

use super::*;

pub(super) const NOON: i64 = 1_768_392_000;
pub(super) const RESERVATION: Duration = Duration::from_secs(120);
pub(super) const LEASE: Duration = Duration::from_secs(90);

fn nobody_gone(_: &Process) -> bool {
    false
}

/// Processes with this pid are dead.
pub(super) const DEAD: u32 = 666;

fn dead_ones_gone(process: &Process) -> bool {
    process.pid == DEAD
}

/// So many seconds after noon, by all clocks.
pub(super) fn at(seconds: u64) -> Now {
    Now {
        at: Timestamp::from_seconds(NOON) + Duration::from_secs(seconds),
        boot: Some(BootInstant {
            boot_id: Some("boot-1".to_owned()),
            since_boot: Duration::from_secs(10_000 + seconds),
        }),
        host: Some("host-1".to_owned()),
        gone: dead_ones_gone,
    }
}

pub(super) fn request(id: &str) -> Request {
    Request {
        correlation_id: id.to_owned(),
        workflow_run_id: "7".to_owned(),
        stacks: vec!["App".to_owned()],
        run_attempt: Some(1),
        runner: Some("runner-1".to_owned()),
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: Vec::new(),
        server_time: None,
    }
}

pub(super) fn ask(id: &str) -> Ask {
    Ask {
        correlation_id: id.to_owned(),
        reservation: RESERVATION,
        lease: LEASE,
        process: None,
    }
}

fn ask_by(id: &str, pid: u32) -> Ask {
    Ask {
        process: Some(Process {
            pid,
            started: 1,
            machine: "m".to_owned(),
        }),
        ..ask(id)
    }
}

pub(super) fn end(id: &str, ending: Ending) -> End {
    End {
        correlation_id: id.to_owned(),
        ending,
        outcome: None,
        purge: false,
        by: None,
        reason: None,
        eviction: false,
    }
}

fn nobody() -> Elsewhere {
    Elsewhere::default()
}

pub(super) fn register(slot: &mut Slot, id: &str, now: &Now) -> Registration {
    slot.register(&request(id), &nobody(), &|_| true, now)
}

fn reserve(slot: &mut Slot, id: &str, now: &Now) -> Standing {
    slot.reserve(&ask(id), &nobody(), &|_| true, now)
}

pub(super) fn poll(slot: &mut Slot, ask: &Ask, now: &Now) -> Poll {
    slot.poll(ask, &nobody(), &|_| true, now)
}

pub(super) fn granted(registration: &Registration) -> bool {
    matches!(registration, Registration::Granted(_))
}

fn behind(registration: &Registration, ahead: &[&str]) -> bool {
    matches!(registration, Registration::Refused(Standing::Behind(ids)) if ids == ahead)
}

fn slot() -> Slot {
    Slot::new("production")
}

#[test]
fn a_hold_is_exclusive_and_registering_again_changes_nothing() {
    let mut slot = slot();
    assert!(granted(&register(&mut slot, "a", &at(0))));
    let before = slot.clone();
    assert!(matches!(
        register(&mut slot, "a", &at(1)),
        Registration::Already(_)
    ));
    assert!(matches!(
        register(&mut slot, "b", &at(1)),
        Registration::Refused(Standing::HeldByOther(_))
    ));
    assert_eq!(slot, before);
}

#[test]
fn the_same_id_with_anything_else_is_another_deployment() {
    type Change = fn(&mut Request);
    let changes: [(&str, Change); 4] = [
        ("stack", |request| request.stacks.push("Second".to_owned())),
        ("run", |request| request.workflow_run_id = "8".to_owned()),
        ("run attempt", |request| request.run_attempt = Some(2)),
        ("runner", |request| request.runner = None),
    ];
    for (what, change) in changes {
        let mut slot = slot();
        register(&mut slot, "a", &at(0));
        let mut other = request("a");
        change(&mut other);
        let Registration::Different(_, differences) =
            slot.register(&other, &nobody(), &|_| true, &at(1))
        else {
            panic!("{what} made no difference");
        };
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].what, what);
    }
}

#[test]
fn the_decision_has_the_last_word() {
    let mut slot = slot();
    let refused = slot.register(&request("a"), &nobody(), &|_| false, &at(0));
    assert!(matches!(refused, Registration::Refused(Standing::Free)));
    assert_eq!(slot, Slot::new("production"));
    slot.reserve(&ask("a"), &nobody(), &|_| false, &at(0));
    assert_eq!(slot.reservation, None);
}

#[test]
fn tokens_only_grow() {
    let mut slot = slot();
    let mut last = 0;
    // The second one's clock is an hour behind.
    for (turn, aws) in [NOON, NOON - 3600, NOON + 5, NOON + 5]
        .into_iter()
        .enumerate()
    {
        let id = format!("id-{turn}");
        let mut asked = request(&id);
        asked.server_time = Some(Timestamp::from_seconds(aws));
        let Registration::Granted(entry) = slot.register(&asked, &nobody(), &|_| true, &at(0))
        else {
            panic!("refused");
        };
        assert!(entry.fencing_token > Some(last));
        last = entry.fencing_token.unwrap();
        slot.end(&end(&id, Ending::Success), &at(0));
    }
}

#[test]
fn a_yes_is_kept_for_two_minutes_and_asking_again_does_not_extend_it() {
    let mut slot = slot();
    assert_eq!(reserve(&mut slot, "a", &at(0)), Standing::Free);
    assert_eq!(
        reserve(&mut slot, "b", &at(1)),
        Standing::Behind(vec!["a".to_owned()])
    );
    assert_eq!(
        reserve(&mut slot, "a", &at(100)),
        Standing::ReservedForCaller
    );
    assert!(behind(&register(&mut slot, "b", &at(119)), &["a"]));
    let mut later = slot.clone();
    assert!(granted(&register(&mut later, "b", &at(120))));
    assert!(granted(&register(&mut slot, "a", &at(119))));
    assert_eq!(slot.reservation, None);
}

#[test]
fn a_reservation_that_lapsed_goes_behind_the_queue() {
    let mut slot = slot();
    reserve(&mut slot, "a", &at(0));
    slot.enqueue(&ask("b"), &at(60));
    poll(&mut slot, &ask("b"), &at(119));
    assert_eq!(
        reserve(&mut slot, "a", &at(121)),
        Standing::Behind(vec!["b".to_owned()])
    );
    assert!(matches!(
        poll(&mut slot, &ask("b"), &at(122)),
        Poll::Free(_)
    ));
}

#[test]
fn first_come_first_served() {
    let mut slot = slot();
    register(&mut slot, "holder", &at(0));
    for (turn, id) in ["a", "b", "c"].into_iter().enumerate() {
        slot.enqueue(&ask(id), &at(1 + turn as u64));
    }
    slot.end(&end("holder", Ending::Success), &at(10));
    // Whoever asks first now: it is a's turn.
    assert!(matches!(
        poll(&mut slot, &ask("c"), &at(11)),
        Poll::Waiting(Standing::Behind(_), 3)
    ));
    assert!(behind(
        &register(&mut slot, "passer-by", &at(11)),
        &["a", "b", "c"]
    ));
    assert!(behind(&register(&mut slot, "b", &at(11)), &["a"]));
    assert!(matches!(poll(&mut slot, &ask("a"), &at(12)), Poll::Free(_)));
    slot.answered("a");
    assert!(matches!(
        poll(&mut slot, &ask("b"), &at(13)),
        Poll::Waiting(_, 1)
    ));
    assert!(granted(&register(&mut slot, "a", &at(14))));
}

#[test]
fn a_silent_waiter_and_a_dead_one_are_skipped() {
    let mut slot = slot();
    register(&mut slot, "holder", &at(0));
    slot.enqueue(&ask("silent"), &at(0));
    slot.enqueue(&ask_by("dead", DEAD), &at(80));
    slot.enqueue(&ask_by("alive", 1), &at(80));
    slot.end(&end("holder", Ending::Success), &at(85));
    assert!(matches!(
        poll(&mut slot, &ask_by("alive", 1), &at(89)),
        Poll::Waiting(Standing::Behind(ahead), 2) if ahead == ["silent"]
    ));
    assert!(matches!(
        poll(&mut slot, &ask_by("alive", 1), &at(91)),
        Poll::Free(_)
    ));
}

#[test]
fn a_reservation_ends_with_a_waiter_that_has_not_answered() {
    let mut slot = slot();
    slot.enqueue(
        &ask_by("a", DEAD),
        &Now {
            gone: nobody_gone,
            ..at(0)
        },
    );
    let granted_now = Now {
        gone: nobody_gone,
        ..at(1)
    };
    assert!(matches!(
        poll(&mut slot, &ask_by("a", DEAD), &granted_now),
        Poll::Free(_)
    ));
    let mut answered = slot.clone();
    answered.answered("a");
    assert!(granted(&register(&mut slot, "b", &at(2))));
    // Once it has answered, its end is in order.
    assert!(behind(&register(&mut answered, "b", &at(2)), &["a"]));
}

#[test]
fn leaving_gives_up_the_place_and_an_unanswered_reservation_but_no_other() {
    let mut slot = slot();
    slot.enqueue(&ask("a"), &at(0));
    slot.leave("a");
    assert!(slot.queue.is_empty());
    poll(&mut slot, &ask("a"), &at(1));
    slot.leave("a");
    assert_eq!(slot.reservation, None);
    reserve(&mut slot, "a", &at(2));
    slot.leave("a");
    assert!(slot.reservation.is_some());
}

#[test]
fn a_freeze_stops_who_starts_and_nobody_else() {
    let mut slot = slot();
    register(&mut slot, "a", &at(0));
    slot.freeze = Some(Freeze {
        reason: "x".to_owned(),
        by: "y".to_owned(),
        at: at(0).at,
        until: Some(at(100).at),
        kept: Kept::default(),
    });
    assert!(matches!(
        slot.beat("a", None, &at(1)),
        BeatAnswer::StillHolds(_)
    ));
    slot.end(&end("a", Ending::Success), &at(2));
    assert!(matches!(
        register(&mut slot, "b", &at(99)),
        Registration::Refused(Standing::Frozen(_))
    ));
    assert!(granted(&register(&mut slot, "b", &at(100))));
}

#[test]
fn ends() {
    let mut slot = slot();
    register(&mut slot, "a", &at(0));
    let failed = slot.end(&end("a", Ending::Failed), &at(1));
    assert_eq!(failed.stays.unwrap().status, EntryStatus::Failed);
    assert!(matches!(
        slot.beat("a", None, &at(2)),
        BeatAnswer::Failed(_)
    ));
    // Twice is once.
    assert!(slot.end(&end("a", Ending::Failed), &at(3)).is_empty());
    let purge = End {
        purge: true,
        ..end("a", Ending::Unknown)
    };
    assert!(slot.end(&purge, &at(4)).purged.is_some());
    assert!(matches!(slot.beat("a", None, &at(5)), BeatAnswer::Ended(_)));
    // A new hold of the same id: the tombstone goes.
    assert!(granted(&register(&mut slot, "a", &at(6))));
    assert!(slot.ended.is_empty() && slot.past.is_empty());
    let evict = End {
        eviction: true,
        ..end("a", Ending::Unknown)
    };
    slot.end(&evict, &at(7));
    assert!(matches!(slot.beat("a", None, &at(8)), BeatAnswer::Ended(t) if t.ended.evicted));
}

#[test]
fn the_old_goes_after_seven_days_but_never_a_hold() {
    let mut slot = slot();
    let week = 7 * 24 * 3600;
    register(&mut slot, "failed", &at(0));
    slot.end(&end("failed", Ending::Failed), &at(0));
    register(&mut slot, "over", &at(0));
    slot.end(&end("over", Ending::Success), &at(0));
    register(&mut slot, "holds", &at(0));
    slot.settle(&at(week - 1));
    assert_eq!(
        (slot.past.len(), slot.ended.len(), slot.holds.len()),
        (1, 1, 1)
    );
    slot.settle(&at(week));
    assert_eq!(
        (slot.past.len(), slot.ended.len(), slot.holds.len()),
        (0, 0, 1)
    );
}

#[test]
fn nothing_but_proof_ends_a_silent_hold() {
    let leases = Leases::default();
    let mut slot = slot();
    register(&mut slot, "a", &at(0));
    let holder = slot.holds[0].clone();
    let idle = Evidence {
        stacks_idle: true,
        run_over: None,
    };
    let over = Evidence {
        run_over: Some("GitHub says so".to_owned()),
        ..idle.clone()
    };
    let busy = Evidence {
        stacks_idle: false,
        ..over.clone()
    };
    for (seconds, evidence, dead) in [
        (119, &over, false),
        (120, &over, true),
        (120, &busy, false),
        (120 * 60 - 1, &idle, false),
        (120 * 60, &idle, true),
        (9_000_000, &busy, false),
    ] {
        let proof = leases.proof_of_death(&holder, evidence, &at(seconds));
        assert_eq!(proof.is_some(), dead, "{seconds} {evidence:?}");
    }
    let run = Entry {
        kind: HoldKind::Run,
        ..holder.clone()
    };
    assert!(
        leases
            .proof_of_death(&run, &idle, &at(15 * 60 - 1))
            .is_none()
    );
    assert!(leases.proof_of_death(&run, &idle, &at(15 * 60)).is_some());
    // Times that could not be read stand as 1970: no age, so no lease can have run out; GitHub's word still counts.
    let undated = Entry {
        started_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        beat: None,
        ..holder.clone()
    };
    let late = at(9_000_000);
    assert!(leases.proof_of_death(&undated, &idle, &late).is_none());
    assert!(leases.proof_of_death(&undated, &over, &late).is_some());
    // A beat since the proof was gathered: it lives.
    let seen = holder.last_beat();
    slot.beat("a", None, &at(200));
    assert_eq!(slot.abandon("a", &seen, "proof", &at(201)), None);
    let seen = slot.holds[0].last_beat();
    let gone = slot.abandon("a", &seen, "proof", &at(202)).unwrap();
    assert_eq!(gone.ended.unwrap().reason.as_deref(), Some("proof"));
    assert!(matches!(
        slot.beat("a", None, &at(203)),
        BeatAnswer::Abandoned(_)
    ));
}

#[test]
fn a_wrong_wall_clock_neither_steals_nor_keeps() {
    let beat = at(0).beat();
    // Set an hour ahead or back while we run: the steady clock counts.
    for hours in [-1_i64, 1, 24 * 365] {
        let mut now = at(60);
        now.at = Timestamp::from_seconds(NOON + 60 + hours * 3600);
        assert_eq!(now.age(&beat), Duration::from_secs(60), "{hours}");
    }
    // Restarted: everything from before is at least as old as this boot, whatever the wall clock says.
    let mut restarted = at(60);
    restarted.boot = Some(BootInstant {
        boot_id: Some("boot-2".to_owned()),
        since_boot: Duration::from_secs(30),
    });
    restarted.at = Timestamp::from_seconds(NOON + 100_000);
    assert_eq!(restarted.age(&beat), Duration::from_secs(30));
    // Another machine (or an old script's entry): only the wall clocks can tell.
    restarted.host = Some("host-2".to_owned());
    assert_eq!(restarted.age(&beat), Duration::from_secs(100_000));
}

#[test]
fn statuses_of_entries() {
    for (text, holds) in [
        ("IN_PROGRESS", true),
        ("in_progress", true),
        ("", true),
        ("RUNNING", true),
        ("A_NEWER_WORD", true),
        ("FAILED", false),
        ("ABANDONED", false),
        ("COMPLETED", false),
        ("success", false),
        ("UPDATE_ROLLBACK_COMPLETE", false),
        ("CREATE_FAILED", false),
    ] {
        assert_eq!(EntryStatus::parse(text).holds(), holds, "{text}");
    }
}

#[test]
fn the_same_stack_by_name_and_by_arn() {
    let arn = |region: &str| format!("arn:aws:cloudformation:{region}:1:stack/App/1");
    assert!(same_stack("App", &arn("us-east-1")));
    assert!(same_stack(&arn("us-east-1"), &arn("us-east-1")));
    assert!(!same_stack(&arn("us-east-1"), &arn("eu-west-1")));
    assert!(!same_stack("App", "App2"));
}

#[test]
fn a_waiter_that_asks_often_is_written_down_seldom_and_lives() {
    let mut slot = slot();
    assert!(granted(&register(&mut slot, "a", &at(0))));
    slot.enqueue(&ask("b"), &at(0));
    let before = slot.clone();
    assert!(matches!(
        poll(&mut slot, &ask("b"), &at(20)),
        Poll::Waiting(_, 1)
    ));
    assert_eq!(slot, before, "a young beat was written anew");
    // A third of its lease is how often `wait` asks.
    for third in 1..20 {
        let answer = poll(&mut slot, &ask("b"), &at(third * LEASE.as_secs() / 3));
        assert!(matches!(answer, Poll::Waiting(_, 1)));
    }
    // Another process takes the place over at once.
    let took_over = 19 * LEASE.as_secs() / 3 + 1;
    poll(&mut slot, &ask_by("b", 1), &at(took_over));
    assert_eq!(slot.queue[0].process, ask_by("b", 1).process);
}
