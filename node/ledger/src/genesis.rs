//! The first state, as a consortium agreed on it (rulebook §2, genesis). It obeys every rule of the book and is refused otherwise.

mod money;

pub use money::{GenesisBankAccount, GenesisPolicy, GenesisSchedule};

use crate::{
    governance::{change::RoleChange, role::check_standing, validator::check_power},
    network::{NetworkKind, NetworkRecord},
    parameters::{Parameter, ParameterValue},
    redistribution::close_due_period::CloseDuePeriod,
    registry::{
        college::{College, CollegeSeat},
        fund::{Envelope, Fund},
        organisation::{KeyOwner, Organisation},
        register_organisation::{RegisterOrganisation, admit},
        role::{Role, RoleGrant, Scope},
        territory::Territory,
        validator_seat::ValidatorSeat,
    },
    state::{Head, LoadError, Only, Overlay, State},
    wire::{Canonical, message},
};
use octroi_chain::{Validator, ValidatorSet};
use octroi_merkle::log::LogFrontier;
use octroi_primitives::*;
use std::collections::{BTreeMap, BTreeSet};

message! {
    /// Everything a network starts from. Its canonical bytes are hashed: the hash is the [`NetworkId`].
    pub struct Genesis = Genesis {
        /// 1.
        pub version: u32,
        /// Name for people; part of the ids of genesis objects.
        pub name: Name,
        /// What the network is for.
        pub dev: NetworkKind,
        /// The first block comes after it.
        pub time: BlockTime,
        /// Those that differ from their defaults.
        pub parameters: Vec<GenesisParameter>,
        /// Territories, parents first.
        pub territories: Vec<GenesisTerritory>,
        /// Organisations, parents first.
        pub organisations: Vec<GenesisOrganisation>,
        /// Colleges with their seats.
        pub colleges: Vec<GenesisCollege>,
        /// Funds with their envelopes.
        pub funds: Vec<GenesisFund>,
        /// Roles that are granted from the start.
        pub roles: Vec<GenesisRole>,
        /// The first validators.
        pub validators: Vec<GenesisValidator>,
        /// Bank accounts of the funds.
        pub bank_accounts: Vec<GenesisBankAccount>,
        /// Levy schedules.
        pub schedules: Vec<GenesisSchedule>,
        /// Policies, by which funds are split.
        pub policies: Vec<GenesisPolicy>,
    }

    /// A parameter.
    pub struct GenesisParameter = GenesisParameter {
        /// Name in snake case.
        pub name: Code,
        /// Value, within the parameter's bounds.
        pub value: u64,
    }

    /// A territory.
    pub struct GenesisTerritory = GenesisTerritory {
        /// INSEE code.
        pub code: TerritoryCode,
        /// What is known of it.
        pub territory: Territory [required],
    }

    /// An organisation.
    pub struct GenesisOrganisation = GenesisOrganisation {
        /// Its id is H("organisation", network name, code).
        pub code: Code,
        /// As `register_organisation` would carry it.
        pub registration: RegisterOrganisation [required],
    }

    /// A college.
    pub struct GenesisCollege = GenesisCollege {
        /// Code.
        pub code: CollegeCode,
        /// Name for people.
        pub name: Name,
        /// Organisations that hold a seat, by code.
        pub seats: Vec<Code>,
    }

    /// A fund.
    pub struct GenesisFund = GenesisFund {
        /// Code.
        pub code: FundCode,
        /// The fund.
        pub fund: Fund [required],
        /// Its envelopes.
        pub envelopes: Vec<GenesisEnvelope>,
    }

    /// An envelope.
    pub struct GenesisEnvelope = GenesisEnvelope {
        /// Code.
        pub code: EnvelopeCode,
        /// Name for people.
        pub name: Name,
    }

    /// A role from the start.
    pub struct GenesisRole = GenesisRole {
        /// Organisation, by code.
        pub organisation: Code,
        /// Role.
        pub role: Role,
        /// Over what.
        pub scope: Scope [required],
    }

    /// A validator from the start.
    pub struct GenesisValidator = GenesisValidator {
        /// Organisation, by code.
        pub organisation: Code,
        /// Signs proposals and votes.
        pub consensus_key: PublicKey,
        /// Identity on the network.
        pub network_key: PublicKey,
        /// Proof that the organisation has the consensus key.
        pub possession: Signature,
        /// College it is counted in.
        pub college: CollegeCode,
    }
}

