//! How much is left, and how much there ever was, is nothing that a member can read.

use std::fmt::Debug;

use jiff::SignedDuration;
use proto::invitations::v1::{
    GetSentInvitationRequest, InvitationPolicy, ListConnectionsRequest, ListSentInvitationsRequest, Member,
    SendInvitationRequest, send_invitation_response::Outcome,
};
use tests::{
    clients::{Invitations, member, reason, send_request},
    local::Local,
    transcript::{Names, shown},
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Members of one service, and what one of them got to see.
struct Watcher {
    local: Local,
    clients: Invitations,
    people: Vec<String>,
    names: Names,
    seen: Vec<String>,
}

impl Watcher {
    async fn new(flags: &[&str]) -> Self {
        let local = Local::start("limits", flags).await;
        let clients = local.clients();
        let people = clients.crowd(12).await;
        Self {
            local,
            clients,
            people,
            names: Names::default(),
            seen: Vec::new(),
        }
    }

    fn note<T: Debug>(&mut self, answer: &Result<Response<T>, Status>) {
        let text = self.names.without_ids(&shown(answer));
        self.seen.push(text);
    }

    /// Invites `to`, and looks at everything that there is to see. Answers the reason where it is refused.
    async fn invite(&mut self, to: usize) -> Option<String> {
        self.local.time.step(SignedDuration::from_millis(1));
        let (ada, ben) = (self.people[0].clone(), self.people[to].clone());
        let answer = self
            .clients
            .invitations
            .clone()
            .send_invitation(send_request(&ada, &ben))
            .await;
        self.note(&answer);
        let invitation = match answer.map(|response| response.into_inner().outcome) {
            Ok(Some(Outcome::Invitation(invitation))) => invitation.invitation_id,
            Ok(_) => return None,
            Err(status) => return Some(reason(&status)),
        };
        let request = GetSentInvitationRequest {
            inviter_id: ada.clone(),
            invitation_id: invitation.clone(),
        };
        let answer = self
            .clients
            .invitations
            .clone()
            .get_sent_invitation(request)
            .await;
        self.note(&answer);
        let request = ListSentInvitationsRequest {
            inviter_id: ada.clone(),
            ..Default::default()
        };
        let answer = self
            .clients
            .invitations
            .clone()
            .list_sent_invitations(request)
            .await;
        self.note(&answer);
        let request = ListConnectionsRequest {
            member_id: ada,
            ..Default::default()
        };
        let answer = self.clients.connections.clone().list_connections(request).await;
        self.note(&answer);
        None
    }

    /// Invites one after the other until one is refused. Answers how many were not, and the reason.
    async fn invite_all(&mut self, to: &[usize], accepted: bool) -> (usize, String) {
        for (sent, to) in to.iter().enumerate() {
            if let Some(reason) = self.invite(*to).await {
                return (sent, reason);
            }
            if accepted {
                let (ada, ben) = (&self.people[0], &self.people[*to]);
                let met = self.clients.send(ben, ada).await.expect("it connects");
                assert!(matches!(met.outcome, Some(Outcome::Connection(_))));
            }
        }
        panic!("none was refused")
    }
}

/// The same program under two limits: the same transcripts until the first refusal, and the same refusal.
async fn check(flag: &str, to: &[usize], accepted: bool, why: &str) {
    let mut few = Watcher::new(&[flag, "3"]).await;
    let mut many = Watcher::new(&[flag, "5"]).await;
    assert_eq!(few.invite_all(to, accepted).await, (3, why.to_owned()), "{flag}");
    assert_eq!(many.invite_all(to, accepted).await, (5, why.to_owned()), "{flag}");
    let refusal = few.seen.pop();
    assert_eq!(few.seen[..], many.seen[..few.seen.len()], "{flag}");
    assert_eq!(refusal, many.seen.pop(), "{flag}");
}

const OTHERS: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

#[tokio::test(flavor = "multi_thread")]
async fn three_look_like_five_until_the_fourth() {
    for flag in [
        "--quota-day",
        "--quota-week",
        "--quota-lifetime",
        "--quota-outstanding",
    ] {
        check(flag, &OTHERS, false, "INVITATION_LIMIT_REACHED").await;
    }
    check("--max-connections", &OTHERS, true, "INVITATION_LIMIT_REACHED").await;
    check("--pair-sends", &[1; 8], false, "INVITATION_ALREADY_SENT").await;
}

/// Everything of a refusal.
fn all(status: &Status) -> (Code, String, Vec<u8>, String) {
    let mut metadata = status.metadata().clone();
    metadata.remove("date");
    (
        status.code(),
        status.message().to_owned(),
        status.details().to_vec(),
        format!("{metadata:?}"),
    )
}

fn assert_tells_nothing(status: &Status) {
    assert!(
        !status.message().contains(|c: char| c.is_ascii_digit()),
        "{}",
        status.message()
    );
    let details = status.get_error_details();
    assert!(
        details.error_info().is_some_and(|info| info.metadata.is_empty()),
        "{details:?}"
    );
    assert!(
        details.retry_info().is_none(),
        "when it ends is a hint which limit it is"
    );
    assert!(details.quota_failure().is_none() && details.precondition_failure().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn which_limit_is_reached_is_not_said() {
    let mut refusals = Vec::new();
    for flag in [
        "--quota-day",
        "--quota-week",
        "--quota-lifetime",
        "--quota-outstanding",
    ] {
        let local = Local::start("which", &[flag, "1"]).await;
        let clients = local.clients();
        let people = clients.crowd(3).await;
        clients.invite(&people[0], &people[1]).await;
        refusals.push(clients.send(&people[0], &people[2]).await.expect_err("full"));
    }
    let local = Local::start("which", &["--max-connections", "1"]).await;
    let clients = local.clients();
    let people = clients.crowd(3).await;
    let invitation = clients.invite(&people[0], &people[1]).await.invitation_id;
    clients.accept(&people[1], &invitation).await.expect("accepted");
    refusals.push(clients.send(&people[0], &people[2]).await.expect_err("full"));
    for refusal in &refusals {
        assert_eq!(
            (refusal.code(), &*reason(refusal)),
            (Code::ResourceExhausted, "INVITATION_LIMIT_REACHED")
        );
        assert_eq!(all(refusal), all(&refusals[0]));
        assert_tells_nothing(refusal);
    }
}

fn with(address: &str, message: SendInvitationRequest) -> SendInvitationRequest {
    SendInvitationRequest {
        recipient_email: address.to_owned(),
        ..message
    }
}

/// Has `count` new members decline `ada`, who knows their addresses.
async fn declined(clients: &Invitations, ada: &str, count: usize) {
    let others: Vec<Member> = (0..count).map(|_| member("Decliner")).collect();
    clients.upsert(others.clone()).await.expect("taken");
    for other in &others {
        let message = with(&other.email, send_request(ada, &other.member_id));
        let Some(Outcome::Invitation(invitation)) = clients.send_with(message).await.expect("sent").outcome
        else {
            panic!("it makes an invitation")
        };
        clients.decline(&other.member_id, &invitation.invitation_id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_the_address_is_needed_is_not_said() {
    let local = Local::start("why_address", &[]).await;
    let clients = local.clients();
    let [ada, ben, cleo, dora] = clients.new_members(["Ada", "Ben", "Cleo", "Dora"]).await;
    let asks = Member {
        invitation_policy: InvitationPolicy::KnowsMyEmail.into(),
        ..member("Asks")
    };
    clients.upsert(vec![asks.clone()]).await.expect("taken");
    let mut refusals = Vec::new();
    for address in ["", "wrong@example.com"] {
        let message = with(address, send_request(&ada, &asks.member_id));
        refusals.push(
            clients
                .send_with(message)
                .await
                .expect_err("by the recipient's setting"),
        );
    }
    let invitation = clients.invite(&ada, &ben).await.invitation_id;
    clients.withdraw(&ada, &invitation).await.expect("withdrawn");
    for address in ["", "wrong@example.com"] {
        let message = with(address, send_request(&ada, &ben));
        refusals.push(clients.send_with(message).await.expect_err("after a withdrawal"));
    }
    declined(&clients, &cleo, 5).await;
    for address in ["", "wrong@example.com"] {
        let message = with(address, send_request(&cleo, &dora));
        refusals.push(clients.send_with(message).await.expect_err("by a restriction"));
    }
    for refusal in &refusals {
        assert_eq!(
            (refusal.code(), &*reason(refusal)),
            (Code::FailedPrecondition, "EMAIL_REQUIRED")
        );
        assert_eq!(all(refusal), all(&refusals[0]));
        assert_tells_nothing(refusal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_suspension_is_refused_in_the_same_words() {
    let local = Local::start("suspension", &["--quota-day", "1000", "--quota-week", "1000"]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    declined(&clients, &ada, 5).await;
    let mut refusals = Vec::new();
    for _ in 0..3 {
        local.time.step(30 * DAY);
        declined(&clients, &ada, 5).await;
        refusals.push(clients.send(&ada, &ben).await.expect_err("suspended"));
        local.time.step(DAY);
        refusals.push(clients.send(&ada, &ben).await.expect_err("a day less"));
    }
    for refusal in &refusals {
        assert_eq!(
            (refusal.code(), &*reason(refusal)),
            (Code::FailedPrecondition, "INVITING_RESTRICTED")
        );
        assert_eq!(all(refusal), all(&refusals[0]));
        assert_tells_nothing(refusal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_has_a_limit_s_number_in_it() {
    const LIMITS: [(&str, u32); 7] = [
        ("--quota-day", 41_017),
        ("--quota-week", 42_013),
        ("--quota-lifetime", 43_019),
        ("--quota-outstanding", 44_017),
        ("--max-connections", 45_013),
        ("--pair-sends", 46_021),
        ("--strikes", 991),
    ];
    let numbers = LIMITS.map(|(_, number)| number.to_string());
    let flags: Vec<&str> = LIMITS
        .iter()
        .zip(&numbers)
        .flat_map(|((flag, _), number)| [*flag, number])
        .collect();
    let mut it = Watcher::new(&flags).await;
    for to in [1, 2, 1, 3, 1] {
        assert_eq!(it.invite(to).await, None);
    }
    let text = it.seen.join("\n");
    for (flag, limit) in LIMITS {
        // What is left of it, too.
        for number in limit - 9..=limit {
            let number = number.to_string();
            let mut words = text.split(|c: char| !c.is_ascii_digit());
            assert!(!words.any(|word| word == number), "{flag}: {number} in {text}");
        }
    }
}
