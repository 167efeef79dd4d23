//! Emails that come back: what notifications are believed, and what they do.

use std::{fs, path::Path, time::Duration};

use futures_util::future::join_all;
use proto::notify::v1::{
    EmailState, ListSuppressionsRequest, ReportBounceResponse, SuppressionReason,
    remove_suppression_request::Which,
};
use tests::{
    clients::{id, reason, request},
    deliveries::{self, BOUNCED, Deliveries, NOTE, told},
    emails::{Post, address, initial},
    http,
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(
            "../../notify-svc/src/domain/bounce/samples/",
            $name,
            ".eml"
        ))
    };
}

/// Stands in them for its address.
const ADDRESS: &str = "ben@example.com";

async fn started(hint: &str) -> (Post, SmtpSink, Deliveries) {
    let sink = SmtpSink::start().await;
    let post = Post::start(hint, |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let deliveries = Deliveries::at(post.service.grpc());
    (post, sink, deliveries)
}

/// Sends a new email: its id and its address.
async fn sent(post: &Post) -> (String, String) {
    let email = initial();
    let email_id = post.queue(&email).await.expect("applied").email_id;
    post.until(&email, EmailState::Sent).await;
    (email_id, address(&email).to_owned())
}

fn about(sample: &str, email_id: &str) -> String {
    deliveries::bounce_of(sample, email_id)
}

async fn check(sample: &str, status: &str, dead: bool, words: &str) {
    let (post, _sink, deliveries) = started("bounce").await;
    let (email_id, address) = sent(&post).await;
    let expected = ReportBounceResponse {
        email_id: email_id.clone(),
        suppressed: dead,
    };
    for time in ["first", "second"] {
        let answer = deliveries.bounce(about(sample, &email_id)).await.expect("taken");
        assert_eq!(answer, expected, "{time}");
    }
    let (email, events) = deliveries.get(&email_id).await.expect("answered");
    assert_eq!(email.state(), EmailState::Sent, "what was sent stays sent");
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), ["250", status]);
    assert!(format!("{:?}", events[1]).contains(words), "{:?}", events[1]);
    let suppression = deliveries.suppression(&address).await;
    assert_eq!(suppression.is_some(), dead);
    if let Some(suppression) = suppression {
        assert_eq!(suppression.reason(), SuppressionReason::Bounced);
        assert_eq!(suppression.email_id, email_id);
        assert_eq!(suppression.diagnostic, status, "no word that could be an address");
    }
    // The address that a notification claims is nobody's proof.
    assert_eq!(deliveries.suppression(ADDRESS).await, None);
    assert_eq!(deliveries.suppression("ben@gmail.com").await, None);
}

#[tokio::test]
async fn an_address_that_a_notification_tells_to_be_dead_is_suppressed() {
    check(sample!("postfix"), "5.1.1", true, "User unknown").await;
    check(sample!("exchange"), "5.1.10", true, "RecipientNotFound").await;
    check(sample!("gmail"), "5.2.1", true, "is disabled").await;
}

#[tokio::test]
async fn a_full_mailbox_or_a_delay_is_only_written_down() {
    check(sample!("full"), "5.2.2", false, "Mailbox full").await;
    check(sample!("delayed"), "4.4.1", false, "timed out").await;
    let alive = sample!("postfix").replace("Action: failed", "Action: relayed");
    check(&alive, "5.1.1", false, "User unknown").await;
}

#[tokio::test]
async fn what_is_about_no_email_that_ever_left_does_nothing() {
    let (post, sink, deliveries) = started("bounce_foreign").await;
    let nothing = ReportBounceResponse::default();
    let unknown = about(sample!("postfix"), &id());
    assert_eq!(deliveries.bounce(unknown).await.expect("taken"), nothing);
    let of_others = sample!("exchange").replace(&format!("<{BOUNCED}@"), "<abc.def@");
    assert_eq!(deliveries.bounce(of_others).await.expect("taken"), nothing);
    sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    let email = initial();
    let email_id = post.queue(&email).await.expect("applied").email_id;
    while deliveries.get(&email_id).await.expect("answered").1.is_empty() {}
    let forged = about(sample!("postfix"), &email_id);
    assert_eq!(deliveries.bounce(forged).await.expect("taken"), nothing);
    assert_eq!(deliveries.suppression(address(&email)).await, None);
    let (_, events) = deliveries.get(&email_id).await.expect("answered");
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), ["450"]);
}

