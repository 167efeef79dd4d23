//! Links that leave this service: accept links with their signed tokens, and pages of the product.

use std::str::FromStr;

use shell::{
    fields::Violations,
    signing::{Keyring, Purpose},
};
use uuid::Uuid;

const ACCEPT: Purpose = Purpose("accept link");

/// What an accept link's token names. It works until the invitation closes; that is for the recipient's book to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptLink {
    /// Whose link it is.
    pub recipient_id: Uuid,
    /// What it accepts.
    pub invitation_id: Uuid,
}

/// The token of a link: the same for the same link, so that a repeated email command says the same.
pub fn token(keys: &Keyring, link: AcceptLink) -> String {
    keys.sign(
        ACCEPT,
        &[link.recipient_id.into_bytes(), link.invitation_id.into_bytes()].concat(),
    )
}

/// What `token` names; none for a token that is forged or altered.
pub fn open(keys: &Keyring, token: &str) -> Option<AcceptLink> {
    let payload = keys.open(ACCEPT, token)?;
    let (recipient, invitation) = payload.split_at_checked(16)?;
    Some(AcceptLink {
        recipient_id: Uuid::from_slice(recipient).ok()?,
        invitation_id: Uuid::from_slice(invitation).ok()?,
    })
}

/// A URL with one placeholder, e.g. `https://example.com/members/{member_id}`.
#[derive(Debug, Clone)]
pub struct UrlTemplate(String);

impl UrlTemplate {
    /// The URL of one id, in place of whichever placeholder the template has.
    pub fn of(&self, id: Uuid) -> String {
        let id = id.to_string();
        self.0.replace("{member_id}", &id).replace("{invitation_id}", &id)
    }
}

impl FromStr for UrlTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let template = Self(text.to_owned());
        let mut violations = Violations::default();
        violations.url("URL", &template.of(Uuid::nil()));
        let placeholders = text.matches("{member_id}").count() + text.matches("{invitation_id}").count();
        match violations.into_result("", template) {
            Ok(template) if placeholders == 1 => Ok(template),
            _ => Err("must be an http or https URL with {member_id} or {invitation_id} once".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_to_what_it_was_made_of() {
        let keys: Keyring = "0123456789abcdef0123456789abcdef".parse().expect("long enough");
        let link = AcceptLink {
            recipient_id: Uuid::from_u128(1),
            invitation_id: Uuid::from_u128(2),
        };
        assert_eq!(open(&keys, &token(&keys, link)), Some(link));
        assert_eq!(open(&keys, "AAAA"), None);
    }

    #[test]
    fn a_template_is_a_web_address_with_one_placeholder() {
        let template: UrlTemplate = "https://example.com/m/{member_id}".parse().expect("well formed");
        assert_eq!(
            template.of(Uuid::nil()),
            "https://example.com/m/00000000-0000-0000-0000-000000000000"
        );
        for wrong in [
            "https://example.com/",
            "javascript:{member_id}",
            "{member_id}",
            "https://e.com/{member_id}{member_id}",
        ] {
            assert!(wrong.parse::<UrlTemplate>().is_err(), "{wrong}");
        }
    }
}
