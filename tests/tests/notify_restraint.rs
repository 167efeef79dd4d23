//! How much a reader gets: not in their night, so many a day, reminders put together, nothing to a dead address.

use std::{collections::HashMap, time::Duration};

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt};
use proto::notify::v1::{
    EmailState, QueueEmail, email_command::Command, email_command_result::Result as Told,
};
use shell::clock::Clock;
use tests::{
    clients::id,
    deliveries::{Deliveries, bounce_of},
    emails::{Post, acceptance, address, initial, reminder, reply},
    processes::Launch,
    smtp_sink::{At, Fault, SmtpSink},
};

/// The email, to another reader.
fn to(member_id: &str, mut email: QueueEmail) -> QueueEmail {
    if let Some(recipient) = &mut email.recipient {
        recipient.member_id = member_id.to_owned();
    }
    email
}

fn queue(emails: &[QueueEmail]) -> Vec<Command> {
    emails.iter().cloned().map(Command::Queue).collect()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many rows of `due` there are with this about them.
fn due(post: &Post, about: &str) -> i64 {
    let count = sql_query(format!("SELECT count(*) AS count FROM due WHERE {about}"));
    let count: Count = count.get_result(&mut post.database.connect()).expect("counted");
    count.count
}

fn change(post: &Post, script: &str) {
    post.database.connect().batch_execute(script).expect("changed");
}

async fn until_due(post: &Post, about: &str, count: i64) {
    for _ in 0..1_500 {
        if due(post, about) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} emails are due with {about}, not {count}", due(post, about));
}

fn quick(launch: Launch, sink: &SmtpSink) -> Launch {
    launch
        .flag("--smtp-url", sink.url())
        .flag("--retry-delays", "0,0")
}

#[tokio::test]
async fn a_reader_gets_no_more_than_the_cap_of_a_day_from_two_processes() {
    let sink = SmtpSink::start().await;
    let capped = |launch: Launch| quick(launch, &sink).flag("--daily-cap", "3");
    let first = Post::start("cap", |launch, _| capped(launch)).await;
    let second = Post::at(first.database.clone(), |launch, _| capped(launch)).await;
    let kinds = [initial, acceptance, reply, initial, acceptance, reply];
    let readers: Vec<String> = (0..40).map(|_| id()).collect();
    let emails: Vec<QueueEmail> = kinds
        .iter()
        .flat_map(|new| readers.iter().map(|reader| to(reader, new())))
        .collect();
    let (half, rest) = emails.split_at(emails.len() / 2);
    let (one, other) = tokio::join!(first.apply(queue(half)), second.apply(queue(rest)));
    one.and(other).expect("applied");
    sink.until_received(120).await;
    until_due(
        &first,
        "lease_until IS NULL AND run_at > now() + interval '23 hours'",
        120,
    )
    .await;
    let mut got: HashMap<&str, usize> = HashMap::new();
    let reader_of: HashMap<&str, &str> = emails
        .iter()
        .map(|email| {
            (
                address(email),
                email.recipient.as_ref().expect("set").member_id.as_str(),
            )
        })
        .collect();
    let received = sink.received();
    for email in &received {
        *got.entry(reader_of[email.to.as_str()]).or_default() += 1;
    }
    assert_eq!(got.len(), 40);
    assert!(got.values().all(|count| *count == 3), "{got:?}");
    // A day later the others go out; nothing is lost.
    change(
        &first,
        "UPDATE reader SET sent_at = ARRAY(SELECT at - interval '1 day' FROM unnest(sent_at) AS at);
         UPDATE due SET run_at = now()",
    );
    assert_eq!(sink.until_received(240).await.len(), 240);
    until_due(&first, "true", 0).await;
}

#[tokio::test]
async fn three_reminders_that_wait_become_one_email() {
    let sink = SmtpSink::start().await;
    let post = Post::start("digest", |launch, _| quick(launch, &sink)).await;
    let reader = id();
    let reminders: Vec<QueueEmail> = (0..3).map(|_| to(&reader, reminder())).collect();
    let initial = to(&reader, initial());
    post.apply(queue(&reminders)).await.expect("applied");
    for reminder in &reminders {
        post.until(reminder, EmailState::Sent).await;
    }
    assert_eq!(sink.received().len(), 1);
    // Other kinds are none of it.
    post.apply(queue(std::slice::from_ref(&initial)))
        .await
        .expect("applied");
    post.until(&initial, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 2);
}

#[tokio::test]
async fn a_new_reminder_costs_those_that_wait_for_their_next_try_none() {
    let sink = SmtpSink::start().await;
    sink.always(At::Rcpt, Fault::Reply("451 4.3.0 later"));
    let post = Post::start("retried_digest", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "3600,3600")
    })
    .await;
    let reader = id();
    let reminders: Vec<QueueEmail> = (0..3).map(|_| to(&reader, reminder())).collect();
    post.apply(queue(&reminders)).await.expect("applied");
    until_due(&post, "failures = 1 AND lease_until IS NULL", 3).await;
    post.queue(&to(&reader, reminder())).await.expect("applied");
    until_due(&post, "failures = 1 AND lease_until IS NULL", 4).await;
    assert_eq!(
        sink.verbs().iter().filter(|verb| *verb == "RCPT").count(),
        2,
        "together, then the new one"
    );
}

