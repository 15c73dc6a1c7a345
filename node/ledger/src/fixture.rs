//! A small network for tests of kinds: invented organisations, one fund, three colleges, four validators whose keys the test holds.
//!
//! [`network`] is the state after genesis (2027-01-04, 09:00 UTC). [`Network::decide`] asks what a payload would do now; [`Network::run`] does it,
//! in a block of its own that is proposed, checked again from its bytes as another validator would, executed, certified and committed.
//! [`Network::advance`] lets time pass and returns the receipts of due work. [`Network::edit`] writes records that no kind writes yet.
//! After every block each receipt and each record is read back from its canonical bytes, and what the block touched obeys the invariants.
//!
//! Every organisation has one office, `main`, with one key ([`key`]) and every role in its list: whether an act is allowed depends on the roles
//! that genesis grants. `asso1_branch` and `bank_branch` have `asso1` and `bank` as parents.

pub mod money;

use crate::{
    accounts::{self, Postings},
    action::{Event, Kind, Payload, Place},
    block::CheckedBlock,
    execute::{Proposed, execute, propose},
    genesis::*,
    network::NetworkKind,
    receipt::{Outcome, Receipt, Receipts},
    refusal::Refusal,
    registry::{
        fund::Fund,
        organisation::{Organisation, OrganisationKind, Status},
        register_organisation::{OfferedKey, OfferedOffice, RegisterOrganisation},
        role::{Role, Scope},
        territory::{Level, Territory},
    },
    signer::Context,
    state::{Overlay, RecordRow, State},
    transaction::{Transaction, verify},
    wire::Canonical,
};
use octroi_chain::{CommitCertificate, Vote, VoteKind};
use octroi_primitives::*;

/// Name of the network.
pub const NAME: &str = "fixture";

/// Code, kind and parent of every organisation.
const ORGANISATIONS: &[(&str, OrganisationKind, Option<&str>)] = &[
    ("bank", OrganisationKind::PublicBody, None),
    ("bank_branch", OrganisationKind::Company, Some("bank")),
    ("foundation", OrganisationKind::Foundation, None),
    ("region", OrganisationKind::PublicBody, None),
    ("federation", OrganisationKind::Federation, None),
    ("lab", OrganisationKind::Association, None),
    ("university", OrganisationKind::PublicBody, None),
    ("consumers", OrganisationKind::Association, None),
    ("tax", OrganisationKind::PublicBody, None),
    ("data", OrganisationKind::PublicBody, None),
    ("platform", OrganisationKind::Company, None),
    ("reuser", OrganisationKind::Company, None),
    ("asso1", OrganisationKind::Association, None),
    ("asso1_branch", OrganisationKind::Association, Some("asso1")),
    ("asso2", OrganisationKind::Association, None),
    ("asso3", OrganisationKind::Association, None),
    ("audit", OrganisationKind::Company, None),
];

/// Colleges and who sits in them.
const COLLEGES: &[(&str, &[&str])] = &[
    ("funders", &["bank", "region"]),
    ("commoners", &["federation", "lab"]),
    ("users", &["foundation", "university", "consumers"]),
];

/// Who runs a validator, and in which college it counts.
const VALIDATORS: &[(&str, &str)] =
    &[("bank", "funders"), ("foundation", "users"), ("region", "funders"), ("federation", "commoners")];

/// 2027-01-04, 09:00 UTC.
pub const START: BlockTime = BlockTime(1_799_053_200_000);
/// A day in milliseconds.
pub const DAY: u64 = 86_400_000;

/// Id of an organisation of the fixture.
pub fn id(code: &str) -> OrganisationId {
    OrganisationId::new(genesis_id("organisation", NAME, code))
}

/// The office key of an organisation of the fixture.
pub fn key(code: &str) -> SecretKey {
    SecretKey::from_seed(hash("fixture-office", &[code.as_bytes()]).to_bytes())
}

/// The consensus key of a validator of the fixture, or of a candidate.
pub fn consensus_key(code: &str) -> SecretKey {
    SecretKey::from_seed(hash("fixture-consensus", &[code.as_bytes()]).to_bytes())
}

