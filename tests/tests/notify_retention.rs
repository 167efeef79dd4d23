//! What notify-svc keeps no longer.

use std::time::Duration;

use diesel::{
    QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Text},
};
use proto::notify::v1::{EmailState, QueueEmail, UncertainResolution};
use tests::{
    clients::reason,
    deliveries::{Deliveries, bounce_of, told},
    emails::{Post, address, initial},
    http,
    smtp_sink::{At, Fault, SmtpSink},
};

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

/// Makes it so that the email was closed so many days ago, and what was done to it, too.
fn age(post: &Post, email_id: &str, days: i32) {
    let mut database = post.database.connect();
    for statement in [
        "UPDATE email SET final_at = now() - make_interval(days => $2::int) WHERE id = $1::uuid",
        "UPDATE act SET at = now() - make_interval(days => $2::int) WHERE email_id = $1::uuid",
    ] {
        sql_query(statement)
            .bind::<Text, _>(email_id)
            .bind::<Text, _>(days.to_string())
            .execute(&mut database)
            .expect("updated");
    }
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

#[tokio::test]
async fn texts_and_histories_of_emails_go_90_days_after_they_were_closed_and_their_keys_stay() {
    let sink = SmtpSink::start().await;
    let post = Post::start("retention", |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let deliveries = Deliveries::at(post.service.grpc());
    let (young, young_id) = ended(&post, &sink, EmailState::Sent).await;
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
    sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    let open = initial();
    let open_id = post.queue(&open).await.expect("applied").email_id;
    while deliveries.get(&open_id).await.expect("answered").1.is_empty() {}

    age(&post, &young_id, 89);
    for id in [&sent_id, &dead_id, &uncertain_id] {
        age(&post, id, 91);
    }
    until_erased(&post, 2).await;
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
    age(&keeper, &email_id, 10_000);
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
