//! What operators see of emails and do to them.

use std::{collections::HashSet, path::Path, time::Duration};

use diesel::{RunQueryDsl, sql_query, sql_types::Text};
use futures_util::future::join_all;
use proto::notify::v1::{
    DropEmailRequest, Email, EmailKind, EmailState, GetEmailRequest, ListEmailsRequest,
    ListSuppressionsRequest, PreviewEmailRequest, PreviewEmailResponse, QueueEmail, RemoveSuppressionRequest,
    ReportBounceRequest, ResolveUncertainRequest, RetryEmailRequest, UncertainResolution,
    email_command::Command, email_command_result::Result as Told, preview_email_request::Source,
    remove_suppression_request::Which,
};
use tests::{
    clients::{id, reason, refusal, request},
    deliveries::{Deliveries, NOTE, bounce_of, told},
    emails::{Post, acceptance, address, initial, reminder, reply},
    http, ledger, mail,
    patience::until,
    races::released_together,
    smtp_sink::{At, Fault, SmtpSink},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

async fn started(hint: &str) -> (Post, SmtpSink, Deliveries) {
    let sink = SmtpSink::start().await;
    let post = Post::start(hint, |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--retry-delays", "3600")
    })
    .await;
    let deliveries = Deliveries::at(post.service.grpc());
    (post, sink, deliveries)
}

fn execute(post: &Post, statement: &str) {
    let mut database = post.database.connect();
    sql_query(statement).execute(&mut database).expect("executed");
}

/// The ids of emails, in order.
async fn queued(post: &Post, emails: &[QueueEmail]) -> Vec<String> {
    let commands = emails.iter().cloned().map(Command::Queue).collect();
    let results = post.apply(commands).await.expect("applied");
    let id = |result| match result {
        Told::Queue(result) => result.email_id,
        Told::Cancel(_) => panic!("a queue command was answered with a cancel's result"),
    };
    results.into_iter().map(id).collect()
}

