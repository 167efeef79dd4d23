//! Statuses as both services send them: a code, a message that says enough by itself, and machine-readable details.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

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
    let mut details = ErrorDetails::with_error_info(reason, domain, HashMap::new());
    details.set_retry_info(Some(delay));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// The call's deadline passed; what it did is unknown.
pub fn deadline_exceeded(domain: &str) -> Status {
    refusal(
        Code::DeadlineExceeded,
        domain,
        "DEADLINE_EXCEEDED",
        "the deadline passed and the effect is unknown; the same request_id finds out",
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
