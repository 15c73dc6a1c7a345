//! What holds of grants after every block, in terms that anyone can check: I4, I5, I11 of the rulebook (§3).

use super::{
    grant::{Grant, PartStatus, Tranche},
    payout::{Payout, PayoutStatus, TransitTotal},
};
use crate::{
    accounts::{Account, balance_of},
    application::application::TrancheKind,
    bank::refund::{Refund, RefundStatus},
    state::State,
};
use octroi_primitives::*;
use std::collections::BTreeMap;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantBroken {
    /// I4: an account holds something else than the parts in its state sum to.
    #[error("I4: {account} holds {held}, the parts of grant {grant} say {said}")]
    Account {
        /// The grant.
        grant: GrantId,
        /// The account.
        account: Account,
        /// What it holds, credit as a positive number.
        held: i128,
        /// What the parts say.
        said: u128,
    },
    /// I5: parts do not sum to their tranche, or tranches to the award.
    #[error("I5: grant {grant}: {found} where {expected} was awarded")]
    Sum {
        /// The grant.
        grant: GrantId,
        /// The sum.
        found: u128,
        /// What it should be.
        expected: u128,
    },
    /// I11: a part is on its way or paid without accepted evidence and is no advance.
    #[error("I11: grant {0}, tranche {1} is paid without accepted evidence")]
    Unproven(GrantId, u32),
    /// The running total of a bank account differs from its payouts and refunds.
    #[error("bank account {account}: {held} in transit, its payouts sum to {said}")]
    Transit {
        /// The account.
        account: BankAccountId,
        /// The running total.
        held: u128,
        /// What the payouts say.
        said: u128,
    },
}

/// Checks every grant and payout of a state.
///
/// # Errors
/// The first invariant that does not hold.
pub fn check(state: &State) -> Result<(), GrantBroken> {
    for (id, grant) in state.all::<Grant>() {
        check_grant(state, id, grant)?;
    }
    check_transit(state)
}

/// Checks one grant.
///
/// # Errors
/// The first invariant that does not hold.
pub fn check_grant(state: &State, id: &GrantId, grant: &Grant) -> Result<(), GrantBroken> {
    let lowered = grant.awarded.minor.checked_sub(grant.lowered);
    let awarded = u128::from(lowered.unwrap_or(0));
    let sum: u128 = grant.tranches.iter().map(|tranche| u128::from(tranche.amount)).sum();
    if sum != awarded {
        return Err(GrantBroken::Sum { grant: *id, found: sum, expected: awarded });
    }
    let mut reserved = 0;
    for tranche in &grant.tranches {
        let sum: u128 = tranche.parts.iter().map(|part| u128::from(part.amount)).sum();
        if sum != u128::from(tranche.amount) {
            return Err(GrantBroken::Sum { grant: *id, found: sum, expected: u128::from(tranche.amount) });
        }
        reserved += still_reserved(tranche);
        let payable = Account::Payable { grant: *id, tranche: tranche.number };
        let ordered = tranche.sum_in(PartStatus::Ordered) + tranche.sum_in(PartStatus::Failed);
        holds(state, *id, payable, ordered)?;
        for part in &tranche.parts {
            check_part(state, id, tranche, part)?;
        }
    }
    holds(state, *id, grant.encumbered(id), reserved)?;
    check_clawbacks(state, id, grant)
}

/// What is to come back stands as receivable, and nobody asks for more than was paid.
fn check_clawbacks(state: &State, id: &GrantId, grant: &Grant) -> Result<(), GrantBroken> {
    let account = Account::ClawbackReceivable { grant: *id };
    let held = balance_of(state, &account);
    let said = u128::from(grant.clawed).checked_sub(u128::from(grant.recovered) + u128::from(grant.waived));
    if said.is_none() || u128::try_from(held).ok() != said {
        return Err(GrantBroken::Account { grant: *id, account, held, said: said.unwrap_or(0) });
    }
    let had = grant.sum_in(PartStatus::Paid) + grant.sum_in(PartStatus::Offset);
    let asked = u128::from(grant.returned) + u128::from(grant.clawed);
    if asked > had { Err(GrantBroken::Sum { grant: *id, found: asked, expected: had }) } else { Ok(()) }
}

