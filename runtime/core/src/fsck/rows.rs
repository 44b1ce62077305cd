//! Rows that can't be read, whatever they are of, and namespaces that containers are in.

use std::collections::BTreeSet;

use super::finding::Findings;
use super::look::Look;
use super::{aside, kinds};
use crate::Result;
use crate::state::{Durability, Labels, NamespaceRow};

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    for broken in look.rows.broken.iter().cloned() {
        let object = format!("{} {}", broken.table, broken.values.join("/"));
        found.add(kinds::ROW_DAMAGED, object.clone(), broken.why.clone()).mend(move |runtime| {
            aside::note(runtime.layout(), "rows", &object, &broken.text())?;
            let state = runtime.state();
            let is_mended = state.write(Durability::Power, |transaction| {
                broken.reset(transaction).map_err(state.error())
            })?;
            if is_mended {
                return Ok(());
            }
            if let ("snapshots", Some(id)) = (broken.table, broken.value("id")) {
                // Without its row it would be garbage.
                let folder = runtime.layout().snapshots().join(id);
                aside::put(runtime.layout(), "snapshots", &folder)?;
            }
            state.write(Durability::Power, |transaction| {
                broken.delete(transaction).map_err(state.error())
            })
        });
    }
    let known: BTreeSet<_> = look.rows.namespaces.iter().map(|row| row.name.as_str()).collect();
    let used: BTreeSet<_> = look.rows.containers.iter().map(|row| row.namespace.as_str()).collect();
    for name in used.difference(&known).map(|name| (*name).to_owned()) {
        found
            .add(kinds::NAMESPACE_MISSING, name.clone(), "containers are in it, and it has no row")
            .mend(move |runtime| {
                let state = runtime.state();
                state.write(Durability::Power, |transaction| {
                    NamespaceRow::ensure(transaction, &name, &Labels::new())
                        .map(drop)
                        .map_err(state.error())
                })
            });
    }
    Ok(())
}
