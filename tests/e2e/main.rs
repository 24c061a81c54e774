//! The programs together, through their real binaries, as a user and a workflow start them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's helpers complain by panicking, as its tests do, and say what was skipped"
)]

mod actions;
mod bad_input;
mod decision;
#[path = "../../crates/registry-dynamodb/tests/shared/emulator.rs"]
mod emulator;
mod estimate;
mod fallback;
mod guide;
mod hostile;
mod json;
mod moto;
mod operations;
mod registry_trouble;
mod run;
mod security;
mod shared;
mod slack_disk;
mod slack_hangs;
mod slack_queue;
mod slack_secrets;
mod slack_storm;
mod state_files;
mod workflows;

use std::path::Path;
use std::sync::LazyLock;

use end_to_end::{Built, Programs, World};

const BUILT: Built = end_to_end::built!();

/// The folder that cargo gives to the tests of this package.
const TARGET_TMP: &str = env!("CARGO_TARGET_TMPDIR");

static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    Programs::link(&BUILT, &Path::new(TARGET_TMP).join("programs"))
        .expect("the programs can be linked")
});

fn world() -> World {
    World::new(&PROGRAMS)
}

#[test]
fn every_program_has_help_that_tells_its_exit_status() {
    let world = world();
    for program in end_to_end::PROGRAMS {
        for flag in ["--help", "-h"] {
            let outcome = world.run(&[program, flag]).expect(0);
            assert_eq!(outcome.stderr, "", "{outcome}");
            assert!(outcome.stdout.contains(program), "{outcome}");
        }
        let help = world.run(&[program, "--help"]).stdout.to_lowercase();
        assert!(help.contains("exit status"), "{program}: {help}");
    }
}
