//! The accept link: opening it changes nothing, its button accepts, and every wrong link shows the same page.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use proto::invitations::v1::{ReceivedState, SentState, accept_invitation_request::Target};
use tests::{
    clients::{Invitations, member, reason},
    forms, http, mail,
    system::System,
};
use tonic::Code;

const PATIENCE: Duration = Duration::from_secs(30);

/// Two members, an invitation between them, and the accept link from its email.
struct Invited {
    ada: String,
    ben: String,
    invitation: String,
    link: String,
}

async fn invited(system: &System, clients: &Invitations) -> Invited {
    invited_in(system, clients, "en").await
}

/// As [`invited`], with a recipient who speaks the language of `locale`.
async fn invited_in(system: &System, clients: &Invitations, locale: &str) -> Invited {
    let mut members = [member("Ada <b>Adler</b>"), member("Ben Berger")];
    members[1].locale = locale.to_owned();
    clients.upsert(members.to_vec()).await.expect("members are taken");
    let [ada, ben] = members;
    let invitation = clients.invite(&ada.member_id, &ben.member_id).await;
    let email = mail::wait_for(&system.mail(), &ben.email, PATIENCE)
        .await
        .expect("the email comes");
    let link = email
        .link(&system.invitations.page("/i/"))
        .expect("the email has the link")
        .to_owned();
    Invited {
        ada: ada.member_id,
        ben: ben.member_id,
        invitation: invitation.invitation_id,
        link,
    }
}

#[tokio::test]
async fn opening_the_link_changes_nothing_and_its_button_accepts() {
    let system = System::start("accept_page").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let before = clients
        .received(&invited.ben, &invited.invitation)
        .await
        .expect("found");
    for _ in 0..3 {
        let page = http::get(&invited.link).await.expect("it answers");
        assert_eq!(page.status, 200);
        assert!(page.body.contains("Ada &lt;b&gt;Adler"), "{}", page.body);
        let head = reqwest::Client::new()
            .head(&invited.link)
            .send()
            .await
            .expect("it answers");
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["cache-control"], "no-store");
        assert_eq!(head.headers()["referrer-policy"], "no-referrer");
    }
    assert_eq!(
        clients
            .received(&invited.ben, &invited.invitation)
            .await
            .expect("found"),
        before
    );
    assert_eq!(before.state(), ReceivedState::Pending);

    let page = http::get(&invited.link).await.expect("it answers").body;
    let (form, button) = forms::button(&page, "Accept").expect("it has the button");
    let action = system.invitations.page(&form.action);
    for _ in 0..2 {
        let answer = http::post(&action, &form.fields(&button))
            .await
            .expect("it answers");
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("You are connected"), "{}", answer.body);
    }
    let sent = clients
        .sent(&invited.ada, &invited.invitation)
        .await
        .expect("found");
    assert_eq!(sent.state(), SentState::Accepted);
    assert_eq!(clients.connections(&invited.ben).await.expect("listed").len(), 1);
    assert!(
        http::get(&invited.link)
            .await
            .expect("it answers")
            .body
            .contains("You are connected")
    );
}

/// Presses the button `label` of the page behind the link, with more fields; answers the page that follows.
async fn press(system: &System, link: &str, label: &str, more: &[(&str, &str)]) -> http::Page {
    let page = http::get(link).await.expect("it answers").body;
    let (form, button) = forms::button(&page, label).expect("it has the button");
    let mut fields = form.fields(&button);
    fields.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    http::post(&system.invitations.page(&form.action), &fields)
        .await
        .expect("it answers")
}

#[tokio::test]
async fn its_other_buttons_ignore_and_reply_and_leave_it_to_be_accepted() {
    let system = System::start("ignore_page").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let state = async || {
        clients
            .received(&invited.ben, &invited.invitation)
            .await
            .expect("found")
            .state()
    };
    let wrong = press(&system, &invited.link, "Reply", &[("text", " \n ")]).await;
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.body.contains("A reply has 1 to 1,900 characters"),
        "{}",
        wrong.body
    );
    let long = "x".repeat(1_901);
    let wrong = press(&system, &invited.link, "Reply", &[("text", &long)]).await;
    assert!(
        wrong.status == 400 && wrong.body.contains(&long),
        "nothing that was written is lost"
    );
    let replied = press(
        &system,
        &invited.link,
        "Reply",
        &[("text", "Have we met?\r\nIn Oslo?")],
    )
    .await;
    assert!(
        replied.status == 200 && replied.body.contains("still open"),
        "{}",
        replied.body
    );
    assert_eq!(state().await, ReceivedState::Pending);
    let replies = clients
        .replies(&invited.ada, &invited.invitation)
        .await
        .expect("listed");
    assert_eq!(
        replies.iter().map(|reply| &*reply.text).collect::<Vec<_>>(),
        ["Have we met?\nIn Oslo?"]
    );

    let ignored = press(&system, &invited.link, "Ignore", &[]).await;
    assert_eq!(ignored.status, 200);
    assert!(
        forms::button(&ignored.body, "Ignore").is_none(),
        "{}",
        ignored.body
    );
    assert_eq!(state().await, ReceivedState::Ignored);
    let accepted = press(&system, &invited.link, "Accept", &[]).await;
    assert!(accepted.body.contains("You are connected"), "{}", accepted.body);
    assert_eq!(state().await, ReceivedState::Accepted);
    let again = http::get(&invited.link).await.expect("served");
    assert_eq!(
        (again.status, again.body.contains("You are connected")),
        (200, true)
    );

    // Once they have parted the link says nothing of a connection.
    let parted = clients.disconnect(&invited.ada, &invited.ben).await;
    parted.expect("parted");
    let link = http::get(&invited.link).await.expect("served");
    assert_eq!(
        (link.status, link.body.contains("connected")),
        (404, false),
        "{}",
        link.body
    );
}

