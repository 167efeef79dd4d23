//! A real mail server: Debian's Postfix as an instance of the test's own on loopback, with its own configuration, queue and
//! Maildirs. No service of the machine is touched. And an independent reader of what it delivered.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::getuid;
use serde::Deserialize;
use tempfile::TempDir;

use crate::{guardian::Guardian, ports};

const MASTER: &str = "/usr/lib/postfix/sbin/master";
/// Debian's own, which sees Debian's packages.
const PYTHON: &str = "/usr/bin/python3";
const READER: &str = include_str!("mta/read.py");
const MISSING: &str = "something is missing that `make test` as root installs";
/// Debian's packages that bring these.
pub const PACKAGES: [&str; 4] = ["openssl", "postfix", "python3-dkim", "python3-nacl"];
const PATIENCE: Duration = Duration::from_secs(60);

/// Whoever is not told otherwise by the mailboxes is unknown only once the email was taken, so that a notification goes
/// out.
const MAIN: &str = "\
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
queue_directory = {dir}/queue
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.reader.example
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
virtual_mailbox_domains = reader.example, returns.example
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = regexp:{dir}/etc/mailboxes
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = error:nothing leaves this machine
";
const MAILBOXES: &str = "\
/^bounces\\+[0-9a-f]{32}@returns\\.example$/ bounces/
/^(reader[0-9]+|jürgen)@reader\\.example$/ readers/
";
const SERVICES: &str = "\
{addr} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";

/// Whether what a test of a real mail server needs is on this machine.
pub fn is_installed() -> bool {
    let succeeds = |program, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    Path::new(MASTER).exists()
        && succeeds("openssl", &["version"])
        && succeeds(PYTHON, &["-c", "import dkim, nacl"])
}

/// The server. It ends when it is dropped.
pub struct Postfix {
    addr: SocketAddr,
    master: Child,
    guardian: Option<Guardian>,
    directory: TempDir,
}

impl Postfix {
    /// Serves on a free port of loopback. Panics where Debian's packages are missing, or where this is not root: Postfix
    /// gives each of its processes a user of its own.
    pub fn start() -> Self {
        assert!(getuid().is_root(), "Postfix can only be started by root");
        for needed in [MASTER, PYTHON] {
            assert!(Path::new(needed).exists(), "no {needed}: {MISSING}");
        }
        let directory = tempfile::tempdir().expect("there is room for files");
        let addr = ports::free();
        lay_out(directory.path(), addr);
        let log = fs::File::create(directory.path().join("out")).expect("there is room for files");
        let master = Command::new(MASTER)
            .arg("-c")
            .arg(directory.path().join("etc"))
            .arg("-d")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("it can be started");
        let script = "kill -TERM \"$1\"; sleep 0.5; rm -rf \"$2\"";
        let guardian = Guardian::post(
            script,
            &[&master.id().to_string(), &directory.path().to_string_lossy()],
            None,
        );
        let postfix = Self {
            addr,
            master,
            guardian: Some(guardian.expect("a shell can be started")),
            directory,
        };
        postfix.until_it_answers();
        postfix
    }

    /// For `--smtp-url`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// Waits until `count` emails are in the Maildir `name` (`readers` for readerN@ and jürgen@reader.example, `bounces` for
    /// bounces+ID@returns.example) and answers their files. Panics with the server's log when they are not in a minute.
    pub async fn delivered(&self, name: &str, count: usize) -> Vec<PathBuf> {
        let maildir = self.directory.path().join("mail").join(name).join("new");
        let end = Instant::now() + PATIENCE;
        loop {
            let found = maildir.read_dir().into_iter().flatten().flatten();
            let files: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
            if files.len() >= count {
                return files;
            }
            let found = files.len();
            assert!(
                Instant::now() < end,
                "{found} of {count} emails in {name}:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn until_it_answers(&self) {
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(self.addr).is_err() {
            assert!(Instant::now() < end, "Postfix does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        ["out", "log"]
            .map(|name| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default())
            .concat()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        drop(self.guardian.take());
        self.master.wait().expect("a child can be waited for");
    }
}

fn lay_out(directory: &Path, addr: SocketAddr) {
    let path = |name: &str| directory.join(name);
    let make = |name: &str, owner: &str, mode: u32| {
        fs::create_dir_all(path(name)).expect("there is room for files");
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("it is ours");
        let owned = Command::new("chown").arg(owner).arg(path(name)).status();
        assert!(
            owned.is_ok_and(|status| status.success()),
            "no user {owner}: {MISSING}"
        );
    };
    make("", "root", 0o755);
    make("etc", "root", 0o755);
    make("data", "postfix", 0o700);
    make("mail", "nobody", 0o755);
    make("queue", "root", 0o755);
    for name in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace",
    ] {
        make(&format!("queue/{name}"), "postfix", 0o700);
    }
    make("queue/pid", "root", 0o755);
    make("queue/maildrop", "postfix:postdrop", 0o730);
    make("queue/public", "postfix:postdrop", 0o710);
    for (name, text) in [
        ("main.cf", MAIN),
        ("master.cf", SERVICES),
        ("mailboxes", MAILBOXES),
    ] {
        let text = text
            .replace("{dir}", &directory.to_string_lossy())
            .replace("{addr}", &addr.to_string());
        fs::write(path("etc").join(name), text).expect("there is room for files");
    }
}

/// An email as Python's `email` and `dkim` read it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reading {
    /// Display name of the only reader.
    pub to_name: String,
    /// Address of the only reader.
    pub to: String,
    /// Subject, decoded.
    pub subject: String,
    /// Message-ID without its brackets.
    pub message_id: String,
    /// The plain-text part, decoded, its lines ending in `\n`.
    pub text: String,
    /// The HTML part, decoded, its lines ending in `\n`.
    pub html: String,
    /// What is wrong with its form.
    pub defects: Vec<String>,
    /// Whether a signature holds.
    pub signed: bool,
    /// Whether it still held with another subject, with another text.
    pub held_when_altered: Vec<bool>,
}

/// Reads emails. `record` is a line of a zone file, the only one that the DNS has.
pub fn read(files: &[PathBuf], record: &str) -> Vec<Reading> {
    let output = Command::new(PYTHON)
        .args(["-c", READER, record])
        .args(files)
        .output()
        .expect("it can be started");
    assert!(
        output.status.success(),
        "{MISSING}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("the reader writes JSON")
}
