//! Lists that belong to a member, and what their page tokens carry.

use jiff::Timestamp;
use shell::{
    fields::Violations,
    paging::Pages,
    signing::{Keyring, Purpose},
};
use uuid::Uuid;

/// The pages of `owner`'s list, narrowed by `filter`.
pub(super) fn pages(keys: &Keyring, list: Purpose, owner: Uuid, filter: u8) -> Pages<'_> {
    let mut asked = owner.as_bytes().to_vec();
    asked.push(filter);
    Pages { keys, list, asked }
}

/// The member and the time that the page before ended with, or the last of all.
pub(super) fn before_side(pages: &Pages, violations: &mut Violations, token: &str) -> (Uuid, Timestamp) {
    let last = pages.open(violations, token, read_side);
    last.unwrap_or((Uuid::max(), Timestamp::MAX))
}

/// A member and a time as bytes of a token.
pub(super) fn side_bytes(side: (Uuid, Timestamp)) -> Vec<u8> {
    let mut bytes = side.0.as_bytes().to_vec();
    bytes.extend_from_slice(&side.1.as_millisecond().to_be_bytes());
    bytes
}

fn read_side(bytes: &[u8]) -> Option<(Uuid, Timestamp)> {
    let (id, millis) = bytes.split_at_checked(16)?;
    let millis = i64::from_be_bytes(millis.try_into().ok()?);
    Some((
        Uuid::from_slice(id).ok()?,
        Timestamp::from_millisecond(millis).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_owner_and_filter() {
        let keys: Keyring = "0123456789abcdef0123456789abcdef".parse().expect("long enough");
        let pages = |owner, filter| pages(&keys, Purpose("a"), Uuid::from_u128(owner), filter);
        let opens = |pages: Pages, token: &str| {
            let mut violations = Violations::default();
            pages.before_id(&mut violations, token);
            violations.into_result("test.v1", ()).is_ok()
        };
        let token = pages(1, 1).token(Uuid::from_u128(7).as_bytes());
        assert!(opens(pages(1, 1), &token));
        assert!(!opens(pages(2, 1), &token));
        assert!(!opens(pages(1, 2), &token));
    }

    #[test]
    fn a_side_survives_its_bytes() {
        let side = (
            Uuid::from_u128(3),
            Timestamp::from_millisecond(1_700_000_000_123).expect("in range"),
        );
        assert_eq!(read_side(&side_bytes(side)), Some(side));
        assert_eq!(read_side(&[0; 3]), None);
    }
}
