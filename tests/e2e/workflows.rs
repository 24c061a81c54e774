//! The example workflows: their `run:` steps in order, with GitHub's own shell options, against the simulators.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use end_to_end::{Outcome, STACK, World, eventually};
use registry_core::estimate::template::yaml;
use serde_json::Value;
use simulators::{Message, Run, Stack, UPDATES};

use crate::world;

const RUN: &str = "12345";

/// A job under way: what its steps hand to each other.
struct Job {
    world: World,
    environment: BTreeMap<String, String>,
    /// `steps.ID.outputs.NAME`
    outputs: BTreeMap<String, String>,
    failed: bool,
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
    /// Plays the steps of the workflow's one job.
    fn play(world: World, workflow: &Value) -> Self {
        let job = &workflow["jobs"]["production"];
        assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
        let mut this = Self {
            world,
            environment: words(&job["env"]).collect(),
            outputs: BTreeMap::new(),
            failed: false,
            ran: Vec::new(),
        };
        // These tests have no DynamoDB; the registry is a folder that all steps share.
        this.environment.remove("REGISTRY_URL");
        for step in job["steps"].as_array().expect("steps") {
            this.step(step);
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
        self.world.write("step.sh", script);
        // docs.github.com, "Workflow syntax", jobs.<job_id>.steps[*].shell: what `shell: bash` stands for.
        let outcome = self.world.run(&[
            "bash",
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "step.sh",
        ]);
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
            "failure()" => self.failed,
            "cancelled()" => false,
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
            assert_eq!(message.thread_ts, root, "{}", message.shown());
            if message.shown().contains("Deployment Started") {
                root = Some(message.ts.clone());
            }
        }
        messages.iter().map(Message::shown).collect()
    }
}

#[track_caller]
fn check(name: &str, deploy: &str, succeeds: bool, last: &str) -> Job {
    let job = Job::play(ready(deploy), &example(name));
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

#[test]
fn one_step() {
    let job = check("deploy.yml", "true", true, "Deployment Successful");
    assert_eq!(job.names(), ["Check the set-up", "Deploy"]);
    check("deploy.yml", "exit 1", false, "Deployment Failed");
}

#[test]
fn step_by_step() {
    let name = "deploy-step-by-step.yml";
    let job = check(name, "true", true, "Deployment Successful");
    assert!(!job.names().contains(&"Wait for the active deployment"));
    check(name, "exit 1", false, "Deployment Failed");
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
    let job = Job::play(world, &example("deploy-step-by-step.yml"));
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
