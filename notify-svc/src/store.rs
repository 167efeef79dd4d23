//! The tables, through Diesel: one file per group of statements. Every statement takes and returns sets.

mod apply;
mod cancel;
mod claim;
mod emails;
mod erase;
mod fences;
mod finish;
mod keys;
mod lease;
mod readers;
mod reap;
mod statement;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use self::{
    apply::apply,
    claim::{Claimed, claim},
    erase::{Erasure, blank_about, forget_reader, left_about, stop_about, unname},
    finish::{Finish, finish},
    lease::{Held, extend, mark, release},
    readers::{choose, preferences},
    reap::{Lapsed, open_count, reap},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The migrations of this service's database.
pub(crate) fn migrations() -> EmbeddedMigrations {
    MIGRATIONS
}
