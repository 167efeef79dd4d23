//! Sending: what the mail server says, and what becomes of the email.

use std::time::{Duration, Instant};

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{Integer, Nullable, SmallInt, Text},
};
use proto::notify::v1::{EmailState, QueueEmail, email_command::Command};
use tests::{
    emails::{Post, acceptance, address, initial, reminder, reply},
    http, mail,
    processes::Launch,
    smtp_sink::{At, Fault, Received, SmtpSink},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn quick(launch: Launch, sink: &SmtpSink) -> Launch {
    launch
        .flag("--smtp-url", sink.url())
        .flag("--retry-delays", "0,0,0")
}

/// What an attempt left behind.
#[derive(Debug, QueryableByName)]
struct Attempt {
    #[diesel(sql_type = Integer)]
    n: i32,
    #[diesel(sql_type = SmallInt)]
    step: i16,
    #[diesel(sql_type = Nullable<SmallInt>)]
    code: Option<i16>,
    #[diesel(sql_type = Text)]
    reply: String,
}

fn attempts(post: &Post, email_id: &str) -> Vec<Attempt> {
    sql_query("SELECT n, step, code, reply FROM attempt WHERE email_id = $1::uuid ORDER BY n")
        .bind::<Text, _>(email_id)
        .load(&mut post.database.connect())
        .expect("the history can be read")
}

/// One email meets `faults` and must end as `expected` after `given` bodies and with as many attempts as codes.
async fn check(
    hint: &str,
    faults: &[(At, Fault)],
    expected: EmailState,
    given: usize,
    codes: &[Option<i16>],
) {
    check_email(initial(), hint, faults, expected, given, codes).await;
}

/// As [`check`], for an email of another kind. Answers its history.
async fn check_email(
    email: QueueEmail,
    hint: &str,
    faults: &[(At, Fault)],
    expected: EmailState,
    given: usize,
    codes: &[Option<i16>],
) -> Vec<Attempt> {
    let sink = SmtpSink::start().await;
    for (at, fault) in faults {
        sink.script(*at, *fault);
    }
    let post = Post::start(hint, |launch, _| quick(launch, &sink)).await;
    let queued = post.queue(&email).await.expect("applied");
    post.until(&email, expected).await;
    assert_eq!(sink.unmet(), 0, "every fault was met");
    let received = sink.received();
    assert_eq!(received.len(), given);
    assert!(
        received.windows(2).all(|pair| pair[0].bytes == pair[1].bytes),
        "identical bytes"
    );
    let attempts = attempts(&post, &queued.email_id);
    let found: Vec<Option<i16>> = attempts.iter().map(|attempt| attempt.code).collect();
    assert_eq!(found, codes, "{attempts:?}");
    assert!(attempts.windows(2).all(|pair| pair[0].n < pair[1].n));
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.step > 0 && !attempt.reply.is_empty()),
        "{attempts:?}"
    );
    attempts
}

#[tokio::test]
async fn a_4xx_is_tried_again_wherever_it_comes() {
    let faults = [
        (At::Mail, Fault::Reply("451 4.3.0 later")),
        (At::Rcpt, Fault::Reply("450 4.2.1 later")),
        (At::Body, Fault::Reply("452 4.3.1 full")),
    ];
    check(
        "later",
        &faults,
        EmailState::Sent,
        2,
        &[Some(451), Some(450), Some(452), Some(250)],
    )
    .await;
}

#[tokio::test]
async fn too_many_4xx_are_the_end() {
    let faults = [(At::Rcpt, Fault::Reply("450 later")); 4];
    check("too_many", &faults, EmailState::Dead, 0, &[Some(450); 4]).await;
}

