//! Who takes part in `mixed-v1`: 64 invented organisations with 200 office keys, and the genesis that seats them.

use anyhow::{Context, Result};
use octroi_genesis::JoinRequest;
use octroi_primitives::{BankAccountId, BlockTime, OrganisationId, SecretKey, genesis_id, hash};
use std::fmt::Write;

/// Organisations of the workload.
pub const ORGANISATIONS: usize = 64;
/// Their keys: three each, and a fourth for the first eight.
pub const KEYS: usize = 200;
/// The first of them apply and hold seats in the colleges.
pub const APPLICANTS: usize = 48;
/// Those after the applicants review.
pub const REVIEWERS: usize = 15;
/// The last one manages the programme.
pub const MANAGER: usize = ORGANISATIONS - 1;
/// Bank accounts of the fund, each attested by one organisation, so that statements of different accounts can be under way together.
pub const ACCOUNTS: usize = 1_024;
/// The network's name.
const NAME: &str = "octroi-bench";
/// Validators run by the first organisations.
const VALIDATORS: usize = 4;

/// An organisation and all its office keys.
pub struct Member {
    /// Id that genesis gives it.
    pub id: OrganisationId,
    /// Three or four.
    pub keys: Vec<SecretKey>,
}

/// Everybody.
pub struct Consortium {
    /// In the order of their codes.
    pub members: Vec<Member>,
}

fn code(number: usize) -> String {
    format!("org-{number:02}")
}

/// The account with a number.
pub fn account(number: usize) -> BankAccountId {
    BankAccountId::new(hash("bench-account", &[&number.to_be_bytes()]))
}

impl Consortium {
    /// The same keys in every run.
    pub fn new() -> Self {
        let members = (0..ORGANISATIONS).map(|number| Member {
            id: OrganisationId::new(genesis_id("organisation", NAME, &code(number))),
            keys: (0..KEYS / ORGANISATIONS + usize::from(number < KEYS % ORGANISATIONS))
                .map(|key| {
                    let seed = hash("bench-office", &[&number.to_be_bytes(), &key.to_be_bytes()]);
                    SecretKey::from_seed(seed.to_bytes())
                })
                .collect(),
        });
        Self { members: members.collect() }
    }

    /// A draft of the genesis with every office key, dated `now`; keys of validators are still missing.
    ///
    /// # Errors
    /// A draft that breaks a rule: a bug of the bench.
    pub fn draft(&self, now: BlockTime) -> Result<String> {
        let requests: Vec<JoinRequest> = self
            .members
            .iter()
            .enumerate()
            .map(|(number, member)| {
                let mut request = JoinRequest::new(NAME, &code(number));
                for key in &member.keys {
                    request.office("main", key);
                }
                request
            })
            .collect();
        let dated = octroi_genesis::dated(&text(), now).context("the bench's genesis")?;
        octroi_genesis::collect(&dated, &requests).context("the bench's genesis")
    }

    /// Keys of a validator, for runs without processes.
    pub fn consensus_key(number: usize) -> SecretKey {
        SecretKey::from_seed(hash("bench-consensus", &[&number.to_be_bytes()]).to_bytes())
    }

    /// The draft with validators whose keys we hold, for runs without processes.
    ///
    /// # Errors
    /// As [`Consortium::draft`].
    pub fn draft_with_validators(&self, now: BlockTime) -> Result<String> {
        let requests: Vec<JoinRequest> = (0..VALIDATORS)
            .map(|number| {
                let network = SecretKey::from_seed(hash("bench-network", &[&number.to_be_bytes()]).to_bytes());
                let mut request = JoinRequest::new(NAME, &code(number));
                request.validator(&Self::consensus_key(number), &network);
                request
            })
            .collect();
        octroi_genesis::collect(&self.draft(now)?, &requests).context("the bench's genesis")
    }
}

/// The draft without keys: block limits and timeouts are the defaults of a live network; only quotas are out of the way.
fn text() -> String {
    let mut text = format!(
        "version = 1\nname = {NAME:?}\nkind = \"dev\"\ntime = \"2027-01-04T08:00:00Z\"\n\n\
         [parameters]\nquota_transactions = 1000000000\nquota_bytes = 1000000000000\nmax_seen_ids = 100000000\n\n\
         [[territories]]\ncode = \"fr\"\nname = \"France\"\nlevel = \"country\"\n\n"
    );
    let roles = "\"funder\", \"beneficiary\", \"publisher\", \"college_member\", \"reviewer\", \"bank_attestor\", \
                 \"programme_manager\", \"registrar\", \"validator\"";
    for number in 0..ORGANISATIONS {
        let _ = write!(
            text,
            "[[organisations]]\ncode = {:?}\nname = \"Organisation {number:02} (inventée)\"\nkind = \"association\"\n\
             territory = \"fr\"\n\n[[organisations.offices]]\ncode = \"main\"\nroles = [{roles}]\n\n",
            code(number)
        );
    }
    for (college, name) in ["funders", "commoners", "users"].iter().zip(["Financeurs", "Communs", "Usagers"]) {
        let third = ["funders", "commoners", "users"].iter().position(|other| other == college).unwrap_or(0);
        let seats: Vec<String> = (0..APPLICANTS).filter(|number| number % 3 == third).map(code).collect();
        let _ = write!(text, "[[colleges]]\ncode = {college:?}\nname = {name:?}\nseats = {seats:?}\n\n");
    }
    text.push_str(
        "[[funds]]\ncode = \"commun\"\nname = \"Fonds commun (inventé)\"\ncurrency = \"EUR\"\nperiod_length = \"quarter\"\n\
         first_period = \"2027Q1\"\n\n[funds.envelopes]\ncommons = \"Communs\"\nterritories = \"Territoires\"\n\n",
    );
    let mut role = |organisation: usize, role: &str, fund: bool| {
        let scope = if fund { "fund = \"commun\"\n" } else { "" };
        let _ = write!(text, "[[roles]]\norganisation = {:?}\nrole = {role:?}\n{scope}\n", code(organisation));
    };
    for number in 0..APPLICANTS {
        role(number, "college_member", false);
    }
    for number in 0..VALIDATORS {
        role(number, "validator", false);
    }
    for number in APPLICANTS..APPLICANTS + REVIEWERS {
        role(number, "reviewer", true);
    }
    role(MANAGER, "programme_manager", true);
    role(MANAGER, "registrar", false);
    for number in 0..VALIDATORS {
        let college = ["funders", "commoners", "users"][number % 3];
        let _ = write!(text, "[[validators]]\norganisation = {:?}\ncollege = {college:?}\n\n", code(number));
    }
    for number in 0..ACCOUNTS {
        let _ = write!(
            text,
            "[[bank_accounts]]\naccount = \"{}\"\nfund = \"commun\"\nattestors = [{:?}]\nneeded = 1\n\n",
            account(number),
            code(attestor(number))
        );
    }
    text
}

/// Who attests an account.
pub fn attestor(account: usize) -> usize {
    account % ORGANISATIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_has_as_many_organisations_and_keys_as_it_says() {
        let consortium = Consortium::new();
        assert_eq!(consortium.members.len(), ORGANISATIONS);
        assert_eq!(consortium.members.iter().map(|member| member.keys.len()).sum::<usize>(), KEYS);
        let draft = consortium.draft_with_validators(BlockTime(1_800_000_000_000)).unwrap();
        let state = octroi_genesis::parse(&draft).unwrap().state().unwrap();
        assert_eq!(state.validators().len(), VALIDATORS);
    }
}
