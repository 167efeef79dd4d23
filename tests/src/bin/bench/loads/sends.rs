//! Sends beside their limits: unary at several numbers in flight, streamed, skewed.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use proto::invitations::v1::{SendInvitationResponse, send_invitation_response::Outcome};
use tests::{
    clients::{Act, Invitations, send_request},
    watch::resident_mib,
};
use tonic::Status;

use crate::{
    Bench, closed,
    closed::Turn,
    numbers::{Numbers, member_id},
    pgbench::Protocol,
    results::Sample,
    rounds::{Step, step, steps},
    stage::Stage,
    stream,
};

/// Items of the streams together.
const STREAMED: usize = 1_024;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let stage = bench.stage("sends").await?;
    bench.note(
        "invitations MiB at rest",
        Sample::of(resident_mib(stage.service.pid())),
    );
    warm(bench, &stage).await?;
    let stage = &stage;
    let unary = |name: &'static str, in_flight: usize| -> Step<'_> {
        step(name, move || send(bench, stage, in_flight))
    };
    let mut all = vec![
        step("A", || async { bench.plain_sends(stage, Protocol::Simple) }),
        step("A prepared", || async {
            bench.plain_sends(stage, Protocol::Prepared)
        }),
        step("B 1", || async { bench.function_sends(stage, 1) }),
        steps("B", || async { bench.many_function_sends(stage) }),
        step("C 1", || async { bench.bulk_sends(stage, 1) }),
        step("C 2", || async { bench.bulk_sends(stage, 2) }),
        unary("send 1", 1),
        unary("send 8", 8),
        unary("send 64", 64),
    ];
    all.push(steps("send 256", move || async move {
        let sending = send(bench, stage, 256);
        let resident = async {
            tokio::time::sleep(bench.args.length() / 2).await;
            resident_mib(stage.service.pid())
        };
        let (sample, resident) = tokio::join!(sending, resident);
        Ok(vec![
            ("send 256", sample?),
            ("invitations MiB at 256", Sample::of(resident)),
        ])
    }));
    all.push(step("stream", || {
        stream::run(&stage.clients, &stage.numbers, STREAMED, bench.args.length())
    }));
    all.push(step("skewed", || skewed(bench, stage)));
    bench.alternate(&all).await?;
    drop(all);
    bench.check_books("sends", &stage.database)
}

/// Sends until connections, statements and pages are warm.
pub(super) async fn warm(bench: &Bench, stage: &Stage) -> anyhow::Result<()> {
    let numbers = stage.numbers.clone();
    closed::run(&stage.clients, 64, bench.args.length() / 2, move |client| {
        turn(client, numbers.uniform())
    })
    .await?;
    Ok(())
}

/// Sends between members of whom each is as likely as any other.
pub(super) async fn send(bench: &Bench, stage: &Stage, in_flight: usize) -> anyhow::Result<Sample> {
    let numbers = stage.numbers.clone();
    closed::run(&stage.clients, in_flight, bench.args.length(), move |client| {
        turn(client, numbers.uniform())
    })
    .await
}

async fn skewed(bench: &Bench, stage: &Stage) -> anyhow::Result<Sample> {
    let numbers = stage.numbers.clone();
    closed::run(&stage.clients, 256, bench.args.length(), move |client| {
        turn(client, numbers.skewed())
    })
    .await
}

async fn turn(client: Arc<Invitations>, pair: (u64, u64)) -> Turn {
    Turn::Called(one(&client, pair).await.map(|_| ()))
}

/// One send.
pub(super) async fn one(
    client: &Invitations,
    (inviter, recipient): (u64, u64),
) -> Result<SendInvitationResponse, Status> {
    let request = send_request(&member_id(inviter), &member_id(recipient));
    client.send_with(request).await
}

/// An invitation that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    inviter: String,
    recipient: String,
    id: String,
}

impl Waiting {
    /// Who does `act`.
    pub(super) fn actor(&self, act: Act) -> &str {
        act.of(&self.inviter, &self.recipient)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

/// Sends exactly `count` invitations, 256 in flight.
pub(super) async fn send_many(
    clients: &[Arc<Invitations>],
    numbers: &Arc<Numbers>,
    count: u64,
) -> anyhow::Result<(Sample, Vec<Waiting>)> {
    let left = Arc::new(AtomicU64::new(count));
    let made = Arc::new(Mutex::new(Vec::new()));
    let (numbers, makes) = (numbers.clone(), made.clone());
    let sample = closed::run(clients, 256, Duration::from_secs(600), move |client| {
        let (left, numbers, makes) = (left.clone(), numbers.clone(), makes.clone());
        async move {
            if left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_err()
            {
                return Turn::Over;
            }
            match one(&client, numbers.uniform()).await {
                Ok(SendInvitationResponse {
                    outcome: Some(Outcome::Invitation(sent)),
                }) => {
                    makes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Waiting {
                            inviter: sent.inviter_id,
                            recipient: sent.recipient_id,
                            id: sent.invitation_id,
                        });
                    Turn::Called(Ok(()))
                }
                Ok(_) => Turn::Called(Err(Status::internal("a send connected two"))),
                Err(status) => Turn::Called(Err(status)),
            }
        }
    })
    .await?;
    let made = std::mem::take(&mut *made.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((sample, made))
}
