//! The signed and certified words: one encoding each, and nothing believed without its proof.

mod archive;
mod certificates;
mod encoding;
mod fixture;
mod selection;
