//! Stages of grants that are partly paid: of the four organisations that applied three have one.

use super::{APPLICANTS, grants};
use octroi_ledger::{
    Event, Payload,
    fixture::{Network, account, commitment, id, money},
    grant::{
        clawback::ClawbackReason,
        fixture::{evidence, judgement, order, release},
        grant::Grant,
        open_clawback::OpenClawback,
        payout::Payout,
    },
};
use octroi_primitives::*;

/// The lead of a grant.
pub fn lead(network: &Network, grant: &GrantId) -> &'static str {
    let lead = network.state.get::<Grant>(grant).expect("it is listed").lead();
    APPLICANTS.into_iter().find(|code| id(code) == lead).expect("an applicant")
}

fn pay_order(network: &mut Network, grant: GrantId, tranche: u32) {
    let record = network.state.get::<Grant>(&grant).expect("it is listed");
    let (_, part) = record.tranche(tranche).and_then(|tranche| tranche.payable_part()).expect("it can be paid");
    let act = order(grant, tranche, part.amount);
    network.run("region", Payload::OrderPayment(act)).expect("it is ordered");
}

fn send(network: &mut Network, grant: GrantId, tranche: u32) -> PayoutId {
    let act = release(network, grant, tranche, 1);
    match network.run("bank", Payload::ReleasePayment(act)).expect("it is released") {
        Event::ReleasePayment(released) => released.id,
        other => panic!("{other:?}"),
    }
}

fn prove(network: &mut Network, grant: GrantId, tranche: u32) {
    let lead = lead(network, &grant);
    network.run(lead, Payload::SubmitEvidence(evidence(grant, tranche))).expect("it reports");
    for judge in ["federation", "university"] {
        let act = judgement(grant, tranche, 1_000_000);
        network.run(judge, Payload::JudgeEvidence(act)).expect("it judges");
    }
}

/// All advances are paid; of the second tranches one is accepted, one ordered and one on its way; some of an advance is asked back, and a credit
/// waits that could be a returned transfer.
pub fn paid(mut network: Network) -> Network {
    let grants = grants(&network);
    let mut debits = Vec::new();
    for (number, grant) in grants.iter().enumerate() {
        pay_order(&mut network, *grant, 1);
        let payout = send(&mut network, *grant, 1);
        let minor = network.state.get::<Payout>(&payout).expect("it is released").amount.minor;
        let reference = Some(Payout::reference(&payout));
        debits.push(money::entry(&format!("advance {number}"), -(minor as i64), reference));
    }
    debits.push(money::entry("came back", 600_000, None));
    network.attest(network.statement(debits));
    for (number, grant) in grants.iter().enumerate() {
        prove(&mut network, *grant, 2);
        if number > 0 {
            pay_order(&mut network, *grant, 2);
        }
        if number > 1 {
            send(&mut network, *grant, 2);
        }
    }
    for party in ["region", "bank"] {
        let act = OpenClawback {
            grant: grants[0],
            amount: Amount::eur(30_000),
            reason: ClawbackReason::NotDone,
            document: commitment("why"),
        };
        network.run(party, Payload::OpenClawback(act)).expect("it was paid");
    }
    assert!(network.balance(&octroi_ledger::accounts::Account::Bank { account: account() }) > 0);
    network
}
