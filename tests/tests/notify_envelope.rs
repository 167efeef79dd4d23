//! What the mail server is told before the body: sender, recipient, encryption, login.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use proto::notify::v1::{EmailState, QueueEmail};
use tests::{
    emails::{Post, initial},
    http,
    processes::Launch,
    smtp_sink::{At, Certificate, Encryption, Fault, Received, SmtpSink},
};

const PATIENCE: Duration = Duration::from_secs(30);
const WITH_UTF8: &[&str] = &["8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN"];
const WITHOUT_UTF8: &[&str] = &["8BITMIME", "AUTH PLAIN LOGIN"];

fn initial_to(address: &str) -> QueueEmail {
    let mut email = initial();
    email.recipient.as_mut().expect("set").address = address.to_owned();
    email
}

async fn sent(sink: &SmtpSink, email: &QueueEmail, flags: &[(&str, &str)]) -> Received {
    let post = Post::start("envelope", |launch, _| {
        let launch = launch.flag("--smtp-url", sink.url());
        flags
            .iter()
            .fold(launch, |launch, (name, value)| launch.flag(name, *value))
    })
    .await;
    post.queue(email).await.expect("applied");
    post.until(email, EmailState::Sent).await;
    sink.received().remove(0)
}

#[derive(QueryableByName)]
struct Reply {
    #[diesel(sql_type = Text)]
    reply: String,
}

fn replies(post: &Post) -> Vec<String> {
    let found: Vec<Reply> = sql_query("SELECT reply FROM attempt ORDER BY n")
        .load(&mut post.database.connect())
        .expect("the history can be read");
    found.into_iter().map(|attempt| attempt.reply).collect()
}

#[tokio::test]
async fn where_one_server_lacks_smtputf8_the_email_waits_for_the_other_whatever_their_order() {
    for able_first in [true, false] {
        let able = SmtpSink::start_with(Encryption::None, WITH_UTF8).await;
        let unable = SmtpSink::start_with(Encryption::None, WITHOUT_UTF8).await;
        able.always(At::Connect, Fault::Drop);
        let mut urls = [unable.url(), able.url()];
        if able_first {
            urls.reverse();
        }
        let post = Post::start("utf8_other", |launch, _| {
            launch
                .flag("--smtp-url", urls.join(" "))
                .flag("--retry-delays", "0,0,0,0,0,0,0,0")
        })
        .await;
        let email = initial_to("jürgen@example.com");
        post.queue(&email).await.expect("applied");
        // Five lost connections pause a server.
        able.until(|able| able.connections() == 5).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(
            post.queue(&email).await.expect("known").state(),
            EmailState::Open,
            "able first: {able_first}"
        );
        able.mend();
        post.until(&email, EmailState::Sent).await;
        assert_eq!((able.copies(), unable.copies()), (1, 0));
        assert_eq!(replies(&post).len(), 6, "the pause burns nothing");
    }
}

#[tokio::test]
async fn an_address_of_another_script_asks_for_smtputf8_and_another_domain_alone_does_not() {
    let sink = SmtpSink::start_with(Encryption::None, WITH_UTF8).await;
    let received = sent(&sink, &initial_to("jürgen@bücher.example"), &[]).await;
    assert_eq!(received.to, "jürgen@xn--bcher-kva.example");
    assert_eq!(
        received.from,
        "<invitations@product.example> BODY=8BITMIME SMTPUTF8"
    );
    let text = String::from_utf8(received.bytes).expect("UTF-8");
    assert!(text.contains("<jürgen@xn--bcher-kva.example>"), "{text}");

    let sink = SmtpSink::start_with(Encryption::None, WITHOUT_UTF8).await;
    let received = sent(&sink, &initial_to("jurgen@bücher.example"), &[]).await;
    assert_eq!(received.to, "jurgen@xn--bcher-kva.example");
    assert_eq!(received.from, "<invitations@product.example>");
    assert!(received.bytes.is_ascii());
}

