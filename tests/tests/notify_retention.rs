//! What notify-svc keeps no longer.

use std::time::Duration;

use diesel::{
    Connection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Integer, Text},
};
use proto::notify::v1::{EmailState, QueueEmail, UncertainResolution};
use tests::{
    clients::reason,
    deliveries::{Deliveries, bounce_of, told},
    emails::{Post, address, initial},
    http,
    smtp_sink::{At, Fault, SmtpSink},
};
use uuid::Uuid;

#[derive(Debug, QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(post: &Post, query: &str) -> i64 {
    let mut database = post.database.connect();
    let rows: Vec<Count> = sql_query(query).load(&mut database).expect("counted");
    rows[0].count
}

/// Makes it so that the emails were queued so many days before they were, and what was done to them, too; in one
/// transaction. Answers the ids that they have now: an id tells when its email was queued.
fn aged<const N: usize>(post: &Post, ids: [&str; N], days: u32) -> [String; N] {
    let mut database = post.database.connect();
    let milliseconds = u128::from(days) * 86_400_000;
    database
        .transaction(|database| {
            for (table, column) in [
                ("email", "id"),
                ("email_key", "email_id"),
                ("due", "email_id"),
                ("unsent", "email_id"),
                ("attempt", "email_id"),
                ("bounce", "email_id"),
                ("act", "email_id"),
            ] {
                let update = format!("UPDATE {table} SET {column} = $2::uuid WHERE {column} = $1::uuid");
                for id in ids {
                    let older = older(id, milliseconds);
                    let update = sql_query(&update).bind::<Text, _>(id).bind::<Text, _>(older);
                    update.execute(database)?;
                }
            }
            let acts = "UPDATE act SET at = at - make_interval(days => $2) WHERE email_id = $1::uuid";
            for id in ids {
                let update = sql_query(acts).bind::<Text, _>(older(id, milliseconds));
                update.bind::<Integer, _>(days.cast_signed()).execute(database)?;
            }
            Ok::<_, diesel::result::Error>(())
        })
        .expect("updated");
    ids.map(|id| older(id, milliseconds))
}

fn older(id: &str, milliseconds: u128) -> String {
    let id: Uuid = id.parse().expect("an id");
    Uuid::from_u128(id.as_u128() - (milliseconds << 80)).to_string()
}

async fn until_erased(post: &Post, left: i64) {
    for _ in 0..1_500 {
        if count(post, "SELECT count(*) FROM email WHERE letter IS NOT NULL") == left {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("more than {left} letters are kept");
}

/// An email that ended as `state`, was retried where that is dead, and came back.
async fn ended(post: &Post, sink: &SmtpSink, state: EmailState) -> (QueueEmail, String) {
    match state {
        EmailState::Dead => sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no")),
        EmailState::Uncertain => {
            sink.script(At::Body, Fault::Drop);
            sink.script(At::Body, Fault::Drop);
        }
        _ => {}
    }
    let email = initial();
    let email_id = post.queue(&email).await.expect("applied").email_id;
    post.until(&email, state).await;
    (email, email_id)
}

/// An email that waits after a first attempt.
async fn put_off(post: &Post, sink: &SmtpSink, deliveries: &Deliveries) -> (QueueEmail, String) {
    sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    let email = initial();
    let email_id = post.queue(&email).await.expect("applied").email_id;
    while deliveries.get(&email_id).await.expect("answered").1.is_empty() {}
    deliveries.until(&email_id, EmailState::Open).await;
    (email, email_id)
}

#[tokio::test]
async fn texts_and_histories_of_emails_go_90_days_after_they_were_queued_and_their_keys_stay() {
    let sink = SmtpSink::start().await;
    let post = Post::start("retention", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "3600")
    })
    .await;
    let deliveries = Deliveries::at(post.service.grpc());
    let (sent, sent_id) = ended(&post, &sink, EmailState::Sent).await;
    let (_, dead_id) = ended(&post, &sink, EmailState::Dead).await;
    let (_, uncertain_id) = ended(&post, &sink, EmailState::Uncertain).await;
    let bounce = include_str!("../../notify-svc/src/domain/bounce/samples/full.eml");
    let bounce = bounce_of(bounce, &sent_id);
    deliveries.bounce(bounce.clone()).await.expect("taken");
    deliveries.drop(&sent_id).await.expect_err("sent already");
    sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
    deliveries.retry(&dead_id).await.expect("opened again");
    deliveries.until(&dead_id, EmailState::Dead).await;
    let (young, young_id) = ended(&post, &sink, EmailState::Sent).await;
    let (open, open_id) = put_off(&post, &sink, &deliveries).await;

    let [young_id] = aged(&post, [&young_id], 89);
    let [sent_id, dead_id, uncertain_id] = aged(&post, [&sent_id, &dead_id, &uncertain_id], 91);
    until_erased(&post, 2).await;
    let known = "SELECT count(*) FROM email WHERE address_hash <> ''";
    assert_eq!(count(&post, known), 2, "addresses go in any form");
    for (id, state) in [
        (&sent_id, EmailState::Sent),
        (&dead_id, EmailState::Dead),
        (&uncertain_id, EmailState::Uncertain),
    ] {
        let (email, events) = deliveries.get(id).await.expect("the row stays");
        assert_eq!(email.state(), state);
        assert_eq!((email.address.as_str(), email.locale.as_str()), ("", ""));
        let acts = events
            .iter()
            .map(told)
            .filter(|told| told.starts_with(char::is_alphabetic));
        assert_eq!(events.len(), acts.count(), "{events:?}");
    }
    for _ in 0..1_500 {
        if deliveries.get(&dead_id).await.expect("answered").1.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&post, "SELECT count(*) FROM act"), 0);
    assert_eq!(count(&post, "SELECT count(*) FROM bounce"), 0);
    for (id, email) in [(&young_id, &young), (&open_id, &open)] {
        let (kept, events) = deliveries.get(id).await.expect("answered");
        assert_eq!(kept.address, address(email));
        assert!(!events.is_empty());
    }
    let again = post.queue(&sent).await.expect("the key still answers");
    assert_eq!(
        (again.email_id.as_str(), again.state()),
        (sent_id.as_str(), EmailState::Sent)
    );
    let received = sink.received().len();
    for refused in [
        deliveries.retry(&dead_id).await,
        deliveries
            .resolve(&uncertain_id, UncertainResolution::Resend)
            .await,
    ] {
        assert_eq!(
            reason(&refused.expect_err("there is nothing to send")),
            "EMAIL_ERASED"
        );
    }
    let late = deliveries.bounce(bounce).await.expect("taken");
    assert_eq!(late.email_id, "", "what is erased gets no new history");
    let resolved = deliveries
        .resolve(&uncertain_id, UncertainResolution::GiveUp)
        .await;
    assert_eq!(resolved.expect("resolved").state(), EmailState::Dead);
    assert_eq!(sink.received().len(), received);
    let page = http::get(&post.service.page("/metrics"))
        .await
        .expect("served")
        .body;
    assert!(
        page.contains("retention_forgotten_total{what=\"letter\"} 3"),
        "{page}"
    );
    assert!(
        page.contains("retention_forgotten_total{what=\"act\"} 1"),
        "{page}"
    );
}

