//! An archive on a machine that has nothing else: unpacked into an empty folder, it deploys against the simulators.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use simulators::{CloudFormation, Slack, Stack, TOKEN, UPDATES};

use crate::programs::all;
use crate::stage::sum;

const STACK: &str = "CourtCaseManagementStack";

/// Checks one archive; each line says what was found. `traces` are paths of the machine that built it: none of them may be in it.
pub(crate) fn check(archive: &Path, version: &str, traces: &[String]) -> Result<Vec<String>> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let mut told = vec![checksum(archive)?];
    let unpacked = unpack(archive, folder.path())?;
    told.push(listed(&unpacked)?);
    told.push(no_trace(&unpacked, traces)?);
    told.push(completions(&unpacked)?);
    let jail = Jail::make(folder.path(), &unpacked)?;
    told.push(jail.told.clone());
    for program in all() {
        let name = program.get_name();
        let said = text(&jail.run(name, &["--version"], &[])?.stdout);
        let expected = format!("{name} {version}\n");
        ensure!(
            said == expected,
            "{name} --version says {said:?}, not {expected:?}"
        );
    }
    told.push(format!("all seven say that they are version {version}"));
    told.push(shims(&unpacked, version)?);
    told.push(deploys(&jail)?);
    Ok(told)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn checksum(archive: &Path) -> Result<String> {
    let mut beside = archive.as_os_str().to_owned();
    beside.push(".sha256");
    let line = std::fs::read_to_string(&beside)
        .with_context(|| format!("{} cannot be read", Path::new(&beside).display()))?;
    let bytes =
        std::fs::read(archive).with_context(|| format!("{} cannot be read", archive.display()))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    ensure!(
        line == format!("{}  {name}\n", sum(&bytes)),
        "{} is not what its checksum says",
        archive.display()
    );
    Ok(format!(
        "{name}: {} bytes, as its checksum says",
        bytes.len()
    ))
}

fn unpack(archive: &Path, into: &Path) -> Result<PathBuf> {
    let file = std::fs::File::open(archive)?;
    tar::Archive::new(flate2::read::GzDecoder::new(file))
        .unpack(into)
        .with_context(|| format!("{} cannot be unpacked", archive.display()))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    Ok(into.join(name.strip_suffix(".tar.gz").unwrap_or(&name)))
}

// Every file has its sum, and every sum its file.
fn listed(unpacked: &Path) -> Result<String> {
    let sums = std::fs::read_to_string(unpacked.join("SHA256SUMS")).context("SHA256SUMS")?;
    let mut listed = 0;
    for line in sums.lines() {
        let (expected, name) = line.split_once("  ").context("a line of SHA256SUMS")?;
        let bytes = std::fs::read(unpacked.join(name)).with_context(|| name.to_owned())?;
        ensure!(
            sum(&bytes) == expected,
            "{name} is not what SHA256SUMS says"
        );
        listed += 1;
    }
    let there = files(unpacked)?.len();
    ensure!(
        there == listed + 1,
        "{there} files, but {listed} lines in SHA256SUMS"
    );
    Ok(format!("{listed} files, each as SHA256SUMS says"))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn no_trace(unpacked: &Path, traces: &[String]) -> Result<String> {
    for path in files(unpacked)? {
        let bytes = std::fs::read(&path)?;
        for trace in traces.iter().filter(|trace| trace.len() > 1) {
            let found = bytes
                .windows(trace.len())
                .any(|window| window == trace.as_bytes());
            ensure!(
                !found,
                "{} has a path of this machine in it: {trace}",
                path.display()
            );
        }
    }
    Ok("no path of the machine that built it is in it".to_owned())
}

// Those shells that are here must be able to read theirs.
fn completions(unpacked: &Path) -> Result<String> {
    let mut read = Vec::new();
    for (shell, folder) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        if Command::new(shell)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            continue;
        }
        for file in files(&unpacked.join("completions").join(folder))? {
            let parsed = Command::new(shell).arg("-n").arg(&file).output()?;
            ensure!(
                parsed.status.success(),
                "{shell} cannot read {}: {}",
                file.display(),
                text(&parsed.stderr)
            );
        }
        read.push(shell);
    }
    Ok(format!("the completions are read by {}", read.join(", ")))
}

