//! The wire contracts of both services: messages, clients, servers, descriptor sets.

#[expect(clippy::large_enum_variant, reason = "a message is as large as its fields")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

/// Package `invitations`.
pub mod invitations {
    /// Package `invitations.v1`.
    pub mod v1 {
        pub use crate::generated::invitations::v1::*;

        /// Encoded `FileDescriptorSet` of the package, imports and comments included, for reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/invitations.bin"));
    }
}

/// Package `notify`.
pub mod notify {
    /// Package `notify.v1`.
    pub mod v1 {
        pub use crate::generated::notify::v1::*;

        /// Encoded `FileDescriptorSet` of the package, imports and comments included, for reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/notify.bin"));
    }
}
