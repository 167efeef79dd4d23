//! Table `email_key`: which email a key belongs to, for ever.

use std::collections::BTreeMap;

use diesel::{
    PgConnection, QueryResult, RunQueryDsl,
    sql_types::{Array, Binary, Nullable, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use super::statement::statement;
use crate::domain::fingerprint::Fingerprint;

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) fingerprint: Fingerprint,
    pub(super) email_id: Uuid,
    /// The member whom the email tells of; unknown for emails of before.
    pub(super) other_id: Option<Uuid>,
}

statement! {
    /// In key order, so that two calls never wait for each other.
    struct Insert {
        keys: Vec<String> as Array<Text>,
        fingerprints: Vec<Vec<u8>> as Array<Binary>,
        email_ids: Vec<Uuid> as Array<SqlUuid>,
    } -> Text =
    "INSERT INTO email_key (key, fingerprint, email_id) SELECT * FROM unnest(" keys ", " fingerprints ", " email_ids
    ") AS wanted (key, fingerprint, email_id) ORDER BY key COLLATE \"C\" ON CONFLICT (key) DO NOTHING RETURNING key"
}

statement! {
    struct Select { keys: Vec<String> as Array<Text> } -> (Text, Binary, SqlUuid, Nullable<SqlUuid>) =
    "SELECT key, fingerprint, email_id, other_id FROM email_key LEFT JOIN email ON email.id = email_id \
     WHERE key = ANY(" keys ")"
}

/// Takes the keys that are free, and answers what the others stand for. Waits for a call that is taking the same ones.
pub(super) fn take(
    connection: &mut PgConnection,
    wanted: &BTreeMap<&str, Identity>,
) -> QueryResult<BTreeMap<String, Identity>> {
    let inserted: Vec<String> = Insert {
        keys: wanted.keys().map(ToString::to_string).collect(),
        fingerprints: wanted
            .values()
            .map(|identity| identity.fingerprint.to_vec())
            .collect(),
        email_ids: wanted.values().map(|identity| identity.email_id).collect(),
    }
    .load(connection)?;
    if inserted.len() == wanted.len() {
        return Ok(BTreeMap::new());
    }
    let inserted: std::collections::HashSet<String> = inserted.into_iter().collect();
    let keys = wanted
        .keys()
        .filter(|key| !inserted.contains(**key))
        .map(ToString::to_string);
    let rows: Vec<(String, Vec<u8>, Uuid, Option<Uuid>)> =
        Select { keys: keys.collect() }.load(connection)?;
    let known = rows.into_iter().map(|(key, fingerprint, email_id, other_id)| {
        let fingerprint = fingerprint
            .try_into()
            .map_err(|_| diesel::result::Error::DeserializationError("a fingerprint has 32 bytes".into()))?;
        Ok((
            key,
            Identity {
                fingerprint,
                email_id,
                other_id,
            },
        ))
    });
    known.collect()
}
