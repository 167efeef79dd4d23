//! The private Postgres of `make run`, installed where that is possible.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use tests::cluster::{Cluster, ClusterError, binaries};

/// The cluster whose data is kept under `directory`.
pub(crate) fn start(directory: &Path) -> anyhow::Result<Cluster> {
    let home = home(directory)?;
    install_where_missing()?;
    Cluster::persistent(&home).context("cannot start a private Postgres")
}

/// Where the data goes: under `directory`, unless the user that Postgres runs as for root cannot get there.
fn home(directory: &Path) -> anyhow::Result<PathBuf> {
    let link = directory.join("postgres");
    let open_to_all = |path: &Path| fs::metadata(path).is_ok_and(|found| found.mode() & 0o001 != 0);
    if !rustix::process::geteuid().is_root() || directory.ancestors().all(open_to_all) {
        return Ok(link);
    }
    if let Ok(home) = fs::read_link(&link) {
        return Ok(home);
    }
    let home = tempfile::Builder::new()
        .prefix("invitations-run-")
        .tempdir_in("/var/tmp")?
        .keep();
    symlink(&home, &link).with_context(|| format!("cannot link {} to {}", link.display(), home.display()))?;
    println!(
        "Postgres cannot run as root, and no other user can enter this directory: its data is in {}",
        home.display()
    );
    Ok(home)
}

/// Installs the server with Debian's package manager, where there is none and we may.
pub(crate) fn install_where_missing() -> anyhow::Result<()> {
    if !matches!(binaries::find(), Err(ClusterError::NoBinaries)) {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || Command::new("apt-get").arg("--version").output().is_err() {
        return Err(ClusterError::NoBinaries.into());
    }
    println!(
        "No Postgres server (15 or newer) on this machine; installing it: apt-get install -y postgresql"
    );
    // A fresh container has no package lists.
    if !apt(&["install", "-y", "postgresql"]) {
        apt(&["update"]);
        anyhow::ensure!(
            apt(&["install", "-y", "postgresql"]),
            "apt-get could not install postgresql"
        );
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command
        .args(["-qq"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command.status().is_ok_and(|status| status.success())
}
