//! Tests that treat the rules as a whole: random histories over all kinds (`tests/histories`).
//!
//! Must not know: networks, disks, or how validators agree.
