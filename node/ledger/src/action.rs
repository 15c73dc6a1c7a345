//! The kinds of transaction: what each implements, and the one list of them.
//!
//! A kind is one file. `validate` needs no state and runs everywhere; `decide` reads and answers with the event, which is the whole change and the
//! public record; the event's `apply` writes and cannot fail. Time-driven kinds ([`Duty`]) are operations too: derived, never carried by a
//! block, with receipts of their own. Everybody else walks [`Kind::ALL`].

use crate::{
    accounts::Postings,
    history::RecordRef,
    refusal::{Refusal, RefusalDoc, Reject},
    signer::Context,
    state::Overlay,
    wire::{Canonical, Wire, WireError, pb},
};
use octroi_primitives::*;

/// Where in the chain something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Height of the block.
    pub height: Height,
    /// Its time.
    pub time: BlockTime,
    /// Index of the receipt in the block, system receipts first.
    pub receipt: u32,
    /// The transaction, or system transaction.
    pub transaction: TransactionId,
}

impl Place {
    /// Legal date of the block.
    pub fn date(&self) -> LegalDate {
        LegalDate::at(self.time)
    }
}

/// Work units of a kind without lists (rulebook §4, parameters).
pub const BASE_COST: u64 = 10;

/// What an organisation may ask of the ledger.
pub trait Action: Wire<Proto: prost::Message + Default> + Clone + PartialEq + core::fmt::Debug {
    /// What happened.
    type Event: Effect;
    /// Why not; the order of variants is precedence.
    type Refused: Reject;

    /// Checks that need no state: shapes and bounds. Run by client, node and auditor alike.
    ///
    /// # Errors
    /// The first refusal of shape.
    fn validate(&self) -> Result<(), Self::Refused>;

    /// Checks against state, in order of precedence, and says what would happen. Reads, never writes.
    ///
    /// # Errors
    /// The first refusal.
    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<Self::Event, Self::Refused>;

    /// Work units, counted against the budget of a block.
    fn cost(&self) -> u64 {
        BASE_COST
    }
}

/// What a rule does when its time has come. Its object is all it carries.
pub trait Duty {
    /// What happened.
    type Event: Effect;
    /// Why not.
    type Refused: Reject;

    /// Reads the state and says what happens to the object now.
    ///
    /// # Errors
    /// When there is nothing left to do; the receipt says so.
    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<Self::Event, Self::Refused>;

    /// Work units for this object in this state.
    fn cost(_object: &Hash, _state: &Overlay<'_>) -> u64 {
        BASE_COST
    }
}