/// One number that is somewhere on the metrics' page, summed over its labels.
async fn metric(post: &Post, name: &str) -> i64 {
    let page = http::get(&post.service.page("/metrics")).await.expect("served");
    let lines = page
        .body
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name));
    let values = lines.map(|line| line.rsplit(' ').next().expect("a value").parse::<f64>());
    values.map(|value| value.expect("a number") as i64).sum()
}

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    let violations = details.map(|details| details.field_violations);
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_done() {
    let (_post, _sink, deliveries) = started("operator_input").await;
    let mut client = deliveries.client.clone();
    let long = "x".repeat(501);
    let mut wrong: Vec<(Vec<&str>, Status)> = Vec::new();
    for email_id in ["", "x", "00000000-0000-0000-0000-000000000000"] {
        let message = GetEmailRequest {
            email_id: email_id.to_owned(),
        };
        wrong.push((
            vec!["email_id"],
            client.get_email(request(message)).await.expect_err("refused"),
        ));
    }
    for (note, request_id, expected) in [
        ("", id(), vec!["note"]),
        (" \n ", id(), vec!["note"]),
        ("a\u{202e}b", id(), vec!["note"]),
        (long.as_str(), id(), vec!["note"]),
        (NOTE, String::new(), vec!["request_id"]),
        ("", "x".to_owned(), vec!["note", "request_id"]),
    ] {
        let (note, email_id) = (note.to_owned(), id());
        let message = RetryEmailRequest {
            email_id: email_id.clone(),
            note: note.clone(),
            request_id: request_id.clone(),
        };
        wrong.push((
            expected.clone(),
            client.retry_email(request(message)).await.expect_err("refused"),
        ));
        let message = DropEmailRequest {
            email_id: email_id.clone(),
            note: note.clone(),
            request_id: request_id.clone(),
        };
        wrong.push((
            expected.clone(),
            client.drop_email(request(message)).await.expect_err("refused"),
        ));
        let message = ResolveUncertainRequest {
            email_id,
            resolution: UncertainResolution::Sent.into(),
            note: note.clone(),
            request_id: request_id.clone(),
        };
        wrong.push((
            expected.clone(),
            client
                .resolve_uncertain(request(message))
                .await
                .expect_err("refused"),
        ));
        let message = RemoveSuppressionRequest {
            which: Some(Which::Address("ada@example.com".to_owned())),
            note,
            request_id,
        };
        wrong.push((
            expected,
            client
                .remove_suppression(request(message))
                .await
                .expect_err("refused"),
        ));
    }
    for resolution in [0, 4, -1] {
        let message = ResolveUncertainRequest {
            email_id: "x".to_owned(),
            resolution,
            note: NOTE.to_owned(),
            request_id: id(),
        };
        let refused = client
            .resolve_uncertain(request(message))
            .await
            .expect_err("refused");
        wrong.push((vec!["resolution", "email_id"], refused));
    }
    for (message, field) in [
        (
            ListEmailsRequest {
                state: 9,
                ..Default::default()
            },
            "state",
        ),
        (
            ListEmailsRequest {
                kind: 5,
                ..Default::default()
            },
            "kind",
        ),
        (
            ListEmailsRequest {
                member_id: "x".to_owned(),
                ..Default::default()
            },
            "member_id",
        ),
        (
            ListEmailsRequest {
                invitation_id: "x".to_owned(),
                ..Default::default()
            },
            "invitation_id",
        ),
        (
            ListEmailsRequest {
                page_size: -1,
                ..Default::default()
            },
            "page_size",
        ),
        (
            ListEmailsRequest {
                page_token: "forged".to_owned(),
                ..Default::default()
            },
            "page_token",
        ),
    ] {
        wrong.push((
            vec![field],
            client.list_emails(request(message)).await.expect_err("refused"),
        ));
    }
    for (message, field) in [
        (
            ListSuppressionsRequest {
                address: "nobody".to_owned(),
                ..Default::default()
            },
            "address",
        ),
        (
            ListSuppressionsRequest {
                page_size: -1,
                ..Default::default()
            },
            "page_size",
        ),
        (
            ListSuppressionsRequest {
                page_token: "forged".to_owned(),
                ..Default::default()
            },
            "page_token",
        ),
    ] {
        wrong.push((
            vec![field],
            client
                .list_suppressions(request(message))
                .await
                .expect_err("refused"),
        ));
    }
    for (which, field) in [
        (None, "which"),
        (Some(Which::Address("nobody".to_owned())), "address"),
        (Some(Which::AddressSha256("abc".to_owned())), "address_sha256"),
    ] {
        let message = RemoveSuppressionRequest {
            which,
            note: NOTE.to_owned(),
            request_id: id(),
        };
        let refused = client.remove_suppression(request(message)).await;
        wrong.push((vec![field], refused.expect_err("refused")));
    }
    let bad_name = QueueEmail {
        key: String::new(),
        ..initial()
    };
    for (source, locale, field) in [
        (None, "", "source"),
        (None, "not a tag", "locale"),
        (Some(Source::EmailId("x".to_owned())), "", "email_id"),
        (Some(Source::Sample(0)), "", "sample"),
        (Some(Source::Sample(5)), "", "sample"),
        (Some(Source::Email(bad_name)), "", "email.key"),
    ] {
        let message = PreviewEmailRequest {
            source,
            locale: locale.to_owned(),
        };
        let refused = client.preview_email(request(message)).await.expect_err("refused");
        let expected = if locale.is_empty() {
            vec![field]
        } else {
            vec![field, "source"]
        };
        wrong.push((expected, refused));
    }
    for message in [
        Vec::new(),
        b"Subject: away\n\nI am.\n".to_vec(),
        vec![b' '; 262_145],
    ] {
        let refused = client
            .report_bounce(request(ReportBounceRequest { message }))
            .await;
        wrong.push((vec!["message"], refused.expect_err("refused")));
    }
    for (expected, status) in &wrong {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(reason(status), "INVALID_ARGUMENT", "{status:?}");
        assert_eq!(&fields(status), expected, "{status:?}");
    }
    let unknown = id();
    for refused in [
        deliveries.get(&unknown).await.map(drop),
        deliveries.retry(&unknown).await.map(drop),
        deliveries.drop(&unknown).await.map(drop),
        deliveries
            .resolve(&unknown, UncertainResolution::Sent)
            .await
            .map(drop),
    ] {
        let status = refused.expect_err("there is no such email");
        assert_eq!(refusal(&status), (Code::NotFound, "EMAIL_NOT_FOUND".to_owned()));
    }
}

/// What an operator does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Retry,
    Drop,
    Resolve(UncertainResolution),
}

#[tokio::test]
async fn what_is_overdue_keeps_its_place_when_it_is_to_be_tried_now() {
    let (post, sink, deliveries) = started("overdue").await;
    sink.always(At::Ehlo, Fault::Reply("421 4.3.0 later"));
    let email_id = queued(&post, &[initial()]).await.remove(0);
    let is_put_off = async || ledger::count(&post.database, "due WHERE lease_epoch > 0 AND phase = 0") == 1;
    until(
        Duration::from_secs(30),
        "the mail server is left alone",
        is_put_off,
    )
    .await;
    execute(&post, "UPDATE due SET run_at = now() - interval '1 hour'");
    let retried = deliveries.retry(&email_id).await.expect("done");
    let second = |time: Option<prost_types::Timestamp>| time.expect("set").seconds;
    assert!(second(retried.next_attempt_time) < second(retried.create_time));
}

const ACTS: [Act; 5] = [
    Act::Retry,
    Act::Drop,
    Act::Resolve(UncertainResolution::Sent),
    Act::Resolve(UncertainResolution::Resend),
    Act::Resolve(UncertainResolution::GiveUp),
];

/// How an email stands: its name, and what has to be written to bring an open email there.
const WAITS: &str = "UPDATE due SET run_at = now() + interval '1 hour'";
const WAITS_IN_DOUBT: &str = "UPDATE due SET run_at = now() + interval '1 hour', doubted = true";
const CLAIMED: &str = "UPDATE due SET phase = 1, lease_epoch = 2, leased_by = gen_random_uuid(), \
                       lease_until = now() + interval '1 hour'";
