//! The OAuth client against providers of our own making, over real sockets on loopback.

mod answers;
mod calls;
mod client_secrets;
mod codes;
mod devices;
mod dialects;
mod discoveries;
mod fake;
mod grants;
mod layouts;
mod limits;
mod malformed;
mod metadata;
mod proxies;
mod refreshes;
mod requests;
mod signing;
mod stages;
