//! Every gRPC code that a refusal becomes.

use shell::errors;
use tonic::{Code, Status};

use super::DOMAIN;
use crate::domain::command::Refusal;

pub(super) fn refused(refusal: Refusal) -> Status {
    let (code, reason) = match refusal {
        Refusal::KeyReused { .. } => (Code::AlreadyExists, "EMAIL_KEY_REUSED"),
    };
    errors::refusal(code, DOMAIN, reason, &format!("{refusal}; nothing was done"))
}
