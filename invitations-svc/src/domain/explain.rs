//! Why a send would be answered as it would, for operators: the numbers that members never see.

use jiff::Timestamp;

use super::{
    account::Account,
    command::{Moment, Send},
    invitation::{Folder, Invitation},
    member::InvitationPolicy,
    policy::Policy,
    refusal::Refusal,
    send::{Facts, Verdict, judge},
};

/// A limit of an inviter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Sends in any 24 hours.
    Day,
    /// Sends in any 7 days.
    Week,
    /// Sends ever.
    Lifetime,
    /// Invitations that wait for an answer.
    Outstanding,
    /// Connections.
    Connections,
    /// Sends to one recipient.
    Pair,
}

/// What counts against a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Which.
    pub limit: Limit,
    /// How many count.
    pub used: usize,
    /// How many may.
    pub most: usize,
}

/// The checks of a send, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Do both members exist?
    Members,
    /// Are they connected already?
    Connected,
    /// Did the recipient invite the inviter?
    Mutual,
    /// Is the inviter suspended?
    Restriction,
    /// Is the recipient's address needed, and right?
    Email,
    /// Was this recipient invited too often?
    Pair,
    /// Is quota left?
    Quota,
    /// Did the recipient decline the inviter, or does nobody reach them?
    Hidden,
    /// Is an invitation pending?
    Resend,
    /// Nothing stands against a new invitation.
    New,
}

/// What a send would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The check that answers.
    pub check: Check,
    /// What the inviter would be refused with.
    pub refusal: Option<Refusal>,
    /// What the check found.
    pub text: &'static str,
}

/// What counts against the limits of an account.
pub fn usages(account: &Account, policy: &Policy, now: Timestamp) -> Vec<Usage> {
    let sends = |length| account.sends.count(length, now);
    [
        (Limit::Day, sends(Policy::DAY), policy.quota_day),
        (Limit::Week, sends(Policy::WEEK), policy.quota_week),
        (Limit::Lifetime, account.lifetime_sends, policy.quota_lifetime),
        (Limit::Outstanding, account.waiting(), policy.quota_outstanding),
        (Limit::Connections, account.connections, policy.max_connections),
    ]
    .map(|(limit, used, most)| Usage { limit, used, most })
    .to_vec()
}

/// Says what `command` would come to, by the rules that would judge it.
pub fn explain(command: &Send, facts: &Facts, moment: Moment) -> Explanation {
    let (check, refusal, text) = match judge(command, facts, moment) {
        Verdict::Unknown => (
            Check::Members,
            Some(Refusal::MemberNotFound),
            "inviter or recipient is no member, or was erased",
        ),
        Verdict::Connected => (
            Check::Connected,
            Some(Refusal::AlreadyConnected),
            "the two are connected",
        ),
        Verdict::Mutual(Ok(_)) => (
            Check::Mutual,
            None,
            match facts.open.map(|open| open.received.folder) {
                Some(Folder::Declined) => {
                    "the recipient invited the inviter, who declined that: the send accepts it, at no cost"
                }
                Some(Folder::Barred) => {
                    "the recipient's invitation only looked sent to them: the send accepts it, at no cost"
                }
                Some(Folder::Inbox | Folder::Archived) | None => {
                    "the recipient invited the inviter: the send accepts that, at no cost"
                }
            },
        ),
        Verdict::Mutual(Err(refusal)) => (
            Check::Mutual,
            Some(refusal),
            "the recipient invited the inviter, but one of the two has as many connections as a member may have",
        ),
        Verdict::Suspended => (
            Check::Restriction,
            Some(Refusal::InvitingRestricted),
            "the inviter is suspended",
        ),
        Verdict::AddressMissing => (
            Check::Email,
            Some(Refusal::EmailRequired),
            needs_address(facts, command, moment),
        ),
        Verdict::AddressWrong(_) => (
            Check::Email,
            Some(Refusal::EmailRequired),
            "the address is not the recipient's; the send would cost a unit of quota",
        ),
        Verdict::SentTooOften => (
            Check::Pair,
            Some(Refusal::InvitationAlreadySent),
            "this recipient was invited as often as the window allows",
        ),
        Verdict::LimitReached => (
            Check::Quota,
            Some(Refusal::InvitationLimitReached),
            "a limit is reached, and no granted send is left that would help; the usages say which",
        ),
        Verdict::Hidden(outcome) => (
            Check::Hidden,
            outcome.err().map(|_| Refusal::CannotInviteMember),
            match facts.recipient.map(|recipient| recipient.policy) {
                Some(InvitationPolicy::Nobody) => "the recipient accepts no invitations",
                Some(InvitationPolicy::Everyone | InvitationPolicy::KnowsMyEmail) | None => {
                    "the recipient declined this inviter; LiftBan lifts that"
                }
            },
        ),
        Verdict::Resent(_) => (
            Check::Resend,
            None,
            match facts.open.map(Invitation::is_hidden) {
                Some(true) => "an invitation that only looked sent is pending: it would be sent for real",
                Some(false) | None => "an invitation is pending: it would be sent again",
            },
        ),
        Verdict::New(_) => (Check::New, None, "nothing stands against a new invitation"),
    };
    Explanation { check, refusal, text }
}

fn needs_address(facts: &Facts, command: &Send, moment: Moment) -> &'static str {
    let restricted = facts.account.and_then(|account| account.restricted(moment.now));
    if facts.pair.from(command.inviter_id).email_required {
        "the inviter withdrew an invitation to this recipient, so that the address is needed; LiftBan lifts that"
    } else if restricted.is_some() {
        "the inviter is restricted, so that every invitation needs the address"
    } else {
        "the recipient admits only those who know their address"
    }
}
