//! The network that is simulated: an invented development network with real keys, a real genesis, and clients that sign real transactions.

use octroi_ledger::{
    Genesis, Payload, SignedTransaction, State, Transaction,
    contribution::promise_contribution::PromiseContribution,
    genesis::{
        GenesisCollege, GenesisEnvelope, GenesisFund, GenesisOrganisation, GenesisParameter, GenesisRole,
        GenesisTerritory, GenesisValidator,
    },
    network::NetworkKind,
    registry::{
        fund::Fund,
        organisation::OrganisationKind,
        register_organisation::{OfferedKey, OfferedOffice, RegisterOrganisation},
        role::{Role, Scope},
        territory::{Level, Territory},
    },
};
use octroi_primitives::{
    Amount, BlockTime, Code, CollegeCode, Currency, FundCode, Name, OfficeCode, PeriodLength, PossessionPurpose,
    PublicKey, Salt, SecretKey, TerritoryCode, hash, prove_possession,
};

/// 2027-01-04, 09:00 UTC.
pub const START: u64 = 1_799_053_200_000;
const NAME: &str = "simulated";
const HEARTBEAT_MS: u64 = 5_000;

/// Consensus key of validator `i`.
pub fn consensus_key(i: usize) -> SecretKey {
    SecretKey::from_seed(hash("simulated-consensus", &[&(i as u64).to_be_bytes()]).to_bytes())
}

/// Network key of node `i`.
pub fn network_key(i: usize) -> PublicKey {
    SecretKey::from_seed(hash("simulated-network", &[&(i as u64).to_be_bytes()]).to_bytes()).public()
}

fn office_key(i: usize) -> SecretKey {
    SecretKey::from_seed(hash("simulated-office", &[&(i as u64).to_be_bytes()]).to_bytes())
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn organisation_code(i: usize) -> Code {
    code(&format!("org{i}"))
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn organisation(i: usize) -> GenesisOrganisation {
    let key = office_key(i);
    let offered = OfferedKey { key: key.public(), possession: prove_possession(&key, PossessionPurpose::Office, NAME) };
    GenesisOrganisation {
        code: organisation_code(i),
        registration: RegisterOrganisation {
            kind: OrganisationKind::Association,
            name: name(&format!("organisation {i} (invented)")),
            identifiers: vec![],
            territory: Some(TerritoryCode::new("44").expect("a code")),
            legal_category: None,
            parent: None,
            offices: vec![OfferedOffice {
                code: OfficeCode::new("main").expect("a code"),
                roles: Role::ALL.to_vec(),
                keys: vec![offered],
            }],
            thresholds: vec![],
        },
    }
}

fn validator(i: usize) -> GenesisValidator {
    let key = consensus_key(i);
    GenesisValidator {
        organisation: organisation_code(i),
        consensus_key: key.public(),
        network_key: network_key(i),
        possession: prove_possession(&key, PossessionPurpose::Consensus, NAME),
        college: college_code(i % COLLEGES.len()),
    }
}

/// Colleges: validators are spread over them, so that none counts more than a third.
const COLLEGES: [&str; 3] = ["funders", "commoners", "users"];

fn college_code(i: usize) -> CollegeCode {
    CollegeCode::new(COLLEGES[i]).expect("a code")
}

/// The genesis of a network of so many validators; each is run by an organisation that also sends transactions.
pub fn genesis(validators: usize) -> Genesis {
    let fund = Fund {
        name: name("commons fund (invented)"),
        currency: Currency::EUR,
        period_length: PeriodLength::Quarter,
        next_period: "2027Q1".parse().expect("a period"),
        host: None,
    };
    Genesis {
        version: 1,
        name: name(NAME),
        dev: NetworkKind::Dev,
        time: BlockTime(START),
        parameters: vec![GenesisParameter { name: code("heartbeat_ms"), value: HEARTBEAT_MS }],
        territories: vec![GenesisTerritory {
            code: TerritoryCode::new("44").expect("a code"),
            territory: Territory {
                name: name("Loire-Atlantique"),
                level: Level::Departement,
                parent: None,
                population: 1_413_341,
                from: None,
                to: None,
            },
        }],
        organisations: (0..validators.max(3)).map(organisation).collect(),
        colleges: COLLEGES
            .iter()
            .enumerate()
            .map(|(i, college)| GenesisCollege {
                code: college_code(i),
                name: name(college),
                seats: vec![organisation_code(i)],
            })
            .collect(),
        bank_accounts: vec![],
        policies: vec![],
        schedules: vec![],
        funds: vec![GenesisFund {
            code: FundCode::new("commun").expect("a code"),
            fund,
            envelopes: Vec::<GenesisEnvelope>::new(),
        }],
        roles: vec![GenesisRole { organisation: organisation_code(0), role: Role::Registrar, scope: Scope::Network }],
        validators: (0..validators).map(validator).collect(),
    }
}

/// Makes transactions, each different from all others.
#[derive(Debug)]
pub struct Clients {
    genesis: Genesis,
    state: State,
    organisations: usize,
    salts: u64,
}

impl Clients {
    /// Clients of this network.
    pub fn new(genesis: &Genesis) -> Self {
        let state = genesis.state().expect("the genesis obeys the rules");
        Clients { organisations: genesis.organisations.len(), genesis: genesis.clone(), state, salts: 0 }
    }

    /// A promise of some organisation, valid for so many milliseconds from `now`. One in eight is to a fund that does not exist, and is refused
    /// with a receipt.
    pub fn promise(&mut self, choice: u64, now: u64, valid_ms: u64) -> SignedTransaction {
        let sender = (choice % self.organisations as u64) as usize;
        let fund = if choice % 8 == 7 { "nowhere" } else { "commun" };
        self.promise_to(sender, fund, now, valid_ms)
    }

    /// A promise of this organisation to the fund that exists, valid for a minute from the start.
    pub fn promise_of(&mut self, sender: usize) -> SignedTransaction {
        self.promise_to(sender, "commun", START, 60_000)
    }

    fn promise_to(&mut self, sender: usize, fund: &str, now: u64, valid_ms: u64) -> SignedTransaction {
        self.salts += 1;
        let salt = hash("simulated-salt", &[&self.salts.to_be_bytes()]).to_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&salt[..16]);
        let payload = Payload::PromiseContribution(PromiseContribution {
            fund: FundCode::new(fund).expect("a code"),
            amount: Amount { currency: Currency::EUR, minor: 100 + self.salts },
            due: "2027-12-31".parse().expect("a date"),
            earmark: None,
            conditions: None,
            parent: None,
        });
        let transaction = Transaction {
            network: self.state.network(),
            organisation: self.genesis.organisation_id(&organisation_code(sender)),
            valid_until: BlockTime(now + valid_ms),
            salt: Salt(short),
            payload,
        };
        transaction.sign(&[&office_key(sender)])
    }
}
