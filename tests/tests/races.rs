//! Many at once, released together: whatever the order, the end is one that a serial order could have had.

use std::{collections::HashSet, future::Future};

use proto::invitations::v1::{
    SendInvitationRequest, SendInvitationResponse, SentState, send_invitation_response::Outcome,
};
use tests::{
    clients::{Invitations, id, reason},
    local::Local,
    races::{assert_books_agree, released_together, two_services},
};
use tonic::Status;

type Sent = Result<SendInvitationResponse, Status>;

fn send(
    clients: &Invitations,
    inviter: &str,
    recipient: &str,
    request_id: String,
) -> impl Future<Output = Sent> + use<> {
    let clients = clients.clone();
    let message = SendInvitationRequest {
        inviter_id: inviter.to_owned(),
        recipient_id: recipient.to_owned(),
        request_id,
        ..SendInvitationRequest::default()
    };
    async move { clients.send_with(message).await }
}

fn invitation_id(sent: &Sent) -> Option<String> {
    match sent.as_ref().ok()?.outcome.as_ref()? {
        Outcome::Invitation(invitation) => Some(invitation.invitation_id.clone()),
        Outcome::Connection(_) => None,
    }
}

fn reasons(results: &[Sent]) -> Vec<String> {
    results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .map(reason)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_sends_of_one_pair_one_makes_the_invitation_and_costs_a_unit() {
    let local = Local::start_idle("one_pair", &["--pair-sends", "1"]).await;
    let clients = local.clients();
    let people = clients.crowd(2).await;
    let results = released_together((0..32).map(|_| send(&clients, &people[0], &people[1], id()))).await;
    let made: Vec<String> = results.iter().filter_map(invitation_id).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(reasons(&results), vec!["INVITATION_ALREADY_SENT"; 31]);
    assert_eq!(local.spent(&people[0]), 1);
    assert_eq!(local.count("SELECT count(*) FROM sent"), 1);
    assert_eq!(local.count("SELECT count(*) FROM received"), 1);
    assert_eq!(local.count("SELECT count(*) FROM outbox"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_32_times_at_once_is_one_send_with_one_answer() {
    let (local, services) = two_services("one_request", &[]).await;
    let clients = services.each_ref().map(|service| Invitations::at(service.grpc()));
    let people = clients[0].crowd(2).await;
    let request = id();
    let calls = (0..32).map(|number| send(&clients[number % 2], &people[0], &people[1], request.clone()));
    let results = released_together(calls).await;
    let answers: Vec<SendInvitationResponse> = results
        .into_iter()
        .map(|sent| sent.expect("each is answered"))
        .collect();
    assert!(
        answers.windows(2).all(|two| two[0] == two[1]),
        "the first answer again"
    );
    assert_eq!(local.spent(&people[0]), 1);
    assert_eq!(local.count("SELECT count(*) FROM outbox"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_id_never_stands_for_two_requests() {
    const ROUNDS: usize = 40;
    let (local, services) = two_services("two_bodies", &[]).await;
    let clients = services.each_ref().map(|service| Invitations::at(service.grpc()));
    let people = clients[0].crowd(4 * ROUNDS).await;
    let calls = people.chunks(4).flat_map(|four| {
        let request = id();
        [
            send(&clients[0], &four[0], &four[1], request.clone()),
            send(&clients[1], &four[2], &four[3], request),
        ]
    });
    let results = released_together(calls.collect::<Vec<_>>()).await;
    for two in results.chunks(2) {
        assert_eq!(reasons(two), ["REQUEST_ID_REUSED"], "{two:?}");
    }
    assert_eq!(local.count("SELECT count(*) FROM sent"), ROUNDS as i64);
    assert_eq!(
        local.count("SELECT count(*) FROM request"),
        ROUNDS as i64 + people.len() as i64 / 100 + 1
    );
}

async fn check_quota_of_10(clients: &[Invitations], local: &Local) {
    let people = clients[0].crowd(33).await;
    let calls = (0..32).map(|number| {
        send(
            &clients[number % clients.len()],
            &people[0],
            &people[number + 1],
            id(),
        )
    });
    let results = released_together(calls).await;
    let made: HashSet<String> = results.iter().filter_map(invitation_id).collect();
    assert_eq!(made.len(), 10);
    assert_eq!(reasons(&results), vec!["INVITATION_LIMIT_REACHED"; 22]);
    assert_eq!(local.spent(&people[0]), 10);
    assert_eq!(
        local.count(&format!(
            "SELECT count(*) FROM sent WHERE inviter_id = '{}'",
            people[0]
        )),
        10
    );
    assert_books_agree(local);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_10_lets_exactly_10_of_32_through() {
    let local = Local::start_idle("quota", &["--quota-day", "10"]).await;
    check_quota_of_10(&[local.clients()], &local).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_10_lets_exactly_10_of_32_through_two_processes() {
    let (local, services) = two_services("quota_two", &[("--quota-day", "10")]).await;
    let clients = services.each_ref().map(|service| Invitations::at(service.grpc()));
    for _ in 0..5 {
        check_quota_of_10(&clients, &local).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crossing_invitations_always_connect_with_one_acceptance() {
    const PAIRS: usize = 200;
    let (local, services) = two_services("crossing", &[]).await;
    let clients = services.each_ref().map(|service| Invitations::at(service.grpc()));
    let people = clients[0].crowd(2 * PAIRS).await;
    let calls = people.chunks(2).enumerate().flat_map(|(number, two)| {
        let near = &clients[number % 2];
        // Half of the pairs cross between the processes, half within one.
        let far = &clients[(number / 2) % 2];
        [
            send(near, &two[0], &two[1], id()),
            send(far, &two[1], &two[0], id()),
        ]
    });
    let results = released_together(calls.collect::<Vec<_>>()).await;
    for two in results.chunks(2) {
        let connected = two
            .iter()
            .filter(|sent| sent.is_ok() && invitation_id(sent).is_none())
            .count();
        assert_eq!(connected, 1, "one sends, the other connects: {two:?}");
    }
    assert_eq!(local.count("SELECT count(*) FROM connection"), 2 * PAIRS as i64);
    assert_eq!(
        local.count("SELECT count(*) FROM sent WHERE lifecycle = 2"),
        PAIRS as i64
    );
    assert_eq!(local.count("SELECT count(*) FROM sent"), PAIRS as i64);
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE event = 2"),
        PAIRS as i64
    );
    assert_eq!(
        local.count("SELECT coalesce(sum(lifetime_sends), 0)::bigint AS count FROM account"),
        PAIRS as i64
    );
    assert_books_agree(&local);
    for two in people.chunks(2).take(10) {
        assert_eq!(clients[0].connections(&two[0]).await.expect("listed").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_accepted_32_times_at_once_connects_once() {
    let (local, services) = two_services("accept_twice", &[]).await;
    let clients = services.each_ref().map(|service| Invitations::at(service.grpc()));
    let people = clients[0].crowd(2).await;
    let invitation = clients[0].invite(&people[0], &people[1]).await;
    let calls = (0..32).map(|number| {
        let (clients, recipient) = (clients[number % 2].clone(), people[1].clone());
        let invitation = invitation.invitation_id.clone();
        async move { clients.accept(&recipient, &invitation).await }
    });
    let answers = released_together(calls).await;
    let times: HashSet<String> = answers
        .into_iter()
        .map(|answer| format!("{:?}", answer.expect("each is OK").connection))
        .collect();
    assert_eq!(times.len(), 1, "every answer tells of the same connection");
    assert_eq!(local.count("SELECT count(*) FROM connection"), 2);
    assert_eq!(local.count("SELECT count(*) FROM outbox WHERE event = 2"), 1);
    let seen = clients[0]
        .sent(&people[0], &invitation.invitation_id)
        .await
        .expect("found");
    assert_eq!(seen.state(), SentState::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_database_refuses_fails_alone() {
    let local = Local::start_idle("poison", &[]).await;
    let clients = local.clients();
    let people = clients.crowd(41).await;
    local.execute("ALTER TABLE sent ADD CONSTRAINT poison CHECK (note <> 'poison')");
    let calls = (0..40).map(|number| {
        let clients = clients.clone();
        let message = SendInvitationRequest {
            inviter_id: people[number].clone(),
            recipient_id: people[40].clone(),
            note: if number == 17 { "poison" } else { "good" }.to_owned(),
            ..SendInvitationRequest::default()
        };
        async move { clients.send_with(message).await }
    });
    let results = released_together(calls).await;
    let failed: Vec<usize> = (0..40).filter(|number| results[*number].is_err()).collect();
    assert_eq!(failed, [17]);
    assert_eq!(
        results[17].as_ref().expect_err("refused").code(),
        tonic::Code::Internal
    );
    assert_eq!(local.count("SELECT count(*) FROM sent"), 39);
    assert_eq!(local.spent(&people[17]), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_fails_its_own_commands_only() {
    let local = Local::start_idle("damaged", &["--committers", "1"]).await;
    let clients = local.clients();
    let people = clients.crowd(42).await;
    clients.invite(&people[0], &people[1]).await;
    local.execute("DELETE FROM received");
    let calls = (0..40).map(|number| match number {
        17 => send(&clients, &people[0], &people[1], id()),
        _ => send(&clients, &people[number + 2], &people[1], id()),
    });
    let results = released_together(calls).await;
    let failed: Vec<usize> = (0..40).filter(|number| results[*number].is_err()).collect();
    assert_eq!(failed, [17]);
    assert_eq!(
        results[17].as_ref().expect_err("refused").code(),
        tonic::Code::Internal
    );
}