#[tokio::test]
async fn the_third_reminder_of_a_week_waits_for_its_end_and_for_the_others() {
    let sink = SmtpSink::start().await;
    let post = Post::start("week", |launch, _| quick(launch, &sink)).await;
    let reader = id();
    for _ in 0..2 {
        let alone = to(&reader, reminder());
        post.queue(&alone).await.expect("applied");
        post.until(&alone, EmailState::Sent).await;
    }
    let later: Vec<QueueEmail> = (0..4).map(|_| to(&reader, reminder())).collect();
    for reminder in &later {
        post.queue(reminder).await.expect("applied");
    }
    until_due(
        &post,
        "lease_until IS NULL AND run_at > now() + interval '6 days'",
        4,
    )
    .await;
    assert_eq!(sink.received().len(), 2);
    change(
        &post,
        "UPDATE reader SET reminded_at = ARRAY(SELECT at - interval '7 days' FROM unnest(reminded_at) AS at);
         UPDATE due SET run_at = now() WHERE email_id = (SELECT min(email_id::text)::uuid FROM due)",
    );
    for reminder in &later {
        post.until(reminder, EmailState::Sent).await;
    }
    assert_eq!(sink.received().len(), 3);
}

#[tokio::test]
async fn a_reminder_in_its_body_counts_once() {
    let sink = SmtpSink::start().await;
    let post = Post::start("in_body", |launch, _| quick(launch, &sink)).await;
    let reader = id();
    let [first, second] = [to(&reader, reminder()), to(&reader, reminder())];
    sink.script(At::Body, Fault::Wait);
    post.queue(&first).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    post.queue(&second).await.expect("applied");
    post.until(&second, EmailState::Sent).await;
    assert_eq!(sink.waiting(), 1);
    sink.let_go();
    post.until(&first, EmailState::Sent).await;
}

#[tokio::test]
async fn what_a_server_did_not_take_is_no_reminder_that_its_reader_got() {
    let sink = SmtpSink::start().await;
    let post = Post::start("not_taken", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "0,0,0")
    })
    .await;
    for together in [1, 3] {
        let reader = id();
        let reminders: Vec<QueueEmail> = (0..together).map(|_| to(&reader, reminder())).collect();
        for _ in 0..3 {
            sink.script(At::Body, Fault::Reply("451 4.7.1 greylisted"));
        }
        post.apply(queue(&reminders)).await.expect("applied");
        for one in &reminders {
            post.until(one, EmailState::Sent).await;
        }
        assert_eq!(sink.unmet(), 0);
        let got: Count = sql_query(
            "SELECT cardinality(reminded_at)::bigint AS count FROM reader WHERE member_id = $1::uuid",
        )
        .bind::<diesel::sql_types::Text, _>(&reader)
        .get_result(&mut post.database.connect())
        .expect("counted");
        assert_eq!(got.count, together);
    }
}

