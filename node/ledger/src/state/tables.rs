//! The one list of tables. Numbers are part of the state root and of storage: never reused, never changed.

use super::{Entry, Key, Record, RecordRow};
use imbl::OrdMap;
use std::{collections::BTreeMap, sync::Arc};

type Shared<R> = Arc<Entry<R>>;

/// How a record finds its table and its changes; made by the list below alone.
pub trait Stored: Sized {
    /// The table of this record.
    const TABLE: Table;
    #[doc(hidden)]
    fn table(tables: &Tables) -> &OrdMap<<Self as Record>::Key, Shared<Self>>
    where
        Self: Record;
    #[doc(hidden)]
    fn changed(changes: &Changes) -> &BTreeMap<<Self as Record>::Key, Option<Shared<Self>>>
    where
        Self: Record;
    #[doc(hidden)]
    fn changed_mut(changes: &mut Changes) -> &mut BTreeMap<<Self as Record>::Key, Option<Shared<Self>>>
    where
        Self: Record;
}

macro_rules! tables {
    ($($number:literal $field:ident: $record:ty;)+) => {
        /// Tables by their permanent number.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Table { $($field = $number,)+ }

        impl Table {
            /// Every table.
            pub const ALL: &'static [Self] = &[$(Self::$field),+];

            /// Its permanent number.
            pub const fn number(self) -> u16 { self as u16 }

            /// Its name in snake case.
            pub const fn name(self) -> &'static str { match self { $(Self::$field => stringify!($field),)+ } }
        }

        /// Every record, by table.
        #[derive(Debug, Clone, Default)]
        pub struct Tables { $($field: OrdMap<<$record as Record>::Key, Shared<$record>>,)+ }

        /// Records that were written or removed, by table.
        #[derive(Debug, Clone, Default)]
        pub struct Changes { $($field: BTreeMap<<$record as Record>::Key, Option<Shared<$record>>>,)+ }

        $(impl Stored for $record {
            const TABLE: Table = Table::$field;
            fn table(tables: &Tables) -> &OrdMap<<Self as Record>::Key, Shared<Self>> { &tables.$field }
            fn changed(changes: &Changes) -> &BTreeMap<<Self as Record>::Key, Option<Shared<Self>>> { &changes.$field }
            fn changed_mut(changes: &mut Changes) -> &mut BTreeMap<<Self as Record>::Key, Option<Shared<Self>>> { &mut changes.$field }
        })+

        impl Tables {
            pub(super) fn all<R: Record>(&self) -> impl Iterator<Item = (&R::Key, &R)> {
                R::table(self).iter().map(|(key, entry)| (key, &entry.record))
            }

            pub(super) fn merge(&mut self, changes: &Changes) {
                $(for (key, change) in &changes.$field {
                    match change {
                        Some(entry) => { self.$field.insert(key.clone(), entry.clone()); }
                        None => { self.$field.remove(key); }
                    }
                })+
            }

            pub(super) fn load(&mut self, table: u16, key: &[u8], stored: &[u8]) -> Result<(), String> {
                match table {
                    $($number => {
                        let key = <$record as Record>::Key::from_key_bytes(key).ok_or("the key cannot be read")?;
                        let entry = Entry::<$record>::from_stored(stored).map_err(|error| error.to_string())?;
                        self.$field.insert(key, Arc::new(entry));
                        Ok(())
                    })+
                    other => Err(format!("no table has number {other}")),
                }
            }

            pub(super) fn rows(&self) -> Vec<RecordRow> {
                let mut rows = Vec::new();
                $(rows.extend(self.$field.iter().map(|(key, entry)| RecordRow {
                    table: $number, key: key.to_key_bytes(), value: Some(entry.to_stored()),
                }));)+
                rows
            }
        }

        impl Changes {
            /// Rows in the order of table and key.
            pub fn rows(&self) -> Vec<RecordRow> {
                let mut rows = Vec::new();
                $(rows.extend(self.$field.iter().map(|(key, change)| RecordRow {
                    table: $number, key: key.to_key_bytes(), value: change.as_ref().map(|entry| entry.to_stored()),
                }));)+
                rows
            }
        }

        impl super::Overlay<'_> {
            /// Continues the history of a record that is named by table and key; false if there is no such record.
            pub(crate) fn set_history_of(&mut self, table: Table, key: &[u8], next: impl FnOnce(crate::history::History) -> crate::history::History) -> bool {
                match table {
                    $(Table::$field => {
                        let Some(key) = <$record as Record>::Key::from_key_bytes(key) else { return false };
                        let Some(entry) = self.entry::<$record>(&key) else { return false };
                        let history = next(entry.history);
                        self.set_history::<$record>(&key, history)
                    })+
                }
            }
        }
    };
}

