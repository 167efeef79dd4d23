//! OperatorService.

use std::time::{Duration, Instant};

use prost::Message;
use proto::invitations::v1 as pb;
use shell::{
    clock::to_proto,
    errors::from_database,
    fields::Violations,
    gate::{self, Caller},
    paging::cut,
    signing::Purpose,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{DOMAIN, Rooms, errors, paging::pages, repeat::request_key};
use crate::{
    domain::{
        account::{Account, Restriction, RestrictionKind},
        command::{Act, Command, Moment, Operate, Operation, Send},
        explain::{Check, Explanation, Limit, Usage, explain, usages},
        ids::created_at,
        pair::{Pair, PairKey},
        refusal::Refusal,
        send,
        transition::{Answer, AuditAction, AuditEntry},
    },
    store::{
        audit,
        facts::{self, Asked, FactKey, Facts},
    },
};

/// Longest note of an operator, in characters.
const NOTE_CHARS: usize = 500;

/// Granted sends in one call.
const MOST_GRANTED: i32 = 100_000;

pub(super) struct Service(pub(super) Rooms);

/// What every mutation of an operator names.
struct Asking<'a> {
    rpc: &'static str,
    member_field: &'static str,
    member_id: &'a str,
    note: &'a str,
    request_id: &'a str,
}

#[tonic::async_trait]
impl pb::operator_service_server::OperatorService for Service {
    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let mut violations = Violations::default();
        let member_id = violations.uuid("member_id", &request.get_ref().member_id);
        violations.into_result(DOMAIN, ())?;
        let facts = self.facts(member_id, None, deadline).await?;
        let account = facts.account.filter(|account| !account.erased);
        let account = account.ok_or_else(|| errors::refused(Refusal::MemberNotFound))?;
        Ok(Response::new(pb::GetAccountResponse {
            account: Some(self.account(&account)),
        }))
    }

    async fn grant_quota(
        &self,
        request: Request<pb::GrantQuotaRequest>,
    ) -> Result<Response<pb::GrantQuotaResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        if !(1..=MOST_GRANTED).contains(&request.count) {
            violations.add("count", format!("must be 1 to {MOST_GRANTED}"));
        }
        let what = Operate::Grant {
            count: request.count.unsigned_abs() as usize,
        };
        let asking = Asking {
            rpc: "GrantQuota",
            member_field: "member_id",
            member_id: &request.member_id,
            note: &request.note,
            request_id: &request.request_id,
        };
        let account = self
            .operate(violations, &caller, &request, asking, what, deadline)
            .await?;
        Ok(Response::new(pb::GrantQuotaResponse { account }))
    }

    async fn impose_restriction(
        &self,
        request: Request<pb::ImposeRestrictionRequest>,
    ) -> Result<Response<pb::ImposeRestrictionResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let kind = match pb::RestrictionKind::try_from(request.kind) {
            Ok(pb::RestrictionKind::EmailRequired) => RestrictionKind::EmailRequired,
            Ok(pb::RestrictionKind::Suspended) => RestrictionKind::Suspended,
            Ok(pb::RestrictionKind::Unspecified) | Err(_) => {
                violations.add(
                    "kind",
                    "must be RESTRICTION_KIND_EMAIL_REQUIRED or RESTRICTION_KIND_SUSPENDED",
                );
                RestrictionKind::Suspended
            }
        };
        let length = request
            .duration
            .map(|length| read_length(&mut violations, &length));
        let asking = Asking {
            rpc: "ImposeRestriction",
            member_field: "member_id",
            member_id: &request.member_id,
            note: &request.note,
            request_id: &request.request_id,
        };
        let what = Operate::Impose { kind, length };
        let account = self
            .operate(violations, &caller, &request, asking, what, deadline)
            .await?;
        Ok(Response::new(pb::ImposeRestrictionResponse { account }))
    }

    async fn lift_restriction(
        &self,
        request: Request<pb::LiftRestrictionRequest>,
    ) -> Result<Response<pb::LiftRestrictionResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let asking = Asking {
            rpc: "LiftRestriction",
            member_field: "member_id",
            member_id: &request.member_id,
            note: &request.note,
            request_id: &request.request_id,
        };
        let what = Operate::Lift {
            forget_strikes: request.forget_strikes,
        };
        let account = self
            .operate(Violations::default(), &caller, &request, asking, what, deadline)
            .await?;
        Ok(Response::new(pb::LiftRestrictionResponse { account }))
    }

    async fn lift_ban(
        &self,
        request: Request<pb::LiftBanRequest>,
    ) -> Result<Response<pb::LiftBanResponse>, Status> {
        let (caller, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
        // What is wrong with it is told below.
        let inviter_id = Violations::default().uuid("inviter_id", &request.inviter_id);
        if recipient_id == inviter_id && !recipient_id.is_nil() {
            violations.add("recipient_id", "must be another member than inviter_id");
        }
        let asking = Asking {
            rpc: "LiftBan",
            member_field: "inviter_id",
            member_id: &request.inviter_id,
            note: &request.note,
            request_id: &request.request_id,
        };
        let what = Operate::LiftBan { recipient_id };
        self.operate(violations, &caller, &request, asking, what, deadline)
            .await?;
        Ok(Response::new(pb::LiftBanResponse {}))
    }

    async fn explain_send(
        &self,
        request: Request<pb::ExplainSendRequest>,
    ) -> Result<Response<pb::ExplainSendResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let inviter_id = violations.uuid("inviter_id", &request.inviter_id);
        let recipient_id = violations.uuid("recipient_id", &request.recipient_id);
        let recipient_email = match request.recipient_email.as_str() {
            "" => None,
            given => Some(violations.email("recipient_email", given)),
        };
        if inviter_id == recipient_id && !inviter_id.is_nil() {
            violations.add("recipient_id", "must be another member than inviter_id");
        }
        violations.into_result(DOMAIN, ())?;
        let command = Send {
            inviter_id,
            recipient_id,
            note: String::new(),
            recipient_email,
            reminders: true,
            entropy: rand::random(),
        };
        let facts = self.facts(inviter_id, Some(recipient_id), deadline).await?;
        Ok(Response::new(self.explanation(&command, &facts)))
    }

    async fn list_audit(
        &self,
        request: Request<pb::ListAuditRequest>,
    ) -> Result<Response<pb::ListAuditResponse>, Status> {
        let (_, deadline) = gate::noted(&request);
        let request = request.into_inner();
        let mut violations = Violations::default();
        let owner = violations.uuid("member_id", &request.member_id);
        let size = violations.page_size("page_size", request.page_size);
        let pages = pages(&self.0.keys, Purpose("page of ListAudit"), owner, 0);
        let before = pages.before_id(&mut violations, &request.page_token);
        violations.into_result(DOMAIN, ())?;
        let limit = size as i64 + 1;
        let rows = self
            .0
            .database
            .run(deadline, move |db| audit::page(db, owner, before, limit))
            .await;
        let (rows, more) = cut(rows.map_err(|error| from_database(DOMAIN, &error))?, size);
        let last = rows.last().filter(|_| more);
        Ok(Response::new(pb::ListAuditResponse {
            next_page_token: last.map(|row| pages.token(row.id.as_bytes())).unwrap_or_default(),
            entries: rows.into_iter().map(entry).collect(),
        }))
    }
}

