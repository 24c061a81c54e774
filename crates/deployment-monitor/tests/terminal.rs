//! The live view on a real (pseudo) terminal: drawn, resized, left; and lines where the terminal cannot draw.

mod common;

#[allow(
    clippy::unwrap_used,
    reason = "tests, their helpers included, fail by panicking"
)]
mod stories {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::process::Child;
    use std::sync::{Arc, Mutex, PoisonError};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    use super::common::{Stage, finish, wait};
    use simulators::{Event, Play};

    /// A terminal's master side, and everything that was written to it so far.
    struct Screen {
        master: File,
        slave: File,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Screen {
        fn new() -> Self {
            let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let name = ptsname(&master, Vec::new()).unwrap();
            let slave = File::options()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap())
                .unwrap();
            let screen = Self {
                master: File::from(master),
                slave,
                written: Arc::default(),
            };
            screen.resize(120, 30);
            screen.listen();
            screen
        }

        fn resize(&self, columns: u16, rows: u16) {
            let size = Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            tcsetwinsize(&self.master, size).unwrap();
        }

        // Keeps what is written, and says where the cursor is when it is asked, as a terminal does.
        fn listen(&self) {
            let mut master = self.master.try_clone().unwrap();
            let written = Arc::clone(&self.written);
            std::thread::spawn(move || {
                let mut block = [0; 4096];
                // Ends with an error when the last slave is closed.
                while let Ok(count @ 1..) = master.read(&mut block) {
                    let block = block.get(..count).unwrap_or_default();
                    written
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(block);
                    if block.windows(4).any(|four| four == b"\x1b[6n") {
                        master.write_all(b"\x1b[1;1R").unwrap();
                    }
                }
            });
        }

        fn text(&self) -> String {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&written).into_owned()
        }

        fn forget(&self) {
            self.written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }

        fn monitor(&self, stage: &Stage, terminal: &str) -> Child {
            stage
                .monitor("m1", "App")
                .env("TERM", terminal)
                .stdin(self.slave.try_clone().unwrap())
                .stdout(self.slave.try_clone().unwrap())
                .stderr(self.slave.try_clone().unwrap())
                .spawn()
                .unwrap()
        }
    }

    fn begin() -> Stage {
        let stage = Stage::new(env!("CARGO_BIN_EXE_deployment-monitor"));
        let web = |at, status| Event::resource(at, "Web", "AWS::ECS::Service", status);
        stage.aws.play(
            "App",
            &[
                Event::own(0.0, "UPDATE_IN_PROGRESS"),
                web(0.0, "UPDATE_IN_PROGRESS"),
            ],
            &Play::default(),
        );
        stage
    }

    fn fail(stage: &Stage) {
        let web = Event::resource(0.0, "Web", "AWS::ECS::Service", "UPDATE_FAILED");
        stage.aws.play(
            "App",
            &[
                web.because("no capacity"),
                Event::own(0.01, "UPDATE_ROLLBACK_IN_PROGRESS"),
                Event::own(0.02, "UPDATE_ROLLBACK_COMPLETE"),
            ],
            &Play::default(),
        );
    }

    #[test]
    fn the_live_view_survives_a_resize_and_leaves_the_last_words_with_their_levels() {
        let (stage, screen) = (begin(), Screen::new());
        let child = screen.monitor(&stage, "xterm-256color");
        wait("the table", || {
            let text = screen.text();
            text.contains("next look in") && text.contains("AWS::ECS::Service")
        });
        for (columns, rows) in [(70, 12), (20, 4), (1, 1), (160, 50)] {
            screen.resize(columns, rows);
            screen.forget();
            wait("a drawing of the new size", || !screen.text().is_empty());
        }
        wait("the table again", || screen.text().contains("Web"));
        screen.forget();
        fail(&stage);
        assert_eq!(finish(child).code(), Some(1));
        let end = "App was not deployed (UPDATE_ROLLBACK_COMPLETE)";
        wait("the last words", || screen.text().contains(end));
        let text = screen.text();
        assert!(text.contains("\x1b[?25h"), "the cursor is shown again");
        // Colours stand around the brackets.
        let mut lines = text.lines();
        assert!(
            lines.any(|line| line.contains("[ERROR]") && line.contains("the deployment failed")),
            "{text}"
        );
    }

    #[test]
    fn a_dumb_terminal_gets_lines() {
        let (stage, screen) = (begin(), Screen::new());
        let child = screen.monitor(&stage, "dumb");
        stage.wait_for_line("m1", |line| line["level"] == "EVENT");
        fail(&stage);
        assert_eq!(finish(child).code(), Some(1));
        let said = "AWS::ECS::Service (Web) -> UPDATE_FAILED: no capacity";
        wait("the event's line", || screen.text().contains(said));
        let text = screen.text();
        assert!(!text.contains("next look in"), "{text}");
        for moves in ["\x1b[6n", "\x1b[?25l", "\x1b[2K"] {
            assert!(!text.contains(moves), "{text:?}");
        }
    }
}
