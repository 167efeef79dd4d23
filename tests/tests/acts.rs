//! Answering and withdrawing: every act in every state, what it leaves behind, and the same act again.

use std::time::Duration;

use jiff::SignedDuration;
use proto::invitations::v1::{
    Folder, ItemError, Member, ReceivedState, SendInvitationRequest, SendInvitationResult,
    SendInvitationStreamRequest, SentInvitation, SentState, accept_invitation_request::Target,
    send_invitation_response::Outcome, send_invitation_result::Result as Told,
};
use tests::{
    clients::{Act, Acted, Invitations, REPLY, id, member, reason, refusal, send_request},
    local::Local,
    patience::until,
};
use tonic::{Code, Status};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Where an invitation stands: the columns of the contract's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Inbox,
    Archived,
    Declined,
    Accepted,
    Withdrawn,
    Expired(Folder),
    /// Only looks sent.
    Barred,
}

/// What an act comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// OK, and the recipient's and the inviter's view afterwards; none where it has vanished.
    Becomes(Option<ReceivedState>, SentState),
    /// OK, and nothing changes.
    Already,
    Refused(Code, &'static str),
}

/// The contract's table.
fn expected(act: Act, standing: Standing) -> Expected {
    use Act::*;
    use Expected::*;
    use Standing::*;
    let not_found = Refused(Code::NotFound, "INVITATION_NOT_FOUND");
    let precondition = |reason| Refused(Code::FailedPrecondition, reason);
    let (declined, closed, expired) = (
        precondition("INVITATION_DECLINED"),
        precondition("INVITATION_CLOSED"),
        precondition("INVITATION_EXPIRED"),
    );
    let pending = |received| Becomes(Some(received), SentState::Pending);
    match (act, standing) {
        (Withdraw | StopReminders, Expired(_)) => expired,
        (Withdraw, Inbox | Archived | Declined | Barred) => Becomes(None, SentState::Withdrawn),
        (Withdraw, Accepted) => closed,
        (Withdraw, Withdrawn) => Already,
        (StopReminders, Inbox) => pending(ReceivedState::Pending),
        (StopReminders, Archived) => pending(ReceivedState::Ignored),
        (StopReminders, Declined) => pending(ReceivedState::Declined),
        (StopReminders, Barred) => Becomes(None, SentState::Pending),
        (StopReminders, Accepted | Withdrawn) => closed,
        (_, Withdrawn | Barred) => not_found,
        (_, Expired(_)) => expired,
        (Accept, Inbox | Archived) => Becomes(Some(ReceivedState::Accepted), SentState::Accepted),
        (Accept, Accepted) => Already,
        (Reply | Ignore | Restore | Decline, Accepted) => closed,
        (Decline, Declined) => Already,
        (Accept | Reply | Ignore | Restore, Declined) => declined,
        (Reply, Inbox) => pending(ReceivedState::Pending),
        (Reply, Archived) => pending(ReceivedState::Ignored),
        (Ignore, Inbox) => pending(ReceivedState::Ignored),
        (Ignore, Archived) => Already,
        (Restore, Inbox) => Already,
        (Restore, Archived) => pending(ReceivedState::Pending),
        (Decline, Inbox) => precondition("IGNORE_FIRST"),
        (Decline, Archived) => pending(ReceivedState::Declined),
    }
}

/// Two members and an invitation between them.
struct Invited {
    ada: String,
    ben: String,
    invitation: String,
}

async fn invited(clients: &Invitations) -> Invited {
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let invitation = clients.invite(&ada, &ben).await.invitation_id;
    Invited { ada, ben, invitation }
}

/// An invitation that stands so. Time passes where it takes time.
async fn standing(local: &Local, clients: &Invitations, standing: Standing) -> Invited {
    let it = invited(clients).await;
    let Invited { ada, ben, invitation } = &it;
    match standing {
        Standing::Inbox => {}
        Standing::Archived => drop(clients.ignore(ben, invitation).await),
        Standing::Declined => drop(clients.decline(ben, invitation).await),
        Standing::Accepted => drop(clients.accept(ben, invitation).await.expect("accepted")),
        Standing::Withdrawn => drop(clients.withdraw(ada, invitation).await.expect("withdrawn")),
        Standing::Expired(folder) => {
            match folder {
                Folder::Unspecified | Folder::Inbox => {}
                Folder::Archived => drop(clients.ignore(ben, invitation).await),
                Folder::Declined => drop(clients.decline(ben, invitation).await),
            }
            local.time.step(180 * DAY);
        }
        Standing::Barred => {
            clients.decline(ben, invitation).await;
            local.time.step(180 * DAY);
            let invitation = clients.invite(ada, ben).await.invitation_id;
            return Invited { invitation, ..it };
        }
    }
    it
}

/// Everything that either side and the emails show of an invitation.
async fn shown(local: &Local, clients: &Invitations, it: &Invited) -> String {
    let received = clients
        .received(&it.ben, &it.invitation)
        .await
        .map_err(|s| refusal(&s));
    let sent = clients
        .sent(&it.ada, &it.invitation)
        .await
        .map_err(|s| refusal(&s));
    let replies = clients
        .replies(&it.ada, &it.invitation)
        .await
        .map_err(|s| refusal(&s));
    let rows = local.count(&format!(
        "SELECT count(*) FROM outbox WHERE invitation_id = '{}'",
        it.invitation
    ));
    format!("{received:?} {sent:?} {replies:?} {rows}")
}

async fn states(clients: &Invitations, it: &Invited) -> (Option<ReceivedState>, SentState) {
    let received = clients.received(&it.ben, &it.invitation).await;
    let sent = clients
        .sent(&it.ada, &it.invitation)
        .await
        .expect("the inviter always sees it");
    if let Err(status) = &received {
        assert_eq!(
            refusal(status),
            (Code::NotFound, "INVITATION_NOT_FOUND".to_owned())
        );
    }
    (received.ok().map(|invitation| invitation.state()), sent.state())
}

