//! The Container Runtime Interface v1 (Kubernetes 1.36's `runtime.v1`): its messages, a client and a trait for each
//! of its two services. Only that: the orchestrator speaks CRI through this crate, and depends on nothing of `runtime`.
//!
//! `proto/` has the messages by subject. Field numbers are the interface's; the words of its meaning are in the
//! Kubernetes documentation of the CRI.

mod auth;
#[cfg(feature = "json")]
pub mod json;

/// Package `runtime.v1`, as it is generated.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("runtime.v1");
}
