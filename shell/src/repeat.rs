//! What makes a call repeatable: a digest of what the request says, to be kept with its id.

use prost::Message;
use sha2::{Digest, Sha256};

/// SHA-256 of an rpc's name and its request: another one under the same request id is told from a repetition.
pub fn fingerprint(rpc: &str, request: &impl Message) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(rpc);
    digest.update([0]);
    digest.update(request.encode_to_vec());
    digest.finalize().into()
}
