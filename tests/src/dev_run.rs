//! `dev run` as a process of its own, on free ports: what `make run` starts.

use std::{
    fs::{self, File, Permissions},
    io,
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::ports;

const PATIENCE: Duration = Duration::from_secs(60);

/// How the last line begins that `dev run` prints once all is up.
const UP: &str = "Ctrl-C stops all of it";

/// Where the services of a `dev run` listen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// gRPC of invitations-svc.
    pub invitations_grpc: SocketAddr,
    /// Pages of invitations-svc.
    pub invitations_http: SocketAddr,
    /// gRPC of notify-svc.
    pub notify_grpc: SocketAddr,
    /// Pages of notify-svc.
    pub notify_http: SocketAddr,
}

impl Addresses {
    /// Free ones.
    pub fn free() -> Self {
        Self {
            invitations_grpc: ports::free(),
            invitations_http: ports::free(),
            notify_grpc: ports::free(),
            notify_http: ports::free(),
        }
    }
}

/// A temporary directory that other users can enter, as Postgres must when this process is root.
pub fn home() -> TempDir {
    let open_to_all = Permissions::from_mode(0o755);
    let made = tempfile::Builder::new().permissions(open_to_all).tempdir();
    made.expect("there is room for files")
}

/// A `dev run`. Dropped, it is killed; its children end with it.
pub struct DevRun {
    child: Child,
    output: PathBuf,
}

impl DevRun {
    /// Starts the program `dev` with data in `directory`, in a process group of its own as a terminal would.
    pub fn spawn(dev: &Path, directory: &Path, addresses: Addresses) -> io::Result<Self> {
        let output = directory.with_extension(format!("{}.out", ports::free().port()));
        let file = File::create(&output)?;
        let child = Command::new(dev)
            .args(["run", "--directory"])
            .arg(directory)
            .env("INVITATIONS_GRPC_ADDR", addresses.invitations_grpc.to_string())
            .env("INVITATIONS_HTTP_ADDR", addresses.invitations_http.to_string())
            .env("NOTIFY_GRPC_ADDR", addresses.notify_grpc.to_string())
            .env("NOTIFY_HTTP_ADDR", addresses.notify_http.to_string())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Self { child, output })
    }

    /// Waits until all is up. The error is what it printed, when it ended instead or is not in time.
    pub fn until_up(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while !self.output().contains(UP) {
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > end {
                return Err(self.output());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C: SIGINT to its whole process group. Waits for its end.
    pub fn interrupt(&mut self) -> Option<ExitStatus> {
        // An error means that it is gone already.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::INT);
        self.until_end()
    }

    /// SIGTERM to it alone. Waits for its end.
    pub fn terminate(&mut self) -> Option<ExitStatus> {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.until_end()
    }

    /// SIGKILL to it alone: it cannot stop its children itself.
    pub fn kill(&mut self) {
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end; none when it is not in time.
    pub fn until_end(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for DevRun {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes that live in `/proc` with `part` in their command line.
pub fn processes_with(part: &str) -> Vec<u32> {
    let entries = Path::new("/proc").read_dir().into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_part = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(part))
    };
    pids.filter(has_part).collect()
}
