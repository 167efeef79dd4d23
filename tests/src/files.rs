//! Files of tests.

use std::{path::PathBuf, sync::OnceLock};

use tempfile::TempDir;

use crate::guardian::Guardian;

/// A new directory that is removed when this process is gone, and no sooner.
pub fn directory() -> PathBuf {
    static ALL: OnceLock<(PathBuf, Guardian)> = OnceLock::new();
    let (all, _) = ALL.get_or_init(|| {
        let all = tempfile::tempdir()
            .map(TempDir::keep)
            .expect("there is room for files");
        let guardian = Guardian::post("rm -rf \"$1\"", &[&all.to_string_lossy()], None);
        (all, guardian.expect("there is a shell"))
    });
    tempfile::tempdir_in(all)
        .map(TempDir::keep)
        .expect("there is room for files")
}
