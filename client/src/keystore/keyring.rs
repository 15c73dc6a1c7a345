//! A folder of key files.

use super::{KeyMeta, KeystoreError, PublicPart, open, read};
use octroi_primitives::SecretKey;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// What key files are called: `region.ordonnateur.1f2e3d4c.key.json`.
const SUFFIX: &str = ".key.json";

/// A folder of key files; files that are called otherwise are left alone.
#[derive(Debug, Clone)]
pub struct Keyring {
    folder: PathBuf,
}

/// A key file of a folder, still locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says without its passphrase.
    pub public: PublicPart,
}

impl Keyring {
    /// The keys in this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All keys, by organisation, office and key. An absent folder holds none.
    ///
    /// # Errors
    /// A folder or file that cannot be read; a key file that is none, by name.
    pub fn list(&self) -> Result<Vec<KeyFile>, KeystoreError> {
        let io = |error| KeystoreError::Io { path: self.folder.clone(), error };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX)) {
                keys.push(KeyFile::load(path)?);
            }
        }
        keys.sort_by(|a, b| order(&a.public).cmp(&order(&b.public)));
        Ok(keys)
    }

    /// The keys of an organisation, by its code or the 64 digits of its id, and of one office or of all.
    ///
    /// # Errors
    /// As [`Keyring::list`].
    pub fn find(&self, organisation: &str, office: Option<&str>) -> Result<Vec<KeyFile>, KeystoreError> {
        let mut keys = self.list()?;
        keys.retain(|key| {
            let KeyMeta { organisation: id, organisation_code, office: held, label: _ } = &key.public.meta;
            (organisation_code.as_str() == organisation || id.is_some_and(|id| id.to_string() == organisation))
                && office.is_none_or(|office| held.as_str() == office)
        });
        Ok(keys)
    }

    /// Writes a new key file, readable by its owner alone, and says where it is. An existing file is never replaced.
    ///
    /// # Errors
    /// Not a key file; a folder or file that cannot be written.
    pub fn add(&self, text: &str) -> Result<KeyFile, KeystoreError> {
        let public = read(text)?;
        let KeyMeta { organisation_code, office, .. } = &public.meta;
        let name = format!("{organisation_code}.{office}.{}{SUFFIX}", &public.key.to_string()[..8]);
        let path = self.folder.join(name);
        make_folder(&self.folder).map_err(|error| KeystoreError::Io { path: self.folder.clone(), error })?;
        write_new(&path, text).map_err(|error| KeystoreError::Io { path: path.clone(), error })?;
        Ok(KeyFile { path, public })
    }

    /// Puts another seal of the same key in the place of a file, at once or not at all.
    ///
    /// # Errors
    /// Not a file of the same key; a file that cannot be written.
    pub fn replace(&self, file: &KeyFile, text: &str) -> Result<KeyFile, KeystoreError> {
        let public = read(text)?;
        if public.key != file.public.key {
            return Err(KeystoreError::Malformed(format!("holds key {}, not {}", public.key, file.public.key)));
        }
        let beside = file.path.with_extension("new");
        let io = |error| KeystoreError::Io { path: file.path.clone(), error };
        write_new(&beside, text).map_err(io)?;
        fs::rename(&beside, &file.path).map_err(io)?;
        Ok(KeyFile { path: file.path.clone(), public })
    }
}

impl KeyFile {
    /// Reads the public part of a file.
    ///
    /// # Errors
    /// A file that cannot be read or is none.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, KeystoreError> {
        let path = path.into();
        let text = text(&path)?;
        let public = read(&text).map_err(|error| KeystoreError::File { path: path.clone(), error: Box::new(error) })?;
        Ok(Self { path, public })
    }

    /// Decrypts its key.
    ///
    /// # Errors
    /// As [`open`], with the name of the file.
    pub fn unlock(&self, passphrase: &str) -> Result<SecretKey, KeystoreError> {
        open(&text(&self.path)?, passphrase)
            .map_err(|error| KeystoreError::File { path: self.path.clone(), error: Box::new(error) })
    }
}

fn order(public: &PublicPart) -> (&str, &str, &[u8; 32]) {
    (public.meta.organisation_code.as_str(), public.meta.office.as_str(), public.key.as_bytes())
}

fn text(path: &Path) -> Result<String, KeystoreError> {
    fs::read_to_string(path).map_err(|error| KeystoreError::Io { path: path.to_owned(), error })
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::{Cost, generate, seal};
    use super::*;

    fn sealed(code: &str, office: &str) -> String {
        let meta = KeyMeta {
            organisation: None,
            organisation_code: code.parse().unwrap(),
            office: office.parse().unwrap(),
            label: String::new(),
        };
        seal(&generate().unwrap(), &meta, "p", Cost::Dev).unwrap()
    }

    #[test]
    fn keys_are_found_by_organisation_and_office_in_a_stable_order() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Keyring::new(folder.path().join("keys"));
        assert!(ring.list().unwrap().is_empty());
        for (code, office) in
            [("region", "ordonnateur"), ("bank", "comptable"), ("bank", "attestor"), ("bank", "attestor")]
        {
            ring.add(&sealed(code, office)).unwrap();
        }
        fs::write(ring.folder().join("notes.txt"), "not a key").unwrap();
        let listed: Vec<_> = ring.list().unwrap().iter().map(|key| key.public.meta.office.to_string()).collect();
        assert_eq!(listed, ["attestor", "attestor", "comptable", "ordonnateur"]);
        assert_eq!(ring.find("bank", Some("attestor")).unwrap().len(), 2);
        assert_eq!(ring.find("bank", None).unwrap().len(), 3);
        assert!(ring.find("nobody", None).unwrap().is_empty());
        let key = &ring.find("region", None).unwrap()[0];
        assert_eq!(key.unlock("p").unwrap().public(), key.public.key);
    }

    #[test]
    fn a_key_file_is_its_owners_alone_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let ring = Keyring::new(folder.path().join("keys"));
        let text = sealed("region", "ordonnateur");
        let key = ring.add(&text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&key.path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(ring.folder()).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(matches!(ring.add(&text), Err(KeystoreError::Io { .. })));
        let secret = key.unlock("p").unwrap();
        let renamed = KeyMeta { label: "renamed".into(), ..key.public.meta.clone() };
        let replaced = ring.replace(&key, &seal(&secret, &renamed, "q", Cost::Dev).unwrap()).unwrap();
        assert_eq!(replaced.unlock("q").unwrap().public(), key.public.key);
        assert!(ring.replace(&key, &sealed("region", "ordonnateur")).is_err());
        assert_eq!(ring.list().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.b.c.key.json"), "{").unwrap();
        let error = Keyring::new(folder.path()).list().unwrap_err().to_string();
        assert!(error.contains("a.b.c.key.json"), "{error}");
    }
}
