//! `new_id`: a correlation id.

use command_line::Status;
use command_line::output::print_line;
use registry_core::clock::{Clock as _, SystemClock};
use registry_core::ids::CorrelationId;

use crate::error::Problem;
use crate::world::World;

/// A new id.
pub(crate) fn make() -> Result<CorrelationId, Problem> {
    let random = getrandom::u32()
        .map_err(|error| Problem::Usage(format!("the system gives no random numbers: {error}")))?;
    Ok(CorrelationId::generate(
        SystemClock::default().now(),
        random,
    ))
}

pub(crate) fn run(world: &World) -> Result<Status, Problem> {
    let id = make()?;
    world.github_output(&[("correlation_id", id.to_string())]);
    Ok(print_line(id.as_str(), Status::Yes))
}
