//! What the machine did meanwhile: whose CPU, how much memory.

use std::{collections::HashMap, fs, ops::Sub, process, time::Instant};

use serde::Serialize;

/// The process that all threads of the kernel descend from. What they do, they mostly do for our files.
const KERNEL: u32 = 2;

/// The kernel counts CPU time in hundredths of a second, whatever its clock is.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds by whom.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cpu {
    pub client: f64,
    pub services: f64,
    pub postgres: f64,
    /// pgbench and other programs that this one ran.
    pub tools: f64,
}

impl Cpu {
    fn total(self) -> f64 {
        self.client + self.services + self.postgres + self.tools
    }

    /// For each of `count` operations, in microseconds.
    pub fn per(self, count: u64) -> Self {
        self.times(1e6 / count.max(1) as f64)
    }

    pub fn times(self, factor: f64) -> Self {
        Self {
            client: self.client * factor,
            services: self.services * factor,
            postgres: self.postgres * factor,
            tools: self.tools * factor,
        }
    }
}

/// A moment to count from.
pub struct Watch {
    at: Instant,
    busy: f64,
    processes: HashMap<u32, Process>,
}

/// What the machine did since a watch was started.
pub struct Spent {
    /// By us.
    pub cpu: Cpu,
    /// The share of the machine that others had.
    pub foreign: f64,
    /// Which of them had most.
    pub most: String,
}

impl Watch {
    pub fn start() -> Self {
        Self {
            at: Instant::now(),
            busy: busy(),
            processes: processes(),
        }
    }

    pub fn stop(&self) -> Spent {
        let now = processes();
        let cpu = own(&now) - own(&self.processes);
        let whole = self.at.elapsed().as_secs_f64() * cores() as f64;
        let kernel = kernel(&now) - kernel(&self.processes);
        let foreign = (busy() - self.busy - kernel - cpu.total()) / whole;
        let others = now
            .iter()
            .filter(|(id, process)| !is_ours(**id, &now) && process.parent != KERNEL);
        let since = |(id, process): (&u32, &Process)| {
            let before = self.processes.get(id).map_or(0.0, Process::total);
            (process.total() - before, process.name.clone())
        };
        let most = others.map(since).max_by(|one, other| one.0.total_cmp(&other.0));
        Spent {
            cpu,
            foreign: foreign.max(0.0),
            most: most.map(|(_, name)| name).unwrap_or_default(),
        }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            client: self.client - before.client,
            services: self.services - before.services,
            postgres: self.postgres - before.postgres,
            tools: self.tools - before.tools,
        }
    }
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Resident memory of a process in MiB.
pub fn resident_mib(pid: Option<u32>) -> f64 {
    let status = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let kib = status.and_then(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    kib.unwrap_or_default() / 1_024.0
}

/// Seconds that the machine worked for processes, and that the host took away. What interrupts cost is nobody's.
fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|t| t.parse().ok())
        .collect();
    // user, nice, system, steal
    let counted = [0, 1, 2, 7].into_iter().filter_map(|at| ticks.get(at));
    counted.sum::<f64>() / TICKS_PER_SECOND
}

struct Process {
    name: String,
    parent: u32,
    own: f64,
    /// Of children that are gone.
    gone: f64,
}

impl Process {
    fn total(&self) -> f64 {
        self.own + self.gone
    }
}

/// CPU seconds of this process and of all that it started, the gone ones included.
fn own(all: &HashMap<u32, Process>) -> Cpu {
    let mut cpu = Cpu::default();
    for (id, process) in all.iter().filter(|(id, _)| is_ours(**id, all)) {
        match &*process.name {
            _ if *id == process::id() => {
                cpu.client += process.own;
                cpu.tools += process.gone;
            }
            "postgres" => cpu.postgres += process.total(),
            name if name.ends_with("-svc") => cpu.services += process.total(),
            _ => cpu.tools += process.total(),
        }
    }
    cpu
}

/// CPU seconds of the kernel's threads.
fn kernel(all: &HashMap<u32, Process>) -> f64 {
    let threads = all.values().filter(|process| process.parent == KERNEL);
    threads.map(Process::total).sum()
}

/// The names of the processes that this one started, or those did, by their ids.
pub fn ours() -> HashMap<u32, String> {
    let all = processes();
    let ours = all.iter().filter(|(id, _)| is_ours(**id, &all));
    ours.map(|(id, process)| (*id, process.name.clone())).collect()
}

/// Whether it is this process or one that it, or another one of ours, started.
fn is_ours(mut id: u32, all: &HashMap<u32, Process>) -> bool {
    while id != process::id() {
        match all.get(&id) {
            Some(process) => id = process.parent,
            None => return false,
        }
    }
    true
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| Some((id, process(id)?))).collect()
}

fn process(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold spaces; what follows it is counted from the state.
    let (head, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let seconds = |at: usize| -> Option<f64> {
        let ticks: f64 = fields.get(at)?.parse().ok()?;
        Some(ticks / TICKS_PER_SECOND)
    };
    Some(Process {
        name: head.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        own: seconds(11)? + seconds(12)?,
        gone: seconds(13)? + seconds(14)?,
    })
}
