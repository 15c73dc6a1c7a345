//! octroi-views
