//! The crictl command line, laid out as cri-tools' client of CRI runtimes is.
//!
//! Beside the commands: [`globals`] and [`settings`] say where the runtime is and how long it may take, [`session`]
//! asks it; [`selection`] and [`labels`] choose objects, [`manifest`] reads the files that describe them,
//! [`credential`] is for pulls, [`format`] writes what has no table, [`streaming`] carries a command's streams.

mod attach;
mod checkpoint;
mod completion;
mod config;
mod create;
mod credential;
mod events;
mod exec;
mod format;
mod globals;
mod imagefsinfo;
mod images;
mod info;
mod inspect;
mod inspecti;
mod inspectp;
mod labels;
mod logs;
mod manifest;
mod metricdescs;
mod metricsp;
mod pods;
mod port_forward;
mod ps;
mod pull;
mod pulling;
mod rm;
mod rmi;
mod rmp;
mod run;
mod runp;
mod runtime_config;
mod selection;
mod session;
mod settings;
mod start;
mod stats;
mod statsp;
mod stop;
mod stopp;
mod streaming;
mod update;
mod update_runtime_config;
mod version;
mod watch;

pub use globals::CrictlArgs;

use super::Entry;

/// Sorted by name. A socket's own mode says who may: nothing here asks for root.
pub const TABLE: &[Entry] = &[
    Entry::verb::<attach::Args>("attach").without_root(),
    Entry::verb::<checkpoint::Args>("checkpoint").without_root(),
    Entry::verb::<completion::Args>("completion").without_root(),
    Entry::verb::<config::Args>("config").without_root(),
    Entry::verb::<create::Args>("create").without_root(),
    Entry::verb::<events::Args>("events").aliases(&["event"]).without_root(),
    Entry::verb::<exec::Args>("exec").without_root(),
    Entry::verb::<imagefsinfo::Args>("imagefsinfo").without_root(),
    Entry::verb::<images::Args>("images").aliases(&["image", "img"]).without_root(),
    Entry::verb::<info::Args>("info").without_root(),
    Entry::verb::<inspect::Args>("inspect").without_root(),
    Entry::verb::<inspecti::Args>("inspecti").without_root(),
    Entry::verb::<inspectp::Args>("inspectp").without_root(),
    Entry::verb::<logs::Args>("logs").without_root(),
    Entry::verb::<metricdescs::Args>("metricdescs").without_root(),
    Entry::verb::<metricsp::Args>("metricsp").without_root(),
    Entry::verb::<pods::Args>("pods").without_root(),
    Entry::verb::<port_forward::Args>("port-forward").without_root(),
    Entry::verb::<ps::Args>("ps").without_root(),
    Entry::verb::<pull::Args>("pull").without_root(),
    Entry::verb::<rm::Args>("rm").without_root(),
    Entry::verb::<rmi::Args>("rmi").without_root(),
    Entry::verb::<rmp::Args>("rmp").without_root(),
    Entry::verb::<run::Args>("run").without_root(),
    Entry::verb::<runp::Args>("runp").without_root(),
    Entry::verb::<runtime_config::Args>("runtime-config").without_root(),
    Entry::verb::<start::Args>("start").without_root(),
    Entry::verb::<stats::Args>("stats").without_root(),
    Entry::verb::<statsp::Args>("statsp").without_root(),
    Entry::verb::<stop::Args>("stop").without_root(),
    Entry::verb::<stopp::Args>("stopp").without_root(),
    Entry::verb::<update::Args>("update").without_root(),
    Entry::verb::<update_runtime_config::Args>("update-runtime-config").without_root(),
    Entry::verb::<version::Args>("version").without_root(),
];