#[tokio::test]
async fn an_address_that_no_server_can_take_is_the_end_and_pauses_nobody() {
    let (first, second) = (
        SmtpSink::start_with(Encryption::None, WITHOUT_UTF8).await,
        SmtpSink::start_with(Encryption::None, WITHOUT_UTF8).await,
    );
    let post = Post::start("no_utf8", |launch, _| {
        launch.flag("--smtp-url", format!("{} {}", first.url(), second.url()))
    })
    .await;
    let email = initial_to("jürgen@example.com");
    post.queue(&email).await.expect("applied");
    post.until(&email, EmailState::Dead).await;
    assert!(replies(&post)[0].contains("SMTPUTF8"), "{:?}", replies(&post));
    assert_eq!(
        (first.connections(), second.connections()),
        (1, 1),
        "both were asked"
    );
    let next = initial();
    post.queue(&next).await.expect("applied");
    post.until(&next, EmailState::Sent).await;
    assert_eq!(first.copies(), 1);
    assert_eq!(first.connections(), 1, "the connection is as good as before");
}

#[tokio::test]
async fn an_address_that_only_the_second_server_can_take_goes_there() {
    let (first, second) = (
        SmtpSink::start_with(Encryption::None, WITHOUT_UTF8).await,
        SmtpSink::start_with(Encryption::None, WITH_UTF8).await,
    );
    sent(&second, &initial_to("jürgen@example.com"), &[]).await;
    let post = Post::start("one_utf8", |launch, _| {
        launch.flag("--smtp-url", format!("{} {}", first.url(), second.url()))
    })
    .await;
    let email = initial_to("jürgen@example.com");
    post.queue(&email).await.expect("applied");
    post.until(&email, EmailState::Sent).await;
    assert_eq!((first.copies(), second.copies()), (0, 2));
}

#[tokio::test]
async fn the_sender_names_the_email_where_bounces_have_an_address() {
    let sink = SmtpSink::start().await;
    let email = initial();
    let received = sent(&sink, &email, &[("--bounce-address", "bounces@returns.example")]).await;
    let text = String::from_utf8(received.bytes).expect("ASCII");
    let id = text
        .split("Message-ID: <")
        .nth(1)
        .and_then(|rest| rest.split('@').next())
        .expect("there is one")
        .replace('-', "");
    assert_eq!(received.from, format!("<bounces+{id}@returns.example>"));
    assert!(
        text.contains("From: Invitations <invitations@product.example>"),
        "{text}"
    );
}

/// A notify-svc that trusts `certificate` and logs in at `sink`.
async fn logs_in(sink: &SmtpSink, scheme: &str, certificate: &Certificate) -> Post {
    Post::start("logs_in", |launch: Launch, directory| {
        let ca_file = directory.join("ca.pem");
        certificate.write(&ca_file);
        launch
            .flag(
                "--smtp-url",
                format!("{scheme}://ada:pass%20word@{}", sink.addr()),
            )
            .flag("--smtp-ca-file", ca_file)
            .flag("--retry-delays", "0,0,0,0,0,0,0,0,0")
    })
    .await
}

async fn check_login(encryption: impl Fn(Certificate) -> Encryption, scheme: &str) {
    let certificate = Certificate::of("127.0.0.1");
    let sink = SmtpSink::start_with(encryption(certificate.clone()), WITH_UTF8).await;
    let post = logs_in(&sink, scheme, &certificate).await;
    let email = initial();
    post.queue(&email).await.expect("applied");
    post.until(&email, EmailState::Sent).await;
    let verbs = sink.verbs();
    assert!(verbs.contains(&"AUTH".to_owned()), "{verbs:?}");
    assert_eq!(
        verbs.contains(&"STARTTLS".to_owned()),
        scheme == "smtp",
        "{verbs:?}"
    );
}

