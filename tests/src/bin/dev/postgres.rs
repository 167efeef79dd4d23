//! The private Postgres of `make run`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::Context;
use tests::cluster::Cluster;

use crate::packages;

/// The cluster whose data is kept under `directory`.
pub(crate) fn start(directory: &Path) -> anyhow::Result<Cluster> {
    let home = home(directory)?;
    packages::for_run()?;
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
