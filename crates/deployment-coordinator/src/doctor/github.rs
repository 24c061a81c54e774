//! GitHub Actions: the variables and rights a workflow needs; nothing at all elsewhere.

use registry_core::registry::{RunSource as _, RunState};
use slack_client::Finding;

use super::{bad, good, weak};
use crate::world::World;

pub(super) fn examine(world: &World) -> Vec<Finding> {
    let set = world.settings();
    if set.variable("GITHUB_ACTIONS").as_deref() != Some("true") {
        return vec![good("github", "this is no GitHub Actions job".to_owned())];
    }
    let mut findings = Vec::new();
    for name in ["GITHUB_RUN_ID", "GITHUB_REPOSITORY", "GITHUB_RUN_ATTEMPT"] {
        if set.variable(name).is_none() {
            findings.push(bad(
                name,
                "is not set, although GITHUB_ACTIONS is".to_owned(),
                "pass GitHub's own variables on (a container or env -i loses them)",
            ));
        }
    }
    if let Some(path) = set.variable("GITHUB_OUTPUT")
        && let Err(error) = std::fs::OpenOptions::new().append(true).open(&path)
    {
        findings.push(bad(
            "GITHUB_OUTPUT",
            format!("{path} cannot be written: {error}"),
            "pass the runner's file on to the container that this runs in",
        ));
    }
    findings.push(token(world));
    findings
}

fn token(world: &World) -> Finding {
    const FIX: &str = "give the job permissions: actions: read, and the step env: GITHUB_TOKEN: ${{ github.token }}";
    let set = world.settings();
    let why_not = "so a dead job's hold is freed after hours instead of minutes";
    let (Some(runs), Some(run)) = (world.runs(), set.variable("GITHUB_RUN_ID")) else {
        return weak("token", format!("GITHUB_TOKEN is not set, {why_not}"), FIX);
    };
    let caller = world.caller();
    match runs.state(&run, caller.attempt, caller.runner.as_deref()) {
        RunState::Running => good("token", format!("may read the state of run {run}")),
        RunState::Over(words) => weak(
            "token",
            format!("GitHub takes this very run for ended: {words}"),
            "check GITHUB_RUN_ID and GITHUB_RUN_ATTEMPT",
        ),
        RunState::CannotTell(why) => weak(
            "token",
            format!("the state of run {run} cannot be read ({why}), {why_not}"),
            FIX,
        ),
    }
}
