//! The bytes of an email. The same email gives the same bytes at every attempt.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use lettre::{
    Address,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

use crate::{
    domain::{
        kind::Kind,
        reply::{Ending, Step},
    },
    links::{Link, Links},
    store::Claimed,
    templates,
};

/// What all emails of the service have in common.
#[derive(Clone)]
pub(crate) struct Letterhead {
    pub(crate) from: Mailbox,
    pub(crate) links: Links,
}

/// An email that is ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) email_id: Uuid,
    pub(crate) from: Address,
    pub(crate) to: Address,
    /// Headers and body; lines end in CRLF, the last one too.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the row holds no letter")]
    Letter,
    #[error("the address: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("the templates: {0}")]
    Template(#[from] minijinja::Error),
    #[error("the message: {0}")]
    Message(#[from] lettre::error::Error),
}

/// Puts a claimed email together. What fails is the row's fault and for good; it must not take the worker down, so
/// even a panic (lettre has one for names with line breaks) is only this email's end.
pub(crate) fn compose(claimed: &Claimed, head: &Letterhead) -> Result<Message, Ending> {
    let unfit = |text: String| Ending {
        step: Step::Compose,
        code: None,
        enhanced: None,
        text,
        relay: None,
    };
    match catch_unwind(AssertUnwindSafe(|| try_compose(claimed, head))) {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(error)) => Err(unfit(error.to_string())),
        Err(_panic) => Err(unfit("putting the email together panicked".to_owned())),
    }
}

fn try_compose(claimed: &Claimed, head: &Letterhead) -> Result<Message, Unfit> {
    let letter = claimed.letter.as_ref().ok_or(Unfit::Letter)?;
    let link = Link {
        member_id: claimed.member_id,
        kind: claimed.kind,
        issued: claimed.created_at,
        locale: letter.recipient.locale.clone(),
    };
    let to: Address = letter.recipient.address.parse()?;
    let texts = templates::render(&[letter], &head.links.settings(&link))?;
    let body = MultiPart::alternative()
        .boundary(format!("=_{}", claimed.email_id.simple()))
        .singlepart(SinglePart::plain(texts.text))
        .singlepart(SinglePart::html(texts.html));
    let message = lettre::Message::builder()
        .message_id(Some(claimed.message_id.clone()))
        .date(date(claimed.created_at))
        .from(head.from.clone())
        .to(Mailbox::new(Some(letter.recipient.name.clone()), to.clone()))
        .subject(texts.subject)
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("Content-Language", texts.language));
    let message = match claimed.kind {
        // RFC 8058. Answers to what the reader did themselves are no list's.
        Kind::Initial | Kind::Reminder => message
            .raw_header(header(
                "List-Unsubscribe",
                &format!("<{}>", head.links.unsubscribe(&link)),
            ))
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")),
        Kind::Acceptance | Kind::Reply => message,
    };
    let message = message.multipart(body)?;
    let mut bytes = message.formatted();
    if !bytes.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    Ok(Message {
        email_id: claimed.email_id,
        from: head.from.email.clone(),
        to,
        bytes,
    })
}

fn date(at: Timestamp) -> std::time::SystemTime {
    at.into()
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests;
