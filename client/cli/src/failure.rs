//! How a command fails: one exit code for each thing that a script may act on, a reason for programs, words and the next step for people.

use octroi_client::{ClientError, bridge::BridgeError, keystore::KeystoreError};
use serde_json::{Map, Value as Json, json};
use tonic::Code;

/// Exit codes (interfaces, command line).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that should not happen.
    Unexpected = 1,
    /// Wrong words on the command line or in a file that it names.
    Usage = 2,
    /// Configuration, a key of nobody, another network.
    Config = 3,
    /// Nothing has that name.
    NotFound = 4,
    /// The ledger, or a node for it, refused.
    Refused = 5,
    /// It may have happened or may still happen.
    Unknown = 6,
    /// No node answers.
    Unreachable = 7,
    /// What was checked does not hold.
    Verification = 8,
    /// A key is locked and stays so.
    Locked = 9,
    /// The node is not ready.
    NotReady = 10,
    /// The disk is full or a write failed.
    Disk = 13,
    /// Interrupted.
    Interrupted = 130,
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// In upper snake case.
    pub reason: String,
    /// What happened, with values.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Values by name.
    pub metadata: Map<String, Json>,
}

/// What commands give.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with its reason.
    pub fn new(exit: Exit, reason: &str, message: impl std::fmt::Display) -> Self {
        Self { exit, reason: reason.to_owned(), message: message.to_string(), hint: None, metadata: Map::new() }
    }

    /// Wrong words.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }

    /// Wrong settings.
    pub fn config(message: impl std::fmt::Display) -> Self {
        Self::new(Exit::Config, "CONFIG", message)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// A value for programs.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }

    /// The envelope.
    pub fn envelope(&self) -> Json {
        let Self { exit: _, reason, message, hint, metadata } = self;
        json!({ "version": 1, "error": { "reason": reason, "message": message, "hint": hint, "metadata": metadata } })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoEndpoint => Self::config(error)
                .hint("name a node with --endpoint http://127.0.0.1:27300, OCTROI_ENDPOINTS, or a context"),
            ClientError::Endpoint { .. } => Self::config(error),
            ClientError::Unreachable(failures) => {
                Self::new(Exit::Unreachable, "UNREACHABLE", ClientError::Unreachable(failures))
                    .hint("check that the node runs and that --endpoint names its gRPC address (grpc.listen)")
            }
            ClientError::Answer(answer) => {
                let octroi_client::Answer { code, reason, message: _, metadata, fields, retry_after: _ } =
                    answer.as_ref();
                let mut failure =
                    Self::new(exit_of(*code, reason), if reason.is_empty() { "NODE_ERROR" } else { reason }, &answer);
                failure.hint = crate::hints::admission(reason).map(str::to_owned);
                if *code == Code::Unimplemented && reason.is_empty() {
                    failure.hint = Some("this node does not answer that question; its program may be older".to_owned());
                }
                failure.metadata.extend(metadata.iter().map(|(name, value)| (name.clone(), json!(value))));
                failure.metadata.extend(fields.iter().map(|(field, why)| (format!("field.{field}"), json!(why))));
                failure
            }
            ClientError::Transaction(_) => Self::new(Exit::Usage, "TRANSACTION_MALFORMED", error),
            ClientError::Write(error) => Self::from(error),
            ClientError::Incomplete(_) | ClientError::Random(_) => Self::new(Exit::Unexpected, "UNEXPECTED", error),
            other => Self::new(Exit::Unexpected, "UNEXPECTED", other),
        }
    }
}

fn exit_of(code: Code, reason: &str) -> Exit {
    match (reason, code) {
        ("WRONG_NETWORK", _) => Exit::Config,
        ("ARGUMENT" | "PAGE_TOKEN" | "TOO_MANY_ITEMS", _) => Exit::Usage,
        ("HEIGHT_NOT_AVAILABLE" | "CURSOR_TOO_OLD", _) => Exit::NotFound,
        ("NODE_NOT_READY" | "SHUTTING_DOWN", _) => Exit::NotReady,
        ("STORE_FAULT" | "PROOF_NOT_SERVED", _) => Exit::Unexpected,
        (_, Code::NotFound) => Exit::NotFound,
        (_, Code::InvalidArgument | Code::FailedPrecondition | Code::ResourceExhausted | Code::AlreadyExists) => {
            Exit::Refused
        }
        (_, Code::Unavailable | Code::DeadlineExceeded) => Exit::Unreachable,
        _ => Exit::Unexpected,
    }
}

impl From<KeystoreError> for Failure {
    fn from(error: KeystoreError) -> Self {
        fn innermost(error: &KeystoreError) -> &KeystoreError {
            match error {
                KeystoreError::File { error, .. } => innermost(error),
                other => other,
            }
        }
        let (exit, reason, hint) = match innermost(&error) {
            KeystoreError::Locked(_) => (
                Exit::Locked,
                "KEY_LOCKED",
                "check the passphrase; a key file that was changed can only come from a backup",
            ),
            KeystoreError::EmptyPassphrase => {
                (Exit::Usage, "PASSPHRASE_EMPTY", "put a passphrase into the file that --passphrase-file names")
            }
            KeystoreError::Random(_) => (Exit::Unexpected, "UNEXPECTED", "try again"),
            _ => (
                Exit::Config,
                "KEY_FILE",
                "make a key with 'octroi key new', or name the folder of your keys with --keys",
            ),
        };
        Self::new(exit, reason, error).hint(hint)
    }
}

impl From<BridgeError> for Failure {
    fn from(error: BridgeError) -> Self {
        let path = error.path.clone();
        Self::new(Exit::Usage, "FIELD", error)
            .value("field", path)
            .hint("'octroi tx template KIND' shows every field and its form")
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let exit = if error.kind() == std::io::ErrorKind::StorageFull { Exit::Disk } else { Exit::Unexpected };
        Self::new(exit, "INPUT_OUTPUT", error)
    }
}

/// Reads a file that the command line names.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>> {
    use std::io::ErrorKind;
    std::fs::read(path).map_err(|error| {
        let (exit, hint) = match error.kind() {
            ErrorKind::NotFound => (Exit::NotFound, "check the path; it is taken from the folder that you are in"),
            ErrorKind::IsADirectory => (Exit::Usage, "name a file in this folder"),
            ErrorKind::PermissionDenied => (Exit::Config, "give yourself the right to read it"),
            _ => (Exit::Unexpected, "look at the disk, then try again"),
        };
        let failure = Failure::new(exit, "FILE", format!("{}: {error}", path.display())).hint(hint);
        failure.value("path", path.display().to_string())
    })
}

/// Reads a file of text.
pub fn read_text(path: &std::path::Path) -> Result<String> {
    String::from_utf8(read_file(path)?).map_err(|_| Failure::usage(format!("{}: is not UTF-8 text", path.display())))
}
