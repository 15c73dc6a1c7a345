//! A node of one validator in memory, and a server in front of it. All organisations are invented.

use futures::future::BoxFuture;
use octroi_chain::{Canonical as _, CommitCertificate, Vote, VoteKind};
use octroi_ledger::{
    Admission, Payload, Proposed, Receipts, SignedTransaction, State, Transaction, VerifiedTransaction,
    contribution::promise_contribution::PromiseContribution,
    dev::advance_clock::AdvanceClock,
    genesis::*,
    grant::declare_past_grant::DeclarePastGrant,
    network::NetworkKind,
    propose,
    registry::{
        fund::Fund,
        organisation::{OrganisationKind, Threshold},
        register_organisation::{OfferedKey, OfferedOffice, RegisterOrganisation},
        role::{Role, Scope},
    },
    verify,
    wire::{Canonical as _, Wire as _},
};
use octroi_primitives::*;
use octroi_proto::v1 as pb;
use octroi_rpc::*;
use octroi_views::{Blocks, Order, ReadFault, Row, Rows, View, ViewId, Views, ViewsLimit, fold};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tonic::transport::{Channel, Endpoint};

pub const NAME: &str = "rpc-test";
/// 2027-01-04, 09:00 UTC.
pub const START: u64 = 1_799_053_200_000;

pub fn id(code: &str) -> OrganisationId {
    OrganisationId::new(genesis_id("organisation", NAME, code))
}

pub fn key(code: &str) -> SecretKey {
    SecretKey::from_seed(hash("rpc-test-office", &[code.as_bytes()]).to_bytes())
}

fn consensus_key() -> SecretKey {
    SecretKey::from_seed(hash("rpc-test-consensus", &[]).to_bytes())
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

pub fn fund() -> FundCode {
    FundCode::new("commun").unwrap()
}

pub fn account() -> BankAccountId {
    BankAccountId::new(hash("rpc-test-account", &[]))
}

/// `duo` has two keys, both of which must sign promises.
fn genesis() -> Genesis {
    let offer = |label: &str| OfferedKey {
        key: key(label).public(),
        possession: prove_possession(&key(label), PossessionPurpose::Office, NAME),
    };
    let organisation = |label: &str, keys: &[&str], thresholds| GenesisOrganisation {
        code: code(label),
        registration: RegisterOrganisation {
            kind: OrganisationKind::Association,
            name: name(&format!("{label} (invented)")),
            identifiers: vec![],
            territory: None,
            legal_category: None,
            parent: None,
            offices: vec![OfferedOffice {
                code: OfficeCode::new("main").unwrap(),
                roles: Role::ALL.to_vec(),
                keys: keys.iter().map(|key| offer(key)).collect(),
            }],
            thresholds,
        },
    };
    let threshold = Threshold { family: octroi_ledger::Family(3), signatures: 2 };
    Genesis {
        version: 1,
        name: name(NAME),
        dev: NetworkKind::Dev,
        time: BlockTime(START),
        parameters: vec![],
        territories: vec![],
        organisations: vec![
            organisation("bank", &["bank"], vec![]),
            organisation("region", &["region"], vec![]),
            organisation("duo", &["duo", "duo2"], vec![threshold]),
        ],
        colleges: vec![GenesisCollege {
            code: CollegeCode::new("funders").unwrap(),
            name: name("funders"),
            seats: vec![code("bank")],
        }],
        funds: vec![GenesisFund {
            code: fund(),
            fund: Fund {
                name: name("Fonds commun (invented)"),
                currency: Currency::EUR,
                period_length: PeriodLength::Quarter,
                next_period: "2027Q1".parse().unwrap(),
                host: None,
            },
            envelopes: vec![GenesisEnvelope { code: EnvelopeCode::new("commons").unwrap(), name: name("commons") }],
        }],
        roles: vec![GenesisRole { organisation: code("bank"), role: Role::Registrar, scope: Scope::Network }],
        validators: vec![GenesisValidator {
            organisation: code("bank"),
            consensus_key: consensus_key().public(),
            network_key: key("network").public(),
            possession: prove_possession(&consensus_key(), PossessionPurpose::Consensus, NAME),
            college: CollegeCode::new("funders").unwrap(),
        }],
        bank_accounts: vec![GenesisBankAccount {
            account: account(),
            fund: fund(),
            attestors: vec![code("bank")],
            needed: 1,
            opening: 0,
        }],
        schedules: vec![],
        policies: vec![],
    }
}

struct StoredBlock {
    block: Vec<u8>,
    receipts: Vec<u8>,
    certificate: CommitCertificate,
}

#[derive(Default)]
pub struct Store {
    rows: Mutex<BTreeMap<(u8, Vec<u8>), Vec<u8>>>,
    blocks: Mutex<BTreeMap<u64, StoredBlock>>,
    broken: AtomicBool,
}

impl Store {
    fn check(&self) -> Result<(), ReadFault> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(ReadFault::Failed { place: "test".into(), reason: "switched off".into() }),
            false => Ok(()),
        }
    }
}

