//! What people and scripts read: data on standard output, everything else on standard error.

pub mod json;
pub mod printer;
pub mod table;
pub mod template;
pub mod time;
pub mod units;
pub mod views;
pub mod yaml;
