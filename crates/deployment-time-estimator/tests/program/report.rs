//! `report`, on the terminal, as JSON and as a page.

use std::collections::{BTreeMap, HashSet};

use super::*;

#[test]
fn a_report_shows_deployments_causes_and_the_critical_path() {
    let bench = Bench::new();
    let empty = bench.run(&["report"]);
    assert_eq!(empty.status, 1, "{}", empty.stderr);
    assert!(
        empty.stderr.contains("nothing to report"),
        "{}",
        empty.stderr
    );
    let file = trace_file("ai-chatbot_ai-chatbot_update7.jsonl");
    let drawn = bench.run(&["report", "--trace", file.to_str().unwrap()]);
    assert_eq!(drawn.status, 0, "{}", drawn.stderr);
    assert!(
        drawn.stdout.contains("rolled_back") && drawn.stdout.contains('█'),
        "{}",
        drawn.stdout
    );
    bench.aws.play_trace(
        STACK,
        &trace("ai-chatbot_ai-chatbot_create.jsonl"),
        &creating(3600.0),
    );
    bench.run(&["collect", STACK]);
    let told = bench.run(&["report", "--format", "json"]).json();
    assert_eq!(told["stack_name"], STACK);
    assert_eq!(told["deployments"][0]["outcome"], "succeeded");
    assert_eq!(told["failure_rate"], 0.0);
    let critical: Vec<&str> = told["operation"]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["critical"] == true)
        .map(|row| row["logical_resource_id"].as_str().unwrap())
        .collect();
    assert_eq!(
        critical,
        [
            "ConnectionHandlerRole",
            "ConnectionHandler",
            "ConnectIntegration",
            "ConnectRoute"
        ]
    );
}

#[test]
fn a_trace_that_cannot_be_read_is_told_on_stderr_and_in_the_json() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.jsonl");
    std::fs::write(&damaged, "{\"events\": ").unwrap();
    for (file, expected) in [
        (folder.path().join("missing.jsonl"), "could not be read"),
        (damaged, "damaged.jsonl"),
    ] {
        let words = ["report", "--trace", file.to_str().unwrap()];
        let text = bench.run(&words);
        assert_eq!((text.status, text.stdout.as_str()), (2, ""));
        assert!(text.stderr.contains(expected), "{}", text.stderr);
        let json = bench.run(&[words.as_slice(), &["--format", "json"]].concat());
        assert_eq!((json.status, &json.stderr), (2, &text.stderr));
        let why = json.json()["error"].as_str().unwrap().to_owned();
        assert!(json.stderr.contains(&why), "{why}: {}", json.stderr);
    }
}

/// A history with the one operation, whose first resource is called `id`; `update` has told of it as `deploy-1` and of another
/// deployment, of which nothing more is known, as `deploy-0`.
fn history(stack: &str, id: &str, cause: &str) -> String {
    json!({
        "deployments": [
            {"correlation_id": "deploy-0", "stack_name": stack, "duration_minutes": 3, "completed_at": "2026-01-13T12:00:00Z"},
            {"correlation_id": "deploy-1", "stack_name": stack, "duration_minutes": 2, "completed_at": "2026-01-14T12:02:00Z",
             "kind": "update", "operation_id": "event-1"},
        ],
        "resource_averages": {},
        "operations": [
            operation(stack, id, "event-1", "2026-01-14T12:00:00Z", None),
            operation(stack, id, "event-2", "2026-01-15T12:00:00Z", Some(cause)),
            operation(stack, id, "event-3", "2026-01-15T13:00:00Z", None),
        ],
    })
    .to_string()
}

fn operation(stack: &str, id: &str, event: &str, started: &str, cause: Option<&str>) -> Value {
    let (outcome, state, rollback) = match cause {
        Some(_) => ("rolled_back", "failed", Some(60)),
        None => ("succeeded", "completed", None),
    };
    json!({
        "stack_name": stack, "operation_id": event, "kind": "update", "outcome": outcome,
        "started_at": started, "duration_seconds": 100, "rollback_at": rollback, "first_cause": cause,
        "estimate_ratios": [1.3, 1.1, 0.9, 1.2, 1.2],
        "resources": [[id, "AWS::SNS::Topic", "update", "forward", state, 1, null, 40],
                      ["Second", "AWS::SQS::Queue", "update", "forward", "completed", 41, null, 99]],
    })
}

/// Every tag of a page with its attributes, in order; closing tags as `/name`. Only what this program writes: quoted values, no
/// `>` within them.
fn tags(page: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut tags = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = BTreeMap::new();
        while let Some((attribute, more)) = rest.split_once("=\"") {
            let (value, more) = more.split_once('"').unwrap();
            attributes.insert(attribute.trim().to_owned(), value.to_owned());
            rest = more;
        }
        tags.push((name.trim_end_matches('/').to_owned(), attributes));
    }
    tags
}