#[tokio::test]
async fn a_login_goes_through_tls_from_the_first_byte() {
    check_login(Encryption::Implicit, "smtps").await;
}

#[tokio::test]
async fn a_login_goes_through_starttls() {
    check_login(Encryption::Starttls, "smtp").await;
}

async fn is_paused(post: &Post, sink: &SmtpSink) -> bool {
    let metrics = http::get(&post.service.page("/metrics"))
        .await
        .expect("served")
        .body;
    metrics.contains(&format!("smtp_relay_paused{{relay=\"{}\"}} 1", sink.addr()))
}

/// Queues an email that must not go out: until the server is paused, which takes less than half a
/// minute, nothing but `verbs` is said.
async fn check_nothing_is_said(sink: &SmtpSink, post: &Post, verbs: &[&str], reply: &str) {
    let email = initial();
    post.queue(&email).await.expect("applied");
    let end = Instant::now() + PATIENCE;
    while !is_paused(post, sink).await && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        post.queue(&email).await.expect("applied").state(),
        EmailState::Open
    );
    let said = sink.verbs();
    assert!(said.iter().all(|verb| verbs.contains(&verb.as_str())), "{said:?}");
    assert_eq!(sink.received().len(), 0);
    let replies = replies(post);
    assert!(replies[0].contains(reply), "{replies:?}");
}

#[tokio::test]
async fn a_server_that_is_greeted_once_only_gets_its_emails_all_the_same() {
    let sink = SmtpSink::start().await;
    sink.script(At::Ehlo, Fault::Slow(Duration::ZERO));
    sink.always(At::Ehlo, Fault::Reply("503 5.5.1 Already identified"));
    let email = initial();
    sent(&sink, &email, &[]).await;
    assert_eq!(sink.verbs(), ["EHLO", "MAIL", "RCPT", "DATA"]);
    assert_eq!(sink.connections(), 1);
}

#[tokio::test]
async fn where_starttls_was_taken_away_nothing_is_said() {
    let sink = SmtpSink::start_with(Encryption::None, WITH_UTF8).await;
    let post = logs_in(&sink, "smtp", &Certificate::of("127.0.0.1")).await;
    check_nothing_is_said(&sink, &post, &["EHLO"], "does not offer STARTTLS").await;
    assert_eq!(sink.connections(), 1, "once is enough");
}

#[tokio::test]
async fn a_server_that_somebody_else_vouches_for_is_told_nothing() {
    for (scheme, encryption) in [
        ("smtps", Encryption::Implicit(Certificate::of("127.0.0.1"))),
        ("smtp", Encryption::Starttls(Certificate::of("127.0.0.1"))),
    ] {
        let sink = SmtpSink::start_with(encryption, WITH_UTF8).await;
        let post = logs_in(&sink, scheme, &Certificate::of("127.0.0.1")).await;
        check_nothing_is_said(&sink, &post, &["EHLO", "STARTTLS"], "certificate").await;
        assert_eq!(sink.connections(), 5, "{scheme}: a lost connection, five times");
    }
}

#[tokio::test]
async fn a_server_of_another_name_is_told_nothing() {
    let certificate = Certificate::of("mail.example");
    let sink = SmtpSink::start_with(Encryption::Implicit(certificate.clone()), WITH_UTF8).await;
    let post = logs_in(&sink, "smtps", &certificate).await;
    check_nothing_is_said(&sink, &post, &[], "certificate").await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_the_relay_s_fault() {
    let certificate = Certificate::of("127.0.0.1");
    let sink = SmtpSink::start_with(Encryption::Starttls(certificate.clone()), WITH_UTF8).await;
    sink.always(At::Auth, Fault::Reply("535 5.7.8 wrong"));
    let post = logs_in(&sink, "smtp", &certificate).await;
    check_nothing_is_said(&sink, &post, &["EHLO", "STARTTLS", "AUTH", "QUIT"], "wrong").await;
    assert_eq!(sink.connections(), 1, "once is enough");
}
