//! From an image config and a request to an OCI runtime specification.
