//! Postgres through Diesel: sets in, sets out.
//!
//! Statements of the ledger are constant texts with array parameters, so that each connection prepares them once.

pub mod audit;
pub mod books;
mod codec;
pub mod connections;
pub mod due;
pub mod duty;
pub mod erasure;
pub mod facts;
pub mod feed;
pub mod lock;
pub mod members;
pub mod outbox;
pub mod pages;
mod prepared;
pub mod retention;
mod schema;
pub mod write;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// The tables, embedded.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// What the ledger's connections are set to. Their statements are known: every row is found by its key, and a plan
/// cached while a table was empty must not go through all of it when it is full: neither scan it nor keep a copy to join.
pub const LEDGER_SETTINGS: &str = "plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_hashjoin=off,\
                                   enable_mergejoin=off,enable_material=off,jit=off";

/// What the connections that read for callers are set to: as the ledger's, and a page is read along its key, however few
/// invitations its member seems to have. A bitmap would take all of them to show the newest.
pub const PAGE_SETTINGS: &str = "plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_hashjoin=off,\
                                 enable_mergejoin=off,enable_material=off,enable_bitmapscan=off,jit=off";
