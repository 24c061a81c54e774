//! moto: what dynalite does not know.

use std::process::Command;

use crate::emulator::{Emulator, start, tool};

// Its own server loses updates when it answers two requests at a time.
const MOTO: &str = r"
import os, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.socket.getsockname()[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.serve_forever()
";

/// moto, answering one request at a time; as [`dynalite`].
pub(crate) fn moto() -> Option<Emulator> {
    let server = tool("MOTO_SERVER", "python/bin/moto_server")?;
    let python = server.parent().unwrap().join("python3");
    let mut command = Command::new(python);
    command.args(["-c", MOTO]);
    Some(start(command))
}
