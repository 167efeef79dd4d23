use super::*;
use crate::domain::email::Recipient;

fn letter(content: Content) -> Letter {
    Letter {
        recipient: Recipient {
            name: "Bob".to_owned(),
            address: "bob@example.org".to_owned(),
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
        },
        content,
    }
}

fn invitation(inviter_name: &str, note: &str) -> Letter {
    letter(Content::Initial(says(inviter_name, note)))
}

fn says(inviter_name: &str, note: &str) -> Initial {
    Initial {
        inviter_name: inviter_name.to_owned(),
        note: note.to_owned(),
        accept_url: "https://example.com/i/token".to_owned(),
        inviter_profile_url: "https://example.com/members/ada".to_owned(),
        inbox_url: "https://example.com/inbox/1".to_owned(),
    }
}

fn reminder(inviter_name: &str, note: &str, remaining_count: i32) -> Letter {
    letter(Content::Reminder(Reminder {
        invitation: says(inviter_name, note),
        number: 1,
        remaining_count,
    }))
}

fn reply(replier_name: &str, text: &str) -> Letter {
    letter(Content::Reply(Reply {
        replier_name: replier_name.to_owned(),
        text: text.to_owned(),
        invitation_url: "https://example.com/sent/1".to_owned(),
        replier_profile_url: "https://example.com/members/ada".to_owned(),
    }))
}

fn acceptance(total_count: i32, names: &[&str]) -> Letter {
    letter(Content::Acceptance(Acceptance {
        connection_name: "Ada".to_owned(),
        connection_address: "ada@example.org".to_owned(),
        connection_profile_url: "https://example.com/members/ada".to_owned(),
        total_count,
        shared_count: names.len().try_into().expect("few"),
        names: names.iter().map(ToString::to_string).collect(),
    }))
}

fn rendered(letter: &Letter) -> Texts {
    let settings_url = "https://example.com/settings/00000000-0000-0000-0000-000000000007";
    render(&[letter], settings_url).expect("every variable is there")
}

#[test]
fn an_invitation_in_plain_text() {
    let expected = "\
Hello Bob,

Ada would like to add you to their connections.

They wrote:

> Hello!
> We met in Oslo.

Accept the invitation (the link opens a page; nothing happens before you
choose there):
https://example.com/i/token

See their profile:
https://example.com/members/ada

See the invitation in your inbox:
https://example.com/inbox/1

-- 
You get this email because a member invited you. At most two reminders
follow. Choose which emails you get:
https://example.com/settings/00000000-0000-0000-0000-000000000007
";
    assert_eq!(
        rendered(&invitation("Ada", "Hello!\nWe met in Oslo.")).text,
        expected
    );
}

#[test]
fn an_acceptance_in_plain_text() {
    let expected = "\
Hello Bob,

Ada accepted your invitation: you are connected now.

Their email address:
ada@example.org

See their profile:
https://example.com/members/ada

Ada has 12 connections; you share 2 of them.
Among them:
- Cleo
- Dan

-- 
You get this email because you invited this member. Choose which emails you
get:
https://example.com/settings/00000000-0000-0000-0000-000000000007
";
    assert_eq!(rendered(&acceptance(12, &["Cleo", "Dan"])).text, expected);
}

#[test]
fn a_reminder_in_plain_text() {
    let expected = "\
Hello Bob,

Ada's invitation still waits for you. They would like to add
you to their connections.

They wrote:

> Hello!
> We met in Oslo.

Accept the invitation (the link opens a page; nothing happens before you
choose there):
https://example.com/i/token

See their profile:
https://example.com/members/ada

See the invitation in your inbox:
https://example.com/inbox/1

-- 
You get this email because a member invited you.
One more reminder may follow.
Choose which emails you get:
https://example.com/settings/00000000-0000-0000-0000-000000000007
";
    assert_eq!(
        rendered(&reminder("Ada", "Hello!\nWe met in Oslo.", 1)).text,
        expected
    );
}

#[test]
fn a_reply_in_plain_text() {
    let expected = "\
Hello Bob,

Ada replied to your invitation:

> Where do we know each other from?
> 
> -- 
> Ada

Your invitation is still open:
https://example.com/sent/1

See their profile:
https://example.com/members/ada

-- 
You get this email because you invited this member. Choose which emails you
get:
https://example.com/settings/00000000-0000-0000-0000-000000000007
";
    assert_eq!(
        rendered(&reply("Ada", "Where do we know each other from?\n\n-- \nAda")).text,
        expected
    );
}

/// Both parts lead to each of these pages, and to the reader's settings.
fn check_links(texts: &Texts, links: &[&str]) {
    let settings = "https://example.com/settings/00000000-0000-0000-0000-000000000007";
    for link in links.iter().chain([&settings]) {
        assert!(
            texts.text.lines().any(|line| line == *link),
            "text: {link}\n{}",
            texts.text
        );
        let escaped = format!("href=\"{}\"", link.replace('/', "&#x2f;"));
        assert!(texts.html.contains(&escaped), "HTML: {link}\n{}", texts.html);
    }
}

#[test]
fn both_parts_carry_every_link() {
    let of_an_invitation = [
        "https://example.com/i/token",
        "https://example.com/members/ada",
        "https://example.com/inbox/1",
    ];
    check_links(&rendered(&invitation("Ada", "")), &of_an_invitation);
    check_links(&rendered(&reminder("Ada", "", 1)), &of_an_invitation);
    let of_a_reply = ["https://example.com/sent/1", "https://example.com/members/ada"];
    check_links(&rendered(&reply("Ada", "Hello!")), &of_a_reply);
}

