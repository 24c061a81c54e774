//! CloudFormation (and the one question to STS that `doctor` asks) in the AWS Query protocol.

mod actions;
mod control;
mod live;
mod past;
mod signature;
mod spec;
mod trace;
mod world;
mod xml;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use registry_core::clock::Timestamp;
use registry_core::trace::Trace;

pub use self::spec::{Event, Play, Resource, Stack};
pub(crate) use self::trace::events as trace_events;

use self::actions::{Asked, AwsError};
use self::world::World;
use crate::fault::Trouble;
use crate::http::{Answer, Delivery, Reply, Request, Server, Service, Unread, find};
use crate::respond::{self, Wrong};
use crate::scenario::Scenario;
use crate::stage::{Stage, seconds, steering};

/// The account all stacks are in.
pub const ACCOUNT: &str = "123456789012";

/// A CloudFormation on loopback. It ends when dropped.
///
/// ```no_run
/// use simulators::{CloudFormation, Event, Fault, Play, Stack, Trouble};
/// let cloudformation = CloudFormation::start()?;
/// cloudformation.add_stack(Stack::new("App").status("UPDATE_COMPLETE").tag("CorrelationId", "20260114-123456-abc123"));
/// cloudformation.play("App", &[Event::own(0.0, "UPDATE_IN_PROGRESS"), Event::own(60.0, "UPDATE_COMPLETE")], &Play::at_speed(60.0));
/// cloudformation.fault(Fault::new(Trouble::Throttling).on("DescribeStacks").times(3));
/// // … AWS_ENDPOINT_URL = cloudformation.url() …
/// assert_eq!(cloudformation.requests("DescribeStackEvents"), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct CloudFormation {
    server: Server,
    stage: Stage,
    world: Arc<Mutex<World>>,
}

steering!(CloudFormation);

impl CloudFormation {
    fn start_with(port: u16, stage: Stage) -> io::Result<Self> {
        let world: Arc<Mutex<World>> = Arc::default();
        let played = Played {
            stage: stage.clone(),
            world: Arc::clone(&world),
            answered: AtomicU64::new(0),
        };
        let server = Server::start(port, Arc::new(played))?;
        Ok(Self {
            server,
            stage,
            world,
        })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stack. One of the same name is deleted silently; its ARN still finds it.
    pub fn add_stack(&self, stack: Stack) {
        let now = self.stage.real_now();
        self.world().add(stack, now);
    }

    /// Starts an operation of these events on a stack. A `CREATE_IN_PROGRESS` (or `REVIEW_IN_PROGRESS`) among the stack's own
    /// events makes a new stack; anything else happens to the one of that name, or to one that is 30 days old.
    pub fn play(&self, stack: &str, events: &[Event], play: &Play) {
        let now = self.stage.real_now();
        self.world().play(stack, events, play, now);
    }

    /// Plays the last operation of a record on a stack, as if it began now. A beginning or an end that the record lacks is
    /// made up.
    pub fn play_trace(&self, stack: &str, trace: &Trace, play: &Play) {
        self.play(
            stack,
            &trace::events(trace, stack, play.final_status.as_deref()),
            play,
        );
    }

    /// Starts this service's part of a scenario now.
    pub fn run(&self, scenario: &Scenario) {
        run(&self.stage, &self.world, scenario);
    }

    /// One event, now.
    pub fn event(&self, stack: &str, event: Event) {
        self.play(stack, &[Event { at: 0.0, ..event }], &Play::default());
    }

    /// Deletes a stack at once, as if a deletion had just completed: only its ARN finds it from now on.
    pub fn delete_stack(&self, name: &str) {
        let now = self.stage.real_now();
        self.world().delete(name, 0.0, now);
    }

    /// The ARN of the newest stack of this name, seen from a region; also of a deleted one.
    pub fn stack_id(&self, name: &str, region: &str) -> Option<String> {
        self.world().newest_id(name).map(|(name, uuid)| {
            let partition = actions::partition(region);
            format!("arn:{partition}:cloudformation:{region}:{ACCOUNT}:stack/{name}/{uuid}")
        })
    }

    /// `DescribeStacks` shows how things were so many seconds ago, while events and resources are up to date.
    pub fn set_lag(&self, lag_seconds: f64) {
        self.world().lag = seconds(lag_seconds);
    }
}

fn run(stage: &Stage, world: &Mutex<World>, scenario: &Scenario) {
    let now = stage.real_now();
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    for stack in &scenario.stacks {
        world.add(stack.clone(), now);
    }
    for (stack, events, play) in &scenario.plays {
        world.play(stack, events, play, now);
    }
    world.lag = seconds(scenario.lag);
    for fault in &scenario.cloudformation_faults {
        stage.fault(fault.clone());
    }
}

/// The service behind the socket.
struct Played {
    stage: Stage,
    world: Arc<Mutex<World>>,
    answered: AtomicU64,
}

impl Service for Played {
    fn before_reading(&self) -> Option<Unread> {
        self.stage.before_reading()
    }

