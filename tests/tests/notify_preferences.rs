//! PreferenceService: what a reader wants, and how a member is forgotten.

use std::fs;

use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};
use proto::notify::v1::{
    AcceptanceEmail, EmailState, EraseMemberRequest, InitialEmail, ListEmailsRequest, Preferences,
    QueueEmail, ReplyEmail, UncertainResolution, UpdatePreferencesRequest, email_command::Command,
    queue_email::Content,
};
use shell::clock::{self, Clock};
use tests::{
    clients::{id, reason, request},
    deliveries::Deliveries,
    emails::{Post, acceptance, initial, reminder, reply},
    http, ports,
    preferences::{ALL_ON, Choices},
    smtp_sink::{At, Fault, SmtpSink},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

async fn started(hint: &str) -> (Post, Choices) {
    let post = Post::start(hint, |launch, directory| launch.flag("--mail-dir", directory)).await;
    let choices = Choices::at(post.service.grpc());
    (post, choices)
}

/// A service whose mail server is not there: what is queued stays open.
async fn waiting(hint: &str) -> (Post, Choices) {
    let nowhere = format!("smtp://{}", ports::free());
    let post = Post::start(hint, |launch, _| launch.flag("--smtp-url", nowhere)).await;
    let choices = Choices::at(post.service.grpc());
    (post, choices)
}

fn change(member_id: &str) -> UpdatePreferencesRequest {
    UpdatePreferencesRequest {
        member_id: member_id.to_owned(),
        ..UpdatePreferencesRequest::default()
    }
}

/// What a change makes of the choices of before.
type Expected = fn(&mut Preferences);

#[tokio::test]
async fn a_change_reaches_what_it_names_and_nothing_else() {
    let (_post, choices) = started("choices").await;
    let member = id();
    assert_eq!(choices.get(&member).await.expect("read"), ALL_ON);
    let changes: [(UpdatePreferencesRequest, Expected); 7] = [
        (
            UpdatePreferencesRequest {
                reminders: Some(false),
                ..change(&member)
            },
            |preferences| preferences.reminders = false,
        ),
        (
            UpdatePreferencesRequest {
                restrict_email_contact: Some(true),
                ..change(&member)
            },
            |preferences| preferences.restrict_email_contact = true,
        ),
        (
            UpdatePreferencesRequest {
                invitations: Some(false),
                acceptances: Some(false),
                replies: Some(true),
                ..change(&member)
            },
            |preferences| {
                preferences.invitations = false;
                preferences.acceptances = false;
            },
        ),
        (
            UpdatePreferencesRequest {
                invitations: Some(true),
                reminders: Some(true),
                ..change(&member)
            },
            |preferences| {
                preferences.invitations = true;
                preferences.reminders = true;
            },
        ),
        (
            UpdatePreferencesRequest {
                replies: Some(false),
                ..change(&member)
            },
            |preferences| preferences.replies = false,
        ),
        (
            UpdatePreferencesRequest {
                restrict_email_contact: Some(false),
                ..change(&member)
            },
            |preferences| preferences.restrict_email_contact = false,
        ),
        (
            UpdatePreferencesRequest {
                acceptances: Some(true),
                replies: Some(true),
                ..change(&member)
            },
            |preferences| {
                preferences.acceptances = true;
                preferences.replies = true;
            },
        ),
    ];
    let mut expected = ALL_ON;
    for (change, effect) in changes {
        effect(&mut expected);
        for _ in 0..2 {
            let answered = choices.update(change.clone()).await.expect("changed");
            assert_eq!(answered, expected, "{change:?}");
            assert_eq!(choices.get(&member).await.expect("read"), expected);
        }
    }
    assert_eq!(expected, ALL_ON);
    assert_eq!(choices.get(&id()).await.expect("read"), ALL_ON, "somebody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_different_choices_at_the_same_time_all_hold() {
    let (_post, choices) = started("choices_race").await;
    let member = id();
    for round in 0..60 {
        // The first round meets no row yet.
        let on = round % 2 == 1;
        let update = |change| choices.update(change);
        let of = || change(&member);
        let done = tokio::join!(
            update(UpdatePreferencesRequest {
                invitations: Some(on),
                ..of()
            }),
            update(UpdatePreferencesRequest {
                reminders: Some(on),
                ..of()
            }),
            update(UpdatePreferencesRequest {
                acceptances: Some(on),
                ..of()
            }),
            update(UpdatePreferencesRequest {
                replies: Some(on),
                ..of()
            }),
            update(UpdatePreferencesRequest {
                restrict_email_contact: Some(on),
                ..of()
            }),
        );
        for answer in [done.0, done.1, done.2, done.3, done.4] {
            answer.expect("changed");
        }
        let expected = Preferences {
            invitations: on,
            reminders: on,
            acceptances: on,
            replies: on,
            restrict_email_contact: on,
        };
        assert_eq!(
            choices.get(&member).await.expect("read"),
            expected,
            "round {round}"
        );
    }
}

/// The fields that the refusal names.
fn fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("it says why");
    assert_eq!((&*info.reason, &*info.domain), ("INVALID_ARGUMENT", "notify.v1"));
    let request = details.bad_request().expect("it names fields");
    let named = request.field_violations.iter();
    named.map(|violation| violation.field.clone()).collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let (_post, choices) = started("choices_wrong").await;
    for wrong in [
        "",
        "7",
        "not-a-uuid",
        "00000000-0000-0000-0000-000000000000",
        &"x".repeat(20_000),
    ] {
        let status = choices.get(wrong).await.expect_err("wrong");
        assert_eq!(fields(&status), ["member_id"]);
        let set = UpdatePreferencesRequest {
            replies: Some(false),
            ..change(wrong)
        };
        assert_eq!(
            fields(&choices.update(set).await.expect_err("wrong")),
            ["member_id"]
        );
        let message = EraseMemberRequest {
            member_id: wrong.to_owned(),
            until: Some(prost_types::Timestamp {
                seconds: -1,
                nanos: 0,
            }),
        };
        let status = choices.erase(message).await.expect_err("wrong");
        assert_eq!(fields(&status), ["member_id", "until"]);
    }
    let nothing = choices.update(change(&id())).await.expect_err("nothing is set");
    assert_eq!(
        fields(&nothing),
        [
            "invitations",
            "reminders",
            "acceptances",
            "replies",
            "restrict_email_contact"
        ]
    );
}

#[tokio::test]
async fn clients_of_members_choose_and_do_not_erase_and_the_notifier_erases_and_does_not_choose() {
    // With the SHA-256 of each name, which is the token, too.
    let tokens = "\
        web member-client 4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2\n\
        relay notifier 682fbae20f3428bcec4c117c57bea18d438c4758d972909b41dbe22884e0d6b8\n\
        desk operator 49be417ad74080a0031b636b44cfc26fdd0065492d6cd3b033960c4414955cf7\n";
    let post = Post::start("choices_roles", |launch, directory| {
        let path = directory.join("tokens");
        fs::write(&path, tokens).expect("there is room for files");
        launch.flag("--mail-dir", directory).flag("--tokens-file", path)
    })
    .await;
    let Choices(client) = Choices::at(post.service.grpc());
    let may = |status: Result<(), Status>| match status {
        Ok(()) => true,
        Err(status) => {
            assert_eq!(
                (status.code(), &*reason(&status)),
                (Code::PermissionDenied, "ROLE_MISSING")
            );
            false
        }
    };
    for (token, chooses, erases) in [("web", true, false), ("relay", false, true), ("desk", true, true)] {
        let bearer = || format!("Bearer {token}").parse().expect("a header value");
        let mut asked = request(UpdatePreferencesRequest {
            replies: Some(false),
            ..change(&id())
        });
        asked.metadata_mut().insert("authorization", bearer());
        let answer = client.clone().update_preferences(asked).await;
        assert_eq!(may(answer.map(drop)), chooses, "{token}");
        let mut asked = request(EraseMemberRequest {
            member_id: id(),
            until: None,
        });
        asked.metadata_mut().insert("authorization", bearer());
        let answer = client.clone().erase_member(asked).await;
        assert_eq!(may(answer.map(drop)), erases, "{token}");
    }
}

/// An email of each kind to `reader` about `other`. What they say has `word` in it.
fn telling(reader: &str, other: &str, word: &str) -> [QueueEmail; 4] {
    let mut emails = [initial(), reminder(), acceptance(), reply()];
    for email in &mut emails {
        let recipient = email.recipient.as_mut().expect("there is one");
        recipient.member_id = reader.to_owned();
        recipient.name = format!("Reader {word}");
        recipient.address = format!("{word}@example.com");
        match email.content.as_mut().expect("there is one") {
            Content::Initial(InitialEmail {
                inviter_id,
                inviter_name,
                note,
                ..
            }) => {
                *inviter_id = other.to_owned();
                *inviter_name = format!("Other {word}");
                *note = format!("note {word}");
            }
            Content::Reminder(email) => {
                email.inviter_id = other.to_owned();
                email.note = format!("note {word}");
            }
            Content::Acceptance(AcceptanceEmail {
                connection_id,
                connection_address,
                ..
            }) => {
                *connection_id = other.to_owned();
                *connection_address = format!("other-{word}@example.com");
            }
            Content::Reply(ReplyEmail { replier_id, text, .. }) => {
                *replier_id = other.to_owned();
                *text = format!("reply {word}");
            }
        }
    }
    emails
}

/// An initial email to `reader`, with `word` in what it says.
fn initial_to(reader: &str, word: &str) -> QueueEmail {
    let [email, ..] = telling(reader, &id(), word);
    email
}

/// An acceptance email to somebody about somebody that names `member` among the connections, with `word` in the name.
fn naming(member: &str, word: &str) -> QueueEmail {
    let mut email = acceptance();
    if let Some(Content::Acceptance(content)) = &mut email.content {
        content.names = vec!["Zoe".to_owned(), format!("Named {word}")];
        content.named_ids = vec![id(), member.to_owned()];
    }
    email
}

/// A count that a query makes.
#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(post: &Post, query: &str) -> i64 {
    let row: Count = sql_query(query)
        .get_result(&mut post.database.connect())
        .expect("the query counts");
    row.count
}

