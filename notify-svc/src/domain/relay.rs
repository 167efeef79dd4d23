//! Whose fault it is that an email was not taken.

use super::reply::{Enhanced, Step};

/// Whether a reply is about the mail server or about us as its client or as the sender (5.1.7, 5.1.8, 5.7.x), not about
/// the email.
pub(crate) fn relay_fault(step: Step, code: Option<u16>, enhanced: Option<Enhanced>) -> bool {
    let Some(code) = code else {
        return false;
    };
    let refused = enhanced.filter(|enhanced| enhanced.class == 5);
    code == 421
        || step == Step::Connect && [454, 530, 534, 535, 538].contains(&code)
        || refused.is_some_and(|enhanced| matches!((enhanced.subject, enhanced.detail), (7, _) | (1, 7 | 8)))
}
