//! Real processes race for the registry, all let go at once: this test binary, started so many times. With the lock nothing is
//! lost; the same race with the lock taken out is the negative control.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use rustix::fs::{FlockOperation, flock};

use super::tests::{FOLDER, holders, register, store};
use super::*;

/// How many race. Here the store alone is raced; the program's own tests race it with more.
const MANY: usize = 100;

const NUMBER: &str = "REGISTRY_CORE_TEST_RACER";
/// Everybody goes for this environment; where it is not set, for one of their own.
const PRIZE: &str = "REGISTRY_CORE_TEST_PRIZE";
/// Everybody takes a lock of their own, which keeps nobody out.
const UNLOCKED: &str = "REGISTRY_CORE_TEST_UNLOCKED";
const CHILD: &str = "store::file::race::goes_when_it_is_let_go";
const GRANTED: &str = "granted";
const REFUSED: &str = "refused";

/// One racer; on its own it races for a folder of its own.
#[test]
fn goes_when_it_is_let_go() {
    let own = tempfile::tempdir().unwrap();
    let folder = std::env::var_os(FOLDER).map_or_else(|| own.path().to_owned(), PathBuf::from);
    let told = |name: &str| std::env::var_os(name)?.into_string().ok();
    let number = told(NUMBER).unwrap_or_else(|| "0".to_owned());
    let prize = told(PRIZE).unwrap_or_else(|| format!("env-{number}"));
    let mut ours = store(&folder.join("registry"));
    if std::env::var_os(UNLOCKED).is_some() {
        ours.other_lock = Some(folder.join(format!("lock-{number}")));
    }
    fs::File::create(folder.join(format!("ready-{number}"))).unwrap();
    let open = gate(&folder);
    flock(&open, FlockOperation::LockShared).unwrap();
    let came = match register(&ours, &prize, &format!("id-{number}")) {
        Ok(true) => GRANTED.to_owned(),
        Ok(false) => REFUSED.to_owned(),
        Err(error) => error.to_string(),
    };
    drop(open);
    atomic::write(
        &folder.join(format!("came-{number}")),
        came.as_bytes(),
        0o644,
    )
    .unwrap();
}

fn gate(folder: &Path) -> fs::File {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("gate"))
        .unwrap()
}

/// What a race came to.
#[derive(Debug)]
struct Race {
    /// Who was told that it holds what it wanted.
    granted: BTreeSet<String>,
    /// What those were told who were not.
    others: Vec<String>,
    /// Whom the registry has.
    holders: BTreeSet<String>,
}

fn race(prize: Option<&str>, locked: bool) -> Race {
    let folder = tempfile::tempdir().unwrap();
    let shut = gate(folder.path());
    flock(&shut, FlockOperation::LockExclusive).unwrap();
    let racers: Vec<Child> = (0..MANY)
        .map(|number| racer(folder.path(), number, prize, locked))
        .collect();
    let ready = |number: usize| folder.path().join(format!("ready-{number}")).exists();
    until("all are at the gate", || (0..MANY).all(ready));
    drop(shut);
    for racer in racers {
        let ran = racer.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    let (mut granted, mut others) = (BTreeSet::new(), Vec::new());
    for number in 0..MANY {
        let came = fs::read_to_string(folder.path().join(format!("came-{number}"))).unwrap();
        if came == GRANTED {
            granted.insert(format!("id-{number}"));
        } else {
            others.push(came);
        }
    }
    Race {
        granted,
        others,
        holders: holders(&store(&folder.path().join("registry")))
            .into_iter()
            .collect(),
    }
}

fn racer(folder: &Path, number: usize, prize: Option<&str>, locked: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", CHILD, "--test-threads=1"])
        .env(FOLDER, folder)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(prize) = prize {
        command.env(PRIZE, prize);
    }
    if !locked {
        command.env(UNLOCKED, "yes");
    }
    command.spawn().unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 120, "never came: {what}");
        let _woken =
            crate::clock::SystemClock::default().sleep(std::time::Duration::from_millis(10));
    }
}

impl Race {
    /// One was told yes, the registry says the same, and everybody else was told no.
    fn one_has_it(&self) -> bool {
        self.granted.len() == 1
            && self.holders == self.granted
            && self.others.iter().all(|told| told == REFUSED)
    }

    /// All were told yes, and the registry says the same.
    fn each_has_its_own(&self) -> bool {
        self.granted.len() == MANY && self.holders == self.granted
    }
}

#[test]
fn of_many_processes_one_gets_the_environment() {
    let race = race(Some("production"), true);
    assert!(race.one_has_it(), "{race:?}");
}

#[test]
fn of_many_processes_all_get_an_environment_of_their_own() {
    let race = race(None, true);
    assert!(race.each_has_its_own(), "{race:?}");
}

/// The negative control: without the lock the same races end otherwise. Two are told yes, an entry is lost, or one sweeps away what
/// another is writing.
#[test]
fn without_the_lock_the_races_end_otherwise() {
    let one = race(Some("production"), false);
    assert!(!one.one_has_it(), "{one:?}");
    let own = race(None, false);
    assert!(!own.each_has_its_own(), "{own:?}");
}
