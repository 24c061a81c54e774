//! Every command line of the user's guide, as written (through the shims) and with `NAME` for `bash caseapp/scripts/NAME.sh`.

use std::collections::BTreeSet;
use std::sync::Mutex;

use end_to_end::{ID, Outcome, PROGRAMS, STACK, World, eventually};
use serde_json::{Value, json};
use simulators::{Event, Fault, Play, Stack, UPDATES};

use crate::world;

const GUIDE: &str = include_str!("../data/guide.md");
const SHIM: &str = include_str!("../../xtask/src/shim.sh");

/// How the programs are named.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Names {
    /// `bash caseapp/scripts/NAME.sh`, as in the guide.
    Shims,
    /// `NAME`.
    Plain,
}

/// The guide's command lines, one string each, and which of them a test has run.
struct Guide {
    names: Names,
    lines: Vec<String>,
    used: Mutex<BTreeSet<String>>,
}

impl Guide {
    fn read(names: Names) -> Self {
        let lines = blocks()
            .iter()
            .flat_map(|block| block.lines())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        Self {
            names,
            lines,
            used: Mutex::default(),
        }
    }

    /// The one line of the guide that begins so, ready to run. `<correlation_id>` and the like are filled in.
    fn line(&self, begins: &str) -> String {
        let found: BTreeSet<&String> = self
            .lines
            .iter()
            .filter(|line| line.starts_with(begins))
            .collect();
        let found: Vec<&String> = found.into_iter().collect();
        assert_eq!(
            found.len(),
            1,
            "the guide has not one line {begins:?} but {found:?}"
        );
        self.used.lock().unwrap().insert(found[0].clone());
        let line = found[0]
            .replace("<correlation_id>", ID)
            .replace("<duration_minutes>", "25")
            .replace("*/5 * * * * bash /path/to/", "bash caseapp/scripts/");
        match self.names {
            Names::Shims => line,
            Names::Plain => PROGRAMS.iter().fold(line, |line, program| {
                line.replace(&format!("bash caseapp/scripts/{program}.sh"), program)
            }),
        }
    }

    /// Runs that line.
    fn run(&self, world: &World, begins: &str) -> Outcome {
        world.bash(&self.line(begins))
    }
}

/// The text of the guide's ```bash blocks, with lines that end in a backslash joined.
fn blocks() -> Vec<String> {
    GUIDE
        .split("```bash\n")
        .skip(1)
        .map(|rest| {
            let block = rest.split("```").next().unwrap_or_default();
            let joined = block.replace("\\\n", " ");
            let lines: Vec<String> = joined
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            lines.join("\n")
        })
        .collect()
}

/// A world with the shims where the guide has its scripts, an idle production stack, and everything fast.
fn guide_world() -> World {
    let mut world = world();
    for program in PROGRAMS {
        world.write(
            &format!("caseapp/scripts/{program}.sh"),
            &SHIM.replace("@NAME@", program),
        );
    }
    world
        .set("CHECK_INTERVAL", "100ms")
        .set("RECOVERY_INTERVAL", "200ms");
    world
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    world
}

const COORDINATOR: &str = "bash caseapp/scripts/deployment-coordinator.sh";
const NOTIFIER: &str = "bash caseapp/scripts/slack-notifier.sh";
const QUEUE: &str = "bash caseapp/scripts/slack-retry-queue.sh";
const ESTIMATOR: &str = "bash caseapp/scripts/deployment-time-estimator.sh";
const FALLBACK: &str = "bash caseapp/scripts/registry-fallback.sh";

/// What each group of the guide's lines is run by. A line that is in the guide and in no group fails the test below.
const GROUPS: [fn(&Guide); 7] = [
    coordination,
    slack,
    retry_queue,
    fallback,
    estimates,
    registry_recreated,
    monitor_and_recovery,
];

#[test]
fn the_coordinator_as_in_the_guide() {
    coordination(&Guide::read(Names::Plain));
}

