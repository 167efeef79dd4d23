//! Two acts on one invitation, released together: both answers and the end are those of one of the two serial orders.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::connection::SimpleConnection;
use jiff::SignedDuration;
use proto::invitations::v1::{
    Folder, ReceivedState, SendInvitationRequest, SentState, accept_invitation_request::Target,
    send_invitation_response::Outcome,
};
use tests::{
    clients::{Act, Acted, Invitations, id, reason, send_request},
    local::Local,
    processes::Service,
    races::{assert_books_agree, released_together, two_services},
    system::LINK_KEY,
};
use tonic::Status;

/// Pairs in each race.
const ROUNDS: usize = 60;

/// One of the two that race.
#[derive(Debug, Clone, Copy)]
enum Racer {
    Act(Act),
    /// The accept by the link of the email.
    Link,
    /// The inviter sends again.
    Resend,
    /// The recipient invites the inviter.
    Cross,
    /// The inviter ends the connection.
    Leave,
    /// So does the recipient.
    LeaveToo,
}

/// How two racers may end: their answers, and what the recipient and the inviter see afterwards.
type End = (&'static str, &'static str, Option<ReceivedState>, SentState);

/// Two members and an invitation between them.
#[derive(Debug, Clone)]
struct Invited {
    inviter: String,
    recipient: String,
    invitation: String,
}

impl Racer {
    async fn run(self, clients: Invitations, it: Invited) -> &'static str {
        let Invited {
            inviter,
            recipient,
            invitation,
        } = &it;
        let word = |result: Result<Acted, Status>| result.map_or_else(|status| word_of(&status), |_| "OK");
        match self {
            Self::Act(act) => word(clients.act(act, act.of(inviter, recipient), invitation).await),
            Self::Link => {
                let answer = clients
                    .accept_target(recipient, Target::LinkToken(link(&it)))
                    .await;
                word(answer.map(Acted::Accepted))
            }
            Self::Resend => sent(clients.send_with(send_request(inviter, recipient)).await),
            Self::Cross => sent(clients.send_with(send_request(recipient, inviter)).await),
            Self::Leave => left(clients.disconnect(inviter, recipient).await),
            Self::LeaveToo => left(clients.disconnect(recipient, inviter).await),
        }
    }
}

fn word_of(status: &Status) -> &'static str {
    reason(status).leak()
}

fn left(result: Result<(), Status>) -> &'static str {
    result.map_or_else(|status| word_of(&status), |()| "OK")
}

fn sent(result: Result<proto::invitations::v1::SendInvitationResponse, Status>) -> &'static str {
    match result.map(|response| response.outcome) {
        Ok(Some(Outcome::Invitation(_))) => "sent",
        Ok(Some(Outcome::Connection(_))) => "connected",
        Ok(None) => "nothing",
        Err(status) => word_of(&status),
    }
}

fn link(it: &Invited) -> String {
    let parse = |id: &str| id.parse().expect("a UUID");
    let link = invitations_svc::links::AcceptLink {
        recipient_id: parse(&it.recipient),
        invitation_id: parse(&it.invitation),
    };
    invitations_svc::links::token(&LINK_KEY.parse().expect("a key"), link)
}

fn clients_of(services: &[Service; 2]) -> [Invitations; 2] {
    services.each_ref().map(|service| Invitations::at(service.grpc()))
}

/// Invitations that lie in `folder`, one for each round.
async fn invited(clients: &[Invitations], folder: Folder) -> Vec<Invited> {
    let people = clients[0].crowd(2 * ROUNDS).await;
    let mut all = Vec::new();
    for two in people.chunks(2) {
        let (inviter, recipient) = (two[0].clone(), two[1].clone());
        let invitation = clients[0].invite(&inviter, &recipient).await.invitation_id;
        match folder {
            Folder::Unspecified | Folder::Inbox => {}
            Folder::Archived => drop(clients[0].ignore(&recipient, &invitation).await),
            Folder::Declined => drop(clients[0].decline(&recipient, &invitation).await),
        }
        all.push(Invited {
            inviter,
            recipient,
            invitation,
        });
    }
    all
}

