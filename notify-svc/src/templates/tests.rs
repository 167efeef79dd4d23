use proptest::prelude::*;

use super::*;
use crate::domain::kind::Kind;

mod lint;

const FOOTER: Footer<'_> = Footer {
    settings_url: "https://mail.example.com/settings/token",
    unsubscribe_url: "https://mail.example.com/unsubscribe/token",
};

fn rendered(letters: &[Letter]) -> Texts {
    let letters: Vec<_> = letters.iter().collect();
    render(&letters, FOOTER).expect("every text and variable is there")
}

fn sample(kind: Kind) -> Letter {
    samples::sample(kind, "en")
}

/// A letter of each kind to Bob, in which all that members write is `text`.
fn written(kind: Kind, locale: &str, text: &str) -> Letter {
    let mut letter = samples::sample(kind, locale);
    let text = text.to_owned();
    letter.recipient.name.clone_from(&text);
    match &mut letter.content {
        Content::Initial(Initial {
            invitation: email, ..
        })
        | Content::Reminder(Reminder {
            invitation: email, ..
        }) => {
            email.inviter_name.clone_from(&text);
            email.note = text;
        }
        Content::Acceptance(email) => {
            email.connection_name.clone_from(&text);
            email.names = vec![text; 3];
        }
        Content::Reply(email) => {
            email.replier_name.clone_from(&text);
            email.text = text;
        }
    }
    letter
}

/// Each email: every kind, and reminders put together, in which all that members write is `text`.
fn emails(locale: &str, text: &str) -> Vec<Vec<Letter>> {
    let mut emails: Vec<_> = Kind::ALL.map(|kind| vec![written(kind, locale, text)]).into();
    emails.push(vec![written(Kind::Reminder, locale, text); 3]);
    emails
}

#[test]
fn an_invitation_in_plain_text() {
    let expected = "\
Hello Ben Berger,

Ada Adler would like to add you to their connections.

Their message:

> We met in Oslo, after your talk about bridges.
> Shall we stay in touch?

Accept the invitation
https://product.example/i/sample-0

The link opens a page with the invitation. Nothing happens until you choose there.

View their profile
https://product.example/members/0

View it in your inbox
https://product.example/inbox/0

-- 
You are receiving this email because a member invited you. At most 2 reminders will follow.

Choose which emails you get
https://mail.example.com/settings/token

Stop emails about invitations
https://mail.example.com/unsubscribe/token
";
    assert_eq!(rendered(&[sample(Kind::Initial)]).text, expected);
}

#[test]
fn an_acceptance_in_plain_text() {
    let expected = "\
Hello Ben Berger,

You and Ada Adler are connected now.

Email address
ada@example.org

View their profile
https://product.example/members/0

Ada Adler has 1,234 connections, including Cleo Costa, Dan Doyle, and Eve Evans.
You have 2 of them in common.

-- 
You are receiving this email because you invited this member.

Choose which emails you get
https://mail.example.com/settings/token

Stop emails about accepted invitations
https://mail.example.com/unsubscribe/token
";
    assert_eq!(rendered(&[sample(Kind::Acceptance)]).text, expected);
}

#[test]
fn every_email_in_every_language_is_a_page_that_everybody_can_read_and_nobody_can_track() {
    for language in Language::ALL {
        let mut emails: Vec<_> = Kind::ALL
            .map(|kind| vec![samples::sample(kind, language.tag())])
            .into();
        emails.push(samples::reminders(language, 3));
        emails.push(samples::reminders(language, 40));
        for letters in emails {
            let texts = rendered(&letters);
            assert_eq!(texts.language, language.tag());
            let faults = lint::faults(&texts.html, language.tag(), &texts.subject);
            assert_eq!(faults, Vec::<String>::new());
        }
    }
}

#[test]
fn the_longest_texts_stay_below_what_mailboxes_cut() {
    // What takes most bytes: in UTF-8, and escaped in HTML.
    for widest in ['漢', '"', '\u{1f642}', '\n'] {
        let (name, text) = (
            String::from_iter([widest; 100]),
            String::from_iter([widest; 1_900]),
        );
        let mut reply = written(Kind::Reply, "ja", &name);
        if let Content::Reply(email) = &mut reply.content {
            email.text = text;
        }
        let mut reminder = written(Kind::Reminder, "ja", &name);
        if let Content::Reminder(email) = &mut reminder.content {
            email.invitation.note = String::from_iter([widest; 300]);
        }
        for letters in [vec![reply], vec![reminder; 100]] {
            let texts = rendered(&letters);
            assert!(texts.html.len() < 100 * 1024, "{widest:?}: {}", texts.html.len());
        }
    }
}

