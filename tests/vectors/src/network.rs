//! A small network whose secrets are known to everybody, and a chain on it: blocks are proposed, checked from their bytes, executed and certified by
//! the functions that validators use. Every organisation is invented.

use octroi_chain::{
    Block, Canonical as _, CommitCertificate, Vote, VoteKind,
    archive::{BlockRecord, FileHeader, Writer},
};
use octroi_ledger::{
    CheckedBlock, ExecutedBlock, Genesis, Payload, Proposed, Receipt, Receipts, SignedTransaction, State, Transaction,
    VerifiedTransaction, execute,
    genesis::*,
    levy::schedule::*,
    network::NetworkKind,
    propose,
    redistribution::policy::{Levies, Policy, PolicyCaps, PolicyShare, PolicySource},
    registry::{
        fund::Fund,
        organisation::OrganisationKind,
        register_organisation::{OfferedKey, OfferedOffice, RegisterOrganisation},
        role::{Role, Scope},
        territory::{Level, Territory},
    },
    verify,
    wire::Canonical as _,
};
use octroi_primitives::*;

/// Name of the network.
pub const NAME: &str = "vectors-1";

/// 2027-01-04, 09:00 UTC.
pub const START: BlockTime = BlockTime(1_799_053_200_000);

/// A day in milliseconds.
pub const DAY: u64 = 86_400_000;

/// Every organisation of the genesis.
const ORGANISATIONS: &[(&str, OrganisationKind)] = &[
    ("registry", OrganisationKind::PublicBody),
    ("bank", OrganisationKind::Company),
    ("notary", OrganisationKind::Company),
    ("treasury", OrganisationKind::PublicBody),
    ("agency", OrganisationKind::PublicBody),
    ("region", OrganisationKind::PublicBody),
    ("lab", OrganisationKind::Association),
    ("library", OrganisationKind::Association),
    ("university", OrganisationKind::PublicBody),
    ("consumers", OrganisationKind::Association),
    ("tax", OrganisationKind::PublicBody),
    ("platform", OrganisationKind::Company),
    ("maps", OrganisationKind::Association),
    ("seeds", OrganisationKind::Association),
];

const COLLEGES: &[(&str, &[&str])] = &[
    ("funders", &["region", "treasury"]),
    ("commoners", &["lab", "library"]),
    ("users", &["university", "consumers"]),
];

/// Who runs a validator, and in which college it counts.
pub const VALIDATORS: &[(&str, &str)] =
    &[("region", "funders"), ("lab", "commoners"), ("library", "commoners"), ("university", "users")];

/// Id of an organisation of the genesis.
pub fn id(code: &str) -> OrganisationId {
    OrganisationId::new(genesis_id("organisation", NAME, code))
}

/// The office key of an organisation.
pub fn office_key(code: &str) -> SecretKey {
    SecretKey::from_seed(hash("vectors-office", &[code.as_bytes()]).to_bytes())
}

/// The consensus key of a validator, or of a candidate.
pub fn consensus_key(code: &str) -> SecretKey {
    SecretKey::from_seed(hash("vectors-consensus", &[code.as_bytes()]).to_bytes())
}

/// The network key of a validator, or of a candidate.
pub fn network_key(code: &str) -> PublicKey {
    SecretKey::from_seed(hash("vectors-network", &[code.as_bytes()]).to_bytes()).public()
}

/// The only fund.
pub fn fund() -> FundCode {
    FundCode::new("commun").expect("a code")
}

/// An envelope of the fund: `commons` or `startups`.
pub fn envelope(code: &str) -> EnvelopeCode {
    EnvelopeCode::new(code).expect("a code")
}

/// The fund's bank account.
pub fn account() -> BankAccountId {
    BankAccountId::new(hash("vectors-account", &[]))
}

/// The levy schedule.
pub fn schedule() -> ScheduleCode {
    ScheduleCode::new("dst").expect("a code")
}

/// A commitment, different for each text.
pub fn commitment(text: &str) -> Commitment {
    Commitment::new(hash("vectors-commitment", &[text.as_bytes()]))
}

/// A share.
pub fn ppm(ppm: u32) -> Ppm {
    Ppm::new(ppm).expect("at most a million")
}

/// An offered key of an organisation, with its proof.
pub fn offer(key: &SecretKey) -> OfferedKey {
    OfferedKey { key: key.public(), possession: prove_possession(key, PossessionPurpose::Office, NAME) }
}

