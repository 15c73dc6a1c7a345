//! Bad transactions at the door of a real node: each has its own reason, changes nothing, and the client says what to do.

use octroi_end_to_end::{Ended, Network, number};
use octroi_ledger::{Payload, SignedTransaction, contribution::promise_contribution::PromiseContribution};
use octroi_primitives::{Amount, BlockTime, Currency, LegalDate, NetworkId, OrganisationId, genesis_id};
use octroi_proto::v1::{self as pb, transaction_service_client::TransactionServiceClient};
use serde_json::Value;
use std::path::PathBuf;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

fn organisation(code: &str) -> OrganisationId {
    OrganisationId::new(genesis_id("organisation", "octroi-devnet", code))
}

/// A network with what the transactions of a test have in common.
struct Door {
    network: Network,
    runtime: tokio::runtime::Runtime,
    id: NetworkId,
}

impl Door {
    fn open() -> Self {
        let network = Network::up(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let id = {
            let _inside = runtime.enter();
            let client = network.client(0..1);
            runtime.block_on(client.info()).expect("node 0 answers").network
        };
        Self { network, runtime, id }
    }

    /// A promise of the foundation's that a node would take, but for what the test changes.
    fn promise(&self, network: NetworkId, valid_for_ms: i64, signer: (&str, &str)) -> pb::SignedTransaction {
        let payload = Payload::PromiseContribution(PromiseContribution {
            fund: "commun".parse().expect("a code"),
            amount: Amount { minor: 1_250_000, currency: Currency::EUR },
            due: LegalDate::new(2099, 3, 31).expect("a date"),
            earmark: None,
            conditions: None,
            parent: None,
        });
        let now = self.network.status(0).expect("node 0 answers").time;
        let until = BlockTime(now.checked_add_signed(valid_for_ms).expect("a time"));
        let transaction =
            octroi_client::build(network, organisation("foundation"), until, payload).expect("it is built");
        transaction.sign(&[&self.network.key(signer.0, signer.1)]).to_message()
    }

    fn good(&self) -> pb::SignedTransaction {
        self.promise(self.id, 600_000, ("foundation", "giving"))
    }

    /// What node 0 answers to these bytes.
    fn submit(&self, transaction: pb::SignedTransaction) -> Result<pb::TransactionStatus, tonic::Status> {
        let endpoint = self.network.endpoint(0);
        self.runtime.block_on(async {
            let channel = Channel::from_shared(endpoint).expect("an address").connect().await.expect("node 0 listens");
            let asked = pb::SubmitTransactionRequest {
                transaction: Some(transaction),
                wait_for: pb::WaitFor::Committed.into(),
                max_wait_ms: 20_000,
                preflight: false,
            };
            let answer = TransactionServiceClient::new(channel).submit_transaction(asked).await?;
            Ok(answer.into_inner().status.expect("an answer has a status"))
        })
    }

    /// Height and state root; what is refused at the door moves neither.
    fn state(&self) -> (u64, String) {
        let status = self.network.status(0).expect("node 0 answers");
        (status.height, status.state_root)
    }

    /// A file of `octroi tx` that holds this transaction.
    fn file(&self, name: &str, transaction: &pb::SignedTransaction) -> PathBuf {
        let signed = SignedTransaction::from_parts(transaction.body.clone(), transaction.signatures.clone());
        let signed = signed.expect("well formed");
        let mut json = octroi_client::bridge::write_payload(&signed.transaction().payload);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        json = serde_json::json!({
            "transaction": signed.id().to_string(),
            "network": signed.transaction().network.to_string(),
            "organisation": signed.transaction().organisation.to_string(),
            "valid_until": signed.transaction().valid_until.0,
            "payload": json,
            "version": 1,
            "body": hex(&transaction.body),
            "signatures": transaction.signatures.iter()
                .map(|entry| serde_json::json!({ "key": hex(&entry.key), "signature": hex(&entry.signature) }))
                .collect::<Vec<_>>(),
        });
        self.network.file(name, &json.to_string())
    }

    fn submit_file(&self, name: &str, transaction: &pb::SignedTransaction) -> Ended {
        let file = self.file(name, transaction).display().to_string();
        self.network.octroi(&["--output", "json", "tx", "submit", &file])
    }
}

/// The reason of a refusal at the door.
fn reason(answer: Result<pb::TransactionStatus, tonic::Status>) -> String {
    match answer {
        Ok(status) => panic!("it was taken: {status:?}"),
        Err(status) => {
            assert!(!status.message().is_empty(), "a refusal says what is wrong");
            status.get_details_error_info().unwrap_or_else(|| panic!("no reason: {status:?}")).reason
        }
    }
}

/// A failed command says why and what to do, and ends with this code.
#[track_caller]
fn assert_says(ended: &Ended, code: i32, reason: &str) -> Value {
    let error = ended.error();
    assert_eq!((ended.code, error["reason"].as_str()), (Some(code), Some(reason)), "{error}");
    let is_said = |name: &str| error[name].as_str().is_some_and(|words| !words.is_empty());
    assert!(is_said("message") && is_said("hint"), "{reason}: what happened or what to do is not said: {error}");
    error
}

#[test]
fn what_no_block_may_hold_is_refused_at_the_door_each_for_its_reason_and_changes_nothing() {
    let door = Door::open();
    let good = door.good();
    let with_body = |body: Vec<u8>| pb::SignedTransaction { body, ..good.clone() };
    let before = door.state();

    // Bytes that are no transaction. Field 100 is nobody's; field 1 twice is a second way to say the same.
    let unknown_field = [good.body.as_slice(), &[0xa0, 0x06, 0x01]].concat();
    let doubled = [good.body.as_slice(), &[0x0a, 0x20], door.id.as_bytes().as_slice()].concat();
    assert_eq!(reason(door.submit(with_body(vec![0xff; 64]))), "TRANSACTION_MALFORMED");
    assert_eq!(reason(door.submit(with_body(Vec::new()))), "TRANSACTION_MALFORMED");
    assert_eq!(reason(door.submit(with_body(vec![0; 66_000]))), "TRANSACTION_TOO_LARGE");
    assert_eq!(reason(door.submit(with_body(unknown_field))), "NOT_CANONICAL");
    assert_eq!(reason(door.submit(with_body(doubled))), "NOT_CANONICAL");
    // Far above what a request may be: cut off before it is decoded.
    let flood = door.submit(with_body(vec![0; 40_000_000])).expect_err("it is refused");
    assert!(
        matches!(
            flood.code(),
            tonic::Code::OutOfRange
                | tonic::Code::ResourceExhausted
                | tonic::Code::Internal
                | tonic::Code::Unknown
                | tonic::Code::Cancelled
        ),
        "{flood:?}"
    );

    // Transactions that are none of this network, this hour, or this signer: as a program and as a person meets them.
    let mut forged = good.clone();
    forged.signatures[0].signature[5] ^= 1;
    let cases = [
        ("SIGNATURE_INVALID", 5, forged),
        ("WRONG_NETWORK", 3, door.promise(NetworkId::ZERO, 600_000, ("foundation", "giving"))),
        ("EXPIRED", 5, door.promise(door.id, -60_000, ("foundation", "giving"))),
        ("TOO_EARLY", 5, door.promise(door.id, 86_400_000, ("foundation", "giving"))),
        ("UNKNOWN_SIGNER", 5, door.promise(door.id, 600_000, ("region", "giving"))),
    ];
    for (expected, code, transaction) in cases {
        assert_eq!(reason(door.submit(transaction.clone())), expected);
        assert_says(&door.submit_file("bad.json", &transaction), code, expected);
    }
    assert_eq!(door.state(), before, "nothing that was refused at the door moved anything");

    // The good one is taken; the same bytes again give the same receipt and happen once.
    let first = door.submit(good.clone()).expect("it is taken");
    let again = door.submit(good.clone()).expect("it is known");
    assert_eq!((first.state(), &again), (pb::TransactionState::Applied, &first));
    let shown = door.submit_file("good.json", &good).data();
    assert_eq!((number(&shown["height"]), shown["state"].as_str()), (Some(first.height), Some("applied")), "{shown}");
    assert_eq!(door.network.status(0).expect("node 0 answers").transactions, 1);
}

#[test]
fn what_the_rules_refuse_is_in_a_block_with_its_reason_and_moves_no_money() {
    let door = Door::open();
    let network = &door.network;
    let json = |arguments: &[&str]| network.octroi(&[&["--output", "json"], arguments].concat());
    let promise = |who: &str, amount: &str| {
        json(&["--as", who, "promise", "--fund", "commun", "--amount", amount, "--due", "2099-03-31"])
    };
    let promised = promise("foundation.giving", "500 EUR").data();
    let promise_id = promised["event"]["promise"].as_str().expect("an id").to_owned();

    // A credit of 100 EUR that nobody explains, attested by both attestors.
    let genesis = std::fs::read_to_string(network.path().join("genesis.toml")).expect("readable");
    let account = genesis.split("[[bank_accounts]]").nth(1).expect("the fund has an account");
    let account = account.split('"').nth(1).expect("a quoted commitment").to_owned();
    let entry = "11".repeat(32);
    let today = genesis.lines().find(|line| line.starts_with("time")).and_then(|line| line.split('"').nth(1));
    let day = &today.expect("a time")[..10];
    let statement = network.file(
        "statement.toml",
        &format!(
            "[attest_statement]\naccount = \"{account}\"\nstatement_id = \"S1\"\nsequence = 1\nfrom = \"{day}\"\nto = \"{day}\"\nopening = 0\nclosing = 10000\n\
             file_hash = \"{hash}\"\n[[attest_statement.entries]]\nkey = \"{entry}\"\namount = 10000\nbooking_date = \"{day}\"\nvalue_date = \"{day}\"\n\
             reference_commitment = \"{hash}\"\n",
            hash = "22".repeat(32)
        ),
    );
    for attestor in ["public-bank.attestation", "foundation.attestation"] {
        network.act(attestor, &["attest", "--payload", &statement.display().to_string()]);
    }
    let fund = || network.data(&["fund", "show", "commun"]);
    let before = fund();
    assert_eq!(number(&before["bank"]), Some(10_000), "{before}");

    // More than the entry has; by one who may not; twice the same statement; a sum of nothing.
    let overdrawn = |amount: &str, who: &str| {
        let targets = format!("{{ promise = \"{promise_id}\", amount = \"{amount}\" }}");
        json(&["--as", who, "match", "--account", &account, "--entry", &entry, "--targets", &targets])
    };
    let over = assert_says(&overdrawn("300 EUR", "public-bank.accounting"), 5, "MATCH_ENTRY_ENTRY_USED");
    assert!(over["message"].as_str().is_some_and(|words| words.contains("30000") && words.contains("10000")), "{over}");
    assert_says(&overdrawn("100 EUR", "region.giving"), 5, "MATCH_ENTRY_ROLE_MISSING");
    let twice = json(&["--as", "foundation.attestation", "attest", "--payload", &statement.display().to_string()]);
    assert_says(&twice, 5, "ATTEST_STATEMENT_STATE_FINAL");
    assert_says(&promise("foundation.giving", "0 EUR"), 5, "PROMISE_CONTRIBUTION_AMOUNT_BOUNDS");
    assert_eq!(without_place(fund()), without_place(before), "a refusal moves no money");

    // What is refused is in the history all the same, and an auditor finds it sound.
    let report = network.data(&["audit", "replay"]);
    assert_eq!(report["sound"], true, "{report}");
    assert_eq!(number(&report["totals"]["kinds"]["match_entry"]["refused"]), Some(2), "{report}");
    // The right sum is taken.
    let matched = overdrawn("100 EUR", "public-bank.accounting").data();
    assert_eq!(matched["state"], "applied", "{matched}");
    assert_eq!(number(&fund()["suspense"]), Some(0));
}

/// An answer without the height at which it was read.
fn without_place(mut answer: Value) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("at");
    }
    answer
}
