//! Layers: decompression, digests and the safe application of tar streams to folders.