/// Why a genesis is refused: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct GenesisInvalid {
    /// Which part, such as `validators.2`.
    pub at: String,
    /// What is wrong with it.
    pub reason: String,
}

impl GenesisInvalid {
    /// A part and what is wrong with it.
    pub fn new(at: impl Into<String>, reason: impl core::fmt::Display) -> Self {
        Self { at: at.into(), reason: reason.to_string() }
    }
}

impl From<LoadError> for GenesisInvalid {
    fn from(error: LoadError) -> Self {
        Self::new("genesis", error)
    }
}

impl Genesis {
    /// Hash of the canonical bytes: the name of the network for machines.
    pub fn network(&self) -> NetworkId {
        NetworkId::new(hash("genesis", &[&self.to_bytes()]))
    }

    /// Id of an organisation of this genesis.
    pub fn organisation_id(&self, code: &Code) -> OrganisationId {
        OrganisationId::new(genesis_id("organisation", self.name.as_str(), code.as_str()))
    }

    /// The state before the first block.
    ///
    /// # Errors
    /// The first rule that the genesis breaks.
    pub fn state(&self) -> Result<State, GenesisInvalid> {
        if self.version != 1 {
            return Err(GenesisInvalid::new("version", format!("{} is not known, 1 is", self.version)));
        }
        let empty = State::empty(self.network(), self.head(), self.members()?);
        let mut state = empty.overlay();
        let network = NetworkRecord { name: self.name.clone(), dev: self.dev, clock_offset: 0, stepped_at: Height(0) };
        state.put::<NetworkRecord>(Only, network);
        self.parameters(&mut state)?;
        self.territories(&mut state)?;
        self.organisations(&mut state)?;
        self.funds(&mut state)?;
        self.colleges(&mut state)?;
        self.roles(&mut state)?;
        self.money(&mut state)?;
        self.check_roles(&state)?;
        self.validators(&mut state)?;
        Ok(State::load(self.network(), self.head(), state.changes().rows(), [])?)
    }

    fn head(&self) -> Head {
        Head {
            height: Height(0),
            id: BlockId::new(*self.network().hash()),
            time: self.time,
            log: {
                let mut log = LogFrontier::default();
                log.push(self.network().as_bytes());
                log
            },
            header: None,
            validators: None,
        }
    }

    /// The set that certifies height 1.
    ///
    /// # Errors
    /// When the genesis is invalid.
    pub fn first_validators(&self) -> Result<ValidatorSet, GenesisInvalid> {
        Ok(self.state()?.validators().clone())
    }

    fn parameters(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        for parameter in Parameter::ALL {
            state.put::<ParameterValue>(parameter.code(), ParameterValue { value: parameter.default() });
        }
        for (index, GenesisParameter { name, value }) in self.parameters.iter().enumerate() {
            let at = format!("parameters.{index}");
            let parameter = Parameter::of_name(name.as_str())
                .ok_or_else(|| GenesisInvalid::new(&at, format!("{name} is no parameter")))?;
            let (least, most) = parameter.bounds();
            if !(least..=most).contains(value) {
                return Err(GenesisInvalid::new(at, format!("{name} = {value} is outside {least} ..= {most}")));
            }
            state.put::<ParameterValue>(*name, ParameterValue { value: *value });
        }
        Ok(())
    }

    fn territories(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        for GenesisTerritory { code, territory } in &self.territories {
            let at = format!("territories.{code}");
            if state.has::<Territory>(code) {
                return Err(GenesisInvalid::new(at, "stands there twice"));
            }
            if let Some(parent) = territory.parent
                && !state.has::<Territory>(&parent)
            {
                return Err(GenesisInvalid::new(at, format!("parent {parent} does not stand before it")));
            }
            state.put::<Territory>(*code, territory.clone());
        }
        Ok(())
    }

    fn organisations(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        let mut registrar = false;
        let mut codes = BTreeSet::new();
        for GenesisOrganisation { code, registration } in &self.organisations {
            let at = || format!("organisations.{code}");
            if !codes.insert(*code) {
                return Err(GenesisInvalid::new(at(), "stands there twice"));
            }
            let record = admit(registration, self.name.as_str(), Height(0), state)
                .map_err(|refused| GenesisInvalid::new(at(), refused))?;
            registrar |= self.roles.iter().any(|role| role.organisation == *code && role.role == Role::Registrar);
            record.write(self.organisation_id(code), state);
        }
        if !registrar {
            return Err(GenesisInvalid::new("roles", "no organisation has the role registrar"));
        }
        Ok(())
    }

