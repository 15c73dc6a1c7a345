//! The tables that the demo prints.

use super::session::Session;
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use octroi_ledger::{levy::compute::LevyStep, wire::Wire};
use octroi_proto::v1::{self as pb, event::Event};

/// A sum of minor units as people write it in France: `12 345,67`.
fn money(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let (whole, cents) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    let digits = whole.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped},{cents:02}")
}

fn table(title: &str, header: &[&str]) -> Table {
    println!("\n{title}");
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(header.to_vec());
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// How a period was split.
pub fn split(event: &Event) {
    let Event::ClosePeriod(closed) = event else { return };
    let mut shown = table(&format!("Split of {} ({})", closed.period, closed.fund), &["source", "to", "EUR"]);
    for source in &closed.sources {
        shown.add_row(vec![source.source.clone(), "reserve".to_owned(), money(source.reserve as i64)]);
        for share in &source.shares {
            shown.add_row(vec![source.source.clone(), share.envelope.clone(), money(share.amount as i64)]);
        }
    }
    right(&mut shown, &[2]);
    println!("{shown}");
}

/// What the bank holds of a fund.
pub async fn bank_balance(session: &mut Session, fund: &str) -> Result<i64> {
    let request = pb::GetFundRequest { fund: fund.into(), options: None };
    Ok(session.funding().await?.get_fund(request).await?.into_inner().fund.context("no fund")?.bank)
}

/// The questions of the year: what was a project granted, where does the fund stand, how was the levy computed.
pub async fn year(session: &mut Session, project: &[u8], fund: &str, levy_period: &str) -> Result<()> {
    history(session, project).await?;
    accounts(session, fund).await?;
    computation(session, levy_period).await
}

async fn history(session: &mut Session, project: &[u8]) -> Result<()> {
    let request = pb::GetGrantHistoryRequest {
        of: Some(pb::get_grant_history_request::Of::Project(project.to_vec())),
        page: None,
        options: None,
    };
    let history = session.funding().await?.get_grant_history(request).await?.into_inner();
    for grant in &history.grants {
        let awarded =
            grant.grant.as_ref().and_then(|grant| grant.awarded.as_ref()).map_or(0, |amount| amount.minor as i64);
        println!(
            "\nGranted to {} for {}: {} EUR by {}",
            grant.lead_name,
            grant.project_title,
            money(awarded),
            grant.fund_name
        );
        println!("ordered {} EUR, paid {} EUR", money(grant.ordered), money(grant.paid));
    }
    let mut shown = table("Its story on the ledger", &["height", "event", "by"]);
    for event in &history.events {
        let by =
            if event.organisation.is_empty() { "a rule that fell due".to_owned() } else { short(&event.organisation) };
        shown.add_row(vec![event.height.to_string(), event.kind.clone(), by]);
    }
    println!("{shown}");
    Ok(())
}

fn short(id: &[u8]) -> String {
    id.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

async fn accounts(session: &mut Session, fund: &str) -> Result<()> {
    let request = pb::GetFundRequest { fund: fund.into(), options: None };
    let view = session.funding().await?.get_fund(request).await?.into_inner().fund.context("no fund")?;
    let mut shown = table(&format!("Accounts of fund {fund}"), &["account", "EUR"]);
    let rows = [
        ("bank", view.bank),
        ("suspense", view.suspense),
        ("receivables", view.receivables),
        ("uncollected", view.uncollected),
        ("payable", view.payable),
        ("in transit", view.in_transit),
        ("unallocated", view.unallocated),
        ("reserve", view.reserve),
        ("encumbered", view.encumbered),
    ];
    for (name, minor) in rows {
        shown.add_row(vec![name.to_owned(), money(minor)]);
    }
    for envelope in &view.envelopes {
        shown.add_row(vec![format!("envelope {}", envelope.code), money(envelope.available)]);
    }
    right(&mut shown, &[1]);
    println!("{shown}");
    anyhow::ensure!(view.balances, "the accounts of fund {fund} do not balance");
    println!("The accounts balance: bank + unexplained - liabilities = fund accounts - uncollected.");
    Ok(())
}

async fn computation(session: &mut Session, period: &str) -> Result<()> {
    let request = pb::ExplainAssessmentRequest {
        payer: session.id("platform").as_bytes().to_vec(),
        schedule: "platform-levy".into(),
        period: period.into(),
        options: None,
    };
    let explained = session.funding().await?.explain_assessment(request).await?.into_inner();
    let event = explained.assessment.and_then(|record| record.event).and_then(|event| event.event);
    let Some(Event::AssessLevy(assessed)) = event else { anyhow::bail!("the assessment has no event") };
    println!("\nComputation of the levy of {period}, line by line");
    for step in assessed.steps {
        println!("  {}", LevyStep::from_proto(step)?);
    }
    Ok(())
}