/// Whoever sends them, and however they meet: within a week a reader gets two reminders, or one email with all of them.
#[tokio::test]
async fn two_processes_remind_a_reader_no_more_often_than_one() {
    let sink = SmtpSink::start().await;
    let first = Post::start("remind_race", |launch, _| quick(launch, &sink)).await;
    let second = Post::at(first.database.clone(), |launch, _| quick(launch, &sink)).await;
    let readers: Vec<String> = (0..30).map(|_| id()).collect();
    let emails: Vec<QueueEmail> = (0..5)
        .flat_map(|_| readers.iter().map(|reader| to(reader, reminder())))
        .collect();
    for (at, batch) in emails.chunks(10).enumerate() {
        let post = if at % 2 == 0 { &first } else { &second };
        post.apply(queue(batch)).await.expect("applied");
    }
    let put_off = "run_at > now() + interval '6 days'";
    let is_settled = |post: &Post| due(post, "true") == due(post, put_off);
    while !is_settled(&first) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reader_of: HashMap<&str, &str> = emails
        .iter()
        .map(|email| {
            (
                address(email),
                email.recipient.as_ref().expect("set").member_id.as_str(),
            )
        })
        .collect();
    let mut got: HashMap<&str, usize> = HashMap::new();
    let received = sink.received();
    for email in &received {
        *got.entry(reader_of[email.to.as_str()]).or_default() += 1;
    }
    assert_eq!(got.len(), 30);
    assert!(got.values().all(|count| *count <= 2), "{got:?}");
}

/// Each is judged while none of the others has gone out: only the mark can know. The reader is met before: of the first
/// two emails ever to one reader, marked at once, the mark takes one and has the other judged anew.
#[tokio::test]
async fn of_three_reminders_on_their_way_at_once_two_go_out() {
    let sink = SmtpSink::start().await;
    let post = Post::start("at_once", |launch, _| quick(launch, &sink)).await;
    let reader = id();
    let before = to(&reader, acceptance());
    post.queue(&before).await.expect("applied");
    post.until(&before, EmailState::Sent).await;
    for under_way in 1..=3 {
        sink.script(At::Data, Fault::Wait);
        post.queue(&to(&reader, reminder())).await.expect("applied");
        sink.until(|sink| sink.waiting() == under_way).await;
        assert_eq!(sink.waiting(), under_way);
    }
    sink.let_go();
    until_due(
        &post,
        "lease_until IS NULL AND run_at > now() + interval '6 days'",
        1,
    )
    .await;
    until_due(&post, "true", 1).await;
    assert_eq!(sink.received().len(), 3);
}

/// Reminders of one reader that wait for each other; the address is where each was queued for.
async fn waiting(post: &Post, addresses: &[&str]) -> Vec<QueueEmail> {
    let reader = id();
    let just_reminded =
        format!("INSERT INTO reader (member_id, reminded_at) VALUES ('{reader}', ARRAY[now(), now()])");
    change(post, &just_reminded);
    let mut reminders = Vec::new();
    for address in addresses {
        let mut email = to(&reader, reminder());
        if let Some(recipient) = &mut email.recipient {
            recipient.address = (*address).to_owned();
        }
        post.queue(&email).await.expect("applied");
        reminders.push(email);
    }
    let put_off = format!("member_id = '{reader}' AND run_at > now() + interval '6 days'");
    until_due(post, &put_off, i64::try_from(addresses.len()).expect("few")).await;
    reminders
}

/// From now on their week is over.
fn let_go(post: &Post) {
    change(
        post,
        "UPDATE reader SET reminded_at = '{}'; UPDATE due SET run_at = now()",
    );
}

#[tokio::test]
async fn reminders_put_together_go_to_the_newest_address_and_tell_of_no_other() {
    let sink = SmtpSink::start().await;
    let post = Post::start("digest_moved", |launch, _| quick(launch, &sink)).await;
    let deliveries = Deliveries::at(post.service.grpc());
    let addresses = ["ben@old.example", "ben@new.example", "ben@new.example"];
    let reminders = waiting(&post, &addresses).await;
    let_go(&post);
    for reminder in &reminders {
        post.until(reminder, EmailState::Sent).await;
    }
    let received = sink.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].to, "ben@new.example");

    let reminders = waiting(&post, &addresses).await;
    sink.script(At::Rcpt, Fault::Reply("550 5.1.1 nobody"));
    let_go(&post);
    for reminder in &reminders {
        post.until(reminder, EmailState::Dead).await;
    }
    assert!(deliveries.suppression("ben@new.example").await.is_some());
    assert!(
        deliveries.suppression("ben@old.example").await.is_none(),
        "nobody tried it"
    );
}

