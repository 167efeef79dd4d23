use super::*;

const EMAIL: &str = "019a0000-0000-7000-8000-000000000001";
const POSTFIX: &str = include_str!("samples/postfix.eml");

fn readable(text: &str) -> Notification {
    let with_crlf = text.replace('\n', "\r\n");
    let notification = read(text.as_bytes()).expect("a notification");
    assert_eq!(
        read(with_crlf.as_bytes()).as_ref(),
        Ok(&notification),
        "line ends"
    );
    notification
}

fn check(text: &str, status: &str, dead: bool, diagnostic: &str) {
    let notification = readable(text);
    assert_eq!(notification.email_id, Uuid::try_parse(EMAIL).ok());
    let [fate] = &notification.fates[..] else {
        panic!("{:?}", notification.fates);
    };
    assert_eq!(Some(fate.status), Enhanced::at_start_of(status));
    assert_eq!(fate.is_dead_mailbox(), dead);
    assert!(fate.diagnostic.contains(diagnostic), "{}", fate.diagnostic);
}

#[test]
fn what_mail_servers_send_is_read() {
    check(POSTFIX, "5.1.1", true, "rejected: User unknown in virtual");
    check(
        include_str!("samples/exchange.eml"),
        "5.1.10",
        true,
        "RecipientNotFound",
    );
    check(
        include_str!("samples/gmail.eml"),
        "5.2.1",
        true,
        "is disabled. For more information",
    );
}

#[test]
fn a_full_mailbox_and_a_delay_are_not_a_dead_address() {
    check(include_str!("samples/full.eml"), "5.2.2", false, "Mailbox full");
    check(include_str!("samples/delayed.eml"), "4.4.1", false, "timed out");
    let delayed = POSTFIX.replace("Action: failed", "Action: delayed");
    check(&delayed, "5.1.1", false, "unknown");
}

#[test]
fn the_sender_s_own_fault_is_nobody_s_dead_mailbox() {
    for (status, dead) in [
        ("5.1.0", true),
        ("5.1.2", true),
        ("5.1.7", false),
        ("5.1.8", false),
        ("5.2.1", true),
        ("5.2.2", false),
        ("5.7.1", false),
        ("4.1.1", false),
    ] {
        let status = Enhanced::at_start_of(status).expect("well formed");
        assert_eq!(status.names_a_dead_mailbox(), dead, "{status:?}");
    }
}

#[test]
fn the_returned_message_id_tells_the_email_where_the_address_does_not() {
    let to = format!("bounces+{}@product.example", EMAIL.replace('-', ""));
    let by_headers = POSTFIX.replace(&to, "bounces@product.example");
    assert_eq!(readable(&by_headers).email_id, Uuid::try_parse(EMAIL).ok());
    let of_another = by_headers.replace(&format!("<{EMAIL}@"), "<20261124.abc@");
    assert_eq!(readable(&of_another).email_id, None);
}

#[test]
fn each_recipient_has_a_fate_of_its_own() {
    let second = "\nFinal-Recipient: rfc822; cleo@example.com\nAction: FAILED\nStatus: 5.1.1 (no such user)\n\n\
                  X-Note: names no recipient\n\n--";
    let text = include_str!("samples/full.eml").replacen("\n--full--", &format!("{second}full--"), 1);
    let dead: Vec<bool> = readable(&text).fates.iter().map(Fate::is_dead_mailbox).collect();
    assert_eq!(dead, [false, true]);
}

#[test]
fn what_is_no_notification_is_refused() {
    let no_status = POSTFIX.replace("Status: 5.1.1", "Status: five");
    let no_recipient = POSTFIX.replace("Final-Recipient:", "X-Recipient:");
    let other_report = POSTFIX.replace("message/delivery-status", "message/disposition-notification");
    for (text, expected) in [
        ("", Unreadable::NoMessage),
        (include_str!("samples/qmail.eml"), Unreadable::NoReport),
        ("Subject: out of office\n\nI am away.\n", Unreadable::NoReport),
        (&other_report, Unreadable::NoReport),
        (&no_status, Unreadable::NoRecipient),
        (&no_recipient, Unreadable::NoRecipient),
        (
            &format!("{POSTFIX}{}", " ".repeat(MAX_BYTES)),
            Unreadable::TooLong,
        ),
    ] {
        assert_eq!(read(text.as_bytes()), Err(expected), "{text:.60}");
    }
}