    fn funds(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        for GenesisFund { code, fund, envelopes } in &self.funds {
            let at = || format!("funds.{code}");
            if state.has::<Fund>(code) {
                return Err(GenesisInvalid::new(at(), "stands there twice"));
            }
            if !fund.currency.is_iso4217() {
                return Err(GenesisInvalid::new(at(), format!("{} is no ISO 4217 currency", fund.currency)));
            }
            if fund.next_period.length() != fund.period_length {
                return Err(GenesisInvalid::new(
                    at(),
                    format!("period {} is no {}", fund.next_period, fund.period_length),
                ));
            }
            if let Some(host) = fund.host
                && !state.has::<Organisation>(&host)
            {
                return Err(GenesisInvalid::new(at(), format!("host {host} is no organisation of this genesis")));
            }
            state.put::<Fund>(*code, fund.clone());
            CloseDuePeriod::plan(*code, fund.next_period, state);
            for GenesisEnvelope { code: envelope, name } in envelopes {
                state.put::<Envelope>((*code, *envelope), Envelope { name: name.clone() });
            }
        }
        Ok(())
    }

    fn colleges(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        let mut seated: BTreeMap<OrganisationId, CollegeCode> = BTreeMap::new();
        for GenesisCollege { code, name, seats } in &self.colleges {
            let at = || format!("colleges.{code}");
            if seats.is_empty() {
                return Err(GenesisInvalid::new(at(), "has no seat"));
            }
            state.put::<College>(*code, College { name: name.clone() });
            for seat in seats {
                let organisation = self
                    .known(seat)
                    .ok_or_else(|| GenesisInvalid::new(at(), format!("{seat} is no organisation of this genesis")))?;
                let group = crate::signer::group(state, &organisation);
                if let Some(other) = seated.insert(group, *code) {
                    return Err(GenesisInvalid::new(
                        at(),
                        format!("the group of {seat} has a seat in {other} already"),
                    ));
                }
                state.put::<CollegeSeat>((*code, organisation), CollegeSeat { delegate: false, until: None });
            }
        }
        Ok(())
    }

    fn roles(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        for (index, GenesisRole { organisation, role, scope }) in self.roles.iter().enumerate() {
            let at = || format!("roles.{index}");
            let holder = self.known(organisation).ok_or_else(|| {
                GenesisInvalid::new(at(), format!("{organisation} is no organisation of this genesis"))
            })?;
            if !role.fits(scope) {
                return Err(GenesisInvalid::new(at(), format!("role {role} is not held over {scope}")));
            }
            state.put::<RoleGrant>((holder, *role, *scope), RoleGrant { change: None });
        }
        Ok(())
    }

    /// Roles are held over what exists, and no group holds two that are never held together; accounts, schedules and attestors stand by now.
    fn check_roles(&self, state: &Overlay<'_>) -> Result<(), GenesisInvalid> {
        for (index, GenesisRole { organisation, role, scope }) in self.roles.iter().enumerate() {
            let asked = RoleChange { organisation: self.organisation_id(organisation), role: *role, scope: *scope };
            check_standing(&asked, state).map_err(|fault| GenesisInvalid::new(format!("roles.{index}"), fault))?;
        }
        Ok(())
    }

    fn validators(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        let count = self.validators.len();
        if count == 0 || (self.dev == NetworkKind::Live && count < 4) {
            return Err(GenesisInvalid::new(
                "validators",
                format!("{count}; a live network needs at least 4, a dev network 1"),
            ));
        }
        let mut groups = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for (index, validator) in self.validators.iter().enumerate() {
            let GenesisValidator { organisation, consensus_key, network_key, possession, college } = validator;
            let at = || format!("validators.{index}");
            let runs = self.known(organisation).ok_or_else(|| {
                GenesisInvalid::new(at(), format!("{organisation} is no organisation of this genesis"))
            })?;
            if !groups.insert(crate::signer::group(state, &runs)) {
                return Err(GenesisInvalid::new(at(), format!("the group of {organisation} has a validator already")));
            }
            for key in [consensus_key, network_key] {
                PublicKey::checked(*key.as_bytes()).map_err(|error| GenesisInvalid::new(at(), error))?;
                if state.has::<KeyOwner>(key) || !keys.insert(*key) {
                    return Err(GenesisInvalid::new(at(), format!("key {key} is in use: by an office or a validator")));
                }
            }
            if !verify_possession(consensus_key, PossessionPurpose::Consensus, self.name.as_str(), possession) {
                return Err(GenesisInvalid::new(
                    at(),
                    "the proof of possession does not verify; make a new join request",
                ));
            }
            if !state.has::<College>(college) {
                return Err(GenesisInvalid::new(at(), format!("college {college} does not exist")));
            }
            let seat =
                ValidatorSeat { organisation: runs, network_key: *network_key, college: *college, missed_at: None };
            state.put::<ValidatorSeat>(*consensus_key, seat);
        }
        let seats = state.range::<ValidatorSeat>(..);
        check_power(seats.iter().map(|(_, seat)| seat)).map_err(|excess| GenesisInvalid::new("validators", excess))
    }

