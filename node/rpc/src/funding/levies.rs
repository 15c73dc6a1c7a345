//! Levies: where payers stand, and how an assessment was computed.

use super::organisations::name;
use crate::{
    core::{Core, id, page_info, read_at, word},
    event::Reader,
    ledger::money,
    status,
};
use octroi_ledger::{
    accounts::{Account, balance_of},
    levy::{
        account::{LevyAccount, LevyAssessment, LevyKey},
        schedule::LevySchedule,
    },
    registry::{fund::Fund, organisation::Organisation},
    state::{Key as _, Record},
    wire::Wire as _,
};
use octroi_primitives::{Currency, OrganisationId, Period, Reference, ReferenceKind, ScheduleCode};
use octroi_proto::v1 as pb;
use octroi_views::{Order, Page, View, stories};
use std::ops::Bound;
use tonic::Status;

fn currency(view: &View, schedule: &ScheduleCode) -> Option<Currency> {
    let schedule = view.state.get::<LevySchedule>(schedule)?;
    view.state.get::<Fund>(&schedule.fund).map(|fund| fund.currency)
}

fn levy_view(view: &View, key: &LevyKey, levy: &LevyAccount) -> pb::LevyView {
    let (payer, schedule, period) = key;
    let reference = levy.assessment.map(|id| Reference::of(ReferenceKind::Levy, id.hash()).to_string());
    pb::LevyView {
        payer: payer.to_proto(),
        payer_name: name(view, payer),
        schedule: schedule.to_string(),
        period: period.to_string(),
        levy: Some(levy.to_proto()),
        reference: reference.unwrap_or_default(),
        currency: currency(view, schedule).map(|currency| currency.as_str().to_owned()).unwrap_or_default(),
    }
}

pub(super) fn status_of(core: &Core, request: pb::GetLevyStatusRequest) -> Result<pb::GetLevyStatusResponse, Status> {
    let pb::GetLevyStatusRequest { payer, schedule, period, options } = request;
    let payer: OrganisationId = id("payer", &payer)?;
    let schedule: Option<ScheduleCode> = if schedule.is_empty() { None } else { Some(word("schedule", &schedule)?) };
    let period: Option<Period> = if period.is_empty() { None } else { Some(word("period", &period)?) };
    let view = core.view(options)?;
    view.state.get::<Organisation>(&payer).ok_or_else(|| status::not_found("organisation", payer))?;
    let mut levies = Vec::new();
    let mut prepaid = Vec::new();
    // Schedules are few; each payer has a run of periods under each.
    for (code, _) in view.state.all::<LevySchedule>() {
        if schedule.is_some_and(|wanted| *code != wanted) {
            continue;
        }
        let first = (payer, *code, Period::year(1).map_err(|error| status::argument("period", error))?);
        let of_payer = view.state.range::<LevyAccount>(first..);
        let of_payer = of_payer.take_while(|((of, under, _), _)| *of == payer && under == code);
        let wanted = of_payer.filter(|((_, _, of), _)| period.is_none_or(|period| *of == period));
        levies.extend(wanted.map(|(key, levy)| levy_view(&view, key, levy)));
        let account = Account::PrepaidLevy { payer, schedule: *code };
        let balance = -balance_of(&view.state, &account);
        if let (Some(currency), true) = (currency(&view, code), balance != 0) {
            prepaid.push(pb::PrepaidView { schedule: code.to_string(), amount: Some(money(balance, currency)) });
        }
    }
    Ok(pb::GetLevyStatusResponse { levies, prepaid, at: Some(read_at(&view)) })
}

pub(super) fn explain(
    core: &Core,
    request: pb::ExplainAssessmentRequest,
) -> Result<pb::ExplainAssessmentResponse, Status> {
    let pb::ExplainAssessmentRequest { payer, schedule, period, options } = request;
    let key: LevyKey = (id("payer", &payer)?, word("schedule", &schedule)?, word("period", &period)?);
    let view = core.view(options)?;
    let missing = || status::not_found("assessment", format!("{} {} {}", key.0, key.1, key.2));
    let assessment = view.state.get::<LevyAccount>(&key).and_then(|levy| levy.assessment).ok_or_else(missing)?;
    let page = Page::first(view.height(), 1);
    let story = stories::story_of::<LevyAssessment>(core.deps.rows.as_ref(), &assessment, &page, Order::Ascending);
    let cursor = story.map_err(status::of_view)?.items.first().copied().ok_or_else(missing)?;
    let assessment = Reader::default().record(core, cursor)?;
    Ok(pb::ExplainAssessmentResponse { assessment: Some(assessment), at: Some(read_at(&view)) })
}

pub(super) fn list(core: &Core, request: pb::ListLeviesRequest) -> Result<pb::ListLeviesResponse, Status> {
    let pb::ListLeviesRequest { schedule, period, page, options } = request;
    let (page, view) = core.page_of_state(&[b"levies", schedule.as_bytes(), period.as_bytes()], page, options)?;
    let schedule: Option<ScheduleCode> = if schedule.is_empty() { None } else { Some(word("schedule", &schedule)?) };
    let period: Option<Period> = if period.is_empty() { None } else { Some(word("period", &period)?) };
    let after = page.after().and_then(<LevyAccount as Record>::Key::from_key_bytes);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let found = view.state.range::<LevyAccount>((from, Bound::Unbounded)).filter(|((_, of, at), _)| {
        schedule.is_none_or(|schedule| *of == schedule) && period.is_none_or(|period| *at == period)
    });
    let cut = page.cut(found.map(|(key, levy)| (key.to_key_bytes(), levy_view(&view, key, levy))));
    Ok(pb::ListLeviesResponse { levies: cut.items, page: page_info(cut.next), at: Some(read_at(&view)) })
}
