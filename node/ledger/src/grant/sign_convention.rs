//! `sign_convention`: a party signs the convention of an offered grant; with the last signature the grant is active.
//!
//! - Allowed: each beneficiary, by an office that may use that role; and an active organisation with the role ordonnateur over the fund, of no group
//!   that benefits, reviewed or manages the programme.
//! - Effect: signatures gather over one commitment, one date and one payee's account, which the lead gives and the ordonnateur repeats.
//! - Source: rulebook §7 and §17, 0801.

use super::{
    grant::{Convention, Grant, GrantStatus},
    lapse_offer::LapseOffer,
};
use crate::{
    action::{Action, Effect, Kind, Place},
    due,
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, first_of_group},
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// What a party signs as.
    pub enum Capacity {
        /// For the fund.
        Ordonnateur = "ordonnateur",
        /// For itself.
        Beneficiary = "beneficiary",
    }
}

message! {
    /// The payload.
    pub struct SignConvention = SignConvention {
        /// Which grant.
        pub grant: GrantId,
        /// Commitment to the text.
        pub convention: Commitment,
        /// Its date.
        pub date: LegalDate [required],
        /// Where the lead is paid: given by the lead and the ordonnateur alone.
        pub payee_account: Option<Commitment>,
    }

    /// The event.
    pub struct ConventionSigned = ConventionSigned {
        /// Which grant.
        pub grant: GrantId,
        /// Who signed.
        pub party: OrganisationId,
        /// As what.
        pub signs_as: Capacity,
        /// Commitment to the text.
        pub convention: Commitment,
        /// Its date.
        pub date: LegalDate [required],
        /// Where the lead is paid.
        pub payee_account: Option<Commitment>,
        /// Whether it was the last signature: the grant is active.
        pub complete: bool,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    SegregationReviewer(OrganisationId): Segregation 2 "the signer is of the group of reviewer {0}", "the ordonnateur's group reviewed the application";
    SegregationManager(OrganisationId): Segregation 3 "the signer is of the group of programme manager {0}", "the ordonnateur's group opened the call or screened the application";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not offered, or no more";
    StateSigned(Capacity): State 2 "the {0} has signed", "the party has signed already";
    StatePayee(): State 3 "the lead and the ordonnateur name the payee's account, partners do not", "the payee's account is missing, or a partner gives one";
    StateOther(): State 4 "others signed another commitment, date or payee's account", "commitment, date or account differ from what others signed";
    WindowLapsed(BlockTime): Window 1 "the convention had to be signed before {0}", "the time to sign has lapsed";
    DateFuture(LegalDate, LegalDate): Date 1 "date {0} is after today, {1}", "the date is in the future";
}
signer_refusals!(Refused);

impl Action for SignConvention {
    type Event = ConventionSigned;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ConventionSigned, Refused> {
        let Self { grant: id, convention, date, payee_account } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        let signs_as = capacity(grant, &cx.organisation);
        match signs_as {
            Capacity::Beneficiary => cx.authorise(state, Role::Beneficiary, Scope::Network)?,
            Capacity::Ordonnateur => cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?,
        }
        if signs_as == Capacity::Ordonnateur {
            check_segregation(grant, &cx.organisation, state)?;
        }
        if grant.status != GrantStatus::Offered {
            return Err(Refused::StateGrant(id, grant.status));
        }
        if grant.signed.contains(&cx.organisation) || (signs_as == Capacity::Ordonnateur && grant.ordonnateur.is_some())
        {
            return Err(Refused::StateSigned(signs_as));
        }
        let names_payee = signs_as == Capacity::Ordonnateur || grant.lead() == cx.organisation;
        if names_payee != payee_account.is_some() {
            return Err(Refused::StatePayee());
        }
        if let Some(signed) = &grant.convention {
            let same_payee = match (signed.payee_account, payee_account) {
                (Some(signed), Some(given)) => signed == given,
                (Some(_) | None, None) | (None, Some(_)) => true,
            };
            if signed.commitment != convention || signed.date != date || !same_payee {
                return Err(Refused::StateOther());
            }
        }
        if cx.place.time >= grant.sign_before {
            return Err(Refused::WindowLapsed(grant.sign_before));
        }
        let today = cx.place.date();
        if date > today {
            return Err(Refused::DateFuture(date, today));
        }
        let (project, lead) = (grant.project, grant.lead());
        let complete = match signs_as {
            Capacity::Beneficiary => grant.signed.len() + 1 == grant.parties.len() && grant.ordonnateur.is_some(),
            Capacity::Ordonnateur => grant.signed.len() == grant.parties.len(),
        };
        let party = cx.organisation;
        Ok(ConventionSigned { grant: id, party, signs_as, convention, date, payee_account, complete, project, lead })
    }
}

/// A beneficiary signs for itself, whatever roles it holds besides.
pub(super) fn capacity(grant: &Grant, signer: &OrganisationId) -> Capacity {
    if grant.parties.iter().any(|party| party.organisation == *signer) {
        Capacity::Beneficiary
    } else {
        Capacity::Ordonnateur
    }
}

fn check_segregation(grant: &Grant, signer: &OrganisationId, state: &Overlay<'_>) -> Result<(), Refused> {
    if let Some(party) = first_of_group(state, signer, grant.parties.iter().map(|party| party.organisation)) {
        return Err(Refused::SegregationBeneficiary(party));
    }
    if let Some(reviewer) = first_of_group(state, signer, grant.reviewers(state)) {
        return Err(Refused::SegregationReviewer(reviewer));
    }
    match first_of_group(state, signer, grant.managers(state)) {
        Some(manager) => Err(Refused::SegregationManager(manager)),
        None => Ok(()),
    }
}

impl Effect for ConventionSigned {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { grant, party, signs_as, convention, date, payee_account, complete, project: _, lead: _ } = self;
        if *complete {
            let sign_before = state.get::<Grant>(grant).expect("decide: the grant exists").sign_before;
            due::cancel(state, sign_before, Kind::LapseOffer, LapseOffer::object(grant));
        }
        state.update::<Grant>(grant, |record| {
            let known = record.convention.as_ref().and_then(|signed| signed.payee_account);
            record.convention =
                Some(Convention { commitment: *convention, date: *date, payee_account: known.or(*payee_account) });
            match signs_as {
                Capacity::Beneficiary => record.signed.push(*party),
                Capacity::Ordonnateur => record.ordonnateur = Some(*party),
            }
            if *complete {
                record.status = GrantStatus::Active;
            }
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.party),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::{DAY, assert_round_trips, commitment, id},
        grant::fixture::*,
    };

    #[test]
    fn a_signature_is_refused_in_order_of_precedence() {
        let (mut network, grant) = offered();
        for organisation in ["asso1_branch", "federation", "foundation"] {
            give(&mut network, organisation, Role::Ordonnateur);
        }
        let mut act = signature(&network, grant, None);
        act.date = act.date.plus_days(1).unwrap();
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| {
                record.status = GrantStatus::Terminated;
                record.ordonnateur = Some(id("region"));
                record.sign_before = BlockTime(0);
                record.convention = Some(Convention {
                    commitment: commitment("other"),
                    date: act.date,
                    payee_account: Some(commitment("other account")),
                });
            });
        });
        let steps: &[Step<SignConvention>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("SegregationBeneficiary", |t| t.sign_as("federation")),
            ("SegregationReviewer", |t| t.sign_as("foundation")),
            ("SegregationManager", |t| t.sign_as("region")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Offered)),
            ("StateSigned", |t| edit(t, |record| record.ordonnateur = None)),
            ("StatePayee", |t| t.act.payee_account = Some(payee_account())),
            ("StateOther", |t| {
                t.act.convention = commitment("other");
                t.act.payee_account = Some(commitment("other account"));
            }),
            ("WindowLapsed", |t| {
                let later = t.network.in_days(1);
                edit(t, |record| record.sign_before = later);
            }),
            ("DateFuture", |t| {
                let today = t.network.today();
                t.act.date = today;
                edit(t, |record| record.convention.as_mut().unwrap().date = today);
            }),
        ];
        let trial = Trial::faulty(network, "lab", act);
        assert_precedence(Kind::SignConvention, trial, Payload::SignConvention, steps);
    }

    #[test]
    fn the_grant_is_active_with_the_last_signature_and_not_before() {
        let (mut network, grant) = offered();
        let with = Some(payee_account());
        assert_round_trips(&Payload::SignConvention(signature(&network, grant, with)));
        for (party, account, status, complete) in [
            ("region", with, GrantStatus::Offered, false),
            ("asso1", with, GrantStatus::Offered, false),
            ("asso2", None, GrantStatus::Active, true),
        ] {
            let act = signature(&network, grant, account);
            let Event::SignConvention(signed) = run(&mut network, party, Payload::SignConvention(act)) else {
                panic!()
            };
            assert_eq!((record(&network, grant).status, signed.complete), (status, complete), "{party}");
        }
        let record = record(&network, grant);
        assert_eq!(record.signed, [id("asso1"), id("asso2")]);
        assert_eq!(record.ordonnateur, Some(id("region")));
        assert_eq!(record.convention.unwrap().payee_account, with);
    }

    #[test]
    fn the_ordonnateur_repeats_the_account_that_the_lead_gave_and_partners_give_none() {
        let (mut network, grant) = offered();
        let act = signature(&network, grant, Some(payee_account()));
        run(&mut network, "asso1", Payload::SignConvention(act));
        let wrong = signature(&network, grant, Some(commitment("another")));
        assert_eq!(network.refusal("region", Payload::SignConvention(wrong)), "StateOther");
        let given = signature(&network, grant, Some(payee_account()));
        assert_eq!(network.refusal("asso2", Payload::SignConvention(given)), "StatePayee");
    }

    #[test]
    fn an_offer_is_signed_until_the_last_millisecond_before_it_lapses() {
        let (mut network, grant) = offered();
        let lapses_at = record(&network, grant).sign_before;
        assert_eq!(lapses_at, BlockTime(network.now().0 + 90 * DAY));
        let act = Payload::SignConvention(signature(&network, grant, None));
        let mut last = network.clone();
        last.advance_to(BlockTime(lapses_at.0 - 2));
        assert!(last.decide("asso2", act.clone()).is_ok());
        let mut late = network.clone();
        late.advance_to(BlockTime(lapses_at.0 - 1));
        // Time decides, not whether the lapse has run.
        assert_eq!(late.refusal("asso2", act.clone()), "WindowLapsed");
        network.advance_to(lapses_at);
        assert_eq!(network.refusal("asso2", act), "StateGrant");
    }

    #[test]
    fn a_signed_grant_does_not_lapse() {
        let (mut network, grant) = active();
        let receipts = network.advance(91 * DAY);
        assert!(!receipts.iter().any(|receipt| matches!(receipt.event(), Some(Event::LapseOffer(_)))));
        assert_eq!(record(&network, grant).status, GrantStatus::Active);
    }
}
