//! A private Postgres: own data directory, unix socket only, gone with this process.

pub mod binaries;
mod error;
mod owner;

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection, PgConnection, RunQueryDsl, connection::SimpleConnection, sql_query};
use rustix::process::{Pid, Signal, kill_process};

pub use self::error::ClusterError;
use crate::guardian::Guardian;

/// Longest wait for the server to answer or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A unix socket's path has at most 107 octets, and Postgres adds `/.s.PGSQL.5432.lock` to the directory's.
const SOCKET_DIRECTORY_LIMIT: usize = 88;

/// A database of a test's own.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Connection string for libpq.
    pub url: String,
}

impl TestDatabase {
    /// A connection of the test's own, to look at what the service wrote or to break it.
    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url).expect("the test's Postgres runs")
    }

    /// Every row of every table as text: a line each, the table's name first.
    pub fn dump(&self) -> String {
        let mut connection = self.connect();
        let mut lines = |query: &str| -> Vec<Line> {
            sql_query(query)
                .load(&mut connection)
                .expect("the test's Postgres answers")
        };
        let tables = lines("SELECT relname::text AS line FROM pg_stat_user_tables ORDER BY 1");
        let rows = tables.iter().flat_map(|table| {
            let table = &table.line;
            lines(&format!(
                "SELECT '{table}' || E'\\t' || t::text AS line FROM \"{table}\" t"
            ))
        });
        rows.map(|row| row.line).collect::<Vec<String>>().join("\n")
    }
}

