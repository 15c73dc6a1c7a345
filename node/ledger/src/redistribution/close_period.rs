//! `close_period`: splits what stands unallocated in a fund by the policy of the period, source by source.
//!
//! - Allowed: any active organisation, once the period has ended and every bank account of the fund is attested to its end.
//! - Effect: per source in order of code: a deficit is covered first, then reserve, costs, envelopes (largest remainder), territorial envelopes by need.
//!   The fund's next period is due, and the end of the carry-over of what was shared is planned. The event holds every input: anyone can compute
//!   the split again (I13).
//! - Source: rulebook §3, §6 and §17, 0501.

use super::{
    close_due_period::CloseDuePeriod,
    envelope::{self, Stay},
    expire_carry_over::{self, PlannedExpiry},
    need::{self, ApportionFault, NeedSplit},
    policy::{Policy, PolicyCarryOver, in_force},
    split::{SplitShare, SplitSource, TerritoryShare, split},
};
use crate::{
    accounts::{Account, AccountBalance, Movement, PostingError, Postings, balance},
    action::{Action, BASE_COST, Effect, Place},
    bank::{
        account::{BankAccount, accounts_of},
        entry::suspended_before,
    },
    history::RecordRef,
    parameters::Parameter,
    refusal::refusals,
    registry::{
        close_fund::is_closed,
        fund::{Envelope, Fund},
        organisation::Organisation,
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct ClosePeriod = ClosePeriod {
        /// The fund.
        pub fund: FundCode,
        /// Its next period.
        pub period: Period,
    }

    /// How far a bank account is attested.
    pub struct AttestedAccount = AttestedAccount {
        /// Which.
        pub account: BankAccountId,
        /// Its last final statement.
        pub sequence: u64,
        /// Last day of that.
        pub to: LegalDate [required],
    }

    /// The event.
    pub struct PeriodClosed = PeriodClosed {
        /// The fund.
        pub fund: FundCode,
        /// The period.
        pub period: Period,
        /// The one that is next now.
        pub next_period: Period,
        /// The policy that decides.
        pub policy: PolicyCode,
        /// Who asked; `None`: the rule itself, since nobody did.
        pub organisation: Option<OrganisationId>,
        /// How far the fund's accounts are attested.
        pub accounts: Vec<AttestedAccount>,
        /// Minor units in suspense for longer than allowed, within the tolerance.
        pub old_suspense: u64,
        /// In order of code.
        pub sources: Vec<SplitSource>,
        /// In the same order.
        pub postings: Postings,
        /// Envelopes that are split by need, with the inputs of that.
        pub needs: Vec<NeedSplit>,
        /// When what stays unspent of this expires; `None`: never.
        pub expiry: Option<PlannedExpiry>,
    }
}

refusals! {
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    StateFund(FundCode): State 6 "fund {0} is closed", "the fund is closed";
    StateLength(Period, PeriodLength): State 1 "{0} is no {1}", "the fund's periods have another length";
    StateClosed(Period): State 2 "period {0} is closed", "the period is closed already";
    StateEarlier(Period): State 3 "period {0} is open and comes first", "an earlier period is open";
    StatePolicy(Period): State 4 "no policy decides {0}", "no policy of the fund is in force";
    WindowOpen(Period, BlockTime): Window 1 "period {0} ends at {1}", "the period has not ended";
    StatementGap(BankAccountId, LegalDate): StatementGap 1 "bank account {0} is not attested to {1}", "a bank account of the fund is not attested to the period's end";
    StateSuspense(u64, u64): State 5 "{0} minor units are in suspense for too long, {1} are tolerated", "old suspense exceeds the tolerance";
    TerritoryNobody(EnvelopeCode): Territory 1 "nobody lives in the territories of envelope {0}", "the territories of an envelope have no population";
    CapFloors(EnvelopeCode, u128, u64): Cap 1 "the floors of envelope {0} ask for {1} of {2} minor units", "the floors of an envelope's territories are more than its share";
    OverflowSource(Code): Overflow 2 "the balance of source {0} leaves its range", "a source holds more than one transaction can move";
    OverflowCalendar(Period): Overflow 1 "no period follows {0}", "the calendar ends";
    Overflow(PostingError): Overflow 3 "{0}", "an account cannot bear what the split moves";
}

impl Action for ClosePeriod {
    type Event = PeriodClosed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    /// The objects that a split writes are known only when it is decided: the price is that of a policy of full length.
    fn cost(&self) -> u64 {
        BASE_COST + 4 * 64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PeriodClosed, Refused> {
        let Self { fund, period } = *self;

        cx.active(state).map_err(|_| Refused::Suspended(cx.organisation))?;
        close(fund, period, Some(cx.organisation), &cx.place, state)
    }
}

/// The close of a period, whoever asks for it.
pub(super) fn close(
    fund: FundCode,
    period: Period,
    organisation: Option<OrganisationId>,
    place: &Place,
    state: &Overlay<'_>,
) -> Result<PeriodClosed, Refused> {
    let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
    if is_closed(state, &fund) {
        return Err(Refused::StateFund(fund));
    }
    if period.length() != record.period_length {
        return Err(Refused::StateLength(period, record.period_length));
    }
    if period < record.next_period {
        return Err(Refused::StateClosed(period));
    }
    if period > record.next_period {
        return Err(Refused::StateEarlier(record.next_period));
    }
    let (code, policy) = in_force(state, &fund, period).ok_or(Refused::StatePolicy(period))?;
    if place.time < period.end_time() {
        return Err(Refused::WindowOpen(period, period.end_time()));
    }
    let accounts = attested(state, &fund, period)?;
    let old_suspense = old_suspense(state, &accounts, place.date())?;
    let needs: Vec<NeedSplit> = policy.territorial.iter().filter_map(|rule| need::inputs(rule, state)).collect();
    let sources = sources(state, fund, &policy, &needs)?;
    let next_period = period.next().ok_or(Refused::OverflowCalendar(period))?;
    let expiry = match &policy.carry_over {
        Some(rule) => Some(planned_expiry(rule, place, record.period_length).ok_or(Refused::OverflowCalendar(period))?),
        None => None,
    };
    let mut movement = Movement::in_fund(fund);
    for source in &sources {
        post(source, fund, &mut movement);
    }
    let postings = movement.check(state).map_err(Refused::Overflow)?;
    Ok(PeriodClosed {
        fund,
        period,
        next_period,
        policy: code,
        organisation,
        accounts,
        old_suspense,
        sources,
        postings,
        needs,
        expiry,
    })
}

/// What is shared now can be spent in this period and in `max_periods` more.
fn planned_expiry(rule: &PolicyCarryOver, place: &Place, length: PeriodLength) -> Option<PlannedExpiry> {
    let PolicyCarryOver { max_periods, then } = *rule;
    let period = Period::containing(place.date(), length);
    let last = (0..max_periods).try_fold(period, |period, _| period.next())?;
    Some(PlannedExpiry { period, at: last.end_time(), then })
}

/// Every bank account of the fund is attested to the period's last day.
fn attested(state: &Overlay<'_>, fund: &FundCode, period: Period) -> Result<Vec<AttestedAccount>, Refused> {
    let end = period.last_day();
    accounts_of(state, fund)
        .into_iter()
        .map(|(account, record)| match record.to {
            Some(to) if to >= end => Ok(AttestedAccount { account, sequence: record.sequence, to }),
            _ => Err(Refused::StatementGap(account, end)),
        })
        .collect()
}

/// Minor units in suspense for longer than `suspense_days`, if they are tolerated.
fn old_suspense(state: &Overlay<'_>, accounts: &[AttestedAccount], today: LegalDate) -> Result<u64, Refused> {
    let days = i64::try_from(state.parameter(Parameter::SuspenseDays)).unwrap_or(i64::MAX);
    let tolerated = state.parameter(Parameter::SuspenseTolerance);
    let before = today.plus_days(days.saturating_neg()).unwrap_or(LegalDate::MIN);
    let old = accounts
        .iter()
        .fold(0u64, |sum, attested| sum.saturating_add(suspended_before(state, &attested.account, before)));
    if old > tolerated { Err(Refused::StateSuspense(old, tolerated)) } else { Ok(old) }
}

/// The split of every source of a fund, in order of code.
fn sources(
    state: &Overlay<'_>,
    fund: FundCode,
    policy: &Policy,
    needs: &[NeedSplit],
) -> Result<Vec<SplitSource>, Refused> {
    let least = Code::new("-").expect("the least character of codes");
    let greatest = Code::new(&"z".repeat(Code::MAX)).expect("the greatest code");
    let unallocated = |source| Account::Unallocated { fund, source };
    let found = state.range::<AccountBalance>(unallocated(least)..=unallocated(greatest));
    // A deficit stands on the debit side; on the other side there is nothing to cover.
    let mut deficit = u64::try_from(balance(state, &Account::Deficit { fund })).unwrap_or(0);
    let mut sources = Vec::with_capacity(found.len());
    for (account, AccountBalance { balance, .. }) in found {
        let Account::Unallocated { source, .. } = account else { continue };
        // Postings are 64-bit legs; a source that no invariant lets overdraw holds 0 or more.
        let held = i64::try_from(-balance).ok().and_then(|held| u64::try_from(held).ok());
        let held = held.ok_or(Refused::OverflowSource(source))?;
        let part =
            split(source, held, deficit, policy.rule_for(source, state), needs).map_err(|found| match found.fault {
                ApportionFault::NoWeight => Refused::TerritoryNobody(found.envelope),
                ApportionFault::Floors { floors, total } => Refused::CapFloors(found.envelope, floors, total),
            })?;
        deficit -= part.cover;
        sources.push(part);
    }
    Ok(sources)
}

/// Adds the postings of one source (rulebook §3, table A).
fn post(part: &SplitSource, fund: FundCode, movement: &mut Movement) {
    let SplitSource { source, balance: _, cover, reserve_ppm: _, fee_ppm: _, reserve, fee, shares } = part;
    let from = Account::Unallocated { fund, source: *source };
    movement.transfer(from.clone(), Account::Deficit { fund }, *cover);
    movement.transfer(from.clone(), Account::Reserve { fund }, *reserve);
    movement.transfer(from.clone(), Account::Costs { fund }, *fee);
    for SplitShare { envelope, ppm: _, amount, territories, to_reserve } in shares {
        let mut own = *amount - *to_reserve;
        for TerritoryShare { territory, amount } in territories {
            let to = Account::TerritorialEnvelope { fund, envelope: *envelope, territory: *territory };
            movement.transfer(from.clone(), to, *amount);
            own -= *amount;
        }
        movement.transfer(from.clone(), Account::Envelope { fund, envelope: *envelope }, own);
        movement.transfer(from.clone(), Account::Reserve { fund }, *to_reserve);
    }
}

impl Effect for PeriodClosed {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let stay = if self.expiry.is_some() { Stay::Expiring } else { Stay::Kept };
        for SplitShare { envelope, ppm: _, amount, territories, to_reserve } in
            self.sources.iter().flat_map(|part| &part.shares)
        {
            let mut own = *amount - *to_reserve;
            for TerritoryShare { territory, amount } in territories {
                envelope::share(self.fund, *envelope, Some(*territory), *amount, stay, place, state);
                own -= *amount;
            }
            if own > 0 || territories.is_empty() {
                envelope::share(self.fund, *envelope, None, own, stay, place, state);
            }
        }
        if let Some(planned) = &self.expiry {
            expire_carry_over::plan(self.fund, planned, state);
        }
        state.update::<Fund>(&self.fund, |fund| fund.next_period = self.next_period);
        CloseDuePeriod::plan(self.fund, self.next_period, state);
    }

    /// The fund, the policy, who asked, the bank accounts that it rests on, and every envelope that it fills.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([RecordRef::of::<Fund>(&self.fund), RecordRef::of::<Policy>(&self.policy)]);
        subjects.extend(self.organisation.map(|organisation| RecordRef::of::<Organisation>(&organisation)));
        subjects.extend(self.accounts.iter().map(|attested| RecordRef::of::<BankAccount>(&attested.account)));
        let filled = self.sources.iter().flat_map(|part| &part.shares).filter(|share| share.amount > 0);
        subjects.extend(filled.map(|share| RecordRef::of::<Envelope>(&(self.fund, share.envelope))));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{
            self, IntoPayload, Network, account, fund,
            money::{self, date, entry},
        },
        parameters::ParameterValue,
        redistribution::{envelope::EnvelopePeriod, need::NeedTable, policy::PolicyTerritorial},
        registry::{
            close_fund::ClosedFund,
            territory::{Level, Territory},
        },
    };

    impl IntoPayload for ClosePeriod {
        fn into_payload(self) -> Payload {
            Payload::ClosePeriod(self)
        }
    }

    fn close(period: &str) -> ClosePeriod {
        ClosePeriod { fund: fund(), period: period.parse().unwrap() }
    }

    fn balance_on(network: &Network, account: Account) -> Balance {
        -network.balance(&account)
    }

    fn on_envelope(network: &Network, code: &str) -> Balance {
        balance_on(network, Account::Envelope { fund: fund(), envelope: fixture::envelope(code) })
    }

    fn unallocated(source: &str) -> Account {
        Account::Unallocated { fund: fund(), source: Code::new(source).unwrap() }
    }

    fn run(network: &mut Network, period: &str) -> PeriodClosed {
        let Ok(Event::ClosePeriod(event)) = network.run("lab", close(period)) else { panic!("closed") };
        event
    }

    /// 2027-04-01, with so many minor units of contributions attested and matched, and the account attested to that day.
    fn after_the_quarter(contributed: u64) -> Network {
        let mut network = money::network();
        if contributed > 0 {
            let promise = network.promise(contributed, None);
            let reference = Some(Reference::of(ReferenceKind::Promise, promise.hash()));
            network.receive("contribution", contributed as i64, reference);
        }
        network.advance_to(date(2027, 4, 1).start_time());
        network.attest(network.statement(vec![]));
        network
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = after_the_quarter(1_000);
        run(&mut network, "2027Q1");
        network.attest(network.statement(vec![entry("old", 50, None)]));
        network.suspend("asso3");
        let mut closed = network.clone();
        closed.edit(|state| state.put::<ClosedFund>(fund(), ClosedFund { change: ChangeId::ZERO }));
        let unknown = ClosePeriod { fund: FundCode::new("other").unwrap(), ..close("2027Q2") };
        let mut reached = vec![
            network.refusal("asso3", unknown.clone()),
            network.refusal("lab", unknown),
            closed.refusal("lab", close("2027")),
            network.refusal("lab", close("2027")),
            network.refusal("lab", close("2027Q1")),
            network.refusal("lab", close("2027Q3")),
        ];
        let mut without_policy = network.clone();
        without_policy.edit(|state| state.remove::<Policy>(&money::policy_code()));
        reached.push(without_policy.refusal("lab", close("2027Q2")));
        reached.push(network.refusal("lab", close("2027Q2")));
        network.advance_to(date(2027, 7, 1).start_time());
        reached.push(network.refusal("lab", close("2027Q2")));
        network.attest(network.statement(vec![]));
        reached.push(network.refusal("lab", close("2027Q2")));

        let needy = |population, floor_ppm| {
            let mut network = by_need(network.clone(), floor_ppm);
            network.edit(|state| {
                let promised = Account::Unallocated { fund: fund(), source: Code::new("contribution").unwrap() };
                state.put::<AccountBalance>(promised, AccountBalance { fund: fund(), balance: -2_000 });
                state.put::<ParameterValue>(Parameter::SuspenseTolerance.code(), ParameterValue { value: 50 });
                for code in ["44", "49"] {
                    let code = TerritoryCode::new(code).unwrap();
                    state.update::<Territory>(&code, |territory| territory.population = population);
                }
            });
            network.refusal("lab", close("2027Q2"))
        };
        reached.push(needy(0, 0));
        // A table that grew under a policy is possible only past the rules: 51 % for each of two.
        reached.push(needy(1, 510_000));
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
        };
        network.edit(|state| {
            state.put::<ParameterValue>(Parameter::SuspenseTolerance.code(), ParameterValue { value: 50 })
        });
        let mut at_the_end = network.clone();
        put(&mut network, unallocated("contribution"), Balance::from(i64::MIN));
        reached.push(network.refusal("lab", close("2027Q2")));
        let last: Period = "9999Q4".parse().unwrap();
        at_the_end.edit(|state| state.update::<Fund>(&fund(), |fund| fund.next_period = last));
        at_the_end.advance_to(last.end_time());
        at_the_end.attest(at_the_end.statement(vec![]));
        reached.push(at_the_end.refusal("lab", close("9999Q4")));
        put(&mut network, unallocated("contribution"), -20);
        put(&mut network, Account::Reserve { fund: fund() }, Balance::MIN);
        reached.push(network.refusal("lab", close("2027Q2")));
        fixture::assert_all_reached(Kind::ClosePeriod, &reached);
    }

    #[test]
    fn a_source_goes_to_the_reserve_and_by_largest_remainder_to_the_envelopes() {
        let mut network = after_the_quarter(1_000_003);
        fixture::assert_round_trips(&close("2027Q1").into_payload());
        let event = run(&mut network, "2027Q1");
        assert_eq!(balance_on(&network, Account::Reserve { fund: fund() }), 50_000);
        // 950,003 over 25, 25, 35, 15 %: 237,500.75 twice, 332,501.05, 142,500.45.
        let shares = ["sme_data", "startups", "commons", "territories"].map(|code| on_envelope(&network, code));
        assert_eq!(shares, [237_501, 237_501, 332_501, 142_500]);
        assert_eq!(network.balance(&unallocated("contribution")), 0);
        assert_eq!(network.state.get::<Fund>(&fund()).unwrap().next_period, "2027Q2".parse().unwrap());
        assert_eq!((event.policy, event.sources.len()), (money::policy_code(), 1));
        assert_eq!(event.accounts[0].account, account());
        network.assert_sound();
        let period = "2027Q2".parse().unwrap();
        let credited = network.state.get::<EnvelopePeriod>(&(fund(), fixture::envelope("commons"), period)).unwrap();
        assert_eq!(credited.credited, 332_501, "the money arrives in the period of the block");
    }

    #[test]
    fn a_levy_kind_with_a_rule_of_its_own_is_split_by_that_alone() {
        let mut network = after_the_quarter(100);
        let levy = network.assess_calls("2027Q1", 2_000_100);
        let reference = Some(Reference::of(ReferenceKind::Levy, levy.id.hash()));
        network.receive("royalty", 10_001, reference);
        let event = run(&mut network, "2027Q1");
        let sources: Vec<&str> = event.sources.iter().map(|part| part.source.as_str()).collect();
        assert_eq!(sources, ["contribution", "royalty"], "in order of code");
        assert_eq!(event.sources[1].reserve, 0);
        let amounts: Vec<u64> = event.sources[1].shares.iter().map(|share| share.amount).collect();
        assert_eq!(amounts, [5_001, 5_000]);
        assert_eq!(balance_on(&network, Account::Reserve { fund: fund() }), 5);
        network.assert_sound();
    }

    /// The envelope `territories` is split by need over two départements.
    fn by_need(mut network: Network, floor_ppm: u32) -> Network {
        let need = Code::new("need").unwrap();
        let rule = PolicyTerritorial {
            envelope: fixture::envelope("territories"),
            level: Level::Departement,
            need,
            floor_ppm: money::ppm(floor_ppm),
            ceiling_ppm: money::ppm(600_000),
        };
        network.edit(|state| {
            state.put::<NeedTable>(need, need::tests::table());
            state.update::<Policy>(&money::policy_code(), |policy| policy.territorial = vec![rule]);
        });
        network
    }

    fn on_territory(network: &Network, code: &str) -> Balance {
        let (envelope, territory) = (fixture::envelope("territories"), TerritoryCode::new(code).unwrap());
        balance_on(network, Account::TerritorialEnvelope { fund: fund(), envelope, territory })
    }

    #[test]
    fn a_territorial_envelope_is_split_by_population_and_need_and_the_event_holds_the_inputs() {
        let mut network = by_need(after_the_quarter(1_000_000), 0);
        let event = run(&mut network, "2027Q1");
        // 142,500 over 1,413,341 · 0.799999 and 820,655 · 1.175.
        assert_eq!((on_territory(&network, "44"), on_territory(&network, "49")), (76_909, 65_591));
        assert_eq!(on_envelope(&network, "territories"), 0);
        let [need] = event.needs.as_slice() else { panic!("one envelope is split by need") };
        let weights: Vec<(u64, u32)> = need.weights.iter().map(|weight| (weight.population, weight.factor)).collect();
        assert_eq!(weights, [(1_413_341, 799_999), (820_655, 1_175_000)]);
        let again = need.apportion(142_500).unwrap();
        assert_eq!(again.parts, [76_909, 65_591], "anyone can compute it again (I13)");
        network.assert_sound();
        let period = "2027Q2".parse().unwrap();
        let credited =
            envelope::received(&network.state.overlay(), &(fund(), fixture::envelope("territories"), period));
        assert_eq!((credited.credited, credited.territorial), (142_500, 142_500));
    }

    #[test]
    fn what_is_above_all_ceilings_goes_to_the_reserve() {
        let mut network = by_need(after_the_quarter(1_000_000), 0);
        network.edit(|state| {
            state.update::<Policy>(&money::policy_code(), |policy| {
                policy.territorial[0].ceiling_ppm = money::ppm(100_000)
            });
        });
        run(&mut network, "2027Q1");
        assert_eq!((on_territory(&network, "44"), on_territory(&network, "49")), (14_250, 14_250));
        assert_eq!(balance_on(&network, Account::Reserve { fund: fund() }), 50_000 + 114_000);
        network.assert_sound();
    }

    #[test]
    fn a_deficit_is_covered_before_anything_is_split() {
        let mut network = after_the_quarter(1_000);
        network.edit(|state| {
            let mut moved = Movement::in_fund(fund());
            moved.transfer(Account::Deficit { fund: fund() }, Account::Costs { fund: fund() }, 300);
            let postings = moved.check(state).unwrap();
            crate::accounts::post(state, &postings);
        });
        let event = run(&mut network, "2027Q1");
        assert_eq!((event.sources[0].cover, event.sources[0].reserve), (300, 35));
        assert_eq!(network.balance(&Account::Deficit { fund: fund() }), 0);
        network.assert_sound();
    }

    #[test]
    fn a_fund_without_money_closes_and_its_next_period_is_due() {
        let mut network = after_the_quarter(0);
        let event = run(&mut network, "2027Q1");
        assert!(event.sources.is_empty() && event.postings.legs().is_empty());
        assert_eq!(network.refusal("lab", close("2027Q1")), "StateClosed");
    }

    #[test]
    fn suspense_blocks_the_close_only_when_it_is_older_than_allowed_and_above_the_tolerance() {
        let mut network = money::network();
        network.advance_to(date(2027, 3, 2).start_time());
        network.receive("waits", 50, None);
        network.advance_to(date(2027, 4, 1).start_time());
        network.attest(network.statement(vec![]));
        assert!(network.decide("lab", close("2027Q1").into_payload()).is_ok(), "30 days are allowed");
        network.advance(fixture::DAY);
        assert_eq!(network.refusal("lab", close("2027Q1")), "StateSuspense");
        let tolerate = |value| {
            move |state: &mut Overlay<'_>| {
                state.put::<ParameterValue>(Parameter::SuspenseTolerance.code(), ParameterValue { value });
            }
        };
        network.edit(tolerate(49));
        assert_eq!(network.refusal("lab", close("2027Q1")), "StateSuspense");
        network.edit(tolerate(50));
        assert_eq!(run(&mut network, "2027Q1").old_suspense, 50);
    }
}
