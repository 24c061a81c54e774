//! The parent of a measured command.
//!
//! The kernel counts what a process held before `exec` to the program's peak memory, and before `exec` a child is a copy of its
//! parent. This process, with simulators in it, is large; so a fresh small one starts the command and reports what it cost.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use wait4::Wait4 as _;

/// The first argument that makes this program a parent: then a file for the report, then the command.
pub(crate) const WORD: &str = "launch-and-report";

/// What one run of a command cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// From before the process was made until it had ended.
    pub(crate) wall: Duration,
    /// User and system time of it and of the children it waited for.
    pub(crate) cpu: Duration,
    /// The largest single process's resident memory, in bytes.
    pub(crate) peak: u64,
    /// Its exit status; 128 and the signal where one ended it.
    pub(crate) status: i32,
}

/// Runs the command and writes the report.
pub(crate) fn serve(words: &[String]) -> ExitCode {
    let [report, program, arguments @ ..] = words else {
        return ExitCode::from(2);
    };
    match measure(program, arguments).and_then(|sample| write(Path::new(report), &sample)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn measure(program: &str, arguments: &[String]) -> Result<Sample> {
    let begun = Instant::now();
    let child = Command::new(program)
        .args(arguments)
        .spawn()
        .context("could not be started")?;
    let used = child.wait4().context("was lost")?;
    let wall = begun.elapsed();
    let status = used.status;
    Ok(Sample {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak: used.rusage.maxrss,
        status: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a report that is read at once and thrown away"
)]
fn write(path: &Path, sample: &Sample) -> Result<()> {
    let report = json!({
        "wall": sample.wall.as_secs_f64(),
        "cpu": sample.cpu.as_secs_f64(),
        "peak": sample.peak,
        "status": sample.status,
    });
    std::fs::write(path, report.to_string()).context("the report could not be written")
}

/// What [`serve`] wrote.
pub(crate) fn read(path: &Path) -> Result<Sample> {
    let text = std::fs::read_to_string(path).context("the report could not be read")?;
    let report: Value = serde_json::from_str(&text).context("the report is not JSON")?;
    let seconds = |name: &str| {
        let value = report[name].as_f64().with_context(|| name.to_owned())?;
        anyhow::Ok(Duration::from_secs_f64(value))
    };
    Ok(Sample {
        wall: seconds("wall")?,
        cpu: seconds("cpu")?,
        peak: report["peak"].as_u64().context("peak")?,
        status: i32::try_from(report["status"].as_i64().context("status")?).context("status")?,
    })
}
