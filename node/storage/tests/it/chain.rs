//! A chain with one validator and one invented funder, made block by block with the shipped rules, so that stores have something true to keep.

use octroi_chain::{CommitCertificate, Evidence, Vote, VoteKind};
use octroi_ledger::{
    Genesis, Payload, State, Transaction,
    contribution::promise_contribution::PromiseContribution,
    execute::{Proposed, propose},
    verify,
    wire::{Canonical as _, Wire as _, pb},
};
use octroi_primitives::*;
use octroi_replica::Commit;
use std::sync::Arc;

const NAME: &str = "storage-test";

/// The end of a chain, and the keys to go on with it.
#[derive(Clone)]
pub struct Chain {
    pub genesis: Genesis,
    pub state: State,
    last: Option<CommitCertificate>,
    salts: u64,
}

fn office() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn consensus() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

fn genesis(name: &str) -> Genesis {
    let offered = pb::OfferedKey {
        key: office().public().as_bytes().to_vec(),
        possession: prove_possession(&office(), PossessionPurpose::Office, name).as_bytes().to_vec(),
    };
    let registration = pb::RegisterOrganisation {
        kind: "foundation".into(),
        name: "Test foundation (invented)".into(),
        offices: vec![pb::OfferedOffice {
            code: "main".into(),
            roles: vec!["funder".into(), "registrar".into()],
            keys: vec![offered],
        }],
        ..Default::default()
    };
    let fund = pb::Fund {
        name: "Test fund (invented)".into(),
        currency: "EUR".into(),
        period_length: "quarter".into(),
        next_period: "2027Q1".into(),
        ..Default::default()
    };
    let possession = prove_possession(&consensus(), PossessionPurpose::Consensus, name);
    let proto = pb::Genesis {
        version: 1,
        name: name.into(),
        dev: true,
        time: 1_799_053_200_000,
        organisations: vec![pb::GenesisOrganisation { code: "foundation".into(), registration: Some(registration) }],
        colleges: vec![pb::GenesisCollege {
            code: "funders".into(),
            name: "Funders".into(),
            seats: vec!["foundation".into()],
        }],
        funds: vec![pb::GenesisFund { code: "commun".into(), fund: Some(fund), ..Default::default() }],
        roles: vec![pb::GenesisRole {
            organisation: "foundation".into(),
            role: "registrar".into(),
            scope: Some(pb::Scope { over: Some(pb::scope::Over::Network(true)) }),
        }],
        validators: vec![pb::GenesisValidator {
            organisation: "foundation".into(),
            consensus_key: consensus().public().as_bytes().to_vec(),
            network_key: SecretKey::from_seed([3; 32]).public().as_bytes().to_vec(),
            possession: possession.as_bytes().to_vec(),
            college: "funders".into(),
        }],
        ..Default::default()
    };
    Genesis::from_proto(proto).expect("the test genesis is well formed")
}

impl Chain {
    pub fn new() -> Self {
        Self::named(NAME)
    }

    pub fn named(name: &str) -> Self {
        let genesis = genesis(name);
        let state = genesis.state().expect("the test genesis obeys the rules");
        Self { genesis, state, last: None, salts: 0 }
    }

    pub fn network(&self) -> NetworkId {
        self.state.network()
    }

    pub fn genesis_bytes(&self) -> Vec<u8> {
        self.genesis.to_bytes()
    }

    pub fn funder(&self) -> OrganisationId {
        self.genesis.organisation_id(&Code::new("foundation").unwrap())
    }

    pub fn height(&self) -> Height {
        self.state.head().height
    }

    /// The next block: `promises` promises and one act that is refused.
    pub fn block(&mut self, promises: u64) -> Arc<Commit> {
        let payloads: Vec<Payload> = (1..=promises).map(|minor| promise("commun", minor)).collect();
        self.block_of(payloads.into_iter().chain([promise("nowhere", 1)]).collect(), vec![])
    }

    /// The next block, of these payloads.
    pub fn block_of(&mut self, payloads: Vec<Payload>, evidence: Vec<Evidence>) -> Arc<Commit> {
        let head = self.state.head().clone();
        let network = self.network();
        let organisation = self.funder();
        let signed = payloads.into_iter().map(|payload| {
            self.salts += 1;
            let mut salt = [0; 16];
            salt[..8].copy_from_slice(&self.salts.to_be_bytes());
            let valid_until = head.time.saturating_add(90_000);
            let salt = Salt(salt);
            Transaction { network, organisation, valid_until, salt, payload }.sign(&[&office()])
        });
        let transactions = verify(&network, signed.collect()).into_iter().map(|checked| checked.unwrap()).collect();
        let proposed = Proposed {
            round: Round(0),
            time: BlockTime(head.time.0 + 61_000),
            proposer: consensus().public(),
            transactions,
            last_commit: self.last.clone(),
        };
        let executed = propose(&self.state, proposed).expect("the test proposes valid blocks");
        let certificate = certificate(&network, Height(head.height.0 + 1), executed.id());
        self.state.commit(&executed);
        self.last = Some(certificate.clone());
        let body = octroi_chain::Canonical::encode(executed.block()).into();
        Arc::new(Commit { executed, body, certificate, evidence, state: self.state.clone() })
    }
}

fn certificate(network: &NetworkId, height: Height, id: BlockId) -> CommitCertificate {
    let vote =
        Vote { kind: VoteKind::Precommit, height, round: Round(0), block: Some(id), validator: consensus().public() };
    CommitCertificate::of_precommits(height, Round(0), id, [vote.sign(network, &consensus())])
}

/// Two votes that the validator must never sign both.
pub fn equivocation(network: &NetworkId, height: Height) -> Evidence {
    let vote = |byte| Vote {
        kind: VoteKind::Prevote,
        height,
        round: Round(0),
        block: Some(BlockId::from_bytes([byte; 32])),
        validator: consensus().public(),
    };
    Evidence::of_votes(vote(1).sign(network, &consensus()), vote(2).sign(network, &consensus()))
}

/// A promise; refused when the fund does not exist.
pub fn promise(fund: &str, minor: u64) -> Payload {
    Payload::PromiseContribution(PromiseContribution {
        fund: FundCode::new(fund).unwrap(),
        amount: Amount::eur(minor),
        due: LegalDate::new(2030, 12, 31).unwrap(),
        earmark: None,
        conditions: None,
        parent: None,
    })
}
