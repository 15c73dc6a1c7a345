//! `open_clawback`: two organisations that answer for the fund ask for money of a grant back.
//!
//! - Allowed: active organisations with the role ordonnateur, comptable or programme manager over the fund, of no group that benefits.
//! - Effect: the first one's word waits; when another group says the same (amount, reason, document), the clawback is open: receivable against
//!   uncollected, with a reference (C and 26 characters). Other words replace those that wait.
//! - Source: rulebook §7, clawback; table A, clawback opened.

use super::{
    clawback::{Clawback, ClawbackReason, authorise_steward},
    grant::{Grant, ProposedClawback},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    registry::{fund::Fund, organisation::Organisation, project::Project},
    signer::{Context, first_of_group, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct OpenClawback = OpenClawback {
        /// Of which grant.
        pub grant: GrantId,
        /// How much.
        pub amount: Amount [required],
        /// Why.
        pub reason: ClawbackReason,
        /// Hash of the document that explains it.
        pub document: Commitment,
    }

    /// The event.
    pub struct ClawbackOpened = ClawbackOpened {
        /// Of which grant.
        pub grant: GrantId,
        /// Who says so.
        pub party: OrganisationId,
        /// How much.
        pub amount: Amount [required],
        /// Why.
        pub reason: ClawbackReason,
        /// Hash of the document that explains it.
        pub document: Commitment,
        /// The new clawback; `None` while a second organisation has not said the same.
        pub clawback: Option<ClawbackId>,
        /// Who said it first.
        pub first: Option<OrganisationId>,
        /// The fund.
        pub fund: FundCode,
        /// Receivable → uncollected.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the signer's group benefits";
    DuplicateGroup(OrganisationId): Duplicate 1 "{0} of the same group has said so", "the signer's group has said the same already";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the grant's currency {1}", "the amount is in another currency than the grant";
    AmountRefundable(u64, u64): Amount 2 "{0} minor units, {1} can come back", "it is more than was paid and is not asked back already";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl Action for OpenClawback {
    type Event = ClawbackOpened;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ClawbackOpened, Refused> {
        let Self { grant: id, amount, reason, document } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        authorise_steward(cx, state, grant.fund)?;
        let parties = grant.parties.iter().map(|party| party.organisation);
        if let Some(party) = first_of_group(state, &cx.organisation, parties) {
            return Err(Refused::SegregationBeneficiary(party));
        }
        let same =
            |said: &&ProposedClawback| (said.amount, said.reason, said.document) == (amount.minor, reason, document);
        let first = grant.proposed_clawback.as_ref().filter(same).map(|said| said.party);
        if let Some(party) = first
            && same_group(state, &party, &cx.organisation)
        {
            return Err(Refused::DuplicateGroup(party));
        }
        if amount.currency != grant.awarded.currency {
            return Err(Refused::CurrencyOther(amount.currency, grant.awarded.currency));
        }
        if amount.minor > grant.refundable() {
            return Err(Refused::AmountRefundable(amount.minor, grant.refundable()));
        }
        let mut event = ClawbackOpened {
            grant: id,
            party: cx.organisation,
            amount,
            reason,
            document,
            clawback: first.map(|_| ClawbackId::new(object_id("clawback", &cx.place.transaction))),
            first,
            fund: grant.fund,
            postings: Postings::default(),
            project: grant.project,
            lead: grant.lead(),
        };
        if let Some(clawback) = event.record() {
            let mut movement = Movement::in_fund(grant.fund);
            clawback.post_opened(&mut movement);
            // Both accounts grow on their own side, so nothing can be missing.
            event.postings = movement.check(state).map_err(Refused::Overflow)?;
        }
        Ok(event)
    }
}

impl ClawbackOpened {
    /// What is opened, once two organisations have said the same.
    fn record(&self) -> Option<Clawback> {
        let Self { grant, party, amount, reason, document, first, fund, lead, .. } = self;
        first.map(|first| Clawback {
            grant: *grant,
            fund: *fund,
            lead: *lead,
            amount: *amount,
            reason: *reason,
            document: *document,
            opened_by: vec![first, *party],
            received: 0,
            offset: 0,
            waived: 0,
        })
    }
}

impl Effect for ClawbackOpened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { party, amount, reason, document, .. } = self;
        let opened = self.clawback.zip(self.record());
        let waits = ProposedClawback { party: *party, amount: amount.minor, reason: *reason, document: *document };
        let proposed_clawback = if opened.is_some() { None } else { Some(waits) };
        state.update::<Grant>(&self.grant, |grant| grant.proposed_clawback = proposed_clawback);
        if let Some((id, clawback)) = opened {
            clawback.enter(state, id);
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.party),
        ];
        subjects.extend(self.clawback.map(|clawback| RecordRef::of::<Clawback>(&clawback)));
        subjects.extend(self.first.map(|first| RecordRef::of::<Organisation>(&first)));
        distinct(subjects)
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, balance_of},
        action::{Event, Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        bank::{
            match_entry::MatchEntry,
            matching::{MatchTarget, Target},
        },
        fixture::{account, assert_round_trips, fund, id},
        grant::fixture::*,
        registry::role::Role,
    };

    fn faulty() -> Trial<OpenClawback> {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        give(&mut network, "asso1_branch", Role::Comptable);
        give(&mut network, "bank_branch", Role::ProgrammeManager);
        let mut act = clawback(grant, 0);
        act.amount.currency = "CHF".parse().unwrap();
        let said = ProposedClawback { party: id("bank"), amount: 300_001, reason: act.reason, document: act.document };
        network.edit(|state| state.update::<Grant>(&grant, |grant| grant.proposed_clawback = Some(said)));
        Trial::faulty(network, "lab", act)
    }

    #[test]
    fn a_clawback_is_refused_in_order_of_precedence() {
        let steps: &[Step<OpenClawback>] = &[
            ("AmountBounds", |t| t.act.amount.minor = 300_001),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("SegregationBeneficiary", |t| t.sign_as("bank_branch")),
            ("DuplicateGroup", |t| t.sign_as("region")),
            ("CurrencyOther", |t| t.act.amount.currency = Currency::EUR),
            ("AmountRefundable", |t| {
                t.act.amount.minor = 300_000;
                edit(t, |grant| grant.proposed_clawback.as_mut().unwrap().amount = 300_000);
                let grant = t.act.grant;
                set_balance(t, Account::ClawbackReceivable { grant }, i128::MAX);
            }),
            ("Overflow", |t| {
                let grant = t.act.grant;
                set_balance(t, Account::ClawbackReceivable { grant }, 0);
            }),
        ];
        assert_precedence(Kind::OpenClawback, faulty(), Payload::OpenClawback, steps);
    }

    #[test]
    fn a_clawback_is_opened_by_two_groups_that_say_the_same() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        give(&mut network, "bank_branch", Role::ProgrammeManager);
        let act = Payload::OpenClawback(clawback(grant, 200_000));
        assert_round_trips(&act);
        let Event::OpenClawback(first) = run(&mut network, "bank", act.clone()) else { panic!() };
        assert_eq!((first.clawback, first.postings()), (None, None));
        assert_eq!(network.refusal("bank_branch", act.clone()), "DuplicateGroup");
        // Other words replace those that wait.
        run(&mut network, "foundation", Payload::OpenClawback(clawback(grant, 100_000)));
        run(&mut network, "bank", act.clone());
        let Event::OpenClawback(opened) = run(&mut network, "region", act) else { panic!() };
        let made = network.state.get::<Clawback>(&opened.clawback.unwrap()).unwrap();
        assert_eq!((made.opened_by.as_slice(), made.open()), ([id("bank"), id("region")].as_slice(), 200_000));
        assert_eq!(balance_of(&network.state, &Account::ClawbackReceivable { grant }), 200_000);
        assert_eq!(credit_of(&network, &Account::Uncollected { fund: fund() }), 200_000);
        assert_eq!(record(&network, grant).refundable(), 100_000);
    }

    #[test]
    fn what_comes_back_of_a_clawback_goes_to_the_envelope_that_it_came_from() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        let clawback = open(&mut network, grant, 200_000);
        let source = record(&network, grant).source();
        let envelope = credit_of(&network, &source);
        let entry = receive(&mut network, "clawed", 250_000);
        for (minor, left) in [(150_000, 50_000), (50_000, 0)] {
            let targets = vec![MatchTarget { target: Target::Clawback(clawback), amount: Amount::eur(minor) }];
            let act = Payload::MatchEntry(MatchEntry { account: account(), entry, targets });
            assert_round_trips(&act);
            run(&mut network, "bank", act);
            assert_eq!(balance_of(&network.state, &Account::ClawbackReceivable { grant }), left);
            assert_eq!(credit_of(&network, &Account::Uncollected { fund: fund() }), left);
        }
        assert_eq!(credit_of(&network, &source), envelope + 200_000);
        assert_eq!(record(&network, grant).recovered, 200_000);
        let targets = vec![MatchTarget { target: Target::Clawback(clawback), amount: Amount::eur(1) }];
        let act = Payload::MatchEntry(MatchEntry { account: account(), entry, targets });
        assert_eq!(network.refusal("bank", act), "StateTarget");
        run(&mut network, "bank", unmatch(entry));
        assert_eq!(credit_of(&network, &source), envelope);
        assert_eq!(balance_of(&network.state, &Account::ClawbackReceivable { grant }), 200_000);
        assert_eq!(credit_of(&network, &Account::Uncollected { fund: fund() }), 200_000);
        assert_eq!(record(&network, grant).recovered, 0);
    }

    #[test]
    fn a_transfer_that_comes_back_cannot_undo_what_a_clawback_asks_for() {
        use crate::grant::fail_payment::{FailPayment, ReturnedTransfer};
        let (mut network, grant) = active();
        let payout = pay(&mut network, grant, 1, 1, 300_000);
        open(&mut network, grant, 1);
        let entry = receive(&mut network, "back", 300_000);
        let returned = Some(ReturnedTransfer { account: account(), entry });
        let act = FailPayment { payout, reason: ReasonCode::new("closed").unwrap(), returned };
        assert_eq!(network.refusal("bank", Payload::FailPayment(act)), "StateAskedBack");
    }
}
