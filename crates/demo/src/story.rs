//! What is played: two deployments want production. The second waits for the first, whose monitor is killed while Slack is
//! down; then the second fails and rolls back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use registry_core::trace::Trace;
use simulators::{Fault, Trouble};

use crate::Arguments;
use crate::deployment::{Deployment, first_cause};
use crate::scene::{Scene, pause};
use crate::timeline::Timeline;

/// Completed: an ECS cluster on GPU machines, created in 132 s.
const COMPLETED: &str = "excerpt_CdkClusterStack_create.jsonl";
/// Failed after six minutes and was rolled back.
const ROLLED_BACK: &str = "ai-chatbot_ai-chatbot_update7.jsonl";

/// Slack is down for so long at least.
const OUTAGE: Duration = Duration::from_secs(3);

pub(crate) fn play(arguments: &Arguments) -> Result<()> {
    let given = arguments.trace.clone();
    let first_record = given
        .clone()
        .unwrap_or_else(|| simulators::trace_file(COMPLETED));
    let first_trace = read(&first_record)?;
    let second_record = simulators::trace_file(ROLLED_BACK);
    let second_trace = read(&second_record)?;
    let scene = Scene::set(&arguments.folder)?;

    scene.timeline.chapter("The first deployment begins");
    let mut first = Deployment::trigger(&scene, "first", 21_039_314_875)?;
    first.can_deploy(0)?;
    first.begin()?;
    first.deploy(&first_trace, &name_of(&first_record));
    Scene::wait_for("the stack to move", || {
        (scene.read(&first.log()).contains("EVENT")).then_some(())
    })?;

    scene
        .timeline
        .chapter("A second one wants production too: it is told, tells Slack, and waits its turn");
    let mut second = Deployment::trigger(&scene, "second", 21_039_399_001)?;
    let answer = second.can_deploy(1)?;
    ensure!(
        answer["active_deployment"]["correlation_id"] == first.id,
        "the answer names another deployment: {answer}"
    );
    second.tell_queued(&answer)?;
    ensure!(
        scene.slack.text().contains("Deployment Queued"),
        "Slack was not told that the second one queues"
    );
    let mut waiting = second.wait_in_background()?;

    scene
        .timeline
        .chapter("Slack goes down, and the first one's monitor dies");
    scene.slack.fault(Fault::new(Trouble::Unavailable));
    scene.timeline.tell("slack", "answers 503 to everything");
    let down = Instant::now();
    first.lose_monitor()?;
    Scene::wait_for("a message in the retry queue", || {
        (queued(&scene) > 0 && down.elapsed() > OUTAGE).then_some(())
    })?;
    scene.timeline.tell(
        "queue",
        &format!(
            "keeps {} message(s) for later; the deployment goes on",
            queued(&scene)
        ),
    );
    status_of_queue(&scene)?;
    scene.slack.clear_faults();
    scene.timeline.tell("slack", "is back");
    scene.expect(
        "cron",
        "",
        0,
        "bash caseapp/scripts/slack-retry-queue.sh process --drain 60s",
    )?;
    ensure!(
        queued(&scene) == 0,
        "the retry queue is not empty: {}",
        scene.path(".slack-retry-queue").display()
    );

    scene
        .timeline
        .chapter("The first one ends, and the second one's turn comes");
    let ending = first.ending()?;
    ensure!(
        ending.succeeded || given.is_some(),
        "the first deployment should have succeeded: {}",
        ending.outcome
    );
    let events = first.check_log()?;
    Timeline::answer(&format!(
        "{events} events in its log, each once, over two monitors"
    ));
    first.finish(&ending)?;
    let first_succeeded = ending.succeeded;
    let code = waiting.wait()?.code();
    ensure!(
        code == Some(0),
        "wait ended with {code:?}: {}{}",
        scene.read("wait.json"),
        scene.read("wait.log")
    );
    let log = scene.read("wait.log");
    let said = log.lines().next().into_iter().chain(log.lines().last());
    said.for_each(Timeline::answer);
    scene.timeline.tell(
        "second",
        "its wait is over: production is free, and kept for it",
    );

    second.begin()?;
    second.deploy(&second_trace, &name_of(&second_record));
    scene
        .timeline
        .chapter("The second one fails and rolls back");
    let ending = second.ending()?;
    ensure!(
        !ending.succeeded,
        "the second deployment should have failed: {}",
        ending.outcome
    );
    let cause = first_cause(&ending.outcome).context("the monitor named no first cause")?;
    Timeline::answer(&format!("first cause: {cause}"));
    second.check_log()?;
    second.finish(&ending)?;
    scene.expect(
        "cron",
        "",
        0,
        "bash caseapp/scripts/slack-retry-queue.sh process --drain 60s",
    )?;

    look_back(&scene, &first, first_succeeded, &second)?;
    if arguments.keep_open {
        keep_open(&scene);
    }
    Ok(())
}

