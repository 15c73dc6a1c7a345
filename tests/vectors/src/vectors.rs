//! From the story to JSON: what is frozen of each kind and of each block.

use crate::network::{Chain, Link};
use octroi_chain::Canonical as _;
use octroi_ledger::{
    Kind, Receipt, VerifiedTransaction,
    history::event_hash,
    receipt::Outcome,
    state::{RecordRow, hex},
    transaction::{KeySignature, Transaction},
    wire::Canonical as _,
};
use octroi_primitives::{Hash, Height};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version of the frozen files. A change of any frozen byte makes a new one.
pub const VERSION: u32 = 1;

/// The frozen vectors of a story: one document for each kind that happened, one for the chain.
pub fn of(chain: &Chain) -> BTreeMap<String, Value> {
    let mut documents = BTreeMap::from([("chain".to_owned(), of_chain(chain))]);
    for kind in Kind::ALL {
        if let Some(document) = of_kind(chain, *kind) {
            documents.insert(kind.name().to_owned(), document);
        }
    }
    documents
}

/// The first applied act of a kind.
fn of_kind(chain: &Chain, kind: Kind) -> Option<Value> {
    chain.links.iter().find_map(|link| {
        let (index, receipt) = link
            .executed
            .receipts()
            .iter()
            .enumerate()
            .find(|(_, receipt)| receipt.kind() == kind && matches!(receipt.outcome, Outcome::Applied(_)))?;
        let transaction = index
            .checked_sub(link.executed.system_receipts())
            .map_or(Value::Null, |index| of_transaction(&link.executed.transactions()[index]));
        Some(json!({
            "version": VERSION,
            "kind": kind.name(),
            "tag": kind.tag(),
            "height": link.executed.block().header().height.0,
            "receipt_index": index,
            "transaction": transaction,
            "receipt": of_receipt(link.executed.block().header().height, index as u32, receipt),
        }))
    })
}

fn of_transaction(transaction: &VerifiedTransaction) -> Value {
    let id = transaction.id();
    let signatures: Vec<Value> = transaction
        .signatures()
        .iter()
        .map(|KeySignature { key, signature }| json!({ "key": hex(key.as_bytes()), "signature": hex(signature.as_bytes()) }))
        .collect();
    json!({
        "network": hex(transaction.transaction().network.as_bytes()),
        "body": hex(transaction.body()),
        "id": hex(id.as_bytes()),
        "signing_bytes": hex(&Transaction::signing_bytes(&transaction.transaction().network, &id)),
        "signatures": signatures,
        "signed": hex(&transaction.encode()),
        "leaf": hex(transaction.leaf().as_bytes()),
    })
}

fn of_receipt(height: Height, index: u32, receipt: &Receipt) -> Value {
    let event = receipt.event().map(|event| {
        let bytes = event.to_bytes();
        json!({
            "bytes": hex(&bytes),
            "hash": hex(event_hash(height, index, event.kind(), &bytes).as_bytes()),
        })
    });
    json!({
        "bytes": hex(&receipt.to_bytes()),
        "leaf": hex(receipt.leaf().as_bytes()),
        "event": event,
    })
}

fn of_chain(chain: &Chain) -> Value {
    json!({
        "version": VERSION,
        "name": chain.genesis.name.as_str(),
        "genesis": hex(&chain.genesis.to_bytes()),
        "network": hex(chain.state.network().as_bytes()),
        "genesis_rows": rows(&chain.genesis.state().expect("the genesis obeys the rules").rows()),
        "genesis_state_root": hex(chain.genesis.state().expect("the genesis obeys the rules").root().as_bytes()),
        "blocks": chain.links.iter().map(of_block).collect::<Vec<_>>(),
    })
}

fn of_block(link: &Link) -> Value {
    let (block, certificate) = (link.executed.block(), &link.certificate);
    let header = block.header();
    let votes: Vec<Value> = certificate
        .votes()
        .map(|signed| {
            json!({
                "validator": hex(signed.vote.validator.as_bytes()),
                "signing_bytes": hex(&signed.vote.signing_bytes(&header.network)),
                "signature": hex(signed.signature.as_bytes()),
            })
        })
        .collect();
    let leaves = |leaves: Vec<Hash>| leaves.iter().map(|leaf| hex(leaf.as_bytes())).collect::<Vec<_>>();
    json!({
        "height": header.height.0,
        "header": hex(&header.encode()),
        "id": hex(header.id().as_bytes()),
        "transactions": block.transactions().iter().map(|bytes| hex(bytes)).collect::<Vec<_>>(),
        "transaction_leaves": leaves(link.executed.transactions().iter().map(|transaction| transaction.leaf()).collect()),
        "transactions_root": hex(header.transactions_root.as_bytes()),
        "receipts": link.executed.receipts().iter().map(|receipt| hex(&receipt.to_bytes())).collect::<Vec<_>>(),
        "receipts_root": hex(header.receipts_root.as_bytes()),
        "rows": rows(link.executed.rows()),
        "state_root": hex(header.state_root.as_bytes()),
        "validators": hex(&link.before.validators().encode()),
        "validators_hash": hex(header.validators_hash.as_bytes()),
        "log_root": hex(header.log_root.as_bytes()),
        "last_commit_hash": hex(header.last_commit_hash.as_bytes()),
        "certificate": hex(&certificate.encode()),
        "certificate_hash": hex(certificate.hash().as_bytes()),
        "votes": votes,
    })
}

fn rows(rows: &[RecordRow]) -> Vec<Value> {
    rows.iter()
        .map(|row| {
            let (key, value) = row.leaf();
            json!({
                "table": row.table,
                "key": hex(&row.key),
                "stored": row.value.as_deref().map(hex),
                "tree_key": hex(key.as_bytes()),
                "tree_value": value.map(|value| hex(value.as_bytes())),
            })
        })
        .collect()
}
