//! COMMAND as a file, found before anything is registered or sent.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Why COMMAND is no program; `env` has the exit statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// 127.
    NotFound(String),
    /// 126.
    NotExecutable(String),
}

impl Unfit {
    pub(super) fn status(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
        }
    }

    pub(super) fn sentence(&self) -> &str {
        match self {
            Self::NotFound(text) | Self::NotExecutable(text) => text,
        }
    }
}

/// The file that `command` names, as a shell finds it: with a slash it is a path, else it is looked for in the folders of `path`.
pub(super) fn find(command: &OsStr, path: &str) -> Result<PathBuf, Unfit> {
    let shown = command.to_string_lossy();
    if command.as_bytes().contains(&b'/') {
        let file = PathBuf::from(command);
        return if is_program(&file) {
            Ok(file)
        } else if file.exists() {
            Err(not_executable(&file))
        } else {
            Err(Unfit::NotFound(format!("there is no {shown}")))
        };
    }
    let mut unfit = None;
    for folder in std::env::split_paths(path) {
        let file = folder.join(command);
        if is_program(&file) {
            return Ok(file);
        }
        if unfit.is_none() && file.is_file() {
            unfit = Some(file);
        }
    }
    Err(match unfit {
        Some(file) => not_executable(&file),
        None => Unfit::NotFound(format!(
            "{shown} is in no folder of PATH: install it, or give its path"
        )),
    })
}

fn not_executable(file: &Path) -> Unfit {
    let why = if file.is_dir() {
        "is a folder"
    } else {
        "may not be executed (chmod +x?)"
    };
    Unfit::NotExecutable(format!("{} {why}", file.display()))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_as_a_shell_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        drop(std::fs::File::create(&plain).unwrap());
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let check = |command: &str| find(OsStr::new(command), &path);
        assert!(check("sh").unwrap().ends_with("sh"));
        assert_eq!(check("/bin/sh"), Ok(PathBuf::from("/bin/sh")));
        for (command, status) in [
            ("no-such-program", 127),
            ("./no-such-program", 127),
            ("plain", 126),
            (plain.to_str().unwrap(), 126),
            (folder.path().to_str().unwrap(), 126),
        ] {
            assert_eq!(check(command).unwrap_err().status(), status, "{command}");
        }
    }
}