/// An event: the whole change of one transaction, and its public record.
pub trait Effect: Wire<Proto: prost::Message + Default> + Clone + PartialEq + core::fmt::Debug {
    /// Writes the change, save the postings, which are posted before by the one function that moves money. Never fails: `decide` has proven what it needs.
    fn apply(&self, place: &Place, state: &mut Overlay<'_>);

    /// The records whose public story this belongs to, as they are after `apply`: distinct, at most 8 unless the kind says more.
    fn subjects(&self) -> Vec<RecordRef>;

    /// The movements of money; none for most kinds.
    fn postings(&self) -> Option<&Postings> {
        None
    }
}

/// The family of a kind: its tag divided by 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family(pub u8);

macro_rules! kinds {
    (
        actions { $($tag:literal $name:ident $snake:ident in $($module:ident)::+;)+ }
        duties { $($duty_tag:literal $duty:ident $duty_snake:ident in $($duty_module:ident)::+;)+ }
    ) => {
        /// Every kind, by its permanent tag.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Kind { $($name = $tag,)+ $($duty = $duty_tag,)+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+ $(Self::$duty,)+];
            /// The kinds that transactions carry.
            pub const ACTIONS: &'static [Self] = &[$(Self::$name,)+];

            /// Name in snake case, as the rulebook writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($snake),)+ $(Self::$duty => stringify!($duty_snake),)+ }
            }

            /// The kind of a tag.
            pub const fn of_tag(tag: u16) -> Option<Self> {
                match tag { $($tag => Some(Self::$name),)+ $($duty_tag => Some(Self::$duty),)+ _ => None }
            }

            /// Whether only the executor makes it.
            pub const fn is_system(self) -> bool {
                match self { $(Self::$name => false,)+ $(Self::$duty => true,)+ }
            }

            /// Its refusals in order of precedence.
            pub const fn refusals(self) -> &'static [RefusalDoc] {
                match self {
                    $(Self::$name => <<$($module)::+::$name as Action>::Refused as Reject>::ALL,)+
                    $(Self::$duty => <<$($duty_module)::+::$duty as Duty>::Refused as Reject>::ALL,)+
                }
            }
        }

        /// What a transaction asks.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, PartialEq)]
        pub enum Payload { $($name($($module)::+::$name),)+ }

        /// What happened.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, PartialEq)]
        pub enum Event {
            $($name(<$($module)::+::$name as Action>::Event),)+
            $($duty(<$($duty_module)::+::$duty as Duty>::Event),)+
        }

        impl Payload {
            /// Which kind.
            pub const fn kind(&self) -> Kind { match self { $(Self::$name(_) => Kind::$name,)+ } }

            /// Work units.
            pub fn cost(&self) -> u64 { match self { $(Self::$name(action) => action.cost(),)+ } }

            /// Checks that need no state.
            ///
            /// # Errors
            /// The first refusal of shape.
            pub fn validate(&self) -> Result<(), Refusal> {
                match self { $(Self::$name(action) => action.validate().map_err(|refused| Refusal::new(Kind::$name, &refused)),)+ }
            }

            /// All checks; what would happen.
            ///
            /// # Errors
            /// The first refusal.
            pub fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<Event, Refusal> {
                match self {
                    $(Self::$name(action) => action
                        .validate()
                        .and_then(|()| action.decide(cx, state))
                        .map(Event::$name)
                        .map_err(|refused| Refusal::new(Kind::$name, &refused)),)+
                }
            }

            /// The payload as JSON-free debug text is never shown; clients read its message.
            pub fn to_wire(&self) -> pb::transaction::Payload {
                match self { $(Self::$name(action) => pb::transaction::Payload::$name(action.to_proto()),)+ }
            }

            /// # Errors
            /// A field that the kind cannot hold.
            pub fn from_wire(payload: pb::transaction::Payload) -> Result<Self, WireError> {
                match payload {
                    $(pb::transaction::Payload::$name(action) => <$($module)::+::$name as Wire>::from_proto(action)
                        .map(Self::$name).map_err(|error| error.within(stringify!($snake))),)+
                    #[allow(unreachable_patterns)]
                    _ => Err(WireError::invalid("this version does not know the kind")),
                }
            }
        }

        impl Event {
            /// Which kind.
            pub const fn kind(&self) -> Kind { match self { $(Self::$name(_) => Kind::$name,)+ $(Self::$duty(_) => Kind::$duty,)+ } }

            /// Writes the change, save its postings.
            pub(crate) fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
                match self { $(Self::$name(event) => event.apply(place, state),)+ $(Self::$duty(event) => event.apply(place, state),)+ }
            }

            /// The records whose story it belongs to.
            pub fn subjects(&self) -> Vec<RecordRef> {
                match self { $(Self::$name(event) => event.subjects(),)+ $(Self::$duty(event) => event.subjects(),)+ }
            }

            /// The movements of money.
            pub fn postings(&self) -> Option<&Postings> {
                match self { $(Self::$name(event) => event.postings(),)+ $(Self::$duty(event) => event.postings(),)+ }
            }

            /// Canonical bytes of the kind's own event message.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self { $(Self::$name(event) => Canonical::to_bytes(event),)+ $(Self::$duty(event) => Canonical::to_bytes(event),)+ }
            }
        }

        impl Wire for Event {
            type Proto = pb::Event;

            fn to_proto(&self) -> pb::Event {
                pb::Event { event: Some(match self {
                    $(Self::$name(event) => pb::event::Event::$name(event.to_proto()),)+
                    $(Self::$duty(event) => pb::event::Event::$duty(event.to_proto()),)+
                }) }
            }

            fn from_proto(proto: pb::Event) -> Result<Self, WireError> {
                match proto.event.ok_or_else(WireError::missing)? {
                    $(pb::event::Event::$name(event) => Wire::from_proto(event).map(Self::$name).map_err(|error| error.within(stringify!($snake))),)+
                    $(pb::event::Event::$duty(event) => Wire::from_proto(event).map(Self::$duty).map_err(|error| error.within(stringify!($duty_snake))),)+
                    #[allow(unreachable_patterns)]
                    _ => Err(WireError::invalid("this version does not know the kind")),
                }
            }
        }

        /// Lets a duty decide on its object; `None` when the kind is no duty.
        pub(crate) fn decide_duty(kind: Kind, object: &Hash, place: &Place, state: &Overlay<'_>) -> Option<Result<Event, Refusal>> {
            match kind {
                $(Kind::$duty => Some(<$($duty_module)::+::$duty as Duty>::decide(object, place, state)
                    .map(Event::$duty).map_err(|refused| Refusal::new(Kind::$duty, &refused))),)+
                $(Kind::$name)|+ => None,
            }
        }

        /// Work units of a duty.
        pub(crate) fn duty_cost(kind: Kind, object: &Hash, state: &Overlay<'_>) -> u64 {
            match kind {
                $(Kind::$duty => <$($duty_module)::+::$duty as Duty>::cost(object, state),)+
                $(Kind::$name)|+ => BASE_COST,
            }
        }
    };
}

