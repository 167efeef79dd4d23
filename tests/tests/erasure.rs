//! Erasing a member: what they wrote goes, what was open vanishes, what they caused stays as a count.

use std::time::{Duration, Instant};

use diesel::{RunQueryDsl, connection::SimpleConnection, sql_query};
use jiff::SignedDuration;
use proto::invitations::v1::{
    AuditAction, Folder, Limit, Member, SendInvitationRequest, send_invitation_response::Outcome,
};
use tests::{
    clients::{Act, Invitations, id, member, reason},
    cluster::TestDatabase,
    emails::Post,
    local::Local,
    mail,
    operators::{Operators, used},
    patience::{somebody_waits_for_a_lock, until},
    processes::Service,
    system::System,
};
use tonic::{Code, Status};

const NOTE: &str = "Kilroy was here";

async fn noted(clients: &Invitations, inviter: &str, recipient: &str) -> String {
    sent(clients, inviter, recipient, NOTE).await
}

async fn sent(clients: &Invitations, inviter: &str, recipient: &str, note: &str) -> String {
    let message = SendInvitationRequest {
        inviter_id: inviter.to_owned(),
        recipient_id: recipient.to_owned(),
        note: note.to_owned(),
        ..SendInvitationRequest::default()
    };
    match clients.send_with(message).await.expect("sent").outcome {
        Some(Outcome::Invitation(invitation)) => invitation.invitation_id,
        other => panic!("not an invitation: {other:?}"),
    }
}

/// A notify-svc for erasing to come to its end.
async fn post(hint: &str) -> Post {
    Post::start(hint, |launch, directory| launch.flag("--mail-dir", directory)).await
}

fn notify_url(notify: &Service) -> String {
    format!("http://{}", notify.grpc())
}

/// Waits until no member's rows are being erased any more, at most a minute: the worker looks every few seconds.
async fn until_erased(database: &TestDatabase) {
    until_erased_while(database, || ()).await;
}

