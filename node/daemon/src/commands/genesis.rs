//! `octroid genesis`: the ceremony. No secret leaves the machine it was made on.

use crate::{exit::Stop, files};
use clap::Subcommand;
use octroi_genesis::JoinRequest;
use std::path::{Path, PathBuf};

/// Agree on a genesis.
#[derive(Debug, Subcommand)]
pub enum GenesisCommand {
    /// Write a draft to fill in: organisations, colleges, funds, roles.
    New {
        /// Name of the network.
        #[arg(long)]
        name: String,
        /// Where to write the draft.
        #[arg(long, default_value = "genesis.draft.toml")]
        out: PathBuf,
    },
    /// Make the keys of one organisation and the request that carries their public halves.
    JoinRequest {
        /// The draft.
        #[arg(long)]
        draft: PathBuf,
        /// Code of the organisation in the draft.
        #[arg(long)]
        organisation: String,
        /// Folder for the secret keys; it must not hold any yet.
        #[arg(long, default_value = "keys")]
        keys: PathBuf,
        /// Where to write the request.
        #[arg(long)]
        out: PathBuf,
    },
    /// Enter join requests into a draft.
    Collect {
        /// The draft.
        #[arg(long)]
        draft: PathBuf,
        /// Where to write the completed draft.
        #[arg(long)]
        out: PathBuf,
        /// Join requests.
        #[arg(required = true)]
        requests: Vec<PathBuf>,
    },
    /// Check every rule, and say what is missing.
    Verify {
        /// A draft or a sealed genesis.
        genesis: PathBuf,
    },
    /// Check every rule and write the file that says its own hash.
    Seal {
        /// The completed draft.
        draft: PathBuf,
        /// Where to write the sealed genesis.
        #[arg(long, default_value = "genesis.toml")]
        out: PathBuf,
    },
    /// Print the hash, in digits and in words to read aloud.
    Hash {
        /// A genesis.
        genesis: PathBuf,
    },
}

impl GenesisCommand {
    /// Does it.
    pub fn run(self) -> Result<(), Stop> {
        match self {
            Self::New { name, out } => new(&name, &out),
            Self::JoinRequest { draft, organisation, keys, out } => join_request(&draft, &organisation, &keys, &out),
            Self::Collect { draft, out, requests } => collect(&draft, &out, &requests),
            Self::Verify { genesis } => verify(&genesis),
            Self::Seal { draft, out } => seal(&draft, &out),
            Self::Hash { genesis } => hash(&genesis),
        }
    }
}

fn refused(path: &Path, error: impl std::fmt::Display) -> Stop {
    Stop::config(format!("{}: {error}", path.display()))
}

fn new(name: &str, out: &Path) -> Result<(), Stop> {
    // The example is a whole network: a person changes it sooner than they fill an empty page.
    let draft = octroi_genesis::DEVNET.replace("name = \"octroi-devnet\"", &format!("name = {name:?}"));
    files::create(out, &draft)?;
    eprintln!(
        "wrote {}, an example to change; then each organisation runs 'octroid genesis join-request'",
        out.display()
    );
    Ok(())
}

fn join_request(draft: &Path, organisation: &str, keys: &Path, out: &Path) -> Result<(), Stop> {
    let text = files::read(draft)?;
    let name = octroi_genesis::network_name(&text).map_err(|error| refused(draft, error))?;
    let wanted = octroi_genesis::wanted_keys(&text, organisation).map_err(|error| refused(draft, error))?;
    let mut request = JoinRequest::new(&name, organisation);
    for office in &wanted.offices {
        let secret = files::new_secret()?;
        files::create_secret(&keys.join(format!("{organisation}.{office}.key")), &files::secret_text(&secret))?;
        request.office(office, &secret);
    }
    if wanted.validator {
        let (consensus, network) = (files::new_secret()?, files::new_secret()?);
        files::create_secret(&keys.join("consensus.key"), &files::secret_text(&consensus))?;
        files::create_secret(&keys.join("network.key"), &files::secret_text(&network))?;
        request.validator(&consensus, &network);
    }
    files::create(out, &request.write())?;
    eprintln!("wrote {}: send it to the organiser; the secret keys in {} stay here", out.display(), keys.display());
    eprintln!("put the office keys into encrypted keystores with 'octroi key import' and remove the plain files");
    Ok(())
}

fn collect(draft: &Path, out: &Path, requests: &[PathBuf]) -> Result<(), Stop> {
    let mut read = Vec::with_capacity(requests.len());
    for path in requests {
        read.push(JoinRequest::read(&files::read(path)?).map_err(|error| refused(path, error))?);
    }
    let collected = octroi_genesis::collect(&files::read(draft)?, &read).map_err(|error| refused(draft, error))?;
    files::create(out, &collected)?;
    let missing = octroi_genesis::missing_keys(&collected).map_err(|error| refused(draft, error))?;
    eprintln!("wrote {}: {} requests entered, {} places still without keys", out.display(), read.len(), missing.len());
    Ok(())
}

fn verify(path: &Path) -> Result<(), Stop> {
    let text = files::read(path)?;
    let missing = octroi_genesis::missing_keys(&text).map_err(|error| refused(path, error))?;
    for place in &missing {
        eprintln!("no key yet: {place}");
    }
    if !missing.is_empty() {
        return Err(refused(path, format!("{} places without keys", missing.len()))
            .hint("collect the join requests of these organisations"));
    }
    let genesis = octroi_genesis::parse(&text).map_err(|error| refused(path, error))?;
    let state = genesis.state().map_err(|error| refused(path, error))?;
    files::say(format_args!(
        "{}: valid, network {}, {} validators",
        path.display(),
        genesis.network(),
        state.validators().len()
    ))?;
    Ok(())
}

fn seal(draft: &Path, out: &Path) -> Result<(), Stop> {
    let sealed = octroi_genesis::seal(&files::read(draft)?).map_err(|error| refused(draft, error))?;
    files::create(out, &sealed)?;
    hash(out)
}

fn hash(path: &Path) -> Result<(), Stop> {
    let genesis = files::read_genesis(path)?;
    let network = genesis.network();
    files::say(format_args!("{network}"))?;
    files::say(octroi_genesis::words(network.hash()))?;
    Ok(())
}
