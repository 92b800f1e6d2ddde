//! The benchmark: `cargo bench --bench publish [-- --quick] [SECTION…]` with the sections `breath`, `steps`, `memory`,
//! `waiting`, `resume`, `cancel`, `subscribers` and `publish`; without any, all of them.
//!
//! It runs the real release binary as a process of its own against an instant stand-in for Metricool and sets each figure
//! beside its limit, taken in the same run: fsyncs of the same disk, a bare HTTP loop against the same stand-in, bare axum servers. Progress
//! goes to standard error, the table to standard output. It asserts nothing: whether a figure holds is for a reader who
//! knows what else the machine was doing. If it dies, its daemon dies at the next start of the same folder or by hand.

mod arguments;
mod bare_broadcast;
mod bare_loop;
mod bare_route;
mod breath;
mod cancel;
mod daemon;
mod fsync;
mod machine;
mod memory;
mod process;
mod publish;
mod publishers;
mod readers;
mod resume;
mod role;
mod samples;
mod stand_in;
mod steps;
mod subscribers;
mod table;
mod waiting;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use arguments::{Arguments, Role, Section};
use table::{Row, Table};

/// What every part gives: a value, or a sentence for whoever runs the benchmark.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What every section gets.
struct Setting {
    /// Where databases are written; on the disk whose fsyncs are the limit.
    folder: PathBuf,
    /// Smaller and shorter.
    quick: bool,
}

impl Setting {
    /// This many, or a tenth of it in a quick run.
    fn scaled(&self, full: u32) -> u32 {
        if self.quick { full / 10 } else { full }
    }

    /// A fresh folder for one daemon.
    fn fresh(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::read() {
        Ok(Role::Nothing) => {
            println!("run it with `cargo bench --bench publish`");
            Ok(())
        }
        Ok(Role::BareLoop(order)) => bare_loop::role(order).await,
        Ok(Role::BareBroadcast(order)) => bare_broadcast::role(order).await,
        Ok(Role::Readers(order)) => readers::role(order).await,
        Ok(Role::BareRoute) => bare_route::role().await,
        Ok(Role::Publishers(order)) => publishers::role(order).await,
        Ok(Role::Benchmark(arguments)) => benchmark(arguments).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn benchmark(arguments: Arguments) -> Outcome<()> {
    let folder = arguments.folder.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let setting = Setting {
        folder,
        quick: arguments.quick,
    };
    let result = run(&setting, &arguments.sections).await;
    remove(&setting.folder);
    println!("{}", result?);
    Ok(())
}

async fn run(setting: &Setting, sections: &[Section]) -> Outcome<Table> {
    let mut table = Table::new(machine::describe(&setting.folder));
    progress("fsync: 4 KiB overwrites with fdatasync");
    let fsync = fsync::measure(&setting.folder, setting.scaled(1_000), Duration::ZERO)?;
    let figure = format!(
        "fdatasync of 4 KiB, back to back, median (p99 {})",
        samples::millis(fsync.p99())
    );
    table.push(Row::told(figure, samples::millis(fsync.median())));
    for section in sections {
        match section {
            Section::Breath => breath::run(setting, &mut table).await?,
            Section::Steps => steps::run(setting, &mut table).await?,
            Section::Memory => memory::run(setting, &mut table).await?,
            Section::Waiting => waiting::run(setting, &mut table).await?,
            Section::Resume => resume::run(setting, &mut table).await?,
            Section::Cancel => cancel::run(setting, &mut table).await?,
            Section::Subscribers => subscribers::run(setting, &mut table).await?,
            Section::Publish => publish::run(setting, &mut table).await?,
        }
    }
    table.load(machine::load());
    Ok(table)
}

/// Says on standard error what is being done.
fn progress(what: &str) {
    eprintln!("[{}] {what}", machine::load());
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        eprintln!("{} could not be removed: {error}", folder.display());
    }
}
