//! Every way in which a deployment can end.

use rustix::process::Signal;
use simulators::{Event, Fault, Trouble};

use crate::place::{ID, Place, STACK, Started, until};

/// Starts a `run` whose command writes `ready` and then sleeps; waits until it does.
fn sleeping(place: &Place, options: &[&str], before: &str) -> Started {
    let script = place.script(
        "sleeper",
        &format!("{before}\necho $$ > ready\nsleep 300 & wait $!"),
    );
    let words = [
        &["run", "production", "--id", ID],
        options,
        &["--", script.as_str()],
    ]
    .concat();
    let started = place.start("run", &words);
    until("the command runs", || place.path("ready").exists());
    until("Slack knows", || !place.told().is_empty());
    started
}

#[test]
fn a_command_that_succeeds() {
    let place = Place::new();
    let script = place.deploying(
        r#"echo "id $CORRELATION_ID token $FENCING_TOKEN stack $STACK_NAME args $*"; echo err >&2"#,
    );
    let url = ["--url", "http://app.example.com"];
    let words = [
        &["run", "production", "--id", ID],
        url.as_slice(),
        &["--", script.as_str(), "a b", "--c"],
    ]
    .concat();
    let started = place.start("run", &words);
    place.deployed();
    let ran = started.ended().exits(0).says("[SUCCESS]");
    assert!(!ran.stderr.contains("never moved"), "{ran:?}");
    let token = ran.stdout.split_whitespace().nth(3).unwrap();
    assert!(token.parse::<u64>().unwrap() > 1_700_000_000, "{token}");
    let expected = format!("id {ID} token {token} stack {STACK} args a b --c\n");
    assert_eq!(ran.stdout, expected);
    assert!(ran.stderr.lines().any(|line| line == "err"));
    assert_eq!(place.told(), ["start", ">complete"]);
    assert!(place.last_text().contains("http://app.example.com"));
    assert_eq!(place.history(), [ID]);
    assert_eq!(place.deployments(), []);
    assert_eq!(place.unsent().len(), 0);
    place.is_clean();
}

#[test]
fn a_stack_that_never_moved_is_no_measure_of_the_next_deployment() {
    let place = Place::new();
    place
        .deploy(&["true"])
        .exits(0)
        .says("the stack never moved during this deployment");
    assert_eq!(place.told(), ["start", ">complete"]);
    assert_eq!(place.history(), Vec::<String>::new());
    assert_eq!(place.deployments(), []);
    place.is_clean();
}

#[test]
fn a_stack_that_does_not_say_whether_it_moved_is_no_reason_to_forget_the_deployment() {
    let place = Place::new();
    let script = place.deploying("");
    let started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("the command runs", || place.path("ready").exists());
    place.aws.fault(Trouble::AccessDenied);
    std::fs::File::create(place.path("go")).unwrap();
    let ran = started.ended().exits(0);
    assert!(!ran.stderr.contains("never moved"), "{ran:?}");
    assert_eq!(place.history(), [ID]);
}

#[test]
fn a_command_that_fails() {
    let place = Place::new();
    place
        .deploy(&["sh", "-c", "exit 7"])
        .exits(7)
        .says("sh ended with exit status 7");
    assert_eq!(place.told(), ["start", ">failed"]);
    assert!(
        place
            .last_text()
            .contains("\nsh ended with exit status 7\n"),
        "{}",
        place.last_text()
    );
    assert_eq!(place.history(), Vec::<String>::new());
    assert_eq!(place.deployments(), [(ID.to_owned(), "FAILED".to_owned())]);
    place.is_clean();
}

#[test]
fn the_commands_own_signal_is_its_status() {
    let place = Place::new();
    place.deploy(&["sh", "-c", "kill -9 $$"]).exits(137);
    assert_eq!(place.told(), ["start", ">failed"]);
    place.is_clean();
}

#[test]
fn signals_are_passed_on() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let place = Place::new();
        let started = sleeping(&place, &[], "trap - INT");
        started.signal(signal);
        started.ended().exits(status);
        assert_eq!(place.told(), ["start", ">failed"]);
        assert!(place.last_text().contains("stopped by SIG"));
        assert_eq!(place.deployments().len(), 1);
        place.is_clean();
    }
}

