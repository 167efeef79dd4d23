//! Statuses as both services send them: a code, a message that says enough by itself, and machine-readable details.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::postgres::{DatabaseError, takes_no_writes};

/// A refusal with its stable reason (google.rpc.ErrorInfo).
pub fn refusal(code: Code, domain: &str, reason: &str, message: &str) -> Status {
    Status::with_error_details(
        code,
        message,
        ErrorDetails::with_error_info(reason, domain, HashMap::new()),
    )
}

/// A refusal that waiting mends (google.rpc.RetryInfo).
pub fn retry(domain: &str, reason: &str, message: &str, delay: Duration) -> Status {
    refusal_for_now(Code::Unavailable, domain, reason, message, delay)
}

/// The same with another code than UNAVAILABLE.
pub fn refusal_for_now(code: Code, domain: &str, reason: &str, message: &str, delay: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, domain, HashMap::new());
    details.set_retry_info(Some(delay));
    Status::with_error_details(code, message, details)
}

/// The database does not answer, or the connection was lost.
pub fn unavailable(domain: &str) -> Status {
    let message = "the service cannot reach its database, lost it, or it takes no writes; repeating the same request is safe";
    retry(domain, "DATABASE_UNAVAILABLE", message, Duration::from_secs(1))
}

/// INVALID_ARGUMENT with a reason of its own, for one field (google.rpc.BadRequest).
pub fn field_refusal(domain: &str, reason: &str, field: &str, description: &str) -> Status {
    let mut details = ErrorDetails::with_bad_request_violation(field, description);
    details.set_error_info(reason, domain, HashMap::new());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {description}"), details)
}

/// What a failed piece of database work tells its caller; the log has the rest.
pub fn from_database(domain: &str, error: &DatabaseError) -> Status {
    match error {
        DatabaseError::Deadline => deadline_exceeded(domain),
        DatabaseError::Unavailable => unavailable(domain),
        DatabaseError::Statement(refused) if takes_no_writes(refused) => {
            tracing::warn!(%error, "the database takes no writes; its caller got UNAVAILABLE");
            unavailable(domain)
        }
        DatabaseError::Statement(_) | DatabaseError::Panicked => {
            tracing::error!(%error, "database work failed; its caller got INTERNAL");
            internal(domain)
        }
    }
}

/// The call's deadline passed; what it did is unknown.
pub fn deadline_exceeded(domain: &str) -> Status {
    refusal(
        Code::DeadlineExceeded,
        domain,
        "DEADLINE_EXCEEDED",
        "the deadline passed and the effect is unknown; repeating the same request finds out",
    )
}

/// A fault of ours. The text goes to the log, not to the caller.
pub fn internal(domain: &str) -> Status {
    refusal(
        Code::Internal,
        domain,
        "INTERNAL",
        "internal error; the service's log has the details",
    )
}
