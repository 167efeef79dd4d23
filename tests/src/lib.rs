//! What the tests of both services share: a private Postgres, the services as processes, their clients.

pub mod cluster;
pub mod guardian;