fn read(path: &Path) -> Result<Trace> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Trace::parse(&bytes)
        .with_context(|| format!("{} is no record of a stack operation", path.display()))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Messages that wait to be sent.
fn queued(scene: &Scene) -> usize {
    let Ok(entries) = fs::read_dir(scene.path(".slack-retry-queue")) else {
        return 0;
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| !name.starts_with("dead_letter_"))
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| ending == "json")
        })
        .count()
}

/// Shows the queue as a person asks for it.
fn status_of_queue(scene: &Scene) -> Result<()> {
    let status = scene.expect(
        "anybody",
        "",
        0,
        "bash caseapp/scripts/slack-retry-queue.sh status",
    )?;
    status.stdout.lines().for_each(Timeline::answer);
    Ok(())
}

fn show_history(scene: &Scene, known: &Deployment<'_>) -> Result<()> {
    scene
        .timeline
        .chapter("The history, from which the next estimate is made");
    let history = scene.read(".deployment-registry/deployment-history.json");
    let history: serde_json::Value =
        serde_json::from_str(&history).context("the history is not JSON")?;
    for name in ["average_deployment_minutes", "resource_averages"] {
        Timeline::show(&format!("{name}: {:#}", history[name]));
    }
    let all = history["deployments"].as_array();
    ensure!(
        all.is_some_and(|all| all
            .iter()
            .any(|one| one["correlation_id"] == known.id.as_str())),
        "the history does not know the deployment"
    );
    Ok(())
}

/// What the registry says of a deployment; `None` where it has no entry any more.
fn status_in(registry: &serde_json::Value, deployment: &Deployment<'_>) -> Option<String> {
    let entries = registry["deployments"].as_array()?;
    let entry = entries
        .iter()
        .find(|entry| entry["correlation_id"] == deployment.id.as_str())?;
    entry["status"].as_str().map(str::to_owned)
}

/// Shows what is left, and checks that every step happened.
fn look_back(
    scene: &Scene,
    first: &Deployment<'_>,
    first_succeeded: bool,
    second: &Deployment<'_>,
) -> Result<()> {
    scene
        .timeline
        .chapter("The registry: a failed deployment stays as FAILED, and blocks nobody");
    let registry = scene.read(".deployment-registry/deployments.json");
    Timeline::show(&registry);
    let registry = serde_json::from_str(&registry).context("the registry is not JSON")?;
    let left = (!first_succeeded).then(|| "FAILED".to_owned());
    ensure!(
        status_in(&registry, first) == left,
        "the first one should be {left:?} in the registry"
    );
    ensure!(
        status_in(&registry, second).as_deref() == Some("FAILED"),
        "the second one's entry is not FAILED"
    );
    let free = scene.expect(
        "anybody",
        "",
        0,
        "bash caseapp/scripts/deployment-coordinator.sh can_deploy production",
    )?;
    Timeline::answer(&format!("production is free: {}", free.json()?["reason"]));

    // Only what succeeded says how long a deployment takes.
    if first_succeeded {
        show_history(scene, first)?;
    }

    scene.timeline.chapter("The retry queue");
    scene.expect(
        "anybody",
        "",
        0,
        "bash caseapp/scripts/slack-retry-queue.sh status",
    )?;
    ensure!(queued(scene) == 0, "messages are left in the retry queue");

    scene
        .timeline
        .chapter("The channel, as a person sees it (slack.txt)");
    let channel = scene.read("slack.txt");
    Timeline::show(&channel);
    for words in [
        "Deployment Started",
        "Deployment Queued",
        "Deployment Progress Update",
        if first_succeeded {
            "Deployment Successful"
        } else {
            "Deployment Failed"
        },
        "Deployment Failed",
    ] {
        ensure!(channel.contains(words), "the channel lacks {words:?}");
    }
    let doubles = scene.slack.duplicates();
    ensure!(
        doubles.metadata == 0 && doubles.client_msg_id == 0,
        "messages were posted twice: {doubles:?}"
    );

    let seconds = scene.timeline.seconds();
    scene
        .timeline
        .chapter(&format!("Every step happened, in {seconds:.0} seconds."));
    println!(
        "Registry, logs and slack.txt are in {}",
        scene.path("").display()
    );
    Ok(())
}

fn keep_open(scene: &Scene) -> ! {
    println!("\nThe simulators go on until you press Ctrl-C. In another terminal:\n");
    Timeline::show(&scene.exports());
    println!("\nfor example: deployment-coordinator can_deploy production");
    loop {
        pause();
    }
}
