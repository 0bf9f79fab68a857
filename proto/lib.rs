//! The gRPC contract of tokend: messages, clients and servers of `tokend.v1`, generated from `proto/`, and the names that go with it.

#![warn(missing_docs)]

mod error_reason;

/// The generated code of package `tokend.v1`. Messages that hold a secret print it as `"[REDACTED]"`.
// Nearly every event of a watch is a token: boxing it would cost an allocation each and save nothing.
#[allow(clippy::large_enum_variant)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/tokend.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/tokend.v1.debug.rs"));
}

/// The encoded `google.protobuf.FileDescriptorSet` of the contract, imports and comments included, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/tokend.v1.descriptors.bin"));

/// The `domain` of the `google.rpc.ErrorInfo` in every error.
pub const ERROR_DOMAIN: &str = "tokend";

/// The metadata key of the app user's JWT.
pub const USER_TOKEN_METADATA: &str = "x-tokend-user-token";

/// The metadata key of the workspace's name.
pub const WORKSPACE_METADATA: &str = "x-tokend-workspace";

#[cfg(test)]
mod tests;
