//! Starts the emulators. Each ends when this process does, however it ends: its standard input is a lifeline.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// An emulator of DynamoDB that listens on a port of this machine.
pub(crate) struct Emulator {
    pub(crate) port: u16,
    // Dropped with the emulator, which ends when it sees the end of its input.
    _process: Mutex<Child>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where tools are"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

// `cargo xtask test` fetches the tools here.
pub(crate) fn tool(name: &str, fetched: &str) -> Option<PathBuf> {
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let named = variable(name).map(PathBuf::from);
    let path = named.unwrap_or_else(|| target.join(fetched));
    let found = path.canonicalize().ok();
    assert!(
        found.is_some() || variable("CI").is_none(),
        "CI is set, and {name} ({}) is not there: run cargo xtask test",
        path.display()
    );
    if found.is_none() {
        eprintln!(
            "skipped: {} is not there (cargo xtask test fetches it)",
            path.display()
        );
    }
    found
}

const DYNALITE: &str = r"
const dynalite = require(process.argv[1])
const server = dynalite({ createTableMs: 0, deleteTableMs: 0 })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
";

/// dynalite; `None`, and said so, where it is not installed (in CI that is a failure).
pub(crate) fn dynalite() -> Option<Emulator> {
    let cli = tool("DYNALITE", "node/node_modules/.bin/dynalite")?;
    let library = cli.parent().unwrap().join("index.js");
    let mut command = Command::new("node");
    command.args(["-e", DYNALITE]).arg(library);
    Some(start(command))
}

pub(crate) fn start(mut command: Command) -> Emulator {
    let mut process = command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let port = line.trim().parse();
    Emulator {
        port: port.unwrap_or_else(|_| panic!("{command:?} named no port: {line:?}")),
        _process: Mutex::new(process),
    }
}
