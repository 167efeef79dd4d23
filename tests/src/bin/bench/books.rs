//! What must be true of a database after any load.

use tests::{cluster::TestDatabase, races::DISAGREEMENTS};

use crate::{Bench, database};

/// Counts of what must not be, beside those of the tests of races. Invitations that were there before a load have the note
/// `filled` and no transitions.
const MORE: [(&str, &str); 5] = [
    (
        "accounts whose sends are counted wrong",
        "SELECT count(*) FROM account a LEFT JOIN (SELECT inviter_id, count(*) AS n FROM sent GROUP BY 1) s \
         ON s.inviter_id = a.member_id \
         WHERE lifetime_sends <> coalesce(n, 0) OR octet_length(sends) <> 8 * coalesce(n, 0)",
    ),
    (
        "pairs with two open invitations",
        "SELECT count(*) FROM (SELECT FROM sent WHERE lifecycle = 1 \
         GROUP BY least(inviter_id, recipient_id), greatest(inviter_id, recipient_id) HAVING count(*) > 1) AS doubled",
    ),
    (
        "invitations that two requests made",
        "SELECT count(*) FROM (SELECT FROM request WHERE outcome = 1 GROUP BY subject HAVING count(*) > 1) AS doubled",
    ),
    (
        "sends without a request, or requests without a send",
        "SELECT abs((SELECT count(*) FROM request WHERE outcome = 1 AND client <> 'filled') \
         - (SELECT count(*) FROM sent WHERE note <> 'filled'))",
    ),
    (
        "transitions too many or too few in outbox and feed",
        "SELECT abs((SELECT count(*) FROM outbox WHERE unfed OR event > 11) + (SELECT count(*) FROM feed) \
         - (SELECT coalesce(sum(sequence - CASE WHEN note = 'filled' THEN 1 ELSE 0 END \
             - CASE WHEN note = 'filled' AND lifecycle = 2 THEN 1 ELSE 0 END), 0)::bigint FROM received))",
    ),
];

impl Bench {
    /// Notes as a violation whatever a database of invitations-svc says that cannot be.
    pub(crate) fn check_books(&self, load: &str, database: &TestDatabase) -> anyhow::Result<()> {
        for (what, query) in DISAGREEMENTS.iter().chain(&MORE) {
            let count = database::number(database, &format!("SELECT ({query}) AS number"))?;
            self.expect(count == 0, || format!("{load}: {count} {what}"));
        }
        Ok(())
    }

    /// Notes a violation unless something holds.
    pub(crate) fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let what = what();
            eprintln!("violation: {what}");
            self.violations.borrow_mut().push(what);
        }
    }
}
