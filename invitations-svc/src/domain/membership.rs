//! Members come and go, and their connections end.

use super::{
    account::Account,
    command::{Disconnect, Ending, Erase, Moment},
    ids,
    member::{Addressee, Member},
    pair::Pair,
    refusal::Refusal,
    transition::{Answer, AuditAction, AuditEntry, Changes, Decision, Disconnected, Event, EventKind},
};

/// Makes members known.
pub fn upsert(members: &[Member], moment: Moment) -> Decision {
    let stored = |member: &Member| Member {
        updated_at: moment.now,
        ..member.clone()
    };
    let members: Vec<Member> = members.iter().map(stored).collect();
    Decision {
        changes: Changes {
            members: members.clone(),
            ..Changes::default()
        },
        answer: Ok(Answer::Upserted(members)),
    }
}

/// Forgets a member from this moment on: nobody can invite them or be invited by them any more. What they wrote goes
/// afterwards, in sets.
pub fn erase(erase: &Erase, account: Option<&Account>, moment: Moment) -> Decision {
    let Some(account) = account else {
        return Decision::refused(Refusal::MemberNotFound);
    };
    if account.erased {
        return Decision::unchanged(Answer::Done);
    }
    let audit = AuditEntry {
        member_id: erase.member_id,
        id: ids::new(moment.now, &erase.entropy),
        actor: erase.by.clone(),
        action: AuditAction::Erased,
        detail: String::new(),
        note: String::new(),
    };
    Decision {
        changes: Changes {
            accounts: vec![Account {
                erased: true,
                ..account.clone()
            }],
            erased: Some(erase.member_id),
            audit: Some(audit),
            ..Changes::default()
        },
        answer: Ok(Answer::Done),
    }
}

/// The rows that the end of a connection is judged by.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Whoever ends it.
    pub member: Option<&'a Account>,
    /// The other end's account.
    pub other: Option<&'a Account>,
    /// The other end as a member; none where there is no such member.
    pub addressee: Option<&'a Addressee>,
    /// What the two have with each other.
    pub pair: &'a Pair,
}

/// Ends a connection, if there is one.
pub fn disconnect(disconnect: &Disconnect, facts: &Facts, moment: Moment) -> Decision {
    let is_refused = match disconnect.because {
        Ending::Removed => facts.member.is_none_or(|member| member.erased) || facts.addressee.is_none(),
        Ending::Erased => false,
    };
    if is_refused {
        return Decision::refused(Refusal::MemberNotFound);
    }
    let (Some(member), Some(other), Some(_)) = (facts.member, facts.other, facts.pair.connected_at) else {
        return Decision::unchanged(Answer::Done);
    };
    let event = Event {
        kind: EventKind::Disconnected,
        invitation_id: ids::new(moment.now, &disconnect.entropy),
        sequence: 1,
        inviter_id: disconnect.member_id,
        recipient_id: disconnect.other_id,
        text: String::new(),
        number: 0,
        hidden: false,
        mails: EventKind::Disconnected.mails(),
        happened_at: moment.now,
    };
    let without = |account: &Account| Account {
        connections: account.connections.saturating_sub(1),
        ..account.clone()
    };
    Decision {
        changes: Changes {
            accounts: vec![without(member), without(other)],
            pair: Some(facts.pair.afresh()),
            disconnected: Some(Disconnected::from(disconnect)),
            events: vec![event],
            ..Changes::default()
        },
        answer: Ok(Answer::Done),
    }
}

#[cfg(test)]
mod tests;
