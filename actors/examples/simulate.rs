//! Plays many seeds of the simulation, or one with its history.
//!
//!     cargo run -p storyclip-actors --release --features testing --example simulate -- --seeds 100000
//!     cargo run -p storyclip-actors --release --features testing --example simulate -- --seed 4711
//!     cargo run -p storyclip-actors --release --features testing --example simulate -- --days 10
//!     cargo run -p storyclip-actors --release --features testing --example simulate -- --seed 3 --of silent
//!
//! Exits with 1 if anything happened that must not, naming the seeds; with `--must-break`, if the wrong thing or nothing did.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    ops::Range,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use storyclip_actors::testing::simulation::{Kind, Outcome, counts::Counts, scenario::Trouble};

const USAGE: &str = "usage: simulate --seed N [--of KIND] | --seeds COUNT | --seeds FROM..TO | --days COUNT
                [--threads N] [--must-break RULE]

  --seed N           plays this seed and prints its history
  --of KIND          of what it is the seed, if not of everything that may go wrong: lagging-list, or an outage
                     (unreachable, unavailable, silent, token-refused, brand-refused, throttled)
  --seeds FROM..TO   plays these seeds; a COUNT alone begins at 0
  --days COUNT       plays so many days of each kind of outage
  --threads N        on so many threads; as many as there are cores if absent
  --must-break RULE  stops when a seed fails; exits with 0 if what it broke first is this invariant, with 3 if it is another
                     or if none fails";

/// How many failing seeds are named.
const NAMED: usize = 20;

#[derive(Clone, Copy, PartialEq)]
enum Plays {
    Seeds,
    OneSeed,
    Days,
}

struct Options {
    seeds: Range<u64>,
    plays: Option<Plays>,
    of: Option<Kind>,
    threads: usize,
    must_break: Option<String>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match options.plays {
        Some(Plays::OneSeed) => replay(&options.of.unwrap_or(Kind::Anything), options.seeds.start),
        Some(Plays::Days) => days(&options),
        Some(Plays::Seeds) | None => seeds(&options),
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seeds: 0..0,
        plays: None,
        of: None,
        threads: thread::available_parallelism().map_or(1, usize::from),
        must_break: None,
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("{name} {value}: {text:?} is no number"))
        };
        let (seeds, plays) = match name.as_str() {
            "--seed" => {
                let seed = number(&value)?;
                (seed..seed + 1, Plays::OneSeed)
            }
            "--seeds" => match value.split_once("..") {
                Some((from, to)) => (number(from)?..number(to)?, Plays::Seeds),
                None => (0..number(&value)?, Plays::Seeds),
            },
            "--days" => (0..number(&value)?, Plays::Days),
            _ => {
                set(&mut options, &name, value)?;
                continue;
            }
        };
        if options.plays.replace(plays).is_some() {
            return Err("give one of --seed, --seeds and --days".into());
        }
        options.seeds = seeds;
    }
    if options.seeds.is_empty() {
        return Err("no seeds".into());
    }
    if options.of.is_some() && options.plays != Some(Plays::OneSeed) {
        return Err("--of says what the seed of --seed is of".into());
    }
    Ok(options)
}

fn set(options: &mut Options, name: &str, value: String) -> Result<(), String> {
    match name {
        "--of" => options.of = Some(Kind::called(&value).ok_or(format!("--of {value} is unknown"))?),
        "--must-break" => options.must_break = Some(value),
        "--threads" => {
            let threads: usize = value
                .parse()
                .map_err(|_| format!("--threads {value}: {value:?} is no number"))?;
            options.threads = threads.clamp(1, 1_024);
        }
        _ => return Err(format!("{name} is unknown")),
    }
    Ok(())
}