/// The page at `url` as a browser gets it that asks for `language`.
async fn page_in(url: &str, language: &str) -> String {
    let request = reqwest::Client::new()
        .get(url)
        .header("accept-language", language);
    let answer = request.send().await.expect("it answers");
    answer.text().await.expect("it is text")
}

#[tokio::test]
async fn the_page_speaks_the_recipient_s_language_and_a_neutral_one_the_browser_s() {
    let system = System::start("page_language").await;
    let clients = system.clients();
    let invited = invited_in(&system, &clients, "ja-JP").await;
    let page = page_in(&invited.link, "fr").await;
    assert!(page.contains("<html lang=\"ja\">"), "{page}");
    assert!(
        page.contains("Ada &lt;b&gt;Adler&lt;&#x2f;b&gt;さんから"),
        "{page}"
    );
    let ignored = press(&system, &invited.link, "無視する", &[]).await;
    assert!(
        ignored.body.contains("送信者には知らされません"),
        "{}",
        ignored.body
    );

    clients.decline(&invited.ben, &invited.invitation).await;
    let (base, _) = invited.link.rsplit_once('/').expect("a link has a path");
    for (language, said) in [
        ("fr-CH, en;q=0.5", "Il n’y a rien à faire ici"),
        ("nl", "Nothing to do here"),
    ] {
        let neutral = page_in(&invited.link, language).await;
        assert!(neutral.contains(said), "{neutral}");
        assert_eq!(neutral, page_in(&format!("{base}/forged"), language).await);
    }
}

#[tokio::test]
async fn a_reply_s_button_pressed_twice_is_one_reply() {
    let system = System::start("reply_twice").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let page = http::get(&invited.link).await.expect("it answers").body;
    let (form, button) = forms::button(&page, "Reply").expect("it has the button");
    let mut fields = form.fields(&button);
    fields.push(("text".to_owned(), "Have we met?".to_owned()));
    for _ in 0..2 {
        let answer = http::post(&system.invitations.page(&form.action), &fields)
            .await
            .expect("it answers");
        assert_eq!(answer.status, 200);
    }
    let replies = clients
        .replies(&invited.ada, &invited.invitation)
        .await
        .expect("listed");
    assert_eq!(replies.len(), 1);
}

#[tokio::test]
async fn a_declined_invitation_s_link_shows_the_neutral_page() {
    let system = System::start("declined_link").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    clients.decline(&invited.ben, &invited.invitation).await;
    let page = http::get(&invited.link).await.expect("it answers");
    assert_eq!(page.status, 404);
    let (base, _) = invited.link.rsplit_once('/').expect("a link has a path");
    let neutral = http::get(&format!("{base}/forged")).await.expect("it answers");
    assert_eq!(page.body, neutral.body);
}

#[tokio::test]
async fn every_wrong_link_shows_the_same_page() {
    let system = System::start("wrong_link").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let (base, token) = invited.link.rsplit_once('/').expect("a link has a path");
    let mut altered = token.to_owned().into_bytes();
    altered[5] = if altered[5] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).expect("ASCII");
    let neutral = http::get(&format!("{base}/forged")).await.expect("it answers");
    assert_eq!(neutral.status, 404);
    for wrong in [
        &altered,
        &token[1..],
        &token[..20],
        "%00",
        "..%2f",
        "%ff",
        &"A".repeat(4_000),
    ] {
        for page in [
            http::get(&format!("{base}/{wrong}")).await.expect("it answers"),
            http::post(&format!("{base}/{wrong}/accept"), &[])
                .await
                .expect("it answers"),
            http::post(&format!("{base}/{wrong}/reply"), &[])
                .await
                .expect("it answers"),
        ] {
            assert_eq!((page.status, &page.body), (404, &neutral.body), "{wrong}");
        }
    }
    let received = clients
        .received(&invited.ben, &invited.invitation)
        .await
        .expect("found");
    assert_eq!(received.state(), ReceivedState::Pending);
}