async fn check(local: &Local, clients: &Invitations, act: Act, from: Standing) {
    let it = standing(local, clients, from).await;
    let who = act.of(&it.ada, &it.ben);
    let before = shown(local, clients, &it).await;
    let first = clients.act(act, who, &it.invitation).await;
    let after = shown(local, clients, &it).await;
    match expected(act, from) {
        Expected::Becomes(received, sent) => {
            first.unwrap_or_else(|status| panic!("{act:?} of {from:?}: {status:?}"));
            assert_eq!(
                states(clients, &it).await,
                (received, sent),
                "{act:?} of {from:?}"
            );
            if act != Act::Reply {
                clients
                    .act(act, who, &it.invitation)
                    .await
                    .expect("the same act again is OK");
                assert_eq!(
                    shown(local, clients, &it).await,
                    after,
                    "{act:?} of {from:?} again"
                );
            }
        }
        Expected::Already => {
            first.unwrap_or_else(|status| panic!("{act:?} of {from:?}: {status:?}"));
            assert_eq!(after, before, "{act:?} of {from:?}");
        }
        Expected::Refused(code, why) => {
            let status = first.expect_err("it is refused");
            assert_eq!(refusal(&status), (code, why.to_owned()), "{act:?} of {from:?}");
            assert_eq!(after, before, "{act:?} of {from:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_in_every_state_is_answered_as_the_table_says() {
    let local = Local::start_idle("table", &[]).await;
    let clients = local.clients();
    for act in Act::ALL {
        for from in [
            Standing::Inbox,
            Standing::Archived,
            Standing::Declined,
            Standing::Accepted,
            Standing::Withdrawn,
            Standing::Expired(Folder::Inbox),
            Standing::Expired(Folder::Archived),
            Standing::Expired(Folder::Declined),
        ] {
            check(&local, &clients, act, from).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_sent_is_not_there_for_its_recipient() {
    let local = Local::start_idle("barred", &["--after-decline", "silent"]).await;
    let clients = local.clients();
    for act in Act::ALL {
        check(&local, &clients, act, Standing::Barred).await;
    }
    let it = standing(&local, &clients, Standing::Barred).await;
    for folder in [Folder::Inbox, Folder::Archived, Folder::Declined] {
        let listed = clients.folder(&it.ben, folder).await.expect("listed");
        assert!(listed.is_empty(), "{folder:?} {listed:?}");
    }
    let rows = format!(
        "SELECT count(*) FROM outbox WHERE invitation_id = '{}' AND due_at IS NOT NULL",
        it.invitation
    );
    assert_eq!(local.count(&rows), 0, "no email is owed");
    let resent = clients.invite(&it.ada, &it.ben).await;
    assert_eq!(resent.invitation_id, it.invitation);
    assert_eq!(local.count(&rows), 0, "nor for sending it again");
    local.time.step(180 * DAY);
    assert_eq!(states(&clients, &it).await, (None, SentState::Expired));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_folder_lists_what_lies_in_it() {
    let local = Local::start_idle("folders", &[]).await;
    let clients = local.clients();
    let [ben] = clients.new_members(["Ben"]).await;
    let inviters = clients.crowd(3).await;
    let mut invitations = Vec::new();
    for inviter in &inviters {
        invitations.push(clients.invite(inviter, &ben).await.invitation_id);
    }
    clients.ignore(&ben, &invitations[1]).await;
    clients.decline(&ben, &invitations[2]).await;
    let folders = [Folder::Inbox, Folder::Archived, Folder::Declined];
    for (folder, invitation) in folders.into_iter().zip(&invitations) {
        let listed = clients.folder(&ben, folder).await.expect("listed");
        let shown = clients.received(&ben, invitation).await.expect("there");
        assert_eq!(listed, [shown], "{folder:?}");
    }
    let unspecified = clients.folder(&ben, Folder::Unspecified).await.expect("listed");
    assert_eq!(
        unspecified,
        clients.folder(&ben, Folder::Inbox).await.expect("listed")
    );
    local.time.step(180 * DAY);
    for folder in folders {
        assert!(
            clients.folder(&ben, folder).await.expect("listed").is_empty(),
            "{folder:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_etag_stops_the_second_of_two_devices() {
    let local = Local::start_idle("etags", &[]).await;
    let clients = local.clients();
    let it = invited(&clients).await;
    let seen = clients
        .received(&it.ben, &it.invitation)
        .await
        .expect("found")
        .etag;
    let with = async |act: Act, etag: &str| clients.act_with(act, &it.ben, &it.invitation, etag, &id()).await;

    let Ok(Acted::Received(ignored)) = with(Act::Ignore, &seen).await else {
        panic!("the first device is right")
    };
    assert_ne!(ignored.etag, seen);
    let before = shown(&local, &clients, &it).await;
    for act in [Act::Accept, Act::Reply, Act::Restore, Act::Decline] {
        let status = with(act, &seen)
            .await
            .expect_err("the second device saw it elsewhere");
        assert_eq!(
            refusal(&status),
            (Code::Aborted, "ETAG_MISMATCH".to_owned()),
            "{act:?}"
        );
    }
    assert_eq!(shown(&local, &clients, &it).await, before);

    let Ok(Acted::Replied(replied)) = with(Act::Reply, &ignored.etag).await else {
        panic!("it has not changed since")
    };
    let replied = replied.invitation.expect("OK carries it");
    assert_ne!(replied.etag, ignored.etag, "a reply is a change");
    clients.invite(&it.ada, &it.ben).await;
    let status = with(Act::Accept, &replied.etag)
        .await
        .expect_err("it was sent again");
    assert_eq!(reason(&status), "ETAG_MISMATCH");
    let now = clients
        .received(&it.ben, &it.invitation)
        .await
        .expect("found")
        .etag;
    with(Act::Accept, &now).await.expect("as it stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_not_found_whatever_the_etag() {
    let local = Local::start_idle("gone", &[]).await;
    let clients = local.clients();
    let it = invited(&clients).await;
    let etag = clients
        .received(&it.ben, &it.invitation)
        .await
        .expect("found")
        .etag;
    let expired = standing(&local, &clients, Standing::Expired(Folder::Inbox)).await;
    clients.invite(&expired.ada, &expired.ben).await;
    let later = clients
        .act_with(Act::Accept, &expired.ben, &expired.invitation, &etag, &id())
        .await
        .expect_err("its time ran out");
    assert_eq!(
        reason(&later),
        "INVITATION_EXPIRED",
        "although its end was noted meanwhile"
    );

    let it = invited(&clients).await;
    clients
        .withdraw(&it.ada, &it.invitation)
        .await
        .expect("withdrawn");
    for etag in [&*etag, "v99"] {
        let status = clients
            .act_with(Act::Ignore, &it.ben, &it.invitation, etag, &id())
            .await
            .expect_err("it has vanished");
        assert_eq!(reason(&status), "INVITATION_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_read_up_to_ten_replies_in_their_order() {
    let local = Local::start_idle("replies", &[]).await;
    let clients = local.clients();
    let it = invited(&clients).await;
    assert!(
        clients
            .replies(&it.ada, &it.invitation)
            .await
            .expect("read")
            .is_empty()
    );
    let long = "é".repeat(1_900);
    let texts: Vec<String> = (1..10)
        .map(|number| format!("Reply {number}"))
        .chain([long])
        .collect();
    for (number, text) in (1..).zip(&texts) {
        local.time.step(SignedDuration::from_secs(1));
        let answer = clients
            .reply(&it.ben, &it.invitation, text)
            .await
            .expect("stored");
        let reply = answer.reply.expect("OK carries it");
        assert_eq!((reply.number, &reply.text), (number, text));
        assert_eq!(answer.invitation.expect("OK carries it").reply_count, number);
    }
    let status = clients
        .reply(&it.ben, &it.invitation, "One more")
        .await
        .expect_err("ten");
    assert_eq!(
        refusal(&status),
        (Code::FailedPrecondition, "REPLY_LIMIT_REACHED".to_owned())
    );

    let read = clients.replies(&it.ada, &it.invitation).await.expect("read");
    assert_eq!(
        read.iter().map(|reply| &reply.text).collect::<Vec<_>>(),
        texts.iter().collect::<Vec<_>>()
    );
    assert!(
        read.windows(2)
            .all(|two| two[0].reply_time.map(|t| t.seconds) < two[1].reply_time.map(|t| t.seconds))
    );
    assert_eq!(
        clients.replies(&it.ben, &it.invitation).await.expect("read"),
        read
    );
    let [cleo] = clients.new_members(["Cleo"]).await;
    let status = clients
        .replies(&cleo, &it.invitation)
        .await
        .expect_err("not theirs");
    assert_eq!(
        refusal(&status),
        (Code::NotFound, "INVITATION_NOT_FOUND".to_owned())
    );

    let emails = "SELECT count(*) FROM outbox WHERE event = 4 AND due_at IS NOT NULL";
    assert_eq!(local.count(emails), 10, "one email for each");
    clients
        .withdraw(&it.ada, &it.invitation)
        .await
        .expect("withdrawn");
    assert_eq!(
        clients.replies(&it.ada, &it.invitation).await.expect("read"),
        read
    );
    let status = clients
        .replies(&it.ben, &it.invitation)
        .await
        .expect_err("it has vanished");
    assert_eq!(
        refusal(&status),
        (Code::NotFound, "INVITATION_NOT_FOUND".to_owned())
    );
}

fn with_address(inviter: &str, recipient: &Member) -> SendInvitationRequest {
    SendInvitationRequest {
        recipient_email: recipient.email.clone(),
        ..send_request(inviter, &recipient.member_id)
    }
}

/// The invitation that a send made or renewed; the reason where it was refused; "connected" where it accepted one.
async fn outcome(clients: &Invitations, message: SendInvitationRequest) -> Result<SentInvitation, String> {
    match clients.send_with(message).await {
        Ok(response) => match response.outcome {
            Some(Outcome::Invitation(invitation)) => Ok(invitation),
            Some(Outcome::Connection(_)) => Err("connected".to_owned()),
            None => panic!("OK carries an outcome"),
        },
        Err(status) => Err(reason(&status)),
    }
}

/// New members as they were told of.
async fn told(clients: &Invitations, names: &[&str]) -> Vec<Member> {
    let members: Vec<Member> = names.iter().map(|name| member(name)).collect();
    clients.upsert(members.clone()).await.expect("taken");
    members
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_withdrawal_the_next_invitation_needs_the_address() {
    let local = Local::start_idle("withdraw", &[]).await;
    let clients = local.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let ben = told(&clients, &["Ben"]).await.remove(0);
    let first = clients.invite(&ada, &ben.member_id).await.invitation_id;
    clients.withdraw(&ada, &first).await.expect("withdrawn");
    let without = outcome(&clients, send_request(&ada, &ben.member_id)).await;
    assert_eq!(without, Err("EMAIL_REQUIRED".to_owned()));
    assert_eq!(local.spent(&ada), 1);
    let second = outcome(&clients, with_address(&ada, &ben)).await.expect("sent");
    assert_ne!(second.invitation_id, first, "a new one");
    assert_eq!(local.spent(&ada), 2, "a withdrawal gives nothing back");
    let resend = outcome(&clients, send_request(&ada, &ben.member_id)).await;
    assert_eq!(resend, Err("EMAIL_REQUIRED".to_owned()), "for ever");
    outcome(&clients, send_request(&ben.member_id, &ada))
        .await
        .expect_err("the other direction is free: it connects");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_lifts_no_ban() {
    let local = Local::start_idle("ban_stays", &[]).await;
    let clients = local.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let ben = told(&clients, &["Ben"]).await.remove(0);
    let first = clients.invite(&ada, &ben.member_id).await.invitation_id;
    clients.decline(&ben.member_id, &first).await;
    clients.withdraw(&ada, &first).await.expect("withdrawn");
    let again = outcome(&clients, with_address(&ada, &ben)).await;
    assert_eq!(again, Err("CANNOT_INVITE_MEMBER".to_owned()));
    assert_eq!(local.spent(&ada), 2, "the charge is committed");
    local.time.step(400 * DAY);
    let again = outcome(&clients, with_address(&ada, &ben)).await;
    assert_eq!(again, Err("CANNOT_INVITE_MEMBER".to_owned()), "nor does time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_inviter_is_barred_until_the_decliner_invites_them() {
    let local = Local::start_idle("bar", &["--pair-sends", "10"]).await;
    let clients = local.clients();
    let it = standing(&local, &clients, Standing::Declined).await;
    let (ada, ben) = (&it.ada, &it.ben);
    let barred = Err("CANNOT_INVITE_MEMBER".to_owned());
    assert_eq!(outcome(&clients, send_request(ada, ben)).await, barred);
    let met = outcome(&clients, send_request(ben, ada)).await;
    assert_eq!(
        met,
        Err("connected".to_owned()),
        "the declined invitation is open still"
    );

    let it = standing(&local, &clients, Standing::Expired(Folder::Declined)).await;
    let (ada, ben) = (&it.ada, &it.ben);
    assert_eq!(
        outcome(&clients, send_request(ada, ben)).await,
        barred,
        "an expiry lifts no ban"
    );
    let back = outcome(&clients, send_request(ben, ada))
        .await
        .expect("a new invitation");
    clients
        .withdraw(ben, &back.invitation_id)
        .await
        .expect("withdrawn");
    outcome(&clients, send_request(ada, ben))
        .await
        .expect("the ban is lifted");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_accepts_no_invitations_answers_like_whoever_declined() {
    let local = Local::start_idle("nobody", &[]).await;
    let clients = local.clients();
    let it = standing(&local, &clients, Standing::Declined).await;
    let declined = clients.send(&it.ada, &it.ben).await.expect_err("barred");
    let nobody = Member {
        invitation_policy: proto::invitations::v1::InvitationPolicy::Nobody.into(),
        ..member("Nobody")
    };
    clients.upsert(vec![nobody.clone()]).await.expect("taken");
    let closed = clients
        .send(&it.ada, &nobody.member_id)
        .await
        .expect_err("closed");
    let all = |status: &Status| {
        (
            status.code(),
            status.message().to_owned(),
            status.details().to_vec(),
        )
    };
    assert_eq!(all(&declined), all(&closed));
    assert_eq!(local.spent(&it.ada), 3, "both are charged");
    clients.invite(&nobody.member_id, &it.ada).await;
    let met = outcome(&clients, send_request(&it.ada, &nobody.member_id)).await;
    assert_eq!(met, Err("connected".to_owned()), "but they may invite");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_for_both_and_silently() {
    let local = Local::start_idle("disconnect", &[]).await;
    let clients = local.clients();
    let it = standing(&local, &clients, Standing::Accepted).await;
    let (ada, ben) = (&it.ada, &it.ben);
    let rows = "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL";
    let owed = local.count(rows);
    clients.disconnect(ada, ben).await.expect("ended");
    assert_eq!(local.count(rows), owed, "nobody is mailed");
    for (one, other) in [(ada, ben), (ben, ada)] {
        assert!(clients.connections(one).await.expect("listed").is_empty());
        let status = clients
            .summary(one, other)
            .await
            .expect_err("no longer connected");
        assert_eq!(
            refusal(&status),
            (Code::NotFound, "CONNECTION_NOT_FOUND".to_owned())
        );
        clients
            .disconnect(one, other)
            .await
            .expect("the same again is OK");
    }
    let ends = "SELECT count(*) FROM outbox WHERE event = 11";
    assert_eq!(local.count(ends), 1, "it ended once");
    let history = clients.sent(ada, &it.invitation).await.expect("found");
    assert_eq!(history.state(), SentState::Accepted);
    let status = clients.disconnect(ada, &id()).await.expect_err("nobody");
    assert_eq!(refusal(&status), (Code::NotFound, "MEMBER_NOT_FOUND".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_connection_ends_the_two_begin_afresh() {
    let local = Local::start_idle("afresh", &["--pair-sends", "1"]).await;
    let clients = local.clients();
    // A ban, the pair's limit; and the address that a withdrawal asks for.
    for end in [Act::Decline, Act::Withdraw] {
        let it = standing(&local, &clients, Standing::Archived).await;
        let (ada, ben) = (&it.ada, &it.ben);
        clients
            .act(end, end.of(ada, ben), &it.invitation)
            .await
            .expect("it ends so");
        // It meets the declined invitation, or makes a new one.
        if let Ok(back) = outcome(&clients, send_request(ben, ada)).await {
            clients.accept(ada, &back.invitation_id).await.expect("accepted");
        }
        clients.disconnect(ada, ben).await.expect("ended");
        let anew = clients.invite(ada, ben).await;
        assert_ne!(anew.invitation_id, it.invitation);
        let listed = clients.folder(ben, Folder::Inbox).await.expect("listed");
        assert_eq!(listed.len(), 1, "{end:?}: it reaches them");
        assert_eq!(local.spent(ada), 2, "{end:?}: quota is not given back");
    }
}

/// `count` members who decline `ada`.
async fn decliners(local: &Local, clients: &Invitations, ada: &str, count: usize) -> Vec<String> {
    let people = told(clients, &vec!["Decliner"; count]).await;
    for recipient in &people {
        local.time.step(SignedDuration::from_secs(1));
        let invitation = outcome(clients, with_address(ada, recipient))
            .await
            .expect("sent");
        clients
            .decline(&recipient.member_id, &invitation.invitation_id)
            .await;
    }
    people.into_iter().map(|member| member.member_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fifth_strike_is_a_step_up_the_ladder() {
    let flags = ["--quota-day", "1000", "--quota-week", "1000"];
    let local = Local::start_idle("ladder", &flags).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let others = told(&clients, &["A", "B", "C", "D", "E", "F", "G", "H", "I"]).await;
    let mut others = others.iter();
    let mut try_next = async |with: bool| {
        let other = others.next().expect("enough of them");
        let message = if with {
            with_address(&ada, other)
        } else {
            send_request(&ada, &other.member_id)
        };
        outcome(&clients, message).await.map(|_| ())
    };
    let restricted = Err("INVITING_RESTRICTED".to_owned());
    let millisecond = SignedDuration::from_millis(1);

    decliners(&local, &clients, &ada, 4).await;
    assert_eq!(try_next(false).await, Ok(()), "four are not five");
    decliners(&local, &clients, &ada, 1).await;
    assert_eq!(try_next(false).await, Err("EMAIL_REQUIRED".to_owned()));
    assert_eq!(try_next(true).await, Ok(()));
    local.time.step(7 * DAY - millisecond);
    assert_eq!(try_next(false).await, Err("EMAIL_REQUIRED".to_owned()));
    local.time.step(millisecond);
    assert_eq!(try_next(false).await, Ok(()), "a week later");

    for days in [7, 30] {
        let open = clients.invite(&ada, &ben).await.invitation_id;
        decliners(&local, &clients, &ada, 5).await;
        assert_eq!(try_next(true).await, restricted, "{days}");
        local.time.step(days * DAY - millisecond);
        assert_eq!(
            clients.sent(&ada, &open).await.expect("found").state(),
            SentState::Pending
        );
        if days == 7 {
            let back = clients.send(&ada, &ada).await.expect_err("oneself");
            assert_eq!(reason(&back), "SELF_INVITATION", "arguments come first");
        } else {
            clients.accept(&ben, &open).await.expect("it stays answerable");
            let owed = "SELECT count(*) FROM outbox WHERE event = 2 AND due_at IS NOT NULL";
            assert_eq!(local.count(owed), 1, "the acceptance email included");
        }
        let status = clients.send(&ada, &id()).await.expect_err("nobody");
        assert_eq!(reason(&status), "MEMBER_NOT_FOUND", "an earlier check");
        local.time.step(millisecond);
    }
    decliners(&local, &clients, &ada, 5).await;
    local.time.step(1_000 * DAY);
    assert_eq!(try_next(true).await, restricted, "until somebody lifts it");
    let [cleo] = clients.new_members(["Cleo"]).await;
    clients.invite(&cleo, &ada).await;
    let met = outcome(&clients, send_request(&ada, &cleo)).await;
    assert_eq!(met, Err("connected".to_owned()), "who is invited may answer");
    assert_eq!(local.count("SELECT count(*) FROM audit WHERE action = 2"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn strikes_count_for_180_days_and_once_for_each_recipient() {
    let local = Local::start_idle("strikes", &["--quota-week", "1000", "--strikes", "2"]).await;
    let clients = local.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let first = decliners(&local, &clients, &ada, 1).await.remove(0);
    local.time.step(10 * DAY);
    // Who thought better of it, and then not.
    let back = outcome(&clients, send_request(&first, &ada)).await;
    assert_eq!(back, Err("connected".to_owned()));
    clients.disconnect(&first, &ada).await.expect("ended");
    let again = clients.invite(&ada, &first).await.invitation_id;
    clients.decline(&first, &again).await;
    let [ben] = clients.new_members(["Ben"]).await;
    clients.invite(&ada, &ben).await;
    local.time.step(170 * DAY);
    let [cleo, dora] = clients.new_members(["Cleo", "Dora"]).await;
    decliners(&local, &clients, &ada, 1).await;
    clients.invite(&ada, &cleo).await;
    decliners(&local, &clients, &ada, 1).await;
    let now = outcome(&clients, send_request(&ada, &dora)).await;
    assert_eq!(now, Err("EMAIL_REQUIRED".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_invitations_as_may_wait_wait_and_no_more() {
    let local = Local::start_idle("outstanding", &["--quota-outstanding", "3"]).await;
    let clients = local.clients();
    let people = clients.crowd(12).await;
    let (ada, others) = (&people[0], &people[1..]);
    let full = Err("INVITATION_LIMIT_REACHED".to_owned());
    let send = async |to: usize| outcome(&clients, send_request(ada, &others[to])).await;
    let mut ids = Vec::new();
    for to in 0..3 {
        ids.push(send(to).await.expect("sent").invitation_id);
        local.time.step(DAY);
    }
    assert_eq!(send(3).await, full);
    clients.ignore(&others[0], &ids[0]).await;
    clients.decline(&others[1], &ids[1]).await;
    assert_eq!(send(3).await, full, "what the recipient hides makes no room");
    assert_eq!(
        send(2).await.expect("sent again").invitation_id,
        ids[2],
        "sending again needs no room"
    );
    clients.withdraw(ada, &ids[1]).await.expect("withdrawn");
    send(3).await.expect("a withdrawal makes room");
    assert_eq!(send(4).await, full);
    clients.accept(&others[0], &ids[0]).await.expect("accepted");
    send(4).await.expect("so does an acceptance");
    assert_eq!(send(5).await, full);
    // The three that wait: sent again and sent on the fourth day.
    local.time.step(180 * DAY - SignedDuration::from_millis(1));
    assert_eq!(send(5).await, full, "a millisecond is left");
    local.time.step(SignedDuration::from_millis(1));
    for to in [2, 5, 6] {
        send(to).await.expect("so does the time");
    }
    assert_eq!(send(7).await, full);
    let counted = format!("SELECT outstanding::bigint AS count FROM account WHERE member_id = '{ada}'");
    let pending = format!("SELECT count(*) FROM sent WHERE inviter_id = '{ada}' AND lifecycle = 1");
    assert_eq!(local.count(&counted), local.count(&pending));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_out_makes_room_for_all_that_are_sent_at_once() {
    let local = Local::start_idle("outstanding_at_once", &["--quota-outstanding", "3"]).await;
    let clients = local.clients();
    let people = clients.crowd(6).await;
    let (ada, others) = (&people[0], &people[1..]);
    clients.invite(ada, &others[0]).await;
    local.time.step(180 * DAY);
    let requests = others[1..].iter().map(|other| send_request(ada, other)).collect();
    let results = clients.batch(requests).await.expect("answered");
    let sent = |result: &SendInvitationResult| matches!(result.result, Some(Told::Response(_)));
    assert_eq!(
        results.iter().map(sent).collect::<Vec<_>>(),
        [true, true, true, false]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_as_many_connections_as_one_may_have_nobody_is_connected_any_more() {
    let local = Local::start_idle("cap", &["--max-connections", "2"]).await;
    let clients = local.clients();
    let people = clients.crowd(8).await;
    let (ada, others) = (&people[0], &people[1..]);
    let full = (Code::FailedPrecondition, "CONNECTION_LIMIT_REACHED".to_owned());
    let late = clients.invite(ada, &others[2]).await.invitation_id;
    let incoming = clients.invite(&others[3], ada).await.invitation_id;
    for other in &others[..2] {
        let invitation = clients.invite(ada, other).await.invitation_id;
        clients.accept(other, &invitation).await.expect("accepted");
    }
    let inviter_full = clients
        .accept(&others[2], &late)
        .await
        .expect_err("the inviter is full");
    assert_eq!(refusal(&inviter_full), full);
    let recipient_full = clients
        .accept(ada, &incoming)
        .await
        .expect_err("the recipient is full");
    assert_eq!(refusal(&recipient_full), full);
    for (inviter, recipient) in [(ada, &others[3]), (&others[2], ada)] {
        let status = clients
            .send(inviter, recipient)
            .await
            .expect_err("meeting is connecting");
        assert_eq!(refusal(&status), full);
    }
    let status = clients
        .send(ada, &others[4])
        .await
        .expect_err("an invitation would lead nowhere");
    assert_eq!(
        refusal(&status),
        (Code::ResourceExhausted, "INVITATION_LIMIT_REACHED".to_owned())
    );
    clients.invite(&others[4], ada).await;
    let state = clients.received(&others[2], &late).await.expect("found").state();
    assert_eq!(state, ReceivedState::Pending, "a refused accept changes nothing");

    clients.disconnect(&others[0], ada).await.expect("ended");
    clients.accept(&others[2], &late).await.expect("there is room");
    let status = clients.accept(ada, &incoming).await.expect_err("and no more");
    assert_eq!(refusal(&status), full);
    clients
        .accept(&others[2], &late)
        .await
        .expect("in effect already");
}

#[tokio::test(flavor = "multi_thread")]
async fn silently_declined_invitations_go_on_looking_sent() {
    let local = Local::start_idle("silent", &["--after-decline", "silent"]).await;
    let clients = local.clients();
    let it = standing(&local, &clients, Standing::Declined).await;
    let before = clients.received(&it.ben, &it.invitation).await.expect("found");
    local.time.step(2 * DAY);
    let owed = "SELECT count(*) FROM outbox WHERE due_at IS NOT NULL";
    let count = local.count(owed);
    let message = SendInvitationRequest {
        note: "again".to_owned(),
        ..send_request(&it.ada, &it.ben)
    };
    let resent = outcome(&clients, message).await.expect("it looks sent");
    assert_eq!((&*resent.note, resent.state()), ("again", SentState::Pending));
    assert_eq!(resent.invitation_id, it.invitation);
    assert_eq!(local.count(owed), count, "no email");
    let after = clients.received(&it.ben, &it.invitation).await.expect("found");
    assert_eq!(
        (after.state(), &after.note),
        (ReceivedState::Declined, &before.note)
    );
    assert_eq!(after.expire_time, resent.expire_time, "both end at one time");
}

/// Code and reason of one item's error, its text and field names.
fn error(result: &SendInvitationResult) -> &ItemError {
    match &result.result {
        Some(Told::Error(error)) => error,
        other => panic!("not an error: {other:?}"),
    }
}

fn invitation(result: &SendInvitationResult) -> Option<&SentInvitation> {
    match &result.result {
        Some(Told::Response(response)) => match &response.outcome {
            Some(Outcome::Invitation(invitation)) => Some(invitation),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_of_a_batch_is_answered_as_a_call_for_itself_would_be() {
    let local = Local::start_idle("batch", &["--quota-day", "3"]).await;
    let clients = local.clients();
    let people = clients.crowd(8).await;
    let ada = &people[0];
    clients.invite(&people[7], ada).await;
    let long = SendInvitationRequest {
        note: "x".repeat(301),
        ..send_request(ada, &people[2])
    };
    let first = send_request(ada, &people[1]);
    let results = clients
        .batch(vec![
            first.clone(),
            long,
            send_request(ada, ada),
            send_request(ada, &id()),
            first.clone(),
            send_request(ada, &people[2]),
            send_request(ada, &people[7]),
            send_request(ada, &people[3]),
            send_request(ada, &people[4]),
            send_request(&people[5], &people[6]),
        ])
        .await
        .expect("the call itself is right");
    assert_eq!(results.len(), 10);
    let sent = invitation(&results[0]).expect("sent");
    assert_eq!(sent.recipient_id, people[1]);
    let invalid = error(&results[1]);
    assert_eq!(
        (invalid.code, &*invalid.reason),
        (Code::InvalidArgument.into(), "INVALID_ARGUMENT")
    );
    assert_eq!(invalid.field_errors[0].field, "note");
    let oneself = error(&results[2]);
    assert_eq!(
        (&*oneself.reason, &*oneself.field_errors[0].field),
        ("SELF_INVITATION", "recipient_id")
    );
    let nobody = error(&results[3]);
    let alone = clients.send(ada, &id()).await.expect_err("nobody");
    assert_eq!(
        (nobody.code, &*nobody.reason, &*nobody.message),
        (Code::NotFound.into(), "MEMBER_NOT_FOUND", alone.message())
    );
    assert_eq!(
        invitation(&results[4]),
        Some(sent),
        "the same request gets the first answer"
    );
    assert!(invitation(&results[5]).is_some());
    assert!(
        matches!(&results[6].result, Some(Told::Response(response))
            if matches!(response.outcome, Some(Outcome::Connection(_)))),
        "{:?}",
        results[6]
    );
    assert!(invitation(&results[7]).is_some(), "the third unit");
    let spent = error(&results[8]);
    assert_eq!(
        (spent.code, &*spent.reason),
        (Code::ResourceExhausted.into(), "INVITATION_LIMIT_REACHED")
    );
    assert_eq!(
        invitation(&results[9]).map(|sent| &sent.inviter_id),
        Some(&people[5])
    );
    assert_eq!(local.spent(ada), 3);
    let again = clients.batch(vec![first]).await.expect("right");
    assert_eq!(invitation(&again[0]), Some(sent), "also of another call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_1_to_100_items() {
    let local = Local::start_idle("batch_size", &["--quota-day", "1000", "--quota-week", "1000"]).await;
    let clients = local.clients();
    let people = clients.crowd(102).await;
    let items = |count: usize| {
        people[1..=count]
            .iter()
            .map(|other| send_request(&people[0], other))
            .collect()
    };
    for count in [0, 101] {
        let status = clients.batch(items(count)).await.expect_err("too few or many");
        assert_eq!(
            refusal(&status),
            (Code::InvalidArgument, "INVALID_ARGUMENT".to_owned())
        );
    }
    assert_eq!(local.spent(&people[0]), 0);
    let results = clients.batch(items(100)).await.expect("a hundred");
    let to: Vec<_> = results
        .iter()
        .map(|result| invitation(result).map(|sent| &sent.recipient_id))
        .collect();
    assert_eq!(
        to,
        people[1..=100].iter().map(Some).collect::<Vec<_>>(),
        "in the order of the request"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_s_answers_name_their_items() {
    let local = Local::start_idle("stream", &["--quota-day", "1000", "--quota-week", "1000"]).await;
    let clients = local.clients();
    let people = clients.crowd(201).await;
    let item = |item_id: &str, request: Option<SendInvitationRequest>| SendInvitationStreamRequest {
        item_id: item_id.to_owned(),
        request,
    };
    let mut items: Vec<_> = (1..=200)
        .map(|number| {
            item(
                &format!("item-{number}"),
                Some(send_request(&people[0], &people[number])),
            )
        })
        .collect();
    let wrong_ids = ["", "a b", "é", "a\n", &"x".repeat(65)];
    items.extend(wrong_ids.map(|wrong| item(wrong, Some(send_request(&people[0], &people[1])))));
    items.push(item("empty", None));
    items.push(item(&"x".repeat(64), Some(send_request(&people[0], &people[0]))));
    let mut answers = clients
        .stream(futures_util::stream::iter(items))
        .await
        .expect("it opens");
    let (mut sent, mut wrong) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.message().await.expect("the stream goes on") {
        let result = answer.result.expect("it came to something");
        match invitation(&result) {
            Some(invitation) => sent.push((answer.item_id, invitation.recipient_id.clone())),
            None => {
                let error = error(&result);
                let fields: Vec<&str> = error.field_errors.iter().map(|error| &*error.field).collect();
                wrong.push((answer.item_id, error.reason.clone(), fields.join(" ")));
            }
        }
    }
    sent.sort();
    let mut expected: Vec<_> = (1..=200)
        .map(|number| (format!("item-{number}"), people[number].clone()))
        .collect();
    expected.sort();
    assert_eq!(sent, expected, "each item once, with its own answer");
    wrong.sort();
    let invalid = |id: &str, fields: &str| (id.to_owned(), "INVALID_ARGUMENT".to_owned(), fields.to_owned());
    let mut expected: Vec<_> = wrong_ids.iter().map(|wrong| invalid(wrong, "item_id")).collect();
    expected.push(invalid("empty", "inviter_id recipient_id"));
    expected.push((
        "x".repeat(64),
        "SELF_INVITATION".to_owned(),
        "recipient_id".to_owned(),
    ));
    expected.sort();
    assert_eq!(wrong, expected);
    assert_eq!(local.spent(&people[0]), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_no_answers_is_read_no_further_and_holds_up_nobody() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    const FAR_TOO_MANY: usize = 1_000_000;
    let local = Local::start_idle("deaf", &["--stream-in-flight", "16"]).await;
    let clients = local.clients();
    let [ada] = clients.new_members(["Ada"]).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let items = futures_util::stream::iter((0..FAR_TOO_MANY).map({
        let taken = taken.clone();
        move |number| {
            taken.store(number + 1, Ordering::SeqCst);
            SendInvitationStreamRequest {
                item_id: number.to_string(),
                request: Some(send_request(&ada, &ada)),
            }
        }
    }));
    let answers = clients.stream(items).await.expect("it opens");
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = taken.load(Ordering::SeqCst);
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(
        before < FAR_TOO_MANY / 4,
        "{before} items were taken although no answer was read"
    );
    let others = local.clients();
    let [ben, cleo] = others.new_members(["Ben", "Cleo"]).await;
    others.invite(&ben, &cleo).await;
    let met = outcome(&clients, send_request(&cleo, &ben)).await;
    assert_eq!(met, Err("connected".to_owned()), "nor on the same connection");
    drop(answers);
}

/// A stream of items that stays open until its sender is dropped.
fn items_to_come() -> (
    tokio::sync::mpsc::Sender<SendInvitationStreamRequest>,
    impl futures_util::Stream<Item = SendInvitationStreamRequest> + Send + 'static,
) {
    let (sender, mut items) = tokio::sync::mpsc::channel(1);
    (
        sender,
        futures_util::stream::poll_fn(move |context| items.poll_recv(context)),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_lives_longer_than_a_call_may() {
    let local = Local::start_idle("long_stream", &["--max-call-ms", "2000"]).await;
    let clients = local.clients();
    let [ada, ben, cleo] = clients.new_members(["Ada", "Ben", "Cleo"]).await;
    let (sender, items) = items_to_come();
    let mut answers = clients.stream(items).await.expect("it opens");
    for (number, recipient) in [&ben, &cleo].into_iter().enumerate() {
        let item = SendInvitationStreamRequest {
            item_id: number.to_string(),
            request: Some(send_request(&ada, recipient)),
        };
        sender.send(item).await.expect("the stream is open");
        let answer = answers.message().await.expect("it goes on").expect("an answer");
        assert!(
            invitation(&answer.result.expect("a result")).is_some(),
            "item {number}"
        );
        if number == 0 {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
        }
    }
    drop(sender);
    assert_eq!(answers.message().await.expect("it ends well"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_stop_cuts_off_says_so() {
    let local = Local::start_idle("stream_stop", &[]).await;
    let clients = local.clients();
    let (sender, items) = items_to_come();
    let mut answers = clients.stream(items).await.expect("it opens");
    local.stop();
    let end = answers.message().await.expect_err("there may be more to read");
    assert_eq!(refusal(&end), (Code::Unavailable, "STOPPING".to_owned()));
    drop(sender);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_keeps_one_of_the_places_for_calls() {
    let local = Local::start_idle("stream_place", &["--max-in-flight", "1"]).await;
    let clients = local.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    let (sender, items) = items_to_come();
    let mut answers = clients.stream(items).await.expect("it opens");
    let refused = clients.send(&ada, &ben).await.expect_err("there is no place");
    assert_eq!(refusal(&refused), (Code::Unavailable, "OVERLOADED".to_owned()));
    drop(sender);
    assert_eq!(answers.message().await.expect("it ends well"), None);
    until(Duration::from_secs(60), "the place is free", async || {
        let sent = clients.send(&ada, &ben).await;
        sent.map_err(|status| assert_eq!(reason(&status), "OVERLOADED"))
            .is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_s_first_answer_comes_again_although_things_moved_on() {
    let local = Local::start_idle("replays", &[]).await;
    let clients = local.clients();
    for act in Act::ALL {
        let from = if act == Act::Decline {
            Standing::Archived
        } else {
            Standing::Inbox
        };
        let it = standing(&local, &clients, from).await;
        let who = act.of(&it.ada, &it.ben);
        let request = id();
        let first = clients
            .act_with(act, who, &it.invitation, "", &request)
            .await
            .expect("right");
        local.time.step(SignedDuration::from_hours(1));
        // Whatever still goes, in this order.
        for other in [
            Act::Ignore,
            Act::Restore,
            Act::Reply,
            Act::Ignore,
            Act::Decline,
            Act::Withdraw,
        ] {
            let _ = clients
                .act(other, other.of(&it.ada, &it.ben), &it.invitation)
                .await;
        }
        let before = shown(&local, &clients, &it).await;
        let again = clients.act_with(act, who, &it.invitation, "", &request).await;
        assert_eq!(again.expect("the first answer"), first, "{act:?}");
        assert_eq!(
            shown(&local, &clients, &it).await,
            before,
            "{act:?} is not done again"
        );
        local.time.step(DAY);
        let forgotten = clients.act_with(act, who, &it.invitation, "", &request).await;
        if !matches!(act, Act::Accept | Act::Withdraw) {
            assert_ne!(forgotten.ok(), Some(first), "a day later it is a new request");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_answer_comes_again_also_after_the_time_ran_out() {
    let local = Local::start_idle("replay_expired", &[]).await;
    let clients = local.clients();
    for act in [Act::Reply, Act::Ignore, Act::Decline, Act::StopReminders] {
        let from = if act == Act::Decline {
            Standing::Archived
        } else {
            Standing::Inbox
        };
        let it = standing(&local, &clients, from).await;
        local.time.step(180 * DAY - SignedDuration::from_hours(1));
        let request = id();
        let who = act.of(&it.ada, &it.ben);
        let first = clients
            .act_with(act, who, &it.invitation, "", &request)
            .await
            .expect("in time");
        local.time.step(SignedDuration::from_hours(2));
        let again = clients.act_with(act, who, &it.invitation, "", &request).await;
        assert_eq!(again.expect("the first answer"), first, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_act_s_first_answer_is_its_refusal() {
    let local = Local::start_idle("replay_refusal", &[]).await;
    let clients = local.clients();
    let it = invited(&clients).await;
    let request = id();
    let early = clients
        .act_with(Act::Decline, &it.ben, &it.invitation, "", &request)
        .await;
    assert_eq!(reason(&early.expect_err("not ignored")), "IGNORE_FIRST");
    clients.ignore(&it.ben, &it.invitation).await;
    let again = clients
        .act_with(Act::Decline, &it.ben, &it.invitation, "", &request)
        .await;
    assert_eq!(reason(&again.expect_err("the first answer")), "IGNORE_FIRST");
    clients
        .act(Act::Decline, &it.ben, &it.invitation)
        .await
        .expect("a new request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_stands_for_one_request() {
    let local = Local::start_idle("reuse", &[]).await;
    let clients = local.clients();
    let (it, other) = (invited(&clients).await, invited(&clients).await);
    let reused = (Code::InvalidArgument, "REQUEST_ID_REUSED".to_owned());
    let request = id();
    clients
        .act_with(Act::Ignore, &it.ben, &it.invitation, "", &request)
        .await
        .expect("right");
    for act in Act::ALL {
        let who = act.of(&it.ada, &it.ben);
        let again = clients.act_with(act, who, &it.invitation, "", &request).await;
        match act {
            Act::Ignore => drop(again.expect("the same")),
            _ => assert_eq!(refusal(&again.expect_err("another rpc")), reused, "{act:?}"),
        }
    }
    let body = clients
        .act_with(Act::Ignore, &other.ben, &other.invitation, "", &request)
        .await;
    assert_eq!(refusal(&body.expect_err("another invitation")), reused);
    let etag = clients
        .act_with(Act::Ignore, &it.ben, &it.invitation, "v1", &request)
        .await;
    assert_eq!(refusal(&etag.expect_err("another etag")), reused);
    let gone = clients.disconnect_with(&it.ada, &it.ben, &request).await;
    assert_eq!(refusal(&gone.expect_err("another service")), reused);
}

/// A call with a client's token.
fn signed<T>(token: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let value = format!("Bearer {token}").parse().expect("a header value");
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_ids_of_two_clients_are_two() {
    let file = tempfile::NamedTempFile::new().expect("there is room for files");
    // SHA-256 of "secret" and of "other secret".
    let lines = "web member-client 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n\
                 app member-client bd4106123e659e259c401119d0c7ef0a221df306a5a414b6fb6a579499962d26\n";
    std::fs::write(file.path(), lines).expect("there is room for files");
    let path = file.path().to_str().expect("a plain path");
    let local = Local::start_idle("two_clients", &["--tokens-file", path]).await;
    let clients = local.clients();
    let members = vec![member("Ada"), member("Ben"), member("Cleo")];
    let upsert = proto::invitations::v1::UpsertMembersRequest {
        members: members.clone(),
        request_id: String::new(),
    };
    let mut client = clients.members.clone();
    client
        .upsert_members(signed("secret", upsert))
        .await
        .expect("taken");
    let (ada, ben, cleo) = (
        &members[0].member_id,
        &members[1].member_id,
        &members[2].member_id,
    );
    let first = send_request(ada, ben);
    let second = SendInvitationRequest {
        recipient_id: cleo.clone(),
        ..first.clone()
    };
    let mut client = clients.invitations.clone();
    client
        .send_invitation(signed("secret", first.clone()))
        .await
        .expect("sent");
    client
        .send_invitation(signed("other secret", second.clone()))
        .await
        .expect("another client's id");
    let reused = client
        .send_invitation(signed("secret", second))
        .await
        .expect_err("its own id");
    assert_eq!(reason(&reused), "REQUEST_ID_REUSED");
    assert_eq!(local.spent(ada), 2);
    let missing = client.send_invitation(first).await.expect_err("nobody");
    assert_eq!(missing.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accept_by_its_link_is_an_accept() {
    let local = Local::start_idle("link", &[]).await;
    let clients = local.clients();
    let it = standing(&local, &clients, Standing::Archived).await;
    let link = |recipient: &str, invitation: &str| {
        let parse = |id: &str| id.parse().expect("a UUID");
        invitations_svc::links::token(
            &tests::system::LINK_KEY.parse().expect("a key"),
            invitations_svc::links::AcceptLink {
                recipient_id: parse(recipient),
                invitation_id: parse(invitation),
            },
        )
    };
    let token = link(&it.ben, &it.invitation);
    let accepted = clients
        .accept_target(&it.ben, Target::LinkToken(token.clone()))
        .await
        .expect("accepted");
    let again = clients.accept(&it.ben, &it.invitation).await.expect("in effect");
    assert_eq!(accepted, again);
    let declined = standing(&local, &clients, Standing::Declined).await;
    let token = link(&declined.ben, &declined.invitation);
    let status = clients
        .accept_target(&declined.ben, Target::LinkToken(token))
        .await
        .expect_err("declined");
    assert_eq!(reason(&status), "INVITATION_DECLINED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_and_an_ignore_end_the_reminders_and_a_restore_brings_none_back() {
    let local = Local::start_idle("reminders", &[]).await;
    let clients = local.clients();
    let left = |it: &Invited| {
        let row = format!(
            "SELECT reminders_left::bigint AS count FROM received WHERE id = '{}'",
            it.invitation
        );
        local.count(&row)
    };
    let it = invited(&clients).await;
    assert_eq!(left(&it), 2);
    clients
        .reply(&it.ben, &it.invitation, REPLY)
        .await
        .expect("stored");
    assert_eq!(left(&it), 0);
    let it = invited(&clients).await;
    clients.ignore(&it.ben, &it.invitation).await;
    assert_eq!(left(&it), 0);
    clients.restore(&it.ben, &it.invitation).await;
    assert_eq!(left(&it), 0);
    let owed = format!(
        "SELECT count(*) FROM outbox WHERE invitation_id = '{}' AND event = 6 AND due_at IS NOT NULL",
        it.invitation
    );
    assert_eq!(local.count(&owed), 0, "a restore owes no email");
}
