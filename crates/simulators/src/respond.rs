//! From a trouble to what goes over the wire.

use crate::fault::{Strike, Trouble};
use crate::http::{Answer, Delivery, Reply};
use crate::stage::seconds;

/// What a service makes of a trouble.
pub(crate) enum Wrong {
    /// This answer, in its own words.
    Answer(Answer),
    /// Nothing of its own: it is told in the general way.
    General,
}

/// The trouble's name as faults are written in JSON: `throttling`, `rate_limited`.
pub(crate) fn name(trouble: &Trouble) -> String {
    match serde_json::to_value(trouble) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(serde_json::Value::Object(object)) => object.keys().next().cloned().unwrap_or_default(),
        Ok(_) | Err(_) => String::new(),
    }
}

const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>\n";

/// The reply to a request: the right one, or what the strike makes of it. `right` carries the request out, so it is called only
/// where the request is to take effect.
pub(crate) fn reply(
    strike: Option<&Strike>,
    right: impl Fn() -> Answer,
    wrong: impl Fn(&Trouble) -> Wrong,
) -> Reply {
    let Some(strike) = strike else {
        return right().into();
    };
    let trouble = &strike.trouble;
    if let Some(delivery) = late(trouble) {
        return Reply {
            answer: right(),
            delivery,
        };
    }
    let applied = strike.applied.then(&right);
    if let Some(delivery) = broken(trouble) {
        // A half body needs a body; without effect it is the body of an error.
        let answer = applied.unwrap_or_else(|| match wrong(&Trouble::InternalError) {
            Wrong::Answer(answer) => Answer {
                status: 200,
                ..answer
            },
            Wrong::General => Answer::text(200, PAGE),
        });
        return Reply { answer, delivery };
    }
    match wrong(trouble) {
        Wrong::Answer(answer) => answer.into(),
        Wrong::General => general(trouble, applied, right).into(),
    }
}

/// The right answer, but slowly.
fn late(trouble: &Trouble) -> Option<Delivery> {
    match trouble {
        Trouble::Delay { seconds: wait } => Some(Delivery::After(seconds(*wait))),
        Trouble::Drip { seconds: wait } => Some(Delivery::Drip(seconds(*wait))),
        _ => None,
    }
}

/// No whole answer at all.
fn broken(trouble: &Trouble) -> Option<Delivery> {
    match trouble {
        Trouble::Hang => Some(Delivery::Hang),
        Trouble::StallInHeaders => Some(Delivery::StallInHeaders),
        Trouble::StallInBody => Some(Delivery::StallInBody),
        Trouble::CloseInBody => Some(Delivery::CloseInBody),
        Trouble::Reset => Some(Delivery::Reset),
        Trouble::Close => Some(Delivery::Close),
        _ => None,
    }
}

/// What everybody tells in the same way.
fn general(trouble: &Trouble, applied: Option<Answer>, right: impl Fn() -> Answer) -> Answer {
    match trouble {
        Trouble::NotItsFormat => Answer::html(
            500,
            "<html><body><h1>500 Internal Server Error</h1></body></html>\n",
        ),
        Trouble::Html => Answer::html(200, PAGE),
        Trouble::EmptyBody => Answer::text(200, ""),
        Trouble::HalfText => {
            let mut answer = applied.unwrap_or_else(right);
            answer.body.truncate(answer.body.len() / 2);
            answer
        }
        Trouble::Redirect { status, location } => {
            let location = location.clone().unwrap_or_else(|| "/_sim/page".to_owned());
            Answer::html(*status, PAGE).with_header("Location", location)
        }
        Trouble::RateLimited { retry_after } => {
            with_retry_after(Answer::text(429, "rate_limited"), retry_after.as_deref())
        }
        Trouble::Answer {
            status,
            headers,
            body,
        } => exactly(*status, headers, body),
        _ => Answer::text(500, format!("this service cannot play {}\n", name(trouble))),
    }
}

fn exactly(
    status: u16,
    headers: &std::collections::BTreeMap<String, String>,
    body: &str,
) -> Answer {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let mut answer = Answer {
        status,
        headers: pairs.collect(),
        body: body.as_bytes().to_vec(),
    };
    if !headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("content-type"))
    {
        answer = answer.with_header("Content-Type", "text/plain; charset=utf-8");
    }
    answer
}

/// With this `Retry-After`, or none.
pub(crate) fn with_retry_after(answer: Answer, retry_after: Option<&str>) -> Answer {
    match retry_after {
        Some(text) => answer.with_header("Retry-After", text),
        None => answer,
    }
}

/// The page a redirect leads to.
pub(crate) fn page() -> Answer {
    Answer::html(200, PAGE)
}