impl Rows for Store {
    fn get(&self, view: ViewId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadFault> {
        self.check()?;
        Ok(self.rows.lock().unwrap().get(&(view.number(), key.to_vec())).cloned())
    }

    fn range(&self, view: ViewId, from: &[u8], to: &[u8], limit: usize, order: Order) -> Result<Vec<Row>, ReadFault> {
        self.check()?;
        let rows = self.rows.lock().unwrap();
        let found = rows.range((view.number(), from.to_vec())..(view.number(), to.to_vec()));
        let row = |((_, key), value): (&(u8, Vec<u8>), &Vec<u8>)| Row { view, key: key.clone(), value: value.clone() };
        Ok(match order {
            Order::Ascending => found.take(limit).map(row).collect(),
            Order::Descending => found.rev().take(limit).map(row).collect(),
        })
    }
}

impl Blocks for Store {
    fn block_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, ReadFault> {
        self.check()?;
        Ok(self.blocks.lock().unwrap().get(&height.0).map(|stored| stored.block.clone()))
    }

    fn receipts_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, ReadFault> {
        self.check()?;
        Ok(self.blocks.lock().unwrap().get(&height.0).map(|stored| stored.receipts.clone()))
    }

    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ReadFault> {
        self.check()?;
        Ok(self.blocks.lock().unwrap().get(&height.0).map(|stored| stored.certificate.clone()))
    }
}

/// What the mempool does with transactions.
#[derive(Clone)]
pub enum Door {
    /// Checks and keeps them.
    Open,
    /// Refuses them all.
    Shut(NotAdmitted),
    /// Never answers.
    Silent,
}

pub struct Node {
    pub views: Arc<RwLock<Views>>,
    pub store: Arc<Store>,
    pool: Mutex<Vec<VerifiedTransaction>>,
    pub door: Mutex<Door>,
    pub wall: AtomicU64,
    commits: watch::Sender<Height>,
    pub ready: watch::Sender<bool>,
    salts: AtomicU64,
    /// One change of the chain at a time.
    committing: Mutex<()>,
}

impl Submit for Node {
    fn submit(&self, transactions: Vec<SignedTransaction>) -> BoxFuture<'static, Vec<Result<(), NotAdmitted>>> {
        let door = self.door.lock().unwrap().clone();
        let answers = match door {
            Door::Silent => return Box::pin(std::future::pending()),
            Door::Shut(error) => transactions.iter().map(|_| Err(error.clone())).collect(),
            Door::Open => {
                let state = self.state();
                let verified = verify(&state.network(), transactions);
                verified.into_iter().map(|verified| self.admit(&state, verified)).collect()
            }
        };
        Box::pin(std::future::ready(answers))
    }

    fn waits(&self, id: &TransactionId) -> bool {
        self.pool.lock().unwrap().iter().any(|waiting| waiting.id() == *id)
    }
}

impl NodeReports for Node {
    fn info(&self) -> NodeInfo {
        NodeInfo {
            version: "test".into(),
            consensus_key: Some(consensus_key().public()),
            network_key: key("network").public(),
            genesis: genesis().to_bytes(),
        }
    }

    fn status(&self) -> NodeStatus {
        NodeStatus {
            checks: vec![NodeCheck { name: "head_age", ok: true, detail: "0 s".into() }],
            mempool_transactions: self.pool.lock().unwrap().len() as u64,
            ..NodeStatus::default()
        }
    }

    fn peers(&self) -> Vec<NodePeer> {
        vec![NodePeer {
            network_key: key("peer").public(),
            role: PeerRole::Observer,
            address: "192.0.2.1:26656".into(),
            connected: true,
            height: Height(3),
        }]
    }
}

impl Clock for Node {
    fn wall_millis(&self) -> u64 {
        self.wall.load(Ordering::Relaxed)
    }
}

