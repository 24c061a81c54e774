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
    use simulators::{Event, Play, Stack};

    /// Nested stacks, and resources in each: a thousand in all.
    const NESTED: usize = 10;
    const RESOURCES: usize = 100;

    /// What a deployment may add to the program and its libraries, in kibibytes: memory that is no file. A release build took 4 MiB
    /// of it and 12.4 MiB in all when it was measured; a debug build takes twice as much, so the whole is not held to a limit here.
    const MOST_ANONYMOUS_KIB: u64 = 12 * 1024;

    /// Seconds until a nested stack is whole.
    const TAKES: f64 = 4.0;

    fn play_everything(stage: &Stage) {
        let row = |at, nested: usize, status: &str| {
            Event::resource(
                at,
                &format!("Part{nested}"),
                "AWS::CloudFormation::Stack",
                status,
            )
            .nested(&format!("App-Part{nested}"))
        };
        let mut root = vec![Event::own(0.0, "CREATE_IN_PROGRESS")];
        for nested in 0..NESTED {
            stage
                .aws
                .add_stack(Stack::absent(&format!("App-Part{nested}")));
            root.push(row(0.01, nested, "CREATE_IN_PROGRESS"));
            root.push(row(0.02, nested, "CREATE_IN_PROGRESS"));
        }
        for nested in 0..NESTED {
            root.push(row(TAKES + 0.5, nested, "CREATE_COMPLETE"));
        }
        stage.aws.play("App", &root, &Play::default());
        for nested in 0..NESTED {
            // After its row in the parent has begun, as in life.
            let mut inside = vec![Event::own(0.1, "CREATE_IN_PROGRESS")];
            for resource in 0..RESOURCES {
                let at = 0.1 + TAKES * resource as f64 / RESOURCES as f64;
                let name = format!("ApplicationResourceWithALongName{resource}");
                for (after, status, reason) in [
                    (0.0, "CREATE_IN_PROGRESS", ""),
                    (0.01, "CREATE_IN_PROGRESS", "Resource creation Initiated"),
                    (0.2, "CREATE_COMPLETE", ""),
                ] {
                    let event = Event::resource(at + after, &name, "AWS::Lambda::Function", status);
                    inside.push(event.because(reason));
                }
            }
            inside.push(Event::own(TAKES + 0.4, "CREATE_COMPLETE"));
            inside.sort_by(|a, b| a.at.total_cmp(&b.at));
            stage
                .aws
                .play(&format!("App-Part{nested}"), &inside, &Play::default());
        }
    }

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
        play_everything(&stage);
        let mut command = stage.monitor("m1", "App");
        command.env("CHECK_INTERVAL", "500ms");
        let mut child = command.spawn().unwrap();
        let last = format!("(Part{}) -> CREATE_COMPLETE", NESTED - 1);
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
        // The root's two, three rows of each nested stack, and its own two and three of each resource.
        let all = 2 + NESTED * (3 + 2 + 3 * RESOURCES);
        assert_eq!(stage.events("m1").len(), all);
        for most in [watched, anew] {
            assert!(
                (1..MOST_ANONYMOUS_KIB).contains(&most),
                "watched: {watched} KiB, read anew: {anew} KiB"
            );
        }
    }
}