/// What of a tranche is neither ordered nor given back.
fn still_reserved(tranche: &Tranche) -> u128 {
    [PartStatus::Planned, PartStatus::EvidenceSubmitted, PartStatus::Accepted, PartStatus::Rejected]
        .into_iter()
        .map(|status| tranche.sum_in(status))
        .sum()
}

fn check_part(state: &State, id: &GrantId, tranche: &Tranche, part: &super::grant::Part) -> Result<(), GrantBroken> {
    let spent = match part.status {
        PartStatus::Ordered | PartStatus::InTransit | PartStatus::Paid | PartStatus::Failed | PartStatus::Offset => {
            true
        }
        PartStatus::Planned
        | PartStatus::EvidenceSubmitted
        | PartStatus::Accepted
        | PartStatus::Rejected
        | PartStatus::Cancelled => false,
    };
    let proven = match tranche.kind {
        TrancheKind::Advance => true,
        TrancheKind::Interim | TrancheKind::Balance => {
            !part.judgements.is_empty() && part.judgements.iter().all(|judgement| judgement.accepted_ppm > Ppm::ZERO)
        }
    };
    if spent && !proven {
        return Err(GrantBroken::Unproven(*id, tranche.number));
    }
    if let Some(payout) = part.payout {
        let said = if part.status == PartStatus::InTransit { u128::from(part.amount) } else { 0 };
        holds(state, *id, Payout::account(&payout), said)?;
    }
    Ok(())
}

/// The account stands on its credit side with exactly so much.
fn holds(state: &State, grant: GrantId, account: Account, said: u128) -> Result<(), GrantBroken> {
    let held = -balance_of(state, &account);
    if u128::try_from(held).is_ok_and(|held| held == said) {
        Ok(())
    } else {
        Err(GrantBroken::Account { grant, account, held, said })
    }
}

fn check_transit(state: &State) -> Result<(), GrantBroken> {
    let mut totals: BTreeMap<BankAccountId, (u128, u128)> = BTreeMap::new();
    for (account, TransitTotal { amount }) in state.all::<TransitTotal>() {
        totals.entry(*account).or_default().0 = u128::from(*amount);
    }
    for (_, payout) in state.all::<Payout>() {
        if payout.status == PayoutStatus::InTransit {
            totals.entry(payout.from_account).or_default().1 += u128::from(payout.amount.minor);
        }
    }
    for (_, refund) in state.all::<Refund>() {
        if let (RefundStatus::InTransit, Some(account)) = (refund.status, refund.paying_account) {
            totals.entry(account).or_default().1 += u128::from(refund.amount.minor);
        }
    }
    match totals.into_iter().find(|(_, (held, said))| held != said) {
        Some((account, (held, said))) => Err(GrantBroken::Transit { account, held, said }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        fixture::{account, fund},
        grant::fixture::{active, judge, pay},
    };

    #[test]
    fn each_invariant_notices_what_breaks_it() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        judge(&mut network, grant, 2, 500_000, 1_000_000);
        check(&network.state).unwrap();
        let broken = |change: &dyn Fn(&mut crate::state::Overlay<'_>)| {
            let mut network = network.clone();
            network.edit(change);
            check(&network.state).unwrap_err()
        };
        let of_grant = |change: fn(&mut Grant)| broken(&move |state| state.update::<Grant>(&grant, change));
        assert!(matches!(of_grant(|record| record.awarded.minor += 1), GrantBroken::Sum { .. }));
        assert!(matches!(of_grant(|record| record.part_mut(2, 0).amount -= 1), GrantBroken::Sum { .. }));
        assert!(matches!(
            of_grant(|record| record.part_mut(2, 0).status = PartStatus::Cancelled),
            GrantBroken::Account { .. }
        ));
        assert!(matches!(
            of_grant(|record| record.part_mut(3, 0).status = PartStatus::Paid),
            GrantBroken::Unproven(_, 3)
        ));
        let encumbered = Account::Encumbered { fund: fund(), grant };
        assert!(matches!(
            broken(&|state| state.put(encumbered.clone(), AccountBalance { fund: fund(), balance: -1 })),
            GrantBroken::Account { .. }
        ));
        assert!(matches!(
            broken(&|state| state.put(account(), TransitTotal { amount: 1 })),
            GrantBroken::Transit { .. }
        ));
    }
}
