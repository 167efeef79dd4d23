//! The feed: every transition once, a pair's in their order, and to members only what they may see.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt};
use jiff::SignedDuration;
use proto::invitations::v1::{Transition, TransitionKind as Kind, WatchTransitionsRequest};
use rand::Rng;
use tests::{
    clients::{Act, Invitations, id, reason, refusal, send_request},
    cluster::{self, Cluster, TestDatabase},
    feed::{Feed, by_pair, kinds},
    files,
    local::Local,
    patience::until,
    processes::{Launch, Service},
    system::{LINK_KEY, System},
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// So long that no heartbeat comes but the first.
const NO_HEARTBEAT: [&str; 2] = ["--feed-heartbeat-seconds", "3600"];

fn launch(database: &TestDatabase, directory: &Path) -> Launch {
    Launch::new("invitations-svc", directory)
        .flag("--database-url", &database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
        .flag("--quota-day", "10000")
        .flag("--quota-week", "10000")
        .flag("--pair-sends", "10000")
}

/// Two processes of the service on one database.
async fn two_services(hint: &str) -> (TestDatabase, [Service; 2]) {
    let (database, directory) = (cluster::database(hint), files::directory());
    let services = [
        launch(&database, &directory).start().await,
        launch(&database, &directory).start().await,
    ];
    (database, services)
}

fn count(database: &TestDatabase, query: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let row: Count = sql_query(query)
        .get_result(&mut database.connect())
        .expect("the query counts");
    row.count
}

/// Waits until `query` counts nothing.
async fn until_none(database: &TestDatabase, query: &str) {
    for _ in 0..1_200 {
        if count(database, query) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("after a minute there is still: {query}");
}

async fn until_all_are_fed(database: &TestDatabase) {
    until_none(database, "SELECT count(*) FROM outbox WHERE unfed").await;
}

fn check_positions_have_no_gap(database: &TestDatabase) {
    let wrong = "SELECT count(*) FROM feed_head h LEFT JOIN (SELECT lane, count(*) AS kept, max(position) AS last, \
                 min(position) AS first FROM feed GROUP BY lane) f ON f.lane = h.lane \
                 WHERE h.position <> coalesce(f.last, h.trimmed) OR h.position - h.trimmed <> coalesce(f.kept, 0) \
                 OR f.first <> h.trimmed + 1";
    assert_eq!(count(database, wrong), 0);
}

/// What may come after what, for one pair.
fn check_order_is_legal(transitions: &[Transition]) {
    let mut connected = false;
    let mut open: Option<(String, bool)> = None;
    for transition in transitions {
        let invitation = &transition.invitation_id;
        let is_open = open.as_ref().is_some_and(|(id, _)| id == invitation);
        let archived = open.as_ref().is_some_and(|(_, archived)| *archived);
        let legal = match transition.kind() {
            Kind::Sent => {
                let legal = !connected && open.is_none();
                open = Some((invitation.clone(), false));
                legal
            }
            Kind::Resent => {
                open = Some((invitation.clone(), false));
                is_open
            }
            Kind::Replied => is_open,
            Kind::Ignored | Kind::Restored => {
                let ignores = transition.kind() == Kind::Ignored;
                open = Some((invitation.clone(), ignores));
                is_open && archived != ignores
            }
            Kind::Accepted | Kind::Withdrawn => {
                connected = transition.kind() == Kind::Accepted;
                open = None;
                is_open
            }
            Kind::Disconnected => std::mem::take(&mut connected),
            Kind::Declined | Kind::Expired | Kind::Voided | Kind::Unspecified => false,
        };
        let story = kinds(transitions);
        assert!(legal, "{:?} of {invitation} in {story:?}", transition.kind());
    }
}

/// Both sides of one pair act at random, each through a process of its own.
async fn play(clients: [Invitations; 2], inviter: String, recipient: String, rounds: usize) {
    let as_inviter = async {
        let mut last = String::new();
        for _ in 0..rounds {
            let roll = rand::rng().random_range(0..10);
            if roll < 6 {
                let mut message = send_request(&inviter, &recipient);
                // Known after a withdrawal.
                message.recipient_email = format!("{recipient}@example.com");
                if let Ok(sent) = clients[0].send_with(message).await {
                    use proto::invitations::v1::send_invitation_response::Outcome;
                    if let Some(Outcome::Invitation(invitation)) = sent.outcome {
                        last = invitation.invitation_id;
                    }
                }
            } else if roll < 8 && !last.is_empty() {
                let _ = clients[0].withdraw(&inviter, &last).await;
            } else {
                let _ = clients[0].disconnect(&inviter, &recipient).await;
            }
        }
    };
    let as_recipient = async {
        for _ in 0..rounds {
            let inbox = clients[1]
                .folder(&recipient, proto::invitations::v1::Folder::Inbox)
                .await;
            let archive = clients[1]
                .folder(&recipient, proto::invitations::v1::Folder::Archived)
                .await;
            let found: Vec<_> = [inbox, archive].into_iter().flatten().flatten().collect();
            for invitation in found {
                let acts = [Act::Ignore, Act::Restore, Act::Reply, Act::Accept];
                let act = acts[rand::rng().random_range(0..acts.len())];
                let _ = clients[1].act(act, &recipient, &invitation.invitation_id).await;
            }
        }
    };
    tokio::join!(as_inviter, as_recipient);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transition_comes_once_and_those_of_a_pair_in_their_order() {
    const PAIRS: usize = 24;
    let (database, services) = two_services("feed_order").await;
    let clients = services.each_ref().map(|service| Invitations::at(service.grpc()));
    let feeds = services.each_ref().map(|service| Feed::at(service.grpc()));
    let people = clients[0].crowd(2 * PAIRS).await;
    let players: Vec<_> = people
        .chunks(2)
        .enumerate()
        .map(|(number, two)| {
            let mut clients = clients.clone();
            if number % 2 == 1 {
                clients.reverse();
            }
            tokio::spawn(play(clients, two[0].clone(), two[1].clone(), 30))
        })
        .collect();
    // One chain of cursors that changes the process after each message, while everybody plays.
    let mut chain = Vec::new();
    let mut cursor = String::new();
    let mut turn = 0;
    while !players.iter().all(tokio::task::JoinHandle::is_finished) {
        let mut watching = feeds[turn % 2].watch("", &cursor).await.expect("it streams");
        let message = watching.message().await.expect("it comes");
        chain.extend(message.transitions);
        cursor = message.cursor;
        turn += 1;
    }
    for player in players {
        player.await.expect("no panic");
    }
    until_all_are_fed(&database).await;
    check_positions_have_no_gap(&database);
    let all = usize::try_from(count(&database, "SELECT count(*) FROM feed")).expect("positive");
    let (rest, _) = feeds[turn % 2].first("", &cursor, all - chain.len()).await;
    chain.extend(rest);

    let (whole, _) = feeds[0].first("", "", all).await;
    assert_eq!((chain.len(), whole.len()), (all, all), "nothing comes twice");
    assert_eq!(by_pair(&chain), by_pair(&whole));
    let ended = |kind| {
        whole
            .iter()
            .filter(|transition| transition.kind() == kind)
            .count() as i64
    };
    let invitations = whole.len() as i64 - ended(Kind::Disconnected);
    // Each transition of an invitation counts its sequence up.
    let decided = "SELECT coalesce(sum(sequence), 0)::bigint AS count FROM received";
    assert_eq!(invitations, count(&database, decided), "nothing is lost");
    assert_eq!(
        ended(Kind::Accepted) - ended(Kind::Disconnected),
        count(&database, "SELECT count(*) / 2 AS count FROM connection")
    );
    assert!(turn > 5 && all > 8 * PAIRS, "{turn} turns, {all} transitions");
    for transitions in by_pair(&whole).values() {
        check_order_is_legal(transitions);
    }
}

/// Notes what the outbox gets, to tell the order in which it was committed from the feed's, and what is delivered.
const NOTED: &str = "CREATE TABLE noted (invitation_id uuid PRIMARY KEY, version bigint, owes boolean); \
                     CREATE TABLE delivered (invitation_id uuid PRIMARY KEY)";

/// One more version of each of 400 pairs, with times that say nothing. Half of them owe emails.
fn next_version(version: i64) -> String {
    format!(
        "WITH made AS MATERIALIZED (SELECT id, gen_random_uuid() AS invitation_id, random() < 0.5 AS owes \
         FROM (SELECT lpad(to_hex(p), 32, '0')::uuid AS id FROM generate_series(1, 400) p) p), \
         n AS (INSERT INTO noted SELECT invitation_id, {version}, owes FROM made) \
         INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, pair_version, \
         happened_at, due_at, unfed) \
         SELECT get_byte(uuid_send(id), 15) % 8, invitation_id, 1, 5, id, 'ffffffff-ffff-ffff-ffff-ffffffffff00'::uuid, \
         '', {version}, now() - random() * interval '1 hour', CASE WHEN owes THEN now() END, true FROM made"
    )
}

/// What the relay does with a lane, with a claim that ends at once.
fn relay(lane: i64) -> String {
    format!(
        "BEGIN; WITH k AS MATERIALIZED (SELECT lane, invitation_id, sequence, unfed FROM outbox \
         WHERE lane = {lane} AND due_at IS NOT NULL ORDER BY lane, invitation_id, sequence LIMIT 50 \
         FOR UPDATE SKIP LOCKED), d AS (INSERT INTO delivered SELECT invitation_id FROM k), \
         kept AS (UPDATE outbox o SET due_at = NULL FROM k \
         WHERE o.lane = k.lane AND o.invitation_id = k.invitation_id AND o.sequence = k.sequence AND k.unfed) \
         DELETE FROM outbox o USING k \
         WHERE o.lane = k.lane AND o.invitation_id = k.invitation_id AND o.sequence = k.sequence AND NOT k.unfed; \
         SELECT pg_sleep(0.002); COMMIT"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sequencers_and_a_relay_keep_the_order_of_commits_and_lose_nothing() {
    const VERSIONS: i64 = 60;
    let (database, services) = two_services("feed_two").await;
    database.connect().batch_execute(NOTED).expect("made");
    let reader = tokio::spawn({
        let feed = Feed::at(services[0].grpc());
        // Longer than the outbox may take to become empty.
        let patience = Duration::from_secs(150);
        async move {
            let (seen, _) = feed.first_within(patience, "", "", 400 * VERSIONS as usize).await;
            seen
        }
    });
    let writer = std::thread::spawn({
        let mut connection = database.connect();
        move || {
            for version in 1..=VERSIONS {
                connection
                    .batch_execute(&next_version(version))
                    .expect("inserted");
            }
        }
    });
    let mut connection = database.connect();
    let mut lane = 0;
    let end = Instant::now() + Duration::from_secs(120);
    while !writer.is_finished() || count(&database, "SELECT count(*) FROM outbox") > 0 {
        assert!(Instant::now() < end, "the outbox does not become empty");
        for _ in 0..8 {
            lane = (lane + 1) % 8;
            connection.batch_execute(&relay(lane)).expect("delivered");
        }
    }
    check_positions_have_no_gap(&database);
    assert_eq!(count(&database, "SELECT count(*) FROM feed"), 400 * VERSIONS);
    let swapped = "SELECT count(*) FROM (SELECT n.version, lag(n.version) OVER (PARTITION BY f.inviter_id ORDER BY \
                   f.position) AS before FROM feed f JOIN noted n USING (invitation_id)) o WHERE version <> before + 1";
    assert_eq!(
        count(&database, swapped),
        0,
        "pairs are in the order of their versions"
    );
    assert_eq!(
        count(&database, "SELECT count(*) FROM delivered"),
        count(&database, "SELECT count(*) FROM noted WHERE owes"),
        "the sequencer takes nothing away that notify-svc has to hear of"
    );
    let deadlocks = "SELECT deadlocks AS count FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(count(&database, deadlocks), 0);
    let seen = reader.await.expect("no panic");
    let mut ids: Vec<&str> = seen
        .iter()
        .map(|transition| transition.invitation_id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), seen.len(), "a reader meets each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_every_cursor_exactly_the_rest_follows() {
    let local = Local::start("feed_resume", &NO_HEARTBEAT).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let people = clients.crowd(7).await;
    for member in ["", &people[0]] {
        let mut watching = feed.watch(member, "").await.expect("it streams");
        let mut cursors = vec![(String::new(), 0)];
        let mut seen = Vec::new();
        while cursors.len() < 5 {
            // At the end of what there is.
            let message = watching.message().await.expect("it comes");
            seen.extend(message.transitions);
            cursors.push((message.cursor, seen.len()));
            let recipient = &people[cursors.len()];
            let sent = clients.invite(&people[0], recipient).await;
            if member.is_empty() {
                clients.ignore(recipient, &sent.invitation_id).await;
            }
        }
        until_all_are_fed(&local.database).await;
        let all = match member {
            "" => local.count("SELECT count(*) FROM feed"),
            _ => local.count("SELECT count(*) FROM feed WHERE event <> 5"),
        };
        let all = usize::try_from(all).expect("positive");
        let (whole, last) = feed.first(member, "", all).await;
        assert_eq!(whole.len(), all);
        cursors.push((last, all));
        for (cursor, before) in cursors {
            let (rest, _) = feed.first(member, &cursor, all - before).await;
            assert_eq!(rest.len(), all - before);
            let passed: Vec<Transition> = whole.iter().filter(|one| !rest.contains(one)).cloned().collect();
            assert_eq!(passed.len(), before, "what was seen before is not in the rest");
            assert_eq!(by_pair(&[passed, rest].concat()), by_pair(&whole));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inviter_s_stream_does_not_depend_on_what_recipients_hide() {
    let mut worlds = Vec::new();
    for world in 0..4 {
        let local = Local::start("feed_worlds", &NO_HEARTBEAT).await;
        let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
        let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
        let mut watching = feed.watch(&ada, "").await.expect("it streams");
        let mut messages = vec![watching.message().await.expect("a heartbeat at once")];
        let sent = clients.invite(&ada, &ben).await.invitation_id;
        messages.push(watching.message().await.expect("sent"));
        match world {
            0 => {}
            1 => drop(clients.ignore(&ben, &sent).await),
            2 => {
                clients.ignore(&ben, &sent).await;
                clients.restore(&ben, &sent).await;
            }
            _ => drop(clients.decline(&ben, &sent).await),
        }
        until_all_are_fed(&local.database).await;
        // Time for a message that must not come.
        tokio::time::sleep(Duration::from_millis(500)).await;
        clients.withdraw(&ada, &sent).await.expect("withdrawn");
        messages.push(watching.message().await.expect("withdrawn"));
        clients.invite(&ada, &cleo).await;
        messages.push(watching.message().await.expect("sent"));
        let shape: Vec<_> = messages
            .iter()
            .map(|message| {
                let shown = message.transitions.iter().map(|one| (one.kind(), one.event_time));
                (shown.collect::<Vec<_>>(), message.cursor.len())
            })
            .collect();
        // All at once, from the oldest on.
        let (whole, cursor) = feed.first(&ada, "", 3).await;
        let again = feed
            .watch(&ada, &cursor)
            .await
            .expect("it streams")
            .message()
            .await;
        assert!(again.expect("a heartbeat at once").transitions.is_empty());
        let mut whole = kinds(&whole);
        whole.sort_unstable();
        worlds.push((shape, whole));
    }
    assert_eq!(
        worlds[0]
            .0
            .iter()
            .map(|(shown, _)| shown.len())
            .collect::<Vec<_>>(),
        [0, 1, 1, 1]
    );
    for world in &worlds[1..] {
        assert_eq!(world, &worlds[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_an_inviter_s_own_does_not_tell_what_recipients_hide() {
    let flags = [
        &NO_HEARTBEAT[..],
        &["--quota-day", "1000", "--quota-week", "1000"],
    ]
    .concat();
    let local = Local::start("feed_versions", &flags).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let inviter = clients.crowd(1).await.remove(0);
    let recipients = clients.crowd(40).await;
    let first = sent_at_once(&local, &inviter, &recipients).await;
    let (first, cursor) = feed.first(&inviter, "", first).await;
    for one in first.iter().step_by(3) {
        clients.ignore(&one.recipient_id, &one.invitation_id).await;
        clients.restore(&one.recipient_id, &one.invitation_id).await;
    }
    until_all_are_fed(&local.database).await;
    let second = sent_at_once(&local, &inviter, &recipients).await;
    let (second, _) = feed.first(&inviter, &cursor, second).await;
    // Lanes may come one after the other.
    let order = |transitions: &[Transition]| -> Vec<(u8, String)> {
        let placed = transitions
            .iter()
            .map(|one| (lane(one), one.recipient_id.clone()));
        let mut placed: Vec<_> = placed.collect();
        placed.sort_by_key(|(lane, _)| *lane);
        placed
    };
    assert_eq!(kinds(&second), [Kind::Resent; 40]);
    assert_eq!(order(&second), order(&first));
}

/// The lane of a pair.
fn lane(transition: &Transition) -> u8 {
    let last = |id: &str| u8::from_str_radix(&id[34..], 16).expect("a UUID ends with hex digits");
    (last(&transition.inviter_id) ^ last(&transition.recipient_id)) % 8
}

/// Invites all of `recipients`, and lets the sequencer look when they are there; answers how many.
async fn sent_at_once(local: &Local, inviter: &str, recipients: &[String]) -> usize {
    let mut holder = local.database.connect();
    holder
        .batch_execute("BEGIN; SELECT 1 FROM feed_head FOR UPDATE")
        .expect("held");
    let requests = recipients.iter().map(|to| send_request(inviter, to)).collect();
    let results = local.clients().batch(requests).await.expect("answered");
    holder.batch_execute("COMMIT").expect("let go");
    results.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_is_shown_what_it_may_see() {
    let flags = [&NO_HEARTBEAT[..], &["--after-decline", "silent"]].concat();
    let local = Local::start("feed_sides", &flags).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    let first = clients.invite(&ada, &ben).await.invitation_id;
    clients.reply(&ben, &first, "Hello").await.expect("replied");
    clients.accept(&ben, &first).await.expect("accepted");
    clients.disconnect(&ben, &ada).await.expect("ended");
    let second = clients.invite(&ada, &ben).await.invitation_id;
    clients.decline(&ben, &second).await;
    // Reaches nobody.
    clients.invite(&ada, &ben).await;
    clients.invite(&cleo, &ben).await;
    until_all_are_fed(&local.database).await;

    let (inviter, _) = feed.first(&ada, "", 6).await;
    assert_eq!(
        kinds(&inviter),
        [
            Kind::Sent,
            Kind::Replied,
            Kind::Accepted,
            Kind::Disconnected,
            Kind::Sent,
            Kind::Resent
        ]
    );
    let (recipient, _) = feed.first(&ben, "", 8).await;
    let of_ada: Vec<Transition> = recipient
        .iter()
        .filter(|one| one.inviter_id != cleo)
        .cloned()
        .collect();
    assert_eq!(
        kinds(&of_ada),
        [
            Kind::Sent,
            Kind::Replied,
            Kind::Accepted,
            Kind::Disconnected,
            Kind::Sent,
            Kind::Ignored,
            Kind::Declined
        ]
    );
    for (member, other, shown) in [(&ada, &ben, &inviter), (&ben, &ada, &of_ada)] {
        let ended = shown
            .iter()
            .find(|one| one.kind() == Kind::Disconnected)
            .expect("shown");
        assert_eq!((&ended.inviter_id, &ended.recipient_id), (member, other));
        assert_eq!(ended.invitation_id, "");
    }
    let (everything, _) = feed.first("", "", 9).await;
    assert_eq!(everything.len(), 9);
    let kept: Vec<Kind> = everything
        .iter()
        .filter(|one| one.reaches_nobody)
        .map(Transition::kind)
        .collect();
    assert_eq!(kept, [Kind::Resent], "services keep it from the recipient, too");
    assert!(inviter.iter().chain(&recipient).all(|one| !one.reaches_nobody));
    let ended = everything
        .iter()
        .find(|one| one.kind() == Kind::Disconnected)
        .expect("shown");
    assert_eq!((&ended.inviter_id, &ended.recipient_id), (&ben, &ada));
    let stranger = feed.watch(&id(), "").await.expect("it streams").message().await;
    assert_eq!(stranger.expect("a heartbeat").transitions, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_comes_at_once_and_again_and_its_cursor_leads_on() {
    let local = Local::start("feed_heartbeat", &["--feed-heartbeat-seconds", "1"]).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let mut watching = feed.watch(&ben, "").await.expect("it streams");
    let mut cursors = Vec::new();
    for _ in 0..3 {
        let message = watching.message().await.expect("it comes");
        assert_eq!(message.transitions, []);
        cursors.push(message.cursor);
    }
    assert!(cursors[0] != cursors[1] && cursors[1] != cursors[2]);
    clients.invite(&ada, &ben).await;
    let (shown, _) = feed.first(&ben, &cursors[2], 1).await;
    assert_eq!(kinds(&shown), [Kind::Sent]);
}

/// The fields that the refusal names.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let request = details.bad_request().expect("it names fields");
    request
        .field_violations
        .iter()
        .map(|one| one.field.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_fits_its_audience_only_and_cannot_be_made() {
    let local = Local::start("feed_cursors", &NO_HEARTBEAT).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    clients.invite(&ada, &ben).await;
    let (_, of_ada) = feed.first(&ada, "", 1).await;
    let (_, of_all) = feed.first("", "", 1).await;
    let page = clients.outbox(&ada).await;
    assert!(page.is_ok());
    let mut altered = of_ada.clone().into_bytes();
    altered[40] = if altered[40] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).expect("ASCII");
    for (member, cursor) in [
        (&*ben, &*of_ada),
        ("", &of_ada),
        (&ada, &of_all),
        (&ada, &altered),
        (&ada, &of_ada[1..]),
        (&ada, &of_ada[..of_ada.len() - 4]),
        (&ada, "forged"),
        ("", "AAAA"),
        (&ada, &"A".repeat(of_ada.len())),
        (&ada, &"A".repeat(50_000)),
    ] {
        let refused = feed.watch(member, cursor).await.expect_err("not its cursor");
        assert_eq!(fields(&refused), ["cursor"], "{member} {cursor:.30}");
    }
    let wrong = feed.watch("nobody", "").await.expect_err("not an id");
    assert_eq!(fields(&wrong), ["member_id"]);
    assert_eq!(of_ada.len(), of_all.len());
    assert_eq!(feed.first(&ada, &of_ada, 0).await.0, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trimmed_is_said_to_be_gone_and_an_empty_cursor_begins_after_it() {
    let (database, mut services) = two_services("feed_trim").await;
    let clients = Invitations::at(services[0].grpc());
    let feed = Feed::at(services[0].grpc());
    let people = clients.crowd(12).await;
    let heartbeat = feed.watch("", "").await.expect("it streams").message().await;
    let oldest = heartbeat.expect("it comes").cursor;
    for recipient in &people[1..6] {
        clients.invite(&people[0], recipient).await;
    }
    let (_, middle) = feed.first("", "", 5).await;
    until_all_are_fed(&database).await;
    let mut connection = database.connect();
    connection
        .batch_execute("UPDATE feed SET happened_at = happened_at - interval '8 days'")
        .expect("aged");
    for recipient in &people[6..] {
        clients.invite(&people[0], recipient).await;
    }
    until_all_are_fed(&database).await;
    // Whoever has the duty looks every few seconds; a new process looks at once.
    services[1].kill();
    connection
        .batch_execute("UPDATE duty SET until = now() - interval '1 day'")
        .expect("free");
    services[1].restart().await;
    until_none(
        &database,
        "SELECT count(*) FROM feed WHERE happened_at < now() - interval '7 days'",
    )
    .await;
    check_positions_have_no_gap(&database);
    let refused = feed.watch("", &oldest).await.expect_err("too old");
    assert_eq!(
        refusal(&refused),
        (Code::OutOfRange, "FEED_CURSOR_TOO_OLD".to_owned())
    );
    assert!(
        refused.message().contains("empty cursor"),
        "{}",
        refused.message()
    );
    for cursor in ["", &middle] {
        let (kept, _) = feed.first("", cursor, 6).await;
        assert_eq!(kept.len(), 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_s_cursor_ends_by_its_age_alone() {
    let local = Local::start("feed_age", &NO_HEARTBEAT).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    clients.invite(&ada, &ben).await;
    let (_, of_ada) = feed.first(&ada, "", 1).await;
    let (_, of_all) = feed.first("", "", 1).await;
    let half = SignedDuration::from_hours(7 * 24 / 2);
    local.time.step(half);
    assert!(feed.watch(&ada, &of_ada).await.is_ok());
    let old = feed.first(&ada, "", 1).await.0;
    assert_eq!(kinds(&old), [Kind::Sent], "as old as the view reaches back");
    local.time.step(SignedDuration::from_millis(1));
    let refused = feed.watch(&ada, &of_ada).await.expect_err("too old");
    assert_eq!(
        refusal(&refused),
        (Code::OutOfRange, "FEED_CURSOR_TOO_OLD".to_owned())
    );
    let message = feed.watch(&ada, "").await.expect("it streams").message().await;
    assert_eq!(message.expect("a heartbeat").transitions, []);
    assert!(
        feed.watch("", &of_all).await.is_ok(),
        "services' are good while what follows is kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_s_transitions_are_for_the_feed_role_only() {
    let (database, directory) = (cluster::database("feed_role"), files::directory());
    let tokens = directory.join("tokens");
    // SHA-256 of "secret", "other" and "third".
    let hashes = [
        (
            "web member-client",
            "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        ),
        (
            "search feed",
            "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa",
        ),
        (
            "mailer notifier,operator",
            "b1e99324505bd32da0e1f85dcf5e19a09db0481e8a15f62c41eb320304a8e927",
        ),
    ];
    let lines: Vec<String> = hashes
        .iter()
        .map(|(who, hash)| format!("{who} {hash}\n"))
        .collect();
    fs::write(&tokens, lines.concat()).expect("there is room for files");
    let service = launch(&database, &directory)
        .flag("--tokens-file", &tokens)
        .start()
        .await;
    let feed = Feed::at(service.grpc());
    let watch = |token: &str, member: &str| {
        let mut asked = Request::new(WatchTransitionsRequest {
            cursor: String::new(),
            member_id: member.to_owned(),
        });
        let bearer = format!("Bearer {token}").parse().expect("a header value");
        asked.metadata_mut().insert("authorization", bearer);
        let feed = feed.clone();
        async move { feed.watch_with(asked).await.map(|_| ()) }
    };
    let missing = (Code::PermissionDenied, "ROLE_MISSING".to_owned());
    let member = id();
    assert!(watch("secret", &member).await.is_ok());
    assert_eq!(
        refusal(&watch("secret", "").await.expect_err("not its role")),
        missing
    );
    assert!(watch("other", "").await.is_ok());
    assert!(watch("other", &member).await.is_ok());
    for member in ["", &member] {
        assert_eq!(
            refusal(&watch("third", member).await.expect_err("not its role")),
            missing
        );
        let unknown = watch("nobody", member).await.expect_err("unknown");
        assert_eq!(unknown.code(), Code::Unauthenticated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_service_stops_and_do_not_hold_it_up() {
    let (database, mut services) = two_services("feed_stop").await;
    let clients = Invitations::at(services[0].grpc());
    let feed = Feed::at(services[0].grpc());
    let people = clients.crowd(3).await;
    clients.invite(&people[0], &people[1]).await;
    let (_, cursor) = feed.first("", "", 1).await;
    let idle = feed.watch("", &cursor).await.expect("it streams");
    let of_member = feed.watch(&people[0], "").await.expect("it streams");
    // One that nobody reads.
    let unread = feed.watch("", "").await.expect("it streams");
    let status = services[0].stop().await.expect("it ends by itself");
    assert!(status.success(), "{status}");
    for watching in [idle, of_member, unread] {
        let status = watching.end().await;
        assert_eq!(refusal(&status), (Code::Unavailable, "STOPPING".to_owned()));
    }
    let other = Invitations::at(services[1].grpc());
    other.invite(&people[0], &people[2]).await;
    let (rest, _) = Feed::at(services[1].grpc()).first("", &cursor, 1).await;
    assert_eq!(
        rest[0].recipient_id, people[2],
        "the cursor leads on at another process"
    );
    drop(database);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_their_database_and_go_on_with_the_cursor() {
    let cluster = Cluster::temporary().expect("there is a Postgres");
    let database = cluster.database("feed_down").expect("made");
    let service = launch(&database, &files::directory()).start().await;
    let (clients, feed) = (Invitations::at(service.grpc()), Feed::at(service.grpc()));
    let people = clients.crowd(3).await;
    clients.invite(&people[0], &people[1]).await;
    let (_, cursor) = feed.first("", "", 1).await;
    let watching = feed.watch("", &cursor).await.expect("it streams");
    cluster.stop();
    let status = watching.end().await;
    assert_eq!(
        refusal(&status),
        (Code::Unavailable, "DATABASE_UNAVAILABLE".to_owned())
    );
    cluster.start().expect("it comes back");
    until(PATIENCE, "a send is taken again", async || {
        clients.send(&people[0], &people[2]).await.is_ok()
    })
    .await;
    let (rest, _) = feed.first("", &cursor, 1).await;
    assert_eq!(rest[0].recipient_id, people[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_too_many_is_refused_until_one_ends() {
    let flags = [&NO_HEARTBEAT[..], &["--feed-streams", "2"]].concat();
    let local = Local::start("feed_places", &flags).await;
    let feed = Feed::at(local.grpc());
    let first = feed.watch("", "").await.expect("there is room");
    let _second = feed.watch(&id(), "").await.expect("there is room");
    let refused = feed.watch("", "").await.expect_err("there is no room");
    assert_eq!(
        refusal(&refused),
        (Code::Unavailable, "TOO_MANY_STREAMS".to_owned())
    );
    assert!(refused.get_details_retry_info().is_some());
    drop(first);
    until(PATIENCE, "the place is free", async || {
        let watching = feed.watch("", "").await;
        watching
            .map_err(|status| assert_eq!(reason(&status), "TOO_MANY_STREAMS"))
            .is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_feed_nothing_is_kept_and_streams_show_that_they_live() {
    let local = Local::start("feed_off", &["--feed", "off", "--feed-heartbeat-seconds", "1"]).await;
    let (clients, feed) = (local.clients(), Feed::at(local.grpc()));
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let mut watching = feed.watch("", "").await.expect("it streams");
    let sent = clients.invite(&ada, &ben).await.invitation_id;
    clients.decline(&ben, &sent).await;
    for _ in 0..3 {
        let message = watching.message().await.expect("a heartbeat");
        assert_eq!(message.transitions, []);
    }
    assert_eq!(local.count("SELECT count(*) FROM outbox WHERE unfed"), 0);
    assert_eq!(
        local.count("SELECT count(*) FROM outbox WHERE due_at IS NULL"),
        0,
        "what nobody waits for is not kept"
    );
    assert_eq!(local.count("SELECT count(*) FROM feed"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_records_another_one_moves() {
    let (database, directory) = (cluster::database("feed_record"), files::directory());
    let recorder = launch(&database, &directory)
        .flag("--feed", "record")
        .start()
        .await;
    let (clients, feed) = (Invitations::at(recorder.grpc()), Feed::at(recorder.grpc()));
    let people = clients.crowd(10).await;
    for two in people.chunks(2) {
        clients.invite(&two[0], &two[1]).await;
    }
    assert_eq!(count(&database, "SELECT count(*) FROM feed"), 0);
    assert_eq!(count(&database, "SELECT count(*) FROM outbox WHERE unfed"), 5);
    let heartbeat = feed.watch("", "").await.expect("it streams").message().await;
    let heartbeat = heartbeat.expect("it comes at once");
    assert_eq!(heartbeat.transitions, []);
    let _mover = launch(&database, &directory).start().await;
    let (shown, _) = feed.first("", &heartbeat.cursor, 5).await;
    assert_eq!(kinds(&shown), [Kind::Sent; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_and_sequencer_together_empty_the_outbox() {
    let system = System::start("feed_relay").await;
    let clients = system.clients();
    let people = clients.crowd(40).await;
    for two in people.chunks(2) {
        let sent = clients.invite(&two[0], &two[1]).await.invitation_id;
        clients.ignore(&two[1], &sent).await;
        clients.restore(&two[1], &sent).await;
        clients.reply(&two[1], &sent, "Hello").await.expect("replied");
        clients.accept(&two[1], &sent).await.expect("accepted");
        clients.disconnect(&two[1], &two[0]).await.expect("ended");
    }
    let database = &system.invitations_database;
    until_none(database, "SELECT count(*) FROM outbox").await;
    assert_eq!(count(database, "SELECT count(*) FROM outbox_dead"), 0);
    assert_eq!(count(database, "SELECT count(*) FROM feed"), 20 * 6);
    check_positions_have_no_gap(database);
    let (all, _) = Feed::at(system.invitations.grpc()).first("", "", 20 * 6).await;
    let story = [
        Kind::Sent,
        Kind::Ignored,
        Kind::Restored,
        Kind::Replied,
        Kind::Accepted,
        Kind::Disconnected,
    ];
    for transitions in by_pair(&all).values() {
        assert_eq!(kinds(transitions), story);
    }
}
