//! The tables, through Diesel: one file per group of statements. Every statement takes and returns sets.

mod acts;
mod apply;
mod bounces;
mod cancel;
mod claim;
mod compact;
mod emails;
mod erase;
mod fences;
mod finish;
mod history;
mod keys;
mod lease;
mod readers;
mod reap;
mod retention;
mod statement;
mod suppressions;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

pub(crate) use self::{
    acts::{Act, act},
    apply::apply,
    bounces::{Noted, note_bounce},
    claim::{Claimed, claim, claim_reminders},
    compact::compact,
    erase::{Erasure, blank_about, forget_reader, left_about, stop_about, unless_erased, unname},
    finish::{Finish, finish},
    history::{Email, Event, Filter, What, email, history, page},
    lease::{Held, Unit, extend, mark, release},
    readers::{choose, preferences},
    reap::{Lapsed, Open, open, reap},
    retention::{Erase, erase_acts, erase_letters},
    suppressions::{Reason, Suppression, lift, suppressions},
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// `SET`s of all connections. Their statements name few rows by key, and a plan that was made while a table was empty must
/// not stay when it is not.
pub(crate) const SETTINGS: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// The `SET` of connections whose commits do not wait for the disk.
pub(crate) const UNHURRIED: (&str, &str) = ("synchronous_commit", "off");

/// The `SET` of connections that do not wait long for a row that somebody keeps locked: leases run meanwhile.
pub(crate) const IMPATIENT: (&str, &str) = ("lock_timeout", "3000");

/// The migrations of this service's database.
pub(crate) fn migrations() -> EmbeddedMigrations {
    MIGRATIONS
}
