//! The change `set_parameter`.

use super::{
    change::{Mode, SetParameter},
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Motion},
    propose_change,
};
use crate::{
    action::Place,
    parameters::{Parameter, ParameterValue},
    state::Overlay,
};
use octroi_primitives::ChangeId;

/// Why a parameter cannot have a value.
enum ParameterFault {
    /// No parameter has that name.
    Unknown,
    /// The value is outside its bounds.
    Bounds,
}

/// The parameter, if the value is within its bounds.
fn check(asked: &SetParameter) -> Result<Parameter, ParameterFault> {
    let SetParameter { name, value } = asked;
    let parameter = Parameter::of_name(name.as_str()).ok_or(ParameterFault::Unknown)?;
    let (least, most) = parameter.bounds();
    if (least..=most).contains(value) { Ok(parameter) } else { Err(ParameterFault::Bounds) }
}

impl Motion for SetParameter {
    type Asked = Self;

    fn mode(asked: &Self, _: &Overlay<'_>) -> Mode {
        Parameter::of_name(asked.name.as_str()).map_or(Mode::Majority, |parameter| parameter.mode().into())
    }

    fn own(asked: &Self, _: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        check(asked).map(|_| ()).map_err(|fault| match fault {
            ParameterFault::Unknown => propose_change::Refused::ParameterUnknown(asked.name),
            ParameterFault::Bounds => propose_change::Refused::AmountParameter(asked.name, asked.value),
        })
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        let parameter = check(asked).map_err(|fault| match fault {
            ParameterFault::Unknown => enact_change::Refused::ParameterUnknown(asked.name),
            ParameterFault::Bounds => enact_change::Refused::AmountParameter(asked.name, asked.value),
        })?;
        Ok(Effects { previous_value: Some(state.parameter(parameter)), ..Effects::default() })
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<ParameterValue>(asked.name, ParameterValue { value: asked.value });
    }
}
