//! Commands that meet each other, and commands that meet the sending.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use proto::notify::v1::{CancelScope, EmailState, QueueEmail, email_command::Command};
use rand::seq::SliceRandom;
use tests::{
    clients::id,
    emails::{Post, acceptance, address, cancel_scope, initial, reminder, reply},
    smtp_sink::SmtpSink,
};
use tonic::Code;

/// Cancels race with the sending. Whoever was told "cancelled" never gets a body, and the answers add up.
#[tokio::test]
async fn a_cancel_that_answered_cancelled_is_a_promise() {
    let sink = SmtpSink::start().await;
    let post = Post::start("cancel_race", |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(600).collect();
    let mut told: HashMap<&str, (i32, i32, i32)> = HashMap::new();
    for batch in emails.chunks(50) {
        let queue = batch.iter().cloned().map(Command::Queue).collect();
        post.apply(queue).await.expect("applied");
        for email in batch.iter().rev() {
            let counts = post.cancel(&email.invitation_id, 2).await.expect("applied");
            told.insert(&email.key, counts);
        }
    }
    for email in &emails {
        while post.queue(email).await.expect("answered").state() == EmailState::Open {}
    }
    let received = sink.received();
    let count = |of: (i32, i32, i32)| told.values().filter(|counts| **counts == of).count();
    let (cancelled, sent, in_flight) = (count((1, 0, 0)), count((0, 1, 0)), count((0, 0, 1)));
    assert_eq!(cancelled + sent + in_flight, 600, "{told:?}");
    assert!(
        cancelled > 0 && sent + in_flight > 0,
        "no race: {cancelled} cancelled, {sent} sent, {in_flight} in flight"
    );
    for email in &emails {
        let bodies = received
            .iter()
            .filter(|received| received.to == address(email))
            .count();
        let promised = told[email.key.as_str()] == (1, 0, 0);
        assert_eq!(bodies, usize::from(!promised), "{:?}", told[email.key.as_str()]);
    }
}

/// The same commands in any order, in any calls, at the same time: every email ends at the same place.
#[tokio::test]
async fn commands_commute() {
    // Nobody listens there, so what is open stays open.
    let post = Post::start("commute", |launch, _| {
        launch.flag("--smtp-url", "smtp://127.0.0.1:9")
    })
    .await;
    let fences = [0, 2, 4];
    let combinations = fences.into_iter().flat_map(|all| {
        let with = move |invitation| fences.map(|reminders| (all, invitation, reminders));
        fences.into_iter().flat_map(with)
    });
    let mut emails = Vec::new();
    let mut commands = Vec::new();
    for (all, invitation, reminders) in combinations {
        let invitation_id = id();
        for (new, limit) in [
            (initial as fn() -> QueueEmail, all.max(invitation)),
            (reminder, all.max(invitation).max(reminders)),
            (acceptance, all),
            (reply, all),
        ] {
            for sequence in [1, 3] {
                let email = QueueEmail {
                    invitation_id: invitation_id.clone(),
                    sequence,
                    ..new()
                };
                commands.extend([Command::Queue(email.clone()), Command::Queue(email.clone())]);
                emails.push((email, sequence < limit));
            }
        }
        for (highest, scope) in [
            (all, CancelScope::All),
            (invitation, CancelScope::Invitation),
            (reminders, CancelScope::Reminders),
        ] {
            commands.extend((1..=highest).map(|sequence| cancel_scope(&invitation_id, sequence, scope)));
        }
    }
    for _ in 0..5 {
        commands.shuffle(&mut rand::rng());
        let calls = commands.chunks(7).map(async |call| {
            // More calls at once than connections: some may have to come again.
            let end = Instant::now() + Duration::from_secs(60);
            while let Err(status) = post.apply(call.to_vec()).await {
                let for_now = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
                assert!(for_now && Instant::now() < end, "{status:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        join_all(calls).await;
    }
    for (email, stopped) in emails {
        let state = post.queue(&email).await.expect("answered").state();
        let expected = if stopped {
            EmailState::Cancelled
        } else {
            EmailState::Open
        };
        assert_eq!(state, expected, "{email:?}");
    }
}
