//! Secret keys at rest: one encrypted file a key, and folders of them.
//!
//! **Form.** JSON. The public part (key, organisation, office, label) is readable without a passphrase; the seed is sealed with
//! XChaCha20-Poly1305 under a key that Argon2id derives from the passphrase. Everything public, the cost included, is authenticated: a changed
//! label opens no more than a wrong passphrase does.
//!
//! **Promises.** Seeds, passphrases and derived keys are wiped from memory. Reading a hostile file costs bounded memory and time.
//! **Must not know** where a passphrase comes from.

mod keyring;

pub use keyring::{KeyFile, Keyring};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use octroi_primitives::{Code, OfficeCode, OrganisationId, PublicKey, SecretKey, hash};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Version of the form of the file.
pub const VERSION: u32 = 1;

/// How much work a guess of the passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// For keys that people use: 64 MiB and three passes, about a fifth of a second.
    Interactive,
    /// For development networks, whose keys protect nothing: under a millisecond.
    Dev,
}

impl Cost {
    const fn numbers(self) -> Argon2Cost {
        match self {
            Self::Interactive => Argon2Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 },
            Self::Dev => Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 },
        }
    }
}

/// Whose key it is, for people and for choosing among keys; the ledger decides what a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMeta {
    /// Id of the organisation; `None`: the organisation of genesis with this code.
    pub organisation: Option<OrganisationId>,
    /// Code of the organisation: the genesis code, or what the owner calls it.
    pub organisation_code: Code,
    /// Office of the organisation.
    pub office: OfficeCode,
    /// In words; may be empty.
    pub label: String,
}

/// What a file says without its passphrase. Not believed before [`open`] has authenticated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicPart {
    /// The public key.
    pub key: PublicKey,
    /// Whose it is.
    pub meta: KeyMeta,
}

/// Why a key file cannot be made, read or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// Not the JSON of a key file.
    #[error("not a key file: {0}")]
    Malformed(String),
    /// Written by a later program.
    #[error("key file of version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// Asks for more work than an honest file does.
    #[error(
        "key file asks for {memory_kib} KiB of memory and {passes} passes; at most 1048576 KiB and 16 passes are allowed"
    )]
    Cost {
        /// Memory, KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
    },
    /// The seal does not open.
    #[error("key {0}: wrong passphrase, or the file was changed")]
    Locked(PublicKey),
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(String),
    /// A file or folder could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Something is wrong with this file of a folder.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What.
        error: Box<KeystoreError>,
    },
}

/// Argon2id's numbers as the file holds them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argon2Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    organisation_code: String,
    office: String,
    #[serde(default)]
    label: String,
    argon2id: Argon2Cost,
    salt: String,
    nonce: String,
    sealed: String,
}

const SALT: usize = 16;
const NONCE: usize = 24;
/// Seed and authentication tag.
const SEALED: usize = 32 + 16;

/// A new secret key from the operating system's randomness.
///
/// # Errors
/// [`KeystoreError::Random`].
pub fn generate() -> Result<SecretKey, KeystoreError> {
    let seed = Zeroizing::new(random::<32>()?);
    Ok(SecretKey::from_seed(*seed))
}

/// The file of a key, encrypted.
///
/// # Errors
/// An empty passphrase, or no randomness.
pub fn seal(secret: &SecretKey, meta: &KeyMeta, passphrase: &str, cost: Cost) -> Result<String, KeystoreError> {
    if passphrase.is_empty() {
        return Err(KeystoreError::EmptyPassphrase);
    }
    let KeyMeta { organisation, organisation_code, office, label } = meta;
    let (salt, nonce) = (random::<SALT>()?, random::<NONCE>()?);
    let mut file = File {
        version: VERSION,
        public_key: secret.public().to_string(),
        organisation: organisation.as_ref().map(ToString::to_string),
        organisation_code: organisation_code.to_string(),
        office: office.to_string(),
        label: label.clone(),
        argon2id: cost.numbers(),
        salt: write_hex(&salt),
        nonce: write_hex(&nonce),
        sealed: String::new(),
    };
    let seed = Zeroizing::new(secret.to_seed());
    let cipher = cipher(&file.argon2id, &salt, passphrase)?;
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: seed.as_ref(), aad: &file.authenticated() })
        .expect("32 bytes are far below the limit of the cipher");
    file.sealed = write_hex(&sealed);
    let mut text = serde_json::to_string_pretty(&file).expect("every field has a JSON form");
    text.push('\n');
    Ok(text)
}

