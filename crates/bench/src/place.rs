//! Where commands are measured: a folder, the simulated services, an environment that nothing of the machine leaks into.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use simulators::{CloudFormation, GitHub, Slack};
use tempfile::TempDir;

use crate::Bench;

/// One place. Its folder and its services go with it.
pub(crate) struct Place {
    /// Simulated CloudFormation.
    pub(crate) cloudformation: CloudFormation,
    /// Simulated Slack.
    pub(crate) slack: Slack,
    /// Kept alive for `GITHUB_API_URL`.
    _github: GitHub,
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Place {
    /// An empty one.
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        let (cloudformation, slack, github) =
            (CloudFormation::start()?, Slack::start()?, GitHub::start()?);
        // On the disk that state is kept on, not in memory: a durable write is part of what is measured.
        let below = bench.page.parent().unwrap_or(Path::new("."));
        let below = below.join("../target");
        let folder = TempDir::with_prefix_in("bench-", below).context("a folder")?;
        let nothing = folder.path().join("no-such-file").display().to_string();
        let mut path = bench.programs.display().to_string();
        if let Some(tools) = bench.aws.as_deref().and_then(Path::parent) {
            path += &format!(":{}", tools.display());
        }
        path += ":/usr/local/bin:/usr/bin:/bin";
        let variables = [
            ("PATH", path),
            ("HOME", folder.path().display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("AWS_ENDPOINT_URL", cloudformation.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
            ("AWS_CONFIG_FILE", nothing.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", nothing),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_PAGER", String::new()),
            ("SLACK_API_URL", slack.api_url()),
            ("SLACK_BOT_TOKEN", simulators::TOKEN.to_owned()),
            ("GITHUB_API_URL", github.url()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        Ok(Self {
            cloudformation,
            slack,
            _github: github,
            folder,
            variables: variables.into(),
        })
    }

    /// The folder that commands run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a file that lives as long as the benchmark"
    )]
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Removes a folder in it, where it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let folder = self.path(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }

    /// The whole environment of a command.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// A program along this place's `PATH`.
    pub(crate) fn find(&self, program: &str) -> Result<PathBuf> {
        let path = self.variables.get("PATH").map_or("", String::as_str);
        std::env::split_paths(path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
            .with_context(|| format!("{program} is not installed"))
    }
}
