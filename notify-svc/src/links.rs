//! Links from an email to its reader's pages. A token names the reader and the email's kind; it logs nobody in, and opens
//! nothing but what emails the reader gets.

use std::str::FromStr;

use jiff::Timestamp;
use shell::signing::{Keyring, Purpose};
use uuid::Uuid;

use crate::domain::kind::Kind;

const PURPOSE: Purpose = Purpose("email settings");

/// How long a link works after its email was queued, in seconds: two years.
const LIFETIME_SECONDS: i64 = 2 * 365 * 86_400;

/// Where the pages are reached from outside: an absolute http or https URL without a query.
#[derive(Debug, Clone)]
pub(crate) struct PagesUrl(String);

impl FromStr for PagesUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let mut violations = shell::fields::Violations::default();
        violations.url("", url);
        if violations.into_result("", ()).is_err() || url.contains(['?', '#']) {
            return Err(
                "must be an absolute http or https URL without a query, e.g. https://mail.example.com"
                    .to_owned(),
            );
        }
        Ok(Self(url.trim_end_matches('/').to_owned()))
    }
}

/// What a link stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The reader.
    pub(crate) member_id: Uuid,
    /// The kind of the email that it stands in.
    pub(crate) kind: Kind,
    /// When that email was queued; whole seconds.
    pub(crate) issued: Timestamp,
    /// The reader's BCP 47 tag: the page speaks as the email did.
    pub(crate) locale: String,
}

/// Makes links and reads them.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) keys: Keyring,
    pub(crate) pages_url: PagesUrl,
}

impl Links {
    /// The page with all choices of the reader.
    pub(crate) fn settings(&self, link: &Link) -> String {
        format!("{}/settings/{}", self.pages_url.0, self.token(link))
    }

    /// Switches off the email's kind: by hand after a GET, at once by a mailbox provider's POST (RFC 8058).
    pub(crate) fn unsubscribe(&self, link: &Link) -> String {
        format!("{}/unsubscribe/{}", self.pages_url.0, self.token(link))
    }

    fn token(&self, link: &Link) -> String {
        let mut payload = link.member_id.as_bytes().to_vec();
        payload.push(link.kind as u8);
        payload.extend_from_slice(&link.issued.as_second().to_be_bytes());
        payload.extend_from_slice(link.locale.as_bytes());
        self.keys.sign(PURPOSE, &payload)
    }

    /// What a token of ours stands for; none for any other text, nor for a token that is too old at `now`.
    pub(crate) fn open(&self, token: &str, now: Timestamp) -> Option<Link> {
        let payload = self.keys.open(PURPOSE, token)?;
        let (member_id, rest) = payload.split_first_chunk::<16>()?;
        let (kind, rest) = rest.split_first()?;
        let (issued, locale) = rest.split_first_chunk::<8>()?;
        let link = Link {
            member_id: Uuid::from_bytes(*member_id),
            kind: Kind::from_code(i16::from(*kind))?,
            issued: Timestamp::from_second(i64::from_be_bytes(*issued)).ok()?,
            locale: String::from_utf8(locale.to_vec()).ok()?,
        };
        let age = now.as_second() - link.issued.as_second();
        (age <= LIFETIME_SECONDS).then_some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(key: &str) -> Links {
        Links {
            keys: key.parse().expect("long enough"),
            pages_url: "https://mail.example.com/".parse().expect("a URL"),
        }
    }

    fn link() -> Link {
        Link {
            member_id: Uuid::from_u128(7),
            kind: Kind::Reminder,
            issued: Timestamp::from_second(1_800_000_000).expect("in range"),
            locale: "pt-BR".to_owned(),
        }
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_link_stands_for_reader_and_kind_until_it_is_too_old() {
        let (links, link) = (links(KEY), link());
        let url = links.settings(&link);
        let token = url
            .strip_prefix("https://mail.example.com/settings/")
            .expect("begins with the pages' address");
        assert_eq!(links.open(token, link.issued), Some(link.clone()));
        let last = link.issued.as_second() + LIFETIME_SECONDS;
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert!(links.open(token, at(last)).is_some());
        assert_eq!(links.open(token, at(last + 1)), None);
    }

    #[test]
    fn what_we_did_not_sign_opens_nothing() {
        let url = links("another-key-of-thirty-two-characters").unsubscribe(&link());
        let token = url.rsplit('/').next().expect("there is one");
        for forged in [token, "", "AAAA", "not base64"] {
            assert_eq!(links(KEY).open(forged, link().issued), None, "{forged}");
        }
    }

    #[test]
    fn pages_are_on_the_web() {
        for wrong in [
            "",
            "mail.example.com",
            "javascript:alert(1)",
            "https://x.example/?a=b",
        ] {
            assert!(wrong.parse::<PagesUrl>().is_err(), "{wrong}");
        }
    }
}