#[test]
fn an_invitation_says_how_many_reminders_follow() {
    let check = |letter: &Letter, line: &str| {
        let texts = rendered(letter);
        let text = texts.text.replace('\n', " ");
        assert!(text.contains(line) && texts.html.contains(line), "{texts:?}");
    };
    check(&invitation("Ada", ""), "At most two reminders follow.");
    check(&reminder("Ada", "", 2), "2 more reminders may follow.");
    check(&reminder("Ada", "", 1), "One more reminder may follow.");
    check(&reminder("Ada", "", 0), "No more reminders follow.");
}

#[test]
fn a_note_that_is_not_there_is_not_announced() {
    for letter in [invitation("Ada", ""), reminder("Ada", "", 1)] {
        let texts = rendered(&letter);
        assert!(!texts.text.contains("They wrote") && !texts.html.contains("They wrote"));
        assert!(!texts.html.contains("<blockquote>"));
    }
}

#[test]
fn the_heading_says_what_the_subject_says() {
    for (letter, heading) in [
        (invitation("Ada", ""), "Ada invites you to connect"),
        (reminder("Ada", "", 1), "Ada's invitation still waits for you"),
        (acceptance(1, &[]), "Ada accepted your invitation"),
        (reply("Ada", "Hello!"), "Ada replied to your invitation"),
    ] {
        let texts = rendered(&letter);
        assert_eq!(texts.subject, heading);
        assert!(
            texts.html.contains(&format!("<h1>{heading}</h1>")),
            "{}",
            texts.html
        );
    }
}

#[test]
fn a_reply_says_that_the_invitation_is_still_open() {
    let texts = rendered(&reply("Ada", "Hello!\nWho are you?"));
    let line = "Your invitation is still open";
    assert!(texts.text.contains(line) && texts.html.contains(line));
    assert!(
        texts
            .html
            .contains("<blockquote>Hello!\nWho are you?</blockquote>")
    );
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "{{ settings_url }} {% raw %} <script>alert(1)</script> <a href=\"https://evil.example\">x</a> \
                   https://evil.example/pay & ' \"";
    for letter in [
        invitation(hostile, hostile),
        reminder(hostile, hostile, 1),
        reply(hostile, hostile),
    ] {
        let texts = rendered(&letter);
        assert!(texts.text.contains(hostile), "plain text says it as it is");
        assert!(!texts.html.contains("<script>"));
        assert!(!texts.html.contains("href=\"https://evil.example"));
        assert!(!texts.html.contains("href=\"https:&#x2f;&#x2f;evil.example"));
        assert!(
            texts.html.contains("{{ settings_url }}"),
            "what looks like a template is not run"
        );
    }
}

#[test]
fn no_text_of_a_member_becomes_a_link() {
    let count = |letter: &Letter| rendered(letter).html.matches("<a ").count();
    let url = "https://evil.example/pay www.evil.example mailto:eve@evil.example";
    assert_eq!(
        count(&reminder(url, url, 1)),
        count(&reminder("Ada", "Hello!", 1))
    );
    assert_eq!(count(&reply(url, url)), count(&reply("Ada", "Hello!")));
}

#[test]
fn every_line_of_a_members_text_is_quoted() {
    let forged = "Hello!\n\nYour account is closed:\nhttps://evil.example\n\n-- \nThe service";
    for letter in [reminder("Ada", forged, 1), reply("Ada", forged)] {
        let text = rendered(&letter).text;
        assert_eq!(text.lines().filter(|line| *line == "-- ").count(), 1, "{text}");
        for line in forged.lines() {
            assert!(text.contains(&format!("\n> {line}\n")), "{line}\n{text}");
        }
    }
}

#[test]
fn a_name_that_is_a_link_stays_out_of_the_subject() {
    for name in ["https://evil.example", "WWW.evil.example", "evil.example/pay"] {
        let check = |letter: Letter, subject| assert_eq!(rendered(&letter).subject, subject, "{name}");
        check(invitation(name, ""), "A member invites you to connect");
        check(reminder(name, "", 1), "A member's invitation still waits for you");
        check(reply(name, "Hello!"), "A member replied to your invitation");
    }
}

#[test]
fn the_html_is_a_page_that_a_screen_reader_can_read_and_nobody_can_track() {
    for texts in [
        rendered(&invitation("Ada", "Hello!")),
        rendered(&reminder("Ada", "Hello!", 1)),
        rendered(&acceptance(1, &[])),
        rendered(&reply("Ada", "Hello!")),
    ] {
        for part in [
            "<html lang=\"en\"",
            "<title>",
            "<h1>",
            "charset=\"utf-8\"",
            "</html>",
        ] {
            assert!(texts.html.contains(part), "{part}");
        }
        for part in ["<img", "src=", "url("] {
            assert!(!texts.html.contains(part), "{part}");
        }
    }
}

#[test]
fn one_connection_is_not_connections() {
    assert!(
        rendered(&acceptance(1, &[]))
            .text
            .contains("Ada has 1 connection; you share 0 of them.")
    );
    assert!(!rendered(&acceptance(1, &[])).text.contains("Among them"));
}
