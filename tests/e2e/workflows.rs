//! The example workflows: their `run:` steps in order, with GitHub's own shell options, against the simulators.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use end_to_end::{Outcome, STACK, World, eventually};
use registry_core::estimate::template::yaml;
use rustix::process::Signal;
use serde_json::Value;
use simulators::{Fault, Message, Run, Stack, Trouble, UPDATES};

use crate::world;

const RUN: &str = "12345";

/// A step's name, and what happens before it.
type Mishap = Option<(&'static str, fn(&mut World, &str))>;

/// A job under way: what its steps hand to each other.
struct Job {
    world: World,
    environment: BTreeMap<String, String>,
    /// `steps.ID.outputs.NAME`
    outputs: BTreeMap<String, String>,
    failed: bool,
    cancelled: bool,
    /// What happens in the world before a step, by the step's name.
    mishap: Mishap,
    /// Each step that ran, by its name, and how.
    ran: Vec<(String, Outcome)>,
}

fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/examples")
        .join(name);
    let text = std::fs::read_to_string(path).expect("an example workflow");
    yaml(&text).expect("YAML")
}

fn words(value: &Value) -> impl Iterator<Item = (String, String)> + '_ {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
}

/// A machine as GitHub's runner has it ready, with `cdk` as `deploy` (a line of bash) plays it.
fn ready(deploy: &str) -> World {
    let mut world = world();
    let stack = Stack::new(STACK).status("UPDATE_COMPLETE");
    world.cloudformation.add_stack(stack);
    let npx = format!("#!/bin/bash\necho \"npx $*\" >> deployed\n{deploy}\n");
    world.write("tools/npx", &npx);
    let program = world.path("tools/npx");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("an executable");
    let path = format!(
        "{}:{}",
        world.path("tools").display(),
        world.get("PATH").unwrap_or_default()
    );
    world.github.set_token("ghs_simulated0000000000");
    world
        .github
        .set_run(Run::in_progress("owner/repo", 12345).job("production", "runner-1"));
    world
        .set("PATH", &path)
        .set("CHECK_INTERVAL", "200ms")
        .set("RECOVERY_INTERVAL", "200ms")
        .set("GITHUB_ACTIONS", "true")
        .set("GITHUB_RUN_ID", RUN)
        .set("GITHUB_RUN_ATTEMPT", "1")
        .set("GITHUB_REPOSITORY", "owner/repo")
        .set("RUNNER_NAME", "runner-1");
    for name in ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY"] {
        let file = world.path(name).display().to_string();
        world.write(name, "");
        world.set(name, &file);
    }
    world
}

impl Job {
    /// Plays the jobs of a workflow one after the other, each only if those that it needs went well.
    fn play(world: World, workflow: &Value, mishap: Mishap) -> Self {
        assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
        let mut this = Self {
            world,
            environment: BTreeMap::new(),
            outputs: BTreeMap::new(),
            failed: false,
            cancelled: false,
            mishap,
            ran: Vec::new(),
        };
        for (name, job) in workflow["jobs"].as_object().expect("jobs") {
            if !job["needs"].is_null() && this.failed {
                continue;
            }
            assert_eq!(job["environment"], name.as_str());
            // Each job begins with what the workflow gives it, and nothing of the one before.
            let variables = words(&workflow["env"]).chain(words(&job["env"]));
            this.environment = variables.collect();
            this.outputs.clear();
            // These tests have no DynamoDB; the registry is a folder that all steps share.
            assert!(this.environment.remove("REGISTRY_URL").is_some());
            this.world.unset("CORRELATION_ID");
            for step in job["steps"].as_array().expect("steps") {
                this.step(step);
            }
        }
        this
    }

