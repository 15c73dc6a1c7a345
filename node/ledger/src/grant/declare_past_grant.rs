//! `declare_past_grant`: a funder, or a publisher for it, records a grant made before or beside this ledger, as one row of a published file says it.
//!
//! - Allowed: any active organisation, by an office that may use the role funder or publisher. If a registered organisation holds an identifier of
//!   the funder, only it or its publisher; of a file that was begun, only its signer or that signer's publisher.
//! - Effect: a memo record with totals of its own; no money moves, nobody is registered. (file, row, share number) is unique for ever, so an import
//!   can be interrupted and run again. The first row that names a file it `replaces` withdraws all rows of that file and closes it.
//! - The amount is what the publisher's row gives the beneficiary: it is not computed again from total and share, whose decimals the row has and this
//!   record has not.
//! - Source: rulebook §7, §12 and §17, 080e.

use super::{
    grant::Grant,
    past_grant::{PartialDate, PastGrant, PastGrantFile, PastGrantTotal},
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    contribution::promise::ParentTranche,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::{IdentifierHolder, successor},
        role::{Role, Scope},
    },
    signer::{Context, holds},
    state::Overlay,
    wire::{Canonical, Wire, WireError, message, pb, words},
};
use octroi_primitives::*;

/// Identifiers of a party, at most.
pub const IDENTIFIERS_MAX: usize = 8;
/// Gaps of a row, at most.
pub const GAPS_MAX: usize = 64;

words! {
    /// What was given.
    pub enum Nature {
        /// Money.
        Cash = "cash",
        /// Something else.
        InKind = "in_kind",
        /// Both.
        Both = "both",
    }
}

/// An identifier as a publisher found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedIdentifier {
    /// The number.
    pub identifier: Identifier,
    /// Whether its check digits hold; one that fails never merges anything.
    pub verified: bool,
}

impl Wire for PublishedIdentifier {
    type Proto = pb::PublishedIdentifier;

    fn to_proto(&self) -> pb::PublishedIdentifier {
        let Self { identifier: Identifier { scheme, value }, verified } = self;
        pb::PublishedIdentifier { scheme: scheme.to_proto(), value: value.to_proto(), verified: *verified }
    }

    fn from_proto(proto: pb::PublishedIdentifier) -> Result<Self, WireError> {
        let pb::PublishedIdentifier { scheme, value, verified } = proto;
        let scheme = Scheme::from_proto(scheme).map_err(|error| error.within("scheme"))?;
        let identifier = Identifier::new(scheme, &value).map_err(|error| WireError::invalid(error).within("value"))?;
        Ok(Self { identifier, verified })
    }
}

