//! Which lists an event adds to: the one place where views know the kinds.

use crate::lists::List;
use octroi_ledger::{Event, state::Key};

/// An object and the list it is added to.
pub(crate) struct Listing {
    pub(crate) list: List,
    pub(crate) object: Vec<u8>,
}

/// What the event adds, in the order of lists. A kind that makes no object that is listed adds nothing.
pub(crate) fn listings(event: &Event) -> Vec<Listing> {
    fn of<K: Key>(object: &K, lists: impl IntoIterator<Item = List>) -> Vec<Listing> {
        lists.into_iter().map(|list| Listing { list, object: object.to_key_bytes() }).collect()
    }
    match event {
        Event::RegisterOrganisation(_)
        | Event::RotateKeys(_)
        | Event::RegisterProject(_)
        | Event::AdvanceClock(_)
        | Event::CloseCall(_)
        | Event::AttestStatement(_)
        | Event::MatchEntry(_)
        | Event::DeclareLevy(_)
        | Event::AssessLevy(_)
        | Event::ClosePeriod(_)
        | Event::SubmitApplication(_)
        | Event::ScreenApplication(_)
        | Event::ReviewApplication(_)
        | Event::SignConvention(_)
        | Event::SubmitEvidence(_)
        | Event::JudgeEvidence(_)
        | Event::OrderPayment(_)
        | Event::ReleasePayment(_) => Vec::new(),
        Event::DeclarePastGrant(event) => {
            let declaration = &event.declaration;
            let identifiers = declaration.beneficiary.identifiers.iter();
            // A number whose check digits fail names nobody for sure, and merges nothing.
            let beneficiaries = identifiers.filter(|published| published.verified);
            let lists = beneficiaries.map(|published| List::PastGrantsOfBeneficiary(published.identifier.clone()));
            of(&declaration.key(), lists.chain(event.funder.map(List::PastGrantsOfFunder)))
        }
        Event::PromiseContribution(event) => {
            of(&event.promise, [List::PromisesOfFunder(event.funder), List::PromisesToFund(event.fund)])
        }
        Event::OpenCall(event) => of(&event.id, [List::CallsOfFund(event.call.fund), List::Calls]),
    }
}
