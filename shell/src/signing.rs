//! Short tokens that only this service can make: page tokens, links in emails, cursors.
//!
//! What is signed can be read by everybody; what is sealed, by this service only.

use std::str::FromStr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Length of the authentication code at the end of a token, in bytes.
const CODE_LEN: usize = 16;

/// Length of the random nonce that a sealed token begins with, in bytes: long enough to never meet twice.
const NONCE_LEN: usize = 24;

/// Longest token that is looked at, in characters.
const TOKEN_LEN: usize = 1_024;

/// Secret keys: the first signs and seals, all of them open, so that a key can be replaced without breaking tokens.
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
        let mut payload = decode(token)?;
        let given = payload.split_off(payload.len().checked_sub(CODE_LEN)?);
        let genuine = |key| bool::from(code(key, purpose, &payload).ct_eq(&given));
        self.0.iter().any(genuine).then_some(payload)
    }

    /// A token that carries `payload`, readable by this keyring only (XChaCha20-Poly1305), in the base64url alphabet.
    /// Its length tells that of the payload; the same payload never makes the same token twice.
    pub fn seal(&self, purpose: Purpose, payload: &[u8]) -> String {
        let key = self.0.first().expect("a keyring has a key");
        let nonce: [u8; NONCE_LEN] = rand::random();
        let sealed = cipher(key, purpose).encrypt(&XNonce::from(nonce), payload);
        let mut token = nonce.to_vec();
        token.extend(sealed.expect("a payload is far below what the cipher takes"));
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// The payload of a token that this keyring sealed for `purpose`; none for any other text.
    pub fn unseal(&self, purpose: Purpose, token: &str) -> Option<Vec<u8>> {
        let token = decode(token)?;
        let (nonce, sealed) = token.split_first_chunk::<NONCE_LEN>()?;
        let nonce = XNonce::from(*nonce);
        let open = |key| cipher(key, purpose).decrypt(&nonce, sealed).ok();
        self.0.iter().find_map(open)
    }
}

fn decode(token: &str) -> Option<Vec<u8>> {
    let is_short = token.len() <= TOKEN_LEN;
    is_short.then(|| BASE64_URL_SAFE_NO_PAD.decode(token).ok())?
}

/// The cipher of one purpose. Its key is a code that no token carries: purposes of tokens do not begin with a zero byte.
fn cipher(key: &Hmac<Sha256>, purpose: Purpose) -> XChaCha20Poly1305 {
    let mut mac = key.clone();
    mac.update(&[0]);
    mac.update(purpose.0.as_bytes());
    let derived: [u8; 32] = mac.finalize().into_bytes().into();
    XChaCha20Poly1305::new(&derived.into())
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
        let sealed = keyring(old).seal(LINK, b"x");
        let both = keyring(&format!("new-new-new-new-new-new-new-new-new,{old}"));
        assert!(both.open(LINK, &token).is_some());
        assert!(both.unseal(LINK, &sealed).is_some());
        assert_eq!(keyring(old).unseal(LINK, &both.seal(LINK, b"x")), None);
    }

    #[test]
    fn a_sealed_token_opens_only_as_it_was_made() {
        let keys = keyring("0123456789abcdef0123456789abcdef");
        let token = keys.seal(LINK, b"payload");
        assert_eq!(keys.unseal(LINK, &token).as_deref(), Some(&b"payload"[..]));
        assert_eq!(keys.unseal(Purpose("page"), &token), None);
        let other = keyring("another-key-another-key-another-key");
        assert_eq!(other.unseal(LINK, &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(keys.unseal(LINK, &forged), None, "changed at {at}");
        }
        let signed = keys.sign(LINK, b"payload");
        for wrong in [
            "",
            "A",
            &token[1..],
            &format!("{token}A"),
            &"A".repeat(10_000),
            &signed,
        ] {
            assert_eq!(keys.unseal(LINK, wrong), None, "{wrong:.20}");
        }
        assert_eq!(keys.open(LINK, &token), None, "sealed is not signed");
    }

    #[test]
    fn a_sealed_payload_cannot_be_read_or_compared() {
        let keys = keyring("0123456789abcdef0123456789abcdef");
        let tokens = [keys.seal(LINK, b"payload"), keys.seal(LINK, b"payload")];
        assert_ne!(tokens[0], tokens[1]);
        for token in tokens {
            let bytes = decode(&token).expect("base64");
            assert_eq!(bytes.len(), NONCE_LEN + b"payload".len() + 16);
            assert!(!bytes.windows(7).any(|seven| seven == b"payload"));
        }
    }

    #[test]
    fn short_keys_are_refused() {
        assert!("short".parse::<Keyring>().is_err());
        assert!("".parse::<Keyring>().is_err());
    }
}