fn coordination(guide: &Guide) {
    let world = guide_world();
    let answer = guide
        .run(&world, &format!("{COORDINATOR} can_deploy production"))
        .expect(0)
        .json();
    assert_eq!(answer["can_deploy"], json!(true));
    let register = format!("{COORDINATOR} register");
    let entry = guide.run(&world, &register).expect(0).json();
    assert_eq!(entry["correlation_id"], json!(ID));
    assert!(entry["fencing_token"].is_u64(), "{entry}");
    let registry: Value =
        serde_json::from_str(&world.read(".deployment-registry/deployments.json")).unwrap();
    let stored = &registry["deployments"][0];
    for (field, value) in [
        ("correlation_id", ID),
        ("workflow_run_id", "12345"),
        ("environment", "production"),
        ("stack_name", STACK),
        ("status", "IN_PROGRESS"),
    ] {
        assert_eq!(stored[field], json!(value), "{registry}");
    }
    for field in ["started_at", "updated_at"] {
        let time = stored[field].as_str().unwrap_or_default();
        assert!(time.len() == 20 && time.ends_with('Z'), "{registry}");
    }
    let active = guide
        .run(&world, &format!("{COORDINATOR} get_active"))
        .expect(0)
        .json();
    assert_eq!(active["correlation_id"], json!(ID));
    // Somebody else asks, is told no, and waits until the holder has cleaned up.
    let answer = guide
        .run(&world, &format!("{COORDINATOR} can_deploy production"))
        .expect(1)
        .json();
    assert_eq!(answer["active_deployment"]["correlation_id"], json!(ID));
    let wait = guide.line(&format!("{COORDINATOR} wait"));
    let waiter = world.start(&["bash", "-c", &wait], "wait.log");
    eventually("the waiter says who it waits for", || {
        world.read("wait.log").contains(ID).then_some(())
    });
    guide
        .run(&world, &format!("{COORDINATOR} cleanup \"{ID}\""))
        .expect(0);
    assert_eq!(waiter.wait(), Some(0), "{}", world.read("wait.log"));
    // The first line says how the limit was read.
    assert!(
        world.read("wait.log").contains("at most 30m"),
        "{}",
        world.read("wait.log")
    );
    // Twice is the same as once, and the stuck one is cleaned up in the same way.
    guide
        .run(&world, &format!("{COORDINATOR} cleanup <correlation_id>"))
        .expect(0);
    assert_eq!(
        guide
            .run(&world, &format!("{COORDINATOR} get_active"))
            .expect(1)
            .json(),
        json!({})
    );
    let log = guide.line("echo \"[$(date)]");
    world.bash(&log).expect(0);
}

#[test]
fn slack_as_in_the_guide() {
    slack(&Guide::read(Names::Plain));
}

fn slack(guide: &Guide) {
    let world = guide_world();
    guide.run(&world, &format!("{NOTIFIER} start")).expect(0);
    guide.run(&world, &format!("{NOTIFIER} complete")).expect(0);
    let messages = world.slack.messages(UPDATES);
    assert_eq!(messages.len(), 2, "{}", world.slack.text());
    assert!(
        messages[0].shown().contains("Deployment Started"),
        "{}",
        messages[0].shown()
    );
    assert!(
        messages[1].shown().contains("http://app.example.com"),
        "{}",
        messages[1].shown()
    );
}

#[test]
fn the_retry_queue_as_in_the_guide() {
    retry_queue(&Guide::read(Names::Plain));
}

fn retry_queue(guide: &Guide) {
    let world = guide_world();
    guide.run(&world, &format!("{QUEUE} queue start")).expect(0);
    let queued: Vec<String> = world
        .files()
        .into_iter()
        .filter(|name| name.starts_with(".slack-retry-queue/"))
        .collect();
    assert!(
        queued.iter().any(|name| world.read(name).contains(ID)),
        "{queued:?}"
    );
    let status = guide.run(&world, &format!("{QUEUE} status")).expect(0);
    assert!(!status.stdout.is_empty(), "{status}");
    guide.run(&world, &format!("{QUEUE} process")).expect(0);
    assert_eq!(
        world.slack.messages(UPDATES).len(),
        1,
        "{}",
        world.slack.text()
    );
    // What cron runs. Nothing is left, so nothing is sent again.
    guide.run(&world, "*/5 * * * *").expect(0);
    assert_eq!(
        world.slack.messages(UPDATES).len(),
        1,
        "{}",
        world.slack.text()
    );
    // A message that Slack will never take becomes a dead letter, under the name that the guide looks for.
    world
        .slack
        .fault(Fault::error("msg_too_long").on("chat.postMessage"));
    world
        .run(&["slack-retry-queue", "queue", "custom", "hello"])
        .expect(0);
    eventually("a dead letter", || {
        world.run(&["slack-retry-queue", "process"]).in_order();
        world
            .files()
            .iter()
            .any(|name| name.starts_with(".slack-retry-queue/dead_letter_"))
            .then_some(())
    });
    let list = guide
        .run(&world, "ls -la .slack-retry-queue/dead_letter_*")
        .expect(0);
    assert!(list.stdout.contains(".json"), "{list}");
}

