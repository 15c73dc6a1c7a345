//! What every command may need: settings, the network, keys, the passphrase. Each is fetched only when a command asks for it.

use crate::{
    arguments::Global,
    failure::{Exit, Failure, Result, read_file, read_text},
    output::Printer,
    reads,
};
use octroi_client::{
    Client, NodeInfo, Tls,
    bridge::{Resolve, Surroundings},
    keystore::{KeyFile, Keyring},
};
use octroi_primitives::{OrganisationId, SecretKey, genesis_id, hash};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A named set of settings.
#[derive(Debug, Clone, Default, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    /// Nodes.
    pub endpoints: Vec<String>,
    /// Folder of keys.
    pub keys: Option<PathBuf>,
    /// Who acts, as `--as`.
    #[serde(rename = "as")]
    pub author: Option<String>,
    /// File with the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// Certificates that sign nodes.
    pub tls_ca: Option<PathBuf>,
    /// Our certificate and key.
    pub tls_cert: Option<PathBuf>,
    /// Its secret key.
    pub tls_key: Option<PathBuf>,
}

/// The file of contexts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
    /// The one that holds when none is named.
    pub default: Option<String>,
    /// By name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

impl Contexts {
    /// Where the file is: `OCTROI_CONFIG`, else `octroi/contexts.toml` in the user's configuration folder.
    pub fn path() -> Option<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("OCTROI_CONFIG").or_else(|| {
            let base = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
            Some(base.join("octroi/contexts.toml"))
        })
    }

    /// Reads the file; an absent one holds nothing. Its relative paths are relative to it.
    pub fn load() -> Result<Self> {
        let Some(path) = Self::path().filter(|path| path.exists()) else { return Ok(Self::default()) };
        let mut contexts: Self = toml::from_str(&read_text(&path)?)
            .map_err(|error| Failure::config(format!("{}: {}", path.display(), error.message())))?;
        let base = path.parent().unwrap_or(Path::new(".")).to_owned();
        for context in contexts.contexts.values_mut() {
            let Context { endpoints: _, keys, author: _, passphrase_file, tls_ca, tls_cert, tls_key } = context;
            for path in [keys, passphrase_file, tls_ca, tls_cert, tls_key].into_iter().flatten() {
                *path = base.join(&path);
            }
        }
        Ok(contexts)
    }

    fn chosen(self, name: Option<&str>) -> Result<Context> {
        let Self { default, mut contexts } = self;
        let Some(name) = name.map(str::to_owned).or(default) else { return Ok(Context::default()) };
        let known: Vec<_> = contexts.keys().cloned().collect();
        contexts.remove(&name).ok_or_else(|| {
            Failure::config(format!("no context {name:?}"))
                .hint(format!("contexts: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }))
        })
    }
}

/// Who signs: an organisation and the keys that are used for it.
pub struct Author {
    /// The acting organisation.
    pub organisation: OrganisationId,
    /// Its keys, unlocked.
    pub keys: Vec<SecretKey>,
}

/// Settings and what follows from them.
pub struct Session {
    /// Flags.
    pub global: Global,
    /// Where data goes.
    pub printer: Printer,
    context: Context,
    client: Option<Client>,
    passphrase: Option<Zeroizing<String>>,
}

/// Keys of an organisation, as a node shows it, that may sign in the block after the one it was read at.
fn live_keys(answer: &serde_json::Value) -> BTreeSet<String> {
    let number =
        |value: &serde_json::Value| value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default();
    let next = answer.pointer("/at/height").map(number).unwrap_or_default() + 1;
    let list = |value: &serde_json::Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let offices = answer.pointer("/organisation/organisation").map(|record| list(record, "offices"));
    offices
        .unwrap_or_default()
        .iter()
        .flat_map(|office| list(office, "keys"))
        .filter(|key| {
            let (from, to) = (number(&key["from_height"]), number(&key["to_height"]));
            from <= next && (to == 0 || next < to)
        })
        .filter_map(|key| Some(key["key"].as_str()?.to_owned()))
        .collect()
}

impl Session {
    /// Flags before environment before context.
    pub fn new(global: Global) -> Result<Self> {
        let context = Contexts::load()?.chosen(global.context.as_deref())?;
        Ok(Self { printer: Printer { format: global.output }, global, context, client: None, passphrase: None })
    }

    /// The network, connected lazily.
    pub fn client(&mut self) -> Result<&Client> {
        if self.client.is_none() {
            let endpoints =
                if self.global.endpoint.is_empty() { &self.context.endpoints } else { &self.global.endpoint };
            let tls = self.tls()?;
            self.client = Some(Client::connect(endpoints, tls.as_ref())?);
        }
        self.client.as_ref().ok_or_else(|| Failure::config("no node is named"))
    }

    fn tls(&self) -> Result<Option<Tls>> {
        let Global { tls_ca, tls_cert, tls_key, .. } = &self.global;
        let ca = tls_ca.as_ref().or(self.context.tls_ca.as_ref());
        let certificate = tls_cert.as_ref().or(self.context.tls_cert.as_ref());
        let key = tls_key.as_ref().or(self.context.tls_key.as_ref());
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((read_file(certificate)?, read_file(key)?)),
            (None, None) => None,
            _ => return Err(Failure::config("--tls-cert and --tls-key are given together or not at all")),
        };
        let authorities = ca.map(|path| read_file(path)).transpose()?;
        Ok((authorities.is_some() || identity.is_some()).then_some(Tls { authorities, identity }))
    }

    /// The folder of keys.
    pub fn keyring(&self) -> Keyring {
        let folder = self.global.keys.clone().or(self.context.keys.clone());
        Keyring::new(folder.unwrap_or_else(|| {
            Contexts::path().and_then(|path| Some(path.parent()?.join("keys"))).unwrap_or_else(|| "keys".into())
        }))
    }

    /// Who is to sign, as it was given.
    pub fn author_text(&self) -> Result<String> {
        self.global.author.clone().or(self.context.author.clone()).ok_or_else(|| {
            Failure::usage("nobody is named to sign")
                .hint("say who acts with --as ORG.OFFICE; 'octroi key list' shows your keys")
        })
    }

    /// The key files that `ORG`, `ORG.OFFICE` or `ORG.OFFICE+OFFICE` means.
    pub fn author_files(&self) -> Result<Vec<KeyFile>> {
        let text = self.author_text()?;
        let ring = self.keyring();
        let (organisation, offices) =
            text.split_once('.').map_or((text.as_str(), None), |(organisation, offices)| (organisation, Some(offices)));
        let held = ring.find(organisation, None)?;
        if held.is_empty() {
            let mut known: Vec<_> =
                ring.list()?.iter().map(|key| key.public.meta.organisation_code.to_string()).collect();
            known.dedup();
            return Err(Failure::new(
                Exit::Config,
                "KEY_UNKNOWN",
                format!("no key of organisation {organisation:?} in {}", ring.folder().display()),
            )
            .hint(if known.is_empty() {
                "make one with 'octroi key new'".to_owned()
            } else {
                format!("keys are there of: {}", known.join(", "))
            }));
        }
        let offices_held = || {
            let mut offices: Vec<_> = held.iter().map(|key| key.public.meta.office.to_string()).collect();
            offices.dedup();
            offices
        };
        let Some(offices) = offices else {
            let offices = offices_held();
            if offices.len() > 1 {
                return Err(Failure::usage(format!("{organisation} has keys of {} offices", offices.len())).hint(
                    format!(
                        "say which: {}",
                        offices
                            .iter()
                            .map(|office| format!("--as {organisation}.{office}"))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                ));
            }
            return Ok(held);
        };
        let mut files = Vec::new();
        for office in offices.split('+') {
            let before = files.len();
            files.extend(held.iter().filter(|key| key.public.meta.office.as_str() == office).cloned());
            if files.len() == before {
                return Err(Failure::new(
                    Exit::Config,
                    "KEY_UNKNOWN",
                    format!("no key of office {office:?} of {organisation}"),
                )
                .hint(format!("offices with keys: {}", offices_held().join(", "))));
            }
        }
        Ok(files)
    }

    /// The organisation that acts; the network's name makes the id of a genesis organisation.
    pub fn organisation_of(&self, file: &KeyFile, network_name: &str) -> OrganisationId {
        let meta = &file.public.meta;
        meta.organisation.unwrap_or_else(|| {
            OrganisationId::new(genesis_id("organisation", network_name, meta.organisation_code.as_str()))
        })
    }

    /// Who signs, keys unlocked.
    pub async fn author(&mut self) -> Result<Author> {
        let files = self.live_files().await?;
        let info = self.client()?.info().await?.clone();
        self.author_of(&files, &info.network_name)
    }

    /// Of the key files that `--as` means, those whose keys may sign in the next block: an office that rotates has more than one for a while, and a
    /// file outlives its key. An organisation that is not registered yet may sign with all.
    pub async fn live_files(&mut self) -> Result<Vec<KeyFile>> {
        let files = self.author_files()?;
        let several = |file: &KeyFile| {
            let office = &file.public.meta.office;
            files.iter().filter(|other| other.public.meta.office == *office).count() > 1
        };
        let Some(first) = files.iter().find(|file| several(file)) else { return Ok(files) };
        let network_name = self.client()?.info().await?.network_name.clone();
        let organisation = self.organisation_of(first, &network_name).to_string();
        let request = serde_json::json!({ "id": organisation });
        let answer = match reads::ask(self, "FundingService", "GetOrganisation", &request).await {
            Err(failure) if failure.exit == Exit::NotFound => return Ok(files),
            answer => answer?,
        };
        let live = live_keys(&answer);
        let (kept, others): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| live.contains(&file.public.key.to_string()));
        if kept.is_empty() {
            let names: Vec<_> = others.iter().map(|file| file.public.key.to_string()).collect();
            return Err(Failure::new(Exit::Config, "KEY_UNKNOWN", format!("no live key among {}", names.join(", ")))
                .hint(format!("'octroi org show {organisation}' lists the live keys of its offices")));
        }
        Ok(kept)
    }

    fn author_of(&mut self, files: &[KeyFile], network_name: &str) -> Result<Author> {
        let mut organisations: Vec<_> = files.iter().map(|file| self.organisation_of(file, network_name)).collect();
        organisations.dedup();
        let [organisation] = organisations[..] else {
            return Err(Failure::config("the keys belong to several organisations")
                .hint("name the organisation by its id: --as ID.OFFICE"));
        };
        let keys = self.unlock(files)?;
        Ok(Author { organisation, keys })
    }

    /// Decrypts keys with the one passphrase.
    pub fn unlock(&mut self, files: &[KeyFile]) -> Result<Vec<SecretKey>> {
        let passphrase = self.passphrase()?;
        Ok(files.iter().map(|file| file.unlock(&passphrase)).collect::<std::result::Result<_, _>>()?)
    }

    /// The passphrase: file, then environment, then a question on a terminal. Never an argument, which every process could read.
    pub fn passphrase(&mut self) -> Result<Zeroizing<String>> {
        if let Some(passphrase) = &self.passphrase {
            return Ok(passphrase.clone());
        }
        let file = self.global.passphrase_file.as_ref().or(self.context.passphrase_file.as_ref());
        let passphrase = if let Some(path) = file {
            let text = Zeroizing::new(read_text(path)?);
            Zeroizing::new(text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r').to_owned())
        } else if let Ok(text) = std::env::var("OCTROI_PASSPHRASE") {
            Zeroizing::new(text)
        } else if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            Zeroizing::new(rpassword::prompt_password("Passphrase of your keys: ")?)
        } else {
            return Err(Failure::new(
                Exit::Locked,
                "PASSPHRASE_MISSING",
                "the keys are locked and there is no terminal to ask on",
            )
            .hint("name a file with --passphrase-file, or set OCTROI_PASSPHRASE"));
        };
        self.passphrase = Some(passphrase.clone());
        Ok(passphrase)
    }

    /// Whether the network that answered is a development network.
    pub fn client_is_dev(&self) -> bool {
        self.client.as_ref().and_then(Client::known_info).is_some_and(|info| info.dev)
    }

    /// Names for bytes: `org:CODE`, `file:PATH`; and ledger time when a node is known.
    pub fn names(&self, info: Option<&NodeInfo>) -> Names {
        let mut organisations = BTreeMap::new();
        for key in self.keyring().list().unwrap_or_default() {
            if let Some(id) = key.public.meta.organisation {
                organisations.insert(key.public.meta.organisation_code.to_string(), id);
            }
        }
        Names { organisations, network_name: info.map(|info| info.network_name.clone()) }
    }
}