#[tokio::test]
async fn a_link_s_token_accepts_for_its_recipient_only() {
    let system = System::start("link_token").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let token = invited
        .link
        .rsplit('/')
        .next()
        .expect("a link has a token")
        .to_owned();
    let forged = clients
        .accept_target(&invited.ben, Target::LinkToken("forged".to_owned()))
        .await;
    let foreign = clients
        .accept_target(&invited.ada, Target::LinkToken(token.clone()))
        .await;
    for refused in [forged, foreign] {
        let status = refused.expect_err("it is not theirs");
        assert_eq!(
            (status.code(), &*reason(&status)),
            (Code::NotFound, "INVITATION_NOT_FOUND")
        );
    }
    let accepted = clients
        .accept_target(&invited.ben, Target::LinkToken(token))
        .await
        .expect("it is theirs");
    assert_eq!(
        accepted.invitation.expect("named").invitation_id,
        invited.invitation
    );
}

#[tokio::test]
async fn without_an_acting_button_the_page_leads_to_the_inbox() {
    let system = System::start_with(
        "inbox_button",
        |launch| launch.flag("--accept-button", "inbox"),
        |n| n,
    )
    .await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let page = http::get(&invited.link).await.expect("it answers").body;
    assert!(forms::all(&page).is_empty(), "{page}");
    assert!(page.contains("product.example"), "{page}");
    let pressed = http::post(&format!("{}/accept", invited.link), &[])
        .await
        .expect("it answers");
    assert_eq!(pressed.status, 200);
    assert!(forms::all(&pressed.body).is_empty(), "{}", pressed.body);
    assert!(pressed.body.contains("product.example"), "{}", pressed.body);
    let received = clients
        .received(&invited.ben, &invited.invitation)
        .await
        .expect("found");
    assert_eq!(received.state(), ReceivedState::Pending);
}

/// A browser has the address of a pressed button in its bar.
#[tokio::test]
async fn the_address_of_a_button_shows_the_page_and_any_other_says_what_is_wrong() {
    let system = System::start("button_address").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    for act in ["accept", "ignore", "reply"] {
        let page = http::get(&format!("{}/{act}", invited.link))
            .await
            .expect("it answers");
        assert_eq!(page.status, 200);
        assert!(forms::button(&page.body, "Accept").is_some(), "{}", page.body);
    }
    let received = clients
        .received(&invited.ben, &invited.invitation)
        .await
        .expect("found");
    assert_eq!(received.state(), ReceivedState::Pending);
    let neutral = http::get(&system.invitations.page("/i/forged"))
        .await
        .expect("it answers");
    let beyond = http::get(&format!("{}/", invited.link))
        .await
        .expect("it answers");
    assert_eq!((beyond.status, &beyond.body), (404, &neutral.body));
    let posted = http::post(&invited.link, &[]).await.expect("it answers");
    assert_eq!((posted.status, &posted.body), (405, &neutral.body));
}

#[tokio::test]
async fn a_reply_that_is_not_committed_stays_on_the_page_and_is_one_when_sent_again() {
    let system = System::start("kept_reply").await;
    let clients = system.clients();
    let invited = invited(&system, &clients).await;
    let mut database = system.invitations_database.connect();
    database
        .batch_execute("ALTER TABLE reply RENAME TO hidden")
        .expect("it is ours");
    let text = "Have we <met>?";
    let page = http::get(&invited.link).await.expect("it answers").body;
    let (asked, button) = forms::button(&page, "Reply").expect("it has the button");
    let mut fields = asked.fields(&button);
    fields.push(("text".to_owned(), text.to_owned()));
    let action = system.invitations.page(&asked.action);
    let lost = http::post(&action, &fields).await.expect("it answers");
    assert_eq!(lost.status, 503);
    assert!(
        lost.body.contains("Have we &lt;met&gt;?</textarea>"),
        "{}",
        lost.body
    );
    database
        .batch_execute("ALTER TABLE hidden RENAME TO reply")
        .expect("it is ours");
    let (form, _) = forms::button(&lost.body, "Reply").expect("it has the button");
    assert_eq!(form, asked, "it is the same request");
    for time in ["first", "second"] {
        let sent = http::post(&action, &fields).await.expect("it answers");
        assert_eq!(sent.status, 200, "{time}: {}", sent.body);
    }
    let replies = clients
        .replies(&invited.ada, &invited.invitation)
        .await
        .expect("listed");
    assert_eq!(replies.len(), 1, "{replies:?}");
}
