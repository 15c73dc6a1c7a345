//! `ArchiveService`: the chain as an archive file, in chunks, from any height on.

use crate::{core::Core, status};
use futures::StreamExt as _;
use octroi_chain::archive::{BlockRecord, FileHeader, Totals, Writer};
use octroi_primitives::Height;
use octroi_proto::v1::{self as pb, archive_service_server::ArchiveService};
use octroi_views::ReadFault;
use std::{collections::VecDeque, pin::Pin};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Request, Response, Status};

/// Bytes of a chunk.
const CHUNK: usize = 256 * 1024;
/// Blocks read at once.
const BLOCKS: u64 = 64;

/// The service.
pub(crate) struct Archive(pub(crate) Core);

#[tonic::async_trait]
impl ArchiveService for Archive {
    type ExportChainStream = Pin<Box<dyn futures::Stream<Item = Result<pb::ExportChainResponse, Status>> + Send>>;

    async fn export_chain(
        &self,
        request: Request<pb::ExportChainRequest>,
    ) -> Result<Response<Self::ExportChainStream>, Status> {
        let pb::ExportChainRequest { from_height, to_height } = request.into_inner();
        let newest = self.0.deps.views.newest().height().0;
        let from = from_height.max(1);
        let to = if to_height == 0 { newest } else { to_height };
        if to > newest {
            return Err(status::argument("to_height", format!("{to} is above the latest height {newest}")));
        }
        if from > to + 1 {
            return Err(status::argument("from_height", format!("{from} is above {to}")));
        }
        let export = Export {
            core: self.0.clone(),
            to,
            writer: None,
            next: 1,
            from,
            totals: Totals::default(),
            ready: VecDeque::new(),
            complete_to: from - 1,
            ended: false,
            _place: self.0.export()?,
        };
        Ok(Response::new(futures::stream::try_unfold(export, Export::next).boxed()))
    }
}

/// An export under way.
struct Export {
    core: Core,
    from: u64,
    to: u64,
    /// Next height to be read.
    next: u64,
    /// Of the records that the caller has, until the writer takes over.
    totals: Totals,
    writer: Option<Writer>,
    ready: VecDeque<pb::ExportChainResponse>,
    complete_to: u64,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Export {
    async fn next(mut self) -> Result<Option<(pb::ExportChainResponse, Self)>, Status> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some((chunk, self)));
            }
            if self.ended {
                return Ok(None);
            }
            let core = self.core.clone();
            self = tokio::select! {
                read = core.scan(move |_| self.read()) => read?,
                () = core.closed() => return Err(status::shutting_down()),
            };
        }
    }

    /// Reads some blocks further.
    fn read(mut self) -> Result<Self, Status> {
        let last = (self.next + BLOCKS - 1).min(self.to);
        let mut bytes = Vec::new();
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None if self.from == 1 => {
                let genesis = self.core.deps.node.info().genesis;
                let network = self.core.deps.views.newest().state.network();
                let (writer, header) = Writer::new(&FileHeader { network, from: Height(1), genesis });
                bytes = header;
                writer
            }
            None if self.next < self.from => {
                // The closing record sums up the whole file, so what the caller has is counted.
                for height in self.next..=last.min(self.from - 1) {
                    let BlockRecord { block, receipts, .. } = self.record(height)?;
                    self.totals.blocks += 1;
                    self.totals.block_bytes += block.len() as u64;
                    self.totals.receipt_bytes += receipts.len() as u64;
                    self.next = height + 1;
                }
                return Ok(self);
            }
            None => Writer::resume(Height(self.from), self.totals),
        };
        for height in self.next..=last {
            bytes.extend(writer.block(&self.record(height)?));
            self.next = height + 1;
            self.cut(&mut bytes, Some(height));
        }
        if self.next > self.to {
            let certificate = match self.to {
                0 => None,
                to => self.core.deps.blocks.certificate(Height(to)).map_err(status::of_fault)?,
            };
            if certificate.is_none() && self.to > 0 {
                return Err(status::of_fault(missing("certificate", self.to)));
            }
            bytes.extend(writer.close(certificate.as_ref()));
            self.ended = true;
            self.cut(&mut bytes, None);
        } else {
            self.writer = Some(writer);
        }
        Ok(self)
    }

    /// Cuts what is there into chunks; the last one completes `height`.
    fn cut(&mut self, bytes: &mut Vec<u8>, height: Option<u64>) {
        let whole = std::mem::take(bytes);
        for chunk in whole.chunks(CHUNK) {
            self.ready.push_back(pb::ExportChainResponse { chunk: chunk.to_vec(), complete_to: self.complete_to });
        }
        if let (Some(height), Some(last)) = (height, self.ready.back_mut()) {
            self.complete_to = height;
            last.complete_to = height;
        }
    }

    fn record(&self, height: u64) -> Result<BlockRecord, Status> {
        let read = || -> Result<BlockRecord, ReadFault> {
            let block = self.core.deps.blocks.block_bytes(Height(height))?.ok_or_else(|| missing("block", height))?;
            let receipts = self.core.deps.blocks.receipts_bytes(Height(height))?;
            let receipts = receipts.ok_or_else(|| missing("receipts", height))?;
            Ok(BlockRecord { height: Height(height), block, receipts })
        };
        read().map_err(status::of_fault)
    }
}

fn missing(what: &str, height: u64) -> ReadFault {
    ReadFault::Damaged { place: format!("{what} of height {height}"), reason: "missing".into() }
}
