//! `cargo xtask pictures [NAME…]`: draws the pages that people see in headless Chromium, in the light, in the dark, as narrow as a
//! telephone and on paper, so that somebody can look at them.

mod report;
mod slack;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::{quiet, root, variable};

/// A page to draw. One more page is one more line in [`PAGES`].
struct Page {
    name: &'static str,
    /// Makes the page in a folder and returns its path.
    make: fn(&Path) -> Result<PathBuf>,
    /// How high it is on a wide and on a narrow screen; what is below is cut off.
    heights: (u32, u32),
}

const PAGES: &[Page] = &[
    Page {
        name: "report",
        make: report::make,
        heights: (5200, 6600),
    },
    Page {
        name: "slack-messages",
        make: slack::messages,
        heights: (4100, 5600),
    },
    Page {
        name: "slack-forms",
        make: slack::forms,
        heights: (2800, 3600),
    },
];

/// One way to look at a page.
struct View {
    name: &'static str,
    width: u32,
    /// Only the top of the page.
    top: Option<u32>,
    dark: bool,
}

const VIEWS: &[View] = &[
    View {
        name: "light",
        width: 1040,
        top: None,
        dark: false,
    },
    View {
        name: "dark",
        width: 1040,
        top: None,
        dark: true,
    },
    View {
        name: "phone",
        width: 390,
        top: None,
        dark: false,
    },
    View {
        name: "phone-dark",
        width: 390,
        top: None,
        dark: true,
    },
    // As small as a picture in the documentation should be.
    View {
        name: "top",
        width: 760,
        top: Some(1000),
        dark: false,
    },
    View {
        name: "phone-top",
        width: 390,
        top: Some(1000),
        dark: true,
    },
];

/// A screen narrower than this counts as a telephone's.
const NARROW: u32 = 500;

/// Draws the named pages, or all, into `target/pictures`.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    for name in arguments {
        let known = PAGES.iter().any(|page| page.name == name);
        ensure!(
            known,
            "there is no page {name:?}; there are {}",
            names(PAGES).join(", ")
        );
    }
    let folder = root().join("target/pictures");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for page in PAGES {
        if arguments.is_empty() || arguments.iter().any(|name| name == page.name) {
            draw(page, &folder)?;
        }
    }
    Ok(true)
}

fn names(pages: &[Page]) -> Vec<&'static str> {
    pages.iter().map(|page| page.name).collect()
}

fn draw(page: &Page, folder: &Path) -> Result<()> {
    let file = (page.make)(folder).with_context(|| format!("the page {}", page.name))?;
    let address = format!("file://{}", file.display());
    println!("{}", file.display());
    for view in VIEWS {
        let picture = folder.join(format!("{}-{}.png", page.name, view.name));
        let (wide, narrow) = page.heights;
        let whole = if view.width < NARROW { narrow } else { wide };
        let height = view.top.unwrap_or(whole);
        let mut words = vec![
            "--hide-scrollbars".to_owned(),
            format!("--window-size={},{height}", view.width),
            format!("--screenshot={}", picture.display()),
        ];
        if view.dark {
            words.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        chromium(&words, &address, &picture)?;
        println!("{}", picture.display());
    }
    let paper = folder.join(format!("{}.pdf", page.name));
    let words = [
        "--no-pdf-header-footer".to_owned(),
        format!("--print-to-pdf={}", paper.display()),
    ];
    chromium(&words, &address, &paper)?;
    println!("{}", paper.display());
    // Sheets of paper as pictures, where the tool for it is there (Debian: poppler-utils).
    let sheets = folder.join(format!("{}-paper", page.name));
    let mut convert = Command::new("pdftoppm");
    convert.args(["-png", "-r", "60"]).arg(&paper).arg(&sheets);
    match quiet(&mut convert) {
        Ok(()) => println!("{}-N.png", sheets.display()),
        Err(error) => println!("no pictures of the sheets: {error}"),
    }
    Ok(())
}

/// Chromium by its usual names; `CHROMIUM` names another.
fn chromium(words: &[String], address: &str, made: &Path) -> Result<()> {
    const NAMES: [&str; 4] = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "chrome-headless-shell",
    ];
    let named = variable("CHROMIUM");
    let names: Vec<&str> = named.as_deref().map_or(NAMES.to_vec(), |name| vec![name]);
    if made.exists() {
        fs::remove_file(made)?;
    }
    for name in &names {
        let profile = made.with_extension("profile");
        let mut command = Command::new(name);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.args(words).arg(address);
        let ended = within(&mut command, Duration::from_secs(120));
        if profile.exists() {
            fs::remove_dir_all(&profile)?;
        }
        match ended {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| (*name).to_owned()),
            Ok(()) => {
                ensure!(made.exists(), "{name} did not make {}", made.display());
                return Ok(());
            }
        }
    }
    bail!(
        "no Chromium was found as {} (Debian: apt-get install chromium; or name it in CHROMIUM)",
        names.join(", ")
    )
}

/// Runs a program and ends it where it does not end by itself.
fn within(command: &mut Command, longest: Duration) -> std::io::Result<()> {
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()?;
    let begun = std::time::Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > longest {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::other("it did not end and was ended"));
        }
        pause();
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a browser is waited for, and it tells nobody when it is done"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}