    fn step(&mut self, step: &Value) {
        let (Some(script), true) = (step["run"].as_str(), self.wanted(step["if"].as_str())) else {
            return;
        };
        let name = step["name"].as_str().expect("a name").to_owned();
        let variables: Vec<(String, String)> = words(&step["env"]).collect();
        for (name, value) in self.environment.clone().into_iter().chain(variables) {
            let value = self.filled(&value);
            self.world.set(&name, &value);
        }
        if let Some((_, happens)) = self.mishap.filter(|(step, _)| *step == name) {
            let id = self.environment.get("CORRELATION_ID").cloned();
            happens(&mut self.world, &id.unwrap_or_default());
        }
        self.world.write("step.sh", script);
        let outcome = if self.world.path("cancel").exists() && !self.cancelled {
            self.cancelled = true;
            cancel(&self.world)
        } else {
            self.world.run(&SHELL)
        };
        self.failed |= outcome.code != Some(0);
        self.ran.push((name, outcome));
        for line in self.take("GITHUB_ENV") {
            self.environment.insert(line.0, line.1);
        }
        let id = step["id"].as_str().unwrap_or_default().to_owned();
        for (name, value) in self.take("GITHUB_OUTPUT") {
            self.outputs
                .insert(format!("steps.{id}.outputs.{name}"), value);
        }
    }

