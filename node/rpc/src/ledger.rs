//! `LedgerService`: blocks, headers, accounts, postings.

use crate::{
    core::{Core, page_info, read_at, word},
    event, raw, status,
};
use octroi_chain::Canonical as _;
use octroi_ledger::{
    accounts::{Account, AccountBalance, Class, balance_of},
    registry::fund::Fund,
    state::Key as _,
};
use octroi_primitives::{BlockId, Currency, FundCode, Height};
use octroi_proto::v1::{self as pb, ledger_service_server::LedgerService};
use octroi_views::{Order, PageOf, View, postings};
use prost::Message as _;
use std::ops::Bound;
use tonic::{Request, Response, Status};

/// The service.
pub(crate) struct Ledger(pub(crate) Core);

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn get_block(&self, request: Request<pb::GetBlockRequest>) -> Result<Response<pb::GetBlockResponse>, Status> {
        let height = request.get_ref().height;
        self.0.scan(move |core| block(core, height)).await.map(Response::new)
    }

    async fn list_blocks(
        &self,
        request: Request<pb::ListBlocksRequest>,
    ) -> Result<Response<pb::ListBlocksResponse>, Status> {
        let page = request.into_inner().page;
        self.0.scan(move |core| blocks(core, page)).await.map(Response::new)
    }

    async fn get_header(
        &self,
        request: Request<pb::GetHeaderRequest>,
    ) -> Result<Response<pb::GetHeaderResponse>, Status> {
        let height = request.get_ref().height;
        self.0
            .scan(move |core| {
                let height = height_of(core, height);
                let header = raw::header(&stored(core, height)?).map_err(status::of_fault)?;
                let certificate = core.deps.blocks.certificate(height).map_err(status::of_fault)?;
                Ok(pb::GetHeaderResponse {
                    id: id_of(&header),
                    header: Some(header),
                    certificate: certificate.map(|certificate| certificate.to_wire()),
                })
            })
            .await
            .map(Response::new)
    }

    async fn get_state_proof(
        &self,
        _: Request<pb::GetStateProofRequest>,
    ) -> Result<Response<pb::GetStateProofResponse>, Status> {
        Err(status::proof_not_served())
    }

    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let pb::GetAccountRequest { account, options } = request.into_inner();
        let account: Account = word("account", &account)?;
        let view = self.0.view(options)?;
        let record =
            view.state.get::<AccountBalance>(&account).ok_or_else(|| status::not_found("account", &account))?;
        let account = Some(account_state(&view, &account, record)?);
        Ok(Response::new(pb::GetAccountResponse { account, at: Some(read_at(&view)) }))
    }

    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        let request = request.into_inner();
        self.0.scan(move |core| accounts(core, request)).await.map(Response::new)
    }

    async fn list_postings(
        &self,
        request: Request<pb::ListPostingsRequest>,
    ) -> Result<Response<pb::ListPostingsResponse>, Status> {
        let request = request.into_inner();
        self.0.scan(move |core| movements(core, request)).await.map(Response::new)
    }
}

fn height_of(core: &Core, asked: u64) -> Height {
    if asked == 0 { core.deps.views.newest().height() } else { Height(asked) }
}

fn stored(core: &Core, height: Height) -> Result<Vec<u8>, Status> {
    let block = core.deps.blocks.block_bytes(height).map_err(status::of_fault)?;
    block.ok_or_else(|| status::not_found("block", height))
}

/// The id of a header as it is stored: the hash of its canonical bytes.
fn id_of(header: &pb::Header) -> Vec<u8> {
    BlockId::from_bytes(octroi_primitives::hash("block", &[&header.encode_to_vec()]).to_bytes()).as_bytes().to_vec()
}

fn block(core: &Core, height: u64) -> Result<pb::GetBlockResponse, Status> {
    let height = height_of(core, height);
    let damaged = |error: prost::DecodeError| {
        status::of_fault(octroi_views::ReadFault::Damaged {
            place: format!("block {height}"),
            reason: error.to_string(),
        })
    };
    let block = pb::Block::decode(stored(core, height)?.as_slice()).map_err(damaged)?;
    let receipts = core.deps.blocks.receipts_bytes(height).map_err(status::of_fault)?;
    let receipts = receipts.ok_or_else(|| status::not_found("block", height))?;
    let pb::Receipts { receipts } = pb::Receipts::decode(receipts.as_slice()).map_err(damaged)?;
    let certificate = core.deps.blocks.certificate(height).map_err(status::of_fault)?;
    let system = receipts.len().saturating_sub(block.transactions.len());
    Ok(pb::GetBlockResponse {
        id: block.header.as_ref().map(id_of).unwrap_or_default(),
        block: Some(block),
        certificate: certificate.map(|certificate| certificate.to_wire()),
        receipts,
        system_receipts: u32::try_from(system).unwrap_or(u32::MAX),
    })
}

