//! View 5: the movements of an account with the balance after each, so that opening and closing of any span are two reads.
//!
//! Owner: account key. Entry: leg u16 ‖ amount i64 ‖ balance after i128.

use crate::{Order, Page, PageOf, ReadFault, Row, Rows, ViewError, ViewId, packed, packed::Packed, row::Reader};
use octroi_ledger::{
    Receipt,
    accounts::{Account, Posting},
    state::Key as _,
};
use octroi_primitives::{Balance, Cursor, Height};
use std::collections::BTreeMap;

const VIEW: ViewId = ViewId::Postings;

/// One leg on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// Block and receipt.
    pub cursor: Cursor,
    /// Position among the postings of that event.
    pub leg: u16,
    /// Minor units; debit is positive.
    pub amount: i64,
    /// Balance after it, minor units; debit is positive.
    pub balance: Balance,
}

pub(crate) fn fold(height: Height, receipts: &[Receipt], rows: &dyn Rows, out: &mut Vec<Row>) -> Result<(), ReadFault> {
    let mut balances: BTreeMap<Vec<u8>, Balance> = BTreeMap::new();
    let mut packed = Packed::default();
    for (receipt, outcome) in receipts.iter().enumerate() {
        let Some(postings) = outcome.event().and_then(|event| event.postings()) else { continue };
        for (leg, Posting { fund: _, account, amount }) in postings.legs().iter().enumerate() {
            let owner = account.to_key_bytes();
            let before = match balances.get(&owner) {
                Some(balance) => *balance,
                None => balance_before(rows, &owner, height)?,
            };
            let leg = u16::try_from(leg).expect("an event has at most a few thousand legs");
            let after = before + Balance::from(*amount);
            let entry = [leg.to_be_bytes().as_slice(), &amount.to_be_bytes(), &after.to_be_bytes()].concat();
            packed.add(owner.clone(), receipt as u32, &entry);
            balances.insert(owner, after);
        }
    }
    packed.rows(VIEW, height, out);
    Ok(())
}

fn balance_before(rows: &dyn Rows, owner: &[u8], height: Height) -> Result<Balance, ReadFault> {
    let Some(before) = height.0.checked_sub(1) else { return Ok(0) };
    let last = packed::latest(rows, VIEW, owner, Height(before))?;
    Ok(last.map(|(cursor, entry)| movement(cursor, &entry)).transpose()?.map_or(0, |movement| movement.balance))
}

fn movement(cursor: Cursor, entry: &[u8]) -> Result<Movement, ReadFault> {
    let mut reader = Reader::new(VIEW, entry);
    let leg = u16::from_be_bytes(reader.array()?);
    let amount = i64::from_be_bytes(reader.array()?);
    let balance = Balance::from_be_bytes(reader.array()?);
    reader.end()?;
    Ok(Movement { cursor, leg, amount, balance })
}

/// A page of the movements of an account as of the page's height.
///
/// # Errors
/// A token that is not of this account, or a store that cannot be read.
pub fn movements(rows: &dyn Rows, account: &Account, page: &Page, order: Order) -> Result<PageOf<Movement>, ViewError> {
    let PageOf { items, next } = packed::read(rows, VIEW, &account.to_key_bytes(), page, order)?;
    let items = items.iter().map(|(cursor, entry)| movement(*cursor, entry)).collect::<Result<_, _>>()?;
    Ok(PageOf { items, next })
}

/// Balance of an account after a height, also one whose state is no longer kept.
///
/// # Errors
/// A store that cannot be read.
pub fn balance_at(rows: &dyn Rows, account: &Account, at: Height) -> Result<Balance, ReadFault> {
    let last = packed::latest(rows, VIEW, &account.to_key_bytes(), at)?;
    Ok(last.map(|(cursor, entry)| movement(cursor, &entry)).transpose()?.map_or(0, |movement| movement.balance))
}