#[tokio::test]
async fn what_comes_back_of_reminders_put_together_tells_of_the_address_they_went_to() {
    let sink = SmtpSink::start().await;
    let post = Post::start("digest_back", |launch, _| quick(launch, &sink)).await;
    let deliveries = Deliveries::at(post.service.grpc());
    let reminders = waiting(&post, &["ben@old.example", "ben@new.example", "ben@new.example"]).await;
    let_go(&post);
    for reminder in &reminders {
        post.until(reminder, EmailState::Sent).await;
    }
    let message_id = tests::mail::Email::parse(&sink.received()[0].bytes)
        .expect("an email")
        .message_id;
    let email_id = message_id.split('@').next().expect("it has a first part");
    let sample = include_str!("../../notify-svc/src/domain/bounce/samples/postfix.eml");
    let told = deliveries.bounce(bounce_of(sample, email_id)).await;
    assert!(told.expect("taken").suppressed);
    assert!(deliveries.suppression("ben@new.example").await.is_some());
    assert!(
        deliveries.suppression("ben@old.example").await.is_none(),
        "nothing went there"
    );
}

#[tokio::test]
async fn a_reminder_that_is_cancelled_on_its_way_is_left_out_of_the_email() {
    for left_out in 0..4 {
        check_left_out(left_out).await;
    }
}

/// One of four reminders, in the order of their ids, is cancelled once a mail server waits for the body.
async fn check_left_out(left_out: usize) {
    let is_newest = left_out == 3;
    let sink = SmtpSink::start().await;
    let post = Post::start("digest_cancel", |launch, _| {
        quick(launch, &sink).flag("--bounce-address", "bounces@product.example")
    })
    .await;
    let reader = id();
    let mut reminders: Vec<QueueEmail> = (0..4).map(|_| to(&reader, reminder())).collect();
    for (number, email) in (1..).zip(&mut reminders) {
        if let Some(proto::notify::v1::queue_email::Content::Reminder(content)) = &mut email.content {
            content.accept_url = format!("https://product.example/i/{number}");
        }
    }
    sink.script(At::Data, Fault::Wait);
    let told = post.apply(queue(&reminders)).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    let email_id = |told: &Told| match told {
        Told::Queue(queued) => queued.email_id.clone(),
        Told::Cancel(_) => panic!("only emails were queued"),
    };
    let mut by_id: Vec<(String, usize)> = told.iter().map(email_id).zip(0..).collect();
    by_id.sort();
    let (_, left_out) = by_id.remove(left_out);
    let counts = post
        .cancel(&reminders[left_out].invitation_id, 2)
        .await
        .expect("applied");
    assert_eq!(counts, (1, 0, 0));
    sink.let_go();
    for (at, reminder) in reminders.iter().enumerate() {
        let expected = if at == left_out {
            EmailState::Cancelled
        } else {
            EmailState::Sent
        };
        post.until(reminder, expected).await;
    }
    let received = sink.received();
    assert_eq!(received.len(), 1);
    let read = tests::mail::Email::parse(&received[0].bytes).expect("an email");
    for at in 0..4 {
        let is_there = read
            .text
            .contains(&format!("https://product.example/i/{}", at + 1));
        assert_eq!(is_there, at != left_out, "{at}:\n{}", read.text);
    }
    // What comes back is about an email that went out, and the newest one's address is where it went.
    let (id, newest) = &by_id[2];
    let sender = format!("<bounces+{}@product.example>", id.replace('-', ""));
    assert_eq!(
        (&*received[0].from, &*received[0].to),
        (&*sender, address(&reminders[*newest]))
    );
    assert!(read.message_id.contains(id.as_str()), "{}", read.message_id);
    // Where that is as before, the mail server need not be told anew.
    assert_eq!(sink.connections(), 1 + usize::from(is_newest));
}

