//! One batch: facts, decisions, one guarded write.

use diesel::{Connection, PgConnection, result::Error as DieselError};
use jiff::Timestamp;
use shell::postgres::is_connection_lost;

use super::book::Book;
use crate::{
    domain::{
        command::{Command, Moment},
        policy::Policy,
        refusal::Refusal,
        transition::Answer,
    },
    store::{
        facts::{Asked, FactKey, Facts, facts},
        lock::lock,
        write::{self, Rows, write},
    },
};

/// The decisions of a batch, in the order of its commands.
pub(super) struct Committed {
    pub(super) answers: Vec<Result<Answer, Refusal>>,
    /// Whether an email is owed.
    pub(super) owes_emails: bool,
    /// Whether the feed grows.
    pub(super) feeds: bool,
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The connection was lost before anything was written.
    #[error("the connection was lost before the write")]
    LostBefore,
    /// The connection was lost in the write: committed or not.
    #[error("the connection was lost in the write")]
    LostDuring,
    /// Our own code panicked before anything was written.
    #[error("deciding panicked; the line before this one says where")]
    Panicked,
    /// The database refused: a guard did not hold, a deadlock, a value it does not take. Nothing is written.
    #[error("the database refused the batch: {0}")]
    Refused(DieselError),
}

/// When and by what to decide.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) now: Timestamp,
    pub(super) policy: &'a Policy,
    /// Whether transitions go into the feed.
    pub(super) feeds: bool,
}

/// Decides and commits in two statements, without locks.
pub(super) fn commit(
    db: &mut PgConnection,
    commands: &[&Command],
    terms: Terms,
) -> Result<Committed, Failure> {
    let facts = facts(db, &keys(commands), terms.asked()).map_err(before)?;
    let (rows, committed) = decide(commands, facts, terms);
    if !rows.is_empty() {
        write(db, &rows, terms.of_write()).map_err(during)?;
    }
    Ok(committed)
}

/// The same under locks on what the batch is judged by, so that nobody can win the race again.
pub(super) fn commit_locked(
    db: &mut PgConnection,
    commands: &[&Command],
    terms: Terms,
) -> Result<Committed, Failure> {
    let keys = keys(commands);
    db.transaction::<_, DieselError, _>(|db| {
        let seen = facts(db, &keys, terms.asked())?;
        let (accounts, pairs) = Book::judged_by(commands, &seen);
        lock(db, &accounts, &pairs)?;
        let (rows, committed) = decide(commands, facts(db, &keys, terms.asked())?, terms);
        write(db, &rows, terms.of_write())?;
        Ok(committed)
    })
    .map_err(during)
}

impl Terms<'_> {
    /// Stored answers of this time and before are forgotten.
    fn forgotten_at(&self) -> Timestamp {
        self.now
            .saturating_sub(self.policy.request_memory)
            .unwrap_or(Timestamp::MIN)
    }

    fn asked(&self) -> Asked {
        Asked {
            now: self.now,
            quota_outstanding: self.policy.quota_outstanding,
        }
    }

    fn of_write(&self) -> write::Terms {
        write::Terms {
            forgotten_at: self.forgotten_at(),
            now: self.now,
            feeds: self.feeds,
        }
    }
}

fn keys<'a>(commands: &[&'a Command]) -> Vec<FactKey<'a>> {
    let key = |command: &&'a Command| FactKey {
        actor: command.actor(),
        other: command.other(),
        named: command.named(),
        request: command.request.as_ref(),
    };
    commands.iter().map(key).collect()
}

fn decide(commands: &[&Command], facts: Vec<Facts>, terms: Terms) -> (Rows, Committed) {
    let mut book = Book::default();
    for (command, facts) in commands.iter().zip(facts) {
        book.enter(command, facts, terms.forgotten_at());
    }
    let moment = Moment {
        now: terms.now,
        policy: terms.policy,
    };
    let answers = commands
        .iter()
        .map(|command| book.decide(command, moment))
        .collect();
    let mut rows = book.into_rows();
    // What nobody waits for would stay in the outbox for ever.
    rows.events
        .retain(|ordered| ordered.event.mails || (terms.feeds && ordered.event.kind.is_followed()));
    let owes_emails = rows.events.iter().any(|ordered| ordered.event.mails);
    let feeds = terms.feeds && rows.events.iter().any(|ordered| ordered.event.kind.is_followed());
    let committed = Committed {
        answers,
        owes_emails,
        feeds,
    };
    (rows, committed)
}

fn before(error: DieselError) -> Failure {
    if is_connection_lost(&error) {
        Failure::LostBefore
    } else {
        Failure::Refused(error)
    }
}

fn during(error: DieselError) -> Failure {
    if is_connection_lost(&error) {
        Failure::LostDuring
    } else {
        Failure::Refused(error)
    }
}
