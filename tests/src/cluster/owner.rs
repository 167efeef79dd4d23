//! As whom Postgres runs: it refuses root.

use std::fs;

/// User and group ids of the unprivileged user to run as; none when this process is not root.
pub(super) fn unprivileged() -> Option<(u32, u32)> {
    let nobody = (65_534, 65_534);
    rustix::process::geteuid()
        .is_root()
        .then(|| postgres().unwrap_or(nobody))
}

/// The user that Debian's packages create.
fn postgres() -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
