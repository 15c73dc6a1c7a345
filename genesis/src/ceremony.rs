//! The ceremony: an organiser writes a draft without keys; each organisation answers with a join request; the organiser collects them, everybody
//! verifies the file, and reads its hash aloud.

use crate::{
    GenesisError,
    file::{File, KeyEntry},
};
use octroi_primitives::{BlockTime, LegalDate, Period, PossessionPurpose, SecretKey, prove_possession};
use serde::{Deserialize, Serialize};

/// What an organisation sends to the organiser: public keys with proofs, no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Name of the network, which the proofs are bound to.
    pub network: String,
    /// Code of the organisation in the draft.
    pub organisation: String,
    /// Keys of its offices.
    #[serde(default)]
    pub offices: Vec<JoinedOffice>,
    /// Its validator, if it runs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<JoinedValidator>,
}

/// Keys of an office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedOffice {
    /// Code of the office in the draft.
    pub code: String,
    /// Keys with proofs.
    pub keys: Vec<KeyEntry>,
}

/// Keys of a validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedValidator {
    /// Public consensus key.
    pub consensus_key: String,
    /// Proof of possession of it.
    pub possession: String,
    /// Public network key.
    pub network_key: String,
}

impl JoinRequest {
    /// A request that offers nothing yet.
    pub fn new(network: &str, organisation: &str) -> Self {
        Self { network: network.into(), organisation: organisation.into(), offices: Vec::new(), validator: None }
    }

    /// Adds a key of an office, proven.
    pub fn office(&mut self, code: &str, secret: &SecretKey) -> &mut Self {
        let proof = prove_possession(secret, PossessionPurpose::Office, &self.network);
        let entry = KeyEntry { key: secret.public().to_string(), possession: proof.to_string() };
        match self.offices.iter_mut().find(|office| office.code == code) {
            Some(office) => office.keys.push(entry),
            None => self.offices.push(JoinedOffice { code: code.into(), keys: vec![entry] }),
        }
        self
    }

    /// Sets the validator, proven.
    pub fn validator(&mut self, consensus: &SecretKey, network_key: &SecretKey) -> &mut Self {
        let proof = prove_possession(consensus, PossessionPurpose::Consensus, &self.network);
        self.validator = Some(JoinedValidator {
            consensus_key: consensus.public().to_string(),
            possession: proof.to_string(),
            network_key: network_key.public().to_string(),
        });
        self
    }

    /// The file that is sent.
    pub fn write(&self) -> String {
        toml::to_string(self).expect("every field has a TOML form")
    }

    /// # Errors
    /// Not a join request.
    pub fn read(text: &str) -> Result<Self, GenesisError> {
        toml::from_str(text).map_err(|error| GenesisError::Toml(error.to_string().trim_end().to_owned()))
    }
}

/// Enters join requests into a draft and gives the new draft. A request replaces what an earlier one of the same organisation said.
///
/// # Errors
/// Another network, an organisation or office that the draft does not have.
pub fn collect(draft: &str, requests: &[JoinRequest]) -> Result<String, GenesisError> {
    let mut file = File::read(draft)?;
    for request in requests {
        let fail = |reason: String| GenesisError::Join { organisation: request.organisation.clone(), reason };
        if request.network != file.name {
            return Err(fail(format!("is for network {:?}, the draft is {:?}", request.network, file.name)));
        }
        let organisation = file
            .organisations
            .iter_mut()
            .find(|entry| entry.code == request.organisation)
            .ok_or_else(|| fail("the draft has no such organisation".into()))?;
        for JoinedOffice { code, keys } in &request.offices {
            let office = organisation
                .offices
                .iter_mut()
                .find(|entry| entry.code == *code)
                .ok_or_else(|| fail(format!("the draft gives it no office {code:?}")))?;
            office.keys.clone_from(keys);
        }
        if let Some(JoinedValidator { consensus_key, possession, network_key }) = &request.validator {
            let entry = file
                .validators
                .iter_mut()
                .find(|entry| entry.organisation == request.organisation)
                .ok_or_else(|| fail("the draft gives it no validator".into()))?;
            entry.consensus_key.clone_from(consensus_key);
            entry.possession.clone_from(possession);
            entry.network_key.clone_from(network_key);
        }
    }
    file.seal = None;
    Ok(file.write())
}

