//! octroi-end-to-end
