//! Family 7f: kinds that only development networks know.

pub mod advance_clock;
