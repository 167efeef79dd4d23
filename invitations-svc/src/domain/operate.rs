//! What only operators may do. Every change leaves an entry in the audit log.

use shell::clock::after;

use super::{
    account::{Account, Restriction},
    command::{Moment, Operate, Operation},
    ids,
    pair::Pair,
    refusal::Refusal,
    time_log::TimeLog,
    transition::{Answer, AuditAction, AuditEntry, Changes, Decision},
};

/// Granted sends that an account holds at most.
const MOST_GRANTED: usize = 1_000_000;

/// Does what an operator asks for. What is in effect already is OK and leaves no entry.
pub fn operate(
    operation: &Operation,
    account: Option<&Account>,
    pair: Option<&Pair>,
    moment: Moment,
) -> Decision {
    let Some(account) = account.filter(|account| !account.erased) else {
        return Decision::refused(Refusal::MemberNotFound);
    };
    let mut after_it = account.clone();
    match operation.what {
        Operate::Grant { count } => {
            after_it.granted = account.granted.saturating_add(count).min(MOST_GRANTED);
            let detail = format!("{count} granted, {} left", after_it.granted);
            changed(operation, after_it, AuditAction::QuotaGranted, detail, moment)
        }
        Operate::Impose { kind, length } => {
            let until = length.map(|length| after(moment.now, length));
            let restriction = Restriction { kind, until };
            after_it.restrict(restriction);
            changed(
                operation,
                after_it,
                AuditAction::Restricted,
                restriction.in_words(),
                moment,
            )
        }
        Operate::Lift { forget_strikes } => {
            after_it.restriction = None;
            if forget_strikes {
                after_it.strikes = TimeLog::default();
                after_it.ladder_step = 0;
            }
            let detail = match (account.restriction_at(moment.now), forget_strikes) {
                _ if after_it == *account => return Decision::unchanged(Answer::Account(after_it)),
                (Some(restriction), false) => format!("was: {}", restriction.in_words()),
                (Some(restriction), true) => {
                    format!("was: {}; strikes and ladder begin anew", restriction.in_words())
                }
                (None, false) => "it had ended".to_owned(),
                (None, true) => "strikes and ladder begin anew".to_owned(),
            };
            changed(
                operation,
                after_it,
                AuditAction::RestrictionLifted,
                detail,
                moment,
            )
        }
        Operate::LiftBan { recipient_id } => lift_ban(operation, pair, recipient_id, moment),
    }
}

fn changed(
    operation: &Operation,
    account: Account,
    action: AuditAction,
    detail: String,
    moment: Moment,
) -> Decision {
    Decision {
        changes: Changes {
            accounts: vec![account.clone()],
            audit: Some(entry(operation, action, detail, moment)),
            ..Changes::default()
        },
        answer: Ok(Answer::Account(account)),
    }
}

fn lift_ban(
    operation: &Operation,
    pair: Option<&Pair>,
    recipient_id: uuid::Uuid,
    moment: Moment,
) -> Decision {
    let Some(pair) = pair else {
        return Decision::unchanged(Answer::Done);
    };
    let side = pair.from(operation.member_id);
    let lifted = [(side.barred, "decline"), (side.email_required, "withdrawal")];
    let lifted: Vec<&str> = lifted
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, word)| word)
        .collect();
    if lifted.is_empty() {
        return Decision::unchanged(Answer::Done);
    }
    let detail = format!("{} between this member and {recipient_id}", lifted.join(" and "));
    let mut pair = pair.clone();
    let side = pair.from_mut(operation.member_id);
    side.barred = false;
    side.email_required = false;
    Decision {
        changes: Changes {
            pair: Some(pair),
            audit: Some(entry(operation, AuditAction::BanLifted, detail, moment)),
            ..Changes::default()
        },
        answer: Ok(Answer::Done),
    }
}

fn entry(operation: &Operation, action: AuditAction, detail: String, moment: Moment) -> AuditEntry {
    AuditEntry {
        member_id: operation.member_id,
        id: ids::new(moment.now, &operation.entropy),
        actor: operation.by.clone(),
        action,
        detail,
        note: operation.note.clone(),
    }
}

#[cfg(test)]
mod tests;