#[test]
fn the_fallback_as_in_the_guide() {
    fallback(&Guide::read(Names::Plain));
}

fn fallback(guide: &Guide) {
    let world = guide_world();
    guide
        .run(&world, &format!("{FALLBACK} can_deploy production"))
        .expect(0);
    assert_eq!(
        guide
            .run(&world, &format!("{FALLBACK} get_active"))
            .expect(1)
            .json(),
        json!({})
    );
    world
        .cloudformation
        .play(STACK, &update(600.0), &Play::default().after(-5.0));
    guide
        .run(&world, &format!("{FALLBACK} can_deploy production"))
        .expect(1);
    let active = guide
        .run(&world, &format!("{FALLBACK} get_active"))
        .expect(0)
        .json();
    assert_eq!(active["status"], json!("UPDATE_IN_PROGRESS"));
}

/// An update that takes so many seconds.
fn update(seconds: f64) -> [Event; 4] {
    [
        Event::own(0.0, "UPDATE_IN_PROGRESS"),
        Event::resource(
            0.2,
            "Database",
            "AWS::RDS::DBInstance",
            "UPDATE_IN_PROGRESS",
        ),
        Event::resource(
            seconds - 0.2,
            "Database",
            "AWS::RDS::DBInstance",
            "UPDATE_COMPLETE",
        ),
        Event::own(seconds, "UPDATE_COMPLETE"),
    ]
}

#[test]
fn the_estimator_as_in_the_guide() {
    estimates(&Guide::read(Names::Plain));
}

