//! Family 0f: what is erased outside the ledger (rulebook §12). The ledger itself holds nothing to erase: documents are commitments.

pub mod record_erasure;
