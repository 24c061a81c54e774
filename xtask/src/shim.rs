//! The shims: `NAME.sh` scripts that keep the callers of the old scripts working.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::install::place;

/// The seven programs.
pub(crate) const PROGRAMS: [&str; 7] = [
    "deployment-coordinator",
    "deployment-monitor",
    "slack-notifier",
    "monitor-recovery",
    "slack-retry-queue",
    "registry-fallback",
    "deployment-time-estimator",
];

const TEMPLATE: &str = include_str!("shim.sh");

/// A line that every shim of ours has and no script of the user's.
const MARK: &str = "Written by `cargo xtask install --shims`";

/// The text of the shim for one program.
pub(crate) fn text(program: &str) -> String {
    TEMPLATE.replace("@NAME@", program)
}

/// Writes the seven shims into `folder`. A file that is there and is not a shim (the script the program replaces) is kept
/// under its name with `.replaced` added; the paths of those are returned.
pub(crate) fn write_all(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut replaced = Vec::new();
    for program in PROGRAMS {
        let path = folder.join(format!("{program}.sh"));
        if let Ok(old) = std::fs::read(&path)
            && !String::from_utf8_lossy(&old).contains(MARK)
        {
            let kept = folder.join(format!("{program}.sh.replaced"));
            place(&kept, &old, 0o644)?;
            replaced.push(kept);
        }
        place(&path, text(program).as_bytes(), 0o755)?;
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Not a test of its own when run with the others: started by a shim in place of a program, it tells what it was given.
    #[test]
    fn tells_its_arguments() {
        let arguments: Vec<String> = std::env::args().collect();
        println!("[{}]", arguments.join("]["));
    }

    const TELL: [&str; 3] = ["--exact", "shim::tests::tells_its_arguments", "--nocapture"];

    /// One at a time: a process that another thread starts while a script is being written inherits the open file for a
    /// moment, and the script cannot be run until it is closed ("Text file busy").
    static ONE: Mutex<()> = Mutex::new(());

    struct Place(
        PathBuf,
        #[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>,
    );

    impl Place {
        fn new(name: &str) -> Self {
            let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
            // Beside the test binary, so that it can be linked instead of copied.
            let ours = std::env::current_exe().unwrap();
            let root = ours.with_file_name(format!("shim-test-{}-{name}", std::process::id()));
            drop(std::fs::remove_dir_all(&root));
            for folder in ["scripts", "bin", "work"] {
                std::fs::create_dir_all(root.join(folder)).unwrap();
            }
            write_all(&root.join("scripts")).unwrap();
            Self(root, guard)
        }

        fn program(&self, folder: &str) {
            let ours = std::env::current_exe().unwrap();
            std::fs::hard_link(ours, self.0.join(folder).join("slack-notifier")).unwrap();
        }

        fn hostile(&self, folder: &str) {
            let script = b"#!/bin/sh\necho HOSTILE\n";
            place(&self.0.join(folder).join("slack-notifier"), script, 0o755).unwrap();
        }

        /// Runs `words` in the folder `work`, with `path` before the system's own folders.
        fn run(&self, path: &str, words: &[&str]) -> Output {
            let root = self.0.to_str().unwrap();
            let words: Vec<String> = words
                .iter()
                .map(|word| word.replace("ROOT", root))
                .collect();
            Command::new(&words[0])
                .args(&words[1..])
                .env(
                    "PATH",
                    format!("{}/usr/bin:/bin", path.replace("ROOT", root)),
                )
                .current_dir(self.0.join("work"))
                .output()
                .unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn stdout(output: &Output) -> String {
        String::from_utf8(output.stdout.clone()).unwrap()
    }

    fn with_tell<'a>(before: &[&'a str]) -> Vec<&'a str> {
        [before, &TELL, &["a b", "*", "", "$(x)"]].concat()
    }

    const SHELLS: [&[&str]; 3] = [
        &["bash", "ROOT/scripts/slack-notifier.sh"],
        &["sh", "ROOT/scripts/slack-notifier.sh"],
        &["sh", "-c", "exec ../scripts/slack-notifier.sh \"$@\"", "sh"],
    ];

    #[test]
    fn runs_the_program_beside_it_or_on_the_path_under_the_name_of_the_script() {
        for folder in ["scripts", "bin"] {
            let place = Place::new(&format!("found-{folder}"));
            place.program(folder);
            for shell in SHELLS {
                let output = place.run("ROOT/bin:", &with_tell(shell));
                let told = stdout(&output);
                assert!(
                    told.contains(&format!(
                        "[slack-notifier.sh][{}][a b][*][][$(x)]",
                        TELL.join("][")
                    )),
                    "{shell:?}: {told} {output:?}"
                );
            }
        }
    }

    #[test]
    fn the_program_beside_it_comes_before_the_path() {
        let place = Place::new("beside");
        place.program("scripts");
        place.hostile("bin");
        for shell in SHELLS {
            assert!(stdout(&place.run("ROOT/bin:", &with_tell(shell))).contains("[a b]"));
        }
    }

    #[test]
    fn without_a_program_it_says_how_to_install() {
        let place = Place::new("none");
        for shell in SHELLS {
            let output = place.run("", shell);
            assert_eq!(output.status.code(), Some(127));
            assert!(output.stdout.is_empty());
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(
                said.lines().count() == 1 && said.contains("cargo xtask install"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_program_in_the_working_directory_is_never_run_by_accident() {
        let place = Place::new("hostile");
        place.hostile("work");
        // An empty entry, a dot and a relative folder in PATH all mean the working directory.
        for path in ["", ":", ".:", "../work:", "ROOT/nowhere::"] {
            for shell in SHELLS {
                let output = place.run(path, shell);
                assert_eq!(
                    output.status.code(),
                    Some(127),
                    "{path:?} {shell:?} {output:?}"
                );
            }
        }
        // Found by bash on PATH, with no folder in its name.
        let output = place.run("ROOT/scripts:", &["bash", "slack-notifier.sh"]);
        assert_eq!(output.status.code(), Some(127), "{output:?}");
    }

    #[test]
    fn works_from_its_own_folder() {
        let place = Place::new("own");
        write_all(&place.0.join("work")).unwrap();
        place.program("work");
        let told = stdout(&place.run("", &with_tell(&["bash", "slack-notifier.sh"])));
        assert!(told.contains("[slack-notifier.sh]"), "{told}");
    }

    #[test]
    fn a_script_that_is_replaced_is_kept() {
        let place = Place::new("kept");
        let scripts = place.0.join("scripts");
        let old = Path::new("deployment-monitor.sh");
        super::place(&scripts.join(old), b"#!/bin/bash\necho old\n", 0o755).unwrap();
        let kept = write_all(&scripts).unwrap();
        assert_eq!(kept, [scripts.join("deployment-monitor.sh.replaced")]);
        assert_eq!(
            std::fs::read_to_string(&kept[0]).unwrap(),
            "#!/bin/bash\necho old\n"
        );
        assert_eq!(
            std::fs::read_to_string(scripts.join(old)).unwrap(),
            text("deployment-monitor")
        );
        assert!(write_all(&scripts).unwrap().is_empty());
    }
}
