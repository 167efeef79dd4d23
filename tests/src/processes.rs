//! The services as real processes: started with flags, killed, stopped, paused.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::{guardian::Guardian, http, ports};

/// Longest wait for a service to be ready or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which settings a service finds in its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// None: flags decide alone.
    Empty,
    /// Those of this process, so that whoever starts it can set what the flags leave open.
    Inherited,
}

/// How to start a service.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Name of the binary.
    pub binary: &'static str,
    /// Where it is to serve gRPC.
    pub grpc: SocketAddr,
    /// Where it is to serve pages, metrics and health.
    pub http: SocketAddr,
    /// The flags of `serve` but the two addresses.
    pub flags: Vec<OsString>,
    /// Variables for its environment: for what must not show in a list of processes.
    pub variables: Vec<(OsString, OsString)>,
    /// Where its log goes; appended to.
    pub log: PathBuf,
    /// Which settings it inherits.
    pub environment: Environment,
}

impl Launch {
    /// A launch of `binary` on free ports, its log beside other files of the test in `directory`.
    pub fn new(binary: &'static str, directory: &Path) -> Self {
        Self {
            binary,
            grpc: ports::free(),
            http: ports::free(),
            flags: Vec::new(),
            variables: Vec::new(),
            log: directory.join(format!("{binary}.log")),
            environment: Environment::Empty,
        }
    }

    /// Adds a flag with its value.
    pub fn flag(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.flags.extend([name.into(), value.into()]);
        self
    }

    /// Adds a variable to its environment.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts the process; it may not be ready yet.
    pub fn spawn(self) -> io::Result<Service> {
        let child = self.command()?.spawn()?;
        let guardian = Guardian::post("kill -KILL \"$1\"", &[&child.id().to_string()], None)?;
        Ok(Service {
            launch: self,
            running: Some(Running { child, guardian }),
        })
    }

    /// Starts the process and waits until it is ready. Panics with the end of its log when it is not in time.
    pub async fn start(self) -> Service {
        let mut service = self.spawn().unwrap_or_else(|error| panic!("{error}"));
        service.until_ready().await;
        service
    }

    fn command(&self) -> io::Result<Command> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(binary(self.binary)?);
        if self.environment == Environment::Empty {
            command.env_clear();
        }
        command
            .arg("serve")
            .args(["--grpc-addr", &self.grpc.to_string()])
            .args(["--http-addr", &self.http.to_string()])
            .args(&self.flags)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // Ctrl-C on a terminal is for whoever started us; it then stops the services in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command)
    }
}

/// Path of a service's binary: in the target directory that this program was built into.
pub fn binary(name: &str) -> io::Result<PathBuf> {
    let here = env::current_exe()?;
    let found = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let text = format!("{name} is not built yet: cargo build --workspace --bins");
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}

/// A service that did not become ready.
#[derive(Debug, thiserror::Error)]
#[error("{binary} did not become ready ({why}); the end of its log:\n{log}")]
pub struct NotReady {
    binary: &'static str,
    why: String,
    log: String,
}

/// A service, running or not. Dropped, it is killed.
pub struct Service {
    launch: Launch,
    running: Option<Running>,
}

struct Running {
    child: Child,
    guardian: Guardian,
}

impl Service {
    /// Where it serves gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.launch.grpc
    }

    /// URL of a path on its HTTP port.
    pub fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.launch.http)
    }

    /// Its name and where it logs to.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Its process id; none while it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// What it has logged, where that is a file: devices may have no end.
    pub fn log(&self) -> String {
        if !self.launch.log.is_file() {
            return String::new();
        }
        fs::read_to_string(&self.launch.log).unwrap_or_default()
    }

    /// The last `count` lines of its log.
    pub fn log_tail(&self, count: usize) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Waits until `/readyz` says so. Panics with the end of the log when it does not in time.
    pub async fn until_ready(&mut self) {
        if let Err(error) = self.ready().await {
            panic!("{error}");
        }
    }

    /// Waits until `/readyz` says so, as long as the process lives and half a minute has not passed.
    pub async fn ready(&mut self) -> Result<(), NotReady> {
        let end = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            let ended = self.ended();
            if ended.is_some() || Instant::now() > end {
                return Err(NotReady {
                    binary: self.launch.binary,
                    why: ended.map_or("it still runs".to_owned(), |status| status.to_string()),
                    log: self.log_tail(20),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Whether `/readyz` answers 200.
    pub async fn is_ready(&self) -> bool {
        matches!(http::get(&self.page("/readyz")).await, Ok(page) if page.status == 200)
    }

    /// How it ended by itself; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self
            .running
            .as_mut()?
            .child
            .try_wait()
            .expect("a child can be asked")?;
        if let Some(running) = self.running.take() {
            running.guardian.dismiss();
        }
        Some(status)
    }

    /// Kills it (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // In this order the process id is still ours when the guardian uses it.
            drop(running.guardian);
            running.child.wait().expect("a child can be waited for");
        }
    }

    /// Asks it to shut down (SIGTERM) and waits for its end. Killed when it does not within half a minute.
    pub async fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && self.running.is_some() {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.kill();
        None
    }

    /// Stops its time (SIGSTOP): it keeps its connections and says nothing. Returns when all of its threads have stopped;
    /// on a busy machine some go on for a while after the signal.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        if let Some(running) = &self.running {
            let stopped_or_ended = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(Pid::from_child(&running.child)), stopped_or_ended).expect("it is our child");
        }
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again on the same ports, and waits until it is ready.
    pub async fn restart(&mut self) {
        self.kill();
        *self = self.launch.clone().start().await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            // It may have ended by itself meanwhile; as our child it keeps its process id until we ask.
            let _ = kill_process(Pid::from_child(&running.child), signal);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the end of {}'s log:\n{}", self.launch.binary, self.log_tail(20));
        }
        self.kill();
    }
}
