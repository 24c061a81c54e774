//! `/_sim/…` of CloudFormation: stacks, operations, lag.

use std::sync::{Mutex, PoisonError};

use registry_core::trace::Trace;
use serde::Deserialize;
use serde_json::{Value, json};

use super::spec::{Event, Play, Stack};
use super::trace;
use super::world::World;
use crate::http::{Answer, Request};
use crate::stage::{Stage, done, refused};

const HELP: &str = "\
CloudFormation simulator. Bodies are JSON.
GET    /_sim/stacks                  the stacks and their states
POST   /_sim/stacks                  add one: {\"name\", \"status\", \"tags\", \"outputs\", \"history\", …}
DELETE /_sim/stacks/NAME             forget it, as if it had never been
POST   /_sim/stacks/NAME/play        start an operation now: {\"trace_file\" | \"trace\" | \"events\", \"speed\", \"after\", \"final_status\"}
POST   /_sim/stacks/NAME/event       one event now: {\"status\", \"id\", \"type\", \"reason\"}
POST   /_sim/stacks/NAME/delete      start a deletion: {\"seconds\"}
PUT    /_sim/lag                     DescribeStacks lags the events: {\"seconds\"}
POST   /_sim/scenario                this service's part of a scenario in TOML, beginning now
GET, POST, DELETE /_sim/faults       e.g. {\"trouble\": \"throttling\", \"action\": \"DescribeStacks\", \"times\": 3}
GET    /_sim/counts, /_sim/requests?action=NAME; DELETE /_sim/requests
PUT    /_sim/clock                   {\"offset\": SECONDS}
POST   /_sim/reset                   no stacks, no faults, no record
";

/// Answers a steering request.
pub(super) fn answer(stage: &Stage, world_mutex: &Mutex<World>, request: &Request) -> Answer {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').skip(1).collect();
    let now = stage.real_now();
    let world = || world_mutex.lock().unwrap_or_else(PoisonError::into_inner);
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", [] | ["help"]) => Answer::text(200, HELP),
        ("GET", ["page"]) => crate::respond::page(),
        ("GET", ["stacks"]) => Answer::json(200, &world().summary(now)),
        ("POST", ["stacks"]) => with(request, |stack: Stack| {
            world().add(stack, now);
            done()
        }),
        ("DELETE", ["stacks", name]) => {
            if world().forget(name) {
                done()
            } else {
                refused(&format!("there is no stack {name}"))
            }
        }
        ("POST", ["stacks", name, "play"]) => {
            with(request, |asked: PlayRequest| match asked.events(name) {
                Ok(events) => {
                    world().play(name, &events, &asked.play(), now);
                    Answer::json(200, &json!({"ok": true, "events": events.len()}))
                }
                Err(reason) => refused(&reason),
            })
        }
        ("POST", ["stacks", name, "event"]) => with(request, |event: Event| {
            world().play(name, &[Event { at: 0.0, ..event }], &Play::default(), now);
            done()
        }),
        ("POST", ["stacks", name, "delete"]) => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            world().delete(name, asked["seconds"].as_f64().unwrap_or(0.0), now);
            done()
        }
        ("PUT" | "POST", ["lag"]) => with(request, |asked: Lag| {
            world().lag = crate::stage::seconds(asked.seconds);
            done()
        }),
        ("POST", ["scenario"]) => {
            crate::stage::scenario(request, |scenario| super::run(stage, world_mutex, scenario))
        }
        ("POST", ["reset"]) => {
            *world() = World::default();
            stage.reset();
            done()
        }
        (method, _) => Answer::text(
            404,
            format!(
                "there is no {method} {}; GET /_sim/help tells what there is\n",
                request.path
            ),
        ),
    }
}

fn with<T: for<'de> Deserialize<'de>>(request: &Request, act: impl FnOnce(T) -> Answer) -> Answer {
    match serde_json::from_slice(&request.body) {
        Ok(asked) => act(asked),
        Err(error) => refused(&format!("the body makes no sense: {error}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lag {
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlayRequest {
    trace_file: Option<String>,
    trace: Option<String>,
    events: Option<Vec<Event>>,
    speed: Option<f64>,
    #[serde(default)]
    after: f64,
    final_status: Option<String>,
}

impl PlayRequest {
    fn play(&self) -> Play {
        Play {
            speed: self.speed.unwrap_or(1.0),
            after: self.after,
            final_status: self.final_status.clone(),
        }
    }

    fn events(&self, stack: &str) -> Result<Vec<Event>, String> {
        let bytes = match (&self.events, &self.trace, &self.trace_file) {
            (Some(events), None, None) => return Ok(events.clone()),
            (None, Some(text), None) => text.clone().into_bytes(),
            (None, None, Some(path)) => {
                std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?
            }
            _ => {
                return Err("expected exactly one of `events`, `trace` and `trace_file`".to_owned());
            }
        };
        let trace = Trace::parse(&bytes).map_err(|error| error.to_string())?;
        Ok(trace::events(&trace, stack, self.final_status.as_deref()))
    }
}