/// What the draft still lacks: one line for each office or validator without keys.
///
/// # Errors
/// Not a genesis file.
pub fn missing_keys(draft: &str) -> Result<Vec<String>, GenesisError> {
    let file = File::read(draft)?;
    let offices = file.organisations.iter().flat_map(|organisation| {
        organisation
            .offices
            .iter()
            .filter(|office| office.keys.is_empty())
            .map(|office| format!("organisation {}, office {}", organisation.code, office.code))
    });
    let validators = file
        .validators
        .iter()
        .filter(|validator| validator.consensus_key.is_empty())
        .map(|validator| format!("organisation {}, validator", validator.organisation));
    Ok(offices.chain(validators).collect())
}

/// What one organisation must make keys for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKeys {
    /// Codes of its offices.
    pub offices: Vec<String>,
    /// Those of them that have no key in the draft yet.
    pub keyless: Vec<String>,
    /// Whether it runs a validator.
    pub validator: bool,
}

/// The keys that a draft wants of an organisation.
///
/// # Errors
/// Not a genesis file, or no such organisation in it.
pub fn wanted_keys(draft: &str, organisation: &str) -> Result<WantedKeys, GenesisError> {
    let file = File::read(draft)?;
    let entry =
        file.organisations.iter().find(|entry| entry.code == organisation).ok_or_else(|| GenesisError::Join {
            organisation: organisation.into(),
            reason: format!(
                "the draft has no such organisation; it has {}",
                file.organisations.iter().map(|entry| entry.code.as_str()).collect::<Vec<_>>().join(", ")
            ),
        })?;
    Ok(WantedKeys {
        offices: entry.offices.iter().map(|office| office.code.clone()).collect(),
        keyless: entry
            .offices
            .iter()
            .filter(|office| office.keys.is_empty())
            .map(|office| office.code.clone())
            .collect(),
        validator: file.validators.iter().any(|validator| validator.organisation == organisation),
    })
}

/// Codes of the organisations of a draft, in its order.
///
/// # Errors
/// Not a genesis file.
pub fn organisations(draft: &str) -> Result<Vec<String>, GenesisError> {
    Ok(File::read(draft)?.organisations.into_iter().map(|entry| entry.code).collect())
}

/// Name of the network of a draft.
///
/// # Errors
/// Not a genesis file.
pub fn network_name(draft: &str) -> Result<String, GenesisError> {
    Ok(File::read(draft)?.name)
}

/// The draft, beginning now: its time is `now`, and its funds and policies begin with the first period of the next calendar year, so that a whole
/// year lies ahead whenever a development network is made.
///
/// # Errors
/// Not a genesis file, or a period that is none.
pub fn dated(draft: &str, now: BlockTime) -> Result<String, GenesisError> {
    let mut file = File::read(draft)?;
    let today = LegalDate::at(now);
    let (days, rest) = (now.millis() / 86_400_000, now.millis() / 1_000 % 86_400);
    let utc = LegalDate::from_days(i64::try_from(days).unwrap_or(i64::MAX)).unwrap_or(today);
    file.time = format!("{utc}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60);
    let year = today.year() + 1;
    let first = |text: &str| -> Result<String, GenesisError> {
        let period: Period = text.parse().map_err(|error| GenesisError::at("first_period", error))?;
        let day = LegalDate::new(year, 1, 1).map_err(|error| GenesisError::at("time", error))?;
        Ok(Period::containing(day, period.length()).to_string())
    };
    for fund in &mut file.funds {
        fund.first_period = first(&fund.first_period)?;
    }
    for policy in &mut file.policies {
        policy.valid_from = first(&policy.valid_from)?;
    }
    Ok(file.write())
}
