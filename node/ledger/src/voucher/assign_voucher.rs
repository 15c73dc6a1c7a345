//! `assign_voucher`: a programme manager gives vouchers of a batch to an organisation.
//!
//! - Allowed: an active organisation with the role programme manager over the batch's fund, of another group than the holder.
//! - Effect: the holder has so many vouchers more; no money moves.
//! - Source: rulebook §4, 0b02.

use super::batch::{VoucherBatch, VoucherHolding};
use crate::{
    action::{Action, Effect, Place},
    call::call::Eligibility,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::{Organisation, Status},
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct AssignVoucher = AssignVoucher {
        /// Which batch.
        pub batch: VoucherBatchId,
        /// To whom.
        pub holder: OrganisationId,
        /// How many.
        pub count: u32,
        /// What was checked of the holder, of what the batch asks for.
        pub eligibility: Option<Eligibility>,
    }

    /// The event.
    pub struct VoucherAssigned = VoucherAssigned {
        /// Which batch.
        pub batch: VoucherBatchId,
        /// To whom.
        pub holder: OrganisationId,
        /// How many.
        pub count: u32,
        /// What was checked of the holder.
        pub eligibility: Option<Eligibility>,
        /// Who assigned.
        pub manager: OrganisationId,
        /// The batch's fund.
        pub fund: FundCode,
    }
}

refusals! {
    AmountNone(): Amount 1 "no voucher is assigned", "the count is 0";
    signer;
    UnknownBatch(VoucherBatchId): Unknown 1 "batch {0} does not exist", "the batch does not exist";
    UnknownHolder(OrganisationId): Unknown 2 "organisation {0} does not exist", "the holder does not exist";
    SegregationHolder(OrganisationId): Segregation 1 "organisation {0} is of the signer's group", "the holder is of the signer's group";
    StateHolder(OrganisationId, Status): State 1 "organisation {0} is {1}", "the holder is not active";
    WindowExpired(BlockTime): Window 1 "the batch expired at {0}", "the batch has expired";
    EvidenceEligibility(): Evidence 1 "the batch asks for another eligibility", "no eligibility that the batch asks for was checked";
    Insufficient(u32, u32): Insufficient 1 "{0} vouchers, {1} are left", "the batch has fewer vouchers left";
}
signer_refusals!(Refused);

impl Action for AssignVoucher {
    type Event = VoucherAssigned;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.count == 0 { Err(Refused::AmountNone()) } else { Ok(()) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<VoucherAssigned, Refused> {
        let Self { batch, holder, count, eligibility } = *self;

        cx.active(state)?;
        // The role is held over the batch's fund: a batch that does not exist has none to judge it by.
        let record = state.get::<VoucherBatch>(&batch).ok_or(Refused::UnknownBatch(batch))?;
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(record.fund))?;
        let organisation = state.get::<Organisation>(&holder).ok_or(Refused::UnknownHolder(holder))?;
        if same_group(state, &cx.organisation, &holder) {
            return Err(Refused::SegregationHolder(holder));
        }
        if organisation.status != Status::Active {
            return Err(Refused::StateHolder(holder, organisation.status));
        }
        if !record.is_open(cx.place.time) {
            return Err(Refused::WindowExpired(record.expires_at));
        }
        let checked = eligibility.is_some_and(|checked| record.eligibility.contains(&checked));
        if !checked && !record.eligibility.is_empty() {
            return Err(Refused::EvidenceEligibility());
        }
        if count > record.unassigned() {
            return Err(Refused::Insufficient(count, record.unassigned()));
        }
        Ok(VoucherAssigned { batch, holder, count, eligibility, manager: cx.organisation, fund: record.fund })
    }
}

impl Effect for VoucherAssigned {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let key = (self.batch, self.holder);
        let mut holding = state.get::<VoucherHolding>(&key).cloned().unwrap_or(VoucherHolding::NONE);
        holding.assigned += self.count;
        state.put::<VoucherHolding>(key, holding);
        state.update::<VoucherBatch>(&self.batch, |batch| batch.assigned += self.count);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<VoucherBatch>(&self.batch),
            RecordRef::of::<VoucherHolding>(&(self.batch, self.holder)),
            RecordRef::of::<Organisation>(&self.holder),
        ]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Trial, assert_precedence},
        fixture::{DAY, IntoPayload, Network, assert_round_trips, id},
        voucher::issue_vouchers::tests::issued,
    };

    impl IntoPayload for AssignVoucher {
        fn into_payload(self) -> Payload {
            Payload::AssignVoucher(self)
        }
    }

    /// The payload for a small company.
    pub(crate) fn assignment(batch: VoucherBatchId, holder: &str, count: u32) -> AssignVoucher {
        AssignVoucher { batch, holder: id(holder), count, eligibility: Some(Eligibility::Sme) }
    }

    /// A network where `platform` holds 30 vouchers.
    pub(crate) fn assigned() -> (Network, VoucherBatchId) {
        let (mut network, batch) = issued();
        network.run("foundation", assignment(batch, "platform", 30)).unwrap();
        (network, batch)
    }

    #[test]
    fn vouchers_are_assigned_until_none_is_left() {
        let (mut network, batch) = assigned();
        assert_round_trips(&assignment(batch, "platform", 1).into_payload());
        network.run("foundation", assignment(batch, "reuser", 70)).unwrap();
        assert_eq!(network.refusal("foundation", assignment(batch, "reuser", 1)), "Insufficient");
        let holding = network.state.get::<VoucherHolding>(&(batch, id("platform"))).unwrap();
        assert_eq!((holding.assigned, holding.left()), (30, 30));
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, _) = issued();
        network.suspend("foundation");
        network.suspend("platform");
        let mut act = assignment(VoucherBatchId::ZERO, "foundation", 0);
        (act.holder, act.eligibility) = (OrganisationId::ZERO, Some(Eligibility::Ess));
        assert_precedence(
            Kind::AssignVoucher,
            Trial { network, signer: "foundation", keys: vec![], act },
            Payload::AssignVoucher,
            &[
                ("AmountNone", |t| {
                    t.act.count = 101;
                    t.act.batch = *t.network.state.all::<VoucherBatch>().next().expect("one batch").0;
                }),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| {
                    t.act.batch = VoucherBatchId::ZERO;
                    t.sign();
                }),
                ("UnknownBatch", |t| t.act.batch = *t.network.state.all::<VoucherBatch>().next().expect("one").0),
                ("UnknownHolder", |t| t.act.holder = id("foundation")),
                ("SegregationHolder", |t| t.act.holder = id("platform")),
                ("StateHolder", |t| {
                    t.status("platform", Status::Active);
                    t.network.advance(365 * DAY);
                }),
                ("WindowExpired", |t| {
                    let batch = t.act.batch;
                    let later = t.network.in_days(1);
                    t.network.edit(|state| {
                        state.update::<VoucherBatch>(&batch, |batch| {
                            batch.expires_at = later;
                            batch.status = crate::voucher::batch::BatchStatus::Open;
                        });
                    });
                }),
                ("EvidenceEligibility", |t| t.act.eligibility = Some(Eligibility::Sme)),
                ("Insufficient", |t| t.act.count = 100),
            ],
        );
    }
}
