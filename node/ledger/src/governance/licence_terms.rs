//! The change `publish_licence_terms`: the terms of a licence that a commons asks of its large commercial users (rulebook §4, §5 reciprocity).
//!
//! Terms are data: which licence, which document, which reciprocity levy goes with it, from when. Publishing again replaces what comes later, and
//! history keeps both.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion, ShapeFault},
    propose_change,
};
use crate::{
    action::Place,
    history::RecordRef,
    levy::schedule::{LevyKind, LevySchedule},
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Publishes the terms of a licence.
    pub struct PublishLicenceTerms = PublishLicenceTerms {
        /// Code of the terms.
        pub code: Code,
        /// As they are to stand.
        pub terms: LicenceTerms [required],
    }

    /// Record: the terms of a licence.
    pub struct LicenceTerms = LicenceTerms {
        /// The licence, as projects name it (SPDX).
        pub licence: Text<64>,
        /// Hash of the terms.
        pub document: Commitment,
        /// The reciprocity levy that goes with it.
        pub schedule: Option<ScheduleCode>,
        /// From which day on.
        pub valid_from: LegalDate [required],
        /// An official's own words.
        pub note: Note,
    }
}

impl Record for LicenceTerms {
    type Key = Code;
}

fn check(asked: &PublishLicenceTerms, state: &Overlay<'_>) -> Result<(), Fault> {
    let Some(code) = asked.terms.schedule else { return Ok(()) };
    let Some(schedule) = state.get::<LevySchedule>(&code) else {
        return Err(Fault::Unknown(format!("levy schedule {code} does not exist")));
    };
    match schedule.kind {
        LevyKind::Reciprocity => Ok(()),
        LevyKind::Revenue | LevyKind::Volumetric | LevyKind::DataRoyalty | LevyKind::Flat => {
            Err(Fault::Schedule(format!("schedule {code} is no reciprocity levy")))
        }
    }
}

impl Motion for PublishLicenceTerms {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let LicenceTerms { licence, note, .. } = &asked.terms;
        if personal_data::scan(licence).is_some() || personal_data::scan(note).is_some() {
            return Err(ShapeFault::PersonalData("the terms' text looks like personal data".into()).into());
        }
        Ok(())
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(check(asked, state)?)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        check(asked, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<LicenceTerms>(asked.code, asked.terms.clone());
    }

    fn subjects(asked: &Self, event: &ChangeEnacted) -> Vec<RecordRef> {
        if event.is_enacted() { vec![RecordRef::of::<LicenceTerms>(&asked.code)] } else { Vec::new() }
    }
}
