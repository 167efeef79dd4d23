//! Where CPU goes: call stacks that Linux' perf samples, counted by place, and the time of Postgres by statement.

use std::{
    collections::HashMap,
    fmt,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, ensure};
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Double, Text},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    cluster::Cluster,
    watch::{self, Cpu},
};

/// What a cluster must be started with to tell of its statements.
pub const SETTING: &str = "shared_preload_libraries=pg_stat_statements";

/// Samples a second and processor.
const FREQUENCY: &str = "--freq=199";
/// Of each stack so much is kept, in octets; async Rust nests deep.
const STACK: &str = "--call-graph=dwarf,24576";
/// How often one looks which processes there are: a measurement starts and ends some.
const LOOK: Duration = Duration::from_millis(250);
/// Statements that are told.
const STATEMENTS: usize = 8;

/// A place, and what functions are called that belong to it.
type Place = (&'static str, &'static [&'static str]);

/// Of a service. A sample belongs to the innermost function that a place knows; so memory, locks and the kernel's work
/// belong to whoever asked for them.
const SERVICE: &[Place] = &[
    ("deciding", &["_svc::domain", "_svc::ledger"]),
    (
        "statements and their answers",
        &["_svc::store", "diesel", "r2d2", "PQ", "pq", "shell::postgres"],
    ),
    (
        "putting emails together",
        &[
            "_svc::smtp::message",
            "_svc::templates",
            "minijinja",
            "fluent",
            "textwrap",
            "lettre::message",
        ],
    ),
    ("SMTP", &["_svc::smtp"]),
    (
        "gRPC and HTTP/2",
        &[
            "_svc::grpc",
            "_svc::web",
            "proto::",
            "shell::",
            "tonic",
            "prost",
            "tower",
            "axum",
            "hyper",
            "h2::",
        ],
    ),
    ("workers", &["_svc::workers"]),
    ("log and metrics", &["tracing", "metrics"]),
    // Not its sockets, which belong to whoever speaks through them.
    (
        "runtime",
        &["tokio::runtime", "tokio::sync", "tokio::time", "mio"],
    ),
];

/// Of Postgres, whose functions have no modules. Debian's build names those that are not `static`.
const POSTGRES: &[Place] = &[
    (
        "checkpoints, vacuum",
        &[
            "CheckpointerMain",
            "BackgroundWriterMain",
            "AutoVac",
            "WalWriterMain",
        ],
    ),
    (
        "log",
        &["XLogInsert", "XLogFlush", "XLogWrite", "XLogBackgroundFlush"],
    ),
    (
        "index entries",
        &["btinsert", "ExecInsertIndexTuples", "_bt_doinsert"],
    ),
    (
        "index lookups",
        &["btgettuple", "btgetbitmap", "index_getnext", "index_fetch_heap"],
    ),
    (
        "rows",
        &["heap_", "heapam_", "RelationGetBufferForTuple", "ExecConstraints"],
    ),
    (
        "messages and waiting",
        &["secure_read", "secure_write", "pq_", "WaitEventSet", "WaitLatch"],
    ),
    (
        "values in and out",
        &[
            "ReceiveFunctionCall",
            "SendFunctionCall",
            "InputFunctionCall",
            "OutputFunctionCall",
        ],
    ),
    (
        "starting and ending statements",
        &["standard_ExecutorStart", "standard_ExecutorEnd"],
    ),
    ("executing", &["standard_ExecutorRun", "standard_ExecutorFinish"]),
];

const ELSEWHERE: &str = "elsewhere";

/// A profile that is being made.
pub struct Profile {
    perf: Child,
    directory: TempDir,
    postgres: PgConnection,
    /// Dropped, it ends the looking.
    looks: Sender<()>,
    processes: JoinHandle<HashMap<u32, Whose>>,
}

/// Whose CPU it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Service,
    Postgres,
}

#[derive(QueryableByName)]
struct Statement {
    #[diesel(sql_type = Text)]
    query: String,
    #[diesel(sql_type = BigInt)]
    calls: i64,
    #[diesel(sql_type = Double)]
    milliseconds: f64,
}

/// What was found.
pub struct Found {
    /// Samples of each place.
    places: HashMap<Whose, HashMap<&'static str, u64>>,
    statements: Vec<Statement>,
    /// Microseconds of CPU for each operation; none where operations were not counted.
    cpu: Option<Cpu>,
}

impl Profile {
    /// Samples all processors from now on; the cluster must have been started with [`SETTING`].
    pub fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut postgres = PgConnection::establish(&cluster.url("postgres"))?;
        postgres
            .batch_execute(
                "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()",
            )
            .context(
                "Postgres does not tell of its statements; Debian's postgresql has pg_stat_statements",
            )?;
        let directory = tempfile::tempdir()?;
        let perf = Command::new("perf")
            .args(["record", "--quiet", "--all-cpus", FREQUENCY, STACK, "--output"])
            .arg(directory.path().join("perf.data"))
            .stdin(Stdio::null())
            .spawn()
            .context("perf does not start: apt install linux-perf")?;
        let (looks, end) = mpsc::channel();
        Ok(Self {
            perf,
            directory,
            postgres,
            looks,
            processes: thread::spawn(move || processes(&end)),
        })
    }

    /// Ends the profile and counts what it found; `cpu` is what one operation cost meanwhile.
    pub fn stop(mut self, cpu: Option<Cpu>) -> anyhow::Result<Found> {
        let statements = sql_query(
            "SELECT query, calls, total_exec_time AS milliseconds FROM pg_stat_statements \
             WHERE query NOT LIKE '%pg_stat_statements%' ORDER BY total_exec_time DESC",
        );
        let statements = statements.load(&mut self.postgres)?;
        drop(self.looks);
        let processes = self.processes.join().expect("looking at processes does not fail");
        let ids: Vec<String> = processes.keys().map(u32::to_string).collect();
        kill_process(Pid::from_child(&self.perf), Signal::INT)?;
        self.perf.wait()?;
        let mut script = Command::new("perf")
            .args(["script", "--fields=comm,pid,ip,sym", "--input"])
            .arg(self.directory.path().join("perf.data"))
            // Finding the names of what others do meanwhile, a compiler for instance, takes minutes.
            .arg(format!("--pid={}", ids.join(",")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = script.stdout.take().context("it is piped")?;
        let places = count(BufReader::new(output), &processes)?;
        script.wait()?;
        ensure!(
            !places.is_empty(),
            "perf has sampled nothing of ours; it must be allowed to: sysctl kernel.perf_event_paranoid=-1"
        );
        Ok(Found {
            places,
            statements,
            cpu,
        })
    }
}

/// The processes that matter by their ids, all that there are until the end.
fn processes(end: &Receiver<()>) -> HashMap<u32, Whose> {
    let whose = |(id, name): (u32, String)| match &*name {
        "postgres" => Some((id, Whose::Postgres)),
        name if name.ends_with("-svc") => Some((id, Whose::Service)),
        _ => None,
    };
    let mut all = HashMap::new();
    loop {
        all.extend(watch::ours().into_iter().filter_map(whose));
        if end.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
            return all;
        }
    }
}

/// Reads stacks as `perf script` prints them: a line with name and process, a line for each function from the innermost
/// on, an empty line.
fn count(
    lines: impl BufRead,
    processes: &HashMap<u32, Whose>,
) -> anyhow::Result<HashMap<Whose, HashMap<&'static str, u64>>> {
    let mut counted: HashMap<Whose, HashMap<&'static str, u64>> = HashMap::new();
    let (mut whose, mut place) = (None, None);
    for line in lines.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            if let Some(whose) = whose.take() {
                *counted
                    .entry(whose)
                    .or_default()
                    .entry(place.take().unwrap_or(ELSEWHERE))
                    .or_default() += 1;
            }
        } else if line.starts_with([' ', '\t']) && whose.is_some() {
            let function = line.trim_start().split_once(' ').map_or("", |(_, name)| name);
            let places = match whose {
                Some(Whose::Service) => SERVICE,
                Some(Whose::Postgres) | None => POSTGRES,
            };
            place = place.or_else(|| place_of(function, places));
        } else {
            let process = line.split_whitespace().last().and_then(|id| id.parse().ok());
            whose = process.and_then(|id: u32| processes.get(&id).copied());
            place = None;
        }
    }
    Ok(counted)
}