impl Kind {
    /// Permanent tag: family · 256 + position.
    pub const fn tag(self) -> u16 {
        self as u16
    }

    /// Its family.
    pub const fn family(self) -> Family {
        Family((self as u16 >> 8) as u8)
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

use crate::{
    application, bank, call, campaign, contribution, dev, finding, governance, grant, indicator, levy, matching,
    privacy, redistribution, registry, voucher,
};

// Tags stand under the root and in signed bytes: never reused, never renumbered. One line a kind.
kinds! {
    actions {
        0x0101 RegisterOrganisation register_organisation in registry::register_organisation;
        0x0102 UpdateOrganisation update_organisation in registry::update_organisation;
        0x0103 MergeOrganisations merge_organisations in registry::merge_organisations;
        0x0104 RotateKeys rotate_keys in registry::rotate_keys;
        0x0105 RegisterProject register_project in registry::register_project;
        0x0106 UpdateProject update_project in registry::update_project;
        0x0107 Endorse endorse in registry::endorse;
        0x0108 AnnounceReady announce_ready in registry::announce_ready;
        0x0201 AttestStatement attest_statement in bank::attest_statement;
        0x0202 MatchEntry match_entry in bank::match_entry;
        0x0203 UnmatchEntry unmatch_entry in bank::unmatch_entry;
        0x0204 OrderRefund order_refund in bank::order_refund;
        0x0205 BookCost book_cost in bank::book_cost;
        0x0206 ReleaseRefund release_refund in bank::release_refund;
        0x0207 FailRefund fail_refund in bank::fail_refund;
        0x0301 PromiseContribution promise_contribution in contribution::promise_contribution;
        0x0302 ContributeInKind contribute_in_kind in contribution::contribute_in_kind;
        0x0303 ReturnContribution return_contribution in contribution::return_contribution;
        0x0304 CancelPromise cancel_promise in contribution::cancel_promise;
        0x0401 DeclareGroup declare_group in levy::declare_group;
        0x0402 DeclareLevy declare_levy in levy::declare_levy;
        0x0403 AttestUsage attest_usage in levy::attest_usage;
        0x0404 AssessLevy assess_levy in levy::assess_levy;
        0x0405 DisputeLevy dispute_levy in levy::dispute_levy;
        0x0406 AnswerDispute answer_dispute in levy::answer_dispute;
        0x0407 ReassessLevy reassess_levy in levy::reassess_levy;
        0x0501 ClosePeriod close_period in redistribution::close_period;
        0x0601 OpenCall open_call in call::open_call;
        0x0602 AmendCall amend_call in call::amend_call;
        0x0603 CancelCall cancel_call in call::cancel_call;
        0x0701 SubmitApplication submit_application in application::submit_application;
        0x0702 ReviseApplication revise_application in application::revise_application;
        0x0703 WithdrawApplication withdraw_application in application::withdraw_application;
        0x0704 ScreenApplication screen_application in application::screen_application;
        0x0705 ReviewApplication review_application in application::review_application;
        0x0801 SignConvention sign_convention in grant::sign_convention;
        0x0802 SubmitEvidence submit_evidence in grant::submit_evidence;
        0x0803 JudgeEvidence judge_evidence in grant::judge_evidence;
        0x0804 OrderPayment order_payment in grant::order_payment;
        0x0805 ReleasePayment release_payment in grant::release_payment;
        0x0806 FailPayment fail_payment in grant::fail_payment;
        0x0807 AmendGrant amend_grant in grant::amend_grant;
        0x0808 SuspendGrant suspend_grant in grant::suspend_grant;
        0x0809 TerminateGrant terminate_grant in grant::terminate_grant;
        0x080a ReturnMoney return_money in grant::return_money;
        0x080b FileFinalReport file_final_report in grant::file_final_report;
        0x080c OpenClawback open_clawback in grant::open_clawback;
        0x080d OffsetClawback offset_clawback in grant::offset_clawback;
        0x080e DeclarePastGrant declare_past_grant in grant::declare_past_grant;
        0x0810 RefusePayment refuse_payment in grant::refuse_payment;
        0x0811 CancelOrder cancel_order in grant::cancel_order;
        0x0901 OpenCampaign open_campaign in campaign::open_campaign;
        0x0902 Pledge pledge in campaign::pledge;
        0x0903 PledgeBatch pledge_batch in campaign::pledge_batch;
        0x0904 WithdrawPledge withdraw_pledge in campaign::withdraw_pledge;
        0x0a01 OpenMatching open_matching in matching::open_matching;
        0x0a02 ContributeToProject contribute_to_project in matching::contribute_to_project;
        0x0a03 ChallengeMatching challenge_matching in matching::challenge_matching;
        0x0b01 IssueVouchers issue_vouchers in voucher::issue_vouchers;
        0x0b02 AssignVoucher assign_voucher in voucher::assign_voucher;
        0x0b03 RedeemVoucher redeem_voucher in voucher::redeem_voucher;
        0x0c01 ProposeChange propose_change in governance::propose_change;
        0x0c02 CastBallot cast_ballot in governance::cast_ballot;
        0x0c03 RaiseObjection raise_objection in governance::raise_objection;
        0x0c04 ResolveObjection resolve_objection in governance::resolve_objection;
        0x0c05 AmendChange amend_change in governance::amend_change;
        0x0c06 WithdrawChange withdraw_change in governance::withdraw_change;
        0x0c07 Nominate nominate in governance::nominate;
        0x0d01 ReportIndicator report_indicator in indicator::report_indicator;
        0x0d02 VerifyIndicator verify_indicator in indicator::verify_indicator;
        0x0e01 OpenFinding open_finding in finding::open_finding;
        0x0e02 AnswerFinding answer_finding in finding::answer_finding;
        0x0e03 CloseFinding close_finding in finding::close_finding;
        0x0e04 FileOpinion file_opinion in finding::file_opinion;
        0x0f01 RecordErasure record_erasure in privacy::record_erasure;
        0x7f01 AdvanceClock advance_clock in dev::advance_clock;
    }
    duties {
        0x0305 ExpirePromise expire_promise in contribution::expire_promise;
        0x0408 MarkOverdue mark_overdue in levy::mark_overdue;
        0x0409 AssessByDefault assess_by_default in levy::assess_by_default;
        0x040a PrescribeLevy prescribe_levy in levy::prescribe_levy;
        0x0502 CloseDuePeriod close_due_period in redistribution::close_due_period;
        0x0503 ExpireCarryOver expire_carry_over in redistribution::expire_carry_over;
        0x0604 CloseCall close_call in call::close_call;
        0x080f LapseOffer lapse_offer in grant::lapse_offer;
        0x0905 SettleCampaign settle_campaign in campaign::settle_campaign;
        0x0a04 SettleMatching settle_matching in matching::settle_matching;
        0x0b04 ExpireVouchers expire_vouchers in voucher::expire_vouchers;
        0x0c08 EnactChange enact_change in governance::enact_change;
        0x0c09 SeatValidator seat_validator in governance::seat_validator;
        0x0c0a OpenChange open_change in governance::open_change;
        0x0c0b ConcludeChange conclude_change in governance::conclude_change;
    }
}
