//! This process and others of this machine, as far as `/proc` tells; and this machine's name.

use std::fs;

use crate::slot::Process;

/// The name of this machine; `None` where it has none.
#[must_use]
pub fn host() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

/// The calling process; `None` where there is no `/proc`.
#[must_use]
pub fn current() -> Option<Process> {
    let pid = std::process::id();
    let (_, started) = state_and_start(pid)?;
    Some(Process {
        pid,
        started,
        machine: machine()?,
    })
}

/// Whether `process` is known to be gone: it was of this boot and pid namespace, and its pid is free, a zombie, or somebody else.
#[must_use]
pub fn is_gone(process: &Process) -> bool {
    if machine().as_deref() != Some(process.machine.as_str()) {
        return false;
    }
    match state_and_start(process.pid) {
        Some((state, started)) => started != process.started || matches!(state, 'Z' | 'X'),
        // No such file: no such process. Anything else in the way cannot tell.
        None => !fs::exists(format!("/proc/{}", process.pid)).unwrap_or(true),
    }
}

// The boot, and the namespace in which pids are counted: two containers of one machine do not see each other's.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.to_string_lossy()))
}

// proc(5): the second field is the command in parentheses and may contain anything; state is the third, starttime the 22nd.
fn state_and_start(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_command = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_command.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_here_and_a_reused_pid_is_not_it() {
        let me = current().unwrap();
        assert!(!is_gone(&me));
        let earlier = Process {
            started: me.started - 1,
            ..me.clone()
        };
        assert!(is_gone(&earlier));
        let elsewhere = Process {
            machine: "another".to_owned(),
            ..earlier
        };
        assert!(!is_gone(&elsewhere));
    }

    #[test]
    fn a_dead_child_is_gone_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (_, started) = state_and_start(child.id()).unwrap();
        let process = Process {
            pid: child.id(),
            started,
            machine: machine().unwrap(),
        };
        assert!(!is_gone(&process));
        child.kill().unwrap();
        let begun = std::time::Instant::now();
        while !is_gone(&process) {
            assert!(begun.elapsed().as_secs() < 10);
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(&process));
    }
}
