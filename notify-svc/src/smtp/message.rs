//! The bytes of an email. The same email gives the same bytes at every attempt.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use lettre::{
    Address,
    message::{
        Body, Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{self, ContentTransferEncoding, ContentType, HeaderName, HeaderValue, Headers},
    },
};
use uuid::Uuid;

use super::{
    dkim::Signer,
    envelope::{Envelope, Sender},
    fault,
};
use crate::{
    domain::{
        email::Letter,
        reply::{Ending, Step},
    },
    links::{Link, Links},
    store::Claimed,
    templates::{self, Footer},
};

/// What all emails of the service have in common.
#[derive(Clone)]
pub(crate) struct Letterhead {
    pub(crate) from: Mailbox,
    /// Who the mail server is told that sends.
    pub(crate) sender: Sender,
    /// Signs emails; none where that is the mail server's work.
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) links: Links,
}

/// One email of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) email_id: Uuid,
    pub(crate) member_id: Uuid,
    pub(crate) created_at: Timestamp,
    pub(crate) message_id: &'a str,
    /// None where the row's text is not a letter.
    pub(crate) letter: Option<&'a Letter>,
}

impl<'a> From<&'a Claimed> for Part<'a> {
    fn from(claimed: &'a Claimed) -> Self {
        Self {
            email_id: claimed.held.email_id,
            member_id: claimed.member_id,
            created_at: claimed.created_at,
            message_id: &claimed.message_id,
            letter: claimed.letter.as_ref(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the row holds no letter")]
    Letter,
    #[error("the address: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("the templates: {0}")]
    Template(#[from] templates::Unrendered),
}

/// Who sends these emails to whom. What fails is the row's fault and for good.
pub(crate) fn envelope(parts: &[Part<'_>], head: &Letterhead) -> Result<Envelope, Ending> {
    try_envelope(parts, head).map_err(|error| fault(Step::Compose, error.to_string()))
}

fn try_envelope(parts: &[Part<'_>], head: &Letterhead) -> Result<Envelope, Unfit> {
    let newest = parts.last().ok_or(Unfit::Letter)?;
    let letter = newest.letter.ok_or(Unfit::Letter)?;
    Ok(Envelope {
        email_id: newest.email_id,
        from: head.sender.of(newest.email_id)?,
        to: letter.recipient.address.parse()?,
    })
}

/// Puts emails of one reader, in the order in which they were queued, together as one message: addressed as the last one is,
/// because a reader's address may have changed in between, and known by it, because what comes back tells of that address.
/// Headers and body; lines end in CRLF, the last one too. What fails is the row's fault and for good; it must not take the
/// worker down, so even a panic (lettre has one for names with line breaks) is only this email's end.
pub(crate) fn compose(parts: &[Part<'_>], head: &Letterhead) -> Result<Vec<u8>, Ending> {
    let unfit = |text: String| fault(Step::Compose, text);
    match catch_unwind(AssertUnwindSafe(|| try_compose(parts, head))) {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(unfit(error.to_string())),
        Err(_panic) => Err(unfit("putting the email together panicked".to_owned())),
    }
}

fn try_compose(parts: &[Part<'_>], head: &Letterhead) -> Result<Vec<u8>, Unfit> {
    let letters = parts.iter().map(|part| part.letter);
    let letters: Vec<&Letter> = letters.collect::<Option<_>>().ok_or(Unfit::Letter)?;
    let (newest, letter) = parts.last().zip(letters.last()).ok_or(Unfit::Letter)?;
    let link = Link {
        member_id: newest.member_id,
        kind: letter.content.kind(),
        issued: newest.created_at,
        locale: letter.recipient.locale.clone(),
    };
    let to: Address = letter.recipient.address.parse()?;
    let footer = Footer {
        settings_url: &head.links.settings(&link),
        unsubscribe_url: &head.links.unsubscribe(&link),
    };
    let texts = templates::render(&letters, footer)?;
    // Put together from lettre's parts: its builder would parse each address anew.
    let mut headers = Headers::with_capacity(12);
    headers.set(header::MessageId::from(newest.message_id.to_owned()));
    headers.set(header::Date::new(date(newest.created_at)));
    headers.set(header::From::from(Mailboxes::from(head.from.clone())));
    headers.insert_raw(written("To", mailbox(&letter.recipient.name, &to)));
    if is_plain(&texts.subject) {
        headers.set(header::Subject::from(texts.subject));
    } else {
        headers.insert_raw(written("Subject", encoded_words(&texts.subject)));
    }
    headers.insert_raw(raw("Auto-Submitted", "auto-generated"));
    headers.insert_raw(raw("Content-Language", texts.language));
    // RFC 8058
    headers.insert_raw(raw("List-Unsubscribe", &format!("<{}>", footer.unsubscribe_url)));
    headers.insert_raw(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    headers.set(header::MIME_VERSION_1_0);
    let mut bytes = headers.to_string().into_bytes();
    bytes.extend(body(newest.email_id, texts.text, texts.html).formatted());
    if let Some(signer) = &head.signer {
        let signature = signer.sign(&bytes, newest.created_at);
        bytes.splice(0..0, signature);
    }
    Ok(bytes)
}

/// Both texts, of which a mail app shows the last that it can.
fn body(email_id: Uuid, text: String, html: String) -> MultiPart {
    let kind = format!("multipart/alternative; boundary=\"=_{}\"", email_id.simple());
    let kind = ContentType::parse(&kind).expect("it is a media type");
    let part = |kind, text| SinglePart::builder().header(kind).body(as_it_is(text));
    MultiPart::builder()
        .header(kind)
        .singlepart(part(ContentType::TEXT_PLAIN, text))
        .singlepart(part(ContentType::TEXT_HTML, html))
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

/// Whether a header may have the text as it stands: printable ASCII that nobody can take for an encoded-word.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("=?")
}

/// A text as encoded-words (RFC 2047), all of it. lettre would encode it word by word: what a member spelled like an
/// encoded-word would pass, to be decoded into what names may not say, and spaces between two that are encoded be lost.
fn encoded_words(text: &str) -> String {
    // With its brackets and a header's name a line has 76 octets at most (section 2).
    const OCTETS: usize = 39;
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let fits = rest.len().min(OCTETS);
        let end = (1..=fits).rev().find(|at| rest.is_char_boundary(*at));
        let (word, later) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(format!("=?utf-8?b?{}?=", BASE64_STANDARD.encode(word)));
        rest = later;
    }
    words.join("\r\n ")
}

/// A reader and their address (RFC 5322, section 3.4). lettre would leave a name with dots unquoted.
fn mailbox(name: &str, address: &Address) -> String {
    let name = if is_plain(name) {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        encoded_words(name)
    };
    let address = address.to_string();
    // RFC 5322, section 2.1.1.
    let space = if name.len() + address.len() > 70 {
        "\r\n "
    } else {
        " "
    };
    format!("{name}{space}<{address}>")
}

/// A header that is written as it goes out.
fn written(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

fn date(at: Timestamp) -> std::time::SystemTime {
    at.into()
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests;
