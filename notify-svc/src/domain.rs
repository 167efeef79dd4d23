//! The rules: pure functions over rows, commands and a time that is told. No IO, no clock, no wire or database types.

pub(crate) mod address;
pub(crate) mod bounce;
pub(crate) mod command;
pub(crate) mod contact;
pub(crate) mod delivery;
pub(crate) mod diagnostic;
pub(crate) mod email;
pub(crate) mod fence;
pub(crate) mod fingerprint;
pub(crate) mod kind;
pub(crate) mod operate;
pub(crate) mod preferences;
pub(crate) mod relay;
pub(crate) mod reply;
pub(crate) mod restraint;
