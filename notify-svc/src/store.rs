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
mod suppressions;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use self::{
    apply::apply,
    claim::{Claimed, claim, claim_reminders},
    finish::{Finish, finish},
    lease::{Held, Unit, extend, mark, release},
    reap::{Lapsed, Open, open, reap},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The migrations of this service's database.
pub(crate) fn migrations() -> EmbeddedMigrations {
    MIGRATIONS
}
