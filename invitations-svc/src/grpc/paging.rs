//! Page tokens: the last row of a page, signed and bound to the list, its owner and its filter.

use jiff::Timestamp;
use shell::{
    fields::Violations,
    signing::{Keyring, Purpose},
};
use uuid::Uuid;

/// A list whose pages have tokens.
pub(super) struct Pages<'a> {
    pub(super) keys: &'a Keyring,
    pub(super) list: Purpose,
    pub(super) owner: Uuid,
    pub(super) filter: u8,
}

const WRONG: &str = "must be the next_page_token of the page before, for the same member and filter";

impl Pages<'_> {
    /// The token of the page after a row.
    pub(super) fn token(&self, last: &[u8]) -> String {
        let mut payload = self.prefix();
        payload.extend_from_slice(last);
        self.keys.sign(self.list, &payload)
    }

    /// The row that the page before ended with; none for the first page.
    fn open(&self, violations: &mut Violations, token: &str) -> Option<Vec<u8>> {
        if token.is_empty() {
            return None;
        }
        let prefix = self.prefix();
        let last = self.keys.open(self.list, token).and_then(|mut payload| {
            payload
                .starts_with(&prefix)
                .then(|| payload.split_off(prefix.len()))
        });
        if last.is_none() {
            violations.add("page_token", WRONG);
        }
        last
    }

    /// The id that the page before ended with, or the largest one.
    pub(super) fn before_id(&self, violations: &mut Violations, token: &str) -> Uuid {
        let Some(last) = self.open(violations, token) else {
            return Uuid::max();
        };
        Uuid::from_slice(&last).unwrap_or_else(|_| {
            violations.add("page_token", WRONG);
            Uuid::max()
        })
    }

    /// The member and the time that the page before ended with, or the last of all.
    pub(super) fn before_side(&self, violations: &mut Violations, token: &str) -> (Uuid, Timestamp) {
        let end = (Uuid::max(), Timestamp::MAX);
        let Some(last) = self.open(violations, token) else {
            return end;
        };
        read_side(&last).unwrap_or_else(|| {
            violations.add("page_token", WRONG);
            end
        })
    }

    fn prefix(&self) -> Vec<u8> {
        let mut prefix = self.owner.as_bytes().to_vec();
        prefix.push(self.filter);
        prefix
    }
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

/// Cuts a page of `size` from `size + 1` rows read, and says whether more follow.
pub(super) fn cut<T>(mut rows: Vec<T>, size: usize) -> (Vec<T>, bool) {
    let more = rows.len() > size;
    rows.truncate(size);
    (rows, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(pages: &Pages, token: &str) -> bool {
        let mut violations = Violations::default();
        pages.before_id(&mut violations, token);
        violations.into_result("test.v1", ()).is_ok()
    }

    #[test]
    fn a_token_is_bound_to_list_owner_and_filter() {
        let keys: Keyring = "0123456789abcdef0123456789abcdef".parse().expect("long enough");
        let owner = Uuid::from_u128(1);
        let pages = Pages {
            keys: &keys,
            list: Purpose("a"),
            owner,
            filter: 1,
        };
        let token = pages.token(Uuid::from_u128(7).as_bytes());
        assert!(opens(&pages, &token));
        assert_eq!(
            pages.before_id(&mut Violations::default(), &token),
            Uuid::from_u128(7)
        );
        assert!(!opens(
            &Pages {
                keys: &keys,
                list: Purpose("b"),
                owner,
                filter: 1
            },
            &token
        ));
        assert!(!opens(
            &Pages {
                keys: &keys,
                list: Purpose("a"),
                owner: Uuid::from_u128(2),
                filter: 1
            },
            &token
        ));
        assert!(!opens(
            &Pages {
                keys: &keys,
                list: Purpose("a"),
                owner,
                filter: 2
            },
            &token
        ));
        assert!(!opens(&pages, "forged"));
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