fn estimates(guide: &Guide) {
    let world = guide_world();
    world
        .cloudformation
        .play(STACK, &update(900.0), &Play::default().after(-3600.0));
    guide.run(&world, &format!("{ESTIMATOR} collect")).expect(0);
    let history = || -> Value {
        serde_json::from_str(&world.read(".deployment-registry/deployment-history.json")).unwrap()
    };
    let seconds = history()["resource_averages"]["AWS::RDS::DBInstance"]
        .as_f64()
        .unwrap_or_default();
    assert!((890.0..910.0).contains(&seconds), "{}", history());
    guide
        .run(&world, &format!("{ESTIMATOR} update \"{ID}\""))
        .expect(0);
    guide
        .run(&world, &format!("{ESTIMATOR} update \"<correlation_id>\""))
        .expect(0);
    let deployments = history()["deployments"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ours: Vec<&Value> = deployments
        .iter()
        .filter(|one| one["correlation_id"] == json!(ID))
        .collect();
    assert_eq!(ours.len(), 1, "{}", history());
    assert_eq!(ours[0]["duration_minutes"], json!(25), "{}", history());
    for field in [
        "average_deployment_minutes",
        "last_updated",
        "resource_averages",
    ] {
        assert!(!history()[field].is_null(), "{}", history());
    }
    world
        .cloudformation
        .play(STACK, &update(1800.0), &Play::default().after(-900.0));
    let estimate = guide
        .run(&world, &format!("{ESTIMATOR} estimate"))
        .expect(0)
        .json();
    for field in [
        "estimated_remaining_minutes",
        "confidence_interval",
        "estimated_total_minutes",
        "estimated_completion_time",
    ] {
        assert!(!estimate[field].is_null(), "{field}: {estimate}");
    }
    assert_eq!(estimate["elapsed_minutes"], json!(15));
    // jq is the user's; what it would be given is JSON, as was just seen.
    for question in [".average_deployment_minutes", ".resource_averages"] {
        let line = guide.line(&format!(
            "cat .deployment-registry/deployment-history.json | jq '{question}'"
        ));
        let cat = line.split(" | ").next().unwrap_or_default();
        world.bash(cat).expect(0);
    }
}

#[test]
fn a_registry_is_recreated_as_in_the_guide() {
    registry_recreated(&Guide::read(Names::Plain));
}

fn registry_recreated(guide: &Guide) {
    let world = guide_world();
    world.write(".deployment-registry/deployments.json", "{ not JSON");
    let words = "Registry unavailable, falling back to CloudFormation-only coordination";
    assert!(GUIDE.contains(words));
    guide
        .run(&world, &format!("{COORDINATOR} can_deploy production"))
        .expect(0)
        .says(words);
    for line in [
        "ls -la .deployment-registry/deployments.json",
        "stat ",
        "mkdir -p",
        "echo '{",
        "chmod 644",
    ] {
        guide.run(&world, line).expect(0);
    }
    guide
        .run(&world, &format!("{COORDINATOR} can_deploy production"))
        .expect(0)
        .never_says(words);
}

#[test]
fn the_monitor_and_its_recovery_as_in_the_guide() {
    monitor_and_recovery(&Guide::read(Names::Plain));
}

fn monitor_and_recovery(guide: &Guide) {
    let mut world = guide_world();
    world.set("RETRY_GRACE", "1s");
    guide
        .run(&world, &format!("{COORDINATOR} register"))
        .expect(0);
    world
        .cloudformation
        .play(STACK, &update(6.0), &Play::default());
    let by_hand = format!("nohup bash caseapp/scripts/deployment-monitor.sh \"{ID}\"");
    guide.run(&world, &by_hand).expect(0);
    let log = || world.read("deployment-monitor.log");
    eventually("the monitor writes its log", || {
        log().contains("\"EVENT\"").then_some(())
    });
    let pid = monitors(&world);
    assert_eq!(pid.len(), 1, "{pid:?}\n{}", log());
    // Started by its plain name it has that name; through the shim or by recovery it has the script's.
    if guide.names == Names::Shims {
        check_pgrep(guide, &world, pid[0]);
    }
    guide.run(&world, "tail -50").expect(0);
    // Killed, it is started again by recovery, under the same name, and goes on to the end.
    let recovery = guide.line("bash caseapp/scripts/monitor-recovery.sh");
    let recovery = world.start(&["bash", "-c", &recovery], "recovery.log");
    world.bash(&format!("kill -9 {}", pid[0])).expect(0);
    let again = eventually("recovery restarts the monitor", || {
        monitors(&world).into_iter().find(|again| *again != pid[0])
    });
    check_pgrep(guide, &world, again);
    // Or by hand, while it runs: there is only one monitor for one deployment.
    let line = guide.line("nohup bash caseapp/scripts/deployment-monitor.sh \"<correlation_id>\"");
    world.bash(&line).expect(0);
    guide
        .run(&world, &format!("{COORDINATOR} cleanup \"{ID}\""))
        .expect(0);
    eventually("the monitor ends", || {
        monitors(&world).is_empty().then_some(())
    });
    assert_eq!(
        recovery.wait(),
        Some(0),
        "{}\n{}",
        world.read("recovery.log"),
        log()
    );
    for line in log().lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(line["correlation_id"], json!(ID));
    }
    // Each event once, whatever happened to the monitors.
    let events: Vec<Value> = log()
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["level"] == json!("EVENT"))
        .collect();
    let ids: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event["event_id"].as_str())
        .collect();
    assert_eq!(ids.len(), events.len(), "{}", log());
}

/// The guide's question whether the monitor is running finds this one.
fn check_pgrep(guide: &Guide, world: &World, pid: u32) {
    let found = guide.run(world, "pgrep -f").expect(0);
    assert!(
        found.stdout.lines().any(|line| line == pid.to_string()),
        "{pid} {found}"
    );
}

/// The monitors of this world.
fn monitors(world: &World) -> Vec<u32> {
    let mut found = world.processes(|words| {
        let name = words
            .first()
            .and_then(|word| word.rsplit('/').next())
            .unwrap_or_default();
        ["deployment-monitor", "deployment-monitor.sh"].contains(&name)
    });
    found.sort_unstable();
    found
}

/// Lines that are not ours to run here, and why.
const NOT_HERE: [&str; 3] = [
    // Of the AWS command line: in `moto.rs` and in the simulators' own tests.
    "AWS_PAGER=\"\" aws cloudformation describe-stacks",
    "AWS_PAGER=\"\" aws cloudformation delete-stack",
    // A tool of the user's assistant.
    "mcp_slack_conversations_history",
];

#[test]
fn every_line_of_the_guide_is_run_as_written() {
    let guide = Guide::read(Names::Shims);
    let shared = &guide;
    std::thread::scope(|scope| {
        for group in GROUPS {
            scope.spawn(move || group(shared));
        }
    });
    let used = guide.used.lock().unwrap();
    let left: Vec<&String> = guide
        .lines
        .iter()
        .filter(|line| {
            !used.contains(*line) && !NOT_HERE.iter().any(|known| line.starts_with(known))
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}