/// Lets both race for each invitation, half of them between the processes, and answers how each ended.
async fn race(
    clients: &[Invitations],
    all: &[Invited],
    racers: [Racer; 2],
) -> Vec<(&'static str, &'static str)> {
    let calls = all.iter().enumerate().flat_map(|(number, it)| {
        let near = &clients[number % clients.len()];
        let far = &clients[(number / 2) % clients.len()];
        [(near, racers[0]), (far, racers[1])].map(|(clients, racer)| racer.run(clients.clone(), it.clone()))
    });
    let answers = released_together(calls.collect::<Vec<_>>()).await;
    answers.chunks(2).map(|two| (two[0], two[1])).collect()
}

/// Every end is one of `ends`.
async fn check(hint: &str, folder: Folder, racers: [Racer; 2], ends: &[End]) -> Local {
    let (local, services) = two_services(hint, &[]).await;
    let clients = clients_of(&services);
    let all = invited(&clients, folder).await;
    let answers = race(&clients, &all, racers).await;
    for (it, answers) in all.iter().zip(answers) {
        let received = clients[0].received(&it.recipient, &it.invitation).await;
        let sent = clients[1].sent(&it.inviter, &it.invitation).await.expect("found");
        let end = (
            answers.0,
            answers.1,
            received.ok().map(|received| received.state()),
            sent.state(),
        );
        assert!(
            ends.contains(&end),
            "{racers:?} ended in no serial order: {end:?}"
        );
    }
    assert_books_agree(&local);
    local
}

