//! The change `open_fund`: a new fund with its envelopes (rulebook §4, table B).

use super::{
    fund::{Envelope, Fund},
    organisation::Organisation,
};
use crate::{
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    redistribution::{
        adopt_policy::{NewEnvelope, begin, check_new},
        close_due_period::CloseDuePeriod,
    },
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// What is asked.
    pub struct OpenFund = OpenFund {
        /// Code of the fund.
        pub code: FundCode,
        /// Name for people.
        pub name: Name,
        /// Its one currency.
        pub currency: Currency,
        /// Its one period length.
        pub period_length: PeriodLength,
        /// The first period that is closed.
        pub first_period: Period,
        /// Who hosts it.
        pub host: Option<OrganisationId>,
        /// Its envelopes.
        pub envelopes: Vec<NewEnvelope>,
    }
}

impl OpenFund {
    fn check(&self, state: &Overlay<'_>) -> Result<(), Fault> {
        if let Some(host) = self.host
            && !state.has::<Organisation>(&host)
        {
            return Err(Fault::Unknown(format!("host {host} does not exist")));
        }
        if state.has::<Fund>(&self.code) {
            return Err(Fault::Duplicate(format!("fund {} exists", self.code)));
        }
        Ok(())
    }
}

impl Motion for OpenFund {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn elements(asked: &Self) -> usize {
        asked.envelopes.len()
    }

    fn written(asked: &Self) -> usize {
        3 + asked.envelopes.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let Self { name, currency, period_length, first_period, envelopes, .. } = asked;
        if !currency.is_iso4217() {
            return Err(ShapeFault::Currency(format!("{currency} is no ISO 4217 currency")).into());
        }
        if first_period.length() != *period_length {
            return Err(ShapeFault::Date(format!("period {first_period} is no {period_length}")).into());
        }
        if personal_data::scan(name).is_some() {
            return Err(ShapeFault::PersonalData(format!("the name {name:?} looks like personal data")).into());
        }
        Ok(check_new(envelopes)?)
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.check(state).or_else(Fault::later)?)
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.check(state)?)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.check(state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { code, name, currency, period_length, first_period, host, envelopes } = asked.clone();
        state.put::<Fund>(code, Fund { name, currency, period_length, next_period: first_period, host });
        begin(code, &envelopes, state);
        CloseDuePeriod::plan(code, first_period, state);
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        let envelopes = asked.envelopes.iter().map(|new| RecordRef::of::<Envelope>(&(asked.code, new.code)));
        let host = asked.host.map(|host| RecordRef::of::<Organisation>(&host));
        core::iter::once(RecordRef::of::<Fund>(&asked.code)).chain(host).chain(envelopes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{self, fund, id, name},
        governance::{change::Content, enact_change::tests::enact_now},
    };

    fn asked() -> OpenFund {
        OpenFund {
            code: FundCode::new("relief").unwrap(),
            name: name("Relief (invented)"),
            currency: Currency::EUR,
            period_length: PeriodLength::Month,
            first_period: "2027-02".parse().unwrap(),
            host: Some(id("foundation")),
            envelopes: vec![NewEnvelope { code: fixture::envelope("aid"), name: name("Aid") }],
        }
    }

    #[test]
    fn a_fund_is_opened_with_its_envelopes_and_the_close_of_its_first_period_is_planned() {
        let mut network = fixture::network();
        let planned = network.state.count::<crate::due::DueItem>();
        enact_now(&mut network, Content::OpenFund(asked())).unwrap();
        let record = network.state.get::<Fund>(&asked().code).unwrap();
        assert_eq!((record.next_period, record.host), (asked().first_period, Some(id("foundation"))));
        assert!(network.state.get::<Envelope>(&(asked().code, fixture::envelope("aid"))).is_some());
        assert_eq!(network.state.count::<crate::due::DueItem>(), planned + 1);
    }

    #[test]
    fn a_fund_that_exists_or_whose_host_does_not_is_not_opened() {
        let mut network = fixture::network();
        let existing = OpenFund { code: fund(), ..asked() };
        assert_eq!(enact_now(&mut network, Content::OpenFund(existing)), Err("DuplicateNamed"));
        let homeless = OpenFund { host: Some(OrganisationId::ZERO), ..asked() };
        assert_eq!(enact_now(&mut network, Content::OpenFund(homeless)), Err("UnknownNamed"));
    }
}
