//! The Node-API face of the native crates: one thin wrapper per function, and nothing else.
//!
//! Short calls over byte views run where they are called; whatever touches the disk runs on threads of
//! its own and answers with a promise. All failures reach JavaScript as an `Error` with a `code`.

// Under `cfg(test)`, which lint runs build, napi leaves out the registrations that use the functions below.
#![cfg_attr(test, allow(dead_code))]

mod core;
mod failure;
mod files;
mod flow;
mod runtime;
mod search;
mod search_shapes;
mod signing;
mod transfer;
