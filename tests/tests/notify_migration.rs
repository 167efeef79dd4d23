//! What was written before a migration, after it.

use std::{fs, path::Path, time::Duration};

use diesel::{QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::SmallInt};
use proto::notify::v1::{CancelScope, EmailState, ListEmailsRequest};
use tests::{cluster, deliveries::Deliveries, emails::Post, smtp_sink::SmtpSink};

const INVITATION: &str = "0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f";
const CANCELLED: &str = "0190a8a0-5f1c-7cc3-98c4-000000000004";

/// A letter as it was written before there were reminders and replies.
const INITIAL: &str = r#"{"recipient":{"name":"Ben","address":"ben@example.com","locale":"en","time_zone":"UTC"},
    "content":{"kind":"initial","inviter_name":"Ada","note":"","accept_url":"https://product.example/i/t",
    "inviter_profile_url":"https://product.example/a","inbox_url":"https://product.example/inbox/1"}}"#;
const ACCEPTANCE: &str = r#"{"recipient":{"name":"Ada","address":"ada@example.com","locale":"en","time_zone":"UTC"},
    "content":{"kind":"acceptance","connection_name":"Ben","connection_address":"ben@example.com",
    "connection_profile_url":"https://product.example/b","total_count":0,"shared_count":0,"names":[]}}"#;
/// No letter at all: a damaged row must not stop the migration.
const DAMAGED: &str = r#""?""#;

/// The migration before the kinds, three open emails that wait for a while, and one that was cancelled.
fn before_the_kinds() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../notify-svc/migrations/2026-11-23-000001_emails/up.sql");
    let mut script = fs::read_to_string(path).expect("the migration is there");
    script.push_str(
        "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp NOT NULL DEFAULT now());
         INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000001');",
    );
    script.push_str(&format!("INSERT INTO fence VALUES ('{INVITATION}', 1);"));
    for (number, letter) in (1..).zip([INITIAL, ACCEPTANCE, DAMAGED]) {
        let email_id = format!("0190a8a0-5f1c-7cc3-98c4-00000000000{number}");
        script.push_str(&format!(
            "INSERT INTO email (id, invitation_id, sequence, member_id, event_time, letter, message_id, created_at, state)
             VALUES ('{email_id}', '{INVITATION}', 1, '{INVITATION}', now(), '{letter}', '<{number}@x>', now(), 1);
             INSERT INTO due (email_id, invitation_id, sequence, run_at)
             VALUES ('{email_id}', '{INVITATION}', 1, now() + interval '1 hour');"
        ));
    }
    script.push_str(&format!(
        "INSERT INTO email (id, invitation_id, sequence, member_id, event_time, letter, message_id, created_at, state, final_at)
         VALUES ('{CANCELLED}', '{CANCELLED}', 1, '{INVITATION}', now(), '{INITIAL}', '<4@x>', now(), 3, now());"
    ));
    script
}

#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct Stands {
    #[diesel(sql_type = SmallInt)]
    kind: i16,
    #[diesel(sql_type = SmallInt)]
    state: i16,
}

fn emails(post: &Post) -> Vec<(i16, i16)> {
    let rows: Vec<Stands> = sql_query("SELECT kind, state FROM email ORDER BY id")
        .load(&mut post.database.connect())
        .expect("the emails can be read");
    rows.into_iter().map(|row| (row.kind, row.state)).collect()
}

#[tokio::test]
async fn emails_of_before_the_kinds_are_cancelled_and_sent_by_theirs() {
    let database = cluster::database("before_the_kinds");
    database
        .connect()
        .batch_execute(&before_the_kinds())
        .expect("written");
    let sink = SmtpSink::start().await;
    let post = Post::at(database, |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let deliveries = Deliveries::at(post.service.grpc());
    let cancelled = ListEmailsRequest {
        state: EmailState::Cancelled.into(),
        ..ListEmailsRequest::default()
    };
    let listed = deliveries.list(cancelled).await.expect("listed").emails;
    let listed: Vec<&str> = listed.iter().map(|email| email.email_id.as_str()).collect();
    assert_eq!(listed, [CANCELLED]);
    let counts = post.cancel_scope(INVITATION, 2, CancelScope::Invitation).await;
    assert_eq!(counts.expect("applied"), (2, 0, 0));
    assert_eq!(emails(&post), [(1, 3), (3, 1), (1, 3), (1, 3)]);
    post.database
        .connect()
        .batch_execute("UPDATE due SET run_at = now()")
        .expect("hurried");
    let received = sink.until_received(1).await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].to, "ada@example.com");
    while emails(&post)[1] == (3, 1) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(emails(&post)[1], (3, 2));
}
