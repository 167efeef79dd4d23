//! Work without input: woken by a signal or a timer, each looks at the database to learn what to do.

pub mod feed;
pub mod relay;
