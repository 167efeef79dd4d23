//! ApplyEmailCommands: keys, fences, and all or nothing.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt};
use proto::notify::v1::{
    ApplyEmailCommandsRequest, EmailState, QueueEmail, email_command::Command,
    email_command_result::Result as Told, email_service_client::EmailServiceClient, queue_email::Content,
};
use tests::{
    clients::{channel, id, reason, request},
    emails::{Post, acceptance, cancel, counts, initial, reminder, reply},
    smtp_sink::{At, Fault, SmtpSink},
};
use tonic::Code;
use tonic_types::StatusExt;

/// A service whose mail server lets every email wait before its body.
async fn held_before_the_body(hint: &str, emails: usize) -> (Post, SmtpSink) {
    let sink = SmtpSink::start().await;
    for _ in 0..emails {
        sink.script(At::Data, Fault::Wait);
    }
    let post = Post::start(hint, |launch, _| launch.flag("--smtp-url", sink.url())).await;
    (post, sink)
}

#[tokio::test]
async fn a_cancel_that_comes_first_stops_an_email_that_comes_later() {
    let (post, sink) = held_before_the_body("cancel_first", 0).await;
    let (stopped, later) = (initial(), initial());
    let later = QueueEmail {
        invitation_id: stopped.invitation_id.clone(),
        sequence: 2,
        ..later
    };
    assert_eq!(
        post.cancel(&stopped.invitation_id, 2).await.expect("applied"),
        (0, 0, 0)
    );
    assert_eq!(
        post.queue(&stopped).await.expect("applied").state(),
        EmailState::Cancelled
    );
    post.queue(&later).await.expect("applied");
    post.until(&later, EmailState::Sent).await;
    assert_eq!(
        sink.received().len(),
        1,
        "only the email that the cancel does not reach"
    );
    assert_eq!(
        post.cancel(&stopped.invitation_id, 2).await.expect("applied"),
        (1, 0, 0)
    );
    assert_eq!(
        post.cancel(&stopped.invitation_id, 3).await.expect("applied"),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn an_email_that_was_cancelled_never_starts_its_body() {
    let (post, sink) = held_before_the_body("cancel_queued", 1).await;
    let email = initial();
    post.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    assert_eq!(
        post.cancel(&email.invitation_id, 2).await.expect("applied"),
        (1, 0, 0)
    );
    sink.let_go();
    let other = initial();
    post.queue(&other).await.expect("applied");
    post.until(&other, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 1, "the other one only");
    assert_eq!(
        post.queue(&email).await.expect("applied").state(),
        EmailState::Cancelled
    );
    assert_eq!(
        post.cancel(&email.invitation_id, 2).await.expect("applied"),
        (1, 0, 0),
        "repeated"
    );
}

#[tokio::test]
async fn a_cancel_during_the_body_says_in_flight_and_then_sent() {
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::Wait);
    let post = Post::start("cancel_in_flight", |launch, _| {
        launch.flag("--smtp-url", sink.url())
    })
    .await;
    let email = initial();
    post.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    assert_eq!(
        post.cancel(&email.invitation_id, 2).await.expect("applied"),
        (0, 0, 1)
    );
    sink.let_go();
    post.until(&email, EmailState::Sent).await;
    assert_eq!(
        post.cancel(&email.invitation_id, 2).await.expect("applied"),
        (0, 1, 0)
    );
}

/// An email is cancelled during its body, which then comes to `end`. It must end as `expected`, after one try.
async fn check_cancelled_in_its_body(hint: &str, end: Fault, expected: EmailState) {
    let sink = SmtpSink::start().await;
    sink.script(At::Body, end);
    let post = Post::start(hint, |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "0,0,0")
    })
    .await;
    let email = initial();
    post.queue(&email).await.expect("applied");
    sink.until(|sink| sink.waiting() == 1).await;
    assert_eq!(
        post.cancel(&email.invitation_id, 2).await.expect("applied"),
        (0, 0, 1)
    );
    sink.let_go();
    post.until(&email, expected).await;
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn a_cancelled_email_whose_body_was_refused_for_now_is_cancelled() {
    check_cancelled_in_its_body(
        "cancel_refused",
        Fault::WaitThenReply("451 later"),
        EmailState::Cancelled,
    )
    .await;
}

#[tokio::test]
async fn a_cancelled_email_whose_body_got_no_answer_is_uncertain_and_not_resent() {
    check_cancelled_in_its_body("cancel_doubt", Fault::WaitThenDrop, EmailState::Uncertain).await;
}

