//! What a program knows about the process it runs in: settings, console.

use std::path::{Path, PathBuf};

use registry_core::settings::{self, Origin, Settings, SettingsError, SettingsFile};
use registry_core::text::Masker;

use crate::console::Console;

/// Name of the settings file, looked for from the working directory upwards.
pub const SETTINGS_FILE: &str = "deployment-coordination.toml";

/// Settings and console of this process.
#[derive(Debug)]
pub struct Context {
    /// Flags may still be added with [`Settings::set_flag`].
    pub settings: Settings,
    /// Where messages for people go.
    pub console: Console,
}

impl Context {
    /// Reads the environment and the settings file, once.
    pub fn load() -> Result<Self, SettingsError> {
        refuse_unreadable()?;
        let file = match find_settings_file() {
            Some(path) => read_settings_file(path)?,
            None => SettingsFile::default(),
        };
        let settings = Settings::new(variable, file);
        let console = console(Masker::new(settings.secrets()));
        Ok(Self { settings, console })
    }
}

impl Context {
    /// As [`Context::load`]; a settings file that cannot be used is left out and told instead of ending the program. For
    /// programs that must never stop a deployment.
    #[must_use]
    pub fn load_anyway() -> (Self, Option<SettingsError>) {
        match Self::load() {
            Ok(context) => (context, None),
            Err(error) => {
                let settings = Settings::new(variable, SettingsFile::default());
                let console = console(Masker::new(settings.secrets()));
                (Self { settings, console }, Some(error))
            }
        }
    }
}

// A variable that is not text would otherwise count as not set, and a default stand in for what somebody meant.
fn refuse_unreadable() -> Result<(), SettingsError> {
    let ours = settings::ALL.iter().map(|setting| setting.name);
    for name in ours.chain(["CORRELATION_ID", "GITHUB_REPOSITORY"]) {
        if let Some(value) = std::env::var_os(name).filter(|value| value.to_str().is_none()) {
            return Err(SettingsError::Bad {
                name,
                value: value.to_string_lossy().into_owned(),
                origin: Origin::Variable(name.to_owned()),
                expected: "give text in UTF-8",
            });
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads environment variables"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn console(masker: Masker) -> Console {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    Console::new(
        variable("GITHUB_ACTIONS").as_deref() == Some("true"),
        set("NO_COLOR"),
        masker,
    )
}

pub(crate) fn early_console() -> Console {
    console(masker())
}

/// Masks the secrets that this process was given.
pub(crate) fn masker() -> Masker {
    Masker::new(Settings::new(variable, SettingsFile::default()).secrets())
}

fn find_settings_file() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .map(|folder| folder.join(SETTINGS_FILE))
        .find(|path| path.is_file())
}

fn read_settings_file(path: PathBuf) -> Result<SettingsFile, SettingsError> {
    let text = read_text(&path).map_err(|detail| SettingsError::File {
        path: path.clone(),
        detail,
    })?;
    SettingsFile::parse(path, &text)
}

// Large enough for any settings; a file that is not one should not fill the memory.
const LARGEST_SETTINGS_FILE: u64 = 1 << 20;

fn read_text(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if length > LARGEST_SETTINGS_FILE {
        return Err(format!(
            "it has {length} bytes, {LARGEST_SETTINGS_FILE} is the most"
        ));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}
