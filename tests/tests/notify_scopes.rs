//! Cancels that stop some of an invitation's emails and leave the others alone.

use proto::notify::v1::{
    CancelEmails,
    CancelScope::{self, All, Invitation, Reminders, Unspecified},
    EmailState, QueueEmail,
    email_command::Command,
    email_command_result::Result as Told,
};
use tests::{
    clients::id,
    emails::{Post, acceptance, address, cancel_scope, counts, initial, reminder, reply},
    smtp_sink::{At, Fault, SmtpSink},
};
use tonic::Code;
use tonic_types::StatusExt;

async fn start(hint: &str) -> (Post, SmtpSink) {
    let sink = SmtpSink::start().await;
    let post = Post::start(hint, |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "0,0,0")
    })
    .await;
    (post, sink)
}

/// An email of the given invitation.
fn of(invitation_id: &str, sequence: i64, email: QueueEmail) -> QueueEmail {
    QueueEmail {
        invitation_id: invitation_id.to_owned(),
        sequence,
        ..email
    }
}

/// One email of each kind, all of one invitation, sequence 1.
fn one_of_each_kind(invitation_id: &str) -> [QueueEmail; 4] {
    [initial(), reminder(), acceptance(), reply()].map(|email| of(invitation_id, 1, email))
}

async fn queue_all(post: &Post, emails: &[QueueEmail]) {
    let commands = emails.iter().cloned().map(Command::Queue).collect();
    post.apply(commands).await.expect("applied");
}

