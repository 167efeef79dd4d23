//! Errors that tonic makes before a handler runs carry a library's text and no reason. Ours carry both, and do not look
//! like faults of the service.

use http::Response;
use tonic::{Code, Status, body::Body};

use crate::errors::refusal;

/// The response and its code; an error without details is replaced by one that has them.
pub(super) fn explained(domain: &str, response: Response<Body>) -> (Response<Body>, Code) {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return (response, Code::Ok);
    };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return (response, status.code());
    }
    let status = explanation(domain, status.code());
    let code = status.code();
    (status.into_http(), code)
}

/// What tonic found wrong with a message of a stream, in our words. The gate does not see it: it comes after the response's
/// head.
pub fn explained_message(domain: &str, status: Status) -> Status {
    if status.details().is_empty() {
        explanation(domain, status.code())
    } else {
        status
    }
}

/// Our words for what tonic found wrong with a request.
fn explanation(domain: &str, code: Code) -> Status {
    match code {
        Code::OutOfRange | Code::ResourceExhausted => refusal(
            Code::OutOfRange,
            domain,
            "REQUEST_TOO_LARGE",
            "the request is larger than this rpc takes",
        ),
        Code::Unimplemented => no_such_rpc(domain),
        Code::Cancelled => refusal(code, domain, "CANCELLED", "the call was cancelled"),
        _ => {
            let message = "the request is not a gRPC message of this rpc";
            refusal(Code::InvalidArgument, domain, "MALFORMED_REQUEST", message)
        }
    }
}

/// What a path that is no rpc of ours is answered.
pub(super) fn no_such_rpc(domain: &str) -> Status {
    let message = "there is no such rpc or encoding; reflection lists the rpcs";
    refusal(Code::Unimplemented, domain, "NO_SUCH_RPC", message)
}