#[test]
fn the_page_has_nothing_from_outside_and_speaks_to_everybody() {
    let bench = Bench::new();
    bench.write_history(&history(STACK, "First", "First: no such topic"));
    let told = bench.run(&["report", "--html", "report.html"]);
    assert_eq!(told.status, 0, "{}", told.stderr);
    assert!(
        told.stdout.contains("1 of 3 failed (33 %)"),
        "{}",
        told.stdout
    );
    assert!(told.stderr.contains("report.html"), "{}", told.stderr);
    let page = std::fs::read_to_string(bench.folder.path().join("report.html")).unwrap();
    for outside in [
        "://",
        "url(",
        "@import",
        "src=",
        "<script",
        "<link",
        "javascript:",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    for needed in [
        "<!DOCTYPE html>",
        "width=device-width",
        "prefers-color-scheme:dark",
        "@media print",
        "default-src 'none'",
        "a rollback takes 40s",
        "the next success came 1h 0m after a failure",
        "First cause: First: no such topic",
        "deploy-0",
        "90th percentile",
    ] {
        assert!(page.contains(needed), "{needed} is missing");
    }
    let tags = tags(&page);
    let ids: Vec<&String> = tags.iter().filter_map(|(_, a)| a.get("id")).collect();
    assert_eq!(
        ids.len(),
        ids.iter().collect::<HashSet<_>>().len(),
        "an id is there twice"
    );
    let mut svgs = 0;
    for (index, (name, attributes)) in tags.iter().enumerate() {
        for refers in ["aria-labelledby", "aria-describedby"] {
            if let Some(id) = attributes.get(refers) {
                assert!(ids.contains(&id), "{id} is not there");
            }
        }
        match name.as_str() {
            "html" => assert_eq!(attributes["lang"], "en"),
            "section" => assert!(attributes.contains_key("aria-labelledby")),
            "svg" => {
                svgs += 1;
                assert_eq!(attributes["role"], "img");
                assert_eq!(tags[index + 1].0, "title");
                assert_eq!(tags[index + 3].0, "desc");
            }
            "table" => assert_eq!(tags[index + 1].0, "caption"),
            "th" => assert!(["col", "row"].contains(&attributes["scope"].as_str())),
            _ => {}
        }
    }
    // Five charts, each for a wide page and for a narrow screen.
    assert_eq!(svgs, 10);
    let open = |name: &str| tags.iter().filter(|tag| tag.0 == name).count();
    for name in [
        "section", "table", "tr", "svg", "figure", "main", "h2", "text",
    ] {
        assert_eq!(open(name), open(&format!("/{name}")), "{name}");
    }
    assert_eq!((open("h1"), open("h2"), open("table")), (1, 5, 4));
}

#[test]
fn nothing_from_outside_gets_out_of_its_place_on_the_page() {
    const HOSTILE: &str = "</svg></style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{1b}[31m\u{202e}";
    let bench = Bench::new();
    let cause = format!("{HOSTILE} AKIAIOSFODNN7EXAMPLE");
    bench.write_history(
        &history(HOSTILE, HOSTILE, &cause).replace("AWS::SNS::Topic", "<b onclick=x>"),
    );
    let told = bench.run(&["report", "--html", "report.html"]);
    assert_eq!(told.status, 0, "{}", told.stderr);
    let page = std::fs::read_to_string(bench.folder.path().join("report.html")).unwrap();
    let tags = tags(&page);
    for (name, attributes) in &tags {
        assert!(
            !["script", "img", "b"].contains(&name.as_str()),
            "{name} {attributes:?}"
        );
        assert!(
            attributes.keys().all(|name| !name.starts_with("on")),
            "{attributes:?}"
        );
    }
    let closed = |name: &str| tags.iter().filter(|tag| tag.0 == name).count();
    assert_eq!(closed("svg"), closed("/svg"));
    assert_eq!((closed("/style"), closed("/script")), (1, 0));
    for text in [&page, &told.stdout] {
        assert!(
            !text.contains('\u{1b}') && !text.contains("AKIAIOSFODNN7EXAMPLE"),
            "{text}"
        );
    }
}

#[test]
fn a_deployment_is_shown_by_its_name() {
    let bench = Bench::new();
    bench.write_history(&history(STACK, "First", "First: no such topic"));
    let shown = |name: &str| {
        let told = bench.run(&["report", "--format", "json", "--deployment", name]);
        assert_eq!(told.status, 0, "{}", told.stderr);
        told.json()["operation"].clone()
    };
    assert_eq!(shown("deploy-1")["started_at"], "2026-01-14T12:00:00Z");
    assert_eq!(shown("deploy-1")["correlation_id"], "deploy-1");
    assert_eq!(shown("event-2")["outcome"], "rolled_back");
    let last = bench.run(&["report", "--format", "json"]).json();
    assert_eq!(last["operation"]["operation_id"], "event-3");
    assert_eq!(last["median_recovery_seconds"], 3600.0);
    assert_eq!(last["median_rollback_seconds"], 40.0);
    for (name, why) in [
        (
            "deploy-0",
            "what the resources did in deployment \"deploy-0\" is not in the history",
        ),
        ("deploy-9", "the history has no deployment \"deploy-9\""),
    ] {
        let told = bench.run(&["report", "--format", "json", "--deployment", name]);
        assert_eq!((told.status, told.json()), (1, json!({})));
        assert!(told.stderr.contains(why), "{}", told.stderr);
    }
}

#[test]
fn a_page_that_cannot_be_written_costs_the_page_and_no_more() {
    let bench = Bench::new();
    bench.write_history(&history(STACK, "First", "First: no such topic"));
    let told = bench.run(&[
        "report",
        "--format",
        "json",
        "--html",
        "no/such/folder/report.html",
    ]);
    assert_eq!(told.status, 2);
    assert!(
        told.stderr.contains("could not be written"),
        "{}",
        told.stderr
    );
    assert_eq!(told.json()["stack_name"], STACK);
}

#[test]
fn a_recorded_trace_makes_a_page_too() {
    let bench = Bench::new();
    for name in [
        "ai-chatbot_ai-chatbot_update7.jsonl",
        "excerpt_fargate-webapp-dev_create.jsonl",
    ] {
        let file = trace_file(name);
        let told = bench.run(&[
            "report",
            "--trace",
            file.to_str().unwrap(),
            "--html",
            "trace.html",
        ]);
        assert_eq!(told.status, 0, "{}", told.stderr);
        let page = std::fs::read_to_string(bench.folder.path().join("trace.html")).unwrap();
        assert!(page.contains("▶") && !page.contains("1970"), "{name}");
    }
}
