//! The program from outside: exit codes, output, files, without a network.

mod arguments;
mod golden;
mod import;
mod keys;
mod offline;

use std::{
    path::Path,
    process::{Command, Output},
};

/// The program with nothing of the surroundings that could change what it says.
pub fn octroi(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_octroi"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OCTROI_")) {
        command.env_remove(name);
    }
    command
        .env("OCTROI_CONFIG", folder.join("contexts.toml"))
        .env("OCTROI_KEYS", folder.join("keys"))
        .env("NO_COLOR", "1");
    command.env("OCTROI_PASSPHRASE", "test passphrase").env("COLUMNS", "120").args(arguments);
    command.output().expect("the program was built")
}

/// Standard output of a run that must succeed.
pub fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = octroi(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// The envelope of a run, and its exit code.
pub fn json(folder: &Path, arguments: &[&str]) -> (serde_json::Value, i32) {
    let mut all = vec!["--output", "json"];
    all.extend(arguments);
    let output = octroi(folder, &all);
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (value, output.status.code().expect("the program was not killed"))
}