fn place_of(function: &str, places: &[Place]) -> Option<&'static str> {
    let path = function.trim_start_matches(['<', '&']);
    let is_of = |name: &&str| path.starts_with(*name) || name.starts_with('_') && function.contains(*name);
    let place = places.iter().find(|(_, names)| names.iter().any(&is_of));
    place.map(|(name, _)| *name)
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cpu) = self.cpu {
            writeln!(f, "{:>8.1} µs  client", cpu.client)?;
        }
        let whose = [
            (Whose::Service, "service", self.cpu.map(|cpu| cpu.services)),
            (Whose::Postgres, "Postgres", self.cpu.map(|cpu| cpu.postgres)),
        ];
        for (whose, name, cpu) in whose {
            let Some(places) = self.places.get(&whose) else {
                continue;
            };
            let all = places.values().sum::<u64>() as f64;
            match cpu {
                Some(cpu) => writeln!(f, "{cpu:>8.1} µs  {name}")?,
                None => writeln!(f, "             {name}")?,
            }
            let mut places: Vec<(&str, u64)> = places.iter().map(|(name, count)| (*name, *count)).collect();
            places.sort_unstable_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
            for (place, count) in places {
                let share = count as f64 / all;
                match cpu {
                    Some(cpu) => writeln!(f, "{:>8.1} {:>5.1} %  {place}", cpu * share, share * 100.0)?,
                    None => writeln!(f, "{:>14.1} %  {place}", share * 100.0)?,
                }
            }
        }
        let all: f64 = self
            .statements
            .iter()
            .map(|statement| statement.milliseconds)
            .sum();
        writeln!(f, "         time of Postgres by statement")?;
        for statement in self.statements.iter().take(STATEMENTS) {
            let words: Vec<&str> = statement.query.split_whitespace().collect();
            let query: String = words.join(" ").chars().take(90).collect();
            writeln!(
                f,
                "{:>14.1} %  {} times: {query}",
                statement.milliseconds / all * 100.0,
                statement.calls
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_belongs_to_the_innermost_function_that_a_place_knows() {
        let stacks = "\
tokio-rt-worker    7
\tffff entry_SYSCALL_64_after_hwframe
\t7f12 __libc_send
\t55aa <h2::codec::framed_write::FramedWrite<T,B>>::flush
\t55ab tokio::runtime::task::core::Core<T,S>::poll

committer 0    7
\t55ac malloc
\t55ad <invitations_svc::domain::send::Judged as core::clone::Clone>::clone
\t55ae invitations_svc::ledger::book::Book::decide

postgres    9
\t55af _bt_compare
\t55b0 _bt_doinsert
\t55b1 btinsert
\t55b2 standard_ExecutorRun

other    1
\t55b3 h2::x

postgres    9
\t0 [unknown]

";
        let processes = HashMap::from([(7, Whose::Service), (9, Whose::Postgres)]);
        let counted = count(stacks.as_bytes(), &processes).expect("it can be read");
        let service = HashMap::from([("gRPC and HTTP/2", 1), ("deciding", 1)]);
        let postgres = HashMap::from([("index entries", 1), (ELSEWHERE, 1)]);
        let expected = HashMap::from([(Whose::Service, service), (Whose::Postgres, postgres)]);
        assert_eq!(counted, expected);
    }
}
