//! Where the programs of a Postgres server are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::ClusterError;

/// Oldest major version that the services are written for.
const OLDEST: u32 = 15;

/// The directory of `initdb` and `postgres`: `PG_BIN`, else the first on PATH, else the newest in Debian's place.
pub fn find() -> Result<PathBuf, ClusterError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "test binaries have no command line of their own"
    )]
    if let Ok(given) = env::var("PG_BIN") {
        let given = PathBuf::from(given);
        return match major(&given) {
            Some(OLDEST..) => Ok(given),
            _ => Err(ClusterError::WrongBinaries(given)),
        };
    }
    on_path()
        .into_iter()
        .chain(debian())
        .find(|directory| major(directory) >= Some(OLDEST))
        .ok_or(ClusterError::NoBinaries)
}

fn on_path() -> Vec<PathBuf> {
    env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
}

/// Debian keeps each major version in a directory of its own; newest first.
fn debian() -> Vec<PathBuf> {
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, directory)| directory).collect()
}

/// Major version of the server in `directory`; none where `initdb` or `postgres` is missing.
fn major(directory: &Path) -> Option<u32> {
    if !["initdb", "pg_ctl"]
        .iter()
        .all(|name| directory.join(name).exists())
    {
        return None;
    }
    let output = Command::new(directory.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