/// What the file says of itself.
///
/// # Errors
/// Not a key file, or one of another version.
pub fn read(text: &str) -> Result<PublicPart, KeystoreError> {
    File::read(text)?.public_part()
}

/// Decrypts the key.
///
/// # Errors
/// Not a key file; [`KeystoreError::Locked`] when the passphrase is wrong or anything in the file was changed.
pub fn open(text: &str, passphrase: &str) -> Result<SecretKey, KeystoreError> {
    let file = File::read(text)?;
    let public = file.public_part()?;
    let (salt, nonce) = (read_hex::<SALT>("salt", &file.salt)?, read_hex::<NONCE>("nonce", &file.nonce)?);
    let sealed = read_hex::<SEALED>("sealed", &file.sealed)?;
    let cipher = cipher(&file.argon2id, &salt, passphrase)?;
    let opened = cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &file.authenticated() })
        .map(Zeroizing::new)
        .map_err(|_| KeystoreError::Locked(public.key))?;
    let seed: Zeroizing<[u8; 32]> =
        Zeroizing::new(opened.as_slice().try_into().map_err(|_| KeystoreError::Locked(public.key))?);
    let secret = SecretKey::from_seed(*seed);
    // The seal covers the public key, so this differs only in a file that was sealed wrongly.
    if secret.public() != public.key {
        return Err(KeystoreError::Locked(public.key));
    }
    Ok(secret)
}

impl File {
    fn read(text: &str) -> Result<Self, KeystoreError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } =
            serde_json::from_str(text).map_err(|error| KeystoreError::Malformed(error.to_string()))?;
        if version != VERSION {
            return Err(KeystoreError::Version(version));
        }
        serde_json::from_str(text).map_err(|error| KeystoreError::Malformed(error.to_string()))
    }

    fn public_part(&self) -> Result<PublicPart, KeystoreError> {
        let wrong = |field: &str, error: &dyn std::fmt::Display| KeystoreError::Malformed(format!("{field}: {error}"));
        Ok(PublicPart {
            key: self.public_key.parse().map_err(|error| wrong("public_key", &error))?,
            meta: KeyMeta {
                organisation: self
                    .organisation
                    .as_deref()
                    .map(|id| id.parse().map_err(|error| wrong("organisation", &error)))
                    .transpose()?,
                organisation_code: self
                    .organisation_code
                    .parse()
                    .map_err(|error| wrong("organisation_code", &error))?,
                office: self.office.parse().map_err(|error| wrong("office", &error))?,
                label: self.label.clone(),
            },
        })
    }

    /// Everything public, so that none of it can be changed unnoticed.
    fn authenticated(&self) -> [u8; 32] {
        let Self {
            version,
            public_key,
            organisation,
            organisation_code,
            office,
            label,
            argon2id,
            salt,
            nonce,
            sealed: _,
        } = self;
        let Argon2Cost { memory_kib, passes, lanes } = argon2id;
        let numbers: Vec<u8> =
            [version, memory_kib, passes, lanes].iter().flat_map(|number| number.to_be_bytes()).collect();
        let organisation = organisation.as_deref().unwrap_or_default();
        let texts = [public_key.as_str(), organisation, organisation_code, office, label, salt, nonce];
        let mut parts: Vec<&[u8]> = vec![&numbers];
        parts.extend(texts.iter().map(|text| text.as_bytes()));
        hash("keystore", &parts).0
    }
}

fn cipher(cost: &Argon2Cost, salt: &[u8], passphrase: &str) -> Result<XChaCha20Poly1305, KeystoreError> {
    let Argon2Cost { memory_kib, passes, lanes } = *cost;
    let too_much = KeystoreError::Cost { memory_kib, passes };
    if memory_kib > 1024 * 1024 || passes > 16 || lanes > 16 {
        return Err(too_much);
    }
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| too_much)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(|error| KeystoreError::Malformed(format!("argon2id: {error}")))?;
    XChaCha20Poly1305::new_from_slice(key.as_ref()).map_err(|error| KeystoreError::Malformed(error.to_string()))
}

