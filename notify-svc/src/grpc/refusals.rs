//! Every gRPC code that a refusal becomes.

use std::time::Duration;

use shell::errors;
use tonic::{Code, Status};

use super::DOMAIN;
use crate::domain::{command::Refusal, operate};

/// By then most bodies have their answer.
const BODY: Duration = Duration::from_secs(5);

pub(super) fn refused(refusal: Refusal) -> Status {
    let (code, reason) = match refusal {
        Refusal::KeyReused { .. } => (Code::AlreadyExists, "EMAIL_KEY_REUSED"),
    };
    errors::refusal(code, DOMAIN, reason, &format!("{refusal}; nothing was done"))
}

/// Why an operator's act was not done.
pub(super) fn not_done(refusal: operate::Refusal) -> Status {
    use operate::Refusal as Why;
    let (code, reason) = match refusal {
        Why::NotFound => (Code::NotFound, "EMAIL_NOT_FOUND"),
        Why::RequestIdReused => {
            let what = "belongs to another request of this client";
            return errors::field_refusal(DOMAIN, "REQUEST_ID_REUSED", "request_id", what);
        }
        Why::Uncertain => (Code::FailedPrecondition, "EMAIL_UNCERTAIN"),
        Why::NotRetryable => (Code::FailedPrecondition, "EMAIL_NOT_RETRYABLE"),
        Why::Erased => (Code::FailedPrecondition, "EMAIL_ERASED"),
        Why::InFlight => {
            let (code, reason) = (Code::FailedPrecondition, "EMAIL_IN_FLIGHT");
            return errors::refusal_for_now(code, DOMAIN, reason, &refusal.to_string(), BODY);
        }
        Why::Closed => (Code::FailedPrecondition, "EMAIL_CLOSED"),
        Why::NotUncertain => (Code::FailedPrecondition, "EMAIL_NOT_UNCERTAIN"),
    };
    errors::refusal(code, DOMAIN, reason, &refusal.to_string())
}
