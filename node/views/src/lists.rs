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
    /// Declarations of a levy payer; one replaces another of the same period.
    DeclarationsOfPayer(OrganisationId),
    /// Assessments of a levy payer.
    AssessmentsOfPayer(OrganisationId),
    /// Assessments under a schedule: its register.
    AssessmentsOfSchedule(ScheduleCode),
    /// Periods of a fund that were closed; each by the event that splits it.
    PeriodsOfFund(FundCode),
    /// Past grants to whoever holds an identifier, verified ones only. Rows of files that were replaced stand there too: ask the file.
    PastGrantsOfBeneficiary(Identifier),
    /// Past grants by whoever holds an identifier.
    PastGrantsOfFunderIdentifier(Identifier),
    /// Past grants of a funder that is registered here.
    PastGrantsOfFunder(OrganisationId),
    /// Past grants dated in a year.
    PastGrantsOfYear(u16),
    /// Applications to a call.
    ApplicationsOfCall(CallId),
    /// Applications for a project.
    ApplicationsOfProject(ProjectId),
    /// Applications of an organisation, as lead or partner.
    ApplicationsOfOrganisation(OrganisationId),
    /// Grants to a project.
    GrantsOfProject(ProjectId),
    /// Grants to an organisation: as lead from the award on, as partner from its signature on.
    GrantsOfOrganisation(OrganisationId),
    /// Grants that a fund pays.
    GrantsOfFund(FundCode),
    /// Projects that an organisation registered.
    ProjectsOfOrganisation(OrganisationId),
    /// Every project.
    Projects,
    /// Every change that was proposed.
    Changes,
}

impl List {
    fn number(&self) -> u8 {
        match self {
            Self::PromisesOfFunder(_) => 1,
            Self::PromisesToFund(_) => 2,
            Self::CallsOfFund(_) => 3,
            Self::Calls => 4,
            Self::DeclarationsOfPayer(_) => 5,
            Self::AssessmentsOfPayer(_) => 6,
            Self::AssessmentsOfSchedule(_) => 7,
            Self::PeriodsOfFund(_) => 8,
            Self::PastGrantsOfBeneficiary(_) => 9,
            Self::PastGrantsOfFunderIdentifier(_) => 10,
            Self::PastGrantsOfFunder(_) => 11,
            Self::PastGrantsOfYear(_) => 12,
            Self::ApplicationsOfCall(_) => 13,
            Self::ApplicationsOfProject(_) => 14,
            Self::ApplicationsOfOrganisation(_) => 15,
            Self::GrantsOfProject(_) => 16,
            Self::GrantsOfOrganisation(_) => 17,
            Self::GrantsOfFund(_) => 18,
            Self::ProjectsOfOrganisation(_) => 19,
            Self::Projects => 20,
            Self::Changes => 21,
        }
    }

    /// Names list and owner: the bytes before a height in the rows' keys, and what a page's filter is made of.
    pub fn owner(&self) -> Vec<u8> {
        let mut owner = vec![self.number()];
        match self {
            Self::PromisesOfFunder(organisation)
            | Self::DeclarationsOfPayer(organisation)
            | Self::AssessmentsOfPayer(organisation)
            | Self::PastGrantsOfFunder(organisation)
            | Self::ApplicationsOfOrganisation(organisation)
            | Self::GrantsOfOrganisation(organisation)
            | Self::ProjectsOfOrganisation(organisation) => organisation.write(&mut owner),
            Self::ApplicationsOfProject(project) | Self::GrantsOfProject(project) => project.write(&mut owner),
            Self::ApplicationsOfCall(call) => call.write(&mut owner),
            Self::PromisesToFund(fund)
            | Self::CallsOfFund(fund)
            | Self::PeriodsOfFund(fund)
            | Self::GrantsOfFund(fund) => fund.write(&mut owner),
            Self::AssessmentsOfSchedule(schedule) => schedule.write(&mut owner),
            Self::PastGrantsOfBeneficiary(identifier) | Self::PastGrantsOfFunderIdentifier(identifier) => {
                identifier.write(&mut owner);
            }
            Self::PastGrantsOfYear(year) => year.write(&mut owner),
            Self::Calls | Self::Projects | Self::Changes => {}
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