/// The network key of a validator of the fixture, or of a candidate.
pub fn network_key(code: &str) -> PublicKey {
    SecretKey::from_seed(hash("fixture-network", &[code.as_bytes()]).to_bytes()).public()
}

/// The fund `commun`: EUR, quarterly, first period 2027Q1, envelopes `commons`, `startups`, `sme_data`, `territories`.
pub fn fund() -> FundCode {
    FundCode::new("commun").unwrap()
}

/// An envelope of the fund.
pub fn envelope(code: &str) -> EnvelopeCode {
    EnvelopeCode::new(code).unwrap()
}

/// The fund's bank account, attested by `bank` and `foundation`.
pub fn account() -> BankAccountId {
    BankAccountId::new(hash("fixture-account", &[]))
}

/// A commitment, different for each text.
pub fn commitment(text: &str) -> Commitment {
    Commitment::new(hash("fixture-commitment", &[text.as_bytes()]))
}

/// Some name.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// An offered key of an organisation, with its proof.
pub fn offer(key: &SecretKey) -> OfferedKey {
    OfferedKey { key: key.public(), possession: prove_possession(key, PossessionPurpose::Office, NAME) }
}

fn registration(code: &str, kind: OrganisationKind, parent: Option<&str>) -> RegisterOrganisation {
    RegisterOrganisation {
        kind,
        name: name(&format!("{code} (invented)")),
        identifiers: vec![],
        territory: Some(TerritoryCode::new("44").unwrap()),
        legal_category: None,
        parent: parent.map(id),
        offices: vec![OfferedOffice {
            code: OfficeCode::new("main").unwrap(),
            roles: Role::ALL.to_vec(),
            keys: vec![offer(&key(code))],
        }],
        thresholds: vec![],
    }
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn roles() -> Vec<GenesisRole> {
    [
        ("bank", Role::Registrar, Scope::Network),
        ("bank", Role::Comptable, Scope::Fund(fund())),
        ("bank", Role::BankAttestor, Scope::Account(account())),
        ("foundation", Role::BankAttestor, Scope::Account(account())),
        ("foundation", Role::ProgrammeManager, Scope::Fund(fund())),
        ("region", Role::Ordonnateur, Scope::Fund(fund())),
        ("federation", Role::Reviewer, Scope::Fund(fund())),
        ("university", Role::Reviewer, Scope::Fund(fund())),
        ("consumers", Role::Reviewer, Scope::Fund(fund())),
        ("audit", Role::Auditor, Scope::Fund(fund())),
    ]
    .into_iter()
    .map(granted)
    .collect()
}

fn granted((organisation, role, scope): (&str, Role, Scope)) -> GenesisRole {
    GenesisRole { organisation: code(organisation), role, scope }
}

fn territories() -> Vec<GenesisTerritory> {
    [
        ("fr", Level::Country, None, 68_000_000),
        ("52", Level::Region, Some("fr"), 3_922_476),
        ("44", Level::Departement, Some("52"), 1_413_341),
        ("49", Level::Departement, Some("52"), 820_655),
    ]
    .into_iter()
    .map(|(text, level, parent, population)| GenesisTerritory {
        code: TerritoryCode::new(text).unwrap(),
        territory: Territory {
            name: name(text),
            level,
            parent: parent.map(|parent| TerritoryCode::new(parent).unwrap()),
            population,
            from: None,
            to: None,
        },
    })
    .collect()
}

/// The genesis of the fixture; tests that need another one change it and pass it to [`of_genesis`].
pub fn genesis() -> Genesis {
    let commun = Fund {
        name: name("Fonds commun (invented)"),
        currency: Currency::EUR,
        period_length: PeriodLength::Quarter,
        next_period: "2027Q1".parse().unwrap(),
        host: None,
    };
    Genesis {
        version: 1,
        name: name(NAME),
        dev: NetworkKind::Dev,
        time: START,
        parameters: vec![],
        territories: territories(),
        organisations: ORGANISATIONS
            .iter()
            .map(|(organisation, kind, parent)| GenesisOrganisation {
                code: code(organisation),
                registration: registration(organisation, *kind, *parent),
            })
            .collect(),
        colleges: COLLEGES
            .iter()
            .map(|(college, seats)| GenesisCollege {
                code: CollegeCode::new(college).unwrap(),
                name: name(college),
                seats: seats.iter().map(|seat| code(seat)).collect(),
            })
            .collect(),
        funds: vec![GenesisFund {
            code: fund(),
            fund: commun,
            envelopes: ["commons", "startups", "sme_data", "territories"]
                .map(|envelope| GenesisEnvelope { code: self::envelope(envelope), name: name(envelope) })
                .to_vec(),
        }],
        roles: roles(),
        validators: VALIDATORS
            .iter()
            .map(|(organisation, college)| GenesisValidator {
                organisation: code(organisation),
                consensus_key: consensus_key(organisation).public(),
                network_key: network_key(organisation),
                possession: prove_possession(&consensus_key(organisation), PossessionPurpose::Consensus, NAME),
                college: CollegeCode::new(college).unwrap(),
            })
            .collect(),
        bank_accounts: vec![GenesisBankAccount {
            account: account(),
            fund: fund(),
            attestors: vec![code("bank"), code("foundation")],
            needed: 2,
            opening: 0,
        }],
        schedules: vec![],
        policies: vec![],
    }
}

/// A chain with one head, and the keys of all that act on it.
#[derive(Clone)]
pub struct Network {
    /// The state after the last block.
    pub state: State,
    salts: u64,
    commit: Option<CommitCertificate>,
}

/// The network after genesis.
pub fn network() -> Network {
    of_genesis(&genesis())
}

/// A network of another genesis, with the keys of the fixture.
pub fn of_genesis(genesis: &Genesis) -> Network {
    Network { state: genesis.state().expect("the fixture obeys the rules"), salts: 0, commit: None }
}

impl Network {
    /// A network that stands on this state; it can decide and be edited, but makes no blocks above the first.
    pub fn on(state: State) -> Self {
        Self { state, salts: 0, commit: None }
    }

    /// Time of the last block.
    pub fn now(&self) -> BlockTime {
        self.state.head().time
    }

    /// A time `days` days after the last block.
    pub fn in_days(&self, days: u64) -> BlockTime {
        BlockTime(self.now().0 + days * DAY)
    }

    /// Its legal date.
    pub fn today(&self) -> LegalDate {
        LegalDate::at(self.now())
    }

    /// What the payload of an organisation would do in the next block, one millisecond later; nothing is written. `validate` is part of it.
    ///
    /// # Errors
    /// The refusal.
    pub fn decide(&self, organisation: &str, payload: Payload) -> Result<Event, Refusal> {
        self.decide_as(id(organisation), &[key(organisation).public()], payload)
    }

    /// The id of the transaction that [`Network::decide`] asks about.
    pub fn next_transaction(&self) -> TransactionId {
        TransactionId::new(hash("fixture-transaction", &[&self.salts.to_be_bytes()]))
    }

    /// As [`Network::decide`], signed by these keys.
    ///
    /// # Errors
    /// The refusal.
    pub fn decide_as(
        &self,
        organisation: OrganisationId,
        keys: &[PublicKey],
        payload: Payload,
    ) -> Result<Event, Refusal> {
        let cx = Context { place: self.next_place(), organisation, keys, kind: payload.kind() };
        payload.decide(&cx, &self.state.overlay())
    }

    fn next_place(&self) -> Place {
        Place {
            height: Height(self.state.head().height.0 + 1),
            time: BlockTime(self.now().0 + 1),
            receipt: 0,
            transaction: self.next_transaction(),
        }
    }

    /// Decides and writes outside of any block, posting what `change` makes of the postings: what a broken rule would do.
    ///
    /// # Errors
    /// The refusal.
    pub fn apply_with(
        &mut self,
        organisation: &str,
        payload: Payload,
        change: impl FnOnce(&Postings) -> Postings,
    ) -> Result<Event, Refusal> {
        let place = self.next_place();
        let event = self.decide(organisation, payload)?;
        self.edit(|state| {
            if let Some(postings) = event.postings() {
                accounts::post(state, &change(postings));
            }
            event.apply(&place, state);
        });
        Ok(event)
    }

    /// The name of the variant that refuses, such as `AmountBounds`.
    ///
    /// # Panics
    /// When the payload is not refused.
    pub fn refusal(&self, organisation: &str, payload: impl IntoPayload) -> &'static str {
        variant(self.decide(organisation, payload.into_payload()))
    }

    /// Runs a payload in a block of its own.
    ///
    /// # Errors
    /// The refusal; the block is committed all the same.
    pub fn run(&mut self, organisation: &str, payload: impl IntoPayload) -> Result<Event, Refusal> {
        let (_, receipt) = self.run_all(vec![(organisation, payload.into_payload())]).pop().expect("one");
        receipt
    }

    /// Runs payloads in one block, in order; answers with each transaction's id and outcome.
    pub fn run_all(&mut self, acts: Vec<(&str, Payload)>) -> Vec<(TransactionId, Result<Event, Refusal>)> {
        let transactions = acts
            .into_iter()
            .map(|(organisation, payload)| {
                self.salts += 1;
                let mut salt = [0; 16];
                salt[..8].copy_from_slice(&self.salts.to_be_bytes());
                let transaction = Transaction {
                    network: self.state.network(),
                    organisation: id(organisation),
                    valid_until: self.now().saturating_add(600_000),
                    salt: Salt(salt),
                    payload,
                };
                transaction.sign(&[&key(organisation)])
            })
            .collect();
        let transactions = verify(&self.state.network(), transactions).into_iter().map(Result::unwrap).collect();
        let (system, receipts) = self.block(1, transactions);
        receipts
            .into_iter()
            .skip(system)
            .map(|receipt| {
                let outcome = match receipt.outcome {
                    Outcome::Applied(event) => Ok(event),
                    Outcome::Refused(refusal) => Err(refusal),
                };
                (receipt.transaction, outcome)
            })
            .collect()
    }

    /// Lets time pass with one block at its end; answers with the receipts of due work.
    pub fn advance(&mut self, milliseconds: u64) -> Vec<Receipt> {
        self.block(milliseconds.max(1), vec![]).1
    }

    /// Lets time pass up to a moment.
    pub fn advance_to(&mut self, time: BlockTime) -> Vec<Receipt> {
        self.advance(time.0.saturating_sub(self.now().0))
    }

    /// Makes `count` blocks, a heartbeat apart, and answers with all receipts of due work.
    pub fn heartbeats(&mut self, count: u64) -> Vec<Receipt> {
        (0..count).flat_map(|_| self.advance(60_000)).collect()
    }

    /// Writes records past the rules, as if they had always been there.
    pub fn edit(&mut self, write: impl FnOnce(&mut Overlay<'_>)) {
        let mut overlay = self.state.overlay();
        write(&mut overlay);
        let changes = overlay.into_changes();
        let mut leaves: Vec<(Hash, Option<Hash>)> = changes.rows().iter().map(RecordRow::leaf).collect();
        leaves.sort_unstable_by_key(|(key, _)| *key);
        let tree = self.state.tree().update(&leaves);
        let (head, validators) = (self.state.head().clone(), self.state.validators().clone());
        self.state.merge(head, &changes, tree, &[], 0, validators);
    }

    /// Suspends an organisation.
    pub fn suspend(&mut self, organisation: &str) {
        self.edit(|state| state.update::<Organisation>(&id(organisation), |record| record.status = Status::Suspended));
    }

    /// A block some milliseconds after the last: how many of its receipts are of due work, and all of them.
    fn block(
        &mut self,
        milliseconds: u64,
        transactions: Vec<crate::transaction::VerifiedTransaction>,
    ) -> (usize, Vec<Receipt>) {
        let set = self.state.validators().clone();
        let height = Height(self.state.head().height.0 + 1);
        let proposed = Proposed {
            round: Round(0),
            time: BlockTime(self.now().0 + milliseconds),
            proposer: set.select(height, Round(0)).consensus_key,
            transactions,
            last_commit: self.commit.clone(),
        };
        let executed = propose(&self.state, proposed).expect("the fixture proposes valid blocks");
        let checked = CheckedBlock::check(executed.block().clone(), &self.state, |_| None).expect("validators agree");
        execute(&self.state, checked).expect("validators execute the same");
        let votes = ORGANISATIONS.iter().map(|(code, _, _)| consensus_key(code)).filter_map(|key| {
            set.position(&key.public())?;
            let vote = Vote {
                kind: VoteKind::Precommit,
                height,
                round: Round(0),
                block: Some(executed.id()),
                validator: key.public(),
            };
            Some(vote.sign(&self.state.network(), &key))
        });
        let mut votes: Vec<_> = votes.collect();
        votes.sort_by_key(|signed| signed.vote.validator);
        self.commit = Some(CommitCertificate::of_precommits(height, Round(0), executed.id(), votes));
        self.state.commit(&executed);
        assert_eq!(crate::accounts::invariants::check_touched(&self.state, &executed), []);
        assert_eq!(executed.receipts_bytes(), Receipts::bytes_of(executed.receipts()), "bytes made along the way");
        for receipt in executed.receipts() {
            assert_is_read_back(receipt);
        }
        for row in executed.rows() {
            assert_loads(&self.state, row);
        }
        (executed.system_receipts(), executed.receipts().to_vec())
    }
}

/// The name of the variant that refused.
///
/// # Panics
/// When it was not refused.
pub fn variant(outcome: Result<Event, Refusal>) -> &'static str {
    let refusal = outcome.expect_err("it is refused");
    refusal.doc().expect("the code is in the kind's list").variant
}

