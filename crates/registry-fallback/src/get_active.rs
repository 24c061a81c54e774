//! `get_active`: what CloudFormation is working on.

use command_line::output::{print_json_lines, print_line};
use command_line::{Context, Status, print_json};
use registry_core::ids::Environment;

use crate::Problem;
use crate::look::{View, look};

pub(crate) fn run(context: &Context, named: Option<&Environment>) -> Result<Status, Problem> {
    let views = look(context, named)?;
    let mut doubts = 0;
    for doubt in views.iter().flat_map(View::doubts) {
        context.console.error(&doubt.to_string());
        doubts += 1;
    }
    let active: Vec<_> = views
        .iter()
        .filter_map(|view| view.active.clone())
        .collect();
    let status = match (active.is_empty(), doubts) {
        (false, _) => Status::Yes,
        (true, 0) => Status::No,
        (true, _) => Status::CannotTell,
    };
    Ok(match active.as_slice() {
        [] => print_line("{}", status),
        [one] => print_json(one, status),
        all => print_json_lines(all, status),
    })
}
