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
mod prepared;
pub mod retention;
mod schema;
pub mod write;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// The tables, embedded.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// What the ledger's connections are set to. Their statements are known: every row is found by its key, and a plan
/// cached while a table was empty must not come back as a sequential scan.
pub const LEDGER_SETTINGS: &str = "plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_hashjoin=off,\
                                   enable_mergejoin=off,jit=off";