impl Node {
    pub fn new() -> Arc<Self> {
        let state = genesis().state().expect("the genesis obeys the rules");
        let limit = ViewsLimit { heights: 20, bytes: usize::MAX };
        Arc::new(Self {
            views: Arc::new(RwLock::new(Views::new(View { state, certificate: None }, limit))),
            store: Arc::default(),
            pool: Mutex::default(),
            door: Mutex::new(Door::Open),
            wall: AtomicU64::new(START),
            commits: watch::channel(Height(0)).0,
            ready: watch::channel(true).0,
            salts: AtomicU64::new(0),
            committing: Mutex::default(),
        })
    }

    pub fn state(&self) -> State {
        self.views.read().unwrap().newest().state.clone()
    }

    pub fn height(&self) -> u64 {
        self.state().head().height.0
    }

    fn admit(
        &self,
        state: &State,
        verified: Result<VerifiedTransaction, octroi_ledger::transaction::SignatureInvalid>,
    ) -> Result<(), NotAdmitted> {
        let verified = verified.map_err(|error| NotAdmitted::from(&error))?;
        let time = state.head().time.saturating_add(1);
        Admission::new(state, time).check(&verified).map_err(|error| NotAdmitted::from(&error))?;
        let mut pool = self.pool.lock().unwrap();
        if pool.iter().any(|waiting| waiting.id() == verified.id()) {
            return Err(NotAdmitted::new(Reason::Pending, "it waits already"));
        }
        pool.push(verified);
        Ok(())
    }

    /// Commits what waits in a block `milliseconds` after the last.
    pub fn commit(&self, milliseconds: u64) -> u64 {
        let _one = self.committing.lock().unwrap();
        let transactions = std::mem::take(&mut *self.pool.lock().unwrap());
        let view = self.views.read().unwrap().newest();
        let mut state = view.state.clone();
        let height = Height(state.head().height.0 + 1);
        let executed = propose(
            &state,
            Proposed {
                round: Round(0),
                time: state.head().time.saturating_add(milliseconds),
                proposer: state.validators().select(height, Round(0)).consensus_key,
                transactions,
                last_commit: view.certificate.clone(),
            },
        )
        .expect("a valid block");
        let vote = Vote {
            kind: VoteKind::Precommit,
            height,
            round: Round(0),
            block: Some(executed.id()),
            validator: consensus_key().public(),
        };
        let vote = vote.sign(&state.network(), &consensus_key());
        let certificate = CommitCertificate::of_precommits(height, Round(0), executed.id(), vec![vote]);
        let rows = fold(height, &executed.id(), executed.receipts(), self.store.as_ref()).unwrap();
        state.commit(&executed);
        {
            let mut kept = self.store.rows.lock().unwrap();
            kept.extend(rows.into_iter().map(|Row { view, key, value }| ((view.number(), key), value)));
        }
        let stored = StoredBlock {
            block: executed.block().encode(),
            receipts: Receipts(executed.receipts().to_vec()).to_bytes(),
            certificate: certificate.clone(),
        };
        self.store.blocks.lock().unwrap().insert(height.0, stored);
        let view = View { state, certificate: Some(certificate) };
        self.views.write().unwrap().publish(view, executed.updated_keys());
        self.commits.send_replace(height);
        height.0
    }

    /// Forgets blocks below a height and where their transactions are, as a node that was set up from a snapshot.
    pub fn prune(&self, below: u64) {
        self.store.blocks.lock().unwrap().retain(|height, _| *height >= below);
        let old = |value: &[u8]| value[..8] < below.to_be_bytes()[..];
        let transactions = ViewId::Transactions.number();
        self.store.rows.lock().unwrap().retain(|(view, _), value| *view != transactions || !old(value));
    }

    pub fn break_store(&self, broken: bool) {
        self.store.broken.store(broken, Ordering::Relaxed);
    }

    pub fn transaction(&self, organisation: &str, payload: Payload) -> Transaction {
        let salt = self.salts.fetch_add(1, Ordering::Relaxed);
        let state = self.state();
        Transaction {
            network: state.network(),
            organisation: id(organisation),
            valid_until: state.head().time.saturating_add(600_000),
            salt: Salt(hash("salt", &[&salt.to_be_bytes()]).to_bytes()[..16].try_into().unwrap()),
            payload,
        }
    }

    /// A promise of `region`, signed.
    pub fn promise(&self, minor: u64) -> pb::SignedTransaction {
        self.transaction("region", promise(minor)).sign(&[&key("region")]).to_message()
    }