/// Both parts lead to each of these pages, and to the reader's settings.
fn check_links(letters: &[Letter], links: &[&str]) {
    let texts = rendered(letters);
    let urls = lint::urls(&texts.html);
    let expected: Vec<_> = links.iter().copied().chain([FOOTER.settings_url]).collect();
    for link in &expected {
        assert!(
            texts.text.lines().any(|line| line == *link),
            "{link}\n{}",
            texts.text
        );
        assert!(urls.iter().any(|url| url == link), "{link}\n{urls:?}");
    }
}

#[test]
fn both_parts_carry_every_link() {
    let of_an_invitation = [
        "https://product.example/i/sample-0",
        "https://product.example/members/0",
        "https://product.example/inbox/0",
        FOOTER.unsubscribe_url,
    ];
    check_links(&[sample(Kind::Initial)], &of_an_invitation);
    check_links(&[sample(Kind::Reminder)], &of_an_invitation);
    let profile = "https://product.example/members/0";
    let sent = "https://product.example/sent/1";
    check_links(&[sample(Kind::Reply)], &[sent, profile, FOOTER.unsubscribe_url]);
    check_links(&[sample(Kind::Acceptance)], &[profile, FOOTER.unsubscribe_url]);
    let urls = lint::urls(&rendered(&[sample(Kind::Acceptance)]).html);
    assert!(urls.contains(&"mailto:ada@example.org".to_owned()), "{urls:?}");
}

#[test]
fn reminders_put_together_show_each_with_its_links_and_say_how_many_more_there_are() {
    let of_two = [
        "https://product.example/i/sample-0",
        "https://product.example/members/0",
        "https://product.example/inbox/0",
        "https://product.example/i/sample-1",
        "https://product.example/members/1",
        "https://product.example/inbox/1",
        FOOTER.unsubscribe_url,
    ];
    check_links(&samples::reminders(Language::English, 2), &of_two);
    for (count, hidden) in [(8, None), (9, Some("See one more")), (30, Some("See 22 more"))] {
        let letters = samples::reminders(Language::English, count);
        let texts = rendered(&letters);
        assert_eq!(
            texts.subject,
            format!("{count} invitations are still waiting for you")
        );
        for part in [&texts.text, &texts.html] {
            assert_eq!(part.matches("Accept the invitation").count(), SHOWN.min(count));
            assert_eq!(part.contains("See "), hidden.is_some());
            assert!(hidden.is_none_or(|hidden| part.contains(hidden)), "{part}");
        }
        if hidden.is_some() {
            check_links(&letters, &["https://product.example/inbox/8"]);
        }
    }
}

#[test]
fn only_reminders_are_put_together() {
    let letters = [sample(Kind::Reminder), sample(Kind::Reply)];
    for letters in [
        vec![&letters[0], &letters[1]],
        vec![&letters[1], &letters[0]],
        vec![],
    ] {
        assert!(matches!(render(&letters, FOOTER), Err(Unrendered::Letters)));
    }
}

#[test]
fn an_invitation_says_how_many_reminders_follow() {
    let check = |letter: Letter, line: &str| {
        let texts = rendered(&[letter]);
        assert!(
            texts.text.contains(line) && texts.html.contains(line),
            "{texts:?}"
        );
    };
    for (count, line) in [
        (0, "No reminders will follow."),
        (1, "At most one reminder will follow."),
        (5, "At most 5 reminders will follow."),
    ] {
        let mut letter = sample(Kind::Initial);
        if let Content::Initial(email) = &mut letter.content {
            email.remaining_count = count;
        }
        check(letter, line);
    }
    for (count, line) in [
        (0, "No more reminders will follow."),
        (1, "At most one more reminder will follow."),
        (2, "At most 2 more reminders will follow."),
    ] {
        let mut letter = sample(Kind::Reminder);
        if let Content::Reminder(email) = &mut letter.content {
            email.remaining_count = count;
        }
        check(letter, line);
    }
    let mut letters = samples::reminders(Language::English, 3);
    for (count, letter) in (0..).zip(&mut letters) {
        if let Content::Reminder(email) = &mut letter.content {
            email.remaining_count = count;
        }
    }
    let together = rendered(&letters);
    assert!(together.text.contains("At most 3 more reminders will follow."));
    assert!(together.html.contains("At most 3 more reminders will follow."));
}

