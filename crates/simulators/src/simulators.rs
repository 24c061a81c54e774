//! All three together.

use std::io;

use crate::{CloudFormation, GitHub, Scenario, Slack, TOKEN};

/// Which ports to take; 0 is any free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ports {
    /// CloudFormation and STS.
    pub cloudformation: u16,
    /// Slack.
    pub slack: u16,
    /// GitHub.
    pub github: u16,
}

/// CloudFormation, Slack and GitHub, each on a port of its own. They end when this is dropped.
pub struct Simulators {
    /// CloudFormation and STS.
    pub cloudformation: CloudFormation,
    /// Slack.
    pub slack: Slack,
    /// GitHub.
    pub github: GitHub,
}

impl Simulators {
    /// On free ports.
    pub fn start() -> io::Result<Self> {
        Self::start_on(Ports::default())
    }

    /// On these ports of 127.0.0.1.
    pub fn start_on(ports: Ports) -> io::Result<Self> {
        Ok(Self {
            cloudformation: CloudFormation::start_on(ports.cloudformation)?,
            slack: Slack::start_on(ports.slack)?,
            github: GitHub::start_on(ports.github)?,
        })
    }

    /// Starts a scenario now.
    pub fn run(&self, scenario: &Scenario) {
        self.cloudformation.run(scenario);
        self.slack.run(scenario);
        self.github.run(scenario);
    }

    /// The environment that leads a program here: name and value. The keys are dummies. Slack is reached by token; for the
    /// webhook set `SLACK_WEBHOOK_URL` to [`Slack::webhook_url`] and leave `SLACK_BOT_TOKEN` out.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.cloudformation.url()),
            ("AWS_ACCESS_KEY_ID", "AKIASIMULATED0000000".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            // The aws tool of version 1 knows only this name.
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_PAGER", String::new()),
            ("SLACK_API_URL", self.slack.api_url()),
            ("SLACK_BOT_TOKEN", TOKEN.to_owned()),
            ("GITHUB_API_URL", self.github.url()),
        ]
    }
}
