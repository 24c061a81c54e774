//! `--adaptive` in the real program. How long a monitor means to pause stands in its beat, so nothing here depends on how fast the
//! machine is.

mod common;

#[allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]
mod stories {
    use std::time::Duration;

    use super::common::{Stage, finish, wait};
    use registry_core::store::lock::read_holder;
    use simulators::Event;
    use supervisor::Beat;

    const INTERVAL: Duration = Duration::from_millis(300);
    const HUNG_AFTER: Duration = Duration::from_secs(90);

    fn begin(words: &[&str]) -> (Stage, std::process::Child) {
        let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
        stage
            .aws
            .event("App", Event::own(0.0, "CREATE_IN_PROGRESS"));
        let mut monitor = stage.monitor("m1", "App");
        monitor
            .args(words)
            .env("CHECK_INTERVAL", "300ms")
            .env("HUNG_AFTER", "90s");
        let child = monitor.spawn().unwrap();
        (stage, child)
    }

    // The pause that the last beat announced, in intervals; `None` where it was a beat before a question.
    fn pause_now(stage: &Stage) -> Option<f64> {
        let lock = stage.registry_dir("m1").join("monitors/m1/App.lock");
        let beat = Beat::from_note(&read_holder(&lock)?.more)?;
        let pause = beat.next_within.saturating_sub(HUNG_AFTER);
        (!pause.is_zero()).then(|| pause.as_secs_f64() / INTERVAL.as_secs_f64())
    }

    fn wait_for_pause(stage: &Stage, what: &str, wanted: impl Fn(f64) -> bool) {
        wait(what, || pause_now(stage).is_some_and(&wanted));
    }

    #[test]
    fn asked_for_the_pace_stretches_when_quiet_and_snaps_back_with_news() {
        let (stage, child) = begin(&["--adaptive"]);
        for topic in ["One", "Two"] {
            wait_for_pause(&stage, "a stretched pause", |pause| pause > 3.0);
            let news = Event::resource(0.0, topic, "AWS::SNS::Topic", "CREATE_IN_PROGRESS");
            stage.aws.event("App", news);
            wait_for_pause(&stage, "the pace of news", |pause| pause < 2.0);
            assert!(
                stage
                    .lines_so_far("m1")
                    .iter()
                    .any(|line| line["logical_resource_id"] == topic),
                "the pace came back without news"
            );
        }
        wait_for_pause(&stage, "a stretched pause", |pause| pause > 3.0);
        stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
        assert_eq!(finish(child).code(), Some(0));
    }

    #[test]
    fn not_asked_for_a_quiet_stack_is_looked_at_as_often_as_ever() {
        let (stage, child) = begin(&[]);
        let looks = || stage.aws.requests("DescribeStacks");
        let mut longest: f64 = 0.0;
        wait("twenty quiet looks", || {
            longest = pause_now(&stage).map_or(longest, |pause| longest.max(pause));
            looks() >= 20
        });
        assert!((0.8..1.2).contains(&longest), "{longest} intervals");
        stage.aws.event("App", Event::own(0.0, "CREATE_COMPLETE"));
        assert_eq!(finish(child).code(), Some(0));
    }
}
