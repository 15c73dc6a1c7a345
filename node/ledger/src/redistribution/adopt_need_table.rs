//! The change `adopt_need_table`: what the territories of a level need, for policies to split by (rulebook §4, table B; §6).

use super::need::{NeedFault, NeedTable};
use crate::{
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// What is asked.
    pub struct AdoptNeedTable = AdoptNeedTable {
        /// Code of the table; a table never changes, another one has another code.
        pub code: Code,
        /// The table.
        pub table: NeedTable [required],
    }
}

impl From<NeedFault> for Fault {
    fn from(fault: NeedFault) -> Self {
        let words = fault.to_string();
        match fault {
            NeedFault::Duplicate(_) => Self::Duplicate(words),
            NeedFault::Limit(_) => Self::Limit(words),
            NeedFault::Bounds(_) => Self::Amount(words),
            NeedFault::Territory(_) => Self::Territory(words),
        }
    }
}

impl Motion for AdoptNeedTable {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn elements(asked: &Self) -> usize {
        asked.table.rows.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        Ok(asked.table.check_shape().map_err(|fault| match fault {
            NeedFault::Bounds(_) => ShapeFault::Amount(fault.to_string()),
            NeedFault::Duplicate(_) | NeedFault::Limit(_) | NeedFault::Territory(_) => {
                ShapeFault::Limit(fault.to_string())
            }
        })?)
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.table.check(&asked.code, state).map_err(Fault::from).or_else(Fault::later)?)
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.table.check(&asked.code, state).map_err(Fault::from)?)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.table.check(&asked.code, state).map_err(Fault::from)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<NeedTable>(asked.code, asked.table.clone());
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        vec![RecordRef::of::<NeedTable>(&asked.code)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        governance::{change::Content, enact_change::tests::enact_now},
        redistribution::need,
    };

    #[test]
    fn a_table_is_adopted_once_and_never_changes() {
        let mut network = fixture::network();
        let code = Code::new("need").unwrap();
        let asked = || Content::AdoptNeedTable(AdoptNeedTable { code, table: need::tests::table() });
        enact_now(&mut network, asked()).unwrap();
        assert_eq!(network.state.get::<NeedTable>(&code), Some(&need::tests::table()));
        assert_eq!(enact_now(&mut network, asked()), Err("DuplicateNamed"));
    }
}
