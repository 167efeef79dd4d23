//! The tables, through Diesel: one file per group of statements. Every statement takes and returns sets.

mod apply;
mod cancel;
mod claim;
mod emails;
mod fences;
mod finish;
mod keys;
mod lease;
mod reap;
mod statement;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use self::{
    apply::apply,
    claim::{Claimed, claim},
    finish::{Finish, finish},
    lease::{Held, extend, mark, release},
    reap::{Lapsed, open_count, reap},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The migrations of this service's database.
pub(crate) fn migrations() -> EmbeddedMigrations {
    MIGRATIONS
}
