//! End-to-end tests of the built binary against a real kernel, registry and clients.