impl Service {
    /// What a send of `actor` to `other` would be judged by.
    async fn facts(&self, actor: Uuid, other: Option<Uuid>, deadline: Instant) -> Result<Facts, Status> {
        let asked = Asked {
            now: self.0.clock.now(),
            // The number of those that ran out is always of interest here.
            quota_outstanding: 0,
        };
        let read = self.0.database.run(deadline, move |db| {
            let key = FactKey {
                actor,
                other,
                named: None,
                request: None,
            };
            facts::facts(db, &[key], asked)
        });
        let mut facts = read.await.map_err(|error| from_database(DOMAIN, &error))?;
        Ok(facts.pop().unwrap_or_default())
    }

    /// The account afterwards; none where there is nothing to show.
    async fn operate(
        &self,
        mut violations: Violations,
        caller: &Caller,
        request: &impl Message,
        asking: Asking<'_>,
        what: Operate,
        deadline: Instant,
    ) -> Result<Option<pb::Account>, Status> {
        let member_id = violations.uuid(asking.member_field, asking.member_id);
        let note = violations.text("note", asking.note, NOTE_CHARS);
        if note.trim().is_empty() {
            violations.add("note", "must say why, for the audit log");
        }
        let key = request_key(&mut violations, caller, asking.rpc, asking.request_id, request);
        violations.into_result(DOMAIN, ())?;
        let act = Act::Operate(Operation {
            member_id,
            by: caller.name.clone(),
            note,
            entropy: rand::random(),
            what,
        });
        let command = Command { request: key, act };
        match errors::answer(self.0.ledger.submit(command, deadline).await)? {
            Answer::Account(account) => Ok(Some(self.account(&account))),
            Answer::Done => Ok(None),
            Answer::Sent(_)
            | Answer::Connected(_)
            | Answer::Received(_)
            | Answer::Replied(..)
            | Answer::Upserted(_) => Err(errors::wrong_answer()),
        }
    }