/// Every variant of a kind's refusals stands in the list of those that a test reached.
///
/// # Panics
/// When one is missing, or out of order of precedence.
pub fn assert_all_reached(kind: Kind, reached: &[&str]) {
    let all: Vec<&str> = kind.refusals().iter().map(|doc| doc.variant).collect();
    assert_eq!(reached, all, "refusals of {kind} in order of precedence");
}

/// A payload survives the wire: it is read back from its canonical bytes.
pub fn assert_round_trips(payload: &Payload) {
    let transaction = Transaction {
        network: NetworkId::ZERO,
        organisation: OrganisationId::ZERO,
        valid_until: BlockTime(1),
        salt: Salt([0; 16]),
        payload: payload.clone(),
    };
    let bytes = transaction.to_bytes();
    assert_eq!(Transaction::from_bytes(&bytes).as_ref(), Ok(&transaction));
}

fn assert_is_read_back(receipt: &Receipt) {
    let bytes = receipt.to_bytes();
    assert_eq!(Receipt::from_bytes(&bytes).as_ref(), Ok(receipt));
}

fn assert_loads(state: &State, row: &RecordRow) {
    let RecordRow { table, key, value } = row;
    if value.is_some() {
        let mut overlay = state.overlay();
        let table = crate::state::Table::ALL.iter().find(|known| known.number() == *table).expect("a known table");
        assert!(overlay.set_history_of(*table, key, |history| history), "key of {} is read back", table.name());
    }
}

