//! How much memory a monitor takes at the most: a deployment of a thousand resources in nested stacks, watched from the start, and
//! read anew in one go after a kill.

mod common;

#[allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]
mod stories {
    use std::process::Child;
    use std::time::Duration;

    use super::common::{Stage, assert_each_once, finish, pause, wait};
    use simulators::{Crowd, Event};

    /// A thousand resources in all.
    const DEPLOYMENT: Crowd = Crowd {
        nested: 10,
        resources: 100,
        seconds: 4.0,
    };

    /// What a deployment may add to the program and its libraries, in kibibytes: memory that is no file. The promise is 15 MiB in all,
    /// of a release build: `cargo xtask bench monitor` measures that, and fails above it. A debug build takes twice as much, so that
    /// here only what grows with the deployment is held.
    const MOST_ANONYMOUS_KIB: u64 = 12 * 1024;

    // The most memory that is no file, in kibibytes, until `done` or the process ends.
    fn most_anonymous(child: &Child, mut done: impl FnMut() -> bool) -> u64 {
        let mut most = 0;
        wait("the monitor's work", || {
            let Some(now) = anonymous(child.id()) else {
                return true;
            };
            most = most.max(now);
            pause(Duration::from_millis(20));
            done()
        });
        most
    }

    fn anonymous(pid: u32) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    #[test]
    fn a_thousand_resources_in_nested_stacks_take_a_few_mebibytes() {
        let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
        DEPLOYMENT.play(&stage.aws, "App");
        let mut command = stage.monitor("m1", "App");
        command.env("CHECK_INTERVAL", "500ms");
        let mut child = command.spawn().unwrap();
        let last = format!("(Part{}) -> CREATE_COMPLETE", DEPLOYMENT.nested - 1);
        let watched = most_anonymous(&child, || {
            std::fs::read_to_string(stage.log("m1")).is_ok_and(|log| log.contains(&last))
        });
        child.kill().unwrap();
        child.wait().unwrap();
        stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
        let child = command.spawn().unwrap();
        let anew = most_anonymous(&child, || false);
        assert_eq!(finish(child).code(), Some(0));
        assert_each_once(&stage.events("m1"));
        assert_eq!(stage.events("m1").len(), DEPLOYMENT.events());
        for most in [watched, anew] {
            assert!(
                (1..MOST_ANONYMOUS_KIB).contains(&most),
                "watched: {watched} KiB, read anew: {anew} KiB"
            );
        }
    }
}
