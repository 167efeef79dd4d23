//! The wire contracts of both services: messages, clients, servers, descriptor set.

#[expect(clippy::large_enum_variant, reason = "a message is as large as its fields")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

pub use generated::{invitations, notify};

/// Encoded `FileDescriptorSet` of all packages, imports and comments included, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));
