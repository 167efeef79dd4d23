//! The rules: pure functions over rows. No IO, no clock, no database, no wire.

pub mod accept;
pub mod account;
pub mod command;
pub mod ids;
pub mod invitation;
pub mod member;
pub mod pair;
pub mod policy;
pub mod refusal;
pub mod request;
pub mod send;
pub mod send_log;
pub mod transition;