    fn take(&self, file: &str) -> Vec<(String, String)> {
        let text = self.world.read(file);
        self.world.write(file, "");
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    // The conditions that the examples have; anything else is a fault of this test.
    fn wanted(&self, condition: Option<&str>) -> bool {
        let condition = condition.unwrap_or("success()");
        condition.split(" || ").any(|word| match word {
            "always()" => true,
            "success()" => !self.failed,
            "failure()" => self.failed && !self.cancelled,
            "cancelled()" => self.cancelled,
            comparison => {
                let (left, right) = comparison.split_once(" == ").expect("a comparison");
                let value = self.outputs.get(left).map(String::as_str);
                !self.failed && value == Some(right.trim_matches('\''))
            }
        })
    }

    fn filled(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once("${{ ") else {
            return text.to_owned();
        };
        let (expression, after) = rest.split_once(" }}").expect("an end");
        let value = match expression {
            "secrets.SLACK_BOT_TOKEN" => simulators::TOKEN.to_owned(),
            "github.token" => "ghs_simulated0000000000".to_owned(),
            output => self.outputs.get(output).cloned().unwrap_or_default(),
        };
        format!("{before}{value}{}", self.filled(after))
    }

    fn names(&self) -> Vec<&str> {
        self.ran.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn all(&self) -> String {
        let all: Vec<String> = self
            .ran
            .iter()
            .map(|(name, outcome)| format!("== {name}\n{outcome}"))
            .collect();
        all.join("\n")
    }

    /// Whatever happened: no hold, no message left behind, no process that lives on.
    fn is_clean(&self) -> Vec<String> {
        let registry = self.world.read(".deployment-registry/deployments.json");
        let registry: Value = serde_json::from_str(&registry).expect("a registry");
        for entry in registry["deployments"].as_array().expect("entries") {
            assert_ne!(entry["status"], "IN_PROGRESS", "{}", self.all());
        }
        eventually("every process has ended", || {
            self.world.processes(|_| true).is_empty().then_some(())
        });
        let messages = self.world.slack.messages(UPDATES);
        // One thread, from the start on.
        let mut root = None;
        for message in &messages {
            if message.shown().contains("Deployment Started") {
                assert_eq!(message.thread_ts, None, "{}", message.shown());
                root = Some(message.ts.clone());
            } else {
                assert_eq!(message.thread_ts, root, "{}", message.shown());
            }
        }
        messages.iter().map(Message::shown).collect()
    }
}

// docs.github.com, "Workflow syntax", jobs.<job_id>.steps[*].shell: what `shell: bash` stands for.
const SHELL: [&str; 6] = [
    "bash",
    "--noprofile",
    "--norc",
    "-eo",
    "pipefail",
    "step.sh",
];

/// Runs the step as one that is cancelled once it deploys: GitHub sends SIGINT to the step's process, and to no other.
fn cancel(world: &World) -> Outcome {
    let step = world.start(&SHELL, "step.log");
    eventually("it deploys", || {
        world.path("deployed").exists().then_some(())
    });
    step.signal(Signal::INT);
    let code = step.wait();
    Outcome {
        line: "a step that is cancelled".to_owned(),
        stdout: String::new(),
        stderr: world.read("step.log"),
        code,
    }
}

#[track_caller]
fn check(name: &str, deploy: &str, succeeds: bool, last: &str) -> Job {
    let job = Job::play(ready(deploy), &example(name), None);
    assert_eq!(job.failed, !succeeds, "{}", job.all());
    let deployed = job.world.read("deployed");
    assert!(
        deployed.starts_with("npx cdk deploy --require-approval never --tags CorrelationId=2"),
        "{deployed}{}",
        job.all()
    );
    let texts = job.is_clean();
    let told = texts.last().expect("a message");
    assert!(told.contains(last), "{texts:#?}{}", job.all());
    let history = job
        .world
        .read(".deployment-registry/deployment-history.json");
    assert_eq!(
        history.contains("\"correlation_id\""),
        succeeds,
        "{history}"
    );
    job
}

/// Moves the stack that is deployed, as a deployment does: one that moves nothing is not counted in the history.
const MOVES: &str = r#"
for status in UPDATE_IN_PROGRESS UPDATE_COMPLETE; do
    event="{\"status\": \"$status\"}"
    exec 3<>"/dev/tcp/127.0.0.1/${AWS_ENDPOINT_URL##*:}"
    printf 'POST /_sim/stacks/%s/event HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "${@: -1}" ${#event} "$event" >&3
    grep -q '200 OK' <&3
done
"#;

#[test]
fn one_step() {
    let job = check("deploy.yml", MOVES, true, "Deployment Successful");
    // To staging, and then to production.
    let steps = ["Check the set-up", "Deploy"];
    assert_eq!(job.names(), [steps, steps].concat());
    let deployed = job.world.read("deployed");
    assert!(deployed.contains(" CourtCaseManagementStack-Staging\n"));
    assert!(deployed.ends_with(" CourtCaseManagementStack\n"));
    let job = check("deploy.yml", "exit 1", false, "Deployment Failed");
    assert_eq!(
        job.names(),
        steps,
        "staging failed, so production has to wait"
    );
}

#[test]
fn step_by_step() {
    let name = "deploy-step-by-step.yml";
    let job = check(name, "true", true, "Deployment Successful");
    assert!(!job.names().contains(&"Wait for the active deployment"));
    check(name, "exit 1", false, "Deployment Failed");
}

/// A workflow to whose job something happens before `step`: it fails, and whatever was begun is put away.
#[track_caller]
fn mishap(name: &str, step: &'static str, deploys: bool, happens: fn(&mut World, &str)) -> Job {
    let job = Job::play(ready("true"), &example(name), Some((step, happens)));
    assert!(job.failed, "{}", job.all());
    let deployed = job.world.path("deployed").exists();
    assert_eq!(deployed, deploys, "{}", job.all());
    job
}

const NO_TOKEN: fn(&mut World, &str) = |world, _| world.slack.set_token("xoxb-another");
const DENIED: fn(&mut World, &str) = |world, _| {
    let fault = Fault::new(Trouble::AccessDenied).on("DescribeStacks");
    world.cloudformation.fault(fault);
};
const CLEANED: fn(&mut World, &str) = |world, id| {
    let words = ["deployment-coordinator", "cleanup", id, "--reason", "stuck"];
    drop(world.run(&words).expect(0));
};

#[test]
fn one_step_that_fails() {
    let job = mishap("deploy.yml", "Check the set-up", false, NO_TOKEN);
    assert_eq!(job.names(), ["Check the set-up"]);
    let job = mishap("deploy.yml", "Deploy", false, DENIED);
    assert_eq!(job.ran[1].1.code, Some(125), "{}", job.all());
    let job = mishap("deploy.yml", "Deploy", false, |world, _| {
        world.write("tools/npx", "#!/bin/bash\nexit 127\n");
    });
    assert_eq!(job.ran[1].1.code, Some(127), "{}", job.all());
    let texts = job.is_clean();
    assert!(
        texts
            .last()
            .is_some_and(|text| text.contains("Deployment Failed"))
    );
}

#[test]
fn step_by_step_with_a_step_that_fails() {
    let name = "deploy-step-by-step.yml";
    let always = ["Tell Slack that it is not deployed", "Clean up"];
    for (step, happens) in [
        ("Check the set-up", DENIED),
        ("Check if the deployment can proceed", DENIED),
        ("Register", DENIED),
        ("Deploy", CLEANED),
    ] {
        let job = mishap(name, step, false, happens);
        assert!(job.names().ends_with(&always), "{}", job.all());
        for (name, outcome) in job.ran.iter().filter(|(name, _)| name != step) {
            assert_eq!(outcome.code, Some(0), "{name}: {}", job.all());
        }
        let history = job
            .world
            .read(".deployment-registry/deployment-history.json");
        assert!(!history.contains("correlation_id"), "{history}");
        let told = job.world.slack.messages(UPDATES);
        let last = told.last().map(Message::shown).unwrap_or_default();
        assert!(last.contains("Deployment Failed"), "{last}{}", job.all());
    }
    // Slack that is gone in the middle stops nothing.
    let down = |world: &mut World, _: &str| world.slack.fault(Fault::status(503, "down"));
    let job = Job::play(ready("true"), &example(name), Some(("Deploy", down)));
    assert!(!job.failed, "{}", job.all());
    assert!(job.names().contains(&"Update the history"), "{}", job.all());
}

#[test]
fn a_job_that_is_cancelled_while_it_deploys() {
    let deploys = "exec sleep 300";
    let cancel = |world: &mut World, _: &str| world.write("cancel", "");
    let job = Job::play(
        ready(deploys),
        &example("deploy.yml"),
        Some(("Deploy", cancel)),
    );
    // Without `exec` bash would wait for its child, and the program would hear of nothing.
    assert_eq!(job.ran[1].1.code, Some(130), "{}", job.all());
    assert_eq!(job.names(), ["Check the set-up", "Deploy"], "{}", job.all());
    let texts = job.is_clean();
    let last = texts.last().expect("a message");
    assert!(last.contains("stopped by SIGINT"), "{texts:#?}");
}

#[test]
fn step_by_step_behind_another_deployment() {
    let world = ready("true");
    let active = [
        "deployment-coordinator",
        "register",
        "another",
        "7",
        "production",
    ];
    let _held = world.run(&active).expect(0);
    // It ends when somebody waits for it.
    let other =
        "until deployment-coordinator status production | grep -q 'waiting 1'; do sleep 0.2; done
        deployment-coordinator cleanup another --outcome success";
    let ending = world.start(&["bash", "-c", other], "other.log");
    let job = Job::play(world, &example("deploy-step-by-step.yml"), None);
    assert!(!job.failed, "{}", job.all());
    assert_eq!(ending.wait(), Some(0));
    assert!(
        job.names().contains(&"Wait for the active deployment"),
        "{}",
        job.all()
    );
    let texts = job.is_clean();
    assert!(texts[0].contains("Deployment Queued"), "{texts:#?}");
    assert!(
        texts
            .iter()
            .any(|text| text.contains("Deployment Successful")),
        "{texts:#?}"
    );
}

#[test]
fn the_policy_allows_what_is_asked_and_nothing_else() {
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/iam-policy.json");
    let text = std::fs::read_to_string(path).expect("the policy");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    let actions: Vec<&str> = policy["Statement"][0]["Action"]
        .as_array()
        .expect("actions")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let world = ready("true");
    let _sound = world.run(&["deployment-coordinator", "doctor", "production"]);
    let mut asked: Vec<String> = world
        .cloudformation
        .recorded()
        .into_iter()
        .map(|request| request.action)
        // Needs no right.
        .filter(|action| action != "GetCallerIdentity")
        .map(|action| format!("cloudformation:{action}"))
        .collect();
    asked.sort();
    asked.dedup();
    let mut allowed = actions.clone();
    allowed.sort_unstable();
    assert_eq!(asked, allowed);
}
