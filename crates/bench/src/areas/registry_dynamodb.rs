//! The shared registry on dynalite, against the bare round trips that it is made of.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use registry_core::clock::{Clock as _, SystemClock};
use registry_core::decide::Seen;
use registry_core::registry::Registry;
use registry_core::settings::{Settings, SettingsFile};
use registry_core::slot::{End, Ending, HoldKind, Registration, Request};
use registry_core::stack::{Observed, StackState};
use registry_core::store::{Store as _, Touches};
use registry_dynamodb::{Address, DynamoStore, set_up};
use serde_json::{Value, json};

use crate::Bench;
use crate::figures::{Spread, ratio};
use crate::page::Section;

const TABLE: &str = "deployment-registry";
const NAMESPACE: &str = "owner/repository";
const STACK: &str = "CourtCaseManagementStack";
const ROUNDS: u64 = 100;
/// How many clients race for one environment.
const CONTENDED: [usize; 3] = [1, 8, 64];
const GRANTS: usize = 64;
/// Between two tries of a client that lost: without one they would only see each other.
const PAUSE: Duration = Duration::from_millis(20);

const SERVER: &str = r"
const dynalite = require(process.argv[1])
const server = dynalite({ createTableMs: 0, deleteTableMs: 0 })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
";

pub(crate) fn measure(_: &Bench) -> Result<Section> {
    let dynalite = Dynalite::start()?;
    set_up(address(dynalite.port)?, &SystemClock::default())?;
    let mut section = Section::new("The shared registry");
    section.text(&format!(
        "dynalite on this machine, whose own time is most of each figure; DynamoDB answers in 3 to 10 ms, wherever the caller is. The \
        bare way is the same requests with the same items over one open connection, with no SDK, no signature and no rule: {ROUNDS} \
        in turn with the store's.",
    ));
    alone(&dynalite, &mut section)?;
    contended(&dynalite, &mut section)?;
    Ok(section)
}

/// An emulator that ends when this process does: its standard input is a lifeline.
struct Dynalite {
    port: u16,
    process: Child,
}

impl Drop for Dynalite {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Dynalite {
    #[expect(
        clippy::disallowed_methods,
        reason = "what cargo xtask bench passes, which is no setting of the programs"
    )]
    fn start() -> Result<Self> {
        let cli = std::env::var("DYNALITE").context("dynalite was not fetched")?;
        let cli = Path::new(&cli).canonicalize().context(cli.clone())?;
        let library = cli.with_file_name("index.js");
        let mut process = Command::new("node")
            .args(["-e", SERVER])
            .arg(library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node could not be started")?;
        let mut line = String::new();
        let output = process.stdout.take().context("node has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().context("dynalite named no port")?;
        Ok(Self { port, process })
    }
}

fn address(port: u16) -> Result<Address> {
    let settings = Settings::new(
        |name| (name == "REGISTRY_NAMESPACE").then(|| NAMESPACE.to_owned()),
        SettingsFile::default(),
    );
    Ok(Address::new(TABLE.to_owned(), None, &settings)?.in_emulator(port))
}

fn store(port: u16) -> Result<DynamoStore> {
    Ok(DynamoStore::new(
        address(port)?,
        Arc::new(SystemClock::default()),
    )?)
}

/// One connection, kept open.
struct Bare {
    stream: BufReader<TcpStream>,
}

impl Bare {
    fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn ask(&mut self, operation: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\n\
             x-amz-target: DynamoDB_20120810.{operation}\r\nx-amz-date: 20260101T000000Z\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.contains(" 200 "), "{operation}: {line}");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn get(&mut self, pk: &str, sk: &str) -> Result<Value> {
        let question = json!({"TableName": TABLE, "ConsistentRead": true, "Key": key(pk, sk)});
        Ok(self.ask("GetItem", &question)?["Item"].clone())
    }

    fn batch(&mut self, keys: &[Value]) -> Result<()> {
        let question = json!({"RequestItems": {TABLE: {"ConsistentRead": true, "Keys": keys}}});
        self.ask("BatchGetItem", &question)?;
        Ok(())
    }

    // On a condition that holds, as the store's does.
    fn put(&mut self, item: &Value) -> Result<()> {
        let write = json!({"TableName": TABLE, "Item": item,
            "ConditionExpression": "attribute_exists(#pk)", "ExpressionAttributeNames": {"#pk": "pk"}});
        self.ask("PutItem", &write)?;
        Ok(())
    }
}

fn key(pk: &str, sk: &str) -> Value {
    json!({"pk": {"S": pk}, "sk": {"S": sk}})
}

fn request(id: &str) -> Request {
    Request {
        correlation_id: id.to_owned(),
        workflow_run_id: "12345".to_owned(),
        stacks: vec![STACK.to_owned()],
        run_attempt: Some(1),
        runner: Some("runner-1".to_owned()),
        workflow_url: None,
        kind: HoldKind::Registered,
        baseline: Vec::new(),
        server_time: None,
    }
}

fn register(registry: &Registry, id: &str) -> Result<bool> {
    let stack = STACK.parse()?;
    let missing = Observed {
        value: StackState::Missing,
        server_time: None,
    };
    let seen = [Seen {
        stack,
        answer: Ok(missing),
    }];
    let answer = registry.register("production", &request(id), &seen)?.answer;
    Ok(match answer {
        Registration::Granted(_) | Registration::Already(_) => true,
        Registration::Refused(_) | Registration::Different(..) => false,
    })
}

fn end(registry: &Registry, id: &str) -> Result<()> {
    registry.end(&End {
        correlation_id: id.to_owned(),
        ending: Ending::Success,
        outcome: None,
        // With its tombstones the item would grow, and the last round would not compare with the first.
        purge: true,
        by: None,
        reason: None,
        eviction: false,
    })?;
    Ok(())
}

/// Both ways in turn; what `after` does after ours is not measured.
fn in_turn(
    mut ours: impl FnMut(u64) -> Result<()>,
    mut after: impl FnMut() -> Result<()>,
    mut bare: impl FnMut() -> Result<()>,
) -> Result<(Spread, Spread)> {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        one.push(timed(|| ours(round))?);
        after()?;
        other.push(timed(&mut bare)?);
    }
    Ok((Spread::of_spans(one), Spread::of_spans(other)))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed())
}