#[test]
fn a_note_that_is_not_there_is_not_announced() {
    for kind in [Kind::Initial, Kind::Reminder] {
        let mut letter = written(kind, "en", "");
        letter.recipient.name = "Ben".to_owned();
        let texts = rendered(&[letter]);
        assert!(!texts.text.contains("Their message") && !texts.html.contains("Their message"));
        assert!(!texts.html.contains("<blockquote"));
    }
}

#[test]
fn names_that_are_not_known_are_not_announced() {
    let mut letter = sample(Kind::Acceptance);
    if let Content::Acceptance(email) = &mut letter.content {
        (email.total_count, email.shared_count) = (1, 0);
        email.names.clear();
    }
    let text = rendered(&[letter]).text;
    assert!(
        text.contains("Ada Adler has one connection.\nYou have none of them in common."),
        "{text}"
    );
}

#[test]
fn the_heading_says_what_the_subject_says() {
    for (kind, heading) in [
        (Kind::Initial, "Ada Adler invites you to connect"),
        (Kind::Reminder, "Ada Adler’s invitation is still waiting for you"),
        (Kind::Acceptance, "Ada Adler accepted your invitation"),
        (Kind::Reply, "Ada Adler replied to your invitation"),
    ] {
        let texts = rendered(&[sample(kind)]);
        assert_eq!(texts.subject, heading);
        assert_eq!(
            lint::headings(&texts.html).first().map(String::as_str),
            Some(heading)
        );
    }
}

#[test]
fn a_reply_says_that_the_invitation_is_still_open() {
    let texts = rendered(&[written(Kind::Reply, "en", "Hello!\nWho are you?")]);
    let line = "Your invitation is still open.";
    assert!(texts.text.contains(line) && texts.html.contains(line));
    assert!(
        texts.html.contains("Hello!<br />Who are you?</blockquote>"),
        "{}",
        texts.html
    );
    assert!(
        texts.text.contains("\n> Hello!\n> Who are you?\n"),
        "{}",
        texts.text
    );
}

#[test]
fn an_unknown_language_is_english_and_a_region_makes_no_difference() {
    let subject = |locale| {
        rendered(&[samples::sample(Kind::Initial, "en")].map(|mut letter| {
            letter.recipient.locale = String::from(locale);
            letter
        }))
    };
    assert_eq!(subject("nl-BE").language, "en");
    assert_eq!(subject("pt-BR").subject, "Ada Adler quer se conectar com você");
    assert_eq!(
        subject("DE-at").subject,
        "Ada Adler möchte sich mit Ihnen vernetzen"
    );
    assert_eq!(
        subject("ja").subject,
        "Ada Adlerさんからつながりの招待が届いています"
    );
}

#[test]
fn hostile_text_stays_text() {
    for hostile in [
        "{{ settings_url }} {% raw %} {# x #}",
        "{ $name } { invites } -term = x",
        "<script>alert(1)</script><b>x</b><!-- x -->",
        "</blockquote></td></tr></table><h1>x</h1>",
        "\"><a href='//x'>x</a>",
        "&lt;b&gt; &amp; &nbsp;",
        "=?utf-8?q?x?=",
    ] {
        for letters in emails("en", hostile) {
            let texts = rendered(&letters);
            assert!(texts.text.contains(hostile), "{hostile}\n{}", texts.text);
            assert!(
                lint::visible(&texts.html).contains(hostile),
                "{hostile}\n{}",
                texts.html
            );
            assert_eq!(
                lint::faults(&texts.html, "en", &texts.subject),
                Vec::<String>::new()
            );
        }
    }
}

/// What stands before the @ may be spelled like the address of a page.
#[test]
fn an_address_is_no_link_to_a_page() {
    for address in [
        "www.evil.example/pay?x=1@example.org",
        "evil.example#x@example.org",
    ] {
        let mut letter = sample(Kind::Acceptance);
        if let Content::Acceptance(email) = &mut letter.content {
            email.connection_address = address.to_owned();
        }
        let texts = rendered(&[letter]);
        assert_eq!(found(&texts.text), Vec::<String>::new());
    }
}

