//! What is not on this machine: installed with Debian's package manager where we may, else named with the command that does.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use tests::{
    browser,
    cluster::{ClusterError, binaries},
    mta,
};

const POSTGRES: &str = "postgresql";

/// Postfix starts with the configuration of a test only, so Debian is to make none.
const SELECTIONS: &str = "postfix postfix/main_mailer_type select No configuration\n";

/// Sees to it that there is a Postgres server.
pub(crate) fn for_run() -> anyhow::Result<()> {
    if has_postgres() {
        return Ok(());
    }
    if !may_install() {
        return Err(ClusterError::NoBinaries.into());
    }
    install(&[POSTGRES])
}

/// Sees to it that there is all that the tests start.
pub(crate) fn for_tests() -> anyhow::Result<()> {
    let needs: [(&[&str], bool); 3] = [
        (&[POSTGRES], has_postgres()),
        (&browser::PACKAGES, browser::is_installed()),
        (&mta::PACKAGES, mta::is_installed()),
    ];
    let missing = needs.into_iter().filter(|(_, is_there)| !is_there);
    let missing: Vec<&str> = missing.flat_map(|(packages, _)| packages).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install() {
        bail!(
            "the tests need more of this machine: as root, apt-get install -y {}; \
             without it, `cargo test --workspace --no-fail-fast` runs them all, and those that need it fail",
            missing.join(" ")
        );
    }
    install(&missing)
}

fn has_postgres() -> bool {
    !matches!(binaries::find(), Err(ClusterError::NoBinaries))
}

fn may_install() -> bool {
    rustix::process::geteuid().is_root() && Command::new("apt-get").arg("--version").output().is_ok()
}

/// Installs them, unless another package would have to go.
fn install(packages: &[&str]) -> anyhow::Result<()> {
    let asks = packages.contains(&"postfix");
    let packages = packages.join(" ");
    println!("Not on this machine; installing it: apt-get install -y --no-remove {packages}");
    if asks {
        select(SELECTIONS)?;
    }
    let install = || apt(&format!("install -y --no-remove {packages}"));
    // A fresh container has no package lists.
    if !install() {
        apt("update");
        ensure!(install(), "apt-get could not install {packages}");
    }
    Ok(())
}

/// Answers what packages would ask.
fn select(selections: &str) -> anyhow::Result<()> {
    let mut asked = Command::new("debconf-set-selections")
        .stdin(Stdio::piped())
        .spawn()
        .context("debconf-set-selections does not start")?;
    if let Some(mut input) = asked.stdin.take() {
        input.write_all(selections.as_bytes())?;
    }
    ensure!(asked.wait()?.success(), "debconf-set-selections failed");
    Ok(())
}

fn apt(arguments: &str) -> bool {
    let mut command = Command::new("apt-get");
    command
        .arg("-qq")
        .args(arguments.split(' '))
        .env("DEBIAN_FRONTEND", "noninteractive");
    command.status().is_ok_and(|status| status.success())
}
