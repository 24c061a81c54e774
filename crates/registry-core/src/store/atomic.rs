//! Files that are whole at every moment: temp file, fsync, rename, fsync of the folder.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::crash;

/// The end of every temporary file's name, so that left-overs of a killed process can be told.
pub const TEMP_SUFFIX: &str = ".tmp";

/// Replaces the file at `path` by `bytes`, with the permission bits `mode` whatever the umask says.
///
/// At every moment, also after a crash or a power cut, the file is the old one or the new one, whole. A symbolic link is
/// replaced too, and what it points to left alone: nobody who can put a link here can have another file overwritten. The
/// folder must exist ([`create_folder`]).
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace(path, bytes, mode, &mut || Ok(()))
}

/// As [`write`], but follows a symbolic link, for files that people lay elsewhere: the file it points to is replaced, the link
/// stays. Asks `may_replace` at the last moment before the rename; its error leaves the old file in place.
pub(crate) fn write_through(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    may_replace: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<()> {
    replace(&resolve(path)?, bytes, mode, may_replace)
}

fn replace(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    may_replace: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let folder = folder_of(path);
    crash::point("before-temp");
    let mut temp = tempfile::Builder::new()
        .prefix(&temp_prefix(path))
        .suffix(TEMP_SUFFIX)
        .tempfile_in(folder)?;
    crash::point("after-temp");
    temp.write_all(bytes)?;
    crash::point("after-write");
    temp.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    temp.as_file().sync_all()?;
    crash::point("after-sync");
    may_replace()?;
    temp.persist(path).map_err(|error| error.error)?;
    crash::point("after-rename");
    sync_folder(folder)?;
    crash::point("after-folder-sync");
    Ok(())
}

/// Creates a folder and those above it, with the permission bits `mode` (less the umask). One that is there is left as it is.
pub fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Removes what killed writers of `path` left beside it. Only for who holds the lock that all writers of `path` take.
pub(crate) fn remove_leftovers(path: &Path) -> io::Result<()> {
    let path = resolve(path)?;
    let prefix = temp_prefix(&path);
    for entry in fs::read_dir(folder_of(&path))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(TEMP_SUFFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Follows symbolic links to the file that is really meant, also where it does not exist yet.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    // As many as Linux follows (MAXSYMLINKS).
    const MOST_LINKS: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn temp_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync a folder (EINVAL); then the rename is as durable as they make it.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn replaces_with_the_mode_asked_for_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"one", 0o644).unwrap();
        write(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link_also_when_it_points_to_nothing_yet() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        let link = folder.path().join("link.json");
        symlink("real/file.json", &link).unwrap();
        write_through(&link, b"x", 0o644, &mut || Ok(())).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(
            fs::read(folder.path().join("real/file.json")).unwrap(),
            b"x"
        );
    }

    #[test]
    fn a_loop_of_links_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("loop");
        symlink("loop", &link).unwrap();
        assert!(write_through(&link, b"x", 0o644, &mut || Ok(())).is_err());
    }

    #[test]
    fn a_link_that_somebody_put_here_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join("state"));
        File::create(&victim).unwrap().write_all(b"mine").unwrap();
        symlink("victim", &link).unwrap();
        write(&link, b"x", 0o644).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&link).unwrap(), b"x");
    }

    #[test]
    fn a_refusal_at_the_last_moment_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"old", 0o644).unwrap();
        let refused = replace(&path, b"new", 0o644, &mut || Err(io::Error::other("no")));
        assert!(refused.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for name in [".a.json.xyz.tmp", "a.json.lock", ".b.json.xyz.tmp"] {
            File::create(folder.path().join(name)).unwrap();
        }
        remove_leftovers(&path).unwrap();
        assert!(!folder.path().join(".a.json.xyz.tmp").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
