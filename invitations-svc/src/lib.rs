//! invitations-svc: invitations between members of a professional network.

pub mod domain;
pub mod ledger;
pub mod store;
