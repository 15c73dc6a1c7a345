//! `octroi key`: encrypted key files.

use crate::{
    arguments::{Key, KeyOwner},
    failure::{Failure, Result, read_text},
    output::{Column, Show},
    session::Session,
    submitting,
};
use octroi_client::{
    bridge::{self, Surroundings},
    keystore::{self, Cost, KeyFile, KeyMeta},
};
use octroi_primitives::{PossessionPurpose, SecretKey, prove_possession};
use serde_json::{Value as Json, json};
use std::path::Path;
use zeroize::Zeroizing;

/// Carries out a command.
pub async fn run(session: &mut Session, command: Key) -> Result<()> {
    match command {
        Key::New(owner) => {
            let secret = keystore::generate()?;
            add(session, &secret, &owner)
        }
        Key::Import { file, owner } => {
            let secret = read_secret(&file)?;
            add(session, &secret, &owner)
        }
        Key::List => list(session),
        Key::Rotate { after } => rotate(session, after).await,
    }
}

fn shown(file: &KeyFile) -> Json {
    let KeyMeta { organisation, organisation_code, office, label } = &file.public.meta;
    json!({
        "organisation_code": organisation_code.as_str(),
        "office": office.as_str(),
        "key": file.public.key.to_string(),
        "organisation": organisation.map(|id| id.to_string()),
        "label": label,
        "file": file.path.display().to_string(),
    })
}

fn meta(owner: &KeyOwner) -> Result<KeyMeta> {
    let KeyOwner { organisation, office, organisation_id, label, dev: _ } = owner;
    let wrong = |flag: &str, error: &dyn std::fmt::Display| Failure::usage(format!("{flag}: {error}"));
    Ok(KeyMeta {
        organisation: organisation_id
            .as_deref()
            .map(|id| id.parse().map_err(|error| wrong("--organisation-id", &error)))
            .transpose()?,
        organisation_code: organisation.parse().map_err(|error| wrong("--organisation", &error))?,
        office: office.parse().map_err(|error| wrong("--office", &error))?,
        label: label.clone(),
    })
}

fn add(session: &mut Session, secret: &SecretKey, owner: &KeyOwner) -> Result<()> {
    let meta = meta(owner)?;
    if session.global.dry_run {
        session.printer.say("nothing was written");
        return session.printer.object(&json!({ "organisation_code": meta.organisation_code.as_str(), "office": meta.office.as_str(), "dry_run": true }));
    }
    let passphrase = session.passphrase()?;
    let cost = if owner.dev { Cost::Dev } else { Cost::Interactive };
    let file = session.keyring().add(&keystore::seal(secret, &meta, &passphrase, cost)?)?;
    session.printer.object(&shown(&file))?;
    session.printer.say("keep a copy of the file and the passphrase apart: nobody can make this key again");
    Ok(())
}

fn read_secret(path: &Path) -> Result<SecretKey> {
    let text = if path.as_os_str() == "-" {
        Zeroizing::new(std::io::read_to_string(std::io::stdin())?)
    } else {
        Zeroizing::new(read_text(path)?)
    };
    let text = text.trim();
    let wrong = || Failure::usage(format!("{}: is not a secret key of 64 hexadecimal digits", path.display()));
    if text.len() != 64 {
        return Err(wrong());
    }
    let mut seed = Zeroizing::new([0u8; 32]);
    for (byte, at) in seed.iter_mut().zip((0..64).step_by(2)) {
        *byte = text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(wrong)?;
    }
    Ok(SecretKey::from_seed(*seed))
}

fn list(session: &Session) -> Result<()> {
    let rows: Vec<Json> = session.keyring().list()?.iter().map(shown).collect();
    let column = |title, pointer, show| Column { title, pointer, show };
    session.printer.list(
        &json!({ "keys": rows }),
        &rows,
        &[
            column("organisation", "/organisation_code", Show::Plain),
            column("office", "/office", Show::Plain),
            column("key", "/key", Show::Plain),
            column("id", "/organisation", Show::Id),
            column("label", "/label", Show::Plain),
        ],
    )
}

/// The new key is written before the transaction is sent: a key that is on the ledger and nowhere else would lock its owner out.
async fn rotate(session: &mut Session, after: u64) -> Result<()> {
    let files = session.live_files().await?;
    let first = files.first().ok_or_else(|| Failure::config("no key to rotate"))?.clone();
    let KeyMeta { organisation: _, organisation_code, office, label } = first.public.meta.clone();
    if files.iter().any(|file| file.public.meta.office != office) {
        return Err(Failure::usage("name the one office whose key is to be replaced: --as ORG.OFFICE"));
    }
    let client = session.client()?;
    let (network_name, dev) = client.info().await.map(|info| (info.network_name.clone(), info.dev))?;
    let height = crate::commands::status::height(session).await?;
    let organisation = session.organisation_of(&first, &network_name);
    let secret = keystore::generate()?;
    let proof = prove_possession(&secret, PossessionPurpose::Office, &network_name);
    let fields = json!({
        "office": office.as_str(),
        "add": [{ "key": secret.public().to_string(), "possession": proof.to_string() }],
        "remove": files.iter().map(|file| file.public.key.to_string()).collect::<Vec<_>>(),
        "from_height": height + after.max(1),
    });
    let payload = bridge::read_kind("rotate_keys", &fields, &Surroundings::none())?;
    if !session.global.dry_run {
        let passphrase = session.passphrase()?;
        let meta = KeyMeta { organisation: Some(organisation), organisation_code, office, label };
        let cost = if dev { Cost::Dev } else { Cost::Interactive };
        let file = session.keyring().add(&keystore::seal(&secret, &meta, &passphrase, cost)?)?;
        session.printer.say(format!(
            "new key {} in {}; it holds from height {}, until then the old one signs",
            secret.public(),
            file.path.display(),
            height + after.max(1)
        ));
    }
    submitting::act(session, payload).await?.finish(session)
}
