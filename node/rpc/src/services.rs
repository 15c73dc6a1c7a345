//! The services of package `octroi.v1`, each with its bounds.

use crate::{Limits, core::Core};
use tonic::service::Routes;

/// Names that the health service knows.
pub(crate) const NAMES: &[&str] = &[];

pub(crate) fn routes(_core: &Core, _limits: &Limits) -> Routes {
    Routes::default()
}
