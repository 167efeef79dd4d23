//! What both services stand in. Nothing in here knows what an invitation or an email is.

pub mod addresses;
pub mod clock;
pub mod errors;
pub mod fields;
pub mod gate;
pub mod health;
pub mod listen;
pub mod metrics;
pub mod postgres;
pub mod server;
pub mod signing;
pub mod telemetry;
pub mod words;