/// A registration with one office, `main`, that has one key and may use every role.
pub fn registration(code: &str, kind: OrganisationKind) -> RegisterOrganisation {
    RegisterOrganisation {
        kind,
        name: name(&format!("{code} (invented)")),
        identifiers: vec![],
        territory: Some(TerritoryCode::new("44").expect("a code")),
        legal_category: None,
        parent: None,
        offices: vec![OfferedOffice {
            code: OfficeCode::new("main").expect("a code"),
            roles: Role::ALL.to_vec(),
            keys: vec![offer(&office_key(code))],
        }],
        thresholds: vec![],
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn roles() -> Vec<GenesisRole> {
    let of_fund = Scope::Fund(fund());
    [
        ("registry", Role::Registrar, Scope::Network),
        ("treasury", Role::Comptable, of_fund),
        ("agency", Role::ProgrammeManager, of_fund),
        ("region", Role::Ordonnateur, of_fund),
        ("lab", Role::Reviewer, of_fund),
        ("university", Role::Reviewer, of_fund),
        ("tax", Role::LevyAuthority, Scope::Schedule(schedule())),
    ]
    .into_iter()
    .map(|(organisation, role, scope)| GenesisRole { organisation: code(organisation), role, scope })
    .collect()
}

fn levy() -> LevySchedule {
    let version = ScheduleVersion {
        version: 1,
        valid_from: LegalDate::new(2020, 1, 1).expect("a date"),
        valid_to: None,
        legal_reference: Note::new("invented code, article 1").expect("a note"),
        document: commitment("levy"),
        services: vec![ServiceCode::new("ads").expect("a code")],
        scope: LiabilityScope::Group,
        tests: vec![LiabilityTest { metric: Metric::WorldReceipts, more_than: 75_000_000_000 }],
        apportionment: Apportionment::UserShare,
        deductions: vec![],
        tariff: Tariff::Flat(ppm(30_000)),
        modulation: vec![],
        calendar: LevyCalendar {
            period: PeriodLength::Year,
            declare_by: CalendarDay { months: 15, day: 30 },
            instalments: vec![],
            tolerance_ppm: ppm(200_000),
        },
        late: LateRules { interest_ppm_per_month: ppm(2_000), late_payment_ppm: ppm(0), non_filing_ppm: vec![] },
        prescription_years: 6,
    };
    LevySchedule { fund: fund(), kind: LevyKind::Revenue, visibility: Visibility::Public, versions: vec![version] }
}

fn policy() -> Policy {
    let shares = |commons, startups| vec![share("commons", commons), share("startups", startups)];
    Policy {
        fund: fund(),
        valid_from: "2027Q1".parse().expect("a period"),
        reserve_ppm: ppm(50_000),
        fee_ppm: ppm(10_000),
        shares: shares(700_000, 300_000),
        sources: vec![PolicySource {
            levies: Levies::Revenue,
            reserve_ppm: ppm(100_000),
            fee_ppm: ppm(0),
            shares: shares(333_333, 666_667),
        }],
        caps: PolicyCaps { min_beneficiaries: 1, ..PolicyCaps::NONE },
        territorial: vec![],
        carry_over: None,
        auditors_block: false,
    }
}

fn share(to: &str, part: u32) -> PolicyShare {
    PolicyShare { envelope: envelope(to), ppm: ppm(part) }
}

/// The genesis.
pub fn genesis() -> Genesis {
    let territory = |text, level, parent: Option<&str>, population| GenesisTerritory {
        code: TerritoryCode::new(text).expect("a code"),
        territory: Territory {
            name: name(text),
            level,
            parent: parent.map(|parent| TerritoryCode::new(parent).expect("a code")),
            population,
            from: None,
            to: None,
        },
    };
    Genesis {
        version: 1,
        name: name(NAME),
        dev: NetworkKind::Dev,
        time: START,
        parameters: vec![],
        territories: vec![
            territory("fr", Level::Country, None, 68_000_000),
            territory("52", Level::Region, Some("fr"), 3_922_476),
            territory("44", Level::Departement, Some("52"), 1_413_341),
        ],
        organisations: ORGANISATIONS
            .iter()
            .map(|(organisation, kind)| GenesisOrganisation {
                code: code(organisation),
                registration: registration(organisation, *kind),
            })
            .collect(),
        colleges: COLLEGES
            .iter()
            .map(|(college, seats)| GenesisCollege {
                code: CollegeCode::new(college).expect("a code"),
                name: name(college),
                seats: seats.iter().map(|seat| code(seat)).collect(),
            })
            .collect(),
        funds: vec![GenesisFund {
            code: fund(),
            fund: Fund {
                name: name("Fonds commun (invented)"),
                currency: Currency::EUR,
                period_length: PeriodLength::Quarter,
                next_period: "2027Q1".parse().expect("a period"),
                host: None,
            },
            envelopes: ["commons", "startups"]
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
                college: CollegeCode::new(college).expect("a code"),
            })
            .collect(),
        bank_accounts: vec![GenesisBankAccount {
            account: account(),
            fund: fund(),
            attestors: vec![code("bank"), code("notary")],
            needed: 2,
            opening: 0,
        }],
        schedules: vec![GenesisSchedule { code: schedule(), schedule: levy() }],
        policies: vec![GenesisPolicy { code: PolicyCode::new("policy-1").expect("a code"), policy: policy() }],
    }
}

/// A block of a [`Chain`].
#[derive(Clone)]
pub struct Link {
    /// The state it stands on.
    pub before: State,
    /// The block with everything it does.
    pub executed: ExecutedBlock,
    /// Its certificate, as the next block carries it.
    pub certificate: CommitCertificate,
}

impl Link {
    /// As an archive holds it.
    pub fn record(&self) -> BlockRecord {
        BlockRecord {
            height: self.executed.block().header().height,
            block: self.executed.block().encode(),
            receipts: Receipts(self.executed.receipts().to_vec()).to_bytes(),
        }
    }
}

/// A chain, all of it.
#[derive(Clone)]
pub struct Chain {
    /// What it starts from.
    pub genesis: Genesis,
    /// After the last block.
    pub state: State,
    /// From height 1.
    pub links: Vec<Link>,
    salts: u64,
}

/// How a block came about.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// In which it was proposed.
    pub proposed: u32,
    /// In which it was decided.
    pub decided: u32,
    /// How many validators signed.
    pub signers: usize,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { proposed: 0, decided: 0, signers: 4 }
    }
}

