//! The settings file, with every question that programs ask of it.

use std::path::PathBuf;

use registry_core::registry::Registry;
use registry_core::settings::{ALL, Settings, SettingsFile};

use crate::assert_a_sentence;

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let file = match SettingsFile::parse(PathBuf::from("deployment-coordination.toml"), &text) {
        Ok(file) => file,
        Err(error) => return assert_a_sentence(&error),
    };
    let settings = Settings::new(|_| None, file);
    for setting in ALL {
        let value = settings.text(setting);
        if setting.default.is_empty() {
            continue;
        }
        assert!(!value.is_empty(), "{} has lost its default", setting.name);
        if let Err(error) = settings.duration(setting) {
            assert_a_sentence(&error);
        }
        if let Err(error) = settings.flag(setting) {
            assert_a_sentence(&error);
        }
    }
    if let Err(error) = Registry::location(&settings) {
        assert_a_sentence(&error);
    }
    let environments = settings.environments();
    for (environment, stacks) in &environments {
        assert!(!stacks.is_empty(), "{environment} has no stack");
        let found = settings
            .stacks(environment, None)
            .expect("a known environment");
        assert!(!found.is_empty());
        for stack in stacks {
            assert!(
                settings.environment_of(stack).is_some(),
                "{stack} is nobody's"
            );
        }
    }
    assert!(
        environments.len() >= 2,
        "the built-in ones are always there"
    );
}
