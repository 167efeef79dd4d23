use std::io::Write as _;

use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;

/// RFC 8463, appendix A.2: the Ed25519 key, wrapped as PKCS#8 without its public half, as OpenSSL writes it.
const ED25519_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";
/// RFC 8463, appendix A.2: its public half, as the DNS has it.
const ED25519_PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\
    \r\n\
    We lost the game.  Are you hungry yet?\r\n\
    \r\n\
    Joe.\r\n";

fn signer(pem: &str) -> Result<Signer, String> {
    let mut file = tempfile::NamedTempFile::new().expect("there is room");
    file.write_all(pem.as_bytes()).expect("written");
    Signer::new(
        file.path(),
        "brisbane".to_owned(),
        "football.example.com".to_owned(),
    )
}

fn at() -> Timestamp {
    Timestamp::from_second(1_528_637_909).expect("a time")
}

/// The value of a tag in a signature, without white space.
fn tag(signature: &str, name: &str) -> String {
    let value = signature
        .split(';')
        .map(|part| part.trim_start_matches("DKIM-Signature:").trim())
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let value = value.unwrap_or_else(|| panic!("{name} in {signature}"));
    value.split_whitespace().collect()
}

fn signed(pem: &str, message: &str) -> String {
    let signature = signer(pem).expect("a key").sign(message.as_bytes(), at());
    String::from_utf8(signature).expect("ASCII")
}

#[test]
fn the_body_hash_is_that_of_rfc_8463() {
    let signature = signed(ED25519_KEY, MESSAGE);
    assert_eq!(
        tag(&signature, "bh"),
        "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    );
    assert_eq!(tag(&signature, "a"), "ed25519-sha256");
    assert_eq!(tag(&signature, "t"), "1528637909");
    assert_eq!(tag(&signature, "h"), "from:from:to:subject:date:message-id");
}

#[test]
fn the_signature_is_over_the_hash_of_the_headers_in_their_order() {
    let signature = signed(ED25519_KEY, MESSAGE);
    let unsigned = &signature[..signature.find("\r\n b=").expect("there is one") + "\r\n b=".len()];
    let relaxed = [
        "from:Joe SixPack <joe@football.example.com>",
        "to:Suzie Q <suzie@shopping.example.net>",
        "subject:Is dinner ready?",
        "date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
        "message-id:<20030712040037.46341.5F8J@football.example.com>",
        &unsigned
            .replace("DKIM-Signature:", "dkim-signature:")
            .replace("\r\n", "")
            .replace("  ", " ")
            .replace("dkim-signature: ", "dkim-signature:"),
    ]
    .join("\r\n");
    let value = BASE64.decode(tag(&signature, "b")).expect("Base64");
    let public = BASE64.decode(ED25519_PUBLIC).expect("Base64");
    let verified = UnparsedPublicKey::new(&ED25519, public).verify(&Sha256::digest(relaxed), &value);
    assert_eq!(verified, Ok(()));
}

#[test]
fn white_space_at_the_ends_of_lines_and_empty_lines_at_the_end_do_not_count() {
    // RFC 6376, section 3.4.5.
    let (headers, body) = split(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n");
    let relaxed: Vec<String> = headers.iter().map(Header::relaxed).collect();
    assert_eq!(relaxed, ["a:X", "b:Y Z"]);
    assert_eq!(relaxed_body(body), b" C\r\nD E\r\n");
    assert_eq!(relaxed_body(b""), b"");
    assert_eq!(relaxed_body(b"\r\n \r\n\r\n"), b"");
    assert_eq!(relaxed_body(b"a\r\n\r\nb"), b"a\r\n\r\nb\r\n");
}

#[test]
fn the_same_email_gets_the_same_signature() {
    assert_eq!(signed(ED25519_KEY, MESSAGE), signed(ED25519_KEY, MESSAGE));
}

#[test]
fn a_second_from_breaks_the_signature() {
    let names = tag(&signed(ED25519_KEY, MESSAGE), "h");
    assert_eq!(names.split(':').filter(|name| *name == "from").count(), 2);
}

#[test]
fn an_rsa_key_signs_and_its_record_has_the_public_half() {
    let pem = include_str!("tests/rsa2048.pem");
    let signer = signer(pem).expect("a key");
    let Key::Rsa(key) = &signer.key else {
        panic!("not an RSA key");
    };
    let signature = signer.key.sign(b"text");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    assert_eq!(public.verify(b"text", &signature), Ok(()));
    // What `openssl rsa -pubout -outform DER | base64` prints of it.
    let spki: String = include_str!("tests/rsa2048.pub").split_whitespace().collect();
    assert_eq!(BASE64.encode(signer.key.public()), spki);
    let record = signer.record();
    assert!(
        record.starts_with("brisbane._domainkey.football.example.com. IN TXT \"v=DKIM1; k=rsa; p=MII"),
        "{record}"
    );
    assert!(record.split('"').all(|part| part.len() <= MAX_TXT), "{record}");
    assert_eq!(
        record.replace("\" \"", "").split("p=").nth(1),
        Some(format!("{spki}\"").as_str())
    );
}

#[test]
fn an_ed25519_record_has_the_bare_public_half() {
    let record = signer(ED25519_KEY).expect("a key").record();
    let expected = format!("\"v=DKIM1; k=ed25519; p={ED25519_PUBLIC}\"");
    assert!(record.ends_with(&expected), "{record}");
}

#[test]
fn what_cannot_sign_is_refused() {
    let too_small = include_str!("tests/rsa1024.pem");
    let elliptic = include_str!("tests/p256.pem");
    for wrong in ["", "no PEM", too_small, elliptic] {
        assert!(signer(wrong).is_err(), "{wrong:.40}");
    }
}
