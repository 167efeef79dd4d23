//! What the service does a second, beside what the same Postgres does at best for the same work, in one run.
//!
//! Client, services and Postgres share the machine, and a machine's speed changes from minute to minute: only the ratios
//! inside one run mean something. docs/performance.md says how to read it.

mod books;
mod closed;
mod database;
mod goals;
mod limits;
mod loads;
mod numbers;
mod open;
mod pgbench;
mod report;
mod results;
mod rounds;
mod stage;
mod stream;

use std::{
    cell::RefCell,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::ensure;
use clap::Parser;
use tempfile::TempDir;
use tests::{cluster::Cluster, profile};

use self::{
    loads::LOADS,
    results::{Results, Sample},
    stage::Stage,
};

/// Measures invitations-svc and the whole chain beside their limits
#[derive(Parser)]
struct Args {
    /// The short selection, with shorter measurements
    #[arg(long)]
    quick: bool,
    /// Loads to measure, separated by commas: send, acts, inbox, chain, due, forget, present, two, overload, soak; all when unset
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds; every other one in reverse order
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of one measurement, in seconds. 4, or 2 with --quick
    #[arg(long)]
    seconds: Option<u64>,
    /// Members that invite each other
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(100_000..))]
    members: u64,
    /// Invitations that are there in `present`
    #[arg(long, default_value_t = 10_000_000)]
    present: u64,
    /// Reminders and expiries in `due`
    #[arg(long, default_value_t = 200_000)]
    due: u64,
    /// Length of `soak`, in seconds
    #[arg(long, default_value_t = 600)]
    soak_seconds: u64,
    /// Share of the machine that others may have while something is measured; beyond it, it is measured again
    #[arg(long, default_value_t = 0.05)]
    foreign: f64,
    /// Settings of Postgres, name=value separated by commas; its own defaults when unset
    #[arg(long, value_delimiter = ',')]
    postgres: Vec<String>,
    /// Print where CPU goes in each measurement, by places of the programs (Linux' perf) and by statements. It takes part of
    /// the machine, so that rates and goals are lower than without it
    #[arg(long)]
    profile: bool,
}

impl Args {
    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { 2 } else { 4 })
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.seconds())
    }

    /// Acts in one measurement.
    fn acts(&self) -> u64 {
        5_000 * self.seconds()
    }

    /// Sends through the whole chain in one measurement.
    fn chain(&self) -> u64 {
        4_000 * self.seconds()
    }
}

/// What all loads work with.
struct Bench {
    args: Args,
    cluster: Cluster,
    directory: TempDir,
    results: RefCell<Results>,
    violations: RefCell<Vec<String>>,
}

impl Bench {
    /// The ledger alone, on a new database with the members.
    async fn stage(&self, name: &str) -> anyhow::Result<Stage> {
        let database = database::with_members(&self.cluster, name)?;
        Ok(Stage::alone(database, self.directory.path(), self.args.members).await)
    }

    /// Keeps what was measured outside of rounds.
    fn note(&self, name: &str, sample: Sample) {
        self.results.borrow_mut().add(name, sample);
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    for name in &args.only {
        let is_known = LOADS.iter().any(|load| load.name == name);
        ensure!(is_known, "there is no load `{name}`");
    }
    let started = Instant::now();
    let mut settings = args.postgres.clone();
    settings.extend(args.profile.then(|| profile::SETTING.to_owned()));
    let bench = Bench {
        cluster: Cluster::temporary_durable(&settings)?,
        directory: tempfile::tempdir()?,
        results: RefCell::default(),
        violations: RefCell::default(),
        args,
    };
    database::prepare(&bench.cluster, bench.args.members)?;
    let (chosen, left_out): (Vec<_>, Vec<_>) = LOADS.iter().partition(|load| {
        let args = &bench.args;
        if args.only.is_empty() {
            load.is_quick || !args.quick
        } else {
            args.only.iter().any(|name| load.name == name)
        }
    });
    for load in chosen {
        eprintln!("{} ({:.0} s):", load.name, started.elapsed().as_secs_f64());
        (load.run)(&bench).await?;
    }
    let left_out: Vec<&str> = left_out.iter().map(|load| load.name).collect();
    report::tell(&bench, &left_out)?;
    let is_sound = bench.violations.borrow().is_empty() && bench.results.borrow().errors() == 0;
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
