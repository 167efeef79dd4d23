//! What is kept no longer.

use std::time::Duration;

use jiff::SignedDuration;
use proto::invitations::v1::SendInvitationRequest;
use tests::{
    clients::{Invitations, id},
    local::Local,
};

async fn gone(local: &Local, query: &str, left: i64) {
    for _ in 0..600 {
        if local.count(query) == left {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{query} counts {}, not {left}", local.count(query));
}

async fn sent(clients: &Invitations, inviter: &str, recipient: &str, request_id: &str) {
    let message = SendInvitationRequest {
        inviter_id: inviter.to_owned(),
        recipient_id: recipient.to_owned(),
        request_id: request_id.to_owned(),
        ..SendInvitationRequest::default()
    };
    clients.send_with(message).await.expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_answers_go_when_nobody_can_ask_for_them_any_more() {
    let local = Local::start("old_requests", &[]).await;
    let clients = local.clients();
    let people = clients.crowd(3).await;
    let old = id();
    sent(&clients, &people[0], &people[1], &old).await;
    local
        .time
        .step(SignedDuration::from_hours(25) - SignedDuration::from_millis(1));
    let young = id();
    sent(&clients, &people[0], &people[2], &young).await;
    local.time.step(SignedDuration::from_millis(1));
    gone(
        &local,
        &format!("SELECT count(*) FROM request WHERE request_id = '{old}'"),
        0,
    )
    .await;
    let kept = format!("SELECT count(*) FROM request WHERE request_id = '{young}'");
    assert_eq!(local.count(&kept), 1, "it counts for another day");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_invitations_go_with_their_replies_when_their_time_is_over_and_open_ones_stay() {
    let local = Local::start("old_invitations", &["--closed-days", "2"]).await;
    let clients = local.clients();
    let people = clients.crowd(4).await;
    let accepted = clients.invite(&people[0], &people[1]).await;
    clients
        .reply(&people[1], &accepted.invitation_id, "hello")
        .await
        .expect("replied");
    clients
        .accept(&people[1], &accepted.invitation_id)
        .await
        .expect("accepted");
    let open = clients.invite(&people[0], &people[2]).await;
    local.time.step(SignedDuration::from_hours(48));
    let withdrawn = clients.invite(&people[0], &people[3]).await;
    clients
        .withdraw(&people[0], &withdrawn.invitation_id)
        .await
        .expect("withdrawn");
    local.time.step(SignedDuration::from_millis(1));
    gone(&local, "SELECT count(*) FROM sent", 2).await;
    assert_eq!(local.count("SELECT count(*) FROM received"), 2);
    assert_eq!(local.count("SELECT count(*) FROM reply"), 0);
    let left = clients.outbox(&people[0]).await.expect("listed");
    let left: Vec<&str> = left.iter().map(|sent| &*sent.invitation_id).collect();
    assert_eq!(left, [&*withdrawn.invitation_id, &*open.invitation_id]);
    assert_eq!(
        clients.connections(&people[0]).await.expect("listed").len(),
        1,
        "the connection stays"
    );
}
