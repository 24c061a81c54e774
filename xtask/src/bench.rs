//! `cargo xtask bench [AREA…]`: builds what is released, and measures it into `docs/benchmarks.md`.

use anyhow::{Context, Result};

use crate::process::{cargo, metadata, root, target_directory};
use crate::shim::PROGRAMS;
use crate::tools;

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let target = target_directory(&metadata()?)?;
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "-p", "bench"]);
    for program in PROGRAMS {
        build.args(["-p", program]);
    }
    if !build
        .status()
        .context("cargo could not be started")?
        .success()
    {
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
    let measured = bench
        .args(arguments)
        .env("BENCH_PROGRAMS", &built)
        .env("BENCH_PAGE", root().join("docs/benchmarks.md"))
        .status()
        .context("the benchmark could not be started")?;
    Ok(measured.success())
}
