//! The one binary and its command lines; this far it holds what does not need the library.
#![allow(dead_code, reason = "the commands that use it follow")]

mod config;
mod env;
mod output;
mod personality;
mod terminal;

fn main() {}
