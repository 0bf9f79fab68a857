//! What a caller sees, over a real socket, on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod get_connection;