/// What texts stand for.
pub struct Names {
    organisations: BTreeMap<String, OrganisationId>,
    network_name: Option<String>,
}

impl Names {
    /// `org:CODE` is the organisation that a key of the folder names by that code, else the one of genesis; `file:PATH` the hash of a file,
    /// H("file", bytes).
    pub fn resolve(&self, text: &str) -> Option<std::result::Result<Vec<u8>, String>> {
        if let Some(code) = text.strip_prefix("org:") {
            let id = self.organisations.get(code).copied().or_else(|| {
                let name = self.network_name.as_ref()?;
                Some(OrganisationId::new(genesis_id("organisation", name, code)))
            });
            return Some(
                id.map(|id| id.as_bytes().to_vec())
                    .ok_or_else(|| format!("organisation {code:?} is not known without a node")),
            );
        }
        let path = text.strip_prefix("file:")?;
        Some(
            std::fs::read(path)
                .map(|bytes| hash("file", &[&bytes]).as_bytes().to_vec())
                .map_err(|error| format!("{path}: {error}")),
        )
    }

    /// Reads with these names.
    pub fn with<T>(&self, now: Option<u64>, read: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let resolve: &Resolve<'_> = &|text: &str| self.resolve(text);
        read(&Surroundings { now, resolve })
    }
}
