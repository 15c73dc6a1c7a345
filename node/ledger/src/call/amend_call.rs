//! `amend_call`: a programme manager changes a call before its window is over, to nobody's disadvantage.
//!
//! - Allowed: an active organisation with the role programme manager over the fund.
//! - Effect: before it opens, its window, its budget and its document change; once it is open it may close later, have a greater budget, and another
//!   document. Its close is planned anew. What applicants were told to meet (criteria, limits, eligibility) does not change: that is another call.
//! - Source: rulebook §4, §7.

use super::{
    call::{Call, CallStatus},
    close_call::CloseCall,
    open_call::YEAR_MS,
};
use crate::{
    action::{Action, Effect, Kind, Place},
    due,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct AmendCall = AmendCall {
        /// Which call.
        pub call: CallId,
        /// When it opens; `None`: as before.
        pub opens_at: Option<BlockTime>,
        /// When it closes; `None`: as before.
        pub closes_at: Option<BlockTime>,
        /// Most that may be awarded in all; `None`: as before.
        pub budget: Option<Amount>,
        /// Hash of the amended document.
        pub document: Commitment,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct CallAmended = CallAmended {
        /// Which call.
        pub call: CallId,
        /// The fund it draws on.
        pub fund: FundCode,
        /// Who amended it.
        pub manager: OrganisationId,
        /// When it opens.
        pub opens_at: BlockTime,
        /// When it closes.
        pub closes_at: BlockTime,
        /// Most that may be awarded in all.
        pub budget: Amount [required],
        /// Hash of the amended document.
        pub document: Commitment,
        /// Why.
        pub reason: ReasonCode,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the budget is 0 or above the bound";
    signer;
    UnknownCall(CallId): Unknown 1 "call {0} does not exist", "the call does not exist";
    StateCall(CallId, CallStatus): State 1 "call {0} is {1}", "the call is closed, under vote, decided or cancelled";
    WindowOver(BlockTime): Window 1 "the call closed at {0}", "the window of the call is over";
    WindowOpened(BlockTime, BlockTime): Window 2 "opens at {0}, it is {1}", "the call is open and would open at another time, or would open in the past";
    WindowEarlier(BlockTime, BlockTime): Window 3 "closes at {0}, before {1}", "the call is open and would close earlier";
    WindowEmpty(BlockTime, BlockTime): Window 4 "closes at {1}, not after it opens at {0}", "it would close before it opens";
    WindowLong(u64): Window 5 "open for {0} ms, more than a year", "it would be open for more than a year";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the call's currency {1}", "the budget is in another currency than the call";
    AmountBudget(Amount, Amount): Amount 2 "a budget of {0}, at least {1} is needed", "the budget is below the greatest award or, once the call is open, below what it was";
}
signer_refusals!(Refused);

impl Action for AmendCall {
    type Event = CallAmended;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        match self.budget {
            Some(budget) if !budget.is_valid_positive() => Err(Refused::AmountBounds(budget)),
            Some(_) | None => Ok(()),
        }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<CallAmended, Refused> {
        let Self { call: id, opens_at, closes_at, budget, document, reason } = self.clone();

        cx.active(state)?;
        let call = state.get::<Call>(&id).ok_or(Refused::UnknownCall(id))?;
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(call.fund))?;
        if call.status != CallStatus::Open {
            return Err(Refused::StateCall(id, call.status));
        }
        let now = cx.place.time;
        if now >= call.closes_at {
            return Err(Refused::WindowOver(call.closes_at));
        }
        let has_opened = call.opens_at <= now;
        let (opens_at, closes_at) = (opens_at.unwrap_or(call.opens_at), closes_at.unwrap_or(call.closes_at));
        let wrong = if has_opened { opens_at != call.opens_at } else { opens_at < now };
        if wrong {
            return Err(Refused::WindowOpened(opens_at, now));
        }
        if has_opened && closes_at < call.closes_at {
            return Err(Refused::WindowEarlier(closes_at, call.closes_at));
        }
        let open_for = closes_at.since(opens_at).filter(|length| *length > 0);
        let open_for = open_for.ok_or(Refused::WindowEmpty(opens_at, closes_at))?;
        if open_for > YEAR_MS {
            return Err(Refused::WindowLong(open_for));
        }
        let budget = budget.unwrap_or(call.budget);
        if budget.currency != call.budget.currency {
            return Err(Refused::CurrencyOther(budget.currency, call.budget.currency));
        }
        let least = if has_opened { call.budget } else { call.amount_max };
        if budget.minor < least.minor {
            return Err(Refused::AmountBudget(budget, least));
        }
        let (fund, manager) = (call.fund, cx.organisation);
        Ok(CallAmended { call: id, fund, manager, opens_at, closes_at, budget, document, reason })
    }
}

impl Effect for CallAmended {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { call, opens_at, closes_at, budget, document, .. } = self;
        let closed_at = state.get::<Call>(call).expect("decide: the call exists").closes_at;
        due::cancel(state, closed_at, Kind::CloseCall, CloseCall::object(call));
        due::schedule(state, *closes_at, Kind::CloseCall, CloseCall::object(call));
        state.update::<Call>(call, |record| {
            record.opens_at = *opens_at;
            record.closes_at = *closes_at;
            record.budget = *budget;
            record.document = *document;
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Call>(&self.call),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.manager),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Payload},
        application::fixture::{OPEN_DAYS, Step, Trial, assert_precedence, call_opened_at, open_call},
        fixture::{DAY, assert_round_trips, commitment, network},
    };

    fn amendment(call: CallId) -> AmendCall {
        let (document, reason) = (commitment("amended"), ReasonCode::new("more_time").unwrap());
        AmendCall { call, opens_at: None, closes_at: None, budget: None, document, reason }
    }

    fn edit_call(t: &mut Trial<AmendCall>, change: impl FnOnce(&mut Call)) {
        let call = t.act.call;
        t.network.edit(|state| state.update::<Call>(&call, change));
    }

    #[test]
    fn an_amendment_is_refused_in_order_of_precedence() {
        let mut network = network();
        let call = open_call(&mut network);
        let now = network.now();
        let mut act = amendment(call);
        act.opens_at = Some(BlockTime(now.0 - 1));
        act.closes_at = Some(BlockTime(now.0 - 2));
        act.budget = Some(Amount::new(0, "CHF".parse().unwrap()));
        network.edit(|state| {
            state.update::<Call>(&call, |call| {
                call.status = CallStatus::Closed;
                call.closes_at = now;
            });
        });
        let steps: &[Step<AmendCall>] = &[
            ("AmountBounds", |t| t.act.budget.as_mut().unwrap().minor = 1),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("foundation");
                t.act.call = CallId::ZERO;
            }),
            ("UnknownCall", |t| t.act.call = *t.network.state.all::<Call>().next().unwrap().0),
            ("StateCall", |t| edit_call(t, |call| call.status = CallStatus::Open)),
            ("WindowOver", |t| {
                let later = t.network.in_days(1);
                edit_call(t, |call| call.closes_at = later);
            }),
            ("WindowOpened", |t| t.act.opens_at = None),
            ("WindowEarlier", |t| {
                let (now, later) = (t.network.now(), t.network.in_days(1));
                edit_call(t, |call| (call.opens_at, call.closes_at) = (later, now));
                edit_call(t, |call| call.closes_at = BlockTime(now.0 + 5));
            }),
            ("WindowEmpty", |t| t.act.closes_at = Some(t.network.in_days(400))),
            ("WindowLong", |t| t.act.closes_at = Some(t.network.in_days(2))),
            ("CurrencyOther", |t| t.act.budget.as_mut().unwrap().currency = Currency::EUR),
            ("AmountBudget", |t| t.act.budget = Some(Amount::eur(8_000_000))),
        ];
        assert_precedence(Kind::AmendCall, Trial::faulty(network, "lab", act), Payload::AmendCall, steps);
    }

    #[test]
    fn an_open_call_closes_later_and_takes_applications_until_then() {
        let mut network = network();
        let call = open_call(&mut network);
        let before = network.state.get::<Call>(&call).unwrap().clone();
        let mut act = amendment(call);
        act.closes_at = Some(BlockTime(before.closes_at.0 + DAY));
        act.budget = Some(Amount::eur(20_000_001));
        assert_round_trips(&Payload::AmendCall(act.clone()));
        network.run("foundation", Payload::AmendCall(act.clone())).unwrap();
        assert!(network.advance_to(before.closes_at).is_empty());
        let open = network.state.get::<Call>(&call).unwrap();
        assert!(open.takes_applications(network.now()));
        let receipts = network.advance(DAY);
        assert!(matches!(receipts[0].event(), Some(Event::CloseCall(closed)) if closed.call == call));
        assert_eq!(receipts.len(), 1);
        assert_eq!(network.refusal("foundation", Payload::AmendCall(act)), "StateCall");
    }

    #[test]
    fn a_draft_may_be_made_smaller_an_open_call_may_not() {
        let mut network = network();
        let opens_at = network.in_days(1);
        let Ok(Event::OpenCall(opened)) = network.run("foundation", Payload::OpenCall(call_opened_at(opens_at))) else {
            panic!("opened")
        };
        let mut act = amendment(opened.id);
        act.closes_at = Some(BlockTime(opens_at.0 + DAY));
        act.budget = Some(Amount::eur(8_000_000));
        let act = Payload::AmendCall(act);
        let mut open = network.clone();
        open.advance(DAY);
        assert_eq!(open.refusal("foundation", act.clone()), "WindowEarlier");
        network.run("foundation", act).unwrap();
        assert_eq!(network.advance(2 * DAY).len(), 1);
        const { assert!(OPEN_DAYS > 2) };
    }
}