#[test]
fn a_part_may_be_encoded() {
    let by_headers = POSTFIX.replace(&format!("bounces+{}@", EMAIL.replace('-', "")), "bounces@");
    let soft = |text: &str| {
        text.replace("Status: 5.1.1", "Status: 5.=\n1.1")
            .replace("7000-8000", "7000=2D8000")
    };
    let kinds = [
        "Content-Type: message/delivery-status",
        "Content-Type: text/rfc822-headers",
    ];
    let printable = kinds.iter().fold(soft(&by_headers), |text, kind| {
        text.replace(
            kind,
            &format!("{kind}\nContent-Transfer-Encoding: Quoted-Printable"),
        )
    });
    check(&printable, "5.1.1", true, "User unknown");
    // And it may say that it is encoded where it is not.
    for encoding in ["quoted-printable", "base64"] {
        let false_claim = POSTFIX
            .replace("9F8E7D6C5B.1795510801", "=_1795510801")
            .replace("Encoding: 8bit", &format!("Encoding: {encoding}"));
        check(&false_claim, "5.1.1", true, "User unknown");
    }
    let kind = "Content-Type: message/delivery-status";
    let false_claim = POSTFIX.replace(kind, &format!("{kind}\nContent-Transfer-Encoding: base64"));
    check(&false_claim, "5.1.1", true, "User unknown");
}

#[test]
fn an_empty_line_ends_the_headers_of_what_is_returned() {
    let of_nobody = POSTFIX
        .replace(&format!("bounces+{}@", EMAIL.replace('-', "")), "bounces@")
        .replace("Message-ID: <019a", "X-Id: <019a")
        .replace(
            "Subject: Ada Adler invites you to connect\n",
            &format!("Subject: Ada Adler invites you to connect\n\nMessage-ID: <{EMAIL}@product.example>\n"),
        );
    assert_eq!(readable(&of_nobody).email_id, None);
}

/// Each of them overflows the stack of a parser that follows it; a test's thread has the 2 MiB of one of tokio's.
#[test]
fn no_depth_of_messages_within_messages_harms_anybody() {
    let message = "Content-Type:message/rfc822\n\n";
    let deep = |first: &str, level: &str| {
        let mut text = first.to_owned();
        while text.len() + level.len() < MAX_BYTES {
            text.push_str(level);
        }
        text
    };
    let report = POSTFIX.replace("text/rfc822-headers\n\n", "message/rfc822\n\nX: y\n");
    let end = report.find("X: y").expect("it is there");
    for text in [
        deep("", message),
        deep(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n",
            message,
        ),
        deep("Content-Type: multipart/digest; boundary=a\n\n--a\n\n", message),
        deep("", "Content-Type:multipart/report;boundary=a\n\n--a\n"),
        deep(&report[..end], message),
        deep("Content-Type: multipart/report; boundary=a ", "("),
        deep("To: ", "a:("),
        deep("Message-ID: ", "<("),
        deep(&report[..end], "Message-ID: <a\n"),
        deep(
            "Content-Type: multipart/report; boundary=a\n\n",
            "--a\nContent-Type: message/rfc822\n\nX: y\n",
        ),
    ] {
        let _ = read(text.as_bytes());
    }
}

#[test]
fn noise_is_refused_and_harms_nobody() {
    let mut noise: u32 = 1;
    for length in [1, 2, 100, 5_000] {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .take(length)
        .collect();
        assert!(read(&bytes).is_err());
        let header = b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\na\n\n";
        assert!(read(&[header, &bytes[..]].concat()).is_err());
    }
}

mod cut {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_notification_that_is_cut_or_damaged_anywhere_is_read_or_refused(
            at in 0..POSTFIX.len(), byte: u8
        ) {
            let mut bytes = POSTFIX.as_bytes().to_vec();
            let _ = read(&bytes[..at]);
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
