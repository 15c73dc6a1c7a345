//! Power cuts under load: real processes ended by SIGKILL, one, some and all at once. What was acknowledged stays, for ever and everywhere.

use octroi_client::{Until, state};
use octroi_end_to_end::Network;
use octroi_ledger::{Payload, contribution::promise_contribution::PromiseContribution};
use octroi_primitives::{Amount, Currency, LegalDate, OrganisationId, SecretKey, TransactionId, genesis_id};
use octroi_proto::v1::TransactionState;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Kills of one test.
const KILLS: usize = 50;
/// A node answers again within this time.
const BACK: Duration = Duration::from_secs(20);
/// Those that submit, each one transaction at a time.
const SUBMITTERS: usize = 6;

/// What was acknowledged: its id, and the height that the acknowledgement named.
type Acknowledged = Arc<Mutex<Vec<(TransactionId, u64)>>>;

/// Promises, one after the other, until it is told to stop; each is entered as soon as, and only if, a node says that it is committed.
async fn promise_on(
    client: Arc<octroi_client::Client>,
    key: SecretKey,
    organisation: OrganisationId,
    stop: Arc<AtomicBool>,
    acknowledged: Acknowledged,
) {
    let mut cents = 0;
    while !stop.load(Ordering::Relaxed) {
        cents += 100;
        let payload = Payload::PromiseContribution(PromiseContribution {
            fund: "commun".parse().expect("a code"),
            amount: Amount { minor: cents, currency: Currency::EUR },
            due: LegalDate::new(2099, 3, 31).expect("a date"),
            earmark: None,
            conditions: None,
            parent: None,
        });
        // With all nodes down at once nobody answers: that is what they are there for, and nothing is acknowledged then.
        let Ok(transaction) = client.build(organisation, payload).await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let signed = transaction.sign(&[&key]);
        let Ok(status) = client.submit(&signed, Until::Committed, Duration::from_secs(5)).await else { continue };
        match state(&status) {
            TransactionState::Applied => acknowledged.lock().expect("no panic").push((signed.id(), status.height)),
            TransactionState::Refused => panic!("a promise was refused: {} {}", status.reason, status.message),
            TransactionState::Unspecified
            | TransactionState::Pending
            | TransactionState::NotAdmitted
            | TransactionState::Expired => {}
        }
    }
}

/// Numbers that look random and are the same for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn nothing_acknowledged_is_lost_in_fifty_kills_under_load_and_each_node_answers_again() {
    let seed = std::env::var("OCTROI_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x0c72_015e_ed01);
    println!("seed {seed} (OCTROI_SEED)");
    let mut dice = Dice(seed);
    let mut network = Network::new(0);
    // The operator's protection against a second copy of a key takes 2 s of silence at each start; fifty starts take it shorter.
    network.set(0..4, "node.listen_ms=300");
    network.start_all();

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let acknowledged: Acknowledged = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let organisation = OrganisationId::new(genesis_id("organisation", "octroi-devnet", "foundation"));
    let submitters: Vec<_> = {
        let _inside = runtime.enter();
        let client = Arc::new(network.client(0..4));
        let start = |_| {
            let key = network.key("foundation", "giving");
            runtime.spawn(promise_on(client.clone(), key, organisation, stop.clone(), acknowledged.clone()))
        };
        (0..SUBMITTERS).map(start).collect()
    };
    let count = || acknowledged.lock().expect("no panic").len();
    let grows = |from: usize, why: &str| {
        let until = Instant::now() + BACK;
        while count() == from {
            assert!(Instant::now() < until, "nothing is acknowledged within {BACK:?} {why}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };

    let (mut kills, mut slowest) = (0, Duration::ZERO);
    for round in 0.. {
        if kills >= KILLS {
            break;
        }
        grows(count(), &format!("before round {round}, after {kills} kills"));
        std::thread::sleep(Duration::from_millis(dice.below(60)));
        // One, two, three, all four; which ones is thrown.
        let many = round % 4 + 1;
        let first = dice.below(4) as usize;
        let struck: Vec<usize> = (0..many).map(|offset| (first + offset) % 4).collect();
        for node in &struck {
            network.kill(*node);
        }
        for node in &struck {
            network.start(*node);
        }
        for node in &struck {
            slowest = slowest.max(network.wait_ready_one(*node, BACK));
        }
        kills += many;
    }
    grows(count(), "after the last kill");
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for submitter in submitters {
            submitter.await.expect("a submitter met a refusal");
        }
    });

    // Every acknowledged promise is in the history of every node, at the height that was said.
    let acknowledged = std::mem::take(&mut *acknowledged.lock().expect("no panic"));
    let last = acknowledged.iter().map(|(_, height)| *height).max().expect("something was acknowledged");
    network.common_root(0..4, last);
    for node in 0..4 {
        let missing = runtime.block_on(async {
            let client = network.client(node..node + 1);
            let mut missing = Vec::new();
            for (id, height) in &acknowledged {
                let status = client.transaction(id).await.ok().and_then(|found| found.status);
                if !status.is_some_and(|status| state(&status) == TransactionState::Applied && status.height == *height)
                {
                    missing.push((*id, *height));
                }
            }
            missing
        });
        assert!(missing.is_empty(), "node {node} lacks of {} acknowledged: {missing:?}", acknowledged.len());
    }
    println!("{kills} kills, {} acknowledged up to height {last}, slowest answer {slowest:?}", acknowledged.len());
}
