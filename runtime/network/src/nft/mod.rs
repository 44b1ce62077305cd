//! nftables: our table and what is in it, in transactions over one nfnetlink socket.
//!
//! - [`Rules`]: a socket, transactions, and the questions we have;
//! - `batch`: the messages that make tables, chains, sets and elements;
//! - `expression`: what a rule is made of;
//! - `table`: our table, rule by rule;
//! - `ports`, `members`: the elements of our maps and sets;
//! - `questions`: the small table inside a container, which leads questions for names to its name server.

mod batch;
mod expression;
mod members;
mod ports;
mod questions;
mod rules;
mod table;

pub(crate) use members::names;
pub(crate) use rules::{chain, handle};

pub use batch::{comment, delete_rule, insert_rule};

pub use expression::{Steps, Verdict};
pub use ports::number;
pub use questions::lead_questions;
pub use rules::{Chain, Hook, Rules};
pub use table::table_name;