/// A line of text that a query makes.
#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// An empty database in the cluster that the tests of this process share. `hint` becomes part of its name.
pub fn database(hint: &str) -> TestDatabase {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let cluster = SHARED.get_or_init(|| Cluster::temporary().unwrap_or_else(|error| panic!("{error}")));
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    cluster
        .database(&format!("{hint}_{number}"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Whether a power cut may lose data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    Off,
    On,
}

/// How long the data lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    /// As long as this process.
    Process(Durability),
    /// Until somebody removes it.
    Beyond,
}

/// A Postgres server of our own.
pub struct Cluster {
    binaries: PathBuf,
    /// Holds `data/` and the log; belongs to the user that the server runs as.
    directory: PathBuf,
    sockets: PathBuf,
    /// Keeps a socket directory that is not `directory`.
    _short: Option<tempfile::TempDir>,
    owner: Option<(u32, u32)>,
    lifetime: Lifetime,
    /// More of the server's settings, name=value.
    settings: Vec<String>,
    server: Mutex<Option<Child>>,
    guardian: Option<Guardian>,
}

impl Cluster {
    /// Starts an empty cluster that ends, directory and all, when it is dropped or this process is gone.
    pub fn temporary() -> Result<Self, ClusterError> {
        Self::new(throw_away()?, Lifetime::Process(Durability::Off), &[])
    }

    /// As [`Cluster::temporary`], but each commit reaches the disk, and with these settings, name=value: for measurements.
    pub fn temporary_durable(settings: &[String]) -> Result<Self, ClusterError> {
        Self::new(throw_away()?, Lifetime::Process(Durability::On), settings)
    }

    /// Starts the cluster in `directory`, made on first use. Its data stays. When this process is root, others must be
    /// able to enter the directories above.
    pub fn persistent(directory: &Path) -> Result<Self, ClusterError> {
        fs::create_dir_all(directory)?;
        Self::new(directory.canonicalize()?, Lifetime::Beyond, &[])
    }

    fn new(directory: PathBuf, lifetime: Lifetime, settings: &[String]) -> Result<Self, ClusterError> {
        let owner = owner::unprivileged();
        let binaries = binaries::find()?;
        hand_over(&directory, owner)?;
        let short = (directory.as_os_str().len() > SOCKET_DIRECTORY_LIMIT)
            .then(|| tempfile::Builder::new().prefix("pg-").tempdir_in("/tmp"))
            .transpose()?;
        if let Some(short) = &short {
            hand_over(short.path(), owner)?;
        }
        let mut cluster = Self {
            sockets: short.as_ref().map_or(&*directory, |d| d.path()).to_owned(),
            _short: short,
            binaries,
            directory,
            owner,
            lifetime,
            settings: settings.to_vec(),
            server: Mutex::new(None),
            guardian: None,
        };
        if let Some(pid) = cluster.pid_on_file() {
            // The guardian of a killed process may be at work still.
            if !wait_until(Duration::from_secs(5), || !is_alive(pid)) {
                return Err(ClusterError::Running(cluster.directory.clone()));
            }
        }
        cluster.guardian = Some(cluster.post_guardian()?);
        if !cluster.data().join("PG_VERSION").exists() {
            cluster.create()?;
        }
        cluster.start()?;
        Ok(cluster)
    }

    fn post_guardian(&self) -> io::Result<Guardian> {
        let script = match self.lifetime {
            Lifetime::Process(_) => r#""$1" stop -m immediate -D "$2/data"; rm -rf "$2""#,
            Lifetime::Beyond => r#""$1" stop -m fast -D "$2/data""#,
        };
        let pg_ctl = self.binaries.join("pg_ctl");
        let arguments = [&*pg_ctl.to_string_lossy(), &*self.directory.to_string_lossy()];
        Guardian::post(script, &arguments, self.owner)
    }

    fn create(&self) -> Result<(), ClusterError> {
        let output = self
            .program("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions", "-D"])
            .arg(self.data())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(ClusterError::Failed {
            program: "initdb",
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts the server and waits until it answers. Does nothing when it runs.
    pub fn start(&self) -> Result<(), ClusterError> {
        let mut server = self.lock();
        if server.is_some() {
            return Ok(());
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let mut child = self.spawn()?;
            let answers = || PgConnection::establish(&self.url("postgres")).is_ok();
            while child.try_wait()?.is_none() && Instant::now() < end {
                if answers() {
                    *server = Some(child);
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(20));
            }
            // A killed postmaster's children hold its shared memory until they notice; so it may take a few tries.
            if Instant::now() > end || !self.log_tail().contains("is still in use") {
                let _ = child.kill();
                let _ = child.wait();
                return Err(ClusterError::Failed {
                    program: "postgres",
                    output: self.log_tail(),
                });
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut server = self.program("postgres");
        server
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.sockets)
            .args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"])
            .args(["-c", "max_connections=300", "-c", "lc_messages=C"])
            .args(["-c", "timezone=UTC", "-c", "log_timezone=UTC"])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if self.lifetime == Lifetime::Process(Durability::Off) {
            // synchronous_commit stays on: without it a killed server forgets what it has acknowledged.
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        for setting in &self.settings {
            server.args(["-c", setting]);
        }
        server.spawn()
    }

    /// Stops the server in good order, open connections or not. Does nothing when it does not run.
    pub fn stop(&self) {
        let Some(mut server) = self.lock().take() else {
            return;
        };
        let fast_shutdown = Signal::INT;
        let _ = kill_process(Pid::from_child(&server), fast_shutdown);
        let ended = wait_until(PATIENCE, || {
            server.try_wait().is_ok_and(|status| status.is_some())
        });
        assert!(
            ended,
            "Postgres did not stop; the end of its log: {}",
            self.log_tail()
        );
    }

    /// Kills the server (SIGKILL to the postmaster), as a crash would, and waits for its sessions, which go on for a
    /// moment until they notice. [`Cluster::start`] then recovers.
    pub fn kill(&self) {
        if let Some(mut server) = self.lock().take() {
            let sessions = children(server.id());
            server.kill().expect("a child can be killed");
            server.wait().expect("a child can be waited for");
            let is_left = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
            for _ in 0..1_000 {
                if !sessions.iter().any(is_left) {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
            panic!("sessions of a killed server go on");
        }
    }

    /// Stops and starts the server.
    pub fn restart(&self) -> Result<(), ClusterError> {
        self.stop();
        self.start()
    }

    /// The postmaster's process id; none while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Child::id)
    }

    /// Whether the server has ended by itself.
    pub fn has_crashed(&self) -> bool {
        let mut server = self.lock();
        let ended = |child: &mut Child| child.try_wait().is_ok_and(|status| status.is_some());
        server.as_mut().is_some_and(ended)
    }

    /// The database `name`, created where it is missing.
    pub fn database(&self, name: &str) -> Result<TestDatabase, ClusterError> {
        let name: String = name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let told = |error: &dyn std::fmt::Display| ClusterError::Create(error.to_string());
        let mut server = PgConnection::establish(&self.url("postgres")).map_err(|error| told(&error))?;
        match server.batch_execute(&format!("CREATE DATABASE \"{name}\" STRATEGY file_copy")) {
            Ok(()) => {}
            Err(error) if error.to_string().ends_with("already exists") => {}
            Err(error) => return Err(told(&error)),
        }
        let url = self.url(&name);
        Ok(TestDatabase { url })
    }

    /// Connection string of the database `name`.
    pub fn url(&self, name: &str) -> String {
        format!("postgres:///{name}?host={}&user=postgres", self.sockets.display())
    }

    /// Where the server writes its log.
    pub fn log_path(&self) -> PathBuf {
        self.directory.join("postgres.log")
    }

    /// The end of the server's log.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn pid_on_file(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.current_dir(&self.directory).env("LC_ALL", "C");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Beyond && !thread::panicking() {
            self.stop();
        }
        drop(self.guardian.take());
        if let Some(mut server) = self.lock().take() {
            // The guardian has ended it; this only collects the process.
            let _ = server.wait();
        }
    }
}

/// A directory with a path short enough for a socket, that nobody removes but the guardian.
fn throw_away() -> io::Result<PathBuf> {
    Ok(tempfile::Builder::new().prefix("pg-").tempdir_in("/tmp")?.keep())
}

/// Makes `directory` private to the user that the server runs as.
fn hand_over(directory: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if let Some((user, group)) = owner {
        chown(directory, Some(user), Some(group))?;
    }
    fs::set_permissions(directory, Permissions::from_mode(0o700))
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if done() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    done()
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name, in parentheses, may hold spaces; state and parent follow it.
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        parent == Some(&pid.to_string())
    };
    ids.filter(is_child).collect()
}
