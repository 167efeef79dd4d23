//! DKIM signatures (RFC 6376; Ed25519 by RFC 8463), relaxed/relaxed. The same email gets the same signature: both
//! algorithms are deterministic, and the time in it is the email's own.

use std::{fmt::Write as _, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// Headers that a signature covers where they are there. One more From than there is, so that none can be added.
const SIGNED: [&str; 11] = [
    "from",
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
];
/// Characters of a signature in one line.
const LINE: usize = 72;
/// Octets of a string in a TXT record (RFC 1035, section 3.3.14).
const MAX_TXT: usize = 255;

/// Signs emails.
pub(crate) struct Signer {
    key: Key,
    /// Names the key in the DNS, beside the domain.
    selector: String,
    domain: String,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// Reads an RSA key of 2048 to 4096 bits or an Ed25519 key from a PEM file.
    pub(crate) fn new(key_file: &Path, selector: String, domain: String) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_file(key_file)
            .map_err(|error| format!("{} holds no private key in PEM: {error}", key_file.display()))?;
        let key = Key::from_der(&der).map_err(|wrong| format!("{}: {wrong}", key_file.display()))?;
        Ok(Self {
            key,
            selector,
            domain,
        })
    }

    /// The header that signs `message`, with its line's end.
    pub(crate) fn sign(&self, message: &[u8], at: Timestamp) -> Vec<u8> {
        let (headers, body) = split(message);
        let names: Vec<&str> = SIGNED
            .into_iter()
            .filter(|name| headers.iter().any(|header| header.is(name)))
            .collect();
        let mut signature = format!(
            "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={}; s={};\r\n t={}; h={};\r\n bh={};\r\n b=",
            self.key.algorithm(),
            self.domain,
            self.selector,
            at.as_second(),
            names.join(":\r\n  "),
            BASE64.encode(Sha256::digest(relaxed_body(body))),
        );
        let mut signed = String::new();
        for (place, name) in names.iter().enumerate() {
            // The last one first; the same name once more is the one before it, and where there is none, nothing.
            let earlier = names[..place].iter().filter(|earlier| *earlier == name).count();
            if let Some(header) = headers.iter().rev().filter(|header| header.is(name)).nth(earlier) {
                signed.push_str(&header.relaxed());
                signed.push_str("\r\n");
            }
        }
        signed.push_str(&Header(&signature).relaxed());
        let value = BASE64.encode(self.key.sign(signed.as_bytes()));
        signature.push_str(&chunks(&value, LINE).join("\r\n  "));
        signature.push_str("\r\n");
        signature.into_bytes()
    }

    /// What has to be in the DNS, as a line of a zone file.
    pub(crate) fn record(&self) -> String {
        let text = format!(
            "v=DKIM1; k={}; p={}",
            self.key.kind(),
            BASE64.encode(self.key.public())
        );
        let mut line = format!("{}._domainkey.{}. IN TXT", self.selector, self.domain);
        for part in chunks(&text, MAX_TXT) {
            write!(line, " \"{part}\"").expect("a String takes all");
        }
        line
    }
}

impl Key {
    fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, String> {
        let unfit = |error: ring::error::KeyRejected| {
            format!("is neither an RSA key of 2048 to 4096 bits nor an Ed25519 key ({error})")
        };
        match der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der())
                .map(Self::Rsa)
                .map_err(unfit),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                // OpenSSL writes Ed25519 keys without their public half, so there is nothing to check it with.
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                    .map(Self::Ed25519)
                    .or_else(|_| RsaKeyPair::from_pkcs8(der).map(Self::Rsa))
                    .map_err(unfit)
            }
            _ => Err("is not a key in PKCS#8".to_owned()),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa",
            Self::Ed25519(_) => "ed25519",
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .expect("the signature is as long as the modulus");
                signature
            }
            // RFC 8463, section 3: the hash is what is signed.
            Self::Ed25519(key) => key.sign(&Sha256::digest(text)).as_ref().to_vec(),
        }
    }

    /// As the DNS wants it: an RSA key as SubjectPublicKeyInfo, an Ed25519 key bare.
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.public_key().as_ref().to_vec(),
            Self::Rsa(key) => {
                // SEQUENCE { OID 1.2.840.113549.1.1.1 (rsaEncryption), NULL }
                const RSA: [u8; 15] = [
                    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
                ];
                let bits = [&[0], key.public_key().as_ref()].concat();
                der(0x30, &[&RSA[..], &der(0x03, &bits)].concat())
            }
        }
    }
}

/// One DER value; RSA keys up to 4096 bits need two octets of length at most.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// A header with its folded lines, without its last line's end.
struct Header<'a>(&'a str);

impl Header<'_> {
    fn is(&self, name: &str) -> bool {
        self.0
            .split(':')
            .next()
            .is_some_and(|found| found.trim_end().eq_ignore_ascii_case(name))
    }

    /// RFC 6376, section 3.4.2.
    fn relaxed(&self) -> String {
        let (name, value) = self.0.split_once(':').unwrap_or((self.0, ""));
        let words: Vec<&str> = value
            .split([' ', '\t', '\r', '\n'])
            .filter(|word| !word.is_empty())
            .collect();
        format!("{}:{}", name.trim_end().to_ascii_lowercase(), words.join(" "))
    }
}

/// The headers and the body of a message whose lines end in CRLF.
fn split(message: &[u8]) -> (Vec<Header<'_>>, &[u8]) {
    let end = message.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = end.map_or((message, &[][..]), |end| (&message[..end], &message[end + 4..]));
    let head = std::str::from_utf8(head).unwrap_or_default();
    let mut headers = Vec::new();
    let mut start = 0;
    for (at, _) in head.match_indices("\r\n") {
        if !head[at + 2..].starts_with([' ', '\t']) {
            headers.push(Header(&head[start..at]));
            start = at + 2;
        }
    }
    headers.push(Header(&head[start..]));
    (headers, body)
}

/// RFC 6376, section 3.4.4.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed = Vec::with_capacity(body.len());
    // Line ends that only count when something comes after them.
    let mut ends = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut space = false;
        for byte in line {
            if matches!(byte, b' ' | b'\t') {
                space = true;
                continue;
            }
            relaxed.extend(b"\r\n".repeat(std::mem::take(&mut ends)));
            if std::mem::take(&mut space) {
                relaxed.push(b' ');
            }
            relaxed.push(*byte);
        }
        ends += 1;
    }
    if !relaxed.is_empty() {
        relaxed.extend(b"\r\n");
    }
    relaxed
}

/// ASCII text in pieces of `length`.
fn chunks(text: &str, length: usize) -> Vec<&str> {
    (0..text.len())
        .step_by(length)
        .map(|start| &text[start..text.len().min(start + length)])
        .collect()
}

#[cfg(test)]
mod tests;
