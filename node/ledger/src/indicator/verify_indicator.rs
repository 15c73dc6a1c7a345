//! `verify_indicator`: a third party has checked a declared value and finds it right.
//!
//! - Allowed: an active organisation with the role reviewer or auditor over whatever, of another group than the reporter and than what the value is about.
//! - Effect: the value is verified and stands. Who finds another value says so by a finding.
//! - Source: rulebook §11, §4 (0d02).

use super::{
    indicator::{Assurance, Indicator, IndicatorValue, Measured},
    report_indicator::record_of,
};
use crate::{
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{SignerRefusal, refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, RoleGrant, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct VerifyIndicator = VerifyIndicator {
        /// Which indicator.
        pub indicator: Code,
        /// About what.
        pub about: Measured [required],
        /// Of which period.
        pub period: Period,
        /// The value that was checked, as it is declared.
        pub value: i64,
        /// Commitment to the evidence.
        pub evidence: Commitment,
    }

    /// The event.
    pub struct IndicatorVerified = IndicatorVerified {
        /// What was asked.
        pub verification: VerifyIndicator [required],
        /// Who says so.
        pub verifier: OrganisationId,
        /// Who had reported it.
        pub reporter: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownValue(Code, Period): Unknown 1 "no value of indicator {0} is declared for {1}", "no such value is declared";
    SegregationGroup(OrganisationId): Segregation 1 "organisation {0} is of the signer's group", "the reporter, or what the value is about, is of the signer's group";
    StateVerified(OrganisationId): State 1 "organisation {0} has verified it", "the value is verified already";
    AmountValue(i64, i64): Amount 1 "value {0}; {1} is declared", "another value is declared now";
}
signer_refusals!(Refused);

/// Roles by which values are verified.
const ROLES: [Role; 2] = [Role::Reviewer, Role::Auditor];

/// The signer holds one of the roles somewhere.
fn authorise(cx: &Context<'_>, state: &Overlay<'_>) -> Result<(), SignerRefusal> {
    cx.active(state)?;
    let first = (cx.organisation, Role::Validator, Scope::Network);
    let granted = state.range::<RoleGrant>(first..).into_iter().map(|(key, _)| key);
    let own = granted.take_while(|(holder, _, _)| *holder == cx.organisation);
    // Whoever holds both may sign by an office that is entitled to one of them.
    let mut refused = SignerRefusal::Role(format!("organisation {} is neither reviewer nor auditor", cx.organisation));
    for (_, role, scope) in own.filter(|(_, role, _)| ROLES.contains(role)) {
        match cx.authorise(state, role, scope) {
            Ok(()) => return Ok(()),
            Err(refusal) => refused = refusal,
        }
    }
    Err(refused)
}

impl Action for VerifyIndicator {
    type Event = IndicatorVerified;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<IndicatorVerified, Refused> {
        let Self { indicator, about, period, value, evidence: _ } = self;
        authorise(cx, state)?;
        let declared = state
            .get::<IndicatorValue>(&(*indicator, *about, *period))
            .ok_or(Refused::UnknownValue(*indicator, *period))?;
        let mut parties = vec![declared.reporter];
        match about {
            Measured::Organisation(id) => parties.push(*id),
            Measured::Project(id) => {
                let project = state.get::<Project>(id);
                parties.extend(project.iter().flat_map(|project| project.co_holders.iter().chain([&project.holder])));
            }
            Measured::Network | Measured::Fund(_) | Measured::Territory(_) => {}
        }
        if let Some(own) = parties.iter().find(|party| same_group(state, party, &cx.organisation)) {
            return Err(Refused::SegregationGroup(*own));
        }
        if let Some(verifier) = declared.verifier {
            return Err(Refused::StateVerified(verifier));
        }
        if declared.value != *value {
            return Err(Refused::AmountValue(*value, declared.value));
        }
        let (verifier, reporter) = (cx.organisation, declared.reporter);
        Ok(IndicatorVerified { verification: self.clone(), verifier, reporter })
    }
}

impl Effect for IndicatorVerified {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let VerifyIndicator { indicator, about, period, .. } = self.verification;
        state.update::<IndicatorValue>(&(indicator, about, period), |value| {
            value.assurance = Assurance::Verified;
            value.verifier = Some(self.verifier);
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let organisations = [self.verifier, self.reporter];
        let organisations = organisations.iter().map(RecordRef::of::<Organisation>);
        let indicator = RecordRef::of::<Indicator>(&self.verification.indicator);
        distinct(organisations.chain([indicator]).chain(record_of(&self.verification.about)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload},
        indicator::{
            indicator::tests::code,
            report_indicator::tests::{measured, own, report},
        },
    };

    impl IntoPayload for VerifyIndicator {
        fn into_payload(self) -> Payload {
            Payload::VerifyIndicator(self)
        }
    }

    fn verification(organisation: &str, value: i64) -> VerifyIndicator {
        VerifyIndicator {
            indicator: code(),
            about: own(organisation),
            period: "2027Q1".parse().unwrap(),
            value,
            evidence: fixture::commitment("checked"),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence_and_a_verified_value_stands() {
        let mut network = measured();
        for (signer, value) in [("asso1", 7), ("federation", 9)] {
            network.run(signer, report(own(signer), value)).unwrap();
        }
        fixture::assert_round_trips(&verification("asso1", 7).into_payload());
        let mut suspended = network.clone();
        suspended.suspend("audit");
        let early = [
            suspended.refusal("audit", verification("asso1", 7)),
            network.refusal("lab", verification("asso1", 7)),
            network.refusal("audit", verification("asso2", 7)),
            network.refusal("federation", verification("federation", 9)),
        ];
        let other = network.refusal("audit", verification("asso1", 8));
        network.run("university", verification("asso1", 7)).unwrap();
        let reached = [early.as_slice(), &[network.refusal("audit", verification("asso1", 7)), other]].concat();
        fixture::assert_all_reached(Kind::VerifyIndicator, &reached);
        assert_eq!(network.refusal("asso1", report(own("asso1"), 6)), "StateVerified");
    }

    #[test]
    fn an_office_that_is_entitled_to_one_of_two_held_roles_verifies() {
        for role in ROLES {
            let mut network = measured();
            network.run("asso1", report(own("asso1"), 7)).unwrap();
            network.edit(|state| {
                for held in ROLES {
                    state.put::<RoleGrant>((fixture::id("audit"), held, Scope::Network), RoleGrant { change: None });
                }
                state.update::<Organisation>(&fixture::id("audit"), |audit| audit.offices[0].roles = vec![role]);
            });
            network.run("audit", verification("asso1", 7)).unwrap();
        }
    }
}