fn erase_now(member_id: &str) -> EraseMemberRequest {
    EraseMemberRequest {
        member_id: member_id.to_owned(),
        until: None,
    }
}

async fn state(post: &Post, email: &QueueEmail) -> EmailState {
    post.queue(email).await.expect("a key answers for ever").state()
}

#[tokio::test]
async fn an_erased_member_is_in_no_email_any_more_and_everybody_else_in_theirs() {
    let (post, choices) = waiting("erase_all").await;
    let (member, stranger) = (id(), id());
    let theirs = [
        telling(&member, &stranger, "erased-to"),
        telling(&stranger, &member, "erased-about"),
    ]
    .concat();
    let others = telling(&stranger, &id(), "kept");
    let naming_them = naming(&member, "erased-named");
    let naming_another = naming(&stranger, "kept-named");
    let going_on = || others.iter().chain([&naming_them, &naming_another]);
    for email in theirs.iter().chain(going_on()) {
        post.queue(email).await.expect("queued");
    }
    for word in ["erased-to", "erased-about", "erased-named"] {
        assert!(post.database.dump().contains(word), "{word}");
    }
    choices
        .update(UpdatePreferencesRequest {
            replies: Some(false),
            ..change(&member)
        })
        .await
        .expect("changed");

    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (8, 0));
    let again = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((again.cancelled_count, again.in_flight_count), (0, 0));
    let dump = post.database.dump();
    let left: Vec<&str> = dump.lines().filter(|line| line.contains("erased-")).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(
        count(&post, "SELECT count(*) FROM email WHERE address_hash = ''"),
        8
    );
    assert_eq!(dump.matches("Other kept").count(), 1, "{dump}");
    assert_eq!(dump.matches("Named kept-named").count(), 1, "{dump}");
    assert_eq!(choices.get(&member).await.expect("read"), ALL_ON);
    for email in &theirs {
        assert_eq!(state(&post, email).await, EmailState::Cancelled);
    }
    for email in going_on() {
        assert_eq!(state(&post, email).await, EmailState::Open);
    }
    let metrics = http::get(&post.service.page("/metrics")).await.expect("served");
    let cancelled = metrics
        .body
        .lines()
        .filter(|line| line.starts_with("emails_outcome_total{") && line.contains("\"cancelled\""));
    let cancelled: i64 = cancelled
        .filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
        .sum();
    assert_eq!(cancelled, 8, "{}", metrics.body);
    let operator = Deliveries::at(post.service.grpc());
    let listed = operator.list(ListEmailsRequest {
        state: EmailState::Cancelled.into(),
        ..ListEmailsRequest::default()
    });
    assert_eq!(listed.await.expect("listed").emails.len(), 8);
}

