//! Instead of a mail server: a folder of .eml files, for trying things out and for tests.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::fault;
use crate::domain::reply::{Ending, Step};

/// Files written at once.
pub(super) const AT_ONCE: usize = 16;

/// The folder.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A folder that exists and can be written to.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        if !fs::metadata(path)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(path.to_owned()))
    }

    /// Writes `<email id>.eml`. It appears whole or not at all, and a second time over the first.
    pub(super) fn write(&self, email_id: Uuid, bytes: &[u8]) -> Ending {
        let written = self.0.join(format!(".{}.tmp", email_id));
        let named = self.0.join(format!("{}.eml", email_id));
        match fs::write(&written, bytes).and_then(|()| fs::rename(&written, &named)) {
            Ok(()) => Ending {
                step: Step::Body,
                code: Some(250),
                enhanced: None,
                text: "written to the folder".to_owned(),
                relay: None,
            },
            // Nothing appeared under the name, so this is no doubt but a delay.
            Err(error) => fault(Step::Data, error.to_string()),
        }
    }
}
