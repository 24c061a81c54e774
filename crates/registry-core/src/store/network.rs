//! Whether a folder lies on a file system on which locks may not hold between machines.

use std::path::Path;

/// Types of network file systems: statfs(2) and the kernel's `include/uapi/linux/magic.h`. On some of them `flock` is only
/// local, depending on version and mount options (flock(2), "NFS details" and "CIFS details").
#[cfg(target_os = "linux")]
const NETWORK: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB2"),
    (0xFF53_4D42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// The name of the network file system that holds `folder` (or, where it does not exist yet, what is above it); `None` for a
/// local one, and where it cannot be told.
#[must_use]
pub fn file_system(folder: &Path) -> Option<&'static str> {
    let there = folder.ancestors().find(|path| path.exists());
    kind(there.unwrap_or(Path::new(".")))
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> Option<&'static str> {
    // The field is signed on some machines; only the lower 32 bits carry the type.
    let kind = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xFFFF_FFFF;
    name(kind)
}

#[cfg(not(target_os = "linux"))]
fn kind(_path: &Path) -> Option<&'static str> {
    None
}

#[cfg(target_os = "linux")]
fn name(kind: u64) -> Option<&'static str> {
    NETWORK
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, name)| *name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn local_and_network() {
        assert_eq!(file_system(Path::new("/proc/self/nothing/here")), None);
        assert_eq!(name(0x6969), Some("NFS"));
        assert_eq!(name(0xFE53_4D42), Some("SMB2"));
        // ext4 and tmpfs.
        assert_eq!((name(0xEF53), name(0x0102_1994)), (None, None));
    }
}
