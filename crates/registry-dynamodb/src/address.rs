//! Which table, in which region, and whose part of it.

use std::time::Duration;

use registry_core::settings::{
    AWS_REGION, Origin, REGISTRY_NAMESPACE, REGISTRY_PATIENCE, Settings,
};
use registry_core::store::StoreError;

// A key has 2,048 bytes at most, of which the environment and a separator take 65:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const LONGEST_NAMESPACE: usize = 1024;

/// Where a shared registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) table: String,
    pub(crate) region: Option<String>,
    pub(crate) namespace: String,
    pub(crate) emulator: Option<u16>,
    /// For how long others may be in the way of a change before it is given up.
    pub(crate) patience: Duration,
}

impl Address {
    /// The table of `REGISTRY_URL`, with the namespace and the region of the settings where the address names none.
    pub fn new(
        table: String,
        region: Option<String>,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        let namespace = settings.text(&REGISTRY_NAMESPACE);
        let namespace = match namespace.trim() {
            "" => settings.variable("GITHUB_REPOSITORY").unwrap_or_default(),
            given => given.to_owned(),
        };
        check_namespace(&namespace)?;
        Ok(Self {
            table,
            region: region.or_else(|| named_region(settings)),
            namespace,
            emulator: None,
            patience: settings
                .duration(&REGISTRY_PATIENCE)
                .map_err(|error| StoreError::Wrong(error.to_string()))?,
        })
    }

    /// The same table and region for a command that touches no namespace (`init`).
    #[must_use]
    pub fn of_table(table: String, region: Option<String>, settings: &Settings) -> Self {
        Self {
            table,
            region: region.or_else(|| named_region(settings)),
            namespace: String::new(),
            emulator: None,
            patience: Duration::ZERO,
        }
    }

    /// The same address with another patience when others are in the way.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same address in an emulator that listens on `port` of this machine. Keys are made up, and neither the environment
    /// nor any profile is asked for others.
    #[must_use]
    pub fn in_emulator(self, port: u16) -> Self {
        Self {
            emulator: Some(port),
            ..self
        }
    }
}

// The default is left out, so that the profile's region comes before it.
fn named_region(settings: &Settings) -> Option<String> {
    settings
        .get(&AWS_REGION)
        .filter(|(_, origin)| *origin != Origin::Default)
        .map(|(region, _)| region)
}

fn check_namespace(namespace: &str) -> Result<(), StoreError> {
    if namespace.is_empty() {
        return Err(StoreError::Wrong(
            "a shared registry needs a namespace: set REGISTRY_NAMESPACE (under GitHub Actions, GITHUB_REPOSITORY serves)"
                .to_owned(),
        ));
    }
    if namespace.len() > LONGEST_NAMESPACE || namespace.chars().any(char::is_control) {
        return Err(StoreError::Wrong(format!(
            "REGISTRY_NAMESPACE has {} bytes or characters that cannot be printed: give a short name such as owner/repo",
            namespace.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use registry_core::settings::SettingsFile;

    fn settings(pairs: &'static [(&'static str, &'static str)]) -> Settings {
        Settings::new(
            move |name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            },
            SettingsFile::default(),
        )
    }

    fn check(pairs: &'static [(&'static str, &'static str)], region: Option<&str>) -> String {
        match Address::new(
            "table".to_owned(),
            region.map(str::to_owned),
            &settings(pairs),
        ) {
            Ok(address) => format!("{} {:?}", address.namespace, address.region),
            Err(StoreError::Wrong(sentence)) => format!("wrong: {sentence}"),
            Err(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn namespaces_and_regions() {
        const REPOSITORY: (&str, &str) = ("GITHUB_REPOSITORY", "o/r");
        assert_eq!(check(&[REPOSITORY], None), "o/r None");
        assert_eq!(
            check(&[REPOSITORY, ("REGISTRY_NAMESPACE", "mine")], None),
            "mine None"
        );
        assert_eq!(
            check(&[REPOSITORY, ("AWS_REGION", "eu-west-1")], None),
            "o/r Some(\"eu-west-1\")"
        );
        assert_eq!(
            check(
                &[REPOSITORY, ("AWS_REGION", "eu-west-1")],
                Some("eu-north-1")
            ),
            "o/r Some(\"eu-north-1\")"
        );
        assert!(check(&[], None).starts_with("wrong: a shared registry needs a namespace"));
        assert!(check(&[("REGISTRY_NAMESPACE", "a\u{1b}b")], None).starts_with("wrong: "));
    }
}
