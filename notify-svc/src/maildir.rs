//! A Maildir that somebody else delivers into: a message appears in `new` when it is complete, and whoever has read it
//! moves it to `cur`.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Messages that one look answers; the others wait for the next.
const LOOK: usize = 500;

/// The folder.
#[derive(Debug)]
pub(crate) struct Maildir(PathBuf);

/// A message that waits to be read.
#[derive(Debug)]
pub(crate) struct Waiting {
    path: PathBuf,
}

impl Maildir {
    /// A folder that has what a Maildir has. The error names what is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        for part in ["new", "cur"] {
            let part = path.join(part);
            let is_there = fs::metadata(&part).is_ok_and(|found| found.is_dir());
            if !is_there {
                return Err(format!(
                    "{} must be a folder, as in every Maildir",
                    part.display()
                ));
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// What waits now.
    pub(crate) fn waiting(&self) -> io::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for entry in fs::read_dir(self.0.join("new"))?.take(LOOK) {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                waiting.push(Waiting { path: entry.path() });
            }
        }
        Ok(waiting)
    }

    /// Moves a message out of the way. Another process may have done it already.
    pub(crate) fn seen(&self, waiting: &Waiting) -> io::Result<()> {
        let name = waiting.path.file_name().unwrap_or_default();
        let mut seen = self.0.join("cur").join(name).into_os_string();
        seen.push(":2,S");
        match fs::rename(&waiting.path, seen) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            moved => moved,
        }
    }
}

impl Waiting {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes, no more than `most` of them. None when another process has moved it already.
    pub(crate) fn read(&self, most: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(most).read_to_end(&mut bytes).map(|_| Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
