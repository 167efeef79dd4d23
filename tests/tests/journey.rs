//! One invitation across both services, in good days and when a part of the system is down.

use std::time::{Duration, Instant};

use diesel::{RunQueryDsl, sql_query};

use proto::invitations::v1::{SendInvitationRequest, SentState};
use tests::{
    clients::{Invitations, member, reason, send_request},
    cluster::Cluster,
    mail,
    processes::Service,
    system::System,
};
use tonic::Code;

/// Longer than the lease of a relay that was killed with transitions in hand.
const PATIENCE: Duration = Duration::from_secs(90);

/// Long enough for a second email that should not come.
const QUIET: Duration = Duration::from_millis(1_500);

/// Two new members: the first one's id and address, then the second one's.
async fn two(clients: &Invitations) -> [(String, String); 2] {
    let members = [member("Ada Adler"), member("Ben Berger")];
    clients.upsert(members.to_vec()).await.expect("members are taken");
    members.map(|member| (member.member_id, member.email))
}

/// Waits until `address` has exactly one email.
async fn assert_one_email(system: &System, address: &str) {
    let log = || system.notify.log_tail(20);
    let found = mail::wait_for(&system.mail(), address, PATIENCE).await;
    assert!(found.is_some(), "no email to {address}:\n{}", log());
    tokio::time::sleep(QUIET).await;
    let all = mail::all(&system.mail());
    assert_eq!(
        all.iter().filter(|email| email.to == address).count(),
        1,
        "{}",
        log()
    );
}

#[tokio::test]
async fn an_invitation_and_its_answer_reach_the_other_side_by_email() {
    let system = System::start("journey").await;
    let clients = system.clients();
    let [(ada, ada_address), (ben, ben_address)] = two(&clients).await;
    let invitation = clients.invite(&ada, &ben).await;
    assert_one_email(&system, &ben_address).await;
    clients
        .accept(&ben, &invitation.invitation_id)
        .await
        .expect("accepted");
    let sent = clients
        .sent(&ada, &invitation.invitation_id)
        .await
        .expect("found");
    assert_eq!(sent.state(), SentState::Accepted);
    assert_one_email(&system, &ada_address).await;
}

#[tokio::test]
async fn while_notify_is_down_invitations_answers_and_catches_up_later() {
    let mut system = System::start("catch_up").await;
    let clients = system.clients();
    let [(ada, ada_address), (ben, ben_address)] = two(&clients).await;
    system.notify.kill();
    let invitation = clients.invite(&ada, &ben).await;
    clients
        .accept(&ben, &invitation.invitation_id)
        .await
        .expect("accepted");
    assert!(mail::all(&system.mail()).is_empty());
    system.notify.restart().await;
    assert_one_email(&system, &ada_address).await;
    let to_ben = mail::all(&system.mail())
        .into_iter()
        .filter(|email| email.to == ben_address)
        .count();
    assert_eq!(to_ben, 0, "the reason of the first email is gone");
}

#[tokio::test]
async fn an_invitation_says_how_many_reminders_follow_by_the_settings_and_its_inviter() {
    let system = System::start_with(
        "reminder_days",
        |launch| launch.flag("--reminder-days", "7,14,21"),
        |launch| launch,
    )
    .await;
    let clients = system.clients();
    let [(ada, _), (ben, ben_address)] = two(&clients).await;
    let [(cleo, cleo_address), (dan, dan_address)] = two(&clients).await;
    clients.invite(&ada, &ben).await;
    for (reader, reminders) in [(cleo, Some(true)), (dan, Some(false))] {
        let message = SendInvitationRequest {
            reminders,
            ..send_request(&ada, &reader)
        };
        clients.send_with(message).await.expect("sent");
    }
    for (address, told) in [
        (ben_address, "At most 3 reminders will follow."),
        (cleo_address, "At most 3 reminders will follow."),
        (dan_address, "No reminders will follow."),
    ] {
        assert_one_email(&system, &address).await;
        let emails = mail::all(&system.mail());
        let email = emails.iter().find(|email| email.to == address);
        let text = &email.expect("it has come").text;
        // The text is filled to lines of a width.
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(told), "{text}");
    }
}