fn blocks(core: &Core, page: Option<pb::PageRequest>) -> Result<pb::ListBlocksResponse, Status> {
    let page = core.page(&[b"blocks"], page, None)?;
    let first = match page.after() {
        None => page.height().0,
        Some(position) => {
            let last: [u8; 8] = position
                .try_into()
                .map_err(|_| status::of_view(octroi_views::ViewError::PageToken("names no position of this list")))?;
            u64::from_be_bytes(last).saturating_sub(1)
        }
    };
    let mut blocks = Vec::new();
    let mut next = None;
    for height in (1..=first).rev() {
        if blocks.len() == page.size() {
            next = Some(page.token(&(height + 1).to_be_bytes()));
            break;
        }
        // A node that was set up from a snapshot has no blocks below it.
        let Some(block) = core.deps.blocks.block_bytes(Height(height)).map_err(status::of_fault)? else { break };
        let header = raw::header(&block).map_err(status::of_fault)?;
        let transactions = raw::transactions(&block).count();
        blocks.push(pb::BlockSummary {
            id: id_of(&header),
            header: Some(header),
            transactions: u32::try_from(transactions).unwrap_or(u32::MAX),
        });
    }
    Ok(pb::ListBlocksResponse { blocks, page: page_info(next), at: Some(core.read_at_height(page.height())?) })
}

/// Minor units as an answer gives them; amounts are bounded far below the range, a sum that is not is said to be as large as can be said.
pub(crate) fn money(minor: i128, currency: Currency) -> pb::Money {
    pb::Money { minor: clamp(minor), currency: currency.as_str().to_owned() }
}

pub(crate) fn clamp(minor: i128) -> i64 {
    i64::try_from(minor).unwrap_or(if minor < 0 { i64::MIN } else { i64::MAX })
}

fn account_state(view: &View, account: &Account, record: &AccountBalance) -> Result<pb::AccountState, Status> {
    let fund = view.state.get::<Fund>(&record.fund).ok_or_else(|| status::not_found("fund", record.fund))?;
    let class = match account.class() {
        Class::Asset => "asset",
        Class::Liability => "liability",
        Class::Fund => "fund",
    };
    Ok(pb::AccountState {
        account: account.to_string(),
        fund: record.fund.to_string(),
        balance: Some(money(balance_of(&view.state, account), fund.currency)),
        class: class.into(),
    })
}

fn accounts(core: &Core, request: pb::ListAccountsRequest) -> Result<pb::ListAccountsResponse, Status> {
    let pb::ListAccountsRequest { fund, prefix, page, options } = request;
    let (page, view) = core.page_of_state(&[b"accounts", fund.as_bytes(), prefix.as_bytes()], page, options)?;
    let wanted: Option<FundCode> = if fund.is_empty() { None } else { Some(word("fund", &fund)?) };
    let after = page.after().and_then(Account::from_key_bytes);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut accounts = Vec::new();
    let mut next = None;
    let mut last = None;
    for (account, record) in view.state.range::<AccountBalance>((from, Bound::Unbounded)) {
        if wanted.is_some_and(|wanted| record.fund != wanted) || !account.to_string().starts_with(&prefix) {
            continue;
        }
        if accounts.len() == page.size() {
            next = last.map(|last: &Account| page.token(&last.to_key_bytes()));
            break;
        }
        accounts.push(account_state(&view, account, record)?);
        last = Some(account);
    }
    Ok(pb::ListAccountsResponse { accounts, page: page_info(next), at: Some(read_at(&view)) })
}

fn movements(core: &Core, request: pb::ListPostingsRequest) -> Result<pb::ListPostingsResponse, Status> {
    let pb::ListPostingsRequest { account: name, page, options } = request;
    let account: Account = word("account", &name)?;
    let page = core.page(&[b"postings", name.as_bytes()], page, options)?;
    let newest = core.deps.views.newest();
    let fund = newest.state.get::<AccountBalance>(&account).map(|record| record.fund);
    let fund = fund.ok_or_else(|| status::not_found("account", &account))?;
    let PageOf { items, next } =
        postings::movements(core.deps.rows.as_ref(), &account, &page, Order::Descending).map_err(status::of_view)?;
    let mut events = event::Reader::default();
    let mut line = |movement: postings::Movement| {
        let event = events.record(core, movement.cursor)?;
        Ok(pb::PostingLine {
            posting: Some(pb::Posting { fund: fund.to_string(), account: name.clone(), amount: movement.amount }),
            height: event.height,
            receipt: event.receipt,
            transaction: event.transaction,
            kind: event.kind,
            time: event.time,
        })
    };
    let postings = items.into_iter().map(&mut line).collect::<Result<_, Status>>()?;
    Ok(pb::ListPostingsResponse { postings, page: page_info(next), at: Some(core.read_at_height(page.height())?) })
}
