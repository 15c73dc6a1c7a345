//! `return_money`: the lead beneficiary announces money of its grant that it sends back of its own accord.
//!
//! - Allowed: the lead, by an office that may use the role beneficiary; also while it is suspended.
//! - Effect: the return has a reference (B and 26 characters); no money moves before it is received and matched: suspense → the envelope it came from.
//! - Source: rulebook §4; table A, voluntary return of a grant.

use super::{clawback::MoneyReturn, grant::Grant};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct ReturnMoney = ReturnMoney {
        /// Of which grant.
        pub grant: GrantId,
        /// How much.
        pub amount: Amount [required],
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct ReturnAnnounced = ReturnAnnounced {
        /// The new return.
        pub id: ReturnId,
        /// As it stands in the state.
        pub money_return: MoneyReturn [required],
        /// Why.
        pub reason: ReasonCode,
        /// The project.
        pub project: ProjectId,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the grant's currency {1}", "the amount is in another currency than the grant";
    AmountRefundable(u64, u64): Amount 2 "{0} minor units, {1} can come back", "it is more than was paid and is not asked back already";
}
signer_refusals!(Refused);

impl Action for ReturnMoney {
    type Event = ReturnAnnounced;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ReturnAnnounced, Refused> {
        let Self { grant: of, amount, reason } = *self;

        cx.authorise_even_suspended(state, Role::Beneficiary, Scope::Network)?;
        let grant = state.get::<Grant>(&of).ok_or(Refused::UnknownGrant(of))?;
        let lead = grant.lead();
        if lead != cx.organisation {
            return Err(Refused::RoleMissing(format!("organisation {} does not lead grant {of}", cx.organisation)));
        }
        if amount.currency != grant.awarded.currency {
            return Err(Refused::CurrencyOther(amount.currency, grant.awarded.currency));
        }
        if amount.minor > grant.refundable() {
            return Err(Refused::AmountRefundable(amount.minor, grant.refundable()));
        }
        let id = ReturnId::new(object_id("return", &cx.place.transaction));
        let money_return = MoneyReturn { grant: of, fund: grant.fund, lead, amount, received: 0 };
        Ok(ReturnAnnounced { id, money_return, reason, project: grant.project })
    }
}

impl Effect for ReturnAnnounced {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<MoneyReturn>(self.id, self.money_return.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<MoneyReturn>(&self.id),
            RecordRef::of::<Grant>(&self.money_return.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.money_return.fund),
            RecordRef::of::<Organisation>(&self.money_return.lead),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::Account,
        action::{Event, Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        bank::{
            match_entry::MatchEntry,
            matching::{MatchTarget, Target},
        },
        fixture::{account, assert_round_trips},
        grant::fixture::*,
        registry::organisation::Status,
    };

    fn sent_back(grant: GrantId, minor: u64) -> ReturnMoney {
        ReturnMoney { grant, amount: Amount::eur(minor), reason: ReasonCode::new("cheaper").unwrap() }
    }

    fn matched(entry: EntryKey, id: ReturnId, minor: u64) -> Payload {
        let targets = vec![MatchTarget { target: Target::MoneyReturn(id), amount: Amount::eur(minor) }];
        Payload::MatchEntry(MatchEntry { account: account(), entry, targets })
    }

    #[test]
    fn a_return_is_refused_in_order_of_precedence() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        let mut act = sent_back(grant, 0);
        act.amount.currency = "CHF".parse().unwrap();
        let mut trial = Trial::faulty(network, "asso1", act);
        trial.status("asso1", Status::Closed);
        let steps: &[Step<ReturnMoney>] = &[
            ("AmountBounds", |t| t.act.amount.minor = 300_001),
            ("Suspended", |t| t.status("asso1", Status::Suspended)),
            ("RoleMissing", |t| {
                t.sign();
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("CurrencyOther", |t| t.act.amount.currency = Currency::EUR),
            ("AmountRefundable", |t| t.act.amount.minor = 300_000),
        ];
        assert_precedence(Kind::ReturnMoney, trial, Payload::ReturnMoney, steps);
    }

    #[test]
    fn only_the_lead_sends_money_back() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        assert_eq!(network.refusal("asso2", Payload::ReturnMoney(sent_back(grant, 1))), "RoleMissing");
    }

    #[test]
    fn money_that_is_sent_back_goes_to_the_envelope_that_it_came_from_and_is_counted_apart() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::ReturnMoney(sent_back(grant, 1)));
        pay(&mut network, grant, 1, 1, 300_000);
        let act = Payload::ReturnMoney(sent_back(grant, 100_000));
        let Event::ReturnMoney(announced) = run(&mut network, "asso1", act) else { panic!() };
        let before = record(&network, grant);
        let envelope = credit_of(&network, &before.source());
        let entry = receive(&mut network, "return", 120_000);
        let too_much = matched(entry, announced.id, 100_001);
        assert_eq!(network.refusal("bank", too_much), "AmountOpen");
        let exact = matched(entry, announced.id, 100_000);
        assert_round_trips(&exact);
        run(&mut network, "bank", exact);
        assert_eq!(credit_of(&network, &before.source()), envelope + 100_000);
        assert_eq!(credit_of(&network, &Account::Suspense { account: account() }), 20_000);
        let after = record(&network, grant);
        assert_eq!((after.returned, after.refundable()), (100_000, 200_000));
        assert_eq!(after.tranches, before.tranches);
        let again = matched(entry, announced.id, 1);
        assert_eq!(network.refusal("bank", again), "StateTarget");
        run(&mut network, "bank", unmatch(entry));
        assert_eq!(credit_of(&network, &before.source()), envelope);
        assert_eq!(record(&network, grant).returned, 0);
        assert_eq!(network.state.get::<MoneyReturn>(&announced.id).unwrap().received, 0);
    }
}
