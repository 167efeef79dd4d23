//! Why there is no Postgres.

use std::{io, path::PathBuf};

/// Why there is no Postgres.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No server of the right version on this machine.
    #[error("no Postgres server (15 or newer) on this machine; install one: apt-get install -y postgresql")]
    NoBinaries,
    /// `PG_BIN` leads nowhere.
    #[error("PG_BIN={0} has no initdb and postgres of version 15 or newer")]
    WrongBinaries(PathBuf),
    /// Another process uses the data directory.
    #[error("a Postgres runs in {0} already")]
    Running(PathBuf),
    /// A program of Postgres failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it said, or the end of its log.
        output: String,
    },
    /// The server does what it is told, but the database could not be made.
    #[error("cannot create the database: {0}")]
    Create(String),
    /// The file system refused.
    #[error("cannot prepare the cluster's directory: {0}")]
    Io(#[from] io::Error),
}