async fn until_erased_while(database: &TestDatabase, meanwhile: impl Fn()) {
    let end = Instant::now() + Duration::from_secs(60);
    while is_erasing(database) {
        meanwhile();
        assert!(
            Instant::now() < end,
            "the worker comes to no end:\n{}",
            database.dump()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_erasing(database: &TestDatabase) -> bool {
    database.dump().lines().any(|line| line.starts_with("erasure\t"))
}

fn not_found<T: std::fmt::Debug>(result: Result<T, Status>) {
    let status = result.expect_err("it is gone");
    assert_eq!(status.code(), Code::NotFound, "{}", reason(&status));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_erased_member_had_open_vanishes_for_both_sides() {
    let local = Local::start("erase_open", &[]).await;
    let clients = local.clients();
    let people = clients.crowd(5).await;
    let [ada, ben, cleo, dan, eve] = [0, 1, 2, 3, 4].map(|number: usize| people[number].as_str());
    let to_ben = noted(&clients, ada, ben).await;
    let ignored = noted(&clients, ada, cleo).await;
    clients.ignore(cleo, &ignored).await;
    let from_dan = noted(&clients, dan, ada).await;
    clients.decline(ada, &from_dan).await;
    let with_eve = noted(&clients, ada, eve).await;
    clients.accept(eve, &with_eve).await.expect("accepted");

    clients.erase(ada).await.expect("erased");
    clients.erase(ada).await.expect("OK also where it is done");
    for (reader, invitation) in [(ben, &to_ben), (cleo, &ignored)] {
        not_found(clients.received(reader, invitation).await);
        not_found(clients.act(Act::Accept, reader, invitation).await);
    }
    not_found(clients.sent(dan, &from_dan).await);
    not_found(clients.act(Act::Withdraw, dan, &from_dan).await);
    assert!(
        clients
            .folder(ben, Folder::Inbox)
            .await
            .expect("listed")
            .is_empty()
    );
    assert!(clients.outbox(dan).await.expect("listed").is_empty());
    assert!(clients.connections(eve).await.expect("listed").is_empty());
    for (inviter, recipient) in [(ada, ben), (ben, ada)] {
        let status = clients
            .send(inviter, recipient)
            .await
            .expect_err("nobody is there");
        assert_eq!(reason(&status), "MEMBER_NOT_FOUND");
    }
    assert_eq!(
        local.count("SELECT count(*) FROM member WHERE name = 'Member 0'"),
        0
    );
    let texts = "SELECT (SELECT count(*) FROM sent WHERE note <> '' AND inviter_id = $) \
                 + (SELECT count(*) FROM received WHERE note <> '' AND inviter_id = $) AS count";
    assert_eq!(local.count(&texts.replace('$', &format!("'{ada}'"))), 0);

    let operators = Operators::at(local.grpc());
    for (member, outstanding) in [(dan, 0), (eve, 0)] {
        let account = operators.account(member).await.expect("there is one");
        assert_eq!(used(&account, Limit::Outstanding).0, outstanding);
        assert_eq!(used(&account, Limit::Connections).0, 0);
    }
    assert_eq!(
        operators.account(dan).await.expect("there is one").strike_count,
        1,
        "what they caused stays as a count"
    );
    let audit = operators.audit(ada).await.expect("listed");
    assert_eq!(audit.len(), 1, "once");
    assert_eq!(audit[0].action(), AuditAction::Erased);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_member_s_replies_and_address_are_nowhere() {
    let local = Local::start("erase_texts", &[]).await;
    let clients = local.clients();
    let ben = Member {
        name: "Bartholomew".to_owned(),
        email: "bartholomew@example.com".to_owned(),
        ..member("Ben")
    };
    clients.upsert(vec![ben.clone()]).await.expect("taken");
    let [ada] = clients.new_members(["Ada"]).await;
    let invitation = noted(&clients, &ada, &ben.member_id).await;
    clients
        .reply(&ben.member_id, &invitation, "zanzibar")
        .await
        .expect("replied");
    clients
        .accept(&ben.member_id, &invitation)
        .await
        .expect("accepted");
    clients.erase(&ben.member_id).await.expect("erased");
    let dump = local.database.dump();
    for word in ["zanzibar", "bartholomew", "Bartholomew"] {
        let places: Vec<&str> = dump.lines().filter(|line| line.contains(word)).collect();
        // What waits for notify-svc goes with its delivery, which does not happen here.
        let places: Vec<&&str> = places
            .iter()
            .filter(|line| !line.starts_with("outbox\t"))
            .collect();
        assert!(places.is_empty(), "{word}: {places:?}");
    }
    let replies = clients.replies(&ada, &invitation).await.expect("listed");
    assert_eq!(replies.iter().map(|reply| &*reply.text).collect::<Vec<_>>(), [""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_feed_alone_keeps_no_text() {
    let post = post("erase_unfed_post").await;
    let flags = ["--feed", "record", "--notify-url", &notify_url(&post.service)];
    let local = Local::start("erase_unfed", &flags).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    noted(&clients, &ada, &ben).await;
    // A resend within a day owes no email.
    noted(&clients, &ada, &ben).await;
    let waiting = "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL";
    until(
        Duration::from_secs(60),
        "notify-svc has heard of all",
        async || {
            local.time.step(SignedDuration::from_millis(50));
            local.count(waiting) == 0
        },
    )
    .await;
    assert_eq!(local.count("SELECT count(*) FROM outbox WHERE unfed"), 2);
    assert_eq!(local.count("SELECT count(*) FROM outbox WHERE text <> ''"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_who_cannot_be_erased_does_not_keep_the_next_from_it() {
    let post = post("erase_stuck_post").await;
    let local = Local::start("erase_stuck", &["--notify-url", &notify_url(&post.service)]).await;
    let clients = local.clients();
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    noted(&clients, &ada, &cleo).await;
    noted(&clients, &ben, &cleo).await;
    local.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
    );
    local.execute(&format!(
        "CREATE TRIGGER refuse BEFORE UPDATE ON sent FOR EACH ROW WHEN (OLD.inviter_id = '{ada}') EXECUTE FUNCTION refuse()"
    ));
    // What is asked here is not done at once either.
    let _ = clients.erase(&ada).await;
    local.time.step(SignedDuration::from_millis(10));
    let _ = clients.erase(&ben).await;
    local.execute("UPDATE erasure SET asked_at = asked_at - interval '1 hour'");
    let erasing = |member: &str| {
        local.count(&format!(
            "SELECT count(*) FROM erasure WHERE member_id = '{member}'"
        ))
    };
    let end = Instant::now() + Duration::from_secs(60);
    while erasing(&ben) > 0 {
        assert!(Instant::now() < end, "{}", local.database.dump());
        local.time.step(SignedDuration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(erasing(&ada), 1, "it is not forgotten");
    local.execute("DROP TRIGGER refuse ON sent");
    until_erased_while(&local.database, || {
        local.time.step(SignedDuration::from_millis(50))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_made_known_again_begins_anew_with_their_account() {
    let post = post("erase_again_post").await;
    let local = Local::start("erase_again", &["--notify-url", &notify_url(&post.service)]).await;
    let clients = local.clients();
    let ada = member("Ada");
    let [ben, cleo] = clients.new_members(["Ben", "Cleo"]).await;
    clients.upsert(vec![ada.clone()]).await.expect("taken");
    let invitation = noted(&clients, &ada.member_id, &ben).await;
    clients.erase(&ada.member_id).await.expect("erased");
    clients.upsert(vec![ada.clone()]).await.expect("taken");
    not_found(clients.received(&ben, &invitation).await);
    clients.invite(&ada.member_id, &cleo).await;
    assert_eq!(local.spent(&ada.member_id), 2);
    local.execute("UPDATE erasure SET asked_at = asked_at - interval '1 hour'");
    // What the relay puts off waits for this clock.
    until_erased_while(&local.database, || {
        local.time.step(SignedDuration::from_millis(50))
    })
    .await;
    assert_eq!(
        clients.folder(&cleo, Folder::Inbox).await.expect("listed").len(),
        1
    );
}

/// Also where the call that erased them broke off before it had ended what was open.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_ends_before_its_member_is_known_again() {
    let local = Local::start("erase_halfway", &[]).await;
    let clients = local.clients();
    let ben = member("Ben");
    clients.upsert(vec![ben.clone()]).await.expect("taken");
    let [ada] = clients.new_members(["Ada"]).await;
    let invitation = clients.invite(&ada, &ben.member_id).await.invitation_id;
    let mut holder = local.database.connect();
    holder
        .batch_execute(&format!(
            "BEGIN; SELECT FROM received WHERE id = '{invitation}' FOR UPDATE"
        ))
        .expect("locked");
    clients
        .erase(&ben.member_id)
        .await
        .expect_err("it waits for the lock");
    assert_eq!(local.count("SELECT count(*) FROM erasure"), 1, "it has begun");
    let nobody_waits = async || !somebody_waits_for_a_lock(&local.database);
    until(Duration::from_secs(60), "nobody waits for the lock", nobody_waits).await;
    holder.batch_execute("COMMIT").expect("let go");
    clients.upsert(vec![ben.clone()]).await.expect("taken");
    not_found(clients.act(Act::Accept, &ben.member_id, &invitation).await);
    not_found(clients.received(&ben.member_id, &invitation).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_beside_anything_leaves_nothing_open() {
    const ROUNDS: usize = 30;
    let post = post("erase_races_post").await;
    let local = Local::start("erase_races", &["--notify-url", &notify_url(&post.service)]).await;
    let clients = local.clients();
    let mut erased = Vec::new();
    for _ in 0..ROUNDS {
        let people = clients.crowd(4).await;
        let to_ben = clients.invite(&people[0], &people[1]).await.invitation_id;
        let from_cleo = clients.invite(&people[2], &people[0]).await.invitation_id;
        let (ada, ben, cleo, dan) = (&people[0], &people[1], &people[2], &people[3]);
        let done = tokio::join!(
            clients.erase(ada),
            clients.act(Act::Accept, ben, &to_ben),
            clients.act(Act::Withdraw, cleo, &from_cleo),
            clients.send(dan, ada),
            clients.send(ada, dan),
            clients.act(Act::Ignore, ada, &from_cleo),
        );
        done.0.expect("erased");
        erased.push(ada.clone());
    }
    // The worker looks once more after whatever was decided just before.
    local.execute("UPDATE erasure SET asked_at = asked_at - interval '1 hour'");
    // What the relay puts off waits for this clock.
    until_erased_while(&local.database, || {
        local.time.step(SignedDuration::from_millis(50))
    })
    .await;
    let of_erased = |table: &str, column: &str, rest: &str| {
        let ids: Vec<String> = erased.iter().map(|id| format!("'{id}'")).collect();
        let query = format!(
            "SELECT count(*) FROM {table} WHERE {column} IN ({}) {rest}",
            ids.join(",")
        );
        local.count(&query)
    };
    for (table, column) in [
        ("sent", "inviter_id"),
        ("sent", "recipient_id"),
        ("received", "recipient_id"),
    ] {
        assert_eq!(
            of_erased(table, column, "AND lifecycle = 1"),
            0,
            "{table}.{column}"
        );
    }
    assert_eq!(of_erased("connection", "member_id", ""), 0);
    assert_eq!(of_erased("connection", "other_id", ""), 0);
    let counters = "SELECT count(*) FROM account a WHERE \
        outstanding <> (SELECT count(*) FROM sent s WHERE s.inviter_id = a.member_id AND s.lifecycle = 1) \
        OR connections <> (SELECT count(*) FROM connection c WHERE c.member_id = a.member_id)";
    assert_eq!(local.count(counters), 0, "counters tell what the tables hold");
    not_found(clients.sent(&id(), &id()).await);
}

/// Lets a minute pass after each erasing that is under way.
fn let_stragglers_pass(database: &TestDatabase) {
    sql_query("UPDATE erasure SET asked_at = asked_at - interval '1 hour'")
        .execute(&mut database.connect())
        .expect("the test's Postgres answers");
}

/// Words that only the erased member's name, address, notes and replies have.
const WORDS: [&str; 4] = ["Kilroy", "kilroy", "Wenceslas", "xylophone"];

/// The lines of notify-svc's database with one of the words.
fn tell_tales(system: &System) -> Vec<String> {
    let dump = system.notify_database.dump();
    let telling = dump
        .lines()
        .filter(|line| WORDS.iter().any(|word| line.contains(word)));
    telling.map(str::to_owned).collect()
}

/// A member who is in emails of every kind, as reader, as the one it is about, and as a connection's connection. All of
/// them have gone out.
async fn well_known(system: &System) -> Member {
    const PATIENCE: Duration = Duration::from_secs(30);
    let clients = system.clients();
    let kilroy = Member {
        name: "Kilroy Wenceslas".to_owned(),
        email: "kilroy@example.com".to_owned(),
        ..member("")
    };
    let others = ["Ada", "Ben", "Cleo", "Dan"].map(member);
    let everybody = others.iter().chain([&kilroy]).cloned().collect();
    clients.upsert(everybody).await.expect("taken");
    let [ada, ben, cleo, dan] = &others;
    noted(&clients, &kilroy.member_id, &ada.member_id).await;
    let asked = sent(&clients, &ben.member_id, &kilroy.member_id, "").await;
    clients
        .reply(&kilroy.member_id, &asked, "xylophone")
        .await
        .expect("replied");
    let accepted = sent(&clients, &cleo.member_id, &kilroy.member_id, "").await;
    clients
        .accept(&kilroy.member_id, &accepted)
        .await
        .expect("accepted");
    let shown = sent(&clients, &dan.member_id, &cleo.member_id, "").await;
    clients.accept(&cleo.member_id, &shown).await.expect("accepted");
    // An invitation that is answered at once may have been cancelled before its email went out.
    for (reader, text) in [
        (ada, "Kilroy was here"),
        (ben, "xylophone"),
        (cleo, "Kilroy Wenceslas"),
        (dan, "Kilroy Wenceslas"),
    ] {
        let wanted = |email: &mail::Email| email.to == reader.email && email.text.contains(text);
        let found = mail::wait_for_one(&system.mail(), wanted, PATIENCE).await;
        assert!(
            found.is_some(),
            "{} waits for {text}: {:#?}",
            reader.name,
            mail::all(&system.mail())
        );
    }
    kilroy
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_member_is_erased_no_email_holds_their_name_address_or_words() {
    let system = System::start("erase_both").await;
    let kilroy = well_known(&system).await;
    let about_or_to = tell_tales(&system).len();
    assert!(about_or_to >= 4, "{:#?}", tell_tales(&system));
    system.clients().erase(&kilroy.member_id).await.expect("erased");
    let_stragglers_pass(&system.invitations_database);
    until_erased(&system.invitations_database).await;
    assert_eq!(tell_tales(&system), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_is_not_done_while_notify_svc_is_away_and_is_done_once_it_is_back() {
    let mut system = System::start("erase_away").await;
    let kilroy = well_known(&system).await;
    system.notify.kill();
    system
        .clients()
        .erase(&kilroy.member_id)
        .await
        .expect("the call does not need it");
    let_stragglers_pass(&system.invitations_database);
    let end = Instant::now() + Duration::from_secs(30);
    while !system
        .invitations
        .log()
        .contains("notify-svc has not forgotten a member")
    {
        assert!(Instant::now() < end, "it never asks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_erasing(&system.invitations_database));
    assert!(!tell_tales(&system).is_empty());
    system.notify.restart().await;
    until_erased(&system.invitations_database).await;
    assert_eq!(tell_tales(&system), Vec::<String>::new());
}