#[tokio::test]
async fn an_email_that_names_an_erased_member_goes_out_without_any_name_even_from_a_worker_that_read_it() {
    let sink = SmtpSink::start().await;
    sink.script(At::Data, Fault::Wait);
    let post = Post::start("erase_named", |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let choices = Choices::at(post.service.grpc());
    let member = id();
    let email = naming(&member, "erased");
    post.queue(&email).await.expect("queued");
    sink.until(|sink| sink.waiting() == 1).await;
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 0));
    sink.let_go();
    post.until(&email, EmailState::Sent).await;
    let received = sink.received();
    assert_eq!(received.len(), 1, "{received:#?}");
    let text = String::from_utf8_lossy(&received[0].bytes);
    assert!(
        !text.contains("Named erased") && text.contains("Ada Adler"),
        "{text}"
    );
}

#[tokio::test]
async fn an_email_in_doubt_that_names_an_erased_member_does_not_go_out_again() {
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::WaitThenDrop);
    let post = Post::start("erase_named_doubted", |launch, _| {
        launch.flag("--smtp-url", sink.url())
    })
    .await;
    let choices = Choices::at(post.service.grpc());
    let member = id();
    let email = naming(&member, "erased");
    post.queue(&email).await.expect("queued");
    sink.until(|sink| sink.waiting() == 1).await;
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 1));
    sink.script(At::Mail, Fault::Wait);
    sink.let_go();
    sink.until(|sink| sink.waiting() == 1 && sink.unmet() == 0).await;
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 0));
    assert_eq!(state(&post, &email).await, EmailState::Uncertain);
    assert!(!post.database.dump().contains("Named erased"));
    sink.let_go();
}