/// Emails of all kinds wait before their bodies; a cancel of `scope` must stop those that `stopped` says, in the order
/// initial, reminder, acceptance, reply, and the others must arrive.
async fn check_queued(hint: &str, scope: CancelScope, stopped: [bool; 4]) {
    let (post, sink) = start(hint).await;
    for _ in 0..4 {
        sink.script(At::Data, Fault::Wait);
    }
    let invitation_id = id();
    let emails = one_of_each_kind(&invitation_id);
    queue_all(&post, &emails).await;
    sink.until(|sink| sink.waiting() == 4).await;
    let count = stopped.iter().filter(|stopped| **stopped).count();
    let cancelled = post.cancel_scope(&invitation_id, 2, scope).await;
    assert_eq!(cancelled.expect("applied").0, i32::try_from(count).expect("few"));
    sink.let_go();
    for (email, stopped) in emails.iter().zip(stopped) {
        let state = if stopped {
            EmailState::Cancelled
        } else {
            EmailState::Sent
        };
        post.until(email, state).await;
    }
    let mut arrived: Vec<String> = sink.received().into_iter().map(|email| email.to).collect();
    let going = emails.iter().zip(stopped).filter(|(_, stopped)| !stopped);
    let mut expected: Vec<&str> = going.map(|(email, _)| address(email)).collect();
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn a_cancel_of_the_invitation_leaves_answers_to_the_inviter_alone() {
    check_queued("scope_invitation", Invitation, [true, true, false, false]).await;
}

#[tokio::test]
async fn a_cancel_of_reminders_leaves_the_initial_email_alone() {
    check_queued("scope_reminders", Reminders, [false, true, false, false]).await;
}

#[tokio::test]
async fn a_cancel_of_all_stops_every_kind() {
    check_queued("scope_all", All, [true; 4]).await;
}

#[tokio::test]
async fn a_scoped_cancel_that_comes_first_stops_what_it_covers_and_comes_later() {
    let (post, sink) = start("scope_first").await;
    let invitation_id = id();
    for (sequence, scope) in [(3, Invitation), (5, Reminders), (2, Reminders), (2, All)] {
        let counts = post.cancel_scope(&invitation_id, sequence, scope).await;
        assert_eq!(counts.expect("applied"), (0, 0, 0));
    }
    let stopped = [
        of(&invitation_id, 2, initial()),
        of(&invitation_id, 2, reminder()),
        of(&invitation_id, 4, reminder()),
        of(&invitation_id, 1, acceptance()),
        of(&invitation_id, 1, reply()),
    ];
    let going = [
        of(&invitation_id, 3, initial()),
        of(&invitation_id, 5, reminder()),
        of(&invitation_id, 2, acceptance()),
        of(&invitation_id, 2, reply()),
    ];
    for email in &stopped {
        let state = post.queue(email).await.expect("applied").state();
        assert_eq!(state, EmailState::Cancelled, "{email:?}");
    }
    queue_all(&post, &going).await;
    for email in &going {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(sink.received().len(), going.len());
}

#[tokio::test]
async fn a_cancel_counts_the_emails_of_its_scope_only() {
    let (post, sink) = start("scope_counts").await;
    let invitation_id = id();
    let sent = one_of_each_kind(&invitation_id);
    queue_all(&post, &sent).await;
    for email in &sent {
        post.until(email, EmailState::Sent).await;
    }
    sink.script(At::Body, Fault::Wait);
    queue_all(&post, &[of(&invitation_id, 2, reply())]).await;
    sink.until(|sink| sink.waiting() == 1).await;
    for (scope, sequence, expected) in [
        (Reminders, 1, (0, 0, 0)),
        (Reminders, 3, (0, 1, 0)),
        (Invitation, 3, (0, 2, 0)),
        (All, 2, (0, 4, 0)),
        (All, 3, (0, 4, 1)),
        (Unspecified, 3, (0, 4, 1)),
    ] {
        let counts = post.cancel_scope(&invitation_id, sequence, scope).await;
        assert_eq!(counts.expect("applied"), expected, "{scope:?} {sequence}");
    }
    sink.let_go();
}

#[tokio::test]
async fn cancels_of_several_scopes_in_one_call_keep_to_theirs() {
    let (post, sink) = start("scope_one_call").await;
    let invitation_id = id();
    let [initial, reminder, acceptance, reply] = one_of_each_kind(&invitation_id);
    let commands = vec![
        cancel_scope(&invitation_id, 2, Reminders),
        Command::Queue(initial.clone()),
        cancel_scope(&invitation_id, 1, All),
        Command::Queue(reminder.clone()),
        Command::Queue(reply.clone()),
        Command::Queue(acceptance.clone()),
        cancel_scope(&invitation_id, 1, Invitation),
    ];
    let told = post.apply(commands).await.expect("applied");
    let counted: Vec<_> = told
        .iter()
        .filter_map(|told| match told {
            Told::Cancel(result) => Some(counts(result)),
            Told::Queue(_) => None,
        })
        .collect();
    assert_eq!(counted, [(1, 0, 0), (0, 0, 0), (0, 0, 0)]);
    post.until(&reminder, EmailState::Cancelled).await;
    for email in [&initial, &reply, &acceptance] {
        post.until(email, EmailState::Sent).await;
    }
    assert_eq!(sink.received().len(), 3);
}

#[tokio::test]
async fn an_email_that_was_delayed_in_its_body_is_judged_by_the_cancels_that_cover_it() {
    let (post, sink) = start("scope_body").await;
    sink.script(At::Body, Fault::WaitThenReply("451 later"));
    sink.script(At::Body, Fault::WaitThenReply("451 later"));
    let invitation_id = id();
    let [stopped, _, _, going] = one_of_each_kind(&invitation_id);
    queue_all(&post, &[stopped.clone(), going.clone()]).await;
    sink.until(|sink| sink.waiting() == 2).await;
    let counts = post.cancel_scope(&invitation_id, 2, Invitation).await;
    assert_eq!(counts.expect("applied"), (0, 0, 1));
    sink.let_go();
    post.until(&stopped, EmailState::Cancelled).await;
    post.until(&going, EmailState::Sent).await;
    assert_eq!(sink.received().len(), 3, "the reply came a second time");
}

#[tokio::test]
async fn a_scope_that_nobody_knows_is_refused_and_nothing_is_done() {
    let (post, _sink) = start("scope_unknown").await;
    let email = initial();
    let unknown = Command::Cancel(CancelEmails {
        invitation_id: email.invitation_id.clone(),
        sequence: 2,
        scope: 4,
    });
    let status = post
        .apply(vec![Command::Queue(email.clone()), unknown])
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("names the field").field_violations;
    let fields: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["commands[1].cancel.scope"]);
    let counts = post.cancel(&email.invitation_id, 2).await;
    assert_eq!(counts.expect("applied"), (0, 0, 0));
}
