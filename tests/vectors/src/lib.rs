//! Frozen vectors: what the formats of docs/formats.md give for one fixed story, and a check that nobody changes them unnoticed.
//!
//! [`network`] is a chain whose keys are known, made by the rules themselves; [`year`] plays on it a story in which every kind of transaction
//! happens; [`vectors`] writes down its bytes, hashes and roots. The files in `data` are frozen: bytes that change need a new version of the format,
//! and with it new files beside the old ones. `recompute.py`, written from docs/formats.md alone, computes the hashes of the files again.
//!
//! Promises: the same bytes on every machine. Must not know: how a node stores or sends anything.

pub mod network;
pub mod vectors;
pub mod year;
