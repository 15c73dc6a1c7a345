//! The change `adopt_policy`: how a fund's money is split from a period on; it may begin with new envelopes (rulebook §4, table B; §6).

use super::policy::{Policy, PolicyFault};
use crate::{
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    registry::fund::{Envelope, Fund},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Envelopes of a change, at most.
const ENVELOPES: usize = 64;

message! {
    /// An envelope that begins.
    pub struct NewEnvelope = NewEnvelope {
        /// Its code.
        pub code: EnvelopeCode,
        /// Name for people.
        pub name: Name,
    }

    /// What is asked.
    pub struct AdoptPolicy = AdoptPolicy {
        /// Code of the policy.
        pub code: PolicyCode,
        /// The policy.
        pub policy: Policy [required],
        /// Envelopes that begin with it.
        pub envelopes: Vec<NewEnvelope>,
    }
}

impl From<PolicyFault> for Fault {
    fn from(fault: PolicyFault) -> Self {
        let words = fault.to_string();
        match fault {
            PolicyFault::UnknownFund(_) | PolicyFault::UnknownEnvelope(_) | PolicyFault::Need(_) => {
                Self::Unknown(words)
            }
            PolicyFault::Period(_) => Self::State(words),
            PolicyFault::Shares(_) => Self::Shares(words),
            PolicyFault::Limit(_) => Self::Limit(words),
            PolicyFault::Duplicate(_) => Self::Duplicate(words),
        }
    }
}

/// Whether new envelopes can stand in a change: few, each once, names without personal data.
pub(crate) fn check_new(envelopes: &[NewEnvelope]) -> Result<(), ShapeFault> {
    let distinct: BTreeSet<EnvelopeCode> = envelopes.iter().map(|envelope| envelope.code).collect();
    if distinct.len() != envelopes.len() || distinct.len() > ENVELOPES {
        return Err(ShapeFault::Limit(format!("{} envelopes: up to {ENVELOPES}, each once", envelopes.len())));
    }
    match envelopes.iter().find(|envelope| personal_data::scan(&envelope.name).is_some()) {
        Some(envelope) => {
            Err(ShapeFault::PersonalData(format!("the name {:?} looks like personal data", envelope.name)))
        }
        None => Ok(()),
    }
}

/// Writes new envelopes of a fund.
pub(crate) fn begin(fund: FundCode, envelopes: &[NewEnvelope], state: &mut Overlay<'_>) {
    for NewEnvelope { code, name } in envelopes {
        state.put::<Envelope>((fund, *code), Envelope { name: name.clone() });
    }
}

impl AdoptPolicy {
    fn check(&self, state: &Overlay<'_>) -> Result<(), Fault> {
        let Self { code, policy, envelopes } = self;
        let fund = state.get::<Fund>(&policy.fund).ok_or(PolicyFault::UnknownFund(policy.fund))?;
        if let Some(known) = envelopes.iter().find(|envelope| state.has::<Envelope>(&(policy.fund, envelope.code))) {
            return Err(Fault::Duplicate(format!("envelope {} exists", known.code)));
        }
        if state.has::<Policy>(code) {
            return Err(Fault::Duplicate(format!("policy {code} exists")));
        }
        if policy.valid_from < fund.next_period {
            return Err(Fault::State(format!("period {} is closed", policy.valid_from)));
        }
        let mut trial = state.scratch();
        begin(policy.fund, envelopes, &mut trial);
        Ok(policy.check(code, &trial)?)
    }
}

impl Motion for AdoptPolicy {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn elements(asked: &Self) -> usize {
        let sources: usize = asked.policy.sources.iter().map(|source| 1 + source.shares.len()).sum();
        asked.envelopes.len() + asked.policy.shares.len() + asked.policy.territorial.len() + sources
    }

    fn written(asked: &Self) -> usize {
        2 + asked.envelopes.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        Ok(check_new(&asked.envelopes)?)
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.check(state).or_else(Fault::later)?)
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.check(state)?)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Fund>(&asked.policy.fund))
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        Some(asked.policy.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.check(state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        begin(asked.policy.fund, &asked.envelopes, state);
        state.put::<Policy>(asked.code, asked.policy.clone());
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        let envelopes = asked.envelopes.iter().map(|new| RecordRef::of::<Envelope>(&(asked.policy.fund, new.code)));
        core::iter::once(RecordRef::of::<Policy>(&asked.code)).chain(envelopes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{fund, money, name},
        governance::{change::Content, enact_change::tests::enact_now},
        redistribution::policy::{PolicyShare, in_force},
    };

    fn asked() -> AdoptPolicy {
        let mut policy = money::policy();
        policy.valid_from = "2027Q2".parse().unwrap();
        policy.shares[0] = PolicyShare { envelope: EnvelopeCode::new("repair").unwrap(), ppm: policy.shares[0].ppm };
        let envelopes =
            vec![NewEnvelope { code: EnvelopeCode::new("repair").unwrap(), name: name("Repair (invented)") }];
        AdoptPolicy { code: PolicyCode::new("p2027b").unwrap(), policy, envelopes }
    }

    #[test]
    fn an_adopted_policy_decides_from_its_period_on_and_its_envelopes_begin_with_it() {
        let mut network = money::network();
        enact_now(&mut network, Content::AdoptPolicy(asked())).unwrap();
        let state = network.state.overlay();
        let decides = |period: &str| in_force(&state, &fund(), period.parse().unwrap()).unwrap().0;
        assert_eq!((decides("2027Q1"), decides("2027Q2")), (money::policy_code(), asked().code));
        assert!(state.has::<Envelope>(&(fund(), EnvelopeCode::new("repair").unwrap())));
    }

    #[test]
    fn a_policy_that_breaks_a_rule_is_carried_and_not_enacted() {
        let refused = |change: fn(&mut AdoptPolicy)| {
            let mut asked = asked();
            change(&mut asked);
            enact_now(&mut money::network(), Content::AdoptPolicy(asked)).unwrap_err()
        };
        assert_eq!(refused(|it| it.envelopes.clear()), "UnknownNamed");
        assert_eq!(refused(|it| it.code = money::policy_code()), "DuplicateNamed");
        assert_eq!(refused(|it| it.envelopes[0].code = EnvelopeCode::new("commons").unwrap()), "DuplicateNamed");
        assert_eq!(refused(|it| it.policy.valid_from = "2026Q4".parse().unwrap()), "StateNamed");
        assert_eq!(refused(|it| it.policy.shares[1].ppm = money::ppm(1)), "SharesNamed");
    }
}
