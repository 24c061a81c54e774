//! COMMAND as a process.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command as Process, ExitStatus};
use std::sync::mpsc::Sender;

use rustix::process::{
    Pid, Signal as Number, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use super::course::{Event, Exit, Signal};

/// COMMAND, running.
pub(super) struct Running {
    child: Child,
    pid: Pid,
    own_group: bool,
}

/// Whether COMMAND stays in the terminal's process group: where it may ask and read.
pub(super) fn shares_terminal() -> bool {
    io::stdin().is_terminal()
}

impl Running {
    /// Starts COMMAND with this process's stdin, stdout and stderr; its end arrives as [`Event::Exited`].
    pub(super) fn start(
        program: &Path,
        words: &[OsString],
        variables: &[(&str, Option<String>)],
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let mut command = Process::new(program);
        if let Some((name, rest)) = words.split_first() {
            command.arg0(name).args(rest);
        }
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let own_group = !shares_terminal();
        if own_group {
            command.process_group(0);
        }
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        std::thread::Builder::new()
            .name("command".to_owned())
            .spawn(move || {
                // Not reaped here, so that its number stays its own until nobody signals it any more.
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
                let _nobody_waits = events.send(Event::Exited);
            })?;
        Ok(Self {
            child,
            pid,
            own_group,
        })
    }

    /// Gives COMMAND a signal, and the rest of its group where it has one of its own.
    pub(super) fn pass(&self, signal: Signal) {
        self.send(match signal {
            Signal::Interrupt => Number::INT,
            Signal::Terminate => Number::TERM,
            Signal::Hangup => Number::HUP,
        });
    }

    /// Ends COMMAND, and the rest of its group where it has one of its own.
    pub(super) fn kill(&self) {
        self.send(Number::KILL);
    }

    fn send(&self, signal: Number) {
        // It may have ended by itself a moment ago.
        let _gone = if self.own_group {
            kill_process_group(self.pid, signal)
        } else {
            kill_process(self.pid, signal)
        };
    }

    /// How it ended; called once [`Event::Exited`] came. `rest`: whether what it left behind in its group is ended, too.
    pub(super) fn reap(mut self, rest: bool) -> Exit {
        if rest && self.own_group {
            self.kill();
        }
        self.child.wait().map_or(Exit::Code(125), exit)
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(125),
    }
}