    fn now(&self) -> Timestamp {
        self.stage.now()
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.path.starts_with("/_sim") {
            let answer = self
                .stage
                .control(request)
                .unwrap_or_else(|| control::answer(&self.stage, &self.world, request));
            return answer.into();
        }
        // STS can be asked with GET, and so can CloudFormation.
        let params = if request.method == "GET" {
            request.query.clone()
        } else {
            request.form()
        };
        let action = find(&params, "Action").unwrap_or("none").to_owned();
        let strike = self.stage.strike(&action, request);
        let number = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = |tell| Asked {
            params: &params,
            region: signature::region(request),
            account: ACCOUNT,
            request_id: format!("5eed0000-0000-4000-8000-{number:012x}"),
            real_now: self.stage.real_now(),
            tell,
        };
        let tell = |real| self.stage.told(real);
        let right = || self.right(request, &action, &asked(&tell));
        let wrong = |trouble: &Trouble| wrong(trouble, &action, &asked(&tell));
        let reply = respond::reply(strike.as_ref(), right, wrong);
        let sent = matches!(
            reply.delivery,
            Delivery::Whole | Delivery::After(_) | Delivery::Drip(_)
        );
        self.stage.record(
            &action,
            request,
            sent.then_some(reply.answer.status),
            strike.map(|s| respond::name(&s.trouble)),
        );
        reply
    }
}

impl Played {
    fn right(&self, request: &Request, action: &str, asked: &Asked<'_>) -> Answer {
        if let Err(error) = signature::check(request, self.stage.now()) {
            return refusal(action, &error, asked);
        }
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        match actions::answer(&mut world, action, asked) {
            Ok(body) => xml_answer(200, body, asked),
            Err(error) => refusal(action, &error, asked),
        }
    }
}

fn xml_answer(status: u16, body: String, asked: &Asked<'_>) -> Answer {
    Answer::new(status, "text/xml", body).with_header("x-amzn-RequestId", asked.request_id.clone())
}

fn namespace(action: &str) -> &'static str {
    if action == "GetCallerIdentity" {
        actions::STS
    } else {
        actions::CLOUDFORMATION
    }
}

fn refusal(action: &str, error: &AwsError, asked: &Asked<'_>) -> Answer {
    error_answer(action, error.status, error.code, &error.message, asked)
}

fn error_answer(action: &str, status: u16, code: &str, message: &str, asked: &Asked<'_>) -> Answer {
    let body = xml::error(
        namespace(action),
        status < 500,
        code,
        message,
        &asked.request_id,
    );
    xml_answer(status, body, asked)
}

/// A trouble in the words of AWS; `Wrong::General` for those that are told the same way by everybody.
fn wrong(trouble: &Trouble, action: &str, asked: &Asked<'_>) -> Wrong {
    let service = if action == "GetCallerIdentity" {
        "sts"
    } else {
        "cloudformation"
    };
    let error = |status, code: &str, message: &str| {
        Wrong::Answer(error_answer(action, status, code, message, asked))
    };
    match trouble {
        Trouble::Throttling => error(400, "Throttling", "Rate exceeded"),
        Trouble::AccessDenied => {
            let (partition, region) = (actions::partition(&asked.region), &asked.region);
            let message = format!(
                "User: arn:{partition}:sts::{ACCOUNT}:assumed-role/deployer/simulator is not authorized to perform: \
                 {service}:{action} on resource: arn:{partition}:cloudformation:{region}:{ACCOUNT}:stack/* because no \
                 identity-based policy allows the {service}:{action} action"
            );
            error(403, "AccessDenied", &message)
        }
        Trouble::ExpiredToken => error(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
        Trouble::InvalidToken => error(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        Trouble::NotFound => {
            let name = find(asked.params, "StackName").unwrap_or("none");
            error(
                400,
                "ValidationError",
                &format!("Stack with id {name} does not exist"),
            )
        }
        Trouble::InternalError => error(
            500,
            "InternalFailure",
            "The request processing has failed because of an unknown error",
        ),
        Trouble::Unavailable => error(
            503,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        ),
        Trouble::Error {
            code,
            message,
            status,
        } => error(status.unwrap_or(400), code, message),
        _ => Wrong::General,
    }
}
