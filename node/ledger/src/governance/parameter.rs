//! The change `set_parameter`.

use super::change::SetParameter;
use crate::parameters::Parameter;

/// Why a parameter cannot have a value.
pub(super) enum ParameterFault {
    /// No parameter has that name.
    Unknown,
    /// The value is outside its bounds.
    Bounds,
}

/// The parameter, if the value is within its bounds.
pub(super) fn check(asked: &SetParameter) -> Result<Parameter, ParameterFault> {
    let SetParameter { name, value } = asked;
    let parameter = Parameter::of_name(name.as_str()).ok_or(ParameterFault::Unknown)?;
    let (least, most) = parameter.bounds();
    if (least..=most).contains(value) { Ok(parameter) } else { Err(ParameterFault::Bounds) }
}
