use std::{borrow::Cow, fs, path::Path};

use mail_parser::{HeaderValue as Parsed, MessageParser, MimeHeaders};

use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        delivery::{Case, Progress},
        email::{Content, Initial, Invitation, Letter, Recipient, Reminder, Reply},
        kind::Kind,
        restraint::Lately,
    },
    store::{Claimed, Held},
};
use crate::{templates::samples, words::Language};

fn head() -> Letterhead {
    Letterhead {
        from: "Invitations <invitations@example.com>"
            .parse()
            .expect("a mailbox"),
        sender: Sender::One("invitations@example.com".parse().expect("an address")),
        signer: None,
        links: Links {
            keys: "0123456789abcdef0123456789abcdef".parse().expect("long enough"),
            pages_url: "https://mail.example.com".parse().expect("well formed"),
        },
    }
}

fn initial(name: &str, note: &str) -> Content {
    Content::Initial(Initial {
        invitation: invitation(name, note),
        remaining_count: 2,
    })
}

fn invitation(name: &str, note: &str) -> Invitation {
    Invitation {
        inviter_name: name.to_owned(),
        note: note.to_owned(),
        accept_url: "https://example.com/i/token".to_owned(),
        inviter_profile_url: "https://example.com/members/ada".to_owned(),
        inbox_url: "https://example.com/inbox/1".to_owned(),
    }
}

fn reminder(name: &str, note: &str) -> Content {
    Content::Reminder(Reminder {
        invitation: invitation(name, note),
        number: 1,
        remaining_count: 1,
    })
}

fn reply(name: &str, text: &str) -> Content {
    Content::Reply(Reply {
        replier_name: name.to_owned(),
        text: text.to_owned(),
        invitation_url: "https://example.com/sent/1".to_owned(),
        replier_profile_url: "https://example.com/members/ada".to_owned(),
    })
}

fn claimed(name: &str, address: &str, note: &str) -> Claimed {
    told(name, address, initial(name, note))
}

fn told(name: &str, address: &str, content: Content) -> Claimed {
    let email_id = Uuid::from_u128(0x0190_a8a0_5f1c_7cc3_98c4_dc0c_0c07_398f);
    let at = Timestamp::from_second(1_800_000_000).expect("a time");
    Claimed {
        held: Held { email_id, epoch: 1 },
        member_id: Uuid::from_u128(7),
        case: Case {
            kind: content.kind(),
            event_time: at,
            progress: Progress::default(),
            fenced: false,
            wanted: true,
            suppressed: false,
            zone: "UTC".to_owned(),
            lately: Lately::default(),
        },
        created_at: at,
        message_id: format!("<{email_id}@example.com>"),
        letter: Some(Letter {
            recipient: Recipient {
                name: name.to_owned(),
                address: address.to_owned(),
                locale: "en".to_owned(),
                time_zone: "UTC".to_owned(),
            },
            content,
        }),
    }
}

fn bytes(name: &str, note: &str) -> Vec<u8> {
    compose(&[(&claimed(name, "bob@example.org", note)).into()], &head()).expect("fit")
}

#[test]
fn the_same_email_gives_the_same_bytes() {
    assert_eq!(bytes("Jürgen 李", "Hallo"), bytes("Jürgen 李", "Hallo"));
}

