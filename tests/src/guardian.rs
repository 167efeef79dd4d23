//! Work that is done when this process ends, however it ends.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// Waits for a line, which dismisses it, or for the end of its standard input: then it runs the script of its first
/// argument with the rest as `$1`, `$2`…
const WAIT: &str = r#"trap '' INT TERM HUP; read -r _ && exit; script=$1; shift; eval "$script""#;

/// A shell that runs a script as soon as the guardian is dropped or this process is gone.
///
/// The shell waits on a pipe that only this process holds, so it also notices SIGKILL. (PDEATHSIG would need
/// `unsafe`, follows the spawning thread and cannot remove a directory.)
pub struct Guardian(Child);

impl Guardian {
    /// Posts a guardian that will run `script` with `arguments` as `$1`, `$2`…, as the user and group `owner`.
    pub fn post(script: &str, arguments: &[&str], owner: Option<(u32, u32)>) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command
            .args(["-c", WAIT, "guardian", script])
            .args(arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((user, group)) = owner {
            command.uid(user).gid(group);
        }
        command.spawn().map(Self)
    }

    /// Lets the guardian go without its script.
    pub fn dismiss(mut self) {
        if let Some(line) = &mut self.0.stdin {
            // An error means that it is gone already.
            let _ = line.write_all(b"\n");
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // An error means that it is gone already.
        let _ = self.0.wait();
    }
}