message! {
    /// A party of a past grant.
    pub struct PublishedParty = PublishedParty {
        /// Name; never that of a natural person.
        pub name: Option<Note>,
        /// At most 8.
        pub identifiers: Vec<PublishedIdentifier>,
    }

    /// When a past grant was or is paid.
    pub struct PublishedPeriod = PublishedPeriod {
        /// The day, month or year, or the first of several.
        pub from: PartialDate [required],
        /// The last; not before `from`.
        pub to: Option<PartialDate>,
    }

    /// The payload.
    pub struct DeclarePastGrant = DeclarePastGrant {
        /// Hash of the published file.
        pub file: FileHash,
        /// Number of the row, from 1; neither the header nor blank lines count.
        pub row: u32,
        /// From 1; a row shared by several beneficiaries has one transaction a share.
        pub share_number: u32,
        /// The file that this one corrects.
        pub replaces: Option<FileHash>,
        /// Who gave.
        pub funder: PublishedParty [required],
        /// Who received.
        pub beneficiary: PublishedParty [required],
        /// Date of the convention.
        pub date: PartialDate [required],
        /// Reference of the decision.
        pub decision: Option<Note>,
        /// What it is for.
        pub purpose: Option<Note>,
        /// The beneficiary's money; 0 is allowed.
        pub amount: Option<Amount>,
        /// The whole before the split.
        pub total: Option<Amount>,
        /// The beneficiary's share of it.
        pub share_ppm: Option<Ppm>,
        /// Money, something else, or both.
        pub nature: Option<Nature>,
        /// Terms of payment.
        pub conditions: Option<Note>,
        /// When it is paid.
        pub period: Option<PublishedPeriod>,
        /// A loan; outside all totals, as the next three.
        pub loan: Option<Amount>,
        /// A guarantee.
        pub guarantee: Option<Amount>,
        /// What was given in kind.
        pub in_kind: Option<Note>,
        /// What that is worth.
        pub in_kind_estimate: Option<Amount>,
        /// Codes of what the row leaves open.
        pub gaps: Vec<Code>,
        /// Hash of the whole row as it was read.
        pub row_hash: Hash,
        /// A regrant of one who has no fund here: the tranche of a grant of this ledger that the money comes from. Left out of totals.
        pub parent: Option<ParentTranche>,
    }

    /// The event: the declaration with who made it.
    pub struct PastGrantDeclared = PastGrantDeclared {
        /// The new past grant.
        pub id: PastGrantId,
        /// What the row says.
        pub declaration: DeclarePastGrant [required],
        /// Who declared it.
        pub signer: OrganisationId,
        /// The registered organisation that holds an identifier of the funder; of several, that of the first.
        pub funder: Option<OrganisationId>,
        /// Whether this is the first row to name the file it replaces.
        pub withdraws: bool,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is above 10^15 minor units, or a loan, guarantee or estimate of 0", "an amount is above the bound, or an aid other than the grant is 0";
    CurrencyUnknown(Currency): Currency 1 "{0} is neither in ISO 4217 nor the French franc", "the currency is neither listed by ISO 4217 nor FRF, which old files hold";
    CurrencyMixed(Currency, Currency): Currency 2 "{0} and {1} in one row", "the amounts of a row are not in one currency";
    DatePeriod(PartialDate, PartialDate): Date 1 "the period ends {1}, before it begins {0}", "the period of payment ends before it begins";
    LimitIdentifiers(usize): Limit 1 "{0} identifiers of one party; 8 are allowed", "a party has too many identifiers";
    LimitGaps(usize): Limit 2 "{0} gaps; 64 are allowed", "the list of gaps is too long";
    LimitNumbers(u32, u32): Limit 3 "row {0}, share {1}: both are counted from 1", "row or share number is 0";
    SharesAlone(): Shares 1 "total and share stand only together and beside an amount", "a total without share, a share without total, or either without an amount";
    PersonalDataText(&'static str): PersonalData 1 "the {0} looks like personal data", "a name or text holds what looks like personal data";
    signer;
    UnknownReplaced(FileHash): Unknown 1 "file {0}, which this one replaces, was never declared", "no row of the replaced file was declared";
    UnknownParent(GrantId, u32): Unknown 2 "grant {0} has no tranche {1}", "the parent grant or its tranche does not exist";
    StateFileReplaced(FileHash, FileHash): State 1 "file {0} was replaced by {1}", "the row's own file was replaced";
    StateReplacesItself(FileHash): State 2 "file {0} replaces itself", "the file replaces itself";
    StateReplacesOther(FileHash, FileHash): State 3 "file {0} replaces {1} already", "another row of the file names another file that it replaces";
    StateReplacedAlready(FileHash, FileHash): State 4 "file {0} was replaced by {1} already", "another file replaced it first";
    IdentifierMalformed(Identifier, IdentifierError): Identifier 1 "{0}: {1}", "an identifier does not have the form of its register";
    IdentifierNotVerified(Identifier, IdentifierError): Identifier 2 "{0} is marked as verified: {1}", "an identifier whose check digit fails is marked as verified";
    RoleFunder(OrganisationId): Role 2 "organisation {0} holds an identifier of the funder; only it or its publisher may declare this", "the funder is registered, and the signer is neither it nor its publisher; so with every identifier of the funder";
    RoleFile(FileHash, OrganisationId): Role 3 "file {0} was begun by organisation {1}", "another organisation began the file, and the signer is not its publisher";
    RoleReplaced(FileHash, OrganisationId): Role 4 "file {0}, which this one replaces, was declared by organisation {1}", "the signer of the replaced file is another organisation, and the signer is not its publisher";
    RoleParent(GrantId, OrganisationId): Role 5 "grant {0} is led by organisation {1}; only it or its publisher may pass it on", "another organisation leads the parent grant, and the signer is not its publisher";
    DuplicateRow(FileHash, u32, u32): Duplicate 1 "row {1}, share {2} of file {0} was declared before", "file, row and share number were declared before";
    EvidenceParty(&'static str): Evidence 1 "the {0} has neither name nor identifier", "a party has neither name nor identifier";
    EvidenceAid(): Evidence 2 "neither an amount nor another aid", "neither an amount nor an aid in kind, a loan or a guarantee";
    Overflow(FileHash): Overflow 1 "the total of file {0} leaves its range", "a total leaves its range";
}
signer_refusals!(Refused);

impl DeclarePastGrant {
    fn other_aids(&self) -> [Option<Amount>; 3] {
        [self.loan, self.guarantee, self.in_kind_estimate]
    }

    fn amounts(&self) -> impl Iterator<Item = Amount> {
        [self.amount, self.total].into_iter().chain(self.other_aids()).flatten()
    }

    fn parties(&self) -> [(&'static str, &PublishedParty); 2] {
        [("funder", &self.funder), ("beneficiary", &self.beneficiary)]
    }

    fn texts(&self) -> [(&'static str, &Option<Note>); 6] {
        [
            ("funder's name", &self.funder.name),
            ("beneficiary's name", &self.beneficiary.name),
            ("reference of the decision", &self.decision),
            ("purpose", &self.purpose),
            ("conditions", &self.conditions),
            ("aid in kind", &self.in_kind),
        ]
    }

    /// The key that is unique for ever.
    pub fn key(&self) -> (FileHash, u32, u32) {
        (self.file, self.row, self.share_number)
    }

    /// The amount that counts in the totals: none of a regrant, whose money is in them already.
    fn counted(&self) -> Option<Amount> {
        self.amount.filter(|_| self.parent.is_none())
    }

    fn total_key(&self, amount: Amount) -> (FileHash, u16, Currency) {
        (self.file, self.date.year().get(), amount.currency)
    }
}

/// Money that ISO 4217 lists today, or the franc of files older than the euro.
fn is_money(currency: Currency) -> bool {
    currency.is_iso4217() || currency.as_str() == "FRF"
}

/// The owner itself, or one it has made its publisher.
fn may_publish(state: &Overlay<'_>, signer: &OrganisationId, owner: &OrganisationId) -> bool {
    let may = |owner: &OrganisationId| signer == owner || holds(state, signer, Role::Publisher, Scope::Funder(*owner));
    // Who absorbed it speaks for it, as do its publishers.
    may(owner) || may(&successor(state, owner))
}

impl Action for DeclarePastGrant {
    type Event = PastGrantDeclared;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let zero = self.other_aids().into_iter().flatten().find(Amount::is_zero);
        if let Some(amount) = self.amounts().find(|amount| amount.minor > Amount::MAX_MINOR).or(zero) {
            return Err(Refused::AmountBounds(amount));
        }
        if let Some(amount) = self.amounts().find(|amount| !is_money(amount.currency)) {
            return Err(Refused::CurrencyUnknown(amount.currency));
        }
        if let Some(first) = self.amounts().next()
            && let Some(other) = self.amounts().find(|amount| amount.currency != first.currency)
        {
            return Err(Refused::CurrencyMixed(first.currency, other.currency));
        }
        if let Some(PublishedPeriod { from, to: Some(to) }) = self.period
            && !from.may_precede(&to)
        {
            return Err(Refused::DatePeriod(from, to));
        }
        if let Some((_, party)) = self.parties().iter().find(|(_, party)| party.identifiers.len() > IDENTIFIERS_MAX) {
            return Err(Refused::LimitIdentifiers(party.identifiers.len()));
        }
        if self.gaps.len() > GAPS_MAX {
            return Err(Refused::LimitGaps(self.gaps.len()));
        }
        if self.row == 0 || self.share_number == 0 {
            return Err(Refused::LimitNumbers(self.row, self.share_number));
        }
        if self.total.is_some() != self.share_ppm.is_some() || (self.total.is_some() && self.amount.is_none()) {
            return Err(Refused::SharesAlone());
        }
        let personal = |text: &Option<Note>| text.as_ref().is_some_and(|text| personal_data::scan(text).is_some());
        match self.texts().into_iter().find(|(_, text)| personal(text)) {
            Some((what, _)) => Err(Refused::PersonalDataText(what)),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        let lists = self.funder.identifiers.len() + self.beneficiary.identifiers.len() + self.gaps.len();
        BASE_COST + lists as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PastGrantDeclared, Refused> {
        cx.by_office(state, &[Role::Funder, Role::Publisher])?;
        let signer = cx.organisation;
        let file = state.get::<PastGrantFile>(&self.file);
        let replaced = match self.replaces {
            Some(named) => {
                let record = state.get::<PastGrantFile>(&named).ok_or(Refused::UnknownReplaced(named))?;
                Some((named, record))
            }
            None => None,
        };
        let lead = self.parent_lead(state)?;
        self.check_files(file, replaced)?;
        self.check_identifiers()?;
        let funders = self.registered_funders(state);
        if let Some(owner) = funders.iter().find(|owner| !may_publish(state, &signer, owner)) {
            return Err(Refused::RoleFunder(*owner));
        }
        if let Some(record) = file
            && !may_publish(state, &signer, &record.signer)
        {
            return Err(Refused::RoleFile(self.file, record.signer));
        }
        if let Some((named, record)) = replaced
            && !may_publish(state, &signer, &record.signer)
        {
            return Err(Refused::RoleReplaced(named, record.signer));
        }
        if let Some((grant, lead)) = lead
            && !may_publish(state, &signer, &lead)
        {
            return Err(Refused::RoleParent(grant, lead));
        }
        if state.has::<PastGrant>(&self.key()) {
            let (file, row, share) = self.key();
            return Err(Refused::DuplicateRow(file, row, share));
        }
        if let Some((what, _)) =
            self.parties().iter().find(|(_, party)| party.name.is_none() && party.identifiers.is_empty())
        {
            return Err(Refused::EvidenceParty(what));
        }
        if self.amount.is_none() && self.in_kind.is_none() && self.other_aids().iter().all(Option::is_none) {
            return Err(Refused::EvidenceAid());
        }
        if let Some(amount) = self.counted() {
            let before = state.get::<PastGrantTotal>(&self.total_key(amount)).map_or(0, |total| total.minor);
            before.checked_add(amount.balance()).ok_or(Refused::Overflow(self.file))?;
        }
        Ok(PastGrantDeclared {
            id: PastGrantId::new(object_id("past_grant", &cx.place.transaction)),
            declaration: self.clone(),
            signer,
            funder: funders.first().copied(),
            withdraws: replaced.is_some_and(|(_, record)| record.replaced_by.is_none()),
        })
    }
}

impl DeclarePastGrant {
    /// The parent grant and who leads it.
    fn parent_lead(&self, state: &Overlay<'_>) -> Result<Option<(GrantId, OrganisationId)>, Refused> {
        let Some(ParentTranche { grant, tranche }) = self.parent else { return Ok(None) };
        let record = state.get::<Grant>(&grant).filter(|record| record.tranche(tranche).is_some());
        record.map(|record| Some((grant, record.lead()))).ok_or(Refused::UnknownParent(grant, tranche))
    }

    /// The row's file still takes rows, and what it replaces is not replaced by another.
    fn check_files(
        &self,
        file: Option<&PastGrantFile>,
        replaced: Option<(FileHash, &PastGrantFile)>,
    ) -> Result<(), Refused> {
        if let Some(PastGrantFile { replaced_by: Some(by), .. }) = file {
            return Err(Refused::StateFileReplaced(self.file, *by));
        }
        let Some((named, record)) = replaced else { return Ok(()) };
        if named == self.file {
            return Err(Refused::StateReplacesItself(named));
        }
        if let Some(PastGrantFile { replaces: Some(other), .. }) = file
            && *other != named
        {
            return Err(Refused::StateReplacesOther(self.file, *other));
        }
        match record.replaced_by {
            Some(by) if by != self.file => Err(Refused::StateReplacedAlready(named, by)),
            _ => Ok(()),
        }
    }

    fn check_identifiers(&self) -> Result<(), Refused> {
        for PublishedIdentifier { identifier, verified } in
            self.parties().iter().flat_map(|(_, party)| &party.identifiers)
        {
            match identifier.check() {
                Err(error @ IdentifierError::Malformed { .. }) => {
                    return Err(Refused::IdentifierMalformed(identifier.clone(), error));
                }
                Err(error @ IdentifierError::CheckDigit { .. }) if *verified => {
                    return Err(Refused::IdentifierNotVerified(identifier.clone(), error));
                }
                Err(IdentifierError::CheckDigit { .. }) | Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Who holds identifiers of the funder here, in the row's order: each must let the signer declare it.
    fn registered_funders(&self, state: &Overlay<'_>) -> Vec<OrganisationId> {
        let identifiers = self.funder.identifiers.iter().map(|published| &published.identifier);
        identifiers.filter_map(|held| state.get::<IdentifierHolder>(held)).map(|holder| holder.organisation).collect()
    }
}

impl Effect for PastGrantDeclared {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, declaration, signer, funder, withdraws } = self;
        let file = declaration.file;
        let mut record = state.get::<PastGrantFile>(&file).cloned().unwrap_or(PastGrantFile {
            signer: *signer,
            replaces: None,
            replaced_by: None,
            rows: 0,
        });
        record.rows += 1;
        record.replaces = record.replaces.or(declaration.replaces);
        state.put::<PastGrantFile>(file, record);
        if let Some(replaced) = declaration.replaces
            && *withdraws
        {
            state.update::<PastGrantFile>(&replaced, |record| record.replaced_by = Some(file));
        }
        if let Some(amount) = declaration.counted() {
            let key = declaration.total_key(amount);
            let mut total = state.get::<PastGrantTotal>(&key).cloned().unwrap_or_default();
            total.rows += 1;
            total.minor += amount.balance();
            state.put::<PastGrantTotal>(key, total);
        }
        let grant = PastGrant {
            id: *id,
            signer: *signer,
            funder: *funder,
            year: declaration.date.year(),
            amount: declaration.amount,
            content: hash("past-grant", &[&declaration.to_bytes()]),
        };
        state.put::<PastGrant>(declaration.key(), grant);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let declaration = &self.declaration;
        let mut subjects =
            vec![RecordRef::of::<PastGrant>(&declaration.key()), RecordRef::of::<PastGrantFile>(&declaration.file)];
        if let Some(replaced) = declaration.replaces
            && self.withdraws
        {
            subjects.push(RecordRef::of::<PastGrantFile>(&replaced));
        }
        subjects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload, Network},
        registry::{
            organisation::{IdentifierHolder, Organisation, Status},
            role::RoleGrant,
        },
    };

    impl IntoPayload for DeclarePastGrant {
        fn into_payload(self) -> Payload {
            Payload::DeclarePastGrant(self)
        }
    }

    fn file(text: &str) -> FileHash {
        FileHash::new(hash("test-file", &[text.as_bytes()]))
    }

    fn published(scheme: Scheme, value: &str, verified: bool) -> PublishedIdentifier {
        PublishedIdentifier { identifier: Identifier::new(scheme, value).unwrap(), verified }
    }

    fn party(name: &str) -> PublishedParty {
        PublishedParty { name: Some(Note::new(name).unwrap()), identifiers: vec![] }
    }

    fn row(number: u32) -> DeclarePastGrant {
        DeclarePastGrant {
            file: file("a"),
            row: number,
            share_number: 1,
            replaces: None,
            funder: party("Département (invented)"),
            beneficiary: party("Association (invented)"),
            date: PartialDate::new(2017, Some(3), Some(6)).unwrap(),
            decision: None,
            purpose: None,
            amount: Some(Amount::eur(1_000)),
            total: Some(Amount::eur(2_000)),
            share_ppm: Some(Ppm::new(333_333).unwrap()),
            nature: Some(Nature::Cash),
            conditions: None,
            period: None,
            loan: None,
            guarantee: None,
            in_kind: None,
            in_kind_estimate: None,
            gaps: vec![],
            row_hash: Hash::ZERO,
            parent: None,
        }
    }

    fn with(change: impl FnOnce(&mut DeclarePastGrant)) -> DeclarePastGrant {
        let mut declaration = row(1);
        change(&mut declaration);
        declaration
    }

    /// `asso1` holds this number; `region` is its publisher.
    const SIREN: &str = "732829320";

    fn with_registered_funder() -> Network {
        let mut network = fixture::network();
        network.edit(|state| {
            let identifier = Identifier::new(Scheme::Siren, SIREN).unwrap();
            state.put::<IdentifierHolder>(identifier, IdentifierHolder { organisation: fixture::id("asso1") });
            let scope = Scope::Funder(fixture::id("asso1"));
            state.put::<RoleGrant>((fixture::id("region"), Role::Publisher, scope), RoleGrant { change: None });
        });
        network
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let text = |text: &str| Some(Note::new(text).unwrap());
        let frf = |minor| Some(Amount::new(minor, Currency::new("FRF").unwrap()));
        let mut network = with_registered_funder();
        network.run("asso2", row(1)).unwrap();
        network.run("asso2", with(|row| row.file = file("old"))).unwrap();
        network.run("asso1", with(|row| row.file = file("of asso1"))).unwrap();
        let replacing = |row: &mut DeclarePastGrant| {
            row.file = file("new");
            row.replaces = Some(file("old"));
        };
        network.run("asso2", with(replacing)).unwrap();
        network.suspend("asso3");
        let (elsewhere, grant) = crate::grant::fixture::active();
        let led_by_asso1 = crate::grant::fixture::record(&elsewhere, grant);
        network.edit(|state| {
            state.put::<Grant>(grant, led_by_asso1);
            use crate::registry::organisation::Organisation;
            state.update::<Organisation>(&fixture::id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
            let total = PastGrantTotal { rows: 1, minor: Balance::MAX };
            state.put::<PastGrantTotal>((file("a"), 2017, Currency::EUR), total);
        });
        let fresh = |change: &dyn Fn(&mut DeclarePastGrant)| {
            with(|row| {
                row.row = 2;
                change(row);
            })
        };
        let bad_siren = |verified| vec![published(Scheme::Siren, "732829321", verified)];
        let table: Vec<(&str, DeclarePastGrant)> = vec![
            ("asso2", fresh(&|row| row.loan = Some(Amount::eur(0)))),
            ("asso2", fresh(&|row| row.amount = Some(Amount::new(1, Currency::new("XXX").unwrap())))),
            ("asso2", fresh(&|row| row.loan = frf(1))),
            (
                "asso2",
                fresh(&|row| {
                    let date = |month| PartialDate::new(2017, Some(month), None).unwrap();
                    row.period = Some(PublishedPeriod { from: date(5), to: Some(date(4)) });
                }),
            ),
            ("asso2", fresh(&|row| row.funder.identifiers = vec![published(Scheme::Siren, SIREN, true); 9])),
            ("asso2", fresh(&|row| row.gaps = vec![Code::new("purpose").unwrap(); 65])),
            ("asso2", fresh(&|row| row.share_number = 0)),
            ("asso2", fresh(&|row| row.total = None)),
            ("asso2", fresh(&|row| row.purpose = text("write to someone@example.org"))),
            ("asso3", fresh(&|_| {})),
            ("lab", fresh(&|_| {})),
            ("asso2", fresh(&|row| row.replaces = Some(file("never seen")))),
            ("asso2", fresh(&|row| row.parent = Some(ParentTranche { grant, tranche: 9 }))),
            ("asso2", fresh(&|row| row.file = file("old"))),
            ("asso2", fresh(&|row| row.replaces = Some(file("a")))),
            (
                "asso2",
                fresh(&|row| {
                    row.file = file("new");
                    row.replaces = Some(file("a"));
                }),
            ),
            ("asso2", fresh(&|row| row.replaces = Some(file("old")))),
            ("asso2", fresh(&|row| row.beneficiary.identifiers = vec![published(Scheme::Siren, "12", false)])),
            ("asso2", fresh(&|row| row.beneficiary.identifiers = bad_siren(true))),
            ("asso2", fresh(&|row| row.funder.identifiers = vec![published(Scheme::Siren, SIREN, true)])),
            ("asso1", fresh(&|_| {})),
            ("asso2", fresh(&|row| row.replaces = Some(file("of asso1")))),
            ("asso2", fresh(&|row| row.parent = Some(ParentTranche { grant, tranche: 1 }))),
            ("asso2", row(1)),
            ("asso2", fresh(&|row| row.beneficiary.name = None)),
            (
                "asso2",
                fresh(&|row| {
                    row.amount = None;
                    row.total = None;
                    row.share_ppm = None;
                }),
            ),
            ("asso2", fresh(&|_| {})),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, row)| network.refusal(signer, row)).collect();
        fixture::assert_all_reached(Kind::DeclarePastGrant, &reached);
    }

    #[test]
    fn a_row_adds_to_the_totals_of_its_file_year_and_currency_and_moves_no_money() {
        let mut network = fixture::network();
        for number in 1..=3 {
            assert!(network.run("asso2", row(number)).unwrap().postings().is_none());
        }
        network.run("asso2", with(|row| (row.row, row.amount) = (4, Some(Amount::eur(0))))).unwrap();
        let total = network.state.get::<PastGrantTotal>(&(file("a"), 2017, Currency::EUR)).unwrap();
        assert_eq!((total.rows, total.minor), (4, 3_000));
        assert_eq!(network.state.get::<PastGrantFile>(&file("a")).unwrap().rows, 4);
        assert_eq!(network.state.count::<PastGrant>(), 4);
    }

    #[test]
    fn an_aid_that_is_no_money_is_recorded_outside_all_totals() {
        let mut network = fixture::network();
        let in_kind = with(|row| {
            (row.amount, row.total, row.share_ppm) = (None, None, None);
            row.in_kind = Some(Note::new("a hall").unwrap());
            row.loan = Some(Amount::eur(5));
        });
        fixture::assert_round_trips(&in_kind.clone().into_payload());
        network.run("asso2", in_kind).unwrap();
        assert_eq!(network.state.count::<PastGrantTotal>(), 0);
        assert_eq!(network.state.count::<PastGrant>(), 1);
    }

    #[test]
    fn an_import_that_is_run_again_doubles_nothing_and_equal_rows_are_two_grants() {
        let mut network = fixture::network();
        network.run("asso2", row(1)).unwrap();
        assert_eq!(network.refusal("asso2", row(1)), "DuplicateRow");
        network.run("asso2", row(2)).unwrap();
        assert_eq!(network.state.count::<PastGrant>(), 2);
    }

    #[test]
    fn a_file_that_replaces_another_withdraws_it_once_and_keeps_its_rows() {
        let mut network = fixture::network();
        network.run("asso2", row(1)).unwrap();
        for number in 1..=2 {
            let corrected = with(|row| (row.file, row.row, row.replaces) = (file("b"), number, Some(file("a"))));
            let Event::DeclarePastGrant(event) = network.run("asso2", corrected).unwrap() else { panic!("declared") };
            assert_eq!(event.withdraws, number == 1);
        }
        assert_eq!(network.state.get::<PastGrantFile>(&file("a")).unwrap().replaced_by, Some(file("b")));
        assert_eq!(network.refusal("asso2", row(2)), "StateFileReplaced");
        let third = with(|row| (row.file, row.replaces) = (file("c"), Some(file("a"))));
        assert_eq!(network.refusal("asso2", third), "StateReplacedAlready");
        assert_eq!(network.state.count::<PastGrant>(), 3);
    }

    #[test]
    fn a_registered_funder_is_declared_by_itself_or_its_publisher_only() {
        let mut network = with_registered_funder();
        let declared = |number: u32, name: &str| {
            with(|row| {
                (row.row, row.file) = (number, file(name));
                row.funder.identifiers = vec![published(Scheme::Siren, SIREN, true)];
            })
        };
        assert_eq!(network.refusal("asso2", declared(1, "x")), "RoleFunder");
        network.run("region", declared(1, "x")).unwrap();
        network.run("region", declared(2, "x")).unwrap();
        let Event::DeclarePastGrant(event) = network.run("asso1", declared(1, "y")).unwrap() else {
            panic!("declared")
        };
        assert_eq!(event.funder, Some(fixture::id("asso1")));
        network.run("region", declared(2, "y")).unwrap();
    }

    #[test]
    fn who_absorbed_a_registered_funder_declares_its_past_grants() {
        let mut network = with_registered_funder();
        let into = fixture::id("asso3");
        network.edit(|state| {
            state.update::<Organisation>(&fixture::id("asso1"), |record| {
                record.status = Status::Merged;
                record.merged_into = Some(into);
            });
        });
        let row = with(|row| row.funder.identifiers = vec![published(Scheme::Siren, SIREN, true)]);
        assert_eq!(network.refusal("asso2", row.clone()), "RoleFunder");
        let event = network.run("asso3", row).unwrap();
        let Event::DeclarePastGrant(declared) = event else { panic!("{event:?}") };
        assert_eq!(declared.funder, Some(fixture::id("asso1")), "history stays with the old id");
    }

    #[test]
    fn every_registered_holder_among_the_funders_identifiers_must_let_it() {
        const OTHER: &str = "404833048";
        let mut network = with_registered_funder();
        network.edit(|state| {
            let identifier = Identifier::new(Scheme::Siren, OTHER).unwrap();
            state.put::<IdentifierHolder>(identifier, IdentifierHolder { organisation: fixture::id("asso2") });
        });
        let both = |first, second| {
            with(|row| {
                row.funder.identifiers =
                    vec![published(Scheme::Siren, first, true), published(Scheme::Siren, second, true)];
            })
        };
        for row in [both(SIREN, OTHER), both(OTHER, SIREN)] {
            for signer in ["asso1", "asso2", "region"] {
                assert_eq!(network.refusal(signer, row.clone()), "RoleFunder", "{signer}");
            }
        }
        network.edit(|state| {
            let scope = Scope::Funder(fixture::id("asso2"));
            state.put::<RoleGrant>((fixture::id("region"), Role::Publisher, scope), RoleGrant { change: None });
        });
        network.run("region", both(SIREN, OTHER)).unwrap();
    }

    #[test]
    fn a_regrant_is_declared_by_the_lead_of_its_parent_and_left_out_of_totals() {
        let (mut network, grant) = crate::grant::fixture::active();
        let regrant = with(|row| row.parent = Some(ParentTranche { grant, tranche: 1 }));
        fixture::assert_round_trips(&Payload::DeclarePastGrant(regrant.clone()));
        network.run("asso1", regrant).unwrap();
        assert_eq!(network.state.count::<PastGrant>(), 1);
        assert_eq!(network.state.count::<PastGrantTotal>(), 0);
        network.run("asso1", with(|row| row.row = 2)).unwrap();
        let (_, total) = network.state.all::<PastGrantTotal>().next().unwrap();
        assert_eq!((total.rows, total.minor), (1, 1_000));
    }
}
