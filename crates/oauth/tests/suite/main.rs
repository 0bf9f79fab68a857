//! The OAuth client against providers of our own making, over real sockets on loopback.

mod answers;
mod fake;
mod limits;
mod quirks;
mod requests;
mod stages;
