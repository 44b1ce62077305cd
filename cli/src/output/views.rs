//! What objects look like: plain values in, tables' rows and JSON out. Nothing here asks
//! the library, so that every view is tested with values made up.

pub mod container_inspect;
pub mod containers;
pub mod image_history;
pub mod image_inspect;
pub mod images;
pub mod info;
pub mod labels;
pub mod state;