    pub fn past_grant(&self, row: u32, minor: u64) -> pb::SignedTransaction {
        let payload = Payload::DeclarePastGrant(past_grant(row, minor));
        self.transaction("region", payload).sign(&[&key("region")]).to_message()
    }

    /// Steps the clock, so that a kind of another family is in the chain.
    pub fn step_clock(&self) -> pb::SignedTransaction {
        let payload = Payload::AdvanceClock(AdvanceClock { milliseconds: 1000 });
        self.transaction("bank", payload).sign(&[&key("bank")]).to_message()
    }

    /// Proposes another number of days for ballots; voting opens ten seconds after the last block.
    pub fn propose_ballot_days(&self, value: u64) -> pb::SignedTransaction {
        let set = pb::SetParameter { name: "ballot_days".into(), value };
        let proposal = pb::ProposeChange {
            change: Some(pb::Change { change: Some(pb::change::Change::SetParameter(set)) }),
            document: vec![9; 32],
            opens_at: self.state().head().time.0 + 10_000,
        };
        let payload = pb::transaction::Payload::ProposeChange(proposal);
        let payload = Payload::from_wire(payload).expect("the proposal is well formed");
        self.transaction("bank", payload).sign(&[&key("bank")]).to_message()
    }

    /// Commits these in one block.
    pub async fn run(&self, transactions: Vec<pb::SignedTransaction>) -> u64 {
        let signed = transactions.into_iter().map(|pb::SignedTransaction { body, signatures }| {
            SignedTransaction::from_parts(body, signatures).expect("the test signs well")
        });
        for answer in self.submit(signed.collect()).await {
            answer.expect("the mempool is open");
        }
        self.commit(1)
    }

    pub fn deps(self: &Arc<Self>) -> Deps {
        Deps {
            views: self.views.clone(),
            rows: self.store.clone(),
            blocks: self.store.clone(),
            submit: self.clone(),
            node: self.clone(),
            clock: self.clone(),
            commits: self.commits.subscribe(),
            ready: self.ready.subscribe(),
        }
    }
}

pub fn promise(minor: u64) -> Payload {
    Payload::PromiseContribution(PromiseContribution {
        fund: fund(),
        amount: Amount::eur(minor),
        due: LegalDate::new(2027, 3, 31).unwrap(),
        earmark: None,
        conditions: None,
        parent: None,
    })
}

pub fn source_file() -> Vec<u8> {
    hash("rpc-test-file", &[]).as_bytes().to_vec()
}

/// A number that holds its check digits and belongs to nobody.
pub const BENEFICIARY: &str = "123456782";

fn past_grant(row: u32, minor: u64) -> DeclarePastGrant {
    let party = |name: &str, value: Option<&str>| pb::PublishedParty {
        name: Some(name.into()),
        identifiers: value
            .map(|value| pb::PublishedIdentifier { scheme: "SIREN".into(), value: value.into(), verified: true })
            .into_iter()
            .collect(),
    };
    DeclarePastGrant::from_proto(pb::DeclarePastGrant {
        file: source_file(),
        row,
        share_number: 1,
        funder: Some(party("a town (invented)", None)),
        beneficiary: Some(party("a club (invented)", Some(BENEFICIARY))),
        date: Some(pb::PartialDate { year: 2024, month: Some(5), day: None }),
        amount: Some(pb::Amount { minor, currency: "EUR".into() }),
        row_hash: vec![1; 32],
        parent: None,
        ..Default::default()
    })
    .expect("the row is well formed")
}

/// A server under test; stops when it is told to.
pub struct Served {
    pub address: SocketAddr,
    pub metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    pub async fn new(node: &Arc<Node>, limits: Limits) -> Self {
        Self::with(node, ServeConfig { address: "127.0.0.1:0".parse().unwrap(), tls: None, limits }).await
    }

    pub async fn with(node: &Arc<Node>, config: ServeConfig) -> Self {
        let server = Server::bind(config).await.expect("a free port");
        let (address, metrics) = (server.address(), server.metrics());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(node.deps(), async {
            let _ = stopped.await;
        }));
        Self { address, metrics, stop: Some(stop), task }
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.expect("the server listens")
    }

    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    pub async fn ended(self) -> Result<(), ServeError> {
        let Self { stop, task, .. } = self;
        drop(stop);
        task.await.expect("the server does not panic")
    }
}

/// A node and a server with the default bounds.
pub async fn served() -> (Arc<Node>, Served, Channel) {
    let node = Node::new();
    let served = Served::new(&node, Limits::default()).await;
    let channel = served.channel().await;
    (node, served, channel)
}
