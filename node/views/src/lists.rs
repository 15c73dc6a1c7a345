//! View 3: what belongs to whom, in the order in which it happened: grants of a project, applications of a call, past grants of an identifier.
//!
//! Owner: list u8 ‖ key of the owner. Entry: key of the object. An object is listed once, by the event that made it; how it stands is in the state.

use crate::{Order, Page, PageOf, Rows, ViewError, ViewId, packed};
use octroi_ledger::state::Key;
use octroi_primitives::*;

const VIEW: ViewId = ViewId::Lists;

/// A list with its owner. Numbers are part of stored keys: never reused, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// Promises that an organisation made.
    PromisesOfFunder(OrganisationId),
    /// Promises to a fund.
    PromisesToFund(FundCode),
    /// Calls of a fund.
    CallsOfFund(FundCode),
    /// Every call.
    Calls,
    /// Past grants of a beneficiary, by a verified identifier; keys are those of their records.
    PastGrantsOfBeneficiary(Identifier),
    /// Past grants of a registered funder.
    PastGrantsOfFunder(OrganisationId),
}

impl List {
    fn number(&self) -> u8 {
        match self {
            Self::PromisesOfFunder(_) => 1,
            Self::PromisesToFund(_) => 2,
            Self::CallsOfFund(_) => 3,
            Self::Calls => 4,
            Self::PastGrantsOfBeneficiary(_) => 5,
            Self::PastGrantsOfFunder(_) => 6,
        }
    }

    /// Names list and owner: the bytes before a height in the rows' keys, and what a page's filter is made of.
    pub fn owner(&self) -> Vec<u8> {
        let mut owner = vec![self.number()];
        match self {
            Self::PromisesOfFunder(organisation) | Self::PastGrantsOfFunder(organisation) => {
                organisation.write(&mut owner);
            }
            Self::PromisesToFund(fund) | Self::CallsOfFund(fund) => fund.write(&mut owner),
            Self::Calls => {}
            Self::PastGrantsOfBeneficiary(identifier) => identifier.write(&mut owner),
        }
        owner
    }
}

/// A page of a list as of the page's height: where each object was made, and its key. `K` is the key of the list's objects.
///
/// # Errors
/// A token that is not of this list, or a store that cannot be read.
pub fn list<K: Key>(rows: &dyn Rows, list: &List, page: &Page, order: Order) -> Result<PageOf<(Cursor, K)>, ViewError> {
    let PageOf { items, next } = packed::read(rows, VIEW, &list.owner(), page, order)?;
    let typed = |(cursor, bytes): (Cursor, Vec<u8>)| match K::from_key_bytes(&bytes) {
        Some(key) => Ok((cursor, key)),
        None => Err(crate::ReadFault::row(VIEW, format!("an entry of list {} is no key", list.number()))),
    };
    Ok(PageOf { items: items.into_iter().map(typed).collect::<Result<_, _>>()?, next })
}
