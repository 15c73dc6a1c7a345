//! `octroi tx`: transactions as files, from the template to the block. Files are JSON that holds the canonical bytes, so that what is signed is what is sent.

use crate::{
    acts,
    arguments::Tx,
    failure::{Failure, Result, read_text},
    output,
    session::Session,
    submitting::{self, Mode},
};
use octroi_client::{Until, bridge};
use octroi_ledger::{
    SignedTransaction, Transaction,
    wire::{Canonical as _, pb},
};
use octroi_primitives::{NetworkId, OrganisationId, TransactionId};
use serde_json::{Value as Json, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Carries out a command.
pub async fn run(session: &mut Session, command: Tx) -> Result<()> {
    match command {
        Tx::Template { kind } => template(&kind),
        Tx::Build { file, network, organisation, valid_until, out } => {
            build(session, &file, network, organisation, &valid_until, out).await
        }
        Tx::Sign { file, out } => sign(session, &file, out),
        Tx::Combine { files, out } => combine(&files, out),
        Tx::Simulate { file } => {
            session.global.dry_run = true;
            let signed = signed(&file)?;
            submitting::submit(session, &signed).await?.finish(session)
        }
        Tx::Submit { file } => {
            let signed = signed(&file)?;
            submitting::submit(session, &signed).await?.finish(session)
        }
        Tx::Wait { id } => {
            let id = read_id(&id)?;
            let max_wait = Duration::from_secs(session.global.max_wait);
            let status = session.client()?.wait(&id, max_wait).await?;
            let answer = session.client()?.transaction(&id).await.ok();
            let kind =
                answer.and_then(|answer| held(answer.transaction?).ok()).map(|transaction| transaction.payload.kind());
            submitting::outcome(id, kind, &status, Mode::Sent(Until::Committed)).finish(session)
        }
        Tx::Show { transaction } => show(session, &transaction).await,
    }
}

fn template(kind: &str) -> Result<()> {
    let kind = kind.replace('-', "_");
    let text = bridge::template(&kind).ok_or_else(|| {
        let kinds = bridge::kinds();
        let near =
            kinds.iter().max_by(|a, b| strsim::jaro_winkler(a, &kind).total_cmp(&strsim::jaro_winkler(b, &kind)));
        let failure = Failure::usage(format!("no kind is called {kind:?}"));
        match near.filter(|near| strsim::jaro_winkler(near, &kind) > 0.8) {
            Some(near) => failure.hint(format!("did you mean {near:?}?")),
            None => failure.hint(format!("kinds: {}", kinds.join(", "))),
        }
    })?;
    output::text(&text)
}

async fn build(
    session: &mut Session,
    file: &Path,
    network: Option<String>,
    organisation: Option<String>,
    valid_until: &str,
    out: Option<PathBuf>,
) -> Result<()> {
    let json = acts::read_payload_file(file)?;
    let network: Option<NetworkId> =
        network.map(|text| text.parse().map_err(|error| Failure::usage(format!("--network: {error}")))).transpose()?;
    let (network, info, now) = match network {
        Some(network) => (network, None, None),
        None => {
            let client = session.client()?;
            let info = client.info().await?.clone();
            (info.network, Some(info), Some(client.ledger_time().await?.0))
        }
    };
    let names = session.names(info.as_ref());
    let payload = names.with(now, |around| bridge::read_payload(&json, around))?;
    payload.validate().map_err(|refusal| Failure::usage(refusal.message).value("reason", refusal.kind.name()))?;
    let organisation = match organisation {
        Some(text) => match text.parse::<OrganisationId>() {
            Ok(id) => id,
            Err(_) => match names.resolve(&format!("org:{text}")) {
                Some(Ok(bytes)) => OrganisationId::try_from(bytes.as_slice()).map_err(Failure::usage)?,
                Some(Err(error)) => {
                    return Err(Failure::usage(error).hint("give the id of the organisation, 64 hexadecimal digits"));
                }
                None => return Err(Failure::usage(format!("{text:?} is no organisation"))),
            },
        },
        None => {
            let files = session.author_files()?;
            let file = files.first().ok_or_else(|| Failure::usage("no organisation is named"))?;
            match (&file.public.meta.organisation, &info) {
                (Some(id), _) => *id,
                (None, Some(info)) => session.organisation_of(file, &info.network_name),
                (None, None) => {
                    return Err(Failure::usage("the key file names no organisation id")
                        .hint("give --organisation ID, or build with a node"));
                }
            }
        }
    };
    let valid_until =
        bridge::parse_time(valid_until, now).map_err(|error| Failure::usage(format!("--valid-until: {error}")))?;
    let transaction = octroi_client::build(network, organisation, octroi_primitives::BlockTime(valid_until), payload)?;
    let text = file_of(&transaction, &transaction.to_bytes(), &[]);
    write(out, &text)?;
    session.printer.say(format!(
        "it may enter a block until {}; validators take it from one hour before by default",
        bridge::time_in_words(transaction.valid_until)
    ));
    Ok(())
}

fn sign(session: &mut Session, file: &Path, out: Option<PathBuf>) -> Result<()> {
    let (transaction, signatures) = read(file)?;
    let files = session.author_files()?;
    let keys = session.unlock(&files)?;
    let again = transaction.sign(&keys.iter().collect::<Vec<_>>());
    let signed = if signatures.is_empty() {
        again
    } else {
        again.combine(from_parts(&transaction, signatures)?).map_err(Failure::usage)?
    };
    write(out, &file_of_signed(&signed))
}

fn combine(files: &[PathBuf], out: Option<PathBuf>) -> Result<()> {
    let mut all = files.iter().map(|path| signed(path));
    let first = all.next().ok_or_else(|| Failure::usage("no file is named"))??;
    let whole = all.try_fold(first, |whole, next| whole.combine(next?).map_err(Failure::usage))?;
    write(out, &file_of_signed(&whole))
}

async fn show(session: &mut Session, text: &str) -> Result<()> {
    if let Ok(id) = text.parse::<TransactionId>() {
        let answer = session.client()?.transaction(&id).await?;
        let mut data =
            bridge::write_bytes("GetTransactionResponse", &prost::Message::encode_to_vec(&answer)).unwrap_or_default();
        if let Some(Ok(transaction)) = answer.transaction.map(held) {
            data["transaction"] = contents(&transaction, &id);
        }
        return session.printer.object(&data);
    }
    let path = Path::new(text);
    let (transaction, signatures) = read(path)?;
    let mut data = contents(&transaction, &Transaction::id(&transaction.to_bytes()));
    data["signed_by"] = signatures.iter().map(|signature| json!(hex(&signature.key))).collect();
    session.printer.object(&data)
}

fn held(message: pb::SignedTransaction) -> Result<Transaction> {
    Transaction::from_bytes(&message.body).map_err(Failure::usage)
}

fn contents(transaction: &Transaction, id: &TransactionId) -> Json {
    json!({
        "transaction": id.to_string(),
        "network": transaction.network.to_string(),
        "organisation": transaction.organisation.to_string(),
        "valid_until": transaction.valid_until.0,
        "payload": bridge::write_payload(&transaction.payload),
    })
}

fn read_id(text: &str) -> Result<TransactionId> {
    text.parse().map_err(|_| Failure::usage(format!("{text:?} is no transaction id of 64 hexadecimal digits")))
}

/// The file: what a person checks before signing, and the bytes that count.
fn file_of(transaction: &Transaction, body: &[u8], signatures: &[pb::KeySignature]) -> String {
    let mut json = contents(transaction, &Transaction::id(body));
    json["version"] = json!(1);
    json["body"] = json!(hex(body));
    json["signatures"] =
        signatures.iter().map(|entry| json!({ "key": hex(&entry.key), "signature": hex(&entry.signature) })).collect();
    format!("{json:#}\n")
}

fn file_of_signed(signed: &SignedTransaction) -> String {
    file_of(signed.transaction(), signed.body(), &signed.to_message().signatures)
}

/// Reads a transaction file. The body counts; what stands beside it in clear must say the same, since that is what a signer read.
fn read(path: &Path) -> Result<(Transaction, Vec<pb::KeySignature>)> {
    let wrong =
        |what: &str| Failure::usage(format!("{}: {what}", path.display())).hint("'octroi tx build' makes such a file");
    let json: Json = serde_json::from_str(&read_text(path)?).map_err(|error| wrong(&error.to_string()))?;
    if json["version"] != json!(1) {
        return Err(wrong("is no transaction file of version 1"));
    }
    let body = json["body"].as_str().and_then(unhex).ok_or_else(|| wrong("has no body in hexadecimal"))?;
    let transaction = Transaction::from_bytes(&body).map_err(|error| wrong(&error.to_string()))?;
    let clear = contents(&transaction, &Transaction::id(&body));
    for (name, value) in clear.as_object().into_iter().flatten() {
        if json.get(name) != Some(value) {
            return Err(wrong(&format!("{name:?} in clear differs from the body that would be signed")));
        }
    }
    let signatures = json["signatures"].as_array().into_iter().flatten().map(|entry| {
        let bytes =
            |name: &str| entry[name].as_str().and_then(unhex).ok_or_else(|| wrong("has a signature that is none"));
        Ok(pb::KeySignature { key: bytes("key")?, signature: bytes("signature")? })
    });
    Ok((transaction, signatures.collect::<Result<_>>()?))
}

fn from_parts(transaction: &Transaction, signatures: Vec<pb::KeySignature>) -> Result<SignedTransaction> {
    SignedTransaction::from_parts(transaction.to_bytes(), signatures).map_err(Failure::usage)
}

fn signed(path: &Path) -> Result<SignedTransaction> {
    let (transaction, signatures) = read(path)?;
    if signatures.is_empty() {
        return Err(
            Failure::usage(format!("{}: has no signature", path.display())).hint("sign it with 'octroi tx sign'")
        );
    }
    from_parts(&transaction, signatures)
}

fn write(out: Option<PathBuf>, text: &str) -> Result<()> {
    match out {
        None => output::text(text),
        Some(path) => {
            std::fs::write(&path, text).map_err(|error| Failure::from(error).value("path", path.display().to_string()))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