#[tokio::test]
async fn an_acceptance_told_in_one_call_with_its_invitation_says_whom_they_know() {
    let mut system = without_relay("one_call").await;
    let clients = system.clients();
    let [(ada, ada_address), (ben, _)] = two(&clients).await;
    let invitation = clients.invite(&ada, &ben).await;
    clients
        .accept(&ben, &invitation.invitation_id)
        .await
        .expect("accepted");
    relay_from_now_on(&mut system).await;
    assert_one_email(&system, &ada_address).await;
    let told = system.notify_database.dump();
    assert!(told.contains(r#"""total_count"":1"#), "{told}");
}

/// A system whose transitions wait in the outbox until [`relay_from_now_on`].
async fn without_relay(hint: &str) -> System {
    System::start_with(hint, |launch| launch.flag("--relay", "off"), |launch| launch).await
}

async fn relay_from_now_on(system: &mut System) {
    let mut launch = system.invitations.launch().clone();
    launch.flags.retain(|flag| flag != "--relay" && flag != "off");
    system.invitations.kill();
    system.invitations = launch.start().await;
}

#[tokio::test]
async fn an_acceptance_of_two_who_have_parted_since_is_told_to_nobody() {
    let mut system =
        System::start_with("parted", |launch| launch.flag("--relay", "off"), |launch| launch).await;
    let clients = system.clients();
    let [(ada, ada_address), (ben, _)] = two(&clients).await;
    let [(cleo, cleo_address), (dan, _)] = two(&clients).await;
    for (inviter, recipient) in [(&ada, &ben), (&cleo, &dan)] {
        let invitation = clients.invite(inviter, recipient).await.invitation_id;
        clients.accept(recipient, &invitation).await.expect("accepted");
    }
    clients.disconnect(&ben, &ada).await.expect("parted");
    relay_from_now_on(&mut system).await;
    assert_one_email(&system, &cleo_address).await;
    let told = mail::all(&system.mail());
    assert!(told.iter().all(|email| email.to != ada_address), "{told:?}");
}

#[tokio::test]
async fn a_member_who_cannot_be_read_holds_up_no_other() {
    let mut system = without_relay("unreadable").await;
    let clients = system.clients();
    let [(ada, _), (bad, bad_address)] = two(&clients).await;
    clients.invite(&ada, &bad).await;
    let mut addresses = Vec::new();
    for _ in 0..20 {
        let [(one, one_address), (other, other_address)] = two(&clients).await;
        clients.invite(&ada, &one).await;
        clients.invite(&ada, &other).await;
        addresses.extend([one_address, other_address]);
    }
    // As a later version may write it.
    let database = &mut system.invitations_database.connect();
    for change in [
        "ALTER TABLE member DROP CONSTRAINT member_invitation_policy_check".to_owned(),
        format!("UPDATE member SET invitation_policy = 9 WHERE member_id = '{bad}'"),
    ] {
        sql_query(change).execute(database).expect("changed");
    }
    relay_from_now_on(&mut system).await;
    for address in &addresses {
        let found = mail::wait_for(&system.mail(), address, PATIENCE).await;
        assert!(
            found.is_some(),
            "no email to {address}:\n{}",
            system.invitations.log_tail(20)
        );
    }
    // Nor is it lost.
    let change = format!("UPDATE member SET invitation_policy = 1 WHERE member_id = '{bad}'");
    sql_query(change).execute(database).expect("changed");
    assert_one_email(&system, &bad_address).await;
}

#[tokio::test]
async fn an_invitation_ignored_before_its_email_left_sends_none() {
    let mut system = System::start("ignored").await;
    let clients = system.clients();
    let [(ada, ada_address), (ben, ben_address)] = two(&clients).await;
    let [(cleo, _), (dan, dan_address)] = two(&clients).await;
    let [(eve, _), (finn, finn_address)] = two(&clients).await;
    system.notify.kill();
    let ignored = clients.invite(&eve, &finn).await;
    clients.ignore(&finn, &ignored.invitation_id).await;
    let invitation = clients.invite(&ada, &ben).await;
    clients
        .reply(&ben, &invitation.invitation_id, "Do I know you?")
        .await
        .expect("replied");
    clients.ignore(&ben, &invitation.invitation_id).await;
    clients.invite(&cleo, &dan).await;
    system.notify.restart().await;
    assert_one_email(&system, &dan_address).await;
    assert_one_email(&system, &ada_address).await;
    let to_recipients = mail::all(&system.mail())
        .into_iter()
        .filter(|email| email.to == ben_address || email.to == finn_address)
        .count();
    assert_eq!(to_recipients, 0, "the reply goes out, the invitations do not");
}

#[tokio::test]
async fn what_was_answered_survives_the_death_of_both_services() {
    let mut system = System::start("killed").await;
    let clients = system.clients();
    let [(ada, _), (ben, ben_address)] = two(&clients).await;
    system.notify.kill();
    let invitation = clients.invite(&ada, &ben).await;
    system.invitations.kill();
    system.notify.restart().await;
    system.invitations.restart().await;
    let kept = system
        .clients()
        .sent(&ada, &invitation.invitation_id)
        .await
        .expect("found");
    assert_eq!(kept, invitation);
    assert_one_email(&system, &ben_address).await;
}

async fn until(service: &Service, ready: bool) {
    for _ in 0..300 {
        if service.is_ready().await == ready {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!(
        "{} does not say so:\n{}",
        service.launch().binary,
        service.log_tail(20)
    );
}

#[tokio::test]
async fn without_their_database_both_say_that_they_are_not_ready_until_it_is_back() {
    let cluster = Cluster::temporary().expect("Postgres starts");
    let databases = ["invitations", "notify"].map(|name| cluster.database(name).expect("a new database"));
    let system = System::start_on(databases, |launch| launch, |launch| launch).await;
    let clients = system.clients();
    let [(ada, _), (ben, ben_address)] = two(&clients).await;

    cluster.kill();
    let refused = clients
        .send(&ada, &ben)
        .await
        .expect_err("nothing can be written");
    assert_eq!(
        refused.code(),
        Code::Unavailable,
        "{} {refused}",
        reason(&refused)
    );
    until(&system.invitations, false).await;
    until(&system.notify, false).await;

    cluster.start().expect("Postgres recovers");
    until(&system.invitations, true).await;
    until(&system.notify, true).await;
    clients.invite(&ada, &ben).await;
    assert_one_email(&system, &ben_address).await;
}

#[tokio::test]
async fn a_transition_that_notify_refuses_for_good_is_put_aside_and_sent_once_mended() {
    let mut system = System::start("put_aside").await;
    let clients = system.clients();
    let [(ada, _), (ben, ben_address)] = two(&clients).await;
    let others = clients.crowd(20).await;
    system.notify.kill();
    for recipient in others.iter().chain([&ben]) {
        clients.invite(&ada, recipient).await;
    }
    let mut database = system.invitations_database.connect();
    let spoil = format!("UPDATE outbox SET text = repeat('x', 5000) WHERE recipient_id = '{ben}'");
    sql_query(spoil).execute(&mut database).expect("spoilt");
    system.notify.restart().await;
    let end = Instant::now() + PATIENCE;
    while count(&mut database, "SELECT count(*) FROM outbox_dead") == 0 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&mut database, "SELECT count(*) FROM outbox_dead"), 1);
    while mail::all(&system.mail()).len() < others.len() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        mail::all(&system.mail()).len(),
        others.len(),
        "the others are not held up"
    );

    sql_query("UPDATE outbox_dead SET text = ''")
        .execute(&mut database)
        .expect("mended");
    let again = "WITH again AS (DELETE FROM outbox_dead RETURNING *) INSERT INTO outbox (lane, invitation_id, sequence, \
                 event, inviter_id, recipient_id, text, number, happened_at, due_at) SELECT lane, invitation_id, \
                 sequence, event, inviter_id, recipient_id, text, number, happened_at, now() FROM again";
    sql_query(again)
        .execute(&mut database)
        .expect("the line that the README gives");
    assert_one_email(&system, &ben_address).await;
}

fn count(connection: &mut diesel::PgConnection, query: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let row: Count = sql_query(query).get_result(connection).expect("the query counts");
    row.count
}
