//! `cargo xtask bench [AREA…]`: builds what is released, and measures it into `docs/benchmarks.md`.

use std::process::Command;

use anyhow::Result;

use crate::packaging::{host, release};
use crate::process::{build_programs, cargo, metadata, root, succeeds, target_directory};
use crate::tools;

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let host = host()?;
    // The programs by themselves first: built together with the bench they would have what only the bench needs.
    let Some(programs) = release(build_programs(), &host)? else {
        return Ok(false);
    };
    let mut bench = cargo();
    bench.args(["build", "-p", "bench"]);
    let Some(built) = release(bench, &host)? else {
        return Ok(false);
    };
    let mut bench = Command::new(built.join("bench"));
    for tool in tools::fetch(&target_directory(&metadata()?)?) {
        match tool.path {
            Ok(path) => {
                bench.env(tool.variable, path);
            }
            Err(why) => eprintln!("what needs {} cannot be measured: {why}", tool.variable),
        }
    }
    bench
        .args(arguments)
        .env("BENCH_PROGRAMS", &programs)
        .env("BENCH_PAGE", root().join("docs/benchmarks.md"));
    succeeds(&mut bench)
}
