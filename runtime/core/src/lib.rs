//! The daemonless container library: images, content, snapshots, containers and state.
