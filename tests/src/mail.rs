//! Emails that notify-svc wrote into a directory (`--mail-dir`).

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use mail_parser::{Message, MessageParser};

/// What a reader gets to see of an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Address that it goes to.
    pub to: String,
    /// Subject line, decoded.
    pub subject: String,
    /// The plain-text part, decoded.
    pub text: String,
    /// The HTML part, decoded.
    pub html: String,
    /// Message-ID without its brackets.
    pub message_id: String,
    /// The whole file.
    pub raw: String,
}

impl Email {
    /// Reads an email as it goes over the wire.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let message = MessageParser::default().parse(raw)?;
        Some(Self {
            to: address(&message)?,
            subject: message.subject().unwrap_or_default().to_owned(),
            text: message.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            message_id: message.message_id().unwrap_or_default().to_owned(),
            raw: String::from_utf8_lossy(raw).into_owned(),
        })
    }

    /// The first link in the text part whose URL begins with `start`.
    pub fn link(&self, start: &str) -> Option<&str> {
        let mut words = self
            .text
            .split(|c: char| c.is_whitespace() || c == '<' || c == '>');
        words.find(|word| word.starts_with(start))
    }
}

fn address(message: &Message<'_>) -> Option<String> {
    Some(message.to()?.first()?.address()?.to_owned())
}

/// All emails in `directory`, in the order of their file names.
pub fn all(directory: &Path) -> Vec<Email> {
    let mut paths: Vec<_> = directory
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .filter_map(|path| Email::parse(&fs::read(path).ok()?))
        .collect()
}

/// Waits for an email to `address` in `directory`. None when it is not in time.
pub async fn wait_for(directory: &Path, address: &str, patience: Duration) -> Option<Email> {
    wait_for_one(directory, |email| email.to == address, patience).await
}

/// As [`wait_for`], for an email that is as `wanted`.
pub async fn wait_for_one(
    directory: &Path,
    wanted: impl Fn(&Email) -> bool,
    patience: Duration,
) -> Option<Email> {
    let end = Instant::now() + patience;
    loop {
        if let Some(email) = all(directory).into_iter().find(&wanted) {
            return Some(email);
        }
        if Instant::now() > end {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