#[tokio::test]
async fn what_comes_back_before_its_end_is_written_counts() {
    let (post, sink, deliveries) = started("bounce_early").await;
    sink.script(At::Body, Fault::Wait);
    let email = initial();
    let email_id = post.queue(&email).await.expect("applied").email_id;
    sink.until(|sink| sink.waiting() == 1).await;
    let answer = deliveries
        .bounce(about(sample!("postfix"), &email_id))
        .await
        .expect("taken");
    let expected = ReportBounceResponse {
        email_id,
        suppressed: true,
    };
    assert_eq!(answer, expected);
    assert!(deliveries.suppression(address(&email)).await.is_some());
    sink.let_go();
    post.until(&email, EmailState::Sent).await;
}

#[tokio::test]
async fn an_address_that_was_let_go_stays_free_of_what_was_known_before() {
    let (post, _sink, deliveries) = started("lifted").await;
    let (email_id, address) = sent(&post).await;
    let bounce = about(sample!("postfix"), &email_id);
    deliveries.bounce(bounce.clone()).await.expect("taken");
    let found = deliveries
        .suppression(&address.to_uppercase())
        .await
        .expect("whatever its case");
    let which = Which::AddressSha256(found.address_sha256.clone());
    let lift = id();
    for time in ["first", "second"] {
        let removed = deliveries.remove_suppression(which.clone(), &lift).await;
        assert!(removed.expect("answered"), "{time}");
    }
    let by_address = Which::Address(address.clone());
    let again = deliveries.remove_suppression(by_address.clone(), &id()).await;
    assert!(!again.expect("answered"), "it is free already");
    let other = deliveries
        .remove_suppression(by_address, &lift)
        .await
        .expect_err("another request");
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
    let answer = deliveries.bounce(bounce.clone()).await.expect("taken");
    assert!(!answer.suppressed, "it says nothing new");
    let beside = "Final-Recipient: rfc822; other@example.com\nAction: failed\nStatus: 4.4.1\n\nFinal-Recipient: rfc822";
    let answer = deliveries
        .bounce(bounce.replacen("Final-Recipient: rfc822", beside, 1))
        .await;
    assert!(
        !answer.expect("taken").suppressed,
        "nothing new of a dead mailbox"
    );
    assert_eq!(deliveries.suppression(&address).await, None);
    let (_, events) = deliveries.get(&email_id).await.expect("answered");
    assert_eq!(
        events.iter().map(told).collect::<Vec<_>>(),
        ["250", "5.1.1", "RemoveSuppression", "4.4.1"]
    );
    assert!(format!("{:?}", events[2]).contains(NOTE));
    let (later, _) = {
        let mut email = initial();
        email.recipient.as_mut().expect("set").address = address.clone();
        let email_id = post.queue(&email).await.expect("applied").email_id;
        post.until(&email, EmailState::Sent).await;
        (email_id, email)
    };
    let news = deliveries
        .bounce(about(sample!("gmail"), &later))
        .await
        .expect("taken");
    assert!(news.suppressed, "what a later email tells is new");
}

#[tokio::test]
async fn suppressions_are_listed_the_latest_first_in_pages() {
    let (post, _sink, deliveries) = started("suppressions").await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        let (email_id, _) = sent(&post).await;
        deliveries
            .bounce(about(sample!("postfix"), &email_id))
            .await
            .expect("taken");
        expected.insert(0, email_id);
    }
    let mut message = ListSuppressionsRequest {
        page_size: 2,
        ..ListSuppressionsRequest::default()
    };
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let mut client = deliveries.client.clone();
        let page = client
            .list_suppressions(request(message.clone()))
            .await
            .expect("listed");
        let page = page.into_inner();
        sizes.push(page.suppressions.len());
        seen.extend(page.suppressions.into_iter().map(|found| found.email_id));
        if page.next_page_token.is_empty() {
            break;
        }
        message.page_token = page.next_page_token;
    }
    assert_eq!((seen, sizes), (expected, vec![2, 2, 1]));
    message.address = ADDRESS.to_owned();
    let other = deliveries
        .client
        .clone()
        .list_suppressions(request(message))
        .await;
    assert_eq!(reason(&other.expect_err("another list")), "INVALID_ARGUMENT");
}