#[tokio::test]
async fn an_uncertain_email_that_named_an_erased_member_cannot_go_out_again() {
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::Drop);
    sink.script(At::Body, Fault::Drop);
    let post = Post::start("erase_named_uncertain", |launch, _| {
        launch.flag("--smtp-url", sink.url())
    })
    .await;
    let choices = Choices::at(post.service.grpc());
    let deliveries = Deliveries::at(post.service.grpc());
    let member = id();
    let email = naming(&member, "erased");
    let email_id = post.queue(&email).await.expect("queued").email_id;
    post.until(&email, EmailState::Uncertain).await;
    choices.erase(erase_now(&member)).await.expect("erased");
    assert!(!post.database.dump().contains("Named erased"));
    let refused = deliveries.resolve(&email_id, UncertainResolution::Resend).await;
    assert_eq!(reason(&refused.expect_err("refused")), "EMAIL_ERASED");
    let resolved = deliveries.resolve(&email_id, UncertainResolution::Sent).await;
    assert_eq!(resolved.expect("resolved").state(), EmailState::Sent);
    assert_eq!(sink.received().len(), 2);
}

#[tokio::test]
async fn one_call_erases_a_long_history() {
    const EMAILS: usize = 1_200;
    let (post, choices) = waiting("erase_many").await;
    let member = id();
    let emails: Vec<QueueEmail> = (0..EMAILS).map(|_| initial_to(&member, "erased")).collect();
    for some in emails.chunks(400) {
        let commands = some.iter().cloned().map(Command::Queue).collect();
        post.apply(commands).await.expect("queued");
    }
    // Two thirds of them have their outcome already.
    let close = "WITH closed AS (DELETE FROM due WHERE email_id IN (SELECT id FROM email ORDER BY id LIMIT 800) \
         RETURNING email_id) \
         UPDATE email SET state = 2, final_at = now() FROM closed WHERE id = email_id";
    sql_query(close)
        .execute(&mut post.database.connect())
        .expect("closed");
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (400, 0));
    assert_eq!(
        count(
            &post,
            "SELECT count(*) FROM email WHERE letter IS NOT NULL OR address_hash <> ''"
        ),
        0
    );
    assert_eq!(count(&post, "SELECT count(*) FROM due"), 0);
    assert_eq!(count(&post, "SELECT count(*) FROM email_key"), 1_200, "keys stay");
}