fn random<const N: usize>() -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeystoreError::Random(error.to_string()))?;
    Ok(bytes)
}

fn write_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_hex<const N: usize>(field: &str, text: &str) -> Result<[u8; N], KeystoreError> {
    let wrong = || KeystoreError::Malformed(format!("{field} is not {N} bytes in lower-case hexadecimal"));
    if text.len() != 2 * N || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> KeyMeta {
        KeyMeta {
            organisation: Some(OrganisationId::from_bytes([7; 32])),
            organisation_code: "region".parse().unwrap(),
            office: "ordonnateur".parse().unwrap(),
            label: "signs orders".into(),
        }
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_and_shows_its_public_part_without() {
        let secret = generate().unwrap();
        for cost in [Cost::Dev, Cost::Interactive] {
            let text = seal(&secret, &meta(), "correct horse", cost).unwrap();
            assert_eq!(read(&text).unwrap(), PublicPart { key: secret.public(), meta: meta() });
            assert_eq!(open(&text, "correct horse").unwrap().to_seed(), secret.to_seed());
        }
    }

    #[test]
    fn a_key_of_a_genesis_organisation_needs_no_id() {
        let secret = generate().unwrap();
        let meta = KeyMeta { organisation: None, ..meta() };
        let text = seal(&secret, &meta, "p", Cost::Dev).unwrap();
        assert_eq!(read(&text).unwrap().meta, meta);
        assert_eq!(open(&text, "p").unwrap().public(), secret.public());
    }

    #[test]
    fn a_wrong_passphrase_opens_nothing_and_an_empty_one_seals_nothing() {
        let secret = generate().unwrap();
        let text = seal(&secret, &meta(), "right", Cost::Dev).unwrap();
        assert!(matches!(open(&text, "Right"), Err(KeystoreError::Locked(key)) if key == secret.public()));
        assert!(matches!(open(&text, ""), Err(KeystoreError::Locked(_))));
        assert!(matches!(seal(&secret, &meta(), "", Cost::Dev), Err(KeystoreError::EmptyPassphrase)));
    }

    #[test]
    fn no_changed_character_of_a_value_leaves_a_file_that_opens() {
        let text = seal(&generate().unwrap(), &meta(), "p", Cost::Dev).unwrap();
        let mut changed = 0;
        for (at, byte) in text.bytes().enumerate() {
            let other = match byte {
                b'1' => b'2',
                b'0'..=b'9' => b'1',
                b'a' => b'b',
                b'b'..=b'z' => b'a',
                _ => continue,
            };
            let mut bytes = text.clone().into_bytes();
            bytes[at] = other;
            assert!(open(std::str::from_utf8(&bytes).unwrap(), "p").is_err(), "byte {at} of {text}");
            changed += 1;
        }
        assert!(changed > 300, "{changed} characters tried");
    }

    #[test]
    fn two_seals_of_one_key_share_nothing_secret() {
        let secret = generate().unwrap();
        let one: File = serde_json::from_str(&seal(&secret, &meta(), "p", Cost::Dev).unwrap()).unwrap();
        let two: File = serde_json::from_str(&seal(&secret, &meta(), "p", Cost::Dev).unwrap()).unwrap();
        assert!(one.salt != two.salt && one.nonce != two.nonce && one.sealed != two.sealed);
        assert!(!one.sealed.contains(&write_hex(&secret.to_seed())));
    }

    #[test]
    fn hostile_files_are_refused_before_any_work() {
        let text = seal(&generate().unwrap(), &meta(), "p", Cost::Dev).unwrap();
        let with = |from: &str, to: &str| open(&text.replace(from, to), "p");
        assert!(matches!(with("\"memory_kib\": 64", "\"memory_kib\": 4000000000"), Err(KeystoreError::Cost { .. })));
        assert!(matches!(with("\"passes\": 1", "\"passes\": 0"), Err(KeystoreError::Cost { .. })));
        assert!(matches!(with("\"version\": 1", "\"version\": 2"), Err(KeystoreError::Version(2))));
        assert!(matches!(with("\"office\"", "\"ofice\""), Err(KeystoreError::Malformed(_))));
        assert!(matches!(with("\"ordonnateur\"", "\"../up\""), Err(KeystoreError::Malformed(_))));
        assert!(matches!(open("", "p"), Err(KeystoreError::Malformed(_))));
    }
}
