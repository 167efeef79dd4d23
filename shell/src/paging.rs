//! Page tokens: the last row of a page, signed and bound to the list and to what was asked of it.

use uuid::Uuid;

use crate::{
    fields::Violations,
    signing::{Keyring, Purpose},
};

/// A list whose pages have tokens.
pub struct Pages<'a> {
    /// Signs them.
    pub keys: &'a Keyring,
    /// Which list it is.
    pub list: Purpose,
    /// Whose list it is and what it is narrowed to; as long for every request of the list.
    pub asked: Vec<u8>,
}

impl Pages<'_> {
    /// The token of the page after a row.
    pub fn token(&self, last: &[u8]) -> String {
        self.keys.sign(self.list, &[&self.asked, last].concat())
    }

    /// What `read` makes of the row that the page before ended with; none for the first page and after a violation.
    pub fn open<T>(
        &self,
        violations: &mut Violations,
        token: &str,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        if token.is_empty() {
            return None;
        }
        let payload = self.keys.open(self.list, token);
        let last = payload
            .as_deref()
            .and_then(|payload| payload.strip_prefix(&*self.asked));
        let last = last.and_then(read);
        if last.is_none() {
            violations.add(
                "page_token",
                "must be the next_page_token of the page before, with the other fields as they were then",
            );
        }
        last
    }

    /// The id that the page before ended with, or the largest one.
    pub fn before_id(&self, violations: &mut Violations, token: &str) -> Uuid {
        let last = self.open(violations, token, |last| Uuid::from_slice(last).ok());
        last.unwrap_or(Uuid::max())
    }
}

/// Cuts a page of `size` from `size + 1` rows read, and says whether more follow.
pub fn cut<T>(mut rows: Vec<T>, size: usize) -> (Vec<T>, bool) {
    let more = rows.len() > size;
    rows.truncate(size);
    (rows, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_list_and_question() {
        let keys: Keyring = "0123456789abcdef0123456789abcdef".parse().expect("long enough");
        let pages = |list, asked: &[u8]| Pages {
            keys: &keys,
            list: Purpose(list),
            asked: asked.to_vec(),
        };
        let opened = |pages: Pages, token: &str| {
            let mut violations = Violations::default();
            let id = pages.before_id(&mut violations, token);
            violations.into_result("test.v1", id).ok()
        };
        let last = Uuid::from_u128(7);
        let token = pages("a", b"ada1").token(last.as_bytes());
        assert_eq!(opened(pages("a", b"ada1"), &token), Some(last));
        assert_eq!(opened(pages("b", b"ada1"), &token), None);
        assert_eq!(opened(pages("a", b"bob1"), &token), None);
        assert_eq!(opened(pages("a", b"ada2"), &token), None);
        assert_eq!(opened(pages("a", b"ada1"), "forged"), None);
        assert_eq!(opened(pages("a", b"ada1"), ""), Some(Uuid::max()));
    }

    #[test]
    fn a_page_is_cut_where_more_follow() {
        assert_eq!(cut(vec![1, 2, 3], 2), (vec![1, 2], true));
        assert_eq!(cut(vec![1, 2], 2), (vec![1, 2], false));
    }
}