const BODY: &str = "UPDATE due SET phase = 2, lease_epoch = 2, leased_by = gen_random_uuid(), \
                    lease_until = now() + interval '1 hour'";

/// Brings an email that waits to where it is to stand.
fn place(post: &Post, email_id: &str, standing: Standing) {
    match standing {
        Standing::Open(update) => execute(post, &format!("{update} WHERE email_id = '{email_id}'")),
        Standing::Closed(state, erased) => {
            execute(post, &format!("DELETE FROM due WHERE email_id = '{email_id}'"));
            let letter = if erased { "NULL" } else { "letter" };
            execute(
                post,
                &format!(
                    "UPDATE email SET state = {}, final_at = now(), claims = 7, letter = {letter} \
                     WHERE id = '{email_id}'",
                    state as i32
                ),
            );
            execute(
                post,
                &format!(
                    "INSERT INTO unsent (state, email_id, kind) SELECT state, id, kind FROM email \
                     WHERE id = '{email_id}' AND state > 2"
                ),
            );
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    Open(&'static str),
    /// With whether what it said was erased.
    Closed(EmailState, bool),
}

/// Every operator's act on every standing of an email: the state afterwards, or the refusal.
#[tokio::test]
async fn every_act_in_every_state_is_answered_as_the_table_says() {
    use EmailState::{Cancelled, Dead, Expired, Open, PreferenceOff, Sent, Suppressed, Uncertain};
    let no = Err::<EmailState, &str>;
    let to = Ok::<EmailState, &str>;
    let closed = |state| Standing::Closed(state, false);
    let erased = |state| Standing::Closed(state, true);
    let not_uncertain = [no("EMAIL_NOT_UNCERTAIN"); 3];
    let [u1, u2, u3] = not_uncertain;
    #[rustfmt::skip]
    let table = [
        // standing                      retry                      drop                    sent, resend, give up
        (Standing::Open(WAITS),          [to(Open),                 to(Cancelled),          u1, u2, u3]),
        (Standing::Open(WAITS_IN_DOUBT), [to(Open),                 to(Uncertain),          u1, u2, u3]),
        (Standing::Open(CLAIMED),        [to(Open),                 to(Cancelled),          u1, u2, u3]),
        (Standing::Open(BODY),           [to(Open),                 no("EMAIL_IN_FLIGHT"),  u1, u2, u3]),
        (closed(Sent),                   [no("EMAIL_NOT_RETRYABLE"), no("EMAIL_CLOSED"),    u1, u2, u3]),
        (closed(Cancelled),              [no("EMAIL_NOT_RETRYABLE"), to(Cancelled),         u1, u2, u3]),
        (closed(Expired),                [no("EMAIL_NOT_RETRYABLE"), no("EMAIL_CLOSED"),    u1, u2, u3]),
        (closed(PreferenceOff),          [no("EMAIL_NOT_RETRYABLE"), no("EMAIL_CLOSED"),    u1, u2, u3]),
        (closed(Dead),                   [to(Open),                 no("EMAIL_CLOSED"),     u1, u2, u3]),
        (closed(Suppressed),             [to(Open),                 no("EMAIL_CLOSED"),     u1, u2, u3]),
        (closed(Uncertain),              [no("EMAIL_UNCERTAIN"),    no("EMAIL_CLOSED"),     to(Sent), to(Open), to(Dead)]),
        (erased(Dead),                   [no("EMAIL_ERASED"),       no("EMAIL_CLOSED"),     u1, u2, u3]),
        (erased(Suppressed),             [no("EMAIL_ERASED"),       no("EMAIL_CLOSED"),     u1, u2, u3]),
        (erased(Uncertain),              [no("EMAIL_UNCERTAIN"),    no("EMAIL_CLOSED"),     to(Sent), no("EMAIL_ERASED"), to(Dead)]),
    ];
    let (post, sink, deliveries) = started("acts").await;
    let emails: Vec<QueueEmail> = std::iter::repeat_with(initial)
        .take(table.len() * ACTS.len())
        .collect();
    for _ in &emails {
        sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    }
    let ids = queued(&post, &emails).await;
    for id in &ids {
        while deliveries.get(id).await.expect("answered").1.is_empty() {}
        deliveries.until(id, Open).await;
    }
    let mut wanted = Vec::new();
    let cells = table
        .iter()
        .flat_map(|(standing, row)| ACTS.iter().zip(row).map(move |cell| (standing, cell)));
    for ((email, id), (standing, (act, expected))) in emails.iter().zip(&ids).zip(cells) {
        place(&post, id, *standing);
        let answer = match act {
            Act::Retry => deliveries.retry(id).await,
            Act::Drop => deliveries.drop(id).await,
            Act::Resolve(resolution) => deliveries.resolve(id, *resolution).await,
        };
        let cell = format!("{standing:?} {act:?}");
        match (&answer, expected) {
            (Ok(email), Ok(state)) => {
                assert_eq!(email.state(), *state, "{cell}");
                assert_eq!(email.final_time.is_none(), *state == Open, "{cell}");
            }
            (Err(status), Err(why)) => {
                assert_eq!(
                    refusal(status),
                    (Code::FailedPrecondition, (*why).to_owned()),
                    "{cell}"
                );
                let waiting_helps = status.get_error_details().retry_info().is_some();
                assert_eq!(waiting_helps, *why == "EMAIL_IN_FLIGHT", "{cell}");
            }
            _ => panic!("{cell}: {answer:?}, not {expected:?}"),
        }
        let (_, events) = deliveries.get(id).await.expect("answered");
        let acted = events
            .iter()
            .any(|event| told(event).starts_with(char::is_alphabetic));
        assert_eq!(
            acted,
            expected.is_ok(),
            "{cell}: an act that was done is in the history"
        );
        let held = matches!(standing, Standing::Open(CLAIMED | BODY));
        if *expected == Ok(Open) && !held {
            wanted.push((email, id, *standing));
        }
    }
    for (_, id, standing) in &wanted {
        deliveries.until(id, Sent).await;
        if let Standing::Closed(..) = standing {
            let n: Vec<Number> = sql_query("SELECT max(n) AS n FROM attempt WHERE email_id = $1::uuid")
                .bind::<Text, _>(*id)
                .load(&mut post.database.connect())
                .expect("read");
            assert_eq!(n[0].n, Some(8), "claims go on from where they ended");
        }
    }
    let received: Vec<String> = sink.received().into_iter().map(|received| received.to).collect();
    let to: HashSet<&str> = wanted.iter().map(|(email, ..)| address(email)).collect();
    assert_eq!(received.len(), wanted.len(), "{received:?}");
    assert!(received.iter().all(|received| to.contains(received.as_str())));
    assert_eq!(wanted.len(), 5);
    assert_eq!(astray(&post), 0);
}

/// How many rows of `unsent` tell something else than `email` does, or are missing.
fn astray(post: &Post) -> i32 {
    let difference = "WITH wanted AS (SELECT state, id, kind FROM email WHERE state > 2) \
        SELECT count(*)::integer AS n FROM ((TABLE wanted EXCEPT TABLE unsent) UNION ALL (TABLE unsent EXCEPT TABLE wanted)) AS d";
    let rows: Vec<Number> = sql_query(difference)
        .load(&mut post.database.connect())
        .expect("read");
    rows[0].n.expect("a count")
}

#[derive(Debug, diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Integer>)]
    n: Option<i32>,
}

#[tokio::test]
async fn the_history_tells_everything_in_the_order_in_which_it_happened() {
    let (post, sink, deliveries) = started("history").await;
    sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
    let email = initial();
    let id = post.queue(&email).await.expect("applied").email_id;
    while deliveries.get(&id).await.expect("answered").1.is_empty() {}
    let waits = deliveries.until(&id, EmailState::Open).await;
    let time = |at: &Option<prost_types::Timestamp>| at.map(|at| (at.seconds, at.nanos));
    assert!(time(&waits.next_attempt_time) > time(&waits.create_time));
    deliveries.retry(&id).await.expect("tried at once");
    let dead = deliveries.until(&id, EmailState::Dead).await;
    assert!(dead.final_time.is_some() && dead.next_attempt_time.is_none());
    deliveries.retry(&id).await.expect("opened again");
    let sent = deliveries.until(&id, EmailState::Sent).await;
    let bounce = include_str!("../../notify-svc/src/domain/bounce/samples/full.eml");
    let bounce = bounce_of(bounce, &id);
    deliveries.bounce(bounce).await.expect("taken");
    let (_, events) = deliveries.get(&id).await.expect("answered");
    let in_words: Vec<String> = events.iter().map(told).collect();
    assert_eq!(
        in_words,
        ["450", "RetryEmail", "550", "RetryEmail", "250", "5.2.2"]
    );
    let time = |at: &Option<prost_types::Timestamp>| at.map(|at| (at.seconds, at.nanos));
    assert!(
        events
            .windows(2)
            .all(|pair| time(&pair[0].time) <= time(&pair[1].time))
    );
    assert_eq!(
        (sent.address.as_str(), sent.message_id.as_str()),
        (address(&email), format!("<{id}@product.example>").as_str())
    );
    assert_eq!(sent.invitation_id, email.invitation_id);
    assert_eq!((sent.kind(), sent.sequence), (EmailKind::Initial, 1));
}

#[tokio::test]
async fn the_same_request_is_done_once_and_its_id_stands_for_no_other() {
    let (post, sink, deliveries) = started("operator_repeat").await;
    sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
    let id_of = post.queue(&initial()).await.expect("applied").email_id;
    deliveries.until(&id_of, EmailState::Dead).await;
    let message = RetryEmailRequest {
        email_id: id_of.clone(),
        note: NOTE.to_owned(),
        request_id: id(),
    };
    let calls = (0..8).map(|_| {
        let (deliveries, message) = (deliveries.clone(), message.clone());
        async move { deliveries.retry_with(message).await }
    });
    for answer in released_together(calls).await {
        let state = answer.expect("done or done already").state();
        assert!(matches!(state, EmailState::Open | EmailState::Sent), "{state:?}");
    }
    deliveries.until(&id_of, EmailState::Sent).await;
    let again = deliveries
        .retry_with(message.clone())
        .await
        .expect("done already");
    assert_eq!(again.state(), EmailState::Sent, "as it stands");
    assert_eq!(sink.received().len(), 1);
    let (_, events) = deliveries.get(&id_of).await.expect("answered");
    assert_eq!(
        events.iter().map(told).collect::<Vec<_>>(),
        ["550", "RetryEmail", "250"]
    );
    for other in [
        RetryEmailRequest {
            note: "another".to_owned(),
            ..message.clone()
        },
        RetryEmailRequest {
            email_id: id(),
            ..message.clone()
        },
    ] {
        let status = deliveries.retry_with(other).await.expect_err("another request");
        assert_eq!(
            refusal(&status),
            (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned())
        );
        assert_eq!(fields(&status), ["request_id"]);
    }
    let mut client = deliveries.client.clone();
    let other_rpc = DropEmailRequest {
        email_id: message.email_id.clone(),
        note: message.note.clone(),
        request_id: message.request_id.clone(),
    };
    let status = client
        .drop_email(request(other_rpc))
        .await
        .expect_err("another rpc");
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_refused_request_leaves_no_trace_and_its_id_free() {
    let (post, _sink, deliveries) = started("operator_refused").await;
    let id_of = post.queue(&initial()).await.expect("applied").email_id;
    deliveries.until(&id_of, EmailState::Sent).await;
    let message = RetryEmailRequest {
        email_id: id_of.clone(),
        note: NOTE.to_owned(),
        request_id: id(),
    };
    for _ in 0..2 {
        let status = deliveries
            .retry_with(message.clone())
            .await
            .expect_err("sent already");
        assert_eq!(reason(&status), "EMAIL_NOT_RETRYABLE");
    }
    execute(&post, &format!("UPDATE email SET state = 5 WHERE id = '{id_of}'"));
    deliveries
        .retry_with(message)
        .await
        .expect("the same request may succeed later");
}

#[tokio::test]
async fn several_operators_who_retry_one_email_send_it_once() {
    let (post, sink, deliveries) = started("retry_race").await;
    for round in 1..=20 {
        sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
        let id = post.queue(&initial()).await.expect("applied").email_id;
        deliveries.until(&id, EmailState::Dead).await;
        let calls = (0..6).map(|_| {
            let (deliveries, id) = (deliveries.clone(), id.clone());
            async move { deliveries.retry(&id).await }
        });
        let answers = released_together(calls).await;
        for answer in &answers {
            match answer {
                Ok(email) => assert!(matches!(email.state(), EmailState::Open | EmailState::Sent)),
                Err(status) => assert_eq!(reason(status), "EMAIL_NOT_RETRYABLE", "it was sent meanwhile"),
            }
        }
        deliveries.until(&id, EmailState::Sent).await;
        assert_eq!(sink.received().len(), round, "one each");
    }
}

#[tokio::test]
async fn each_outcome_that_is_taken_back_is_counted_and_the_ledger_holds() {
    let (post, sink, deliveries) = started("reopened").await;
    let ended = |faults: Vec<(At, Fault)>, state| {
        let (post, sink, deliveries) = (&post, &sink, &deliveries);
        async move {
            for (at, fault) in faults {
                sink.script(at, fault);
            }
            let id = post.queue(&initial()).await.expect("applied").email_id;
            deliveries.until(&id, state).await;
            id
        }
    };
    let lost = || vec![(At::Body, Fault::Drop), (At::Body, Fault::Drop)];
    let dead = ended(vec![(At::Rcpt, Fault::Reply("550 5.3.0 no"))], EmailState::Dead).await;
    let uncertain = [
        ended(lost(), EmailState::Uncertain).await,
        ended(lost(), EmailState::Uncertain).await,
        ended(lost(), EmailState::Uncertain).await,
    ];
    deliveries.retry(&dead).await.expect("opened again");
    deliveries.until(&dead, EmailState::Sent).await;
    let [sent, resent, given_up] = &uncertain;
    let resolve = |id, resolution| deliveries.resolve(id, resolution);
    resolve(sent, UncertainResolution::Sent).await.expect("resolved");
    resolve(given_up, UncertainResolution::GiveUp)
        .await
        .expect("resolved");
    sink.script(At::Body, Fault::Drop);
    resolve(resent, UncertainResolution::Resend)
        .await
        .expect("resolved");
    deliveries.until(resent, EmailState::Uncertain).await;
    let bodies = sink.received().into_iter().map(|received| received.bytes);
    assert_eq!(
        bodies.collect::<HashSet<_>>().len(),
        4,
        "the same bytes each time"
    );
    assert_eq!(
        sink.received().len(),
        1 + 2 * 3 + 1,
        "resent once: its next doubt was final"
    );

    post.until_metrics(&[
        "emails_reopened_total{kind=\"initial\",outcome=\"dead\"} 1",
        "emails_reopened_total{kind=\"initial\",outcome=\"uncertain\"} 3",
        "emails_outcome_total{kind=\"initial\",outcome=\"uncertain\"} 4",
        "emails_outcome_total{kind=\"initial\",outcome=\"sent\"} 2",
        "emails_outcome_total{kind=\"initial\",outcome=\"dead\"} 2",
    ])
    .await;
    let accepted = metric(&post, "emails_accepted_total").await;
    let reopened = metric(&post, "emails_reopened_total").await;
    assert_eq!(accepted + reopened, metric(&post, "emails_outcome_total").await);
    assert_eq!(astray(&post), 0);
}

/// Drops race with the sending. Whoever was told "cancelled" never gets a body; everybody else gets one.
#[tokio::test(flavor = "multi_thread")]
async fn a_drop_that_answered_cancelled_is_a_promise() {
    const ROUNDS: usize = 2_000;
    let (post, sink, deliveries) = started("drop_race").await;
    let mut dropped = HashSet::new();
    let mut went = HashSet::new();
    for round in 0..ROUNDS / 50 {
        let emails: Vec<QueueEmail> = std::iter::repeat_with(initial).take(50).collect();
        let ids = queued(&post, &emails).await;
        if round % 2 == 1 {
            // In the middle of them, whichever is faster here.
            sink.until_received(went.len() + 1).await;
        }
        // The later ones first: the worker begins with the others.
        let drops = ids.iter().rev().map(|id| deliveries.drop(id));
        for (email, answer) in emails.iter().rev().zip(join_all(drops).await) {
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.state(), EmailState::Cancelled);
                    dropped.insert(address(email).to_owned());
                }
                Err(status) => {
                    let why = reason(&status);
                    assert!(
                        ["EMAIL_IN_FLIGHT", "EMAIL_CLOSED"].contains(&why.as_str()),
                        "{status:?}"
                    );
                    went.insert(address(email).to_owned());
                }
            }
        }
    }
    let received = sink.until_received(went.len()).await;
    assert!(
        !dropped.is_empty() && !went.is_empty(),
        "no race: {} dropped, {} went",
        dropped.len(),
        went.len()
    );
    while metric(&post, "emails_outcome_total").await < ROUNDS as i64 {}
    assert_eq!(sink.received().len(), received.len(), "nothing comes later");
    let to: HashSet<String> = received.iter().map(|received| received.to.clone()).collect();
    assert_eq!(to.len(), received.len(), "each once");
    assert_eq!(to, went);
}

