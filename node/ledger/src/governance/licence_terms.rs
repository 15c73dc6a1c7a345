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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{
            commitment,
            money::{self, date, schedule_code},
        },
        governance::{change::Content, enact_change::tests::enacted},
    };

    fn terms(schedule: Option<&str>) -> PublishLicenceTerms {
        PublishLicenceTerms {
            code: Code::new("reciprocal").unwrap(),
            terms: LicenceTerms {
                licence: Text::new("CC-BY-SA-4.0").unwrap(),
                document: commitment("terms"),
                schedule: schedule.map(schedule_code),
                valid_from: date(2027, 7, 1),
                note: Note::new("invented").unwrap(),
            },
        }
    }

    #[test]
    fn terms_name_a_reciprocity_levy_or_none() {
        let mut network = money::network();
        assert!(matches!(check(&terms(Some("none")), &network.state.overlay()), Err(Fault::Unknown(_))));
        assert!(matches!(check(&terms(Some("royalty")), &network.state.overlay()), Err(Fault::Schedule(_))));
        enacted(&mut network, "federation", Content::PublishLicenceTerms(terms(None)));
        let code = Code::new("reciprocal").unwrap();
        assert_eq!(network.state.get::<LicenceTerms>(&code), Some(&terms(None).terms));
        network.edit(|state| {
            state.update::<LevySchedule>(&schedule_code("royalty"), |levy| levy.kind = LevyKind::Reciprocity);
        });
        enacted(&mut network, "federation", Content::PublishLicenceTerms(terms(Some("royalty"))));
        assert_eq!(network.state.get::<LicenceTerms>(&code), Some(&terms(Some("royalty")).terms));
    }
}