tables! {
    1 network: crate::network::NetworkRecord;
    2 parameters: crate::parameters::ParameterValue;
    3 seen: super::SeenBucket;
    4 quotas: crate::quota::QuotaUse;
    5 due: crate::due::DueItem;
    6 accounts: crate::accounts::AccountBalance;
    7 funds: crate::registry::fund::Fund;
    8 envelopes: crate::registry::fund::Envelope;
    9 territories: crate::registry::territory::Territory;
    10 colleges: crate::registry::college::College;
    11 college_seats: crate::registry::college::CollegeSeat;
    12 organisations: crate::registry::organisation::Organisation;
    13 identifiers: crate::registry::organisation::IdentifierHolder;
    14 keys: crate::registry::organisation::KeyOwner;
    15 role_grants: crate::registry::role::RoleGrant;
    16 validators: crate::registry::validator_seat::ValidatorSeat;
    17 promises: crate::contribution::promise::Promise;
    18 calls: crate::call::call::Call;
    19 pending_seats: crate::registry::validator_seat::PendingSeat;
    20 past_grants: crate::grant::past_grant::PastGrant;
    21 past_grant_files: crate::grant::past_grant::PastGrantFile;
    22 past_grant_totals: crate::grant::past_grant::PastGrantTotal;
    23 projects: crate::registry::project::Project;
    24 recent_blocks: crate::registry::recent_block::RecentBlock;
    25 changes: crate::governance::change::Change;
    26 change_seats: crate::governance::change::ChangeSeat;
    50 objections: crate::governance::objection::Objection;
    51 delegated_limits: crate::governance::delegation::DelegatedLimit;
    52 delegated_uses: crate::governance::delegation::DelegatedUse;
    53 nominations: crate::governance::nominate::Nomination;
    54 suspensions: crate::governance::suspension::Suspension;
    55 upgrades: crate::governance::upgrade::Upgrade;
    56 endorsements: crate::registry::endorse::Endorsement;
    57 findings: crate::finding::finding::Finding;
    58 opinions: crate::finding::finding::Opinion;
    59 indicators: crate::indicator::indicator::Indicator;
    62 indicator_values: crate::indicator::indicator::IndicatorValue;
    63 erasures: crate::privacy::record_erasure::Erasure;
    40 applications: crate::application::application::Application;
    41 call_applications: crate::application::application::CallApplication;
    42 call_parties: crate::application::application::CallParty;
    43 call_projects: crate::application::application::CallProject;
    44 grants: crate::grant::grant::Grant;
    45 payouts: crate::grant::payout::Payout;
    46 transit_totals: crate::grant::payout::TransitTotal;
    60 clawbacks: crate::grant::clawback::Clawback;
    61 money_returns: crate::grant::clawback::MoneyReturn;
    30 bank_accounts: crate::bank::account::BankAccount;
    31 suspended_credits: crate::bank::entry::SuspendedCredit;
    32 bank_entries: crate::bank::entry::BankEntry;
    33 levy_schedules: crate::levy::schedule::LevySchedule;
    34 levy_accounts: crate::levy::account::LevyAccount;
    35 levy_declarations: crate::levy::account::LevyDeclaration;
    36 levy_assessments: crate::levy::account::LevyAssessment;
    115 refunds: crate::bank::refund::Refund;
    116 in_kind_contributions: crate::contribution::contribute_in_kind::InKindContribution;
    117 in_kind_totals: crate::contribution::contribute_in_kind::InKindTotal;
    118 licence_terms: crate::governance::licence_terms::LicenceTerms;
    110 prepaid_levies: crate::levy::prepaid::PrepaidLevy;
    111 levy_disputes: crate::levy::dispute::LevyDispute;
    112 levy_groups: crate::levy::declare_group::LevyGroup;
    113 levy_usages: crate::levy::attest_usage::LevyUsage;
    114 levy_watches: crate::levy::watch::LevyWatch;
    37 policies: crate::redistribution::policy::Policy;
    38 envelope_periods: crate::redistribution::envelope::EnvelopePeriod;
    39 envelope_commitments: crate::redistribution::envelope::EnvelopeCommitment;
    70 need_tables: crate::redistribution::need::NeedTable;
    71 territory_periods: crate::redistribution::envelope::TerritoryPeriod;
    72 territory_commitments: crate::redistribution::envelope::TerritoryCommitment;
    73 carry_overs: crate::redistribution::expire_carry_over::CarryOver;
    74 owed_refunds: crate::bank::owed::Owed;
    75 campaigns: crate::campaign::campaign::Campaign;
    76 pledges: crate::campaign::pledge_record::PledgeRecord;
    77 funded_pledges: crate::campaign::pledge_record::FundedPledge;
    78 rounds: crate::matching::round::Round;
    79 round_projects: crate::matching::round::RoundProject;
    80 round_contributions: crate::matching::round_contribution::RoundContribution;
    81 funded_contributions: crate::matching::round_contribution::FundedContribution;
    82 voucher_batches: crate::voucher::batch::VoucherBatch;
    83 voucher_holdings: crate::voucher::batch::VoucherHolding;
    84 voucher_costs: crate::voucher::batch::VoucherCost;
    85 fund_transfers: crate::redistribution::transfer_funds::FundTransfer;
    86 closed_funds: crate::registry::close_fund::ClosedFund;
}
