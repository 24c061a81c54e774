//! `docs/benchmarks.md`: one section an area, each replaced when its area is measured again.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// What the page says before its sections.
const HEAD: &str = "# Benchmarks

Measured, not asserted, but for the monitor's memory: the run fails where that is over its limit. Each section is one run on
one machine, so only figures of the same section compare; the ratios are what travels. `cargo xtask bench` measures all of it anew
and writes this page, `cargo xtask bench AREA` one section.
";

/// What was measured in one area.
#[derive(Debug, Default)]
pub(crate) struct Section {
    title: String,
    parts: Vec<String>,
    targets: Vec<String>,
    broken: Vec<String>,
}

impl Section {
    /// With its title.
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            ..Self::default()
        }
    }

    /// A paragraph.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.parts.push(text.to_owned());
        self
    }

    /// A table.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) -> &mut Self {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
        let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
        let lines: Vec<String> = [&head, &rule]
            .into_iter()
            .chain(rows)
            .map(|cells| line(cells))
            .collect();
        self.parts.push(lines.join("\n"));
        self
    }

    /// A target, and whether it was met.
    pub(crate) fn target(&mut self, what: &str, measured: &str, met: bool) -> &mut Self {
        let word = if met { "met" } else { "**missed**" };
        self.targets.push(format!("- {what}: {measured}, {word}"));
        self
    }

    /// A target that is a promise, which no other load of the machine breaks: where it is missed, the run fails.
    pub(crate) fn limit(&mut self, what: &str, measured: &str, met: bool) -> &mut Self {
        if !met {
            self.broken.push(format!("{what}: {measured}"));
        }
        self.target(what, measured, met)
    }

    /// The promises that were not kept.
    pub(crate) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("## {}\n", self.title);
        for part in &self.parts {
            text += &format!("\n{part}\n");
        }
        if !self.targets.is_empty() {
            text += &format!("\nTargets:\n\n{}\n", self.targets.join("\n"));
        }
        text
    }
}

/// The page.
#[derive(Debug)]
pub(crate) struct Page {
    sections: Vec<(String, String)>,
}

impl Page {
    /// As it is now; one that does not exist yet is empty.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::parse("")),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn parse(text: &str) -> Self {
        let sections = text
            .split("\n<!-- area ")
            .skip(1)
            .filter_map(|part| part.split_once(" -->\n"))
            .map(|(name, body)| (name.to_owned(), body.trim_matches('\n').to_owned()))
            .collect();
        Self { sections }
    }

    /// Puts a section in its area's place, with what machine it was.
    pub(crate) fn put(&mut self, area: &str, section: &Section) {
        let markdown = section.markdown();
        let (title, rest) = markdown.split_once('\n').unwrap_or((&markdown, ""));
        let text = format!("{title}\n\n{}\n{rest}", machine());
        let text = text.trim_matches('\n').to_owned();
        match self.sections.iter_mut().find(|(name, _)| name == area) {
            Some(place) => place.1 = text,
            None => self.sections.push((area.to_owned(), text)),
        }
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (name, body) in &self.sections {
            // Writing to a String cannot fail.
            let _always_ok = write!(text, "\n<!-- area {name} -->\n{body}\n");
        }
        text
    }

    /// Writes it.
    #[expect(clippy::disallowed_methods, reason = "a page that git keeps")]
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.text()).with_context(|| path.display().to_string())
    }
}

/// What machine and what day it is, in one line.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = rustix::system::uname();
    let clock = registry_core::clock::SystemClock::default();
    let today = registry_core::clock::Clock::now(&clock).rfc3339();
    let (day, _) = today.split_once('T').unwrap_or((&today, ""));
    // A machine that had other work shows it in the larger figures.
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loads.split(' ').next().unwrap_or_default();
    format!(
        "{day}, {cores} cores of {model}, {} {}, load {load} when it was done.",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_missed_is_told_to_the_run() {
        let mut section = Section::new("Memory");
        section
            .target("quick", "slow", false)
            .limit("small", "small", true)
            .limit("under 15 MiB", "16 MiB", false);
        assert_eq!(section.broken(), ["under 15 MiB: 16 MiB"]);
        assert!(
            section
                .markdown()
                .contains("- under 15 MiB: 16 MiB, **missed**")
        );
    }

    #[test]
    fn a_section_replaces_the_earlier_one_of_its_area_only() {
        let section = |title: &str| {
            let mut section = Section::new(title);
            section
                .table(&["a", "b"], &[vec!["1".to_owned(), "2".to_owned()]])
                .target("as quick as light", "2x", false);
            section
        };
        let mut page = Page::parse("");
        page.put("one", &section("First"));
        page.put("two", &section("Second"));
        let mut again = Page::parse(&page.text());
        assert_eq!(again.text(), page.text());
        again.put("one", &section("Anew"));
        let text = again.text();
        assert!(
            !text.contains("First") && text.contains("## Second"),
            "{text}"
        );
        assert!(
            text.contains("| a | b |\n| --- | --- |\n| 1 | 2 |\n"),
            "{text}"
        );
        assert!(
            text.contains("- as quick as light: 2x, **missed**"),
            "{text}"
        );
        assert!(text.find("## Anew") < text.find("## Second"), "{text}");
    }
}
