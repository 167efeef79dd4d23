//! By what an address is known where the address itself is not kept.

use sha2::{Digest, Sha256};

/// SHA-256 of an address, its ASCII letters in lower case: whoever reads a list of these cannot write to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressHash(pub(crate) [u8; 32]);

impl AddressHash {
    /// Of an address with its domain in A-labels.
    pub(crate) fn of(address: &str) -> Self {
        Self(Sha256::digest(address.to_ascii_lowercase()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_makes_no_other_address() {
        assert_eq!(
            AddressHash::of("Ada@Example.com"),
            AddressHash::of("ada@example.COM")
        );
        assert_ne!(
            AddressHash::of("ada@example.com"),
            AddressHash::of("ida@example.com")
        );
    }
}