    fn members(&self) -> Result<ValidatorSet, GenesisInvalid> {
        let members = self.validators.iter().map(|validator| Validator {
            consensus_key: validator.consensus_key,
            organisation: self.organisation_id(&validator.organisation),
            network_key: validator.network_key,
            college: validator.college,
        });
        ValidatorSet::new(members.collect()).map_err(|error| GenesisInvalid::new("validators", error))
    }

    fn known(&self, code: &Code) -> Option<OrganisationId> {
        self.organisations.iter().find(|organisation| organisation.code == *code).map(|_| self.organisation_id(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// Where the genesis of the fixture is refused after a change.
    fn refused(change: impl FnOnce(&mut Genesis)) -> String {
        let mut genesis = fixture::money::genesis();
        genesis.state().expect("the fixture obeys the rules");
        change(&mut genesis);
        genesis.state().map(|_| ()).expect_err("it breaks a rule").to_string()
    }

    fn role(organisation: &str, role: Role, scope: Scope) -> GenesisRole {
        GenesisRole { organisation: Code::new(organisation).unwrap(), role, scope }
    }

    #[test]
    fn a_role_over_what_does_not_exist_is_refused() {
        let nowhere = [
            (Role::Reviewer, Scope::Fund(FundCode::new("none").unwrap())),
            (Role::BankAttestor, Scope::Account(BankAccountId::ZERO)),
            (Role::LevyAuthority, Scope::Schedule(ScheduleCode::new("none").unwrap())),
            (Role::Reviewer, Scope::Call(CallId::ZERO)),
            (Role::Publisher, Scope::Funder(OrganisationId::ZERO)),
        ];
        for (granted, scope) in nowhere {
            let reason = refused(|genesis| genesis.roles.push(role("lab", granted, scope)));
            assert!(reason.starts_with("roles") && reason.contains("does not exist"), "{scope}: {reason}");
        }
    }

    #[test]
    fn roles_that_can_never_be_held_together_are_refused() {
        let fund = Scope::Fund(fixture::fund());
        let account = Scope::Account(fixture::account());
        for (organisation, granted, scope) in [
            ("bank_branch", Role::Ordonnateur, fund),
            ("region", Role::Comptable, fund),
            ("region", Role::BankAttestor, account),
            ("bank_branch", Role::BankAttestor, account),
            ("audit", Role::Reviewer, fund),
        ] {
            let reason = refused(|genesis| genesis.roles.push(role(organisation, granted, scope)));
            let named = reason.contains("never held together") || reason.contains("attests its account");
            assert!(named, "{organisation}, {granted}: {reason}");
        }
    }

    #[test]
    fn no_college_counts_more_than_a_third_of_the_validators() {
        let reason = refused(|genesis| genesis.validators[3].college = genesis.validators[0].college);
        assert!(reason.starts_with("validators") && reason.contains("3 of 4"), "{reason}");
    }

    #[test]
    fn a_key_of_a_validator_is_no_other_key() {
        let office = fixture::key("asso1");
        let possession = prove_possession(&office, PossessionPurpose::Consensus, fixture::NAME);
        let changes: [fn(&mut GenesisValidator); 3] = [
            |validator| validator.network_key = fixture::key("asso1").public(),
            |validator| validator.network_key = validator.consensus_key,
            |validator| validator.network_key = fixture::network_key("foundation"),
        ];
        let mut reasons: Vec<String> =
            changes.into_iter().map(|change| refused(|genesis| change(&mut genesis.validators[0]))).collect();
        reasons.push(refused(|genesis| {
            (genesis.validators[0].consensus_key, genesis.validators[0].possession) = (office.public(), possession);
        }));
        for reason in reasons {
            assert!(reason.starts_with("validators"), "{reason}");
        }
    }
}
