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
    letter(Content::Initial(Initial {
        inviter_name: inviter_name.to_owned(),
        note: note.to_owned(),
        accept_url: "https://example.com/i/token".to_owned(),
        inviter_profile_url: "https://example.com/members/ada".to_owned(),
        inbox_url: "https://example.com/inbox/1".to_owned(),
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
    let settings_url: SettingsUrl = "https://example.com/settings/{member_id}"
        .parse()
        .expect("well formed");
    render(letter, Uuid::from_u128(7), &settings_url).expect("every variable is there")
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
fn both_parts_of_an_invitation_carry_every_link() {
    let texts = rendered(&invitation("Ada", ""));
    for link in [
        "https://example.com/i/token",
        "https://example.com/members/ada",
        "https://example.com/inbox/1",
        "https://example.com/settings/00000000-0000-0000-0000-000000000007",
    ] {
        assert!(texts.text.contains(link), "text: {link}");
        let escaped = link.replace('/', "&#x2f;");
        assert!(
            texts.html.contains(link) || texts.html.contains(&escaped),
            "HTML: {link}\n{}",
            texts.html
        );
    }
    assert!(!texts.text.contains("They wrote"));
    assert!(texts.text.contains("two reminders") && texts.html.contains("two reminders"));
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "{{ settings_url }} {% raw %} <script>alert(1)</script> <a href=\"https://evil.example\">x</a> \
                   https://evil.example/pay & ' \"";
    let texts = rendered(&invitation(hostile, hostile));
    assert!(texts.text.contains(hostile), "plain text says it as it is");
    assert!(!texts.html.contains("<script>"));
    assert!(!texts.html.contains("href=\"https://evil.example"));
    assert!(!texts.html.contains("href=\"https:&#x2f;&#x2f;evil.example"));
    assert!(
        texts.html.contains("{{ settings_url }}"),
        "what looks like a template is not run"
    );
}

#[test]
fn a_name_that_is_a_link_stays_out_of_the_subject() {
    let subject = |name| rendered(&invitation(name, "")).subject;
    assert_eq!(subject("Ada"), "Ada invites you to connect");
    for name in ["https://evil.example", "WWW.evil.example", "evil.example/pay"] {
        assert_eq!(subject(name), "A member invites you to connect", "{name}");
    }
}

#[test]
fn the_html_is_a_page_that_a_screen_reader_can_read_and_nobody_can_track() {
    for texts in [
        rendered(&invitation("Ada", "Hello!")),
        rendered(&acceptance(1, &[])),
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
