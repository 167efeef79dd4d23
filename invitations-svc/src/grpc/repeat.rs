//! What makes a call repeatable: the client's request id, and a digest of what the request says.

use prost::Message;
use shell::{fields::Violations, gate::Caller, repeat};

use crate::domain::command::RequestKey;

/// Reads `request_id`; none when it is empty.
pub(super) fn request_key<M: Message>(
    violations: &mut Violations,
    caller: &Caller,
    rpc: &'static str,
    request_id: &str,
    request: &M,
) -> Option<RequestKey> {
    let request_id = violations.optional_uuid("request_id", request_id)?;
    let digest = repeat::fingerprint(rpc, request);
    let fingerprint = digest[..16].try_into().expect("SHA-256 is longer");
    Some(RequestKey {
        request_id,
        client: caller.name.clone(),
        fingerprint,
    })
}
