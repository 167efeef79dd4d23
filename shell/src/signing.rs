//! Short tokens that only this service can make: page tokens, links in emails.

use std::str::FromStr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Length of the authentication code at the end of a token, in bytes.
const CODE_LEN: usize = 16;

/// Secret keys: the first signs, all of them verify, so that a key can be replaced without breaking tokens.
#[derive(Clone)]
pub struct Keyring(Vec<Hmac<Sha256>>);

/// What a token is for. A token made for one purpose does not open for another.
#[derive(Debug, Clone, Copy)]
pub struct Purpose(pub &'static str);

impl Keyring {
    /// A token that carries `payload`, readable by everybody, in the base64url alphabet.
    pub fn sign(&self, purpose: Purpose, payload: &[u8]) -> String {
        let key = self.0.first().expect("a keyring has a key");
        let mut token = payload.to_vec();
        token.extend_from_slice(&code(key, purpose, payload));
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// The payload of a token that this keyring signed for `purpose`; none for any other text.
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Vec<u8>> {
        if token.len() > 1_024 {
            return None;
        }
        let mut payload = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let given = payload.split_off(payload.len().checked_sub(CODE_LEN)?);
        let genuine = |key| bool::from(code(key, purpose, &payload).ct_eq(&given));
        self.0.iter().any(genuine).then_some(payload)
    }
}

fn code(key: &Hmac<Sha256>, purpose: Purpose, payload: &[u8]) -> [u8; CODE_LEN] {
    let mut mac = key.clone();
    mac.update(purpose.0.as_bytes());
    mac.update(&[0]);
    mac.update(payload);
    let full = mac.finalize().into_bytes();
    full[..CODE_LEN].try_into().expect("SHA-256 is longer")
}

impl FromStr for Keyring {
    type Err = &'static str;

    /// Reads one or more keys of at least 32 characters, separated by commas or white space, newest first.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys: Vec<&str> = text
            .split([',', ' ', '\n', '\t', '\r'])
            .filter(|key| !key.is_empty())
            .collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < 32) {
            return Err("needs one or more keys of at least 32 characters; `openssl rand -hex 32` makes one");
        }
        let key = |text: &&str| Hmac::new_from_slice(text.as_bytes()).expect("HMAC takes any length");
        Ok(Self(keys.iter().map(key).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Purpose = Purpose("link");

    fn keyring(text: &str) -> Keyring {
        text.parse().expect("long enough")
    }

    #[test]
    fn a_token_opens_only_as_it_was_signed() {
        let keys = keyring("0123456789abcdef0123456789abcdef");
        let token = keys.sign(LINK, b"payload");
        assert_eq!(keys.open(LINK, &token).as_deref(), Some(&b"payload"[..]));
        assert_eq!(keys.open(Purpose("page"), &token), None);
        assert_eq!(
            keyring("another-key-another-key-another-key").open(LINK, &token),
            None
        );
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).expect("ASCII");
            assert_ne!(
                keys.open(LINK, &forged).as_deref(),
                Some(&b"payload"[..]),
                "changed at {at}"
            );
        }
        for wrong in [
            "",
            "A",
            &token[1..],
            &token[..token.len() - 1],
            &format!("{token}A"),
            &"A".repeat(10_000),
        ] {
            assert_eq!(keys.open(LINK, wrong), None);
        }
    }

    #[test]
    fn an_old_key_still_opens() {
        let old = "old-old-old-old-old-old-old-old-old";
        let token = keyring(old).sign(LINK, b"x");
        assert!(
            keyring(&format!("new-new-new-new-new-new-new-new-new,{old}"))
                .open(LINK, &token)
                .is_some()
        );
    }

    #[test]
    fn short_keys_are_refused() {
        assert!("short".parse::<Keyring>().is_err());
        assert!("".parse::<Keyring>().is_err());
    }
}
