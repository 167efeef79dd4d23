//! The first page of 20 of an inbox of 200, beside the service's own select by pgbench.

use std::sync::Arc;

use proto::invitations::v1::{Folder, ListReceivedInvitationsRequest};
use tests::clients::{Invitations, request};
use tonic::Status;

use crate::{
    Bench, closed,
    closed::Turn,
    database,
    numbers::{FILLED, member_id},
    results::Sample,
    rounds::step,
    stage::Stage,
};

/// Members with a full inbox.
const INBOXES: u64 = 500;
const WAITING: u64 = 200;
const PAGE: i32 = 20;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let members = bench.args.members;
    let database = database::with_members(&bench.cluster, "inbox")?;
    let step_between = members / INBOXES;
    database::fill(
        &database,
        &format!(
            "SELECT (1::bigint << 40) + i AS k, (r + {members} - {FILLED} - 4 * j) % {members} AS inviter, \
               r AS recipient, now() - interval '1 day' + i * interval '1 ms' AS sent_at, \
               now() + interval '179 days' AS expires_at, now() + interval '6 days' AS due_at, \
               false AS is_accepted \
             FROM (SELECT i, i / {INBOXES} AS j, (i % {INBOXES}) * {step_between} AS r \
                   FROM generate_series(0::bigint, {INBOXES} * {WAITING} - 1) AS numbers(i)) AS inboxes"
        ),
    )?;
    let stage = Stage::alone(database, bench.directory.path(), members).await;
    let stage = &stage;
    pages(bench, stage).await?;
    let steps = [
        step("inbox select", || async { bench.inbox_selects(stage, INBOXES) }),
        step("inbox", || pages(bench, stage)),
    ];
    bench.alternate(&steps).await?;
    drop(steps);
    bench.check_books("inbox", &stage.database)
}

async fn pages(bench: &Bench, stage: &Stage) -> anyhow::Result<Sample> {
    let between = bench.args.members / INBOXES;
    closed::run(&stage.clients, 256, bench.args.length(), move |client| {
        let recipient = rand::random_range(0..INBOXES) * between;
        async move { Turn::Called(page(client, recipient).await) }
    })
    .await
}

async fn page(client: Arc<Invitations>, recipient: u64) -> Result<(), Status> {
    let message = ListReceivedInvitationsRequest {
        recipient_id: member_id(recipient),
        folder: Folder::Inbox.into(),
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut client = client.invitations.clone();
    let page = client
        .list_received_invitations(request(message))
        .await?
        .into_inner();
    if page.invitations.len() == PAGE as usize {
        Ok(())
    } else {
        Err(Status::internal("a page is not full"))
    }
}