fn shims(unpacked: &Path, version: &str) -> Result<String> {
    for program in all() {
        let name = program.get_name();
        let output = Command::new("bash")
            .arg(unpacked.join(format!("shims/{name}.sh")))
            .arg("--version")
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", unpacked.join("bin").display()),
            )
            .output()?;
        let said = text(&output.stdout);
        ensure!(
            said == format!("{name} {version}\n"),
            "{name}.sh --version says {said:?}"
        );
    }
    Ok("every shim finds its program".to_owned())
}

/// Where the programs run with nothing of this machine but what they are linked to.
struct Jail {
    /// The root of what they see; `None`: they see the whole machine, but no variable of it.
    root: Option<PathBuf>,
    bin: String,
    work: PathBuf,
    told: String,
}

const UNSHARE: [&str; 6] = [
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--fork",
    "--mount-proc",
];

impl Jail {
    fn make(folder: &Path, unpacked: &Path) -> Result<Self> {
        let root = folder.join("root");
        for name in ["usr/bin", "work", "proc", "tmp"] {
            std::fs::create_dir_all(root.join(name))?;
        }
        // No device, which only the real root may make, but as empty.
        crate::put(&root.join("dev/null"), b"")?;
        let mut needed = Vec::new();
        for program in all() {
            let from = unpacked.join("bin").join(program.get_name());
            copy(&from, &root.join("usr/bin").join(program.get_name()))?;
            needed.extend(libraries(&from));
        }
        let command = Path::new("/usr/bin/true");
        if command.is_file() {
            copy(command, &root.join("usr/bin/true"))?;
            needed.extend(libraries(command));
        }
        let linked = libraries(&unpacked.join("bin/deployment-coordinator")).len();
        needed.sort();
        needed.dedup();
        for library in needed {
            let below = library.strip_prefix("/").unwrap_or(&library);
            copy(&library, &root.join(below))?;
        }
        let mut jail = Self {
            work: root.join("work"),
            root: Some(root),
            bin: "/usr/bin".to_owned(),
            told: format!(
                "run in a root of their own: the programs, true, and {}",
                if linked == 0 {
                    "no library: they are static".to_owned()
                } else {
                    format!("the {linked} libraries they are linked to")
                }
            ),
        };
        if !jail
            .run("true", &[], &[])
            .is_ok_and(|output| output.status.success())
        {
            let work = folder.join("work");
            std::fs::create_dir_all(&work)?;
            jail = Self {
                root: None,
                bin: unpacked.join("bin").display().to_string(),
                work,
                told: "run in an empty folder and without a variable of this machine (a root of their own needs Linux and unshare)".to_owned(),
            };
        }
        Ok(jail)
    }

    fn run(&self, program: &str, words: &[&str], variables: &[(&str, &str)]) -> Result<Output> {
        let file = format!("{}/{program}", self.bin);
        let mut command;
        if let Some(root) = &self.root {
            command = Command::new("unshare");
            command
                .args(UNSHARE)
                .arg(format!("--root={}", root.display()))
                .args(["--wd=/work", &file]);
        } else {
            command = Command::new(&file);
            command.current_dir(&self.work);
        }
        command
            .args(words)
            .env_clear()
            // unshare itself is found along this one too.
            .env("PATH", format!("{}:/usr/bin:/bin", self.bin))
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
            .output()
            .with_context(|| format!("{file} could not be started"))
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, to)
        .with_context(|| format!("{} cannot be copied", from.display()))
        .map(drop)
}

