//! `cargo xtask bench [AREA…]`: builds what is released, and measures it into `docs/benchmarks.md`.

use anyhow::Result;

use crate::process::{build_programs, metadata, root, succeeds, target_directory};
use crate::tools;

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let target = target_directory(&metadata()?)?;
    if !succeeds(build_programs().args(["--release", "--locked", "-p", "bench"]))? {
        return Ok(false);
    }
    let built = target.join("release");
    let mut bench = std::process::Command::new(built.join("bench"));
    for tool in tools::fetch(&target) {
        match tool.path {
            Ok(path) => {
                bench.env(tool.variable, path);
            }
            Err(why) => eprintln!("what needs {} cannot be measured: {why}", tool.variable),
        }
    }
    bench
        .args(arguments)
        .env("BENCH_PROGRAMS", &built)
        .env("BENCH_PAGE", root().join("docs/benchmarks.md"));
    succeeds(&mut bench)
}
