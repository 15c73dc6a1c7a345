//! The command line: flags that every command takes, and the tree of commands. Acts and reads are made from the interface itself, so that flags have
//! the names of fields and their comments as help.

use crate::{acts, output::Format, reads};
use clap::{Args, Command, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Talks to an octroi network: records acts, asks what happened, checks what is said.
#[derive(Debug, Parser)]
#[command(name = "octroi", version, max_term_width = 120, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Static,
}

/// Until when to wait after submitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// A node has taken it; that is no promise.
    Accepted,
    /// It is in a block.
    Committed,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// A node, such as http://127.0.0.1:27300; several may be given
    #[arg(long, global = true, env = "OCTROI_ENDPOINTS", value_delimiter = ',', hide_env_values = true)]
    pub endpoint: Vec<String>,
    /// Named settings of the contexts file
    #[arg(long, global = true, env = "OCTROI_CONTEXT", hide_env_values = true)]
    pub context: Option<String>,
    /// Form of the data on standard output
    #[arg(long, short, global = true, value_enum, default_value = "table")]
    pub output: Format,
    /// Folder of key files
    #[arg(long, global = true, env = "OCTROI_KEYS", hide_env_values = true, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Who signs: ORG, ORG.OFFICE, or ORG.OFFICE+OFFICE
    #[arg(long = "as", global = true, env = "OCTROI_AS", hide_env_values = true, value_name = "ORG.OFFICE")]
    pub author: Option<String>,
    /// File whose content unlocks the keys; else OCTROI_PASSPHRASE, else a question on a terminal
    #[arg(long, global = true, env = "OCTROI_PASSPHRASE_FILE", hide_env_values = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Say what would happen, and submit nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Until when to wait after submitting
    #[arg(long, global = true, value_enum, default_value = "committed")]
    pub wait: Wait,
    /// How long to wait at most, seconds
    #[arg(long, global = true, default_value = "30", value_name = "SECONDS")]
    pub max_wait: u64,
    /// Certificates that sign nodes, PEM
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Our certificate, PEM, for mutual TLS
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Its secret key, PEM
    #[arg(long, global = true, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
}

/// Commands whose arguments are their own; the others follow from the interface.
#[derive(Debug, Subcommand)]
pub enum Static {
    /// Keys: encrypted files, one a key
    #[command(subcommand)]
    Key(Key),
    /// Transactions: build, sign offline, submit, look up
    #[command(subcommand)]
    Tx(Tx),
    /// How the network and a node are
    Status,
    /// Follow events as they are committed
    Watch(Watch),
    /// What a reason or a kind means, and what to do
    Explain {
        /// A reason such as PROMISE_CONTRIBUTION_UNKNOWN_FUND, or a kind such as promise_contribution; none: all kinds
        name: Option<String>,
    },
    /// Publish grants of the past from a file
    #[command(subcommand)]
    Import(Import),
    /// Check a chain without believing anybody
    #[command(subcommand)]
    Audit(Audit),
    /// Write data of the ledger to files
    #[command(subcommand)]
    Export(Export),
    /// Named settings
    #[command(subcommand)]
    Context(Context),
    /// Completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key
    New(KeyOwner),
    /// Take in a secret key of 64 hexadecimal digits from a file, or from standard input with -
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        owner: KeyOwner,
    },
    /// The keys of the folder
    List,
    /// Replace a key on the ledger: make a new one for the office of --as and let the old one sign the change
    Rotate {
        /// Blocks from now until the change holds
        #[arg(long, default_value = "10")]
        after: u64,
    },
}

/// Whose a key is.
#[derive(Debug, Args)]
pub struct KeyOwner {
    /// Code of the organisation
    #[arg(long, value_name = "CODE")]
    pub organisation: String,
    /// Office of the organisation
    #[arg(long, value_name = "CODE")]
    pub office: String,
    /// Id of the organisation; without one, it is the organisation of genesis with this code
    #[arg(long, value_name = "ID")]
    pub organisation_id: Option<String>,
    /// In words
    #[arg(long, default_value = "")]
    pub label: String,
    /// Protect the file hardly at all, for development networks
    #[arg(long)]
    pub dev: bool,
}

