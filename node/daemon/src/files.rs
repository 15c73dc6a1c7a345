//! Small files of a node: secret keys, genesis, folders. Errors name the file and say what to do.

use crate::exit::{Exit, Stop};
use octroi_ledger::Genesis;
use octroi_primitives::SecretKey;
use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};
use zeroize::Zeroizing;

/// A fault of reading or writing a file, with the exit code for a full disk where it is one.
pub fn fault(path: &Path, error: &std::io::Error) -> Stop {
    let exit = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Exit::Disk,
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::AlreadyExists => {
            Exit::Config
        }
        _ => Exit::Unexpected,
    };
    Stop::new(exit, format!("{}: {error}", path.display()))
}

/// Reads a text file.
pub fn read(path: &Path) -> Result<String, Stop> {
    fs::read_to_string(path).map_err(|error| fault(path, &error))
}

/// Writes a new file; one that is there stays as it is.
pub fn create(path: &Path, text: &str) -> Result<(), Stop> {
    create_with_mode(path, text, 0o644)
}

/// Writes a new file that only its owner can read.
pub fn create_secret(path: &Path, text: &str) -> Result<(), Stop> {
    create_with_mode(path, text, 0o600)
}

fn create_with_mode(path: &Path, text: &str, mode: u32) -> Result<(), Stop> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| {
        let stop = fault(path, &error);
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            stop.hint("nothing was overwritten; move it away first")
        } else {
            stop
        }
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| fault(path, &error))
}

/// A fresh secret key from the system's randomness.
pub fn new_secret() -> Result<SecretKey, Stop> {
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(seed.as_mut())
        .map_err(|error| Stop::new(Exit::Unexpected, format!("no randomness from the system: {error}")))?;
    Ok(SecretKey::from_seed(*seed))
}

/// The text of a node's key file: 64 hexadecimal digits and a line end.
pub fn secret_text(key: &SecretKey) -> Zeroizing<String> {
    let seed = Zeroizing::new(key.to_seed());
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in seed.iter() {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text.push('\n');
    text
}

/// Reads a node's key file.
pub fn read_secret(path: &Path) -> Result<SecretKey, Stop> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| {
        fault(path, &error).hint("make keys with 'octroid init', or name the file in the settings")
    })?);
    let digits = text.trim();
    let mut seed = Zeroizing::new([0u8; 32]);
    let pairs = digits.as_bytes().chunks(2);
    let well_formed = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !well_formed {
        return Err(Stop::config(format!("{}: is no key of 64 hexadecimal digits", path.display())));
    }
    for (byte, pair) in seed.iter_mut().zip(pairs) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).unwrap_or(0) as u8;
        *byte = digit(0) << 4 | digit(1);
    }
    Ok(SecretKey::from_seed(*seed))
}

/// Reads a genesis file, sealed or not.
pub fn read_genesis(path: &Path) -> Result<Genesis, Stop> {
    let text = read(path).map_err(|stop| stop.hint("name the sealed genesis file of your network"))?;
    octroi_genesis::parse(&text).map_err(|error| Stop::config(format!("{}: {error}", path.display())))
}

/// A line on standard output. Whoever reads no further has what it wanted: the program ends well.
///
/// # Errors
/// The output cannot be written, such as a file on a full disk.
pub fn say(line: impl std::fmt::Display) -> Result<(), Stop> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.map_err(|error| Stop::new(Exit::Disk, format!("standard output: {error}"))),
    }
}