// What `ldd` says; nothing for a static program, or where there is no ldd.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(output) = Command::new("ldd").arg(program).output() else {
        return Vec::new();
    };
    text(&output.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/') && !word.ends_with(':'))
        .map(PathBuf::from)
        .filter(|path| path != program)
        .collect()
}

fn deploys(jail: &Jail) -> Result<String> {
    let aws = CloudFormation::start()?;
    aws.add_stack(Stack::new(STACK).status("UPDATE_COMPLETE"));
    let slack = Slack::start()?;
    let (aws_url, slack_url) = (aws.url(), slack.api_url());
    let variables = [
        ("HOME", "/work"),
        ("AWS_ENDPOINT_URL", aws_url.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000"),
        (
            "AWS_SECRET_ACCESS_KEY",
            "simulated-secret-access-key-0123456789ab",
        ),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("SLACK_API_URL", &slack_url),
        ("SLACK_BOT_TOKEN", TOKEN),
        ("CHECK_INTERVAL", "200ms"),
    ];
    let run = |words: &[&str]| -> Result<()> {
        let output = jail.run("deployment-coordinator", words, &variables)?;
        if !output.status.success() {
            bail!(
                "deployment-coordinator {} ended with {}:\n{}{}",
                words.join(" "),
                output.status,
                text(&output.stdout),
                text(&output.stderr)
            );
        }
        Ok(())
    };
    run(&["doctor", "production"])?;
    run(&["run", "production", "--", "true"])?;
    let messages: Vec<String> = slack
        .messages(UPDATES)
        .iter()
        .map(simulators::Message::shown)
        .collect();
    let told =
        |index: usize, words: &str| messages.get(index).is_some_and(|text| text.contains(words));
    ensure!(
        messages.len() == 2 && told(0, "Deployment Started") && told(1, "Deployment Successful"),
        "Slack was told: {messages:#?}"
    );
    for file in ["deployments.json", "deployment-history.json"] {
        let path = jail.work.join(".deployment-registry").join(file);
        ensure!(path.is_file(), "there is no {file} after the deployment");
    }
    let log = std::fs::read_to_string(jail.work.join("deployment-monitor.log"))
        .context("the monitor wrote no log")?;
    ensure!(
        log.contains("\"outcome\""),
        "the monitor's log has no outcome: {log}"
    );
    Ok(
        "doctor finds nothing wrong; run production -- true deploys, and Slack hears of it"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(folder: &Path, sums: &str) -> PathBuf {
        let unpacked = folder.join("one");
        crate::put(&unpacked.join("a"), b"text").unwrap();
        crate::put(&unpacked.join("SHA256SUMS"), sums.as_bytes()).unwrap();
        unpacked
    }

    #[test]
    fn a_file_that_was_changed_or_added_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let right = format!("{}  a\n", sum(b"text"));
        let unpacked = packed(folder.path(), &right);
        assert!(listed(&unpacked).is_ok());
        crate::put(&unpacked.join("b"), b"more").unwrap();
        assert!(listed(&unpacked).is_err());
        let unpacked = packed(folder.path(), &format!("{}  a\n", sum(b"other")));
        assert!(listed(&unpacked).is_err());
    }

    #[test]
    fn a_path_of_the_machine_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let unpacked = packed(folder.path(), "");
        let traces = |text: &str| no_trace(&unpacked, &[text.to_owned()]);
        assert!(traces("ex").is_err());
        assert!(traces("/nowhere/builder").is_ok());
    }

    #[test]
    fn an_archive_with_another_checksum_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("x.tar.gz");
        crate::put(&archive, b"bytes").unwrap();
        assert!(checksum(&archive).is_err());
        let line = format!("{}  x.tar.gz\n", sum(b"bytes"));
        crate::put(&folder.path().join("x.tar.gz.sha256"), line.as_bytes()).unwrap();
        assert!(checksum(&archive).is_ok());
        crate::put(&archive, b"others").unwrap();
        assert!(checksum(&archive).is_err());
    }
}