fn maildir(directory: &Path) {
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(directory.join("bounces").join(part)).expect("there is room for files");
    }
}

/// Delivers as a mail server does: the message appears whole.
fn deliver(directory: &Path, name: &str, message: &[u8]) {
    let bounces = directory.join("bounces");
    let written = bounces.join("tmp").join(name);
    fs::write(&written, message).expect("written");
    fs::rename(written, bounces.join("new").join(name)).expect("renamed");
}

fn names(directory: &Path, part: &str) -> Vec<String> {
    let entries = fs::read_dir(directory.join("bounces").join(part)).expect("it is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("read").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

async fn until_read(directory: &Path) {
    for _ in 0..1_500 {
        if names(directory, "new").is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?} are left", names(directory, "new"));
}

/// Two processes on one folder: every notification is read, none is counted twice, noise is put aside by its name.
#[tokio::test]
async fn what_comes_into_the_folder_is_read_by_whoever_is_there() {
    let sink = SmtpSink::start().await;
    let post = Post::start("folder", |launch, directory| {
        maildir(directory);
        let folder = directory.join("bounces");
        launch.flag("--smtp-url", sink.url()).flag("--bounce-dir", folder)
    })
    .await;
    let deliveries = Deliveries::at(post.service.grpc());
    let flags = post.service.launch().flags.clone();
    let mut second = Launch::new("notify-svc", post.directory());
    second.flags = flags;
    second.log = post.directory().join("second.log");
    let second = second.start().await;
    let emails = join_all((0..40).map(|_| sent(&post))).await;
    for (email_id, _) in &emails {
        let bounce = about(sample!("postfix"), email_id);
        deliver(
            post.directory(),
            &format!("1795510801.{email_id}.mail"),
            bounce.as_bytes(),
        );
    }
    deliver(post.directory(), "noise", &[0, 159, 146, 150, 13, 10]);
    deliver(post.directory(), "long", &vec![b'x'; 300_000]);
    deliver(post.directory(), "qmail", sample!("qmail").as_bytes());
    deliver(post.directory(), "foreign", sample!("exchange").as_bytes());
    until_read(post.directory()).await;
    let read = names(post.directory(), "cur");
    assert_eq!(read.len(), 44);
    assert!(read.iter().all(|name| name.ends_with(":2,S")), "{read:?}");
    for (email_id, address) in &emails {
        let (_, events) = deliveries.get(email_id).await.expect("answered");
        assert_eq!(events.iter().map(told).collect::<Vec<_>>(), ["250", "5.1.1"]);
        assert!(deliveries.suppression(address).await.is_some());
    }
    let log = post.service.log() + &second.log();
    for name in ["noise", "long", "qmail"] {
        let named = log
            .lines()
            .any(|line| line.contains("\"WARN\"") && line.contains(&format!("/new/{name}")));
        assert!(named, "{name} is named");
    }
    assert!(!log.contains("/new/foreign"));
    let (_, address) = &emails[0];
    assert!(
        !log.contains(address) && !log.contains(ADDRESS),
        "no address is logged"
    );
}

#[tokio::test]
async fn what_came_while_nobody_was_there_is_read_later() {
    let sink = SmtpSink::start().await;
    let mut post = Post::start("folder_later", |launch, directory| {
        maildir(directory);
        let folder = directory.join("bounces");
        launch.flag("--smtp-url", sink.url()).flag("--bounce-dir", folder)
    })
    .await;
    let (email_id, address) = sent(&post).await;
    post.service.kill();
    let bounce = about(sample!("gmail"), &email_id);
    deliver(post.directory(), "while-down", bounce.as_bytes());
    post.service.restart().await;
    until_read(post.directory()).await;
    let deliveries = Deliveries::at(post.service.grpc());
    assert!(deliveries.suppression(&address).await.is_some());
    let page = http::get(&post.service.page("/metrics"))
        .await
        .expect("served")
        .body;
    assert!(page.contains("bounces_total{result=\"suppressed\"} 1"), "{page}");
}
