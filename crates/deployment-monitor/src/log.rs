//! The log file: one JSON object per line and nothing else, each event once, ever.
//!
//! A line is written with one call and synced before the cursor moves. After a crash the tail behind the cursor is read back:
//! the events found there were reported; a torn last line of our own is cut off, and what somebody else left without a
//! newline gets one. (Measured under kill -9: saving the cursor after the append doubles events, saving it before loses
//! them; reading back does neither.)

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fd_lock::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// How every line of ours begins; a torn last line that begins so is cut off.
const OUR_BEGINNING: &[u8] = b"{\"timestamp\":\"";

/// Why the log cannot be used. One sentence.
#[derive(Debug, Error)]
#[error("the log file {path} cannot be written: {source} ({hint})", path = .path.display())]
pub(crate) struct LogError {
    path: PathBuf,
    source: io::Error,
    hint: &'static str,
}

/// Up to where a log is known, and in which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Device of the file.
    pub(crate) dev: u64,
    /// Its inode: a file that was replaced has another.
    pub(crate) ino: u64,
    /// Bytes from its beginning.
    pub(crate) offset: u64,
}

/// An event as it is told apart in the log: stack id and event id (which is only unique within its stack).
pub(crate) type EventKey = (String, String);

/// The log of one deployment's monitor; several deployments may share the file.
#[derive(Debug)]
pub(crate) struct EventLog {
    path: PathBuf,
    // Locked while a line is appended or a torn one cut, so that no monitor cuts what another is writing.
    file: RwLock<File>,
}

impl EventLog {
    /// Opens the file, or creates it in an existing folder.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let fail = |source: io::Error| {
            let hint = if source.kind() == io::ErrorKind::NotFound {
                "create its folder first, or give another LOG_FILE"
            } else {
                "give a LOG_FILE that can be written"
            };
            LogError {
                path: path.to_path_buf(),
                source,
                hint,
            }
        };
        let file = open_append(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(fail(io::Error::other("it is no regular file")));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: RwLock::new(file),
        })
    }

    /// Where the file ends now.
    pub(crate) fn position(&mut self) -> io::Result<Position> {
        let guard = self.file.write()?;
        position_of(&guard)
    }

    /// Whether standard output or standard error is this very file.
    pub(crate) fn is_standard_stream(&mut self) -> io::Result<bool> {
        Ok(supervisor::is_standard_stream(&*self.file.write()?))
    }

    /// Mends the end of the file and returns the events of the stack `watched` that `correlation_id` reported behind `from`. A file that is not the
    /// one of `from`, or is shorter, was replaced: nothing in it was reported by us.
    pub(crate) fn read_back(
        &mut self,
        from: Option<&Position>,
        correlation_id: &str,
        watched: &str,
    ) -> io::Result<BTreeSet<EventKey>> {
        let mut guard = self.file.write()?;
        mend_end(&guard)?;
        let here = position_of(&guard)?;
        let mut found = BTreeSet::new();
        let known = from.filter(|from| {
            (from.dev, from.ino) == (here.dev, here.ino) && from.offset <= here.offset
        });
        let Some(from) = known else {
            return Ok(found);
        };
        guard.seek(SeekFrom::Start(from.offset))?;
        let mut reader = BufReader::new(&*guard);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(found);
            }
            if let Some(key) = event_in(&line, correlation_id, watched) {
                found.insert(key);
            }
        }
    }

    /// Appends lines (each an object, without its newline), syncs them to the disk, and says where the file ends then. When
    /// they cannot all be written, none is left behind.
    pub(crate) fn append(&mut self, lines: &[String]) -> io::Result<Position> {
        self.follow_replacement()?;
        let mut guard = self.file.write()?;
        let before = position_of(&guard)?;
        let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        if !ends_with_newline(&guard)? {
            text.push('\n');
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let written = guard
            .write_all(text.as_bytes())
            .and_then(|()| guard.sync_data());
        if let Err(error) = written {
            guard.set_len(before.offset)?;
            return Err(error);
        }
        position_of(&guard)
    }

    // The file may be rotated or deleted while we run: then the lines go to the new one of that name.
    fn follow_replacement(&mut self) -> io::Result<()> {
        let ours = position_of(&*self.file.write()?)?;
        let there = std::fs::metadata(&self.path)
            .map(|metadata| (metadata.dev(), metadata.ino()))
            .ok();
        if there != Some((ours.dev, ours.ino)) {
            self.file = RwLock::new(open_append(&self.path)?);
        }
        Ok(())
    }
}

fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o644)
        .open(path)
}

fn position_of(file: &File) -> io::Result<Position> {
    let metadata = file.metadata()?;
    Ok(Position {
        dev: metadata.dev(),
        ino: metadata.ino(),
        offset: metadata.len(),
    })
}

fn ends_with_newline(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0; 1];
    file.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}

// Cuts a torn last line of ours; gives a foreign one its newline.
fn mend_end(mut file: &File) -> io::Result<()> {
    if ends_with_newline(file)? {
        return Ok(());
    }
    let length = file.metadata()?.len();
    let start = last_line_start(file, length)?;
    let mut beginning = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(OUR_BEGINNING.len() as u64)
        .read_to_end(&mut beginning)?;
    if OUR_BEGINNING.starts_with(&beginning) {
        file.set_len(start)?;
    } else {
        file.write_all(b"\n")?;
    }
    file.sync_data()
}

fn last_line_start(file: &File, length: u64) -> io::Result<u64> {
    const BLOCK: u64 = 64 * 1024;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(&mut block, start)?;
        if let Some(newline) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn event_in(line: &[u8], correlation_id: &str, watched: &str) -> Option<EventKey> {
    let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let ours =
        text("correlation_id") == Some(correlation_id) && text("watched_stack") == Some(watched);
    (ours && text("level") == Some("EVENT"))
        .then(|| Some((text("stack_id")?.to_owned(), text("event_id")?.to_owned())))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, event: &str) -> String {
        format!(
            "{{\"timestamp\":\"2026-01-14T12:34:56Z\",\"level\":\"EVENT\",\"correlation_id\":\"{id}\",\"watched_stack\":\"App\",\"stack_id\":\"s\",\"event_id\":\"{event}\"}}"
        )
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    fn append_raw(path: &Path, text: &str) {
        open_append(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[test]
    fn events_behind_the_cursor_are_found_and_a_torn_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        let mut log = EventLog::open(&path).unwrap();
        let before = log.append(&[line("a", "1")]).unwrap();
        log.append(&[line("a", "2"), line("b", "3")]).unwrap();
        append_raw(&path, &line("a", "4")[..60]);
        let mut again = EventLog::open(&path).unwrap();
        let found = again.read_back(Some(&before), "a", "App").unwrap();
        assert_eq!(
            found.into_iter().map(|key| key.1).collect::<Vec<_>>(),
            ["2"]
        );
        assert_eq!(
            text(&path),
            format!(
                "{}\n{}\n{}\n",
                line("a", "1"),
                line("a", "2"),
                line("b", "3")
            )
        );
    }

    #[test]
    fn a_foreign_tail_gets_a_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        append_raw(&path, "nohup: ignoring input");
        let mut log = EventLog::open(&path).unwrap();
        log.read_back(None, "a", "App").unwrap();
        log.append(&[line("a", "1")]).unwrap();
        append_raw(&path, "cdk says");
        log.append(&[line("a", "2")]).unwrap();
        assert_eq!(
            text(&path),
            format!(
                "nohup: ignoring input\n{}\ncdk says\n{}\n",
                line("a", "1"),
                line("a", "2")
            )
        );
    }

    #[test]
    fn a_replaced_log_is_followed_and_not_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.log");
        let mut log = EventLog::open(&path).unwrap();
        let before = log.position().unwrap();
        log.append(&[line("a", "1")]).unwrap();
        // A new file of the same name; the old one is kept so that its inode is not given out again.
        std::fs::hard_link(&path, folder.path().join("m.log.1")).unwrap();
        std::fs::remove_file(&path).unwrap();
        log.append(&[line("a", "2")]).unwrap();
        assert_eq!(text(&path), format!("{}\n", line("a", "2")));
        assert!(log.read_back(Some(&before), "a", "App").unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_one_sentence() {
        let error = EventLog::open(Path::new("/nowhere/at/all.log"))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the log file /nowhere/at/all.log cannot be written: No such file or directory (os error 2) \
             (create its folder first, or give another LOG_FILE)"
        );
    }

    #[test]
    fn every_cut_of_a_line_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let whole = line("a", "x");
        for cut in 1..=whole.len() {
            let path = folder.path().join(format!("{cut}.log"));
            append_raw(&path, &format!("{}\n{}", line("a", "0"), &whole[..cut]));
            EventLog::open(&path)
                .unwrap()
                .read_back(None, "a", "App")
                .unwrap();
            assert_eq!(text(&path), format!("{}\n", line("a", "0")), "{cut}");
        }
    }
}