#[tokio::test(flavor = "multi_thread")]
async fn accept_and_withdraw() {
    let local = check(
        "accept_withdraw",
        Folder::Inbox,
        [Racer::Act(Act::Accept), Racer::Act(Act::Withdraw)],
        &[
            (
                "OK",
                "INVITATION_CLOSED",
                Some(ReceivedState::Accepted),
                SentState::Accepted,
            ),
            ("INVITATION_NOT_FOUND", "OK", None, SentState::Withdrawn),
        ],
    )
    .await;
    let closed = local.count("SELECT count(*) FROM outbox WHERE event IN (2, 8)");
    assert_eq!(closed, ROUNDS as i64, "each closed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn accept_and_accept_by_the_link() {
    let local = check(
        "accept_link",
        Folder::Archived,
        [Racer::Act(Act::Accept), Racer::Link],
        &[("OK", "OK", Some(ReceivedState::Accepted), SentState::Accepted)],
    )
    .await;
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE event = 2"),
        ROUNDS as i64
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn decline_and_send_again() {
    let local = check(
        "decline_send",
        Folder::Archived,
        [Racer::Act(Act::Decline), Racer::Resend],
        &[
            (
                "OK",
                "CANNOT_INVITE_MEMBER",
                Some(ReceivedState::Declined),
                SentState::Pending,
            ),
            (
                "IGNORE_FIRST",
                "sent",
                Some(ReceivedState::Pending),
                SentState::Pending,
            ),
        ],
    )
    .await;
    let charged = "SELECT coalesce(sum(lifetime_sends), 0)::bigint AS count FROM account";
    assert_eq!(local.count(charged), 2 * ROUNDS as i64, "charged in either order");
}

#[tokio::test(flavor = "multi_thread")]
async fn decline_and_withdraw() {
    let local = check(
        "decline_withdraw",
        Folder::Archived,
        [Racer::Act(Act::Decline), Racer::Act(Act::Withdraw)],
        &[
            ("OK", "OK", None, SentState::Withdrawn),
            ("INVITATION_NOT_FOUND", "OK", None, SentState::Withdrawn),
        ],
    )
    .await;
    let declined = local.count("SELECT count(*) FROM outbox WHERE event = 7");
    let barred = local.count("SELECT count(*) FROM pair WHERE lo_barred OR hi_barred");
    let strikes = local.count("SELECT coalesce(sum(length(strikes)) / 8, 0)::bigint AS count FROM account");
    assert_eq!(
        (barred, strikes),
        (declined, declined),
        "whoever declined in time barred and struck"
    );
    let address = local.count("SELECT count(*) FROM pair WHERE lo_email_required OR hi_email_required");
    assert_eq!(address, ROUNDS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn ignore_and_accept() {
    check(
        "ignore_accept",
        Folder::Inbox,
        [Racer::Act(Act::Ignore), Racer::Act(Act::Accept)],
        &[
            ("OK", "OK", Some(ReceivedState::Accepted), SentState::Accepted),
            (
                "INVITATION_CLOSED",
                "OK",
                Some(ReceivedState::Accepted),
                SentState::Accepted,
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_and_withdraw() {
    let local = check(
        "reply_withdraw",
        Folder::Inbox,
        [Racer::Act(Act::Reply), Racer::Act(Act::Withdraw)],
        &[
            ("OK", "OK", None, SentState::Withdrawn),
            ("INVITATION_NOT_FOUND", "OK", None, SentState::Withdrawn),
        ],
    )
    .await;
    let replied = local.count("SELECT count(*) FROM outbox WHERE event = 4");
    assert_eq!(local.count("SELECT count(*) FROM reply"), replied);
    assert_eq!(
        local.count("SELECT coalesce(sum(replies), 0)::bigint AS count FROM received"),
        replied
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_and_reply() {
    let local = check(
        "reply_reply",
        Folder::Inbox,
        [Racer::Act(Act::Reply), Racer::Act(Act::Reply)],
        &[("OK", "OK", Some(ReceivedState::Pending), SentState::Pending)],
    )
    .await;
    let twice = "SELECT count(*) FROM (SELECT FROM reply GROUP BY invitation_id HAVING max(number) = 2) AS r";
    assert_eq!(
        local.count(twice),
        ROUNDS as i64,
        "the second reply is number two"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ignore_and_send_again() {
    check(
        "ignore_send",
        Folder::Inbox,
        [Racer::Act(Act::Ignore), Racer::Resend],
        &[
            ("OK", "sent", Some(ReceivedState::Pending), SentState::Pending),
            ("OK", "sent", Some(ReceivedState::Ignored), SentState::Pending),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_reminders_and_accept() {
    check(
        "stop_accept",
        Folder::Inbox,
        [Racer::Act(Act::StopReminders), Racer::Act(Act::Accept)],
        &[
            ("OK", "OK", Some(ReceivedState::Accepted), SentState::Accepted),
            (
                "INVITATION_CLOSED",
                "OK",
                Some(ReceivedState::Accepted),
                SentState::Accepted,
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crossing_sends_connect_whatever_folder_an_earlier_invitation_lies_in() {
    let accepted = (Some(ReceivedState::Accepted), SentState::Accepted);
    for folder in [Folder::Inbox, Folder::Archived, Folder::Declined] {
        let first = if folder == Folder::Declined {
            "CANNOT_INVITE_MEMBER"
        } else {
            "sent"
        };
        let local = check(
            "crossing_folders",
            folder,
            [Racer::Resend, Racer::Cross],
            &[
                (first, "connected", accepted.0, accepted.1),
                ("ALREADY_CONNECTED", "connected", accepted.0, accepted.1),
            ],
        )
        .await;
        assert_eq!(
            local.count("SELECT count(*) FROM outbox WHERE event = 2"),
            ROUNDS as i64,
            "{folder:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crossing_sends_of_two_who_had_something_before_connect_them_too() {
    let (local, services) = two_services("crossing_again", &[]).await;
    let clients = clients_of(&services);
    let all = invited(&clients, Folder::Inbox).await;
    for it in &all {
        clients[0]
            .accept(&it.recipient, &it.invitation)
            .await
            .expect("accepted");
        clients[0]
            .disconnect(&it.inviter, &it.recipient)
            .await
            .expect("ended");
    }
    let answers = race(&clients, &all, [Racer::Resend, Racer::Cross]).await;
    let serial: BTreeSet<_> = [("sent", "connected"), ("connected", "sent")].into();
    assert!(answers.iter().all(|two| serial.contains(two)), "{answers:?}");
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE event = 2"),
        2 * ROUNDS as i64
    );
    assert_books_agree(&local);
}

#[tokio::test(flavor = "multi_thread")]
async fn withdraw_and_cross() {
    let (local, services) = two_services("withdraw_cross", &[]).await;
    let clients = clients_of(&services);
    let all = invited(&clients, Folder::Declined).await;
    let answers = race(&clients, &all, [Racer::Act(Act::Withdraw), Racer::Cross]).await;
    let mut connected = 0;
    for answers in answers {
        match answers {
            ("INVITATION_CLOSED", "connected") => connected += 1,
            // A new one, which lifts the ban.
            ("OK", "sent") => {}
            other => panic!("no serial order ends so: {other:?}"),
        }
    }
    assert_eq!(local.count("SELECT count(*) FROM connection"), 2 * connected);
    let barred =
        local.count("SELECT count(*) FROM pair WHERE (lo_barred OR hi_barred) AND connected_at IS NULL");
    assert_eq!(barred, 0);
    assert_books_agree(&local);
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnect_and_disconnect() {
    let (local, services) = two_services("disconnect", &[]).await;
    let clients = clients_of(&services);
    let all = invited(&clients, Folder::Inbox).await;
    for it in &all {
        clients[0]
            .accept(&it.recipient, &it.invitation)
            .await
            .expect("accepted");
    }
    let answers = race(&clients, &all, [Racer::Leave, Racer::LeaveToo]).await;
    assert!(answers.iter().all(|two| *two == ("OK", "OK")), "{answers:?}");
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE event = 11"),
        ROUNDS as i64,
        "each ended once"
    );
    assert_eq!(local.count("SELECT count(*) FROM connection"), 0);
    assert_books_agree(&local);
}

/// The three calls are one batch: they wait behind one whose account is locked. Where they got there in another order
/// than they were made in, it is done again.
#[tokio::test(flavor = "multi_thread")]
async fn who_parts_and_connects_anew_at_once_is_connected_since_then() {
    let local = Local::start_idle("anew", &["--committers", "1"]).await;
    let clients = local.clients();
    let mut others = Vec::new();
    for _ in 0..5 {
        let [ada, ben, cleo, dora] = clients.new_members(["Ada", "Ben", "Cleo", "Dora"]).await;
        let invitation = clients.invite(&ada, &ben).await.invitation_id;
        clients.accept(&ben, &invitation).await.expect("accepted");
        clients.invite(&cleo, &dora).await;
        local.time.step(SignedDuration::from_hours(24));
        let mut holder = local.database.connect();
        let lock = format!("BEGIN; SELECT 1 FROM account WHERE member_id = '{cleo}' FOR UPDATE");
        holder.batch_execute(&lock).expect("locked");
        let turn = |turn: u64| tokio::time::sleep(Duration::from_millis(250 * turn));
        let (held, parted, anew, met, ()) = tokio::join!(
            clients.send(&cleo, &dora),
            async {
                turn(1).await;
                clients.disconnect(&ada, &ben).await
            },
            async {
                turn(2).await;
                clients.send(&ada, &ben).await
            },
            async {
                turn(3).await;
                clients.send(&ben, &ada).await
            },
            async {
                turn(5).await;
                holder.batch_execute("COMMIT").expect("unlocked");
            }
        );
        held.expect("sent");
        parted.expect("parted");
        let met_at = match met.as_ref().map(|met| &met.outcome) {
            Ok(Some(Outcome::Connection(met))) => met.connect_time,
            _ => None,
        };
        assert_books_agree(&local);
        match (sent(anew), sent(met)) {
            ("sent", "connected") => {}
            order @ (("ALREADY_CONNECTED" | "sent", "ALREADY_CONNECTED")
            | ("ALREADY_CONNECTED" | "connected", "sent")) => {
                others.push(order);
                continue;
            }
            other => panic!("no serial order ends so: {other:?}"),
        }
        for (member, other) in [(&ada, &ben), (&ben, &ada)] {
            let listed = clients.connections(member).await.expect("listed");
            let listed: Vec<_> = listed
                .iter()
                .map(|one| (&one.other_id, one.connect_time))
                .collect();
            assert_eq!(listed, [(other, met_at)]);
        }
        return;
    }
    panic!("five times they got there in another order: {others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnect_and_send() {
    let (local, services) = two_services("disconnect_send", &[]).await;
    let clients = clients_of(&services);
    let all = invited(&clients, Folder::Inbox).await;
    for it in &all {
        clients[0]
            .accept(&it.recipient, &it.invitation)
            .await
            .expect("accepted");
    }
    let answers = race(&clients, &all, [Racer::LeaveToo, Racer::Resend]).await;
    let serial: BTreeSet<_> = [("OK", "sent"), ("OK", "ALREADY_CONNECTED")].into();
    assert!(answers.iter().all(|two| serial.contains(two)), "{answers:?}");
    let anew = answers.iter().filter(|two| two.1 == "sent").count();
    assert_eq!(
        local.count("SELECT count(*) FROM sent WHERE lifecycle = 1"),
        anew as i64
    );
    assert_books_agree(&local);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_edge_of_its_time_an_invitation_is_accepted_or_has_expired() {
    let local = Local::start_idle("edge", &[]).await;
    let clients = [local.clients()];
    let open = SignedDuration::from_hours(24 * 180);
    let (mut accepted, mut expired) = (0, 0);
    for _ in 0..4 {
        let all = invited(&clients, Folder::Inbox).await;
        local.time.step(open - SignedDuration::from_millis(1));
        let answered = Arc::new(AtomicUsize::new(0));
        let calls = all.iter().flat_map(|it| {
            [Racer::Act(Act::Accept), Racer::Resend].map(|racer| {
                let (answer, answered, time) = (
                    racer.run(clients[0].clone(), it.clone()),
                    answered.clone(),
                    local.time.clone(),
                );
                async move {
                    let answer = answer.await;
                    if answered.fetch_add(1, Ordering::SeqCst) == ROUNDS / 2 {
                        // The time is up while the others are on their way.
                        time.step(SignedDuration::from_millis(1));
                    }
                    answer
                }
            })
        });
        let answers = released_together(calls.collect::<Vec<_>>()).await;
        for (it, answers) in all.iter().zip(answers.chunks(2)) {
            let sent = clients[0]
                .sent(&it.inviter, &it.invitation)
                .await
                .expect("found")
                .state();
            match (answers[0], answers[1], sent) {
                // Accepted in time, or after it was sent again in time.
                ("OK", "ALREADY_CONNECTED" | "sent", SentState::Accepted) => accepted += 1,
                // Too late; the send made a new one.
                ("INVITATION_EXPIRED", "sent", SentState::Expired) => expired += 1,
                // Each committer asks the clock itself: a send of the last moment in time, committed after the accept of the
                // next one was judged.
                ("INVITATION_EXPIRED", "sent", SentState::Pending) => expired += 1,
                other => panic!("no serial order ends so: {other:?}"),
            }
        }
        assert_books_agree(&local);
    }
    assert_eq!(accepted + expired, 4 * ROUNDS);
}

/// Of 32 sends of one inviter through two processes, ten are sent.
async fn check_limit(hint: &str, flag: &'static str) {
    let (local, services) = two_services(hint, &[(flag, "10")]).await;
    let clients = clients_of(&services);
    for _ in 0..3 {
        let people = clients[0].crowd(33).await;
        let calls = (1..33).map(|number| {
            let clients = clients[number % 2].clone();
            let message = send_request(&people[0], &people[number]);
            async move { sent(clients.send_with(message).await) }
        });
        let answers = released_together(calls.collect::<Vec<_>>()).await;
        let made = answers.iter().filter(|answer| **answer == "sent").count();
        let refused = answers
            .iter()
            .filter(|answer| **answer == "INVITATION_LIMIT_REACHED")
            .count();
        assert_eq!((made, refused), (10, 22), "{flag}");
        assert_eq!(local.spent(&people[0]), 10, "{flag}");
        assert_books_agree(&local);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_ten_a_week_lets_exactly_ten_through() {
    check_limit("week", "--quota-week").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_ten_ever_lets_exactly_ten_through() {
    check_limit("ever", "--quota-lifetime").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_ten_that_wait_lets_exactly_ten_through() {
    check_limit("wait", "--quota-outstanding").await;
}

/// Who is full at ten connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Inviter,
    Recipient,
}

async fn check_cap(full: Full) {
    let (local, services) = two_services("cap", &[("--max-connections", "10")]).await;
    let clients = clients_of(&services);
    let people = clients[0].crowd(33).await;
    let mut calls = Vec::new();
    for (number, other) in people[1..].iter().enumerate() {
        let (inviter, recipient) = match full {
            Full::Inviter => (&people[0], other),
            Full::Recipient => (other, &people[0]),
        };
        let it = Invited {
            inviter: inviter.clone(),
            recipient: recipient.clone(),
            invitation: clients[0].invite(inviter, recipient).await.invitation_id,
        };
        // Half of them meet by a send of the other side.
        let racer = if number % 4 < 2 {
            Racer::Act(Act::Accept)
        } else {
            Racer::Cross
        };
        calls.push(racer.run(clients[number % 2].clone(), it));
    }
    let answers = released_together(calls).await;
    let connected = answers
        .iter()
        .filter(|answer| ["OK", "connected"].contains(answer))
        .count();
    let refused = answers
        .iter()
        .filter(|answer| **answer == "CONNECTION_LIMIT_REACHED")
        .count();
    assert_eq!((connected, refused), (10, 22), "{full:?}");
    assert_books_agree(&local);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_connections_are_ten_for_the_inviter() {
    check_cap(Full::Inviter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_connections_are_ten_for_the_recipient() {
    check_cap(Full::Recipient).await;
}

/// `count` recipients decline one inviter at once.
async fn check_declines(count: usize, steps: i64, strikes: i64) {
    let (local, services) = two_services("declines", &[]).await;
    let clients = clients_of(&services);
    let people = clients[0].crowd(count + 1).await;
    let mut calls = Vec::new();
    for (number, recipient) in people[1..].iter().enumerate() {
        let invitation = clients[0].invite(&people[0], recipient).await.invitation_id;
        clients[0].ignore(recipient, &invitation).await;
        let it = Invited {
            inviter: people[0].clone(),
            recipient: recipient.clone(),
            invitation,
        };
        calls.push(Racer::Act(Act::Decline).run(clients[number % 2].clone(), it));
    }
    let answers = released_together(calls).await;
    assert!(answers.iter().all(|answer| *answer == "OK"), "{answers:?}");
    let account = |column: &str| {
        local.count(&format!(
            "SELECT ({column})::bigint AS count FROM account WHERE member_id = '{}'",
            people[0]
        ))
    };
    assert_eq!(
        (account("ladder_step"), account("length(strikes) / 8")),
        (steps, strikes),
        "{count}"
    );
    assert_eq!(
        local.count("SELECT count(*) FROM audit WHERE action = 2"),
        steps,
        "{count}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn five_declines_at_once_are_one_step() {
    check_declines(4, 0, 4).await;
    check_declines(5, 1, 0).await;
    check_declines(9, 1, 4).await;
    check_declines(10, 2, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_decline_32_times_is_one_strike() {
    let (local, services) = two_services("one_strike", &[]).await;
    let clients = clients_of(&services);
    let people = clients[0].crowd(2).await;
    let invitation = clients[0].invite(&people[0], &people[1]).await.invitation_id;
    clients[0].ignore(&people[1], &invitation).await;
    let it = Invited {
        inviter: people[0].clone(),
        recipient: people[1].clone(),
        invitation,
    };
    let calls = (0..32).map(|number| Racer::Act(Act::Decline).run(clients[number % 2].clone(), it.clone()));
    let answers = released_together(calls.collect::<Vec<_>>()).await;
    assert!(answers.iter().all(|answer| *answer == "OK"), "{answers:?}");
    assert_eq!(local.count("SELECT count(*) FROM outbox WHERE event = 7"), 1);
    assert_eq!(
        local.count("SELECT coalesce(sum(length(strikes)) / 8, 0)::bigint AS count FROM account"),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_and_many_calls_of_one_inviter_share_one_quota() {
    let (local, services) = two_services("batch_quota", &[("--quota-day", "10")]).await;
    let clients = clients_of(&services);
    let people = clients[0].crowd(65).await;
    let batch = |from: usize| {
        let clients = clients[from % 2].clone();
        let items: Vec<SendInvitationRequest> = (0..16)
            .map(|number| SendInvitationRequest {
                request_id: id(),
                ..send_request(&people[0], &people[1 + from * 16 + number])
            })
            .collect();
        async move { clients.batch(items).await.expect("a batch is answered").len() }
    };
    let answered = released_together((0..4).map(batch).collect::<Vec<_>>()).await;
    assert_eq!(answered, [16; 4]);
    assert_eq!(local.spent(&people[0]), 10);
    assert_eq!(local.count("SELECT count(*) FROM sent"), 10);
    assert_books_agree(&local);
}
