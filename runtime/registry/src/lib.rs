//! The client side of the OCI distribution specification: hosts, credentials, manifests and resumable blobs.
