//! Sending: the checks and their order, quotas at their edges, resends.

use std::slice;

use jiff::SignedDuration;
use proto::invitations::v1::{
    InvitationPolicy, Member, ReceivedState, SendInvitationRequest, SentInvitation, SentState,
    send_invitation_response::Outcome,
};
use tests::{
    clients::{Invitations, id, member, reason},
    local::Local,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

async fn refused(clients: &Invitations, message: SendInvitationRequest) -> (Code, String) {
    let status = clients.send_with(message).await.expect_err("it is refused");
    (status.code(), reason(&status))
}

fn from(inviter: &str, recipient: &str) -> SendInvitationRequest {
    SendInvitationRequest {
        inviter_id: inviter.to_owned(),
        recipient_id: recipient.to_owned(),
        ..SendInvitationRequest::default()
    }
}

async fn sent(clients: &Invitations, message: SendInvitationRequest) -> SentInvitation {
    match clients.send_with(message).await.expect("it is sent").outcome {
        Some(Outcome::Invitation(invitation)) => invitation,
        other => panic!("not an invitation: {other:?}"),
    }
}

fn limit_reached(result: Result<impl std::fmt::Debug, Status>) -> bool {
    match result {
        Ok(_) => false,
        Err(status) => {
            assert_eq!(
                (status.code(), &*reason(&status)),
                (Code::ResourceExhausted, "INVITATION_LIMIT_REACHED")
            );
            assert!(
                !status.message().contains(|c: char| c.is_ascii_digit()),
                "{}",
                status.message()
            );
            true
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_stands_in_both_books() {
    let local = Local::start_idle("books", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let message = SendInvitationRequest {
        note: "e\u{301}".to_owned(),
        ..from(&ada, &ben)
    };
    let invitation = sent(&clients, message).await;
    assert_eq!(invitation.note, "é");
    assert_eq!(invitation.state(), SentState::Pending);
    assert_eq!(invitation.create_time, invitation.send_time);
    assert_eq!(
        clients.outbox(&ada).await.expect("listed"),
        slice::from_ref(&invitation)
    );
    let received = clients
        .received(&ben, &invitation.invitation_id)
        .await
        .expect("found");
    assert_eq!(received.state(), ReceivedState::Pending);
    assert_eq!(received.note, "é");
    for (reader, other) in [(&ada, &ben), (&ben, &ada)] {
        assert!(
            clients.connections(reader).await.expect("listed").is_empty(),
            "{other}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_members_connected_ones_and_oneself_are_refused() {
    let local = Local::start_idle("refusals", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let not_found = (Code::NotFound, "MEMBER_NOT_FOUND".to_owned());
    assert_eq!(refused(&clients, from(&ada, &id())).await, not_found);
    assert_eq!(refused(&clients, from(&id(), &ben)).await, not_found);
    assert_eq!(
        refused(&clients, from(&ada, &ada)).await,
        (Code::InvalidArgument, "SELF_INVITATION".to_owned())
    );
    let invitation = clients.invite(&ada, &ben).await;
    clients
        .accept(&ben, &invitation.invitation_id)
        .await
        .expect("accepted");
    for (inviter, recipient) in [(&ada, &ben), (&ben, &ada)] {
        let connected = (Code::AlreadyExists, "ALREADY_CONNECTED".to_owned());
        assert_eq!(refused(&clients, from(inviter, recipient)).await, connected);
    }
    assert_eq!(local.spent(&ada), 1, "a refusal costs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn inviting_whoever_invited_me_connects_us_and_costs_nothing() {
    let local = Local::start_idle("mutual", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let invitation = clients.invite(&ada, &ben).await;
    let answer = clients.send(&ben, &ada).await.expect("it is taken");
    let Some(Outcome::Connection(connection)) = answer.outcome else {
        panic!("not connected: {answer:?}")
    };
    assert_eq!((&connection.member_id, &connection.other_id), (&ben, &ada));
    let seen = clients
        .sent(&ada, &invitation.invitation_id)
        .await
        .expect("found");
    assert_eq!(seen.state(), SentState::Accepted);
    assert_eq!(seen.accept_time, connection.connect_time);
    assert_eq!(local.spent(&ben), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_keeps_the_id_and_renews_note_and_expiry() {
    let local = Local::start_idle("resend", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let first = clients.invite(&ada, &ben).await;
    local.time.step(SignedDuration::from_hours(1));
    let second = sent(
        &clients,
        SendInvitationRequest {
            note: "again".to_owned(),
            ..from(&ada, &ben)
        },
    )
    .await;
    assert_eq!(second.invitation_id, first.invitation_id);
    assert_eq!(second.create_time, first.create_time);
    assert_eq!(second.note, "again");
    assert_ne!(second.expire_time, first.expire_time);
    let received = clients.received(&ben, &first.invitation_id).await.expect("found");
    assert_eq!(
        (&*received.note, received.expire_time),
        ("again", second.expire_time)
    );
    assert_eq!(local.spent(&ada), 2);
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE due_at IS NOT NULL"),
        1,
        "an initial email went less than a day ago"
    );
    local.time.step(SignedDuration::from_hours(23));
    sent(&clients, from(&ada, &ben)).await;
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE due_at IS NOT NULL"),
        2,
        "it is a day old now"
    );
    let refusal = refused(&clients, from(&ada, &ben)).await;
    assert_eq!(
        refusal,
        (Code::AlreadyExists, "INVITATION_ALREADY_SENT".to_owned()),
        "three in 180 days"
    );
    local.time.step(SignedDuration::from_hours(24 * 180 - 24));
    assert_eq!(
        sent(&clients, from(&ada, &ben)).await.invitation_id,
        first.invitation_id
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_expires_180_days_after_its_last_send() {
    let local = Local::start_idle("expiry", &[]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let first = clients.invite(&ada, &ben).await;
    local
        .time
        .step(SignedDuration::from_hours(24 * 180) - SignedDuration::from_millis(1));
    assert_eq!(
        clients
            .sent(&ada, &first.invitation_id)
            .await
            .expect("found")
            .state(),
        SentState::Pending
    );
    local.time.step(SignedDuration::from_millis(1));
    assert_eq!(
        clients
            .sent(&ada, &first.invitation_id)
            .await
            .expect("found")
            .state(),
        SentState::Expired
    );
    let received = clients.received(&ben, &first.invitation_id).await.expect("found");
    assert_eq!(received.state(), ReceivedState::Expired);
    let status = clients
        .accept(&ben, &first.invitation_id)
        .await
        .expect_err("too late");
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::FailedPrecondition, "INVITATION_EXPIRED")
    );
    let second = clients.invite(&ada, &ben).await;
    assert_ne!(
        second.invitation_id, first.invitation_id,
        "the pair starts a new one"
    );
    clients
        .accept(&ben, &second.invitation_id)
        .await
        .expect("this one is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_day_s_quota_is_exact_and_rolls() {
    let local = Local::start_idle("day", &["--quota-day", "3"]).await;
    let clients = local.clients();
    let people = clients.crowd(10).await;
    let ada = &people[0];
    for recipient in &people[1..=3] {
        clients.invite(ada, recipient).await;
        local.time.step(SignedDuration::from_hours(1));
    }
    assert!(limit_reached(clients.send(ada, &people[4]).await));
    local
        .time
        .step(SignedDuration::from_hours(21) - SignedDuration::from_millis(1));
    assert!(
        limit_reached(clients.send(ada, &people[4]).await),
        "a millisecond short of a day"
    );
    local.time.step(SignedDuration::from_millis(1));
    assert!(
        !limit_reached(clients.send(ada, &people[4]).await),
        "the first send has left the window"
    );
    assert!(limit_reached(clients.send(ada, &people[5]).await));
    assert_eq!(local.spent(ada), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_week_s_and_the_lifetime_s_quota_hold_too() {
    let local = Local::start_idle(
        "week",
        &["--quota-day", "2", "--quota-week", "3", "--quota-lifetime", "4"],
    )
    .await;
    let clients = local.clients();
    let people = clients.crowd(10).await;
    let ada = &people[0];
    clients.invite(ada, &people[1]).await;
    clients.invite(ada, &people[2]).await;
    local.time.step(SignedDuration::from_hours(24));
    clients.invite(ada, &people[3]).await;
    assert!(
        limit_reached(clients.send(ada, &people[4]).await),
        "three in the week"
    );
    local.time.step(SignedDuration::from_hours(24 * 6));
    clients.invite(ada, &people[4]).await;
    local.time.step(SignedDuration::from_hours(24 * 365));
    assert!(limit_reached(clients.send(ada, &people[5]).await), "four ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_it_is_invited_by_those_who_know_their_address() {
    let local = Local::start_idle("address", &["--quota-day", "3"]).await;
    let clients = local.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let ben = Member {
        email: "Ben@example.com".to_owned(),
        invitation_policy: InvitationPolicy::KnowsMyEmail.into(),
        ..member("Ben")
    };
    clients.upsert(vec![ben.clone()]).await.expect("taken");
    let with = |address: &str| SendInvitationRequest {
        recipient_email: address.to_owned(),
        ..from(&ada, &ben.member_id)
    };
    let missing = clients.send_with(with("")).await.expect_err("it is needed");
    assert_eq!(local.spent(&ada), 0);
    let wrong = clients
        .send_with(with("bert@example.com"))
        .await
        .expect_err("it is wrong");
    assert_eq!(local.spent(&ada), 1, "a wrong one costs quota");
    for status in [&missing, &wrong] {
        assert_eq!(
            (status.code(), &*reason(status)),
            (Code::FailedPrecondition, "EMAIL_REQUIRED")
        );
    }
    assert_eq!(
        (missing.message(), missing.details()),
        (wrong.message(), wrong.details())
    );
    sent(&clients, with("ben@EXAMPLE.com")).await;
    let _ = clients.send_with(with("bert@example.com")).await;
    for guess in ["bert@example.com", "ben@example.com"] {
        assert!(
            limit_reached(clients.send_with(with(guess)).await),
            "without quota a guess tells nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_gets_its_first_answer_for_24_hours() {
    let local = Local::start_idle("requests", &["--quota-day", "1"]).await;
    let clients = local.clients();
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    let request_id = id();
    let message = SendInvitationRequest {
        request_id: request_id.clone(),
        ..from(&ada, &ben)
    };
    let first = sent(&clients, message.clone()).await;
    clients
        .accept(&ben, &first.invitation_id)
        .await
        .expect("accepted");
    local
        .time
        .step(SignedDuration::from_hours(24) - SignedDuration::from_millis(1));
    assert_eq!(
        sent(&clients, message.clone()).await,
        first,
        "as it was answered first"
    );
    let other = SendInvitationRequest {
        request_id: request_id.clone(),
        ..from(&ada, &cleo)
    };
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned());
    assert_eq!(refused(&clients, other.clone()).await, reused);
    let status = clients
        .send_with(other.clone())
        .await
        .expect_err("another request");
    let wrong = status.get_details_bad_request().expect("fields are wrong");
    assert_eq!(wrong.field_violations[0].field, "request_id");
    local.time.step(SignedDuration::from_millis(1));
    sent(&clients, other.clone()).await;
    assert_eq!(
        refused(&clients, message).await,
        reused,
        "the id stands for the other request now"
    );
    assert_eq!(sent(&clients, other).await.recipient_id, cleo);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_answer_too() {
    let local = Local::start_idle("refused", &["--quota-day", "1"]).await;
    let clients = local.clients();
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    clients.invite(&ada, &ben).await;
    let message = SendInvitationRequest {
        request_id: id(),
        ..from(&ada, &cleo)
    };
    let limit = refused(&clients, message.clone()).await;
    local
        .time
        .step(SignedDuration::from_hours(24) - SignedDuration::from_millis(1));
    local.execute("UPDATE account SET sends = ''");
    assert_eq!(
        refused(&clients, message).await,
        limit,
        "although there is quota now"
    );
    clients.invite(&ada, &cleo).await;
}
