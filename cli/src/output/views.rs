//! What objects look like: plain values in, tables' rows and JSON out. Nothing here asks
//! the library, so that every view is tested with values made up.

pub mod container_inspect;
pub mod containers;
pub mod crictl;
pub mod disk_usage;
pub mod doctor;
pub mod events;
pub mod fsck;
pub mod image_history;
pub mod image_inspect;
pub mod images;
pub mod info;
pub mod labels;
pub mod network_inspect;
pub mod network_settings;
pub mod networks;
pub mod ports;
pub mod processes;
pub mod state;
pub mod stats;
pub mod volumes;