/// Payloads and what wraps into one, so that tests can pass an action as it is.
pub trait IntoPayload {
    /// The payload.
    fn into_payload(self) -> Payload;
}

impl IntoPayload for Payload {
    fn into_payload(self) -> Payload {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contribution::{promise::Promise, promise_contribution::PromiseContribution};

    fn promise(minor: u64) -> Payload {
        Payload::PromiseContribution(PromiseContribution {
            fund: fund(),
            amount: Amount::eur(minor),
            due: LegalDate::new(2027, 3, 31).unwrap(),
            earmark: None,
            conditions: None,
            parent: None,
        })
    }

    #[test]
    fn a_payload_runs_through_a_real_block_and_a_refused_one_changes_no_record_of_its_own() {
        let mut network = network();
        assert!(matches!(network.run("region", promise(100)), Ok(Event::PromiseContribution(_))));
        assert_eq!(network.refusal("region", promise(0)), "AmountBounds");
        assert_eq!(variant(network.run("region", promise(0))), "AmountBounds");
        assert_eq!(network.state.count::<Promise>(), 1);
        assert!(network.advance(DAY).is_empty());
        assert_eq!(network.state.head().height, Height(3));
    }

    #[test]
    fn the_state_is_loaded_again_from_its_rows() {
        let mut network = network();
        network.run("region", promise(100)).unwrap();
        let state = &network.state;
        let again = State::load(state.network(), state.head().clone(), state.rows(), []).unwrap();
        assert_eq!(again.root(), state.root());
    }
}
