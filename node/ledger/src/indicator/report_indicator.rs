//! `report_indicator`: who is to know declares an indicator's value for a period.
//!
//! - Allowed: an active organisation: of a project its holder or a co-holder, of an organisation itself, of a fund a programme manager of it, of a
//!   territory or the network a registrar.
//! - Effect: the value is declared; a later report replaces it, until it is verified.
//! - Source: rulebook §11, §4 (0d01).

use super::indicator::{Assurance, Indicator, IndicatorLevel, IndicatorValue, Measured};
use crate::{
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{SignerRefusal, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
        territory::Territory,
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct ReportIndicator = ReportIndicator {
        /// Which indicator.
        pub indicator: Code,
        /// About what.
        pub about: Measured [required],
        /// Of which period.
        pub period: Period,
        /// The figure times 10^scale.
        pub value: i64,
        /// Commitment to the evidence.
        pub evidence: Commitment,
    }

    /// The event.
    pub struct IndicatorReported = IndicatorReported {
        /// What was asked.
        pub report: ReportIndicator [required],
        /// Who reports it.
        pub reporter: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownIndicator(Code): Unknown 1 "indicator {0} is not defined", "the indicator is not defined";
    UnknownObject(Measured): Unknown 2 "{0} does not exist", "what the value is about does not exist";
    StateVerified(Period): State 1 "the value of {0} is verified", "the value is verified, and stands";
    WindowOpen(Period): Window 1 "period {0} has not ended", "the period has not ended";
    LimitLevel(IndicatorLevel): Limit 1 "the indicator is not measured for a {0}", "the indicator is of another level";
    LimitPeriod(Period, PeriodLength): Limit 2 "{0} is no {1}", "the indicator is of another period length";
}
signer_refusals!(Refused);

/// Who may report on it, judged once it is known to exist.
fn authorise(about: &Measured, cx: &Context<'_>, state: &Overlay<'_>) -> Result<(), SignerRefusal> {
    let own = |holds: bool| {
        cx.authorise(state, Role::Beneficiary, Scope::Network)?;
        let words = || format!("organisation {} neither is nor holds {about}", cx.organisation);
        if holds { Ok(()) } else { Err(SignerRefusal::Role(words())) }
    };
    match about {
        Measured::Organisation(id) => own(*id == cx.organisation),
        Measured::Project(id) => {
            own(state.get::<Project>(id).is_some_and(|project| project.is_held_by(&cx.organisation)))
        }
        Measured::Fund(code) => cx.authorise(state, Role::ProgrammeManager, Scope::Fund(*code)),
        Measured::Network | Measured::Territory(_) => cx.authorise(state, Role::Registrar, Scope::Network),
    }
}

/// The record that a value's story belongs to, if it is about one.
pub(super) fn record_of(about: &Measured) -> Option<RecordRef> {
    match about {
        Measured::Network => None,
        Measured::Fund(code) => Some(RecordRef::of::<Fund>(code)),
        Measured::Organisation(id) => Some(RecordRef::of::<Organisation>(id)),
        Measured::Project(id) => Some(RecordRef::of::<Project>(id)),
        Measured::Territory(code) => Some(RecordRef::of::<Territory>(code)),
    }
}

impl Action for ReportIndicator {
    type Event = IndicatorReported;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<IndicatorReported, Refused> {
        let Self { indicator, about, period, value: _, evidence: _ } = self;
        cx.active(state)?;
        if about.is_known(state) {
            authorise(about, cx, state)?;
        }
        let definition = state.get::<Indicator>(indicator).ok_or(Refused::UnknownIndicator(*indicator))?;
        if !about.is_known(state) {
            return Err(Refused::UnknownObject(*about));
        }
        let before = state.get::<IndicatorValue>(&(*indicator, *about, *period));
        if before.is_some_and(|value| value.assurance == Assurance::Verified) {
            return Err(Refused::StateVerified(*period));
        }
        if cx.place.time < period.end_time() {
            return Err(Refused::WindowOpen(*period));
        }
        if about.level() != definition.level {
            return Err(Refused::LimitLevel(about.level()));
        }
        if period.length() != definition.period {
            return Err(Refused::LimitPeriod(*period, definition.period));
        }
        Ok(IndicatorReported { report: self.clone(), reporter: cx.organisation })
    }
}

impl Effect for IndicatorReported {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let ReportIndicator { indicator, about, period, value, evidence } = self.report;
        let (reporter, assurance) = (self.reporter, Assurance::Declared);
        let record = IndicatorValue { value, evidence, reporter, assurance, verifier: None };
        state.put::<IndicatorValue>((indicator, about, period), record);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let indicator = RecordRef::of::<Indicator>(&self.report.indicator);
        let reporter = RecordRef::of::<Organisation>(&self.reporter);
        distinct([indicator, reporter].into_iter().chain(record_of(&self.report.about)).collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
        indicator::indicator::tests::{code, definition},
    };

    impl IntoPayload for ReportIndicator {
        fn into_payload(self) -> Payload {
            Payload::ReportIndicator(self)
        }
    }

    /// The first quarter is over, and `users_served` is measured for organisations; `of_fund` for funds.
    pub(in crate::indicator) fn measured() -> Network {
        let mut network = fixture::network();
        network.edit(|state| {
            state.put::<Indicator>(code(), definition(IndicatorLevel::Organisation));
            for (name, level) in [
                ("of_fund", IndicatorLevel::Fund),
                ("of_network", IndicatorLevel::Network),
                ("of_territory", IndicatorLevel::Territory),
            ] {
                state.put::<Indicator>(Code::new(name).unwrap(), definition(level));
            }
        });
        network.advance_to("2027Q1".parse::<Period>().unwrap().end_time());
        network
    }

    pub(in crate::indicator) fn report(about: Measured, value: i64) -> ReportIndicator {
        let evidence = fixture::commitment("evidence");
        ReportIndicator { indicator: code(), about, period: "2027Q1".parse().unwrap(), value, evidence }
    }

    pub(in crate::indicator) fn own(organisation: &str) -> Measured {
        Measured::Organisation(id(organisation))
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let network = measured();
        let good = || report(own("asso1"), 5);
        let mut suspended = network.clone();
        suspended.suspend("asso1");
        let mut verified = network.clone();
        verified.run("asso1", good()).unwrap();
        verified.edit(|state| {
            let key = (code(), own("asso1"), "2027Q1".parse().unwrap());
            state.update::<IndicatorValue>(&key, |value| value.assurance = Assurance::Verified);
        });
        let nobody = Measured::Organisation(OrganisationId::ZERO);
        let reached = [
            suspended.refusal("asso1", good()),
            network.refusal("asso2", good()),
            network.refusal("asso1", ReportIndicator { indicator: Code::new("none").unwrap(), ..good() }),
            network.refusal("asso1", report(nobody, 5)),
            verified.refusal("asso1", good()),
            network.refusal("asso1", ReportIndicator { period: "2027Q2".parse().unwrap(), ..good() }),
            network.refusal("foundation", report(Measured::Fund(fixture::fund()), 5)),
            network.refusal("asso1", ReportIndicator { period: "2026".parse().unwrap(), ..good() }),
        ];
        fixture::assert_all_reached(Kind::ReportIndicator, &reached);
    }

    #[test]
    fn who_is_to_know_reports_at_each_level_and_a_later_report_replaces_the_earlier_one() {
        let mut network = measured();
        let territory = Measured::Territory(TerritoryCode::new("44").unwrap());
        for (signer, name, about) in [
            ("asso1", "users_served", own("asso1")),
            ("foundation", "of_fund", Measured::Fund(fixture::fund())),
            ("bank", "of_network", Measured::Network),
            ("bank", "of_territory", territory),
        ] {
            let indicator = Code::new(name).unwrap();
            for value in [-3, 7] {
                let asked = ReportIndicator { indicator, ..report(about, value) };
                fixture::assert_round_trips(&asked.clone().into_payload());
                network.run(signer, asked).unwrap();
            }
            let key = (indicator, about, "2027Q1".parse().unwrap());
            assert_eq!(network.state.get::<IndicatorValue>(&key).unwrap().value, 7, "{name}");
            assert_eq!(network.refusal("asso3", ReportIndicator { indicator, ..report(about, 1) }), "RoleMissing");
        }
    }
}