#[tokio::test]
async fn the_same_key_with_the_same_content_is_the_same_email() {
    let (post, sink) = held_before_the_body("same_key", 0).await;
    for email in [initial(), reminder(), acceptance(), reply()] {
        let first = post.queue(&email).await.expect("applied");
        post.until(&email, EmailState::Sent).await;
        let mut moved = email.clone();
        let recipient = moved.recipient.as_mut().expect("set");
        recipient.name = "Ben Newname".to_owned();
        recipient.address = "elsewhere@example.com".to_owned();
        recipient.locale = "nb".to_owned();
        match moved.content.as_mut().expect("set") {
            Content::Initial(content) => content.accept_url.push_str("-signed-anew"),
            Content::Reminder(content) => content.remaining_count = 0,
            Content::Acceptance(content) => content.total_count = 99,
            Content::Reply(content) => content.replier_name.push_str("-Newname"),
        }
        let again = post
            .queue(&moved)
            .await
            .expect("what the relay looks up may differ");
        assert_eq!(
            (again.email_id.as_str(), again.state()),
            (first.email_id.as_str(), EmailState::Sent)
        );
    }
    assert_eq!(sink.received().len(), 4);
}

#[tokio::test]
async fn the_same_key_with_other_content_is_refused_and_nothing_is_done() {
    let (post, sink) = held_before_the_body("other_content", 0).await;
    let email = initial();
    post.queue(&email).await.expect("applied");
    let mut noted = email.clone();
    if let Some(Content::Initial(content)) = &mut noted.content {
        content.note = "Another note.".to_owned();
    }
    let mut from_another = email.clone();
    if let Some(Content::Initial(content)) = &mut from_another.content {
        content.inviter_id = id();
    }
    let others = [
        noted,
        from_another,
        QueueEmail {
            sequence: 2,
            ..email.clone()
        },
        QueueEmail {
            invitation_id: id(),
            ..email.clone()
        },
        QueueEmail {
            content: acceptance().content,
            ..email.clone()
        },
        QueueEmail {
            content: reminder().content,
            ..email.clone()
        },
    ];
    for other in others {
        let beside = initial();
        let commands = vec![Command::Queue(beside.clone()), Command::Queue(other)];
        let status = post.apply(commands).await.expect_err("refused");
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::AlreadyExists, "EMAIL_KEY_REUSED")
        );
        assert!(status.message().contains("commands[1]"), "{}", status.message());
    }
    post.until(&email, EmailState::Sent).await;
    let last = initial();
    post.queue(&last).await.expect("applied");
    post.until(&last, EmailState::Sent).await;
    assert_eq!(
        sink.received().len(),
        2,
        "what stood beside a refused command was not queued"
    );
}

#[tokio::test]
async fn the_same_key_with_another_accept_link_is_the_same_email() {
    let (post, _sink) = held_before_the_body("other_link", 0).await;
    let email = initial();
    let first = post.queue(&email).await.expect("applied");
    let mut signed_anew = email.clone();
    if let Some(Content::Initial(content)) = &mut signed_anew.content {
        content.accept_url = "https://product.example/i/another-token".to_owned();
    }
    assert_ne!(signed_anew, email);
    let again = post.queue(&signed_anew).await.expect("applied");
    assert_eq!(again.email_id, first.email_id);
}