    fn account(&self, account: &Account) -> pb::Account {
        let (now, policy) = (self.0.clock.now(), &self.0.policy);
        pb::Account {
            member_id: account.member_id.to_string(),
            usages: usages(account, policy, now).into_iter().map(usage).collect(),
            granted_count: count(account.granted),
            strike_count: count(account.strikes.count(policy.strike_window, now)),
            strike_limit: count(policy.strikes),
            ladder_step: count(account.ladder_step),
            restriction: account.restriction_at(now).map(restriction),
        }
    }

    fn explanation(&self, command: &Send, facts: &Facts) -> pb::ExplainSendResponse {
        let (now, policy) = (self.0.clock.now(), &self.0.policy);
        let strangers = Pair::strangers(PairKey::of(command.inviter_id, command.recipient_id));
        let pair = facts.pair.as_ref().unwrap_or(&strangers);
        let judged_by = send::Facts {
            account: facts.account.as_ref(),
            recipient: facts.addressee.as_ref(),
            theirs: facts.theirs.as_ref(),
            pair,
            open: facts.invitation.as_ref(),
        };
        let moment = Moment { now, policy };
        let Explanation { check, refusal, text } = explain(command, &judged_by, moment);
        let side = pair.from(command.inviter_id);
        let account = facts.account.as_ref();
        let mut used = account.map_or_else(Vec::new, |account| usages(account, policy, now));
        used.push(Usage {
            limit: Limit::Pair,
            used: side.sends.count(policy.pair_window, now),
            most: policy.pair_sends,
        });
        pb::ExplainSendResponse {
            check: check_code(check).into(),
            reason: refusal.map_or_else(String::new, |refusal| {
                errors::code_and_reason(refusal).1.to_owned()
            }),
            explanation: text.to_owned(),
            usages: used.into_iter().map(usage).collect(),
            granted_count: account.map_or(0, |account| count(account.granted)),
            restriction: account
                .and_then(|account| account.restriction_at(now))
                .map(restriction),
            decline_time: side.struck_at.filter(|_| side.barred).map(to_proto),
            email_required: side.email_required,
        }
    }
}

fn read_length(violations: &mut Violations, length: &prost_types::Duration) -> Duration {
    let seconds = u64::try_from(length.seconds).unwrap_or_default();
    let century = 100 * 366 * 24 * 60 * 60;
    if !(1..=century).contains(&seconds) || length.nanos != 0 {
        violations.add(
            "duration",
            "must be whole seconds, from one second to a hundred years",
        );
    }
    Duration::from_secs(seconds.min(century))
}

fn count(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn usage(usage: Usage) -> pb::Usage {
    let limit = match usage.limit {
        Limit::Day => pb::Limit::Day,
        Limit::Week => pb::Limit::Week,
        Limit::Lifetime => pb::Limit::Lifetime,
        Limit::Outstanding => pb::Limit::Outstanding,
        Limit::Connections => pb::Limit::Connections,
        Limit::Pair => pb::Limit::Pair,
    };
    pb::Usage {
        limit: limit.into(),
        used_count: count(usage.used),
        limit_count: count(usage.most),
    }
}

fn restriction(restriction: Restriction) -> pb::Restriction {
    let kind = match restriction.kind {
        RestrictionKind::EmailRequired => pb::RestrictionKind::EmailRequired,
        RestrictionKind::Suspended => pb::RestrictionKind::Suspended,
    };
    pb::Restriction {
        kind: kind.into(),
        end_time: restriction.until.map(to_proto),
    }
}

fn check_code(check: Check) -> pb::SendCheck {
    match check {
        Check::Members => pb::SendCheck::Members,
        Check::Connected => pb::SendCheck::Connected,
        Check::Mutual => pb::SendCheck::Mutual,
        Check::Restriction => pb::SendCheck::Restriction,
        Check::Email => pb::SendCheck::Email,
        Check::Pair => pb::SendCheck::Pair,
        Check::Quota => pb::SendCheck::Quota,
        Check::Hidden => pb::SendCheck::Hidden,
        Check::Resend => pb::SendCheck::Resend,
        Check::New => pb::SendCheck::New,
    }
}

fn entry(entry: AuditEntry) -> pb::AuditEntry {
    let action = match entry.action {
        AuditAction::QuotaGranted => pb::AuditAction::QuotaGranted,
        AuditAction::Restricted => pb::AuditAction::Restricted,
        AuditAction::RestrictionLifted => pb::AuditAction::RestrictionLifted,
        AuditAction::BanLifted => pb::AuditAction::BanLifted,
        AuditAction::Erased => pb::AuditAction::Erased,
    };
    pb::AuditEntry {
        entry_id: entry.id.to_string(),
        create_time: Some(to_proto(created_at(entry.id))),
        actor: entry.actor.to_string(),
        action: action.into(),
        detail: entry.detail,
        note: entry.note,
    }
}