#[tokio::test]
async fn one_call_takes_a_name_from_many_emails_though_one_is_being_handed_over() {
    const EMAILS: usize = 600;
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::Wait);
    let post = Post::start("unname_many", |launch, _| {
        launch
            .flag("--smtp-url", sink.url())
            .flag("--smtp-connections", "1")
    })
    .await;
    let choices = Choices::at(post.service.grpc());
    let member = id();
    post.queue(&naming(&member, "erased")).await.expect("queued");
    sink.until(|sink| sink.waiting() == 1).await;
    let emails: Vec<QueueEmail> = (0..EMAILS).map(|_| naming(&member, "erased")).collect();
    for some in emails.chunks(300) {
        let commands = some.iter().cloned().map(Command::Queue).collect();
        post.apply(commands).await.expect("queued");
    }
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 1));
}

#[tokio::test]
async fn what_comes_after_the_erasing_is_a_new_life_s() {
    let (post, choices) = waiting("erase_until").await;
    let member = id();
    let old = initial_to(&member, "old");
    let clock = Clock::system();
    post.queue(&old).await.expect("queued");
    let until = Some(clock::to_proto(clock.now()));
    let erase = || EraseMemberRequest {
        member_id: member.clone(),
        until,
    };
    // A time of its own, by the millisecond.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let new = initial_to(&member, "new");
    post.queue(&new).await.expect("queued");
    let chosen = choices
        .update(UpdatePreferencesRequest {
            reminders: Some(false),
            ..change(&member)
        })
        .await
        .expect("changed");
    let erased = choices.erase(erase()).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (1, 0));
    assert_eq!(state(&post, &old).await, EmailState::Cancelled);
    assert_eq!(state(&post, &new).await, EmailState::Open);
    assert_eq!(choices.get(&member).await.expect("read"), chosen);
}

#[tokio::test]
async fn an_email_that_is_being_handed_over_is_erased_once_its_end_is_known() {
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::Wait);
    let post = Post::start("erase_in_flight", |launch, _| {
        launch.flag("--smtp-url", sink.url())
    })
    .await;
    let choices = Choices::at(post.service.grpc());
    let member = id();
    let email = initial_to(&member, "erased");
    post.queue(&email).await.expect("queued");
    sink.until(|sink| sink.waiting() == 1).await;
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 1));
    assert_eq!(
        count(&post, "SELECT count(*) FROM email WHERE letter IS NOT NULL"),
        1
    );
    sink.let_go();
    post.until(&email, EmailState::Sent).await;
    assert_eq!(count(&post, "SELECT count(*) FROM attempt"), 1);
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 0));
    assert!(!post.database.dump().contains("erased@"), "the address is gone");
    assert_eq!(
        count(&post, "SELECT count(*) FROM attempt"),
        0,
        "and what the mail server said"
    );
    assert_eq!(state(&post, &email).await, EmailState::Sent);
}

#[tokio::test]
async fn an_email_in_doubt_is_never_called_cancelled() {
    let sink = SmtpSink::start().await;
    sink.script(At::Body, Fault::WaitThenDrop);
    let post = Post::start("erase_doubted", |launch, _| launch.flag("--smtp-url", sink.url())).await;
    let choices = Choices::at(post.service.grpc());
    let member = id();
    let email = initial_to(&member, "erased");
    post.queue(&email).await.expect("queued");
    sink.until(|sink| sink.waiting() == 1).await;
    // The second attempt waits before its body, and may still be stopped.
    sink.script(At::Mail, Fault::Wait);
    sink.let_go();
    sink.until(|sink| sink.waiting() == 1 && sink.unmet() == 0).await;
    let erased = choices.erase(erase_now(&member)).await.expect("erased");
    assert_eq!((erased.cancelled_count, erased.in_flight_count), (0, 0));
    assert_eq!(state(&post, &email).await, EmailState::Uncertain);
    sink.let_go();
    assert!(!post.database.dump().contains("erased@"));
}
