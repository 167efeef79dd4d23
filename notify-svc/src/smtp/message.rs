//! The bytes of an email. The same email gives the same bytes at every attempt.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use lettre::{
    Address,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

use crate::{
    domain::reply::{Ending, Step},
    links::{Link, Links},
    store::Claimed,
    templates::{self, Footer},
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
    Template(#[from] templates::Unrendered),
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
    let footer = Footer {
        settings_url: &head.links.settings(&link),
        unsubscribe_url: &head.links.unsubscribe(&link),
    };
    let texts = templates::render(&[letter], footer)?;
    let body = MultiPart::alternative()
        .boundary(format!("=_{}", claimed.email_id.simple()))
        .singlepart(SinglePart::plain(texts.text))
        .singlepart(
            SinglePart::builder()
                .header(ContentType::TEXT_HTML)
                .body(as_it_is(texts.html)),
        );
    let message = lettre::Message::builder()
        .message_id(Some(claimed.message_id.clone()))
        .date(date(claimed.created_at))
        .from(head.from.clone())
        .to(Mailbox::new(Some(letter.recipient.name.clone()), to.clone()))
        .subject(texts.subject)
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("Content-Language", texts.language))
        .multipart(body)?;
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

/// A body of ASCII in lines that any server takes needs no encoding (7bit), which is most of what an email costs. lettre
/// would encode lines of more than 76 octets.
fn as_it_is(text: String) -> Body {
    // RFC 5322, section 2.1.1.
    if text.is_ascii() && text.lines().all(|line| line.len() <= 998) {
        let lines = text.replace('\n', "\r\n");
        return Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit);
    }
    Body::new(text)
}

fn date(at: Timestamp) -> std::time::SystemTime {
    at.into()
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests;
