//! The rules: pure functions over rows. No IO, no clock, no database, no wire.

pub mod account;
pub mod answer;
pub mod audience;
pub mod command;
mod connect;
pub mod due;
pub mod explain;
pub mod ids;
pub mod invitation;
pub mod member;
pub mod membership;
pub mod operate;
pub mod pair;
pub mod policy;
pub mod recall;
pub mod refusal;
pub mod request;
pub mod send;
pub mod time_log;
pub mod transition;

#[cfg(test)]
mod world;
