//! `unmatch_entry`: a comptable takes back what was matched of a credit; all of it waits in suspense again.
//!
//! - Allowed: an active organisation with the role comptable over the account's fund.
//! - Effect: every part goes back the way it came: out of the promise, the levy's period or the prepaid money. Money that was split, settled
//!   otherwise or given back since cannot be taken back, nor money of an envelope whose grants would then pass a cap: its base is what the envelope
//!   received in the period. A correction is this and a new match.
//! - Source: rulebook §1 (nothing is edited), §3, table A, and §4, 0203, and §6, caps.

use super::{
    account::BankAccount,
    entry::{BankEntry, EntryMatch, suspend_again},
    matching::MatchedPart,
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::RecordRef,
    redistribution::cap::{self, CapExceeded, CapKey},
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct UnmatchEntry = UnmatchEntry {
        /// The account.
        pub account: BankAccountId,
        /// The entry.
        pub entry: EntryKey,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct EntryUnmatched = EntryUnmatched {
        /// The account.
        pub account: BankAccountId,
        /// Its fund.
        pub fund: FundCode,
        /// The entry.
        pub entry: EntryKey,
        /// Who takes it back.
        pub comptable: OrganisationId,
        /// Why.
        pub reason: ReasonCode,
        /// What was matched, and when; the latest is taken back first.
        pub matches: Vec<EntryMatch>,
        /// In that order.
        pub postings: Postings,
    }
}

refusals! {
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownAccount(BankAccountId): Unknown 1 "bank account {0} does not exist", "the bank account does not exist";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    UnknownEntry(EntryKey): Unknown 2 "entry {0} is in no final statement of the account", "no final statement of the account has the entry";
    StateUnmatched(EntryKey): State 1 "nothing of entry {0} is matched", "nothing of the entry is matched";
    StateUsed(EntryKey, u64): State 2 "{1} minor units of entry {0} were used or given back since", "what the entry paid has ended, was used or was given back since";
    Insufficient(PostingError): Insufficient 1 "{0}", "the money has gone on: an account does not hold what is taken back";
    CapBase(CapExceeded): Cap 1 "{0}", "grants of the period were awarded on what the envelope received, and would pass a cap without it";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for UnmatchEntry {
    type Event = EntryUnmatched;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<EntryUnmatched, Refused> {
        let Self { account, entry, reason } = *self;

        cx.active(state)?;
        let fund = state.get::<BankAccount>(&account).ok_or(Refused::UnknownAccount(account))?.fund;
        cx.authorise(state, Role::Comptable, Scope::Fund(fund))?;
        let record = state.get::<BankEntry>(&(account, entry)).ok_or(Refused::UnknownEntry(entry))?;
        if record.matched.is_empty() {
            return Err(Refused::StateUnmatched(entry));
        }
        let matches = record.matched.clone();
        let mut scratch = state.scratch();
        let mut movement = Movement::in_fund(fund);
        for EntryMatch { part, on } in matches.iter().rev() {
            if !part.undo(account, *on, &cx.place, &mut scratch) {
                return Err(Refused::StateUsed(entry, part.amount));
            }
            part.post_back(account, fund, &mut movement);
        }
        let posted = movement.check(state);
        if let Err(error @ PostingError::Insufficient { .. }) = posted {
            return Err(Refused::Insufficient(error));
        }
        let bases: BTreeSet<CapKey> =
            matches.iter().filter_map(|EntryMatch { part, on }| part.cap_base(*on, state)).collect();
        bases.iter().try_for_each(|base| cap::check_all(&scratch, base)).map_err(Refused::CapBase)?;
        let postings = posted?;
        Ok(EntryUnmatched { account, fund, entry, comptable: cx.organisation, reason, matches, postings })
    }
}

impl Effect for EntryUnmatched {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        for EntryMatch { part, on } in self.matches.iter().rev() {
            assert!(part.undo(self.account, *on, place, state), "decide: each part can be taken back");
        }
        suspend_again(self.account, self.entry, state);
    }

    /// The entry, the account, the fund, the comptable, and what was paid: up to 132.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<BankEntry>(&(self.account, self.entry)),
            RecordRef::of::<BankAccount>(&self.account),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.comptable),
        ]);
        let parts = self.matches.iter().map(|matched| &matched.part);
        subjects.extend(parts.flat_map(MatchedPart::subjects));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, AccountBalance},
        action::{Event, Kind, Payload},
        bank::{
            match_entry::MatchEntry,
            matching::{LevyTarget, PrepaidTarget, Target},
        },
        contribution::promise::Promise,
        fixture::{
            self, IntoPayload, Network, account, fund, id,
            money::{self, date, entry_key, schedule_code, target},
        },
        levy::{
            account::LevyStatus,
            prepaid::{self, PrepaidLevy},
        },
        redistribution::{
            cap::CapStanding,
            envelope::{EnvelopeCommitment, EnvelopePeriod},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for UnmatchEntry {
        fn into_payload(self) -> Payload {
            Payload::UnmatchEntry(self)
        }
    }

    fn unmatch(text: &str) -> UnmatchEntry {
        UnmatchEntry { account: account(), entry: entry_key(text), reason: ReasonCode::new("mistaken").unwrap() }
    }

    fn royalty(period: &str) -> Target {
        let (payer, schedule) = (id("reuser"), schedule_code("royalty"));
        Target::Levy(LevyTarget { payer, schedule, period: period.parse().unwrap() })
    }

    fn prepaid() -> Target {
        Target::Prepaid(PrepaidTarget { payer: id("reuser"), schedule: schedule_code("royalty") })
    }

    /// Where the caps on what the promise of [`matched`] brought count: at most 10 % to a group.
    fn startups() -> CapKey {
        CapKey { fund: fund(), envelope: fixture::envelope("startups"), period: "2027Q3".parse().unwrap() }
    }

    fn put(network: &mut Network, account: Account, balance: Balance) {
        network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
    }

    /// In July, with an entry `a` of 15,000 that pays a promise, the levy of Q1 with a month's interest, and prepaid money.
    fn matched() -> (Network, PromiseId) {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        network.assess_calls("2027Q1", 2_000_000);
        let promise = network.promise(700, Some("startups"));
        let mut credit = money::entry("a", 15_000, None);
        credit.value_date = date(2027, 7, 2);
        network.attest(network.statement(vec![credit]));
        let targets =
            vec![target(Target::Promise(promise), 700), target(royalty("2027Q1"), 10_060), target(prepaid(), 300)];
        let payload = MatchEntry { account: account(), entry: entry_key("a"), targets };
        network.run("bank", Payload::MatchEntry(payload)).unwrap();
        (network, promise)
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, _) = matched();
        network.receive("b", 5, None);
        network.edit(|state| {
            state.put::<RoleGrant>((id("lab"), Role::Comptable, Scope::Fund(fund())), RoleGrant { change: None });
        });
        network.suspend("lab");
        let nowhere = UnmatchEntry { account: BankAccountId::ZERO, ..unmatch("a") };
        let table: Vec<(&str, UnmatchEntry)> = vec![
            ("lab", nowhere.clone()),
            ("region", nowhere),
            ("region", unmatch("never")),
            ("bank", unmatch("never")),
            ("bank", unmatch("b")),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let mut used = network.clone();
        used.edit(|state| {
            let (payer, schedule) = (id("reuser"), schedule_code("royalty"));
            assert_eq!(prepaid::take_latest(state, payer, schedule, 300).len(), 1);
        });
        reached.push(used.refusal("bank", unmatch("a")));
        let envelope = Account::Envelope { fund: fund(), envelope: fixture::envelope("startups") };
        put(&mut network, envelope, -699);
        network.edit(|state| cap::commit(state, &startups(), id("asso1"), 70, CapStanding::Within));
        reached.push(network.refusal("bank", unmatch("a")));
        let envelope = Account::Envelope { fund: fund(), envelope: fixture::envelope("startups") };
        put(&mut network, envelope, -700);
        reached.push(network.refusal("bank", unmatch("a")));
        let CapKey { fund, envelope, period } = startups();
        network.edit(|state| state.remove::<EnvelopeCommitment>(&(fund, envelope, period, id("asso1"))));
        put(&mut network, Account::Suspense { account: account() }, Balance::MIN);
        reached.push(network.refusal("bank", unmatch("a")));
        fixture::assert_all_reached(Kind::UnmatchEntry, &reached);
    }

    #[test]
    fn everything_goes_back_the_way_it_came_and_can_be_matched_again() {
        let (mut network, promise) = matched();
        fixture::assert_round_trips(&unmatch("a").into_payload());
        network.assert_sound();
        let before = network.royalty("2027Q1");
        assert_eq!((before.status, before.interest_paid), (LevyStatus::Paid, 60));
        let Event::UnmatchEntry(event) = network.run("bank", unmatch("a")).unwrap() else { panic!("unmatched") };
        assert_eq!(event.matches.len(), 3);
        network.assert_sound();
        assert_eq!(network.balance(&Account::Suspense { account: account() }), -15_000);
        assert_eq!(network.state.get::<Promise>(&promise).unwrap().received, 0);
        assert_eq!(network.state.count::<PrepaidLevy>(), 0);
        let credited = (fund(), fixture::envelope("startups"), "2027Q3".parse().unwrap());
        assert_eq!(network.state.get::<EnvelopePeriod>(&credited).unwrap().credited, 0);
        let levy = network.royalty("2027Q1");
        assert_eq!((levy.status, levy.open(), levy.open_interest()), (LevyStatus::Assessed, 10_000, 60));
        let again = MatchEntry { account: account(), entry: entry_key("a"), targets: vec![target(prepaid(), 15_000)] };
        network.run("bank", Payload::MatchEntry(again)).unwrap();
        network.assert_sound();
    }

    #[test]
    fn money_whose_envelope_would_have_awarded_above_a_cap_without_it_stays_matched() {
        let (mut network, _) = matched();
        network.edit(|state| cap::commit(state, &startups(), id("asso1"), 70, CapStanding::Within));
        network.assert_sound();
        assert_eq!(network.refusal("bank", unmatch("a")), "CapBase");
        let more = network.promise(700, Some("startups"));
        network.receive("more", 700, Some(Reference::of(ReferenceKind::Promise, more.hash())));
        network.run("bank", unmatch("a")).unwrap();
        network.assert_sound();
        assert_eq!(network.refusal("bank", unmatch("more")), "CapBase");
    }
}
