//! Which statements are hot.

use tests::server_log::Executed;

/// A statement of a path that is taken often.
pub(crate) struct Hot {
    pub(crate) database: &'static str,
    pub(crate) name: &'static str,
    pub(crate) place: &'static str,
    /// What its text has and no other's.
    text: &'static str,
}

impl Hot {
    /// Its executions that are at their end.
    pub(crate) fn of<'a>(&self, executed: &'a [Executed]) -> impl Iterator<Item = &'a Executed> {
        let (database, text) = (self.database, self.text);
        executed
            .iter()
            .filter(move |one| one.database == database && one.text.contains(text) && !one.plan.is_empty())
    }
}

pub(crate) const HOT: &[Hot] = &[
    hot(
        "invitations",
        "What a batch is judged by",
        "store/facts.rs",
        "SELECT k.ord, q.fingerprint",
    ),
    hot(
        "invitations",
        "Writing new invitations",
        "store/write.rs",
        "SELECT fence((SELECT count(*) FROM a) + (SELECT count(*) FROM p)",
    ),
    hot(
        "invitations",
        "Writing whatever else",
        "store/write.rs",
        "SELECT fence((SELECT count(*) FROM a) + (SELECT count(*) FROM pu)",
    ),
    hot(
        "invitations",
        "Pages of received invitations",
        "store/pages.rs",
        "AS k(recipient_id, folder, now, before, most, ord)",
    ),
    hot(
        "invitations",
        "Pages of sent invitations",
        "store/pages.rs",
        "AS k(inviter_id, before, most, ord)",
    ),
    hot(
        "invitations",
        "One received invitation",
        "store/books.rs",
        r#"FROM "received""#,
    ),
    hot(
        "invitations",
        "One sent invitation",
        "store/books.rs",
        r#"FROM "sent""#,
    ),
    hot("invitations", "Replies", "store/books.rs", r#"FROM "reply""#),
    hot(
        "invitations",
        "A page of connections",
        "store/connections.rs",
        r#"ORDER BY "connection""#,
    ),
    hot(
        "invitations",
        "Connections in short",
        "store/connections.rs",
        "SELECT k.ord, (SELECT count(*) FROM connection",
    ),
    hot("invitations", "Members", "store/members.rs", r#"FROM "member""#),
    hot(
        "invitations",
        "The relay claims",
        "store/outbox.rs",
        "WITH due AS MATERIALIZED (SELECT lane, invitation_id, sequence FROM outbox",
    ),
    hot(
        "invitations",
        "The relay deletes",
        "store/outbox.rs",
        "WITH kept AS (UPDATE outbox",
    ),
    hot(
        "invitations",
        "Where the feed's lanes stand",
        "store/feed.rs",
        "SELECT h.lane, h.position",
    ),
    hot(
        "invitations",
        "The sequencer takes a lane",
        "store/feed.rs",
        "SELECT position, trimmed, set_config",
    ),
    hot(
        "invitations",
        "The sequencer looks",
        "store/feed/advance.rs",
        "WITH chosen AS MATERIALIZED",
    ),
    hot(
        "invitations",
        "The sequencer gives positions",
        "store/feed/advance.rs",
        "WITH w AS MATERIALIZED",
    ),
    hot(
        "invitations",
        "A window of the feed",
        "store/feed/read.rs",
        "SELECT f.* FROM unnest",
    ),
    hot(
        "invitations",
        "What is due",
        "store/due.rs",
        "SELECT recipient_id, id, due_at FROM received",
    ),
    hot(
        "notify",
        "Keys are taken",
        "store/keys.rs",
        "INSERT INTO email_key",
    ),
    hot(
        "notify",
        "Keys that were taken before",
        "store/keys.rs",
        "SELECT key, fingerprint",
    ),
    hot(
        "notify",
        "Fences are raised",
        "store/fences.rs",
        "INSERT INTO fence",
    ),
    hot(
        "notify",
        "Emails are queued",
        "store/emails.rs",
        "queued AS (INSERT INTO email",
    ),
    hot(
        "notify",
        "Where emails stand",
        "store/emails.rs",
        "SELECT id, state FROM email",
    ),
    hot(
        "notify",
        "A cancel stops",
        "store/cancel.rs",
        "WITH fenced AS MATERIALIZED",
    ),
    hot(
        "notify",
        "A cancel counts",
        "store/cancel.rs",
        "SELECT wanted.place, email.state",
    ),
    hot(
        "notify",
        "A worker claims",
        "store/claim.rs",
        "ORDER BY run_at LIMIT",
    ),
    hot(
        "notify",
        "A worker reads what it claimed",
        "store/claim.rs",
        "SELECT due.email_id, due.lease_epoch, due.kind",
    ),
    hot(
        "notify",
        "Bodies are marked",
        "store/lease.rs",
        "unit AS MATERIALIZED",
    ),
    hot(
        "notify",
        "Ends are written down",
        "store/finish.rs",
        "WITH told AS MATERIALIZED",
    ),
    hot(
        "notify",
        "Leases that ran out",
        "store/reap.rs",
        "SELECT email_id, lease_epoch, leased_by",
    ),
];

const fn hot(database: &'static str, name: &'static str, place: &'static str, text: &'static str) -> Hot {
    Hot {
        database,
        name,
        place,
        text,
    }
}
