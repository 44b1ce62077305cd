//! A message is a little-endian `u32` length and that many bytes of JSON, on a stream
//! socket; descriptors travel as `SCM_RIGHTS` with its first byte.
