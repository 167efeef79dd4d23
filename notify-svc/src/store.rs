//! The tables, through Diesel: one file per group of statements. Every statement takes and returns sets.

mod acts;
mod apply;
mod bounces;
mod cancel;
mod claim;
mod emails;
mod fences;
mod finish;
mod history;
mod keys;
mod lease;
mod reap;
mod retention;
mod statement;
mod suppressions;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use self::{
    acts::{Act, act},
    apply::apply,
    bounces::{Noted, note_bounce},
    claim::{Claimed, claim},
    finish::{Finish, finish},
    history::{Email, Event, Filter, What, email, history, page},
    lease::{Held, extend, mark, release},
    reap::{Lapsed, open_count, reap},
    retention::{Erase, erase_acts, erase_letters},
    suppressions::{Reason, Suppression, lift, suppressions},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The migrations of this service's database.
pub(crate) fn migrations() -> EmbeddedMigrations {
    MIGRATIONS
}
