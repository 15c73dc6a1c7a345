//! Stages of the fund's money besides grants: what goes back, what a levy's payer disputes.

use octroi_ledger::{
    Event, Payload,
    bank::{
        match_entry::MatchEntry,
        matching::{LevyTarget, PrepaidTarget, Target},
        order_refund::{OrderRefund, RefundSource, SuspenseSource},
        refund::Refund,
        release_refund::ReleaseRefund,
    },
    contribution::promise_contribution::PromiseContribution,
    fixture::{DAY, Network, account, commitment, fund, id, money},
    grant::fixture::payee_account,
    levy::dispute_levy::DisputeLevy,
};
use octroi_primitives::*;

/// Pays so much of an entry to a target.
fn pay(network: &mut Network, entry: &str, target: Target, minor: u64) {
    let targets = vec![money::target(target, minor)];
    let act = MatchEntry { account: account(), entry: money::entry_key(entry), targets };
    network.run("bank", Payload::MatchEntry(act)).expect("it is matched");
}

fn order(network: &mut Network, entry: &str, minor: u64) -> Hash {
    let act = OrderRefund {
        source: RefundSource::Suspense(SuspenseSource { account: account(), entry: money::entry_key(entry) }),
        amount: Amount::eur(minor),
        payee_account: payee_account(),
        reason: ReasonCode::new("not_ours").expect("a code"),
    };
    match network.run("region", Payload::OrderRefund(act)).expect("it is ordered") {
        Event::OrderRefund(ordered) => ordered.id,
        other => panic!("{other:?}"),
    }
}

fn release(network: &mut Network, refund: Hash) {
    let (payee_account, execution_date) = (payee_account(), network.today());
    let act = ReleaseRefund { refund, from_account: account(), payee_account, execution_date };
    network.run("bank", Payload::ReleaseRefund(act)).expect("it is released");
}

/// Refunds are ordered, on their way and paid; a promise of a funder without an office is kept; debits are not explained; a levy is prepaid.
pub fn going_back(mut network: Network) -> Network {
    let act = PromiseContribution {
        fund: fund(),
        amount: Amount::eur(3_000_000),
        due: money::date(2028, 12, 31),
        earmark: None,
        conditions: None,
        parent: None,
    };
    let promised = network.run("consumers", Payload::PromiseContribution(act)).expect("it is promised");
    let Event::PromiseContribution(promised) = promised else { panic!("{promised:?}") };
    network.receive("kept", 2_000_000, Some(Reference::of(ReferenceKind::Promise, promised.promise.hash())));
    network.receive("nobody's", 400_000, None);
    let prepaid = PrepaidTarget { payer: id("reuser"), schedule: money::schedule_code("dst") };
    pay(&mut network, "nobody's", Target::Prepaid(prepaid), 50_000);
    let refunds: Vec<Hash> = (1..=5).map(|number| order(&mut network, "nobody's", 1_000 * number)).collect();
    for refund in &refunds[..4] {
        release(&mut network, *refund);
    }
    let paid = |number: usize| {
        let minor = 1_000 * (number as i64 + 1);
        money::entry(&format!("paid {number}"), -minor, Some(Refund::reference(&refunds[number])))
    };
    let charge = |number: i64| money::entry(&format!("charge {number}"), -1_000 * number, None);
    network.attest(network.statement(vec![paid(0), paid(1), charge(1), charge(2), charge(3)]));
    network
}

/// Half a year later two quarters of a levy are assessed, one is partly paid and disputed, and money waits for later ones.
pub fn disputed(mut network: Network) -> Network {
    let (payer, schedule) = (id("reuser"), money::schedule_code("royalty"));
    let of = |period: &str| {
        let period = period.parse().expect("a period");
        Target::Levy(LevyTarget { payer, schedule, period })
    };
    pay(&mut network, "unknown", of("2026Q4"), 300_000);
    network.advance(100 * DAY);
    network.assess_calls("2027Q1", 30_000_000);
    network.receive("levies", 900_000, None);
    pay(&mut network, "levies", of("2027Q1"), 250_000);
    let assessment = network.royalty("2027Q1").assessment.expect("it is assessed");
    let act = DisputeLevy {
        assessment,
        amount: Amount::eur(200_000),
        reason: ReasonCode::new("scope").expect("a code"),
        grounds: commitment("grounds"),
    };
    network.run("reuser", Payload::DisputeLevy(act)).expect("it is disputed");
    network
}