#[test]
fn a_command_that_ends_in_order_on_a_signal_says_how_it_went() {
    let place = Place::new();
    let started = sleeping(&place, &[], "trap 'echo tidied; exit 3' TERM");
    started.signal(Signal::TERM);
    let ran = started.ended().exits(3);
    assert_eq!(ran.stdout, "tidied\n");
    place.is_clean();
}

#[test]
fn githubs_cancel_of_a_command_that_does_not_listen() {
    let place = Place::new();
    place.slack.fault(Trouble::Hang);
    let script = place.script(
        "deaf",
        "trap '' INT TERM\necho > ready\nwhile :; do sleep 1; done",
    );
    let mut started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("the command runs", || place.path("ready").exists());
    started.signal(Signal::INT);
    until("it was told", || started.stderr().contains("SIGINT came"));
    assert!(started.is_running());
    let second = std::time::Instant::now();
    started.signal(Signal::TERM);
    started.ended().exits(137);
    // SIGKILL comes 2.5 s after SIGTERM.
    let took = second.elapsed();
    assert!(took.as_millis() < 2500, "{took:?}");
    assert_eq!(place.deployments(), [(ID.to_owned(), "FAILED".to_owned())]);
    assert_eq!(place.unsent().len(), 2, "{:?}", place.unsent());
    place.is_clean();
}

#[test]
fn killed_with_9_the_hold_stays_and_only_the_command_lives() {
    let place = Place::new();
    let started = sleeping(&place, &[], "");
    started.signal(Signal::KILL);
    drop(started.ended());
    until("the rest is gone", || {
        place.processes().iter().all(|line| line.contains("sleep"))
    });
    assert_eq!(
        place.deployments(),
        [(ID.to_owned(), "IN_PROGRESS".to_owned())]
    );
    let pid: i32 = place.read("ready").trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process_group(pid, Signal::KILL).unwrap();
}

#[test]
fn slack_that_does_not_answer_stops_nothing_and_loses_nothing() {
    let mut place = Place::new();
    place.set("SLACK_TIMEOUT", "1s");
    place.slack.fault(Fault::status(503, "down"));
    let script = place.deploying("");
    let started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    place.deployed();
    started.ended().exits(0).says("retry queue");
    assert_eq!(place.unsent().len(), 2, "{:?}", place.unsent());
    assert_eq!(place.history(), [ID]);
    assert_eq!(place.deployments(), []);
    place.is_clean();
}

#[test]
fn a_registry_that_breaks_in_the_middle_ends_no_deployment() {
    let place = Place::new();
    let broken = ".deployment-registry/deployments.json";
    let script = place.script(
        "deploy",
        &format!("cp {broken} whole; echo '[' > {broken}; touch broke; while [ ! -e mended ]; do sleep 0.05; done"),
    );
    let mut started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("it was noticed", || {
        started
            .stderr()
            .contains("sign of life could not be written")
    });
    assert!(started.is_running());
    // As the guide mends it.
    std::fs::copy(place.path("whole"), place.path(broken)).unwrap();
    until("it was mended", || {
        started.stderr().contains("the registry can be used again")
    });
    std::fs::File::create(place.path("mended")).unwrap();
    started.ended().exits(0);
    assert_eq!(place.told(), ["start", ">complete"]);
    place.is_clean();
}

#[test]
fn a_freeze_in_the_middle_lets_who_runs_finish() {
    let place = Place::new();
    let script = place.deploying("");
    let mut started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("the command runs", || place.path("ready").exists());
    place
        .run(&["freeze", "production", "--reason", "release day"])
        .exits(0);
    place
        .run(&[
            "run",
            "production",
            "--id",
            "other",
            "--wait",
            "500ms",
            "--",
            "touch",
            "begun",
        ])
        .exits(124);
    assert!(started.is_running());
    assert!(!place.path("begun").exists());
    place.deployed();
    started.ended().exits(0);
    assert_eq!(place.told().last().map(String::as_str), Some(">complete"));
    assert_eq!(place.history(), [ID]);
    assert_eq!(place.deployments(), []);
    place.is_clean();
}