/// A mail server that says so to everything shows in no age, because each email's time moves on, and in no pause.
#[tokio::test]
async fn what_a_mail_server_puts_off_counts_as_delayed() {
    let sink = SmtpSink::start().await;
    sink.always(At::Rcpt, Fault::Reply("451 4.3.0 later"));
    let post = Post::start("delayed", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "3600")
            .flag("--lease-seconds", "1")
    })
    .await;
    let emails = [initial(), initial(), reply()];
    let commands = emails.iter().cloned().map(Command::Queue).collect();
    post.apply(commands).await.expect("applied");
    let end = Instant::now() + PATIENCE;
    loop {
        let metrics = http::get(&post.service.page("/metrics")).await.expect("served");
        let is_there = |line: &str| metrics.body.lines().any(|found| found == line);
        if is_there("emails_delayed{kind=\"initial\"} 2")
            && is_there("emails_delayed{kind=\"reply\"} 1")
            && is_there("emails_delayed{kind=\"reminder\"} 0")
        {
            return;
        }
        assert!(Instant::now() < end, "{}", metrics.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_5xx_is_the_end() {
    check(
        "refused",
        &[(At::Rcpt, Fault::Reply("550 5.1.1 nobody"))],
        EmailState::Dead,
        0,
        &[Some(550)],
    )
    .await;
    check(
        "refused",
        &[(At::Body, Fault::Reply("554 no"))],
        EmailState::Dead,
        1,
        &[Some(554)],
    )
    .await;
}

#[tokio::test]
async fn a_connection_lost_before_the_body_is_tried_again() {
    let faults = [
        (At::Mail, Fault::Drop),
        (At::Rcpt, Fault::Drop),
        (At::Data, Fault::Drop),
    ];
    check(
        "lost_before",
        &faults,
        EmailState::Sent,
        1,
        &[None, None, None, Some(250)],
    )
    .await;
}

#[tokio::test]
async fn a_connection_lost_after_the_body_is_resent_once_with_the_same_bytes() {
    check(
        "lost_after",
        &[(At::Body, Fault::Drop)],
        EmailState::Sent,
        2,
        &[None, Some(250)],
    )
    .await;
}

#[tokio::test]
async fn a_second_loss_after_the_body_leaves_the_email_uncertain() {
    let faults = [(At::Body, Fault::Drop); 2];
    check("lost_twice", &faults, EmailState::Uncertain, 2, &[None, None]).await;
}

#[tokio::test]
async fn a_reply_email_whose_connection_is_lost_after_the_body_is_resent_once_with_the_same_bytes() {
    let faults = [(At::Body, Fault::Drop)];
    let codes = [None, Some(250)];
    check_email(reply(), "reply_lost", &faults, EmailState::Sent, 2, &codes).await;
}

#[tokio::test]
async fn a_reminder_whose_connection_is_lost_after_the_body_counts_as_sent_and_is_not_sent_twice() {
    let faults = [(At::Body, Fault::Drop)];
    let attempts = check_email(reminder(), "reminder_lost", &faults, EmailState::Sent, 1, &[None]).await;
    assert!(
        attempts[0].reply.starts_with("in doubt, counts as sent"),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn a_reminder_that_was_certainly_not_taken_is_tried_again() {
    let faults = [
        (At::Mail, Fault::Drop),
        (At::Rcpt, Fault::Reply("450 4.2.1 later")),
        (At::Body, Fault::Reply("452 4.3.1 full")),
    ];
    let codes = [None, Some(450), Some(452), Some(250)];
    check_email(reminder(), "reminder_later", &faults, EmailState::Sent, 2, &codes).await;
}

#[tokio::test]
async fn an_email_waits_for_a_mail_server_that_is_down() {
    let sink = SmtpSink::start().await;
    let addr = sink.addr();
    drop(sink);
    let post = Post::start("relay_down", |launch, _| {
        launch
            .flag("--smtp-url", format!("smtp://{addr}"))
            .flag("--retry-delays", "0,1,1,1,1,1,1,1,1,1,1,1")
    })
    .await;
    let email = initial();
    let queued = post.queue(&email).await.expect("applied");
    while attempts(&post, &queued.email_id).is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sink = SmtpSink::start_at(addr).await.expect("its port is free again");
    post.until(&email, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn an_email_whose_event_is_too_old_expires() {
    let sink = SmtpSink::start().await;
    let post = Post::start("expired", |launch, _| quick(launch, &sink)).await;
    for (new, hours) in [
        (initial as fn() -> QueueEmail, 48),
        (reminder, 14 * 24),
        (acceptance, 30 * 24),
        (reply, 30 * 24),
    ] {
        for (age, expected) in [(hours - 1, EmailState::Sent), (hours + 1, EmailState::Expired)] {
            let mut late = new();
            if let Some(at) = &mut late.event_time {
                at.seconds -= age * 3_600;
            }
            post.queue(&late).await.expect("applied");
            post.until(&late, expected).await;
        }
    }
    assert_eq!(sink.received().len(), 4);
}

#[tokio::test]
async fn what_arrives_by_smtp_is_read_by_an_independent_parser() {
    let sink = SmtpSink::start().await;
    let post = Post::start("read_smtp", |launch, _| quick(launch, &sink)).await;
    let email = acceptance();
    let queued = post.queue(&email).await.expect("applied");
    let received: Vec<Received> = sink.until_received(1).await;
    assert_eq!(received[0].to, address(&email));
    let read = mail::Email::parse(&received[0].bytes).expect("an email");
    check_acceptance(&read, &queued.email_id, &email);
}

#[tokio::test]
async fn what_arrives_in_the_folder_is_read_by_an_independent_parser() {
    let post = Post::start("read_folder", |launch, directory| {
        launch.flag("--mail-dir", directory)
    })
    .await;
    let email = acceptance();
    let queued = post.queue(&email).await.expect("applied");
    let read = mail::wait_for(post.directory(), address(&email), PATIENCE)
        .await
        .expect("it arrives");
    check_acceptance(&read, &queued.email_id, &email);
    post.until(&email, EmailState::Sent).await;
    let name = format!("{}.eml", queued.email_id);
    assert!(
        post.directory().join(name).is_file(),
        "its file is named by its id"
    );
}

#[tokio::test]
async fn a_reminder_and_a_reply_arrive_with_all_that_they_say() {
    let post = Post::start("read_kinds", |launch, directory| {
        launch.flag("--mail-dir", directory)
    })
    .await;
    for (email, subject, text, html) in [
        (
            reminder(),
            "Ada Adler’s invitation is still waiting for you",
            vec![
                "> We met in Oslo.",
                "https://product.example/i/token",
                "https://product.example/members/ada",
                "https://product.example/inbox/1",
                "At most one more reminder will follow.",
            ],
            vec![
                "<h1>Ada Adler&#8217;s invitation is still waiting for you</h1>",
                ">We met in Oslo.</blockquote>",
                "At most one more reminder will follow.",
            ],
        ),
        (
            reply(),
            "Ada Adler replied to your invitation",
            vec![
                "> Where do we know each other from?",
                "Your invitation is still open",
                "https://product.example/sent/1",
                "https://product.example/members/ada",
            ],
            vec![
                "<h1>Ada Adler replied to your invitation</h1>",
                ">Where do we know each other from?</blockquote>",
                "Your invitation is still open",
            ],
        ),
    ] {
        let queued = post.queue(&email).await.expect("applied");
        let read = mail::wait_for(post.directory(), address(&email), PATIENCE)
            .await
            .expect("it arrives");
        check_read(&read, &queued.email_id, &email, subject, &text, &html);
    }
}

fn check_acceptance(read: &mail::Email, email_id: &str, email: &QueueEmail) {
    let text = [
        "https://product.example/members/ada",
        "ada@example.com",
        "Ada Adler has 12 connections, including Cleo and Dan.",
        "You have 2 of them in common.",
    ];
    let html = [
        "mailto:ada@example.com",
        "Ada Adler has 12 connections, including Cleo and Dan.",
        "You have 2 of them in common.",
    ];
    let subject = "Ada Adler accepted your invitation";
    check_read(read, email_id, email, subject, &text, &html);
}

fn check_read(
    read: &mail::Email,
    email_id: &str,
    email: &QueueEmail,
    subject: &str,
    text: &[&str],
    html: &[&str],
) {
    assert_eq!(read.to, address(email));
    assert_eq!(read.subject, subject);
    assert_eq!(read.message_id, format!("{email_id}@product.example"));
    assert!(read.raw.contains("Auto-Submitted: auto-generated\r\n"));
    for part in text {
        assert!(read.text.contains(part), "text: {part}\n{}", read.text);
    }
    for part in html {
        assert!(read.html.contains(part), "HTML: {part}\n{}", read.html);
    }
    let pages = "http://127.0.0.1:";
    let settings = read
        .link(pages)
        .expect("each email leads to the reader's settings");
    assert!(settings.contains("/settings/"), "{settings}");
}

#[tokio::test]
async fn connections_are_reused_and_every_accepted_email_has_one_outcome() {
    let sink = SmtpSink::start().await;
    sink.script(At::Rcpt, Fault::Reply("550 nobody"));
    let post = Post::start("outcomes", |launch, _| quick(launch, &sink)).await;
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(200).collect();
    post.apply(emails.iter().cloned().map(Command::Queue).collect())
        .await
        .expect("applied");
    for email in &emails {
        while post.queue(email).await.expect("applied").state() == EmailState::Open {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(sink.received().len(), 199);
    assert!(
        sink.connections() <= 2 * 16,
        "{} connections for 200 emails",
        sink.connections()
    );
    post.until_metrics(&[
        "emails_accepted_total{kind=\"initial\"} 200",
        "emails_outcome_total{kind=\"initial\",outcome=\"sent\"} 199",
        "emails_outcome_total{kind=\"initial\",outcome=\"dead\"} 1",
    ])
    .await;
}
