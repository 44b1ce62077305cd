//! Tests against servers that lie.
