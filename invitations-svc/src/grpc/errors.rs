//! Every gRPC code that a refusal becomes.

use std::time::Duration;

use shell::errors::{deadline_exceeded, field_refusal, internal, refusal, retry, unavailable};
use tonic::{Code, Status};

use super::DOMAIN;
use crate::{
    domain::{refusal::Refusal, transition::Answer},
    ledger::{Decided, LedgerError},
    pages::PageError,
};

/// The code and the stable reason of a refusal.
pub fn code_and_reason(refusal: Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::RequestIdReused => (Code::InvalidArgument, "REQUEST_ID_REUSED"),
        Refusal::MemberNotFound => (Code::NotFound, "MEMBER_NOT_FOUND"),
        Refusal::AlreadyConnected => (Code::AlreadyExists, "ALREADY_CONNECTED"),
        Refusal::EmailRequired => (Code::FailedPrecondition, "EMAIL_REQUIRED"),
        Refusal::InvitationAlreadySent => (Code::AlreadyExists, "INVITATION_ALREADY_SENT"),
        Refusal::InvitationLimitReached => (Code::ResourceExhausted, "INVITATION_LIMIT_REACHED"),
        Refusal::InvitationNotFound => (Code::NotFound, "INVITATION_NOT_FOUND"),
        Refusal::InvitationExpired => (Code::FailedPrecondition, "INVITATION_EXPIRED"),
        Refusal::ConnectionNotFound => (Code::NotFound, "CONNECTION_NOT_FOUND"),
        Refusal::InvitingRestricted => (Code::FailedPrecondition, "INVITING_RESTRICTED"),
        Refusal::CannotInviteMember => (Code::FailedPrecondition, "CANNOT_INVITE_MEMBER"),
        Refusal::InvitationDeclined => (Code::FailedPrecondition, "INVITATION_DECLINED"),
        Refusal::InvitationClosed => (Code::FailedPrecondition, "INVITATION_CLOSED"),
        Refusal::IgnoreFirst => (Code::FailedPrecondition, "IGNORE_FIRST"),
        Refusal::ConnectionLimitReached => (Code::FailedPrecondition, "CONNECTION_LIMIT_REACHED"),
        Refusal::ReplyLimitReached => (Code::FailedPrecondition, "REPLY_LIMIT_REACHED"),
        Refusal::EtagMismatch => (Code::Aborted, "ETAG_MISMATCH"),
    }
}

pub(super) fn refused(why: Refusal) -> Status {
    let (code, reason) = code_and_reason(why);
    match why {
        Refusal::RequestIdReused => field_refusal(DOMAIN, reason, "request_id", &why.to_string()),
        why => refusal(code, DOMAIN, reason, &why.to_string()),
    }
}

/// The answer of a decided command.
pub(super) fn answer(decided: Decided) -> Result<Answer, Status> {
    match decided {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(why)) => Err(refused(why)),
        Err(error) => Err(undecided(error)),
    }
}

pub(super) fn undecided(error: LedgerError) -> Status {
    match error {
        LedgerError::Overloaded => overloaded(&error.to_string()),
        LedgerError::Unavailable => unavailable(DOMAIN),
        LedgerError::Unknown => retry(
            DOMAIN,
            "OUTCOME_UNKNOWN",
            &error.to_string(),
            Duration::from_secs(1),
        ),
        LedgerError::Late => deadline_exceeded(DOMAIN),
        LedgerError::Refused => internal(DOMAIN),
    }
}

pub(super) fn unread(error: PageError) -> Status {
    match error {
        PageError::Overloaded => overloaded(&error.to_string()),
        PageError::Unavailable => unavailable(DOMAIN),
        PageError::Late => deadline_exceeded(DOMAIN),
        PageError::Failed => internal(DOMAIN),
    }
}

fn overloaded(message: &str) -> Status {
    retry(DOMAIN, "OVERLOADED", message, Duration::from_millis(200))
}

/// A command of one kind got the answer of another: a bug of ours.
pub(super) fn wrong_answer() -> Status {
    tracing::error!("the ledger gave the answer of another command");
    internal(DOMAIN)
}