fn narrowed(member_id: &str) -> ListEmailsRequest {
    ListEmailsRequest {
        member_id: member_id.to_owned(),
        ..ListEmailsRequest::default()
    }
}

fn to_member(email: QueueEmail, member_id: &str) -> QueueEmail {
    let mut email = email;
    email.recipient.as_mut().expect("set").member_id = member_id.to_owned();
    email
}

/// All pages of a list.
async fn listed(deliveries: &Deliveries, message: ListEmailsRequest) -> Vec<Email> {
    let mut message = message;
    let mut all = Vec::new();
    loop {
        let page = deliveries.list(message.clone()).await.expect("listed");
        all.extend(page.emails);
        if page.next_page_token.is_empty() {
            return all;
        }
        message.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn pages_neither_lose_nor_repeat_an_email_while_others_come() {
    let (post, _sink, deliveries) = started("pages").await;
    let member = id();
    let mine = |count| {
        let emails = std::iter::repeat_with(|| to_member(initial(), &member)).take(count);
        emails.collect::<Vec<_>>()
    };
    let first = queued(&post, &mine(25)).await;
    let mut message = ListEmailsRequest {
        page_size: 10,
        ..narrowed(&member)
    };
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let page = deliveries.list(message.clone()).await.expect("listed");
        sizes.push(page.emails.len());
        seen.extend(page.emails.into_iter().map(|email| email.email_id));
        if page.next_page_token.is_empty() {
            break;
        }
        message.page_token = page.next_page_token;
        queued(&post, &mine(3)).await;
    }
    let mut newest_first = first.clone();
    newest_first.sort();
    newest_first.reverse();
    assert_eq!(seen, newest_first);
    assert_eq!(sizes, [10, 10, 5]);
    let other = ListEmailsRequest {
        member_id: id(),
        ..message.clone()
    };
    let narrower = ListEmailsRequest {
        state: EmailState::Sent.into(),
        ..message.clone()
    };
    for wrong in [other, narrower] {
        let status = deliveries.list(wrong).await.expect_err("another list");
        assert_eq!(fields(&status), ["page_token"]);
    }
}

#[tokio::test]
async fn filters_narrow_each_other() {
    let (post, sink, deliveries) = started("filters").await;
    let (member, invitation) = (id(), id());
    let kinds = [initial, reminder, acceptance, reply];
    for (new, kind) in kinds.into_iter().zip([1, 2, 3, 4]) {
        let email = to_member(new(), &member);
        let email = QueueEmail {
            invitation_id: invitation.clone(),
            ..email
        };
        let other = to_member(new(), &member);
        for id in queued(&post, &[email, other]).await {
            assert_eq!(deliveries.until(&id, EmailState::Sent).await.kind, kind);
        }
    }
    let found = |state: EmailState, kind: i32, member_id: &str, invitation_id: &str| {
        let message = ListEmailsRequest {
            state: state.into(),
            kind,
            member_id: member_id.to_owned(),
            invitation_id: invitation_id.to_owned(),
            page_size: 2,
            ..ListEmailsRequest::default()
        };
        let deliveries = &deliveries;
        async move { listed(deliveries, message).await.len() }
    };
    use EmailState::{Dead, Open, Sent, Unspecified};
    let stranger = id();
    for (state, kind, member_id, invitation_id, count) in [
        (Unspecified, 0, "", "", 8),
        (Sent, 0, "", "", 8),
        (Sent, 2, "", "", 2),
        (Unspecified, 3, "", "", 2),
        (Unspecified, 0, member.as_str(), "", 8),
        (Sent, 4, member.as_str(), "", 2),
        (Unspecified, 0, "", invitation.as_str(), 4),
        (Sent, 1, member.as_str(), invitation.as_str(), 1),
        (Unspecified, 0, stranger.as_str(), invitation.as_str(), 0),
        (Dead, 0, "", "", 0),
        (Dead, 0, member.as_str(), "", 0),
        (Open, 0, "", "", 0),
    ] {
        let given = found(state, kind, member_id, invitation_id).await;
        assert_eq!(given, count, "{state:?} {kind} {member_id} {invitation_id}");
    }
    // What is open and what ended otherwise than most have ways of their own.
    sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
    let dead = post.queue(&reply()).await.expect("applied").email_id;
    deliveries.until(&dead, Dead).await;
    sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    let open = post.queue(&acceptance()).await.expect("applied").email_id;
    while deliveries.get(&open).await.expect("answered").1.is_empty() {}
    for (state, kind, count) in [
        (Dead, 0, 1),
        (Dead, 4, 1),
        (Dead, 1, 0),
        (Open, 0, 1),
        (Open, 3, 1),
        (Open, 1, 0),
    ] {
        assert_eq!(found(state, kind, "", "").await, count, "{state:?} {kind}");
    }
}

/// Every list by state, compared with where each email stands.
async fn check_lists(post: &Post, deliveries: &Deliveries, emails: &[(String, EmailState)]) {
    for code in 1..=8 {
        let state = EmailState::try_from(code).expect("there are 8");
        let message = ListEmailsRequest {
            state: code,
            page_size: 2,
            ..ListEmailsRequest::default()
        };
        let listed = listed(deliveries, message).await;
        let listed: Vec<String> = listed.into_iter().map(|email| email.email_id).collect();
        let there = emails.iter().filter(|(_, stands)| *stands == state);
        let mut there: Vec<String> = there.map(|(id, _)| id.clone()).collect();
        there.sort();
        there.reverse();
        assert_eq!(listed, there, "{state:?}");
    }
    assert_eq!(astray(post), 0);
}

#[tokio::test]
async fn every_email_is_in_the_list_of_its_state_and_in_no_other() {
    use EmailState::{Cancelled, Dead, Expired, Open, PreferenceOff, Sent, Suppressed, Uncertain};
    let (post, sink, deliveries) = started("lists").await;
    let mut emails: Vec<(String, EmailState)> = Vec::new();
    let later = || sink.script(At::Rcpt, Fault::Reply("450 4.2.0 later"));
    let until = |email: QueueEmail, state| {
        let (post, deliveries) = (&post, &deliveries);
        async move {
            let id = post.queue(&email).await.expect("applied").email_id;
            if state == Open {
                while deliveries.get(&id).await.expect("answered").1.is_empty() {}
            }
            deliveries.until(&id, state).await;
            (id, state)
        }
    };
    emails.push(until(initial(), Sent).await);
    // Cancelled on arrival, by a cancel while it waits, by an operator.
    let stopped = initial();
    post.cancel(&stopped.invitation_id, 2).await.expect("applied");
    emails.push(until(stopped, Cancelled).await);
    let stopped = initial();
    later();
    let (id, _) = until(stopped.clone(), Open).await;
    post.cancel(&stopped.invitation_id, 2).await.expect("applied");
    emails.push((id, Cancelled));
    later();
    let (id, _) = until(reply(), Open).await;
    deliveries.drop(&id).await.expect("dropped");
    emails.push((id, Cancelled));
    // In doubt, then cancelled: nobody can say that it never went.
    let doubted = initial();
    later();
    let (id, _) = until(doubted.clone(), Open).await;
    execute(&post, &format!("{WAITS_IN_DOUBT} WHERE email_id = '{id}'"));
    post.cancel(&doubted.invitation_id, 2).await.expect("applied");
    emails.push((id, Uncertain));
    let mut old = initial();
    old.event_time.as_mut().expect("set").seconds -= 49 * 3_600;
    emails.push(until(old, Expired).await);
    for _ in 0..3 {
        sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
        emails.push(until(acceptance(), Dead).await);
        sink.script(At::Body, Fault::Drop);
        sink.script(At::Body, Fault::Drop);
        emails.push(until(initial(), Uncertain).await);
    }
    let member = id_of_reader_who_wants_nothing(&post);
    emails.push(until(to_member(reply(), &member), PreferenceOff).await);
    let gone = initial();
    sink.script(At::Rcpt, Fault::Reply("550 5.1.1 nobody here"));
    emails.push(until(gone.clone(), Dead).await);
    let again = QueueEmail {
        recipient: gone.recipient,
        ..initial()
    };
    emails.push(until(again, Suppressed).await);
    later();
    emails.push(until(reminder(), Open).await);
    check_lists(&post, &deliveries, &emails).await;

    let place = |state| emails.iter().position(|(_, stands)| *stands == state);
    let dead = place(Dead).expect("there are some");
    deliveries.retry(&emails[dead].0).await.expect("opened again");
    deliveries.until(&emails[dead].0, Sent).await;
    emails[dead].1 = Sent;
    let dead_again = dead + 2;
    sink.script(At::Rcpt, Fault::Reply("550 5.3.0 no"));
    deliveries
        .retry(&emails[dead_again].0)
        .await
        .expect("opened again");
    deliveries.until(&emails[dead_again].0, Dead).await;
    for (resolution, state) in [
        (UncertainResolution::Sent, Sent),
        (UncertainResolution::GiveUp, Dead),
        (UncertainResolution::Resend, Sent),
    ] {
        let at = emails.iter().position(|(_, stands)| *stands == Uncertain);
        let (id, stands) = &mut emails[at.expect("there are some")];
        deliveries.resolve(id, resolution).await.expect("resolved");
        deliveries.until(id, state).await;
        *stands = state;
    }
    check_lists(&post, &deliveries, &emails).await;
}

fn id_of_reader_who_wants_nothing(post: &Post) -> String {
    let member = id();
    let insert = format!("INSERT INTO reader (member_id, contact_restricted) VALUES ('{member}', true)");
    execute(post, &insert);
    member
}

async fn preview(deliveries: &Deliveries, source: Source) -> Result<PreviewEmailResponse, Status> {
    let message = PreviewEmailRequest {
        source: Some(source),
        locale: String::new(),
    };
    let response = deliveries.client.clone().preview_email(request(message)).await?;
    Ok(response.into_inner())
}

#[tokio::test]
async fn a_preview_is_what_goes_out_with_links_that_work_for_nobody() {
    let sink = SmtpSink::start().await;
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notify-svc/src/smtp/dkim/tests/rsa2048.pem");
    let post = Post::start("preview", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--dkim-key-file", key)
            .flag("--dkim-selector", "s1")
    })
    .await;
    let deliveries = Deliveries::at(post.service.grpc());
    let email = initial();
    let id_of = post.queue(&email).await.expect("applied").email_id;
    let sent = sink.until_received(1).await.remove(0);
    let is_signed = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("DKIM-Signature:");
    assert!(is_signed(&sent.bytes));
    let sent = mail::Email::parse(&sent.bytes).expect("an email");
    let shown = preview(&deliveries, Source::EmailId(id_of.clone()))
        .await
        .expect("shown");
    assert!(!is_signed(&shown.message), "nobody may send it as ours");
    let read = mail::Email::parse(&shown.message).expect("an email");
    assert_eq!(
        (&read.subject, &read.message_id),
        (&sent.subject, &sent.message_id)
    );
    assert_eq!(
        (&read.text, &read.html.replace("\r\n", "\n")),
        (&shown.text, &shown.html)
    );
    assert!(shown.text.contains("> We met in Oslo."));
    assert!(sent.text.contains("https://product.example/i/token"));
    assert!(shown.text.contains("https://product.example/i/preview"));
    assert!(!shown.text.contains("/i/token") && !shown.html.contains("/i/token"));
    let settings = |read: &mail::Email| read.link("http://127.0.0.1:").expect("a link").to_owned();
    assert_ne!(settings(&read), settings(&sent));
    assert_eq!(sink.received().len(), 1, "a preview sends nothing");

    let as_queued = preview(&deliveries, Source::Email(email)).await.expect("shown");
    assert_eq!(as_queued.subject, shown.subject);
    for kind in [
        EmailKind::Initial,
        EmailKind::Reminder,
        EmailKind::Acceptance,
        EmailKind::Reply,
    ] {
        let sample = preview(&deliveries, Source::Sample(kind.into()))
            .await
            .expect("shown");
        assert!(
            !sample.subject.is_empty() && sample.html.contains("<h1"),
            "{kind:?}"
        );
    }
    execute(
        &post,
        &format!("UPDATE email SET letter = NULL WHERE id = '{id_of}'"),
    );
    let refused = preview(&deliveries, Source::EmailId(id_of))
        .await
        .expect_err("nothing to show");
    assert_eq!(reason(&refused), "EMAIL_ERASED");
    let unknown = preview(&deliveries, Source::EmailId(id()))
        .await
        .expect_err("nothing to show");
    assert_eq!(reason(&unknown), "EMAIL_NOT_FOUND");
}
