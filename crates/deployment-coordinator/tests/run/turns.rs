//! Whose turn it is.

use rustix::process::Signal;
use simulators::Fault;

use crate::place::{ID, Place, until};

#[test]
fn twenty_at_once_go_one_at_a_time_in_order_of_arrival() {
    const COUNT: usize = 20;
    let place = Place::new();
    // Two at a time would find each other's mark.
    let script = place.script(
        "deploy",
        "mkdir alone || echo collision >> order\necho $CORRELATION_ID >> order\nsleep 0.02\nrmdir alone",
    );
    let first = place.script(
        "first",
        "touch holds; while [ ! -e go ]; do sleep 0.02; done",
    );
    let mut all = vec![place.start(
        "first",
        &["run", "production", "--id", "first", "--", &first],
    )];
    until("the first one holds", || place.path("holds").exists());
    let mut ids = Vec::new();
    for number in 0..COUNT {
        let id = format!("id-{number:02}");
        all.push(place.start(&id, &["run", "production", "--id", &id, "--", &script]));
        ids.push(id);
        until("it stands in line", || place.queue().len() == number + 1);
    }
    std::fs::File::create(place.path("go")).unwrap();
    for started in all {
        drop(started.ended().exits(0));
    }
    let order: Vec<String> = place.read("order").lines().map(str::to_owned).collect();
    assert_eq!(order, ids);
    place.is_clean();
}

#[test]
fn too_late_is_124_and_leaves_the_queue() {
    let place = Place::new();
    let held = place.run(&["register", "other", "12345", "production"]);
    held.exits(0);
    place
        .run(&[
            "run",
            "production",
            "--id",
            ID,
            "--wait",
            "500ms",
            "--",
            "touch",
            "begun",
        ])
        .exits(124)
        .says("was not free within");
    assert!(!place.path("begun").exists());
    assert_eq!(place.queue(), Vec::<String>::new());
    assert_eq!(place.told(), ["concurrent", ">failed"]);
    assert_eq!(place.processes(), Vec::<String>::new());
}

#[test]
fn a_signal_while_waiting_starts_nothing() {
    let place = Place::new();
    place
        .run(&["register", "other", "12345", "production"])
        .exits(0);
    let started = place.start(
        "run",
        &["run", "production", "--id", ID, "--", "touch", "begun"],
    );
    until("it waits", || place.queue() == [ID]);
    started.signal(Signal::INT);
    started.ended().exits(130).says("nothing was started");
    assert!(!place.path("begun").exists());
    assert_eq!(place.queue(), Vec::<String>::new());
}

#[test]
fn a_frozen_environment_is_waited_for() {
    let place = Place::new();
    place
        .run(&["freeze", "production", "--reason", "release day"])
        .exits(0);
    let started = place.start("wait", &["run", "production", "--id", ID, "--", "true"]);
    until("it waits", || started.stderr().contains("release day"));
    assert_eq!(place.told(), Vec::<String>::new());
    place.run(&["thaw", "production"]).exits(0);
    started.ended().exits(0);
    assert_eq!(place.told(), ["start", ">complete"]);
    place.is_clean();
}

#[test]
fn aws_that_cannot_be_asked_is_125_and_starts_nothing() {
    let place = Place::new();
    place.aws.fault(Fault::error("AccessDenied"));
    place
        .deploy(&["touch", "begun"])
        .exits(125)
        .says("cannot be told");
    assert!(!place.path("begun").exists());
    assert_eq!(place.told(), Vec::<String>::new());
    assert_eq!(place.queue(), Vec::<String>::new());
}

#[test]
fn the_same_id_twice_at_once_is_refused() {
    let place = Place::new();
    let script = place.script(
        "deploy",
        "touch ready; while [ ! -e go ]; do sleep 0.05; done",
    );
    let first = place.start("first", &["run", "production", "--id", ID, "--", &script]);
    until("the command runs", || place.path("ready").exists());
    place
        .run(&["run", "production", "--id", ID, "--", "touch", "begun"])
        .exits(125)
        .says("is being run already");
    assert!(!place.path("begun").exists());
    std::fs::File::create(place.path("go")).unwrap();
    first.ended().exits(0);
    place.is_clean();
}

#[test]
fn without_a_registry_cloudformation_decides_and_it_is_said() {
    let mut place = Place::new();
    let script = place.script("deploy", "echo \"token [$FENCING_TOKEN]\"");
    std::fs::create_dir(place.path(".deployment-registry")).unwrap();
    std::fs::File::create(place.path(".deployment-registry/deployments.json")).unwrap();
    place.set("FENCING_TOKEN", "17");
    let mut text = place.deploy(&[script.as_str()]).exits(0);
    text = text
        .says("Registry unavailable, falling back to CloudFormation-only coordination")
        .says("without a hold");
    assert_eq!(text.stdout, "token []\n");
    assert_eq!(place.told(), ["start", ">complete"]);
    place.set("REGISTRY_REQUIRED", "true");
    place.deploy(&["touch", "begun"]).exits(125);
    assert!(!place.path("begun").exists());
}