/// What is left out of a message is written down, however long that takes, beside the others' body.
#[tokio::test]
async fn the_rest_of_a_message_does_not_wait_until_it_is_written_what_was_left_out() {
    let sink = SmtpSink::start().await;
    let post = Post::start("digest_unwritten", |launch, _| quick(launch, &sink)).await;
    let reader = id();
    let reminders: Vec<QueueEmail> = (0..3).map(|_| to(&reader, reminder())).collect();
    sink.script(At::Data, Fault::Wait);
    post.apply(queue(&reminders)).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    post.cancel(&reminders[0].invitation_id, 2)
        .await
        .expect("applied");
    let mut blocking = post.database.connect();
    // The mark needs no history, every end does.
    blocking
        .batch_execute("BEGIN; LOCK TABLE attempt IN ACCESS EXCLUSIVE MODE")
        .expect("locked");
    sink.let_go();
    let received = sink.until_received(1).await;
    blocking.batch_execute("COMMIT").expect("let go");
    assert_eq!(received.len(), 1);
    for reminder in &reminders[1..] {
        post.until(reminder, EmailState::Sent).await;
    }
}

#[tokio::test]
async fn what_a_reader_switches_off_on_the_way_does_not_go_out() {
    let sink = SmtpSink::start().await;
    let post = Post::start("late_choice", |launch, _| quick(launch, &sink)).await;
    // Who wants no emails about invitations wants no reminders of them either.
    for (email, off) in [(acceptance(), 3), (reminder(), 2), (reminder(), 1)] {
        let reader = id();
        let email = to(&reader, email);
        sink.script(At::Data, Fault::Wait);
        post.queue(&email).await.expect("applied");
        sink.until(|sink| sink.waiting() == 1).await;
        change(
            &post,
            &format!("INSERT INTO reader (member_id, off) VALUES ('{reader}', '{{{off}}}')"),
        );
        sink.let_go();
        post.until(&email, EmailState::PreferenceOff).await;
    }
    assert_eq!(sink.received().len(), 0);
}

/// Two hours around now, in UTC.
fn around_now() -> String {
    let hour = |offset: i64| (Clock::system().now().as_second() / 3_600 + offset).rem_euclid(24);
    format!("{:02}:00-{:02}:59", hour(-1), hour(1))
}

#[tokio::test]
async fn nobody_gets_an_email_in_their_night() {
    let sink = SmtpSink::start().await;
    let post = Post::start("night", |launch, _| {
        quick(launch, &sink).flag("--quiet-hours", around_now())
    })
    .await;
    let in_zone = |zone: &str| {
        let mut email = initial();
        if let Some(recipient) = &mut email.recipient {
            recipient.time_zone = zone.to_owned();
        }
        email
    };
    let (night, day) = (in_zone("UTC"), in_zone("Pacific/Auckland"));
    post.apply(queue(&[night.clone(), day.clone()]))
        .await
        .expect("applied");
    post.until(&day, EmailState::Sent).await;
    until_due(
        &post,
        "lease_until IS NULL AND run_at BETWEEN now() + interval '50 minutes' AND now() + interval '3 hours'",
        1,
    )
    .await;
    assert_eq!(sink.received().len(), 1);
    assert_eq!(post.queue(&night).await.expect("known").state(), EmailState::Open);
}

#[tokio::test]
async fn a_dead_mailbox_gets_no_second_email() {
    let sink = SmtpSink::start().await;
    let post = Post::start("dead", |launch, _| quick(launch, &sink)).await;
    for (code, later) in [
        ("550 5.1.1 no such user", EmailState::Suppressed),
        ("550 5.2.1 mailbox disabled", EmailState::Suppressed),
        ("552 5.2.2 mailbox full", EmailState::Sent),
        ("550 go away", EmailState::Sent),
    ] {
        let first = initial();
        sink.script(At::Rcpt, Fault::Reply(code));
        post.queue(&first).await.expect("applied");
        post.until(&first, EmailState::Dead).await;
        let mut second = acceptance();
        if let Some(recipient) = &mut second.recipient {
            recipient.address = address(&first).to_uppercase();
        }
        let before = sink.received().len();
        post.queue(&second).await.expect("applied");
        post.until(&second, later).await;
        let went = usize::from(later == EmailState::Sent);
        assert_eq!(sink.received().len(), before + went, "{code}");
    }
}
