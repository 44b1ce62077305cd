//! Digests, references, platforms and image documents: parsing and checking, no input or output.
