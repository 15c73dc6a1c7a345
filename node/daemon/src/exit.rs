//! How the program ends: one class of error for each exit code that a supervisor may act on.

use std::{fmt, process::ExitCode};

/// Why the program stops. The number is the exit code; a supervisor must not restart on 12, 13 and 14.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Anything that should not happen.
    Unexpected = 1,
    /// Wrong words on the command line.
    Usage = 2,
    /// Configuration: a wrong file, a wrong genesis, a foreign key, a port in use.
    Config = 3,
    /// The guard against signing twice: no sign state, or one that is ahead of the store.
    SignState = 12,
    /// Disk full, or a sync that failed.
    Disk = 13,
    /// Store or file damaged.
    Damaged = 14,
}

/// An error with the way the program ends.
#[derive(Debug)]
pub struct Stop {
    /// The exit code.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Stop {
    /// An error of this class.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), hint: None }
    }

    /// A configuration error.
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(Exit::Config, message)
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Says it on standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("octroid: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("octroid: {hint}");
        }
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Unexpected, format!("{error:#}"))
    }
}