#[test]
fn every_email_says_what_it_is() {
    let bytes = bytes("Jürgen 李", "Grüße\n.\n..dots");
    let message = MessageParser::default()
        .parse(&bytes)
        .expect("an independent parser reads it");
    assert_eq!(message.subject(), Some("Jürgen 李 invites you to connect"));
    assert_eq!(
        message.message_id(),
        Some("0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f@example.com")
    );
    let header = |name: &str| match message.header(name) {
        Some(Parsed::Text(text)) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(message.content_language().as_text(), Some("en"));
    assert_eq!(
        message.date().map(|date| date.to_timestamp()),
        Some(1_800_000_000)
    );
    assert_eq!(message.text_body_count(), 1);
    assert_eq!(message.html_body_count(), 1);
    let text = message.body_text(0).expect("there is one").replace("\r\n", "\n");
    assert!(text.contains("> Grüße\n> .\n> ..dots\n"), "{text}");
}

#[test]
fn an_email_is_ascii_but_for_an_address_that_is_not() {
    let to =
        |address: &str| compose(&[(&claimed("Jürgen 李", address, "Grüße")).into()], &head()).expect("fit");
    assert!(to("bob@example.org").is_ascii());
    let bytes = to("jürgen@xn--bcher-kva.example");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let line = text
        .lines()
        .find(|line| !line.is_ascii())
        .expect("the address is written as it is");
    assert!(line.contains("<jürgen@xn--bcher-kva.example>"), "{line}");
    assert_eq!(text.lines().filter(|line| !line.is_ascii()).count(), 1, "{text}");
    let message = MessageParser::default().parse(text.as_bytes()).expect("an email");
    let to = message.to().and_then(|to| to.first()).expect("there is one");
    assert_eq!(
        (to.name(), to.address()),
        (Some("Jürgen 李"), Some("jürgen@xn--bcher-kva.example"))
    );
}

#[test]
fn every_kind_can_be_stopped_with_one_click() {
    for kind in Kind::ALL {
        let content = samples::sample(kind, "en").content;
        let email = told("Ben", "ben@example.org", content);
        let bytes = compose(&[(&email).into()], &head()).expect("fit");
        let text = String::from_utf8(bytes.clone()).expect("ASCII");
        // Unfolded, as RFC 5322 has it.
        let headers = text
            .split("\r\n\r\n")
            .next()
            .expect("there are some")
            .replace("\r\n ", " ");
        let value = |name: &str| {
            headers
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")))
        };
        let link = Link {
            member_id: email.member_id,
            kind: email.kind(),
            issued: email.created_at,
            locale: "en".to_owned(),
        };
        let url = format!("<{}>", head().links.unsubscribe(&link));
        assert_eq!(value("List-Unsubscribe"), Some(&*url), "{headers}");
        let post = Some("List-Unsubscribe=One-Click");
        assert_eq!(value("List-Unsubscribe-Post"), post, "{headers}");
    }
}

#[test]
fn no_text_of_a_member_adds_a_header() {
    for name in [
        "Eve\0",
        "Eve\u{2028}X: y",
        "\u{202e}eve",
        "\u{feff}Eve",
        "=?utf-8?b?DQpCY2M6IHhAZXZpbC5leGFtcGxl?=",
        "=?utf-8?q?=0D=0ABcc:_x=40evil.example?= <x@evil.example>",
        "Eve (comment), <x@evil.example>; X: y",
        &"Eve ".repeat(25),
        &"\u{1f642}".repeat(100),
        "Eve\r\nBcc: x@evil.example",
        "Eve\nX: y",
        "Eve\rX: y",
        "\"Eve\" <x@evil.example>, z",
        "a\u{85}b",
        "=?utf-8?q?Pay_at_evil=2Eexample=2Fpay?=",
        "=?utf-8?q?=E2=80=AEeve?=",
        "Jürgen  Müller",
        "J\u{fc} \u{fc} x \u{fc}",
        "Dr.No",
        ".",
        "a\\b\"c",
        "=?utf-8?q?x?=",
    ] {
        for content in [initial(name, name), reminder(name, name), reply(name, name)] {
            check_headers(name, &told(name, "bob@example.org", content));
        }
    }
}

/// A content of the same kind that is not hostile.
fn plain(email: &Claimed) -> Content {
    samples::sample(email.kind(), "en").content
}

fn check_headers(name: &str, email: &Claimed) {
    let Ok(bytes) = compose(&[email.into()], &head()) else {
        return;
    };
    let parsed = MessageParser::default().parse(&bytes).expect("an email");
    let headers = parsed.headers().iter().map(|header| header.name().to_owned());
    let plain = compose(&[(&told("Ben", "bob@example.org", plain(email))).into()], &head()).expect("fit");
    let plain = MessageParser::default().parse(&plain).expect("an email");
    let expected = plain.headers().iter().map(|header| header.name().to_owned());
    assert_eq!(
        headers.collect::<Vec<_>>(),
        expected.collect::<Vec<_>>(),
        "{name:?}"
    );
    let to = parsed.to().and_then(|to| to.first()).expect("there is one");
    assert_eq!(to.address(), Some("bob@example.org"), "{name:?}");
    assert_eq!(to.name(), Some(name), "{name:?}");
    let letter = email.letter.as_ref().expect("there is one");
    let footer = Footer {
        settings_url: "",
        unsubscribe_url: "",
    };
    let texts = templates::render(&[letter], footer).expect("fit");
    assert_eq!(parsed.subject(), Some(&*texts.subject), "{name:?}");
    assert_eq!(parsed.to().map(|to| to.iter().count()), Some(1), "{name:?}");
}

#[test]
fn a_long_line_of_a_member_is_no_long_line_of_the_message() {
    for text in ["x".repeat(1_900), "é".repeat(1_900)] {
        let email = told("Ada", "bob@example.org", reply("Ada", &text));
        let bytes = compose(&[(&email).into()], &head()).expect("fit");
        // RFC 5321, section 4.5.3.1.6, without the line's end.
        let longest = bytes.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
        assert!(longest <= Some(999), "{longest:?}");
        let message = MessageParser::default().parse(&bytes).expect("an email");
        let read = message.body_text(0).expect("there is one");
        let quoted: String = read.lines().filter_map(|line| line.strip_prefix("> ")).collect();
        assert_eq!(quoted, text);
    }
}

/// Encoded, with both parts: mailboxes cut what is longer.
#[test]
fn the_longest_message_has_less_than_100_kilobytes() {
    for widest in ['漢', '"', '\u{1f642}', '\n', 'é'] {
        let (name, note) = (String::from_iter([widest; 100]), String::from_iter([widest; 300]));
        let many: Vec<Claimed> =
            std::iter::repeat_with(|| told(&name, "ben@example.org", reminder(&name, &note)))
                .map(|mut email| {
                    if let Some(letter) = &mut email.letter {
                        letter.recipient.locale = "ja".to_owned();
                    }
                    email
                })
                .take(30)
                .collect();
        let parts: Vec<Part<'_>> = many.iter().map(Part::from).collect();
        let bytes = compose(&parts, &head()).expect("fit");
        assert!(bytes.len() < 100 * 1024, "{widest:?}: {}", bytes.len());
    }
}

#[test]
fn a_row_that_cannot_become_an_email_ends_alone() {
    let mut without = claimed("Ada", "bob@example.org", "");
    without.letter = None;
    for row in [without, claimed("Ada", "not an address", "")] {
        let ending = compose(&[(&row).into()], &head()).expect_err("unfit");
        assert_eq!((ending.step, ending.code), (Step::Compose, None));
    }
}

#[test]
fn reminders_put_together_are_addressed_and_known_as_the_newest_is() {
    let mut older = told("Ben", "ben@old.example", reminder("Ada", ""));
    let mut newest = told("Benno", "ben@new.example", reminder("Cleo", ""));
    let first = older.held.email_id;
    newest.held.email_id = Uuid::from_u128(first.as_u128() + 1);
    newest.message_id = "<newest@example.com>".to_owned();
    if let Some(letter) = &mut newest.letter {
        letter.recipient.locale = "de".to_owned();
    }
    let parts = [Part::from(&older), Part::from(&newest)];
    let envelope = envelope(&parts, &head()).expect("fit");
    assert_eq!(
        (envelope.email_id, envelope.to.to_string().as_str()),
        (newest.held.email_id, "ben@new.example")
    );
    let bytes = compose(&parts, &head()).expect("fit");
    let message = MessageParser::default().parse(&bytes).expect("an email");
    let to = message.to().and_then(|to| to.first()).expect("there is one");
    assert_eq!(
        (to.name(), to.address()),
        (Some("Benno"), Some("ben@new.example"))
    );
    assert_eq!(message.message_id(), Some("newest@example.com"));
    assert_eq!(message.content_language().as_text(), Some("de"));
    let text = message.body_text(0).expect("there is one");
    assert!(text.contains("Guten Tag Benno"), "{text}");
    older.letter = None;
    assert!(compose(&[Part::from(&older), Part::from(&newest)], &head()).is_err());
}

/// The bytes of each kind in each language, and of three reminders together, are those of `golden/`; `UPDATE_GOLDEN=1`
/// writes them anew.
#[test]
fn every_kind_in_every_language_goes_out_as_it_did() {
    for language in Language::ALL {
        for kind in Kind::ALL {
            let letter = samples::sample(kind, language.tag());
            check_golden(kind.name(), language, vec![letter]);
        }
        check_golden("digest", language, samples::reminders(language, 3));
    }
}

fn check_golden(name: &str, language: Language, letters: Vec<Letter>) {
    let written = |letter: Letter| {
        let (name, address) = (letter.recipient.name.clone(), letter.recipient.address.clone());
        let email = told(&name, &address, letter.content.clone());
        let letter = Some(letter);
        Claimed { letter, ..email }
    };
    let emails: Vec<Claimed> = letters.into_iter().map(written).collect();
    let parts: Vec<Part<'_>> = emails.iter().map(Part::from).collect();
    let bytes = compose(&parts, &head()).expect("fit");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/smtp/message/golden");
    let file = golden.join(format!("{name}.{}.eml", language.tag()));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &bytes).expect("it is written");
    }
    let expected = fs::read(&file).expect("UPDATE_GOLDEN=1 writes it");
    let lines = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (is, was) = (lines(&bytes), lines(&expected));
    let other = is.iter().zip(&was).find(|(is, was)| is != was);
    assert_eq!(other, None, "{}", file.display());
    assert_eq!(bytes.len(), expected.len(), "{}", file.display());
    let letters: Vec<&Letter> = emails.iter().flat_map(|email| &email.letter).collect();
    check_parts(&bytes, &letters);
}

/// An independent parser finds in the email what was put into it.
fn check_parts(bytes: &[u8], letters: &[&Letter]) {
    let letter = letters[0];
    let message = MessageParser::default().parse(bytes).expect("an email");
    let address = message
        .to()
        .and_then(|to| to.first())
        .expect("it goes to somebody");
    assert_eq!(address.name(), Some(&*letter.recipient.name));
    assert_eq!(address.address(), Some(&*letter.recipient.address));
    assert_eq!(
        message.content_language().as_text(),
        Some(&*letter.recipient.locale)
    );
    let link = Link {
        member_id: Uuid::from_u128(7),
        kind: letter.content.kind(),
        issued: Timestamp::from_second(1_800_000_000).expect("a time"),
        locale: letter.recipient.locale.clone(),
    };
    let footer = Footer {
        settings_url: &head().links.settings(&link),
        unsubscribe_url: &head().links.unsubscribe(&link),
    };
    let texts = templates::render(letters, footer).expect("it renders");
    assert_eq!(message.subject(), Some(&*texts.subject));
    let read = |part: Option<Cow<'_, str>>| part.unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(read(message.body_text(0)), texts.text);
    assert_eq!(read(message.body_html(0)), texts.html);
}