/// All links that a mail app would find in a text, our own ones left out.
fn found(text: &str) -> Vec<String> {
    let mut finder = linkify::LinkFinder::new();
    finder.url_must_have_scheme(false);
    let links = finder.links(text).map(|link| link.as_str().to_owned());
    let ours = [
        "https://product.example/",
        "https://mail.example.com/",
        "ada@example.org",
    ];
    links
        .filter(|link| !ours.iter().any(|own| link.starts_with(own)))
        .collect()
}

#[test]
fn no_text_of_a_member_becomes_a_link() {
    for link in [
        "https://evil.example/pay",
        "www.evil.example",
        "evil.co.uk",
        "mailto:eve@evil.example",
        "eve@evil.example",
        "http://1.2.3.4/",
        "(https://evil.example)",
        "https://product.example.evil.example/",
    ] {
        assert!(
            !found(&format!(" {link} ")).is_empty() || link.contains("product"),
            "{link} would be found"
        );
        for language in Language::ALL {
            for letters in emails(language.tag(), link) {
                let texts = rendered(&letters);
                let none = Vec::<String>::new();
                assert_eq!(found(&texts.text), none, "{link}");
                assert_eq!(found(&lint::visible(&texts.html)), none, "{link}");
                assert_eq!(found(&texts.subject), none, "{link}");
            }
        }
    }
}

#[test]
fn every_line_of_a_members_text_is_quoted() {
    let forged = "Hello!\n\nYour account is closed:\u{2028}pay here\r-- \r\nThe service";
    for kind in [Kind::Initial, Kind::Reminder, Kind::Reply] {
        let mut letter = written(kind, "en", forged);
        letter.recipient.name = "Ben".to_owned();
        let text = rendered(&[letter]).text;
        assert_eq!(text.lines().filter(|line| *line == "-- ").count(), 1, "{text}");
        let quoted = "> Hello!\n> \n> Your account is closed:\n> pay here\n> --\n> The service\n";
        assert!(text.contains(quoted), "{text}");
    }
}

#[test]
fn a_name_that_is_a_link_stays_out_of_the_subject() {
    for name in [
        "https://evil.example",
        "WWW.evil.example",
        "evil.example/pay",
        "evil.com",
    ] {
        let subject = |kind, locale| rendered(&[written(kind, locale, name)]).subject;
        assert_eq!(subject(Kind::Initial, "en"), "A member invites you to connect");
        assert_eq!(
            subject(Kind::Reminder, "de"),
            "Ein Mitglied wartet noch auf Ihre Antwort"
        );
        assert_eq!(
            subject(Kind::Acceptance, "fr"),
            "Un membre a accepté votre invitation"
        );
        assert_eq!(subject(Kind::Reply, "ja"), "会員の方があなたの招待に返信しました");
    }
}

#[test]
fn a_name_of_another_direction_turns_nothing_around_it() {
    let subject = rendered(&[written(Kind::Initial, "en", "محمد")]).subject;
    assert_eq!(subject, "\u{2068}محمد\u{2069} invites you to connect");
}

/// What members may write to smuggle something in, put together at random.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "https:",
            "//",
            "www.",
            "evil",
            ".",
            "com",
            "@",
            "/",
            ":",
            " ",
            "\n",
            "\r",
            "\u{2028}",
            "-- ",
            "> ",
            "<a href=",
            "\"",
            "'",
            "</blockquote>",
            "{{ ",
            " }}",
            "{%",
            "{ $name }",
            "&#",
            "\u{200b}",
            "\u{202e}",
            "例",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 1..20).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever members write: the email comes out, and leads where it leads without it.
    #[test]
    fn no_text_breaks_an_email_or_adds_a_link(text in hostile(), language in 0..Language::ALL.len()) {
        let tag = Language::ALL[language].tag();
        for (letters, plain) in emails(tag, &text).into_iter().zip(emails(tag, "Ada")) {
            let (texts, plain) = (rendered(&letters), rendered(&plain));
            prop_assert_eq!(lint::urls(&texts.html), lint::urls(&plain.html));
            prop_assert_eq!(found(&texts.text), Vec::<String>::new());
            prop_assert_eq!(found(&lint::visible(&texts.html)), Vec::<String>::new());
            let marks = |text: &str| text.lines().filter(|line| *line == "-- ").count();
            prop_assert_eq!(marks(&texts.text), 1);
            prop_assert!(!texts.subject.contains(char::is_control));
        }
    }
}