#[tokio::test]
async fn with_0_days_everything_is_kept() {
    let sink = SmtpSink::start().await;
    let mut keeper = Post::start("retention_off", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retention-days", "0")
    })
    .await;
    let (_, email_id) = ended(&keeper, &sink, EmailState::Sent).await;
    aged(&keeper, [&email_id], 10_000);
    // Whoever erases does so at once after its start.
    keeper.service.restart().await;
    let (_, later_id) = ended(&keeper, &sink, EmailState::Sent).await;
    assert_eq!(
        count(&keeper, "SELECT count(*) FROM email WHERE letter IS NOT NULL"),
        2
    );
    let eraser = Post::at(keeper.database, |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retention-days", "1")
    })
    .await;
    until_erased(&eraser, 1).await;
    let deliveries = Deliveries::at(eraser.service.grpc());
    assert_ne!(deliveries.get(&later_id).await.expect("answered").0.address, "");
}

#[tokio::test]
async fn an_open_email_keeps_its_text_and_those_queued_after_it_theirs_until_it_is_closed() {
    let sink = SmtpSink::start().await;
    let post = Post::start("retention_open", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "3600")
    })
    .await;
    let deliveries = Deliveries::at(post.service.grpc());
    let (_, first_id) = ended(&post, &sink, EmailState::Sent).await;
    let (open, open_id) = put_off(&post, &sink, &deliveries).await;
    let (later, later_id) = ended(&post, &sink, EmailState::Sent).await;
    let [_, open_id, later_id] = aged(&post, [&first_id, &open_id, &later_id], 91);
    until_erased(&post, 2).await;
    for (id, email) in [(&open_id, &open), (&later_id, &later)] {
        let (kept, events) = deliveries.get(id).await.expect("answered");
        assert_eq!((kept.address.as_str(), events.len()), (address(email), 1));
    }
    deliveries.retry(&open_id).await.expect("tried at once");
    deliveries.until(&open_id, EmailState::Sent).await;
    until_erased(&post, 0).await;
    assert_eq!(count(&post, "SELECT count(*) FROM attempt"), 0);
}

#[tokio::test]
async fn an_email_that_is_opened_again_while_it_is_about_to_be_erased_keeps_its_text() {
    let sink = SmtpSink::start().await;
    let keeper = Post::start("retention_race", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retention-days", "0")
    })
    .await;
    let (_, first_id) = ended(&keeper, &sink, EmailState::Sent).await;
    let (_, dead_id) = ended(&keeper, &sink, EmailState::Dead).await;
    let (_, later_id) = ended(&keeper, &sink, EmailState::Sent).await;
    let [_, dead_id, _] = aged(&keeper, [&first_id, &dead_id, &later_id], 2);
    let mut operator = keeper.database.connect();
    operator
        .batch_execute(&format!(
            "BEGIN; UPDATE email SET state = 1, final_at = NULL WHERE id = '{dead_id}'; DELETE FROM unsent;
             INSERT INTO due (email_id, invitation_id, sequence, kind, member_id, run_at, lease_epoch)
             SELECT id, invitation_id, sequence, kind, member_id, now() + interval '1 hour', claims FROM email
             WHERE id = '{dead_id}'"
        ))
        .expect("opened again");
    let eraser = Post::at(keeper.database.clone(), |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retention-days", "1")
    })
    .await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '%SET letter = NULL%'";
    while count(&eraser, waits) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    operator.batch_execute("COMMIT").expect("committed");
    until_erased(&eraser, 2).await;
    let deliveries = Deliveries::at(eraser.service.grpc());
    let (kept, events) = deliveries.get(&dead_id).await.expect("answered");
    assert_ne!(kept.address, "");
    assert_eq!(events.len(), 1);
    deliveries.retry(&dead_id).await.expect("tried at once");
    deliveries.until(&dead_id, EmailState::Sent).await;
    until_erased(&eraser, 0).await;
}