#[derive(Debug, Subcommand)]
pub enum Tx {
    /// A file to fill in, with every field and what it means
    Template {
        /// Kind, such as promise_contribution
        kind: String,
    },
    /// Make an unsigned transaction of a filled-in file (TOML or JSON)
    Build {
        /// The file; - is standard input
        file: PathBuf,
        /// Network, 64 hexadecimal digits; without it a node is asked
        #[arg(long)]
        network: Option<String>,
        /// Acting organisation: id, or code of a key; without it that of --as
        #[arg(long)]
        organisation: Option<String>,
        /// Until when it may enter a block: a time, +2h, milliseconds
        #[arg(long, default_value = "+30m")]
        valid_until: String,
        /// Where to write it; without it standard output
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Sign a transaction file with the keys of --as; needs no network
    Sign {
        /// The file that build or sign wrote
        file: PathBuf,
        /// Where to write it; without it standard output
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Join the signatures of several copies
    Combine {
        /// Signed files of one transaction
        #[arg(required = true, num_args = 2..)]
        files: Vec<PathBuf>,
        /// Where to write it; without it standard output
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// What would happen to a transaction now
    Simulate {
        /// Signed file
        file: PathBuf,
    },
    /// Hand in a signed file
    Submit {
        /// Signed file
        file: PathBuf,
    },
    /// Wait until a transaction is in a block
    Wait {
        /// Its id
        id: String,
    },
    /// A transaction by its id, or what a file holds
    Show {
        /// Id or file
        transaction: String,
    },
}

#[derive(Debug, Args)]
pub struct Watch {
    /// Begin after this cursor, such as 1204.3; without it, with what comes now
    #[arg(long)]
    pub after: Option<String>,
    /// Only this kind; may be repeated
    #[arg(long)]
    pub kind: Vec<String>,
    /// Only stories of this record, by id or code; may be repeated
    #[arg(long)]
    pub subject: Vec<String>,
    /// Stop after so many events
    #[arg(long)]
    pub count: Option<u64>,
    /// Stop once this height is reached
    #[arg(long)]
    pub until_height: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum Import {
    /// A file of French "essential data of grant agreements"
    Scdl(Scdl),
}

#[derive(Debug, Args)]
pub struct Scdl {
    /// The CSV file
    pub file: PathBuf,
    /// Hash of the published file that this one corrects
    #[arg(long, value_name = "HASH")]
    pub replaces: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Recompute a whole chain from its genesis, from an archive file or from a node
    Replay {
        /// Archive file; without it the chain is taken from a node
        file: Option<PathBuf>,
        /// Hash of the genesis that is expected, 64 hexadecimal digits
        #[arg(long)]
        network: Option<String>,
        /// The chain must reach this height
        #[arg(long)]
        reaches: Option<u64>,
        /// The block at a height must have this id: HEIGHT=ID; may be repeated
        #[arg(long, value_name = "HEIGHT=ID")]
        block: Vec<String>,
        /// Check all invariants of the state after every so many blocks; 0: only at the end
        #[arg(long, default_value = "0")]
        invariants_every: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Export {
    /// The chain as an archive that anybody can replay
    Archive {
        /// Where to write it
        file: PathBuf,
        /// First height; without it from the beginning, with the file header
        #[arg(long, default_value = "0")]
        from: u64,
        /// Last height; without it the latest
        #[arg(long, default_value = "0")]
        to: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Context {
    /// All contexts
    List,
    /// Where the file of contexts is
    Path,
}

/// The whole tree.
pub fn command() -> Command {
    let mut command = Cli::command();
    for act in acts::ACTS {
        command = command.subcommand(acts::command(act));
    }
    reads::add_to(command)
}
