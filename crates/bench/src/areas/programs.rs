//! Each program's main job as a whole process.

use anyhow::{Context as _, Result};
use simulators::Stack;

use crate::Bench;
use crate::figures::{Spread, ratio};
use crate::job::{Job, Runs, race};
use crate::page::Section;
use crate::place::Place;

const STACK: &str = "CourtCaseManagementStack";
const ID: &str = "20260114-123456-abc123";
const ROUNDS: usize = 15;

/// How the scripts asked: the `aws` command and `jq`, one process after the other.
const CAN_DEPLOY_SCRIPT: &str = r#"
status=$(aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text) || exit 2
held=$(jq -r --arg env production '[.deployments[] | select(.environment == $env)] | length' registry.json)
case $status in *_IN_PROGRESS) may=false ;; *) may=true ;; esac
[ "$held" = 0 ] || may=false
jq -n --argjson may "$may" --arg status "$status" '{can_deploy: $may, stack_status: $status}'
"#;

/// Three questions, then arithmetic.
pub(super) const ESTIMATE_SCRIPT: &str = r#"
status=$(aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text) || exit 2
events=$(aws cloudformation describe-stack-events --stack-name "$1" --max-items 100 --output json)
resources=$(aws cloudformation describe-stack-resources --stack-name "$1" --output json)
pending=$(jq '[.StackResources[]? | select(.ResourceStatus | endswith("_IN_PROGRESS"))] | length' <<<"$resources")
count=$(jq '.StackEvents | length' <<<"$events")
jq -n --arg status "$status" --argjson pending "$pending" --argjson count "$count" \
  '{stack_status: $status, estimated_remaining_minutes: ($pending * 3), events: $count}'
"#;

pub(crate) fn measure(bench: &Bench) -> Result<Section> {
    let place = Place::new(bench)?;
    place
        .cloudformation
        .add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    place.write("registry.json", "{\"deployments\":[]}")?;
    let mut section = Section::new("The programs as whole processes");
    section.text(
        "The scripts' way is the same question asked with the `aws` command and `jq`, in a few lines of bash. `curl` with the same \
        request is the floor for whoever asks over the network. Times are medians with their smallest and largest value.",
    );
    sizes(bench, &mut section)?;
    starts(&place, &mut section)?;
    questions(&place, &mut section)?;
    messages(&place, &mut section)?;
    Ok(section)
}

const PROGRAMS: [(&str, u64); 7] = [
    ("deployment-coordinator", 9),
    ("deployment-monitor", 9),
    ("monitor-recovery", 9),
    ("registry-fallback", 9),
    ("deployment-time-estimator", 9),
    ("slack-notifier", 3),
    ("slack-retry-queue", 3),
];

fn sizes(bench: &Bench, section: &mut Section) -> Result<()> {
    let mut rows = Vec::new();
    for (program, most) in PROGRAMS {
        let path = bench.programs.join(program);
        let bytes = std::fs::metadata(&path)
            .with_context(|| path.display().to_string())?
            .len();
        let megabytes = bytes as f64 / 1e6;
        rows.push(vec![format!("`{program}`"), format!("{megabytes:.2} MB")]);
        section.target(
            &format!("`{program}` under {most} MB"),
            &format!("{megabytes:.2} MB"),
            bytes < most * 1_000_000,
        );
    }
    section.table(&["program", "size"], &rows);
    Ok(())
}

fn starts(place: &Place, section: &mut Section) -> Result<()> {
    let mut jobs = vec![Job::new("`true`", place, &["true"])?];
    for (program, _) in PROGRAMS {
        let name = format!("`{program} --version`");
        jobs.push(Job::new(&name, place, &[program, "--version"])?);
    }
    let runs = race(place, ROUNDS * 2, jobs)?;
    section.table(
        &["start", "wall", "peak memory"],
        &runs
            .iter()
            .map(|runs| {
                vec![
                    runs.name.clone(),
                    runs.wall().milliseconds(),
                    runs.peak().mebibytes(),
                ]
            })
            .collect::<Vec<_>>(),
    );
    let slowest = runs
        .iter()
        .map(|runs| runs.wall().median)
        .fold(0.0, f64::max);
    section.target(
        "every program starts in under 2 ms",
        &format!("slowest {:.2} ms", slowest * 1e3),
        slowest < 0.002,
    );
    Ok(())
}