/// The items that a `register` writes, under keys that the store knows nothing of.
struct Copies {
    slot: Value,
    claims: Vec<Value>,
}

impl Copies {
    fn of(bare: &mut Bare, id: &str) -> Result<Self> {
        let mut copy = |pk: &str, sk: &str| -> Result<Value> {
            let mut item = bare.get(pk, sk)?;
            item["pk"] = json!({"S": format!("bare/{pk}")});
            let write = json!({"TableName": TABLE, "Item": item});
            bare.ask("PutItem", &write)?;
            Ok(item)
        };
        Ok(Self {
            slot: copy(&format!("{NAMESPACE}/production"), "SLOT")?,
            claims: vec![
                copy(NAMESPACE, &format!("STACK#{STACK}"))?,
                copy(NAMESPACE, &format!("ID#{id}"))?,
            ],
        })
    }

    fn key_of(item: &Value) -> Value {
        json!({"pk": item["pk"], "sk": item["sk"]})
    }
}

fn alone(dynalite: &Dynalite, section: &mut Section) -> Result<()> {
    let store = store(dynalite.port)?;
    let registry = Registry::over(Box::new(self::store(dynalite.port)?));
    let mut bare = Bare::connect(dynalite.port)?;
    ensure!(register(&registry, "first")?, "the environment is taken");
    let copies = Copies::of(&mut bare, "first")?;
    let slot = Copies::key_of(&copies.slot);
    let index = key(NAMESPACE, "INDEX");
    let claims: Vec<Value> = copies.claims.iter().map(Copies::key_of).collect();

    let read = in_turn(
        |_| Ok(store.snapshot().map(drop)?),
        || Ok(()),
        || {
            bare.get(NAMESPACE, "INDEX")?;
            bare.batch(std::slice::from_ref(&slot))
        },
    )?;
    let touches = Touches {
        environment: "production",
        id: None,
        stacks: &[],
    };
    let update = in_turn(
        |round| {
            Ok(store.update(touches, &mut |slot, _, _| {
                slot.last_token = 10_000_000_000 + round;
            })?)
        },
        || Ok(()),
        || {
            bare.batch(&[slot.clone(), index.clone()])?;
            bare.put(&copies.slot)
        },
    )?;
    let holder = Cell::new(0);
    end(&registry, "first")?;
    let take = in_turn(
        |round| {
            holder.set(round);
            let id = format!("deployment-{round}");
            ensure!(register(&registry, &id)?, "the environment is taken");
            Ok(())
        },
        || end(&registry, &format!("deployment-{}", holder.get())),
        || {
            let keys = [&[slot.clone(), index.clone()], claims.as_slice()].concat();
            bare.batch(&keys)?;
            for item in &copies.claims {
                bare.put(item)?;
            }
            bare.put(&copies.slot)
        },
    )?;
    let rows = [
        ("read everything", "GetItem, BatchGetItem", &read),
        ("change one environment", "BatchGetItem, PutItem", &update),
        ("register", "BatchGetItem, three PutItem", &take),
    ]
    .map(|(what, made_of, (ours, bare))| {
        vec![
            what.to_owned(),
            made_of.to_owned(),
            ours.milliseconds(),
            bare.milliseconds(),
            ratio(ours.over(bare)),
        ]
    });
    section.table(&["", "made of", "the store", "bare", "ratio"], &rows);
    for (what, (ours, bare)) in [("a change", &update), ("`register`", &take)] {
        let over = ours.over(bare);
        section.target(
            &format!("{what} of the shared registry at most 2x its bare round trips"),
            &ratio(over),
            over <= 2.0,
        );
    }
    Ok(())
}

fn contended(dynalite: &Dynalite, section: &mut Section) -> Result<()> {
    let mut rows = Vec::new();
    for clients in CONTENDED {
        let begun = Instant::now();
        let each = GRANTS / clients;
        let granted: Result<Vec<()>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..clients)
                .map(|number| scope.spawn(move || take_turns(dynalite.port, clients, number, each)))
                .collect();
            running
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .map_err(|_| anyhow::anyhow!("a client broke down"))?
                })
                .collect()
        });
        granted?;
        let each = begun.elapsed().as_secs_f64() / GRANTS as f64;
        rows.push(vec![clients.to_string(), format!("{:.1} ms", each * 1e3)]);
    }
    section.text(&format!(
        "Clients that all want one environment, try until they have it and give it back, {GRANTS} times in all:"
    ));
    section.table(&["clients", "from one holder to the next"], &rows);
    Ok(())
}

fn take_turns(port: u16, clients: usize, number: usize, each: usize) -> Result<()> {
    let registry = Registry::over(Box::new(store(port)?));
    for round in 0..each {
        let id = format!("c{clients}-{number}-{round}");
        while !register(&registry, &id)? {
            let _awake = SystemClock::default().sleep(PAUSE);
        }
        end(&registry, &id)?;
    }
    Ok(())
}