#[tokio::test]
async fn a_call_that_commits_after_its_deadline_is_counted() {
    let sink = SmtpSink::start().await;
    let post = Post::start("late_commit", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--max-call-ms", "3000")
    })
    .await;
    // Its connections stand: a call that does not get to the database before its deadline does nothing.
    post.cancel(&id(), 1).await.expect("applied");
    let email = initial();
    let commands = vec![Command::Queue(email.clone()), cancel(&email.invitation_id, 2)];
    let mut held_up = post.database.connect();
    held_up
        .batch_execute("BEGIN; LOCK TABLE email_key")
        .expect("locked");
    let status = post.apply(commands).await.expect_err("too late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    held_up.batch_execute("ROLLBACK").expect("unlocked");
    // Asked about too early, the email could be queued by the question, which cancels nothing.
    let end = Instant::now() + Duration::from_secs(30);
    while sql_query("SELECT FROM email")
        .execute(&mut held_up)
        .expect("read")
        == 0
    {
        assert!(Instant::now() < end, "the call never commits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    post.until(&email, EmailState::Cancelled).await;
    post.until_metrics(&[
        "emails_accepted_total{kind=\"initial\"} 1",
        "emails_outcome_total{kind=\"initial\",outcome=\"cancelled\"} 1",
    ])
    .await;
}

#[tokio::test]
async fn one_call_may_cancel_and_queue_and_cancel() {
    let (post, sink) = held_before_the_body("one_call", 0).await;
    let first = initial();
    let second = QueueEmail {
        invitation_id: first.invitation_id.clone(),
        sequence: 2,
        ..acceptance()
    };
    let commands = || {
        vec![
            cancel(&first.invitation_id, 1),
            Command::Queue(first.clone()),
            cancel(&first.invitation_id, 2),
            Command::Queue(second.clone()),
            Command::Queue(second.clone()),
        ]
    };
    let told = post.apply(commands()).await.expect("applied");
    let [
        Told::Cancel(none),
        Told::Queue(stopped),
        Told::Cancel(one),
        Told::Queue(open),
        Told::Queue(same),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((counts(none), counts(one)), ((0, 0, 0), (1, 0, 0)));
    assert_eq!(stopped.state(), EmailState::Cancelled);
    assert_eq!(open, same, "one key in one call twice");
    post.until(&second, EmailState::Sent).await;
    post.apply(commands()).await.expect("applied again");
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_named_by_its_place() {
    let (post, _sink) = held_before_the_body("violations", 0).await;
    let mut wrong = initial();
    wrong.key = "a b".to_owned();
    wrong.sequence = 0;
    wrong.event_time = None;
    wrong.recipient.as_mut().expect("set").address = "nobody".to_owned();
    let status = post
        .apply(vec![cancel(&id(), 1), Command::Queue(wrong)])
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violations = details.bad_request().expect("names the fields");
    let fields: Vec<&str> = violations
        .field_violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    let at = |name: &str| format!("commands[1].queue.{name}");
    assert_eq!(
        fields,
        [
            at("key"),
            at("sequence"),
            at("event_time"),
            at("recipient.address")
        ]
    );
    for commands in [Vec::new(), vec![cancel(&id(), 1); 501]] {
        let status = post.apply(commands).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    let empty = ApplyEmailCommandsRequest {
        commands: vec![Default::default()],
    };
    let mut client = EmailServiceClient::new(channel(post.service.grpc()));
    let status = client
        .apply_email_commands(request(empty))
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn two_callers_with_the_same_commands_get_the_same_emails() {
    let (post, sink) = held_before_the_body("two_callers", 0).await;
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(100).collect();
    let forwards: Vec<Command> = emails.iter().cloned().map(Command::Queue).collect();
    let backwards: Vec<Command> = forwards.iter().rev().cloned().collect();
    let (one, other) = tokio::join!(post.apply(forwards), post.apply(backwards));
    let ids = |told: Vec<Told>| -> Vec<String> {
        let ids = told.into_iter().map(|told| match told {
            Told::Queue(result) => result.email_id,
            Told::Cancel(result) => panic!("{result:?}"),
        });
        ids.collect()
    };
    let mut other = ids(other.expect("applied"));
    other.reverse();
    assert_eq!(ids(one.expect("applied")), other);
    for email in &emails {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(sink.received().len(), 100);
}

#[derive(Debug, QueryableByName)]
struct Updates {
    #[diesel(sql_type = BigInt)]
    all: i64,
    #[diesel(sql_type = BigInt)]
    in_place: i64,
}

/// Whatever an index of `email` names must not change with its outcome, and its page must have room.
#[tokio::test]
async fn the_outcome_of_an_email_touches_no_index() {
    const EMAILS: i64 = 500;
    let (post, sink) = held_before_the_body("in_place", 0).await;
    let emails = std::iter::repeat_with(initial).take(EMAILS as usize);
    post.apply(emails.map(Command::Queue).collect())
        .await
        .expect("applied");
    sink.until_received(EMAILS as usize).await;
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        // Sessions tell what they did some seconds later.
        let told = "SELECT n_tup_upd AS all, n_tup_hot_upd AS in_place FROM pg_stat_user_tables WHERE relname = 'email'";
        let mut database = post.database.connect();
        let updates: Updates = sql_query(told).get_result(&mut database).expect("told");
        if updates.all >= EMAILS {
            assert!(updates.in_place * 10 > updates.all * 9, "{updates:?}");
            return;
        }
        assert!(Instant::now() < end, "{updates:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