fn replay(kind: &Kind, seed: u64) -> ExitCode {
    let outcome = kind.play(seed, true);
    let mut out = std::io::stdout().lock();
    for line in &outcome.history {
        if writeln!(out, "{line}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    for violation in &outcome.violations {
        eprintln!("seed {seed}: {violation}");
    }
    ExitCode::from(u8::from(!outcome.violations.is_empty()))
}

#[derive(Default)]
struct Tally {
    counts: Counts,
    failing: BTreeMap<u64, Vec<String>>,
    failures: u64,
}

fn seeds(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let (tally, played) = play(options, &Kind::Anything);
    let code = report(&tally, played, begun.elapsed());
    match &options.must_break {
        Some(rule) => broke(rule, &tally),
        None => code,
    }
}

fn days(options: &Options) -> ExitCode {
    let mut failures = 0;
    for trouble in Trouble::outages() {
        let kind = Kind::Outage(trouble.clone());
        let (tally, played) = play(options, &kind);
        println!("{played} days in which {trouble}: {}", tally.counts);
        name_failing(&kind, &tally);
        failures += tally.failures;
    }
    ExitCode::from(u8::from(failures > 0))
}

/// Plays all seeds on as many threads as are wanted; how many were played.
fn play(options: &Options, kind: &Kind) -> (Tally, u64) {
    let begun = Instant::now();
    let next = AtomicU64::new(options.seeds.start);
    let done = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let of = options.seeds.end - options.seeds.start;
    thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds.end {
                        break;
                    }
                    let outcome = kind.play(seed, false);
                    if options.must_break.is_some() && !outcome.violations.is_empty() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    add(&tally, outcome);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| show_progress(&done, &stop, of, begun));
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    (tally, done.into_inner())
}

/// Whether the first seed that failed broke this invariant before any other.
fn broke(rule: &str, tally: &Tally) -> ExitCode {
    let first = tally.failing.values().next().and_then(|violations| violations.first());
    let as_expected = first.is_some_and(|violation| violation.contains(&format!("VIOLATED  {rule}: ")));
    println!(
        "must break \"{rule}\": {}",
        if as_expected { "broken" } else { "NOT what broke" }
    );
    ExitCode::from(if as_expected { 0 } else { 3 })
}

fn add(tally: &Mutex<Tally>, outcome: Outcome) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.counts.add(&outcome.counts);
    if !outcome.violations.is_empty() {
        tally.failures += 1;
        tally.failing.insert(outcome.seed, outcome.violations);
        if tally.failing.len() > NAMED {
            tally.failing.pop_last();
        }
    }
}

/// A line that is written over on a terminal, one every ten seconds elsewhere.
fn show_progress(done: &AtomicU64, stop: &AtomicBool, of: u64, begun: Instant) {
    let terminal = std::io::stderr().is_terminal();
    let mut shown = Instant::now();
    loop {
        thread::sleep(Duration::from_millis(50));
        let played = done.load(Ordering::Relaxed);
        let over = played >= of || stop.load(Ordering::Relaxed);
        let due = if terminal { 200 } else { 10_000 };
        if !over && shown.elapsed() < Duration::from_millis(due) {
            continue;
        }
        shown = Instant::now();
        let rate = played as f64 / begun.elapsed().as_secs_f64().max(0.001);
        let left = (of - played.min(of)) as f64 / rate.max(0.001);
        let end = if terminal && !over { '\r' } else { '\n' };
        eprint!("{played} of {of} seeds, {rate:.0}/s, {left:.0} s left    {end}");
        if over {
            return;
        }
    }
}

fn report(tally: &Tally, played: u64, took: Duration) -> ExitCode {
    let (counts, failures) = (&tally.counts, tally.failures);
    println!(
        "seeds {played}, failing {failures}, {:.1} s, {:.0} seeds/s",
        took.as_secs_f64(),
        played as f64 / took.as_secs_f64()
    );
    println!("crashes by the clip's status: {}", listed(&counts.crashes));
    println!("commands: {}", listed(&counts.commands));
    println!("{counts}, commits {}", counts.commits);
    name_failing(&Kind::Anything, tally);
    ExitCode::from(u8::from(failures > 0))
}

fn name_failing(kind: &Kind, tally: &Tally) {
    for (seed, violations) in &tally.failing {
        for violation in violations.iter().take(3) {
            println!("FAILING {}: {violation}", kind.replayed_by(*seed));
        }
    }
}

fn listed(counts: &BTreeMap<&'static str, u64>) -> String {
    let listed: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    listed.join(", ")
}
