//! pgbench: what the same Postgres does without us.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};
use tests::{cluster::binaries, watch::Watch};

use crate::{
    numbers::Numbers,
    results::{Sample, Times},
};

/// How a script is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) script: &'a str,
    pub(crate) protocol: Protocol,
    pub(crate) connections: u64,
    pub(crate) end: End,
    /// The first number of the pairs that it uses; none takes fresh ones.
    pub(crate) base: Option<u64>,
    /// Numbers of each connection; none for as many as it can use, from an inviter that is far from those of the others.
    pub(crate) stride: Option<u64>,
    /// `SET`s of its connections, name=value separated by commas.
    pub(crate) session: &'a str,
}

impl<'a> Run<'a> {
    /// A script in pgbench's own protocol, on fresh pairs.
    pub(crate) fn new(script: &'a str, connections: u64, end: End) -> Self {
        Self {
            script,
            protocol: Protocol::Simple,
            connections,
            end,
            base: None,
            stride: None,
            session: "",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Simple,
    Prepared,
}

/// When it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Seconds(u64),
    /// Transactions of each connection.
    Transactions(u64),
}

/// Runs a script; answers transactions a second and how many there were.
pub(crate) fn run(url: &str, directory: &Path, numbers: &Numbers, run: Run) -> anyhow::Result<Sample> {
    let path = directory.join("script.sql");
    fs::write(&path, run.script)?;
    // Where `postgres` is a link on PATH, pgbench stands beside what it points to.
    let server = binaries::find()?.join("postgres").canonicalize()?;
    let pgbench = server.with_file_name("pgbench");
    let stride = run.stride.unwrap_or_else(|| numbers.stride());
    let base = run.base.unwrap_or_else(|| numbers.take(run.connections * stride));
    let protocol = match run.protocol {
        Protocol::Simple => "simple",
        Protocol::Prepared => "prepared",
    };
    let mut command = Command::new(&pgbench);
    command
        .args(["--no-vacuum", "--protocol", protocol, "--file"])
        .arg(&path)
        .arg(format!("--client={}", run.connections))
        .arg(format!("--jobs={}", run.connections.min(2)))
        .env("PGOPTIONS", options(run.session));
    match run.end {
        End::Seconds(seconds) => command.arg(format!("--time={seconds}")),
        End::Transactions(count) => command.arg(format!("--transactions={count}")),
    };
    for (name, value) in [
        ("n", 0),
        ("base", base),
        ("stride", stride),
        ("spread", numbers.spread),
        ("members", numbers.members),
    ] {
        command.arg(format!("--define={name}={value}"));
    }
    let watch = Watch::start();
    let output = command.arg(url).output().with_context(|| {
        let path = pgbench.display();
        format!("{path} does not start; it comes with Debian's postgresql package")
    })?;
    let cpu = watch.stop().cpu;
    let (told, complaints) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.success() && !complaints.contains("ERROR"),
        "pgbench: {complaints}"
    );
    let is_whole = told.contains("number of failed transactions: 0 ");
    ensure!(is_whole, "pgbench: some transactions failed: {told}");
    let field = |start: &str| -> anyhow::Result<f64> {
        let rest = told.lines().find_map(|line| line.strip_prefix(start));
        let number = rest.and_then(|rest| rest.split([' ', '/']).next()?.parse().ok());
        number.with_context(|| format!("pgbench does not say `{start}`: {told}{complaints}"))
    };
    let mean = field("latency average = ")?;
    let count = field("number of transactions actually processed: ")? as u64;
    Ok(Sample {
        value: field("tps = ")?,
        count,
        cpu: Some(cpu.per(count)),
        // It tells its mean only.
        times: Some(Times {
            p50_ms: mean,
            p99_ms: f64::NAN,
            p999_ms: f64::NAN,
        }),
        ..Sample::default()
    })
}

/// `SET`s as libpq takes them.
fn options(session: &str) -> String {
    let settings = session.split(',').filter(|setting| !setting.is_empty());
    settings
        .map(|setting| format!("-c {setting}"))
        .collect::<Vec<String>>()
        .join(" ")
}
