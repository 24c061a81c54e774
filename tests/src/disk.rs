//! Disks on which nothing can be written any more.

use std::io::Write as _;
use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::{Outcome, World};

/// A small file system of its own, mounted over a folder of the world; needs root. Without the right to mount, its being full is
/// played by a limit on the size of files: there, too, each write fails and leaves what was there.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    mounted: bool,
    full: bool,
}

/// Room for a handful of messages.
const SIZE: &std::ffi::CStr = c"mode=700,size=128k";
const FILLER: &str = "filler";

#[expect(clippy::expect_used, reason = "a test's world cannot be made")]
impl SmallDisk {
    /// At `name` in the world's working folder.
    #[must_use]
    pub fn at(world: &World, name: &str) -> Self {
        let folder = world.path(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mounted = mount(c"none", &folder, c"tmpfs", MountFlags::empty(), Some(SIZE)).is_ok();
        Self {
            folder,
            mounted,
            full: false,
        }
    }

    /// Whether it is a file system of its own and not only played.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.mounted
    }

    /// Fills it to the last byte.
    pub fn fill(&mut self) {
        self.full = true;
        if self.mounted {
            let filler = self.folder.join(FILLER);
            let mut filler = std::fs::File::create(filler).expect("a file");
            for size in [4096, 1] {
                while filler.write_all(&vec![b'x'; size]).is_ok() {}
            }
            let full = filler.write_all(b"x").map_err(|error| error.kind());
            assert_eq!(full, Err(std::io::ErrorKind::StorageFull));
        }
    }

    /// Gives the room back.
    pub fn empty(&mut self) {
        self.full = false;
        drop(std::fs::remove_file(self.folder.join(FILLER)));
    }

    /// Lets nobody write, or lets them again. Only a real one can.
    pub fn read_only(&self, on: bool) {
        let flags = if on {
            MountFlags::RDONLY
        } else {
            MountFlags::empty()
        };
        mount_remount(&self.folder, flags, c"").expect("the file system can be remounted");
    }

    /// Runs a program in the world, by which this disk is seen as it is now.
    pub fn run(&self, world: &World, words: &[&str]) -> Outcome {
        if self.mounted || !self.full {
            return world.run(words);
        }
        let mut line = vec![
            "bash",
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
            "bash",
        ];
        line.extend(words);
        world.run(&line)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let _gone_with_the_folder = unmount(&self.folder, UnmountFlags::DETACH);
        }
    }
}