impl Chain {
    /// No block yet.
    pub fn new(genesis: Genesis) -> Self {
        let state = genesis.state().expect("the genesis obeys the rules");
        Self { genesis, state, links: vec![], salts: 0 }
    }

    /// Time of the last block.
    pub fn now(&self) -> BlockTime {
        self.state.head().time
    }

    /// A transaction of an organisation, signed by its office key.
    pub fn sign(&mut self, organisation: &str, payload: Payload) -> SignedTransaction {
        self.sign_as(id(organisation), &[&office_key(organisation)], payload)
    }

    /// A transaction signed by these keys.
    pub fn sign_as(
        &mut self,
        organisation: OrganisationId,
        keys: &[&SecretKey],
        payload: Payload,
    ) -> SignedTransaction {
        self.salts += 1;
        let mut salt = [0; 16];
        salt[8..].copy_from_slice(&self.salts.to_be_bytes());
        let transaction = Transaction {
            network: self.state.network(),
            organisation,
            valid_until: self.now().saturating_add(1_800_000),
            salt: Salt(salt),
            payload,
        };
        transaction.sign(keys)
    }

    /// Adds a block some milliseconds after the last, with these transactions in order; gives its receipts, those of due work first.
    pub fn block(&mut self, milliseconds: u64, rounds: Rounds, signed: Vec<SignedTransaction>) -> Vec<Receipt> {
        let transactions: Vec<VerifiedTransaction> = verify(&self.state.network(), signed)
            .into_iter()
            .map(|answer| answer.expect("the signature verifies"))
            .collect();
        let height = Height(self.state.head().height.0 + 1);
        let proposed = Proposed {
            round: Round(rounds.proposed),
            time: self.now().saturating_add(milliseconds),
            proposer: self.state.validators().select(height, Round(rounds.proposed)).consensus_key,
            transactions,
            last_commit: self.links.last().map(|link| link.certificate.clone()),
        };
        let executed = propose(&self.state, proposed).expect("the block is valid");
        self.add(executed, rounds)
    }

    /// Adds a block that was proposed on this state.
    pub fn add(&mut self, executed: ExecutedBlock, rounds: Rounds) -> Vec<Receipt> {
        let bytes = executed.block().encode();
        let block = Block::decode(&bytes).expect("a block is read back");
        let checked = CheckedBlock::check(block, &self.state, |_| None).expect("validators agree");
        let again = execute(&self.state, checked).expect("validators execute the same");
        assert_eq!(again.receipts(), executed.receipts(), "receipts are the same");
        let certificate = self.certify(&executed, rounds);
        let before = self.state.clone();
        self.state.commit(&executed);
        let receipts = executed.receipts().to_vec();
        self.links.push(Link { before, executed, certificate });
        receipts
    }

    fn certify(&self, executed: &ExecutedBlock, rounds: Rounds) -> CommitCertificate {
        let (height, round, block) = (executed.block().header().height, Round(rounds.decided), executed.id());
        let network = self.state.network();
        let votes = self.state.validators().members().iter().take(rounds.signers).map(|member| {
            let key = secret_of(&member.consensus_key);
            let vote = Vote { kind: VoteKind::Precommit, height, round, block: Some(block), validator: key.public() };
            vote.sign(&network, &key)
        });
        CommitCertificate::of_precommits(height, round, block, votes)
    }

    /// The chain as an archive.
    pub fn archive(&self) -> Vec<u8> {
        let header = FileHeader { network: self.state.network(), from: Height(1), genesis: self.genesis.to_bytes() };
        let (mut writer, mut bytes) = Writer::new(&header);
        for link in &self.links {
            bytes.extend(writer.block(&link.record()));
        }
        bytes.extend(writer.close(self.links.last().map(|link| &link.certificate)));
        bytes
    }
}

/// The secret of a validator's consensus key.
pub fn secret_of(public: &PublicKey) -> SecretKey {
    ORGANISATIONS
        .iter()
        .map(|(organisation, _)| consensus_key(organisation))
        .find(|key| key.public() == *public)
        .expect("validators are organisations of this network")
}
