//! What the mail server is told before the bytes of an email.

use lettre::Address;
use uuid::Uuid;

/// Who sends, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) email_id: Uuid,
    pub(crate) from: Address,
    pub(crate) to: Address,
}

/// Whom the mail server is told as the sender: where notifications of undeliverable emails go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The same for all.
    One(Address),
    /// `local+EMAIL_ID@domain`, so that a notification names its email whatever else it says.
    PerEmail(Address),
}

/// Octets of a local part (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// A plus sign and an id without its dashes.
const TAG: usize = 33;

impl Sender {
    /// A sender for each email, made from `address`.
    pub(crate) fn per_email(address: Address) -> Result<Self, String> {
        if address.user().len() > MAX_LOCAL - TAG {
            return Err(format!(
                "must have at most {} octets before the @: the email's id comes behind them",
                MAX_LOCAL - TAG
            ));
        }
        Ok(Self::PerEmail(address))
    }

    pub(crate) fn of(&self, email_id: Uuid) -> Result<Address, lettre::address::AddressError> {
        match self {
            Self::One(address) => Ok(address.clone()),
            Self::PerEmail(address) => {
                let local = format!("{}+{}", address.user(), email_id.simple());
                Address::new(local, address.domain())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    #[test]
    fn each_email_has_a_sender_of_its_own_that_names_it() {
        let sender = Sender::per_email(address("bounces@example.com")).expect("short enough");
        let id = Uuid::from_u128(0x0190_a8a0_5f1c_7cc3_98c4_dc0c_0c07_398f);
        assert_eq!(
            sender.of(id),
            Ok(address("bounces+0190a8a05f1c7cc398c4dc0c0c07398f@example.com"))
        );
    }

    #[test]
    fn the_local_part_stays_within_64_octets() {
        let named =
            |length: usize| Sender::per_email(address(&format!("{}@example.com", "b".repeat(length))));
        let sender = named(31).expect("short enough");
        assert_eq!(sender.of(Uuid::nil()).map(|made| made.user().len()), Ok(64));
        assert!(named(32).expect_err("refused").contains("at most 31"));
    }
}
