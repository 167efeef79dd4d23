//! The table, `target/bench.json`, and a line for each goal.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::Context;
use serde::Serialize;
use tests::{cluster::binaries, watch};

use crate::{
    Bench,
    goals::{self, Outcome},
    results::{Measurement, Results, Sample},
};

/// Where it was measured.
#[derive(Serialize)]
struct Machine {
    cores: usize,
    kernel: String,
    postgres: String,
    commit: String,
}

#[derive(Serialize)]
struct Report<'a> {
    machine: Machine,
    members: u64,
    rounds: usize,
    seconds: u64,
    left_out: &'a [&'a str],
    measurements: &'a Results,
    violations: &'a [String],
    goals: Vec<Outcome>,
}

/// Prints what was measured and writes it down.
pub(crate) fn tell(bench: &Bench, left_out: &[&str]) -> anyhow::Result<()> {
    let (results, violations) = (bench.results.borrow(), bench.violations.borrow());
    let report = Report {
        machine: machine()?,
        members: bench.args.members,
        rounds: bench.args.rounds,
        seconds: bench.args.seconds(),
        left_out,
        measurements: &results,
        violations: &violations,
        goals: goals::outcomes(&results),
    };
    let path = target()?.join("bench.json");
    fs::write(&path, serde_json::to_vec_pretty(&report)?)?;
    print_table(&report);
    if !left_out.is_empty() {
        println!("left out: {}", left_out.join(", "));
    }
    if results.errors() > 0 {
        println!("{} error answers", results.errors());
    }
    for violation in report.violations {
        println!("violation: {violation}");
    }
    println!("all samples: {}", path.display());
    for goal in &report.goals {
        println!("{goal}");
    }
    Ok(())
}

fn print_table(report: &Report) {
    let Machine {
        cores,
        kernel,
        postgres,
        commit,
    } = &report.machine;
    println!("{cores} cores, {kernel}, {postgres}, commit {commit}");
    println!(
        "{:<32} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}  samples",
        "", "a second", "p50 ms", "p99 ms", "p99.9 ms", "client", "service", "postgres", "foreign"
    );
    for measurement in &report.measurements.0 {
        if let Some(median) = measurement.median() {
            println!("{}", row(measurement, median));
        }
    }
}

/// CPU is in microseconds for each operation.
fn row(measurement: &Measurement, median: &Sample) -> String {
    let shown = |value: Option<f64>| {
        let value = value.filter(|value| value.is_finite());
        value.map_or("-".to_owned(), |value| format!("{value:.2}"))
    };
    let (times, cpu) = (median.times, median.cpu);
    let all: Vec<String> = measurement
        .samples
        .iter()
        .map(|sample| number(sample.value))
        .collect();
    format!(
        "{:<32} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7.0}%  {}",
        measurement.name,
        number(median.value),
        shown(times.map(|times| times.p50_ms)),
        shown(times.map(|times| times.p99_ms)),
        shown(times.map(|times| times.p999_ms)),
        shown(cpu.map(|cpu| cpu.client + cpu.tools)),
        shown(cpu.map(|cpu| cpu.services)),
        shown(cpu.map(|cpu| cpu.postgres)),
        median.foreign * 100.0,
        all.join(" ")
    )
}

fn number(value: f64) -> String {
    let digits = if value < 100.0 { 2 } else { 0 };
    format!("{value:.digits$}")
}

fn machine() -> anyhow::Result<Machine> {
    let said = |command: &mut Command| -> anyhow::Result<String> {
        let output = command.output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Ok(Machine {
        cores: watch::cores(),
        kernel: said(Command::new("uname").arg("-sr"))?,
        postgres: said(Command::new(binaries::find()?.join("postgres")).arg("--version"))?,
        commit: said(Command::new("git").args(["describe", "--always", "--dirty"])).unwrap_or_default(),
    })
}

/// The target directory that this program was built into.
fn target() -> anyhow::Result<PathBuf> {
    let here = env::current_exe()?;
    let target = here.ancestors().nth(2).context("the program is nowhere")?;
    Ok(target.to_owned())
}
