//! First answers: one that somebody else stored meanwhile is a conflict, a forgotten one gives way.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Binary, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::rows;
use crate::{
    domain::request::{Outcome, StoredAnswer},
    store::codec::{Time, optional_time, outcome_code, snapshot_to_bytes, time},
};

#[derive(Default)]
pub(super) struct Requests<'a> {
    request_id: Vec<Uuid>,
    client: Vec<&'a str>,
    fingerprint: Vec<&'a [u8]>,
    outcome: Vec<i16>,
    subject: Vec<Option<Uuid>>,
    decided_at: Vec<Time>,
    until: Vec<Option<Time>>,
    snapshot: Vec<Option<Vec<u8>>>,
}

impl<'a> Requests<'a> {
    pub(super) fn push(&mut self, answer: &'a StoredAnswer) {
        let (subject, until, snapshot) = match answer.outcome {
            Outcome::Sent { id, until } => (Some(id), Some(until), None),
            Outcome::Invitation(snapshot) => (None, None, Some(snapshot_to_bytes(snapshot))),
            Outcome::Connected | Outcome::Upserted | Outcome::Done | Outcome::Refused(_) => {
                (None, None, None)
            }
        };
        self.request_id.push(answer.key.request_id);
        self.client.push(&answer.key.client);
        self.fingerprint.push(&answer.key.fingerprint);
        self.outcome.push(outcome_code(answer.outcome));
        self.subject.push(subject);
        self.decided_at.push(time(answer.decided_at));
        self.until.push(optional_time(until));
        self.snapshot.push(snapshot);
    }

    /// `q`: new rows.
    pub(super) fn insert<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "q AS (INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until, snapshot) \
             SELECT w.* FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    /// `qu`: rows of `forgotten_at` and before, replaced.
    pub(super) fn update<'b>(
        &'b self,
        mut out: AstPass<'_, 'b, Pg>,
        forgotten_at: &'b Time,
    ) -> QueryResult<()> {
        out.push_sql(
            "qu AS (UPDATE request SET fingerprint = w.fingerprint, outcome = w.outcome, subject = w.subject, \
             decided_at = w.decided_at, until = w.until, snapshot = w.snapshot FROM ",
        );
        self.rows(out.reborrow())?;
        out.push_sql(" WHERE request.request_id = w.request_id AND request.client = w.client AND request.decided_at <= ");
        out.push_bind_param::<Timestamptz, _>(forgotten_at)?;
        out.push_sql(" RETURNING 1)");
        Ok(())
    }

    fn rows<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        rows!(out, request_id: SqlUuid => &self.request_id, client: Text => &self.client,
            fingerprint: Binary => &self.fingerprint, outcome: SmallInt => &self.outcome,
            subject: Nullable<SqlUuid> => &self.subject, decided_at: Timestamptz => &self.decided_at,
            until: Nullable<Timestamptz> => &self.until, snapshot: Nullable<Binary> => &self.snapshot);
        Ok(())
    }
}
