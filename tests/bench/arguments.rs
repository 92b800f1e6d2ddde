//! What the command line asks of this process: the benchmark, a part beside it, or nothing (under `cargo test`).
//! `main` reads it first.

use std::path::PathBuf;

use super::{Outcome, bare_broadcast, bare_route, publishers, readers};

/// One part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// From "published" to the next create request.
    Breath,
    /// Clip steps per second.
    Steps,
    /// Resident memory, idle and per batch.
    Memory,
    /// Lateness and cost of waiting for confirmations.
    Waiting,
    /// Coming back after kill -9.
    Resume,
    /// How soon a cancel is answered.
    Cancel,
    /// Live streams: memory and deliveries.
    Subscribers,
    /// Publish requests per second.
    Publish,
}

impl Section {
    const ALL: [(&'static str, Self); 8] = [
        ("breath", Self::Breath),
        ("steps", Self::Steps),
        ("memory", Self::Memory),
        ("waiting", Self::Waiting),
        ("resume", Self::Resume),
        ("cancel", Self::Cancel),
        ("subscribers", Self::Subscribers),
        ("publish", Self::Publish),
    ];
}

/// What the benchmark is to do.
pub struct Arguments {
    pub quick: bool,
    pub folder: PathBuf,
    pub sections: Vec<Section>,
}

/// What the bare loop is to do.
pub struct LoopOrder {
    /// Base URL of the stand-in.
    pub url: String,
    /// How many tasks call at once.
    pub tasks: u32,
    /// How many steps they make together.
    pub steps: u32,
    /// How long a task rests before each step, in milliseconds.
    pub rest: u64,
}

/// What this process is.
pub enum Role {
    Benchmark(Arguments),
    BareLoop(LoopOrder),
    BareBroadcast(bare_broadcast::Order),
    Readers(readers::Order),
    BareRoute,
    Publishers(publishers::Order),
    /// Started by `cargo test`, which passes no `--bench`: a timed test proves nothing.
    Nothing,
}

impl Arguments {
    /// Reads the process's arguments.
    pub fn read() -> Outcome<Role> {
        let mut quick = false;
        let mut bench = false;
        let mut folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let mut sections = Vec::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => bench = true,
                "--quick" => quick = true,
                "--dir" => folder = arguments.next().ok_or("--dir needs a folder")?.into(),
                "--role" => return Role::read(arguments),
                name => match Section::ALL.iter().find(|(known, _)| *known == name) {
                    Some((_, section)) => sections.push(*section),
                    None => return Err(format!("\"{name}\" is no section; {}", usage()).into()),
                },
            }
        }
        if !bench {
            return Ok(Role::Nothing);
        }
        if sections.is_empty() {
            sections = Section::ALL.map(|(_, section)| section).to_vec();
        }
        Ok(Role::Benchmark(Self {
            quick,
            folder,
            sections,
        }))
    }
}

impl Role {
    /// What stands behind `--role`.
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let role = arguments.next().unwrap_or_default();
        let order: Vec<String> = arguments.collect();
        match role.as_str() {
            LoopOrder::ROLE => Ok(Self::BareLoop(LoopOrder::read(&order)?)),
            bare_broadcast::Order::ROLE => Ok(Self::BareBroadcast(bare_broadcast::Order::read(&order)?)),
            readers::Order::ROLE => Ok(Self::Readers(readers::Order::read(&order)?)),
            bare_route::ROLE => Ok(Self::BareRoute),
            publishers::Order::ROLE => Ok(Self::Publishers(publishers::Order::read(&order)?)),
            unknown => Err(format!("there is no role \"{unknown}\"").into()),
        }
    }
}

impl LoopOrder {
    const ROLE: &'static str = "bare-loop";

    /// The arguments that make a process a bare loop of this order.
    pub fn arguments(&self) -> [String; 6] {
        let numbers = [u64::from(self.tasks), u64::from(self.steps), self.rest].map(|number| number.to_string());
        let [tasks, steps, rest] = numbers;
        ["--role".into(), Self::ROLE.into(), self.url.clone(), tasks, steps, rest]
    }

    fn read(arguments: &[String]) -> Outcome<Self> {
        let [url, tasks, steps, rest] = arguments else {
            return Err("--role bare-loop URL TASKS STEPS REST_MS".into());
        };
        Ok(Self {
            url: url.clone(),
            tasks: tasks.parse()?,
            steps: steps.parse()?,
            rest: rest.parse()?,
        })
    }
}

fn usage() -> String {
    let names = Section::ALL.map(|(name, _)| name).join(", ");
    format!("usage: cargo bench --bench publish [-- [--quick] [--dir FOLDER] [SECTION…]], sections: {names}")
}