#[test]
fn a_lost_hold_ends_the_command() {
    let place = Place::new();
    let started = sleeping(&place, &[], "");
    place
        .command(&["cleanup", ID, "--reason", "stuck"])
        .output()
        .unwrap();
    started
        .ended()
        .exits(143)
        .says("the hold on production is lost")
        .says("stuck");
    assert_eq!(place.told(), ["start", ">failed"]);
    assert!(place.last_text().contains("the hold was lost"));
    place.is_clean();
}

#[test]
fn a_lost_hold_leaves_the_command_alone_where_that_is_wanted() {
    let place = Place::new();
    let script = place.script(
        "deploy",
        "touch ready; while [ ! -e go ]; do sleep 0.05; done",
    );
    let mut started = place.start(
        "run",
        &[
            "run",
            "production",
            "--id",
            ID,
            "--on-lost",
            "keep",
            "--",
            &script,
        ],
    );
    until("the command runs", || place.path("ready").exists());
    place.command(&["cleanup", ID]).output().unwrap();
    until("it is told", || started.stderr().contains("is lost"));
    assert!(started.is_running());
    std::fs::File::create(place.path("go")).unwrap();
    started.ended().exits(0);
    assert_eq!(place.told(), ["start", ">complete"]);
    place.is_clean();
}

#[test]
fn the_first_cause_is_what_slack_reads() {
    let place = Place::new();
    let script = place.script(
        "deploy",
        "touch ready; while [ ! -e go ]; do sleep 0.05; done; exit 1",
    );
    let started = place.start("run", &["run", "production", "--id", ID, "--", &script]);
    until("the command runs", || place.path("ready").exists());
    let events = [
        Event::own(0.0, "UPDATE_IN_PROGRESS").because("User Initiated"),
        Event::resource(0.0, "Database", "AWS::RDS::DBInstance", "CREATE_FAILED")
            .because("Insufficient capacity"),
        Event::own(0.0, "UPDATE_ROLLBACK_IN_PROGRESS"),
        Event::own(0.0, "UPDATE_ROLLBACK_COMPLETE"),
    ];
    for event in events {
        place.aws.event(STACK, event);
    }
    std::fs::File::create(place.path("go")).unwrap();
    started.ended().exits(1);
    let text = place.last_text();
    assert!(text.contains("Insufficient capacity"), "{text}");
    assert!(text.contains("deploy ended with exit status 1"), "{text}");
    let entry = &place.registry()["deployments"][0];
    let cause = entry["last_outcome"]["first_cause"].as_str().unwrap();
    assert!(cause.contains("Insufficient capacity"), "{cause}");
    place.is_clean();
}

#[test]
fn a_github_job_has_outputs_a_summary_and_groups() {
    let mut place = Place::new();
    let [output, summary] = ["output", "summary"].map(|name| place.path(name));
    place
        .set("GITHUB_ACTIONS", "true")
        .set("GITHUB_OUTPUT", output.to_str().unwrap())
        .set("GITHUB_STEP_SUMMARY", summary.to_str().unwrap());
    let ran = place
        .deploy(&["sh", "-c", "exit 3"])
        .exits(3)
        .says("::group::Waiting for production\n")
        .says("::endgroup::\n")
        .says("::error::");
    assert_eq!(ran.stdout, "");
    let output = place.read("output");
    for line in ["can_proceed=true", "registered=true", "url="] {
        assert!(output.lines().any(|found| found == line), "{output}");
    }
    assert!(output.contains(&format!("correlation_id={ID}\n")));
    assert!(output.contains("fencing_token=1"), "{output}");
    let summary = place.read("summary");
    assert!(summary.starts_with("### ❌ Deployment Failed"), "{summary}");
    let row = "| Error | sh ended with exit status 3 |\n";
    assert!(summary.contains(row), "{summary}");
    place.is_clean();
}