fn questions(place: &Place, section: &mut Section) -> Result<()> {
    let requests = |job: &str| -> Result<String> {
        place.cloudformation.forget_requests();
        let words: Vec<&str> = job.split(' ').collect();
        drop(race(place, 1, vec![Job::new(job, place, &words)?])?);
        // One round that does not count, and one that does.
        Ok((place.cloudformation.recorded().len() / 2).to_string())
    };
    let can_deploy = "deployment-coordinator can_deploy production";
    let fallback = "registry-fallback can_deploy production";
    let estimate = format!("deployment-time-estimator estimate {ID} {STACK} 15");
    let counted = [
        requests(can_deploy)?,
        requests(fallback)?,
        requests(&estimate)?,
    ];
    let body = format!("Action=DescribeStacks&Version=2010-05-15&StackName={STACK}");
    let url = place.cloudformation.url();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let job = |name: &str, line: &str| {
        let words = words(line);
        Job::new(
            name,
            place,
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    let runs = race(
        place,
        ROUNDS,
        vec![
            job("`can_deploy`", can_deploy)?,
            job("`registry-fallback can_deploy`", fallback)?,
            job("`estimate`", &estimate)?,
            Job::new(
                "`curl`, one `DescribeStacks`",
                place,
                &["curl", "-sS", "-d", &body, &url],
            )?,
        ],
    )?;
    let scripts = race(
        place,
        3,
        vec![
            Job::script(
                "`can_deploy` the scripts' way",
                place,
                &with_stack(CAN_DEPLOY_SCRIPT),
            )?,
            Job::script(
                "`estimate` the scripts' way",
                place,
                &with_stack(ESTIMATE_SCRIPT),
            )?,
        ],
    )?;
    let mut rows: Vec<Vec<String>> = runs.iter().chain(&scripts).map(row).collect();
    let counts = counted.iter().map(String::as_str).chain(["1", "1", "3"]);
    for (row, count) in rows.iter_mut().zip(counts) {
        row.push(count.to_owned());
    }
    section.table(
        &["question", "wall", "cpu", "peak memory", "requests"],
        &rows,
    );
    let [can_deploy, fallback, estimate, curl] = &runs[..] else {
        anyhow::bail!("four commands were measured");
    };
    for (ours, theirs) in [(can_deploy, &scripts[0]), (estimate, &scripts[1])] {
        let times = theirs.wall().over(&ours.wall());
        section.target(
            &format!(
                "{} at least 200x less wall time than the scripts' way",
                ours.name
            ),
            &ratio(times),
            times >= 200.0,
        );
    }
    let to_curl = fallback.wall_over(curl);
    section.target(
        "one request (`registry-fallback can_deploy`) at most 0.7x `curl` with the same request",
        &ratio(to_curl),
        to_curl <= 0.7,
    );
    Ok(())
}

/// `STACK` as the script's first word.
pub(super) fn with_stack(script: &str) -> String {
    format!("set -- {STACK}\n{script}")
}

fn messages(place: &Place, section: &mut Section) -> Result<()> {
    let url = format!("{}chat.postMessage", place.slack.api_url());
    let header = format!("Authorization: Bearer {}", simulators::TOKEN);
    let body = "{\"channel\":\"C0A9M9DPFUY\",\"text\":\"hello\"}";
    // Slack allows one message a second to a channel, and so does the program; each gets a channel of its own.
    let runs = race(
        place,
        5,
        vec![
            Job::new(
                "`slack-notifier custom`",
                place,
                &["slack-notifier", "custom", "hello"],
            )?
            .before(|| place.remove(".slack-retry-queue")),
            Job::new(
                "`curl`, one `chat.postMessage`",
                place,
                &[
                    "curl",
                    "-sS",
                    "-H",
                    &header,
                    "-H",
                    "Content-Type: application/json; charset=utf-8",
                    "-d",
                    body,
                    &url,
                ],
            )?,
        ],
    )?;
    section.table(
        &["message", "wall", "cpu", "peak memory"],
        &runs.iter().map(row).collect::<Vec<_>>(),
    );
    Ok(())
}

fn row(runs: &Runs) -> Vec<String> {
    let cpu: Spread = runs.cpu();
    vec![
        runs.name.clone(),
        runs.wall().milliseconds(),
        cpu.milliseconds(),
        runs.peak().mebibytes(),
    ]
}
