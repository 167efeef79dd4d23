//! What operators see and do, and that nobody else can.

use std::fs;

use jiff::SignedDuration;
use proto::invitations::v1::{
    AuditAction, GetAccountRequest, GrantQuotaRequest, ImposeRestrictionRequest, InvitationPolicy, Limit,
    Member, RestrictionKind, SendCheck, SendInvitationRequest,
};
use tests::{
    clients::{Invitations, id, member, reason, request},
    files,
    local::Local,
    operators::{NOTE, Operators, used},
    processes::Launch,
    system::LINK_KEY,
};
use tonic::Code;

async fn started(hint: &str, flags: &[&str]) -> (Local, Invitations, Operators) {
    let local = Local::start(hint, flags).await;
    let (clients, operators) = (local.clients(), Operators::at(local.grpc()));
    (local, clients, operators)
}

async fn refusal(clients: &Invitations, inviter: &str, recipient: &str) -> String {
    reason(&clients.send(inviter, recipient).await.expect_err("it is refused"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_shows_every_limit_with_what_counts_against_it() {
    let (local, clients, operators) = started("account", &["--quota-day", "2"]).await;
    let people = clients.crowd(4).await;
    let first = clients.invite(&people[0], &people[1]).await;
    local.time.step(SignedDuration::from_hours(25));
    clients.invite(&people[0], &people[2]).await;
    clients
        .accept(&people[1], &first.invitation_id)
        .await
        .expect("accepted");
    let account = operators.account(&people[0]).await.expect("there is one");
    let expected = [
        (Limit::Day, (1, 2)),
        (Limit::Week, (2, 100)),
        (Limit::Lifetime, (2, 3_000)),
        (Limit::Outstanding, (1, 500)),
        (Limit::Connections, (1, 30_000)),
    ];
    for (limit, usage) in expected {
        assert_eq!(used(&account, limit), usage, "{limit:?}");
    }
    assert_eq!((account.strike_limit, account.restriction), (5, None));
    let unknown = operators.account(&id()).await.expect_err("nobody has it");
    assert_eq!(
        (unknown.code(), &*reason(&unknown)),
        (Code::NotFound, "MEMBER_NOT_FOUND")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_sends_are_spent_when_the_quota_is() {
    let (local, clients, operators) = started("granted", &["--quota-day", "1"]).await;
    let people = clients.crowd(5).await;
    let message = GrantQuotaRequest {
        member_id: people[0].clone(),
        count: 2,
        note: NOTE.to_owned(),
        request_id: id(),
    };
    for _ in 0..3 {
        let account = operators.grant_with(message.clone()).await.expect("granted once");
        assert_eq!(account.granted_count, 2, "a repetition grants nothing");
    }
    for recipient in &people[1..=3] {
        clients.invite(&people[0], recipient).await;
    }
    assert_eq!(
        refusal(&clients, &people[0], &people[4]).await,
        "INVITATION_LIMIT_REACHED"
    );
    local.time.step(SignedDuration::from_hours(24));
    clients.invite(&people[0], &people[4]).await;
    let audit = operators.audit(&people[0]).await.expect("listed");
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].action(), AuditAction::QuotaGranted);
    assert_eq!((&*audit[0].note, &*audit[0].actor), (NOTE, "loopback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_by_hand_holds_until_its_end_or_until_it_is_lifted() {
    let (local, clients, operators) = started("by_hand", &[]).await;
    let people = clients.crowd(5).await;
    let ada = &people[0];
    operators
        .impose(ada, RestrictionKind::Suspended, Some(3_600))
        .await
        .expect("imposed");
    assert_eq!(refusal(&clients, ada, &people[1]).await, "INVITING_RESTRICTED");
    local
        .time
        .step(SignedDuration::from_hours(1) - SignedDuration::from_millis(1));
    assert_eq!(refusal(&clients, ada, &people[1]).await, "INVITING_RESTRICTED");
    local.time.step(SignedDuration::from_millis(1));
    clients.invite(ada, &people[1]).await;

    operators
        .impose(ada, RestrictionKind::Suspended, None)
        .await
        .expect("imposed");
    local.time.step(SignedDuration::from_hours(24 * 3_650));
    assert_eq!(refusal(&clients, ada, &people[2]).await, "INVITING_RESTRICTED");
    for _ in 0..2 {
        let account = operators
            .lift(ada, false)
            .await
            .expect("OK also where there is none");
        assert_eq!(account.restriction, None);
    }
    clients.invite(ada, &people[2]).await;

    // The log is in the order of milliseconds.
    local.time.step(SignedDuration::from_millis(1));
    operators
        .impose(ada, RestrictionKind::EmailRequired, None)
        .await
        .expect("imposed");
    assert_eq!(refusal(&clients, ada, &people[3]).await, "EMAIL_REQUIRED");
    let with_address = SendInvitationRequest {
        inviter_id: ada.clone(),
        recipient_id: people[3].clone(),
        recipient_email: format!("{}@example.com", people[3]),
        ..SendInvitationRequest::default()
    };
    clients.send_with(with_address).await.expect("sent");
    let actions: Vec<AuditAction> = operators
        .audit(ada)
        .await
        .expect("listed")
        .iter()
        .map(|entry| entry.action())
        .collect();
    use AuditAction::{Restricted, RestrictionLifted};
    assert_eq!(
        actions,
        [Restricted, RestrictionLifted, Restricted, Restricted],
        "newest first, each change once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ladder_s_restrictions_are_in_the_audit_log_and_can_be_forgotten() {
    let (_local, clients, operators) = started("ladder", &["--strikes", "2"]).await;
    let people = clients.crowd(6).await;
    let ada = &people[0];
    for recipient in &people[1..=2] {
        let invitation = clients.invite(ada, recipient).await;
        clients.decline(recipient, &invitation.invitation_id).await;
    }
    let account = operators.account(ada).await.expect("there is one");
    let restriction = account.restriction.expect("two strikes restrict");
    assert_eq!(restriction.kind(), RestrictionKind::EmailRequired);
    assert_eq!((account.strike_count, account.ladder_step), (0, 1));
    let audit = operators.audit(ada).await.expect("listed");
    assert_eq!(
        (&*audit[0].actor, audit[0].action()),
        ("ladder", AuditAction::Restricted)
    );
    let account = operators.lift(ada, true).await.expect("lifted");
    assert_eq!((account.ladder_step, account.restriction), (0, None));
    clients.invite(ada, &people[3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifted_ban_lets_the_inviter_invite_again() {
    let (_local, clients, operators) = started("lift_ban", &[]).await;
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let invitation = clients.invite(&ada, &ben).await;
    clients.decline(&ben, &invitation.invitation_id).await;
    clients
        .withdraw(&ada, &invitation.invitation_id)
        .await
        .expect("withdrawn");
    assert_eq!(refusal(&clients, &ada, &ben).await, "EMAIL_REQUIRED");
    for _ in 0..2 {
        operators
            .lift_ban(&ada, &ben)
            .await
            .expect("OK also where there is none");
    }
    let same = operators.lift_ban(&ada, &ada.to_uppercase()).await;
    assert_eq!(same.expect_err("whatever its case").code(), Code::InvalidArgument);
    clients.invite(&ada, &ben).await;
    let audit = operators.audit(&ada).await.expect("listed");
    assert_eq!(audit.len(), 1);
    assert!(
        audit[0].detail.contains("decline and withdrawal"),
        "{}",
        audit[0].detail
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_send_names_the_check_that_answers_and_changes_nothing() {
    let (local, clients, operators) = started("explain", &["--quota-day", "3", "--pair-sends", "2"]).await;
    let picky = Member {
        invitation_policy: InvitationPolicy::KnowsMyEmail.into(),
        ..member("Picky")
    };
    let closed = Member {
        invitation_policy: InvitationPolicy::Nobody.into(),
        ..member("Closed")
    };
    clients
        .upsert(vec![picky.clone(), closed.clone()])
        .await
        .expect("taken");
    let people = clients.crowd(5).await;
    let [ada, ben, cleo, dan, eve] = [0, 1, 2, 3, 4].map(|number: usize| people[number].as_str());
    let check = async |recipient: &str, address: &str, expected: SendCheck, reason: &str| {
        let told = operators
            .explain(ada, recipient, address)
            .await
            .expect("explained");
        assert_eq!(
            (told.check(), &*told.reason),
            (expected, reason),
            "{}",
            told.explanation
        );
        assert!(!told.explanation.is_empty());
        told
    };
    check(&id(), "", SendCheck::Members, "MEMBER_NOT_FOUND").await;
    check(ben, "", SendCheck::New, "").await;
    check(&picky.member_id, "", SendCheck::Email, "EMAIL_REQUIRED").await;
    check(
        &picky.member_id,
        "x@example.com",
        SendCheck::Email,
        "EMAIL_REQUIRED",
    )
    .await;
    check(&picky.member_id, &picky.email, SendCheck::New, "").await;
    check(&closed.member_id, "", SendCheck::Hidden, "CANNOT_INVITE_MEMBER").await;
    assert_eq!(local.spent(ada), 0, "nothing was spent");

    let invitation = clients.invite(ada, ben).await;
    check(ben, "", SendCheck::Resend, "").await;
    clients.decline(ben, &invitation.invitation_id).await;
    let told = check(ben, "", SendCheck::Hidden, "CANNOT_INVITE_MEMBER").await;
    assert!(told.decline_time.is_some());
    assert_eq!(refusal(&clients, ada, ben).await, "CANNOT_INVITE_MEMBER");
    check(ben, "", SendCheck::Pair, "INVITATION_ALREADY_SENT").await;

    clients.invite(cleo, ada).await;
    check(cleo, "", SendCheck::Mutual, "").await;
    clients.send(ada, cleo).await.expect("connected");
    check(cleo, "", SendCheck::Connected, "ALREADY_CONNECTED").await;

    clients.invite(ada, dan).await;
    let told = check(eve, "", SendCheck::Quota, "INVITATION_LIMIT_REACHED").await;
    let day = told.usages.iter().find(|usage| usage.limit() == Limit::Day);
    assert_eq!(
        day.map(|usage| (usage.used_count, usage.limit_count)),
        Some((3, 3))
    );
    operators
        .impose(ada, RestrictionKind::Suspended, None)
        .await
        .expect("imposed");
    let told = check(eve, "", SendCheck::Restriction, "INVITING_RESTRICTED").await;
    assert_eq!(
        told.restriction.map(|held| held.kind()),
        Some(RestrictionKind::Suspended)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_named() {
    let (_local, clients, operators) = started("operator_inputs", &[]).await;
    let [ada] = clients.new_members(["Ada"]).await;
    let wrong = GrantQuotaRequest {
        member_id: "x".to_owned(),
        count: 0,
        note: "  ".to_owned(),
        request_id: "y".to_owned(),
    };
    let status = operators.grant_with(wrong).await.expect_err("all four are wrong");
    assert_eq!(status.code(), Code::InvalidArgument);
    for field in ["member_id", "count", "note", "request_id"] {
        assert!(
            status.message().contains(field),
            "{field} in {}",
            status.message()
        );
    }
    let wrong = ImposeRestrictionRequest {
        member_id: ada,
        kind: 0,
        duration: Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        }),
        note: NOTE.to_owned(),
        request_id: String::new(),
    };
    let status = operators
        .client
        .clone()
        .impose_restriction(request(wrong))
        .await
        .expect_err("two are wrong");
    for field in ["kind", "duration"] {
        assert!(
            status.message().contains(field),
            "{field} in {}",
            status.message()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_act_for_members_cannot_call_it() {
    let local = Local::start("operator_role", &[]).await;
    let directory = files::directory();
    let tokens = directory.join("tokens");
    // SHA-256 of "secret".
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    fs::write(&tokens, format!("web member-client,notifier,feed {hash}\n")).expect("there is room for files");
    let service = Launch::new("invitations-svc", &directory)
        .flag("--database-url", &local.database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--relay", "off")
        .flag("--tokens-file", &tokens)
        .start()
        .await;
    let mut asked = request(GetAccountRequest { member_id: id() });
    asked
        .metadata_mut()
        .insert("authorization", "Bearer secret".parse().expect("a header value"));
    let status = Operators::at(service.grpc())
        .client
        .get_account(asked)
        .await
        .expect_err("the role is missing");
    assert_eq!(
        (status.code(), &*reason(&status)),
        (Code::PermissionDenied, "ROLE_MISSING")
    );
}
