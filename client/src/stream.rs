//! Long answers: events that never end, and the whole chain.

use crate::{
    error::{ClientError, Fault},
    transport::{Client, archive, events},
};
use octroi_proto::v1::{self as pb, stream_events_response::Item};
use std::{
    io::Write,
    time::{Duration, Instant},
};
use tonic::Streaming;

/// Longest silence of an event stream before it is opened again elsewhere; nodes send a heartbeat every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// How long no node may answer before an event stream ends.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Events after a cursor, in order, each once, over broken connections.
#[derive(Debug)]
pub struct Events<'a> {
    client: &'a Client,
    filter: pb::EventFilter,
    /// Of the last event given, or of the last height that was complete.
    cursor: String,
    stream: Option<Streaming<pb::StreamEventsResponse>>,
    next_node: usize,
    failing_since: Option<Instant>,
}

impl Client {
    /// Follows events after a cursor such as `1204.3`; empty: from the first block.
    pub fn events(&self, after_cursor: impl Into<String>, filter: pb::EventFilter) -> Events<'_> {
        Events { client: self, filter, cursor: after_cursor.into(), stream: None, next_node: 0, failing_since: None }
    }

    /// Writes the chain as an archive file from one node; `from` 0 is height 1 with the file header, `to` 0 the latest height. Gives the last complete
    /// height and the bytes written. An archive is one node's, whose certificates may differ from another's, so a broken transfer is begun anew by the caller.
    ///
    /// # Errors
    /// As [`Client::call`]; what was received cannot be written; the connection broke.
    pub async fn export(
        &self,
        from: u64,
        to: u64,
        out: &mut impl Write,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(u64, u64), ClientError> {
        let request = pb::ExportChainRequest { from_height: from, to_height: to };
        let mut stream = self.read(|channel| async move { archive(channel).export_chain(request).await }).await?;
        let (mut height, mut bytes) = (0, 0);
        loop {
            let message = tokio::time::timeout(SILENCE, stream.message())
                .await
                .unwrap_or_else(|_| Err(tonic::Status::unavailable(format!("nothing for {} s", SILENCE.as_secs()))));
            match message {
                Ok(Some(pb::ExportChainResponse { chunk, complete_to })) => {
                    out.write_all(&chunk)?;
                    bytes += chunk.len() as u64;
                    height = complete_to;
                    progress(height, bytes);
                }
                Ok(None) => return Ok((height, bytes)),
                Err(status) => return Err(ended(Fault::from(status))),
            }
        }
    }
}

fn ended(fault: Fault) -> ClientError {
    match fault {
        Fault::Answer(answer) => ClientError::Answer(Box::new(answer)),
        Fault::Broken(words) => ClientError::Unreachable(vec![("the node that was answering".to_owned(), words)]),
    }
}

impl Events<'_> {
    /// Where the stream stands: after this everything is still to come.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The next event, or the height up to which there is none. Opens the stream again, after the last event, when a connection breaks.
    ///
    /// # Errors
    /// The cursor is older than the nodes' history; no node answers for a minute.
    pub async fn next(&mut self) -> Result<Item, ClientError> {
        loop {
            match self.try_next().await {
                Ok(Some(item)) => {
                    self.failing_since = None;
                    if let Item::Event(event) = &item {
                        self.cursor.clone_from(&event.cursor);
                    }
                    return Ok(item);
                }
                Ok(None) => self.stream = None,
                Err(Fault::Answer(answer)) if !answer.passes() => return Err(ClientError::Answer(Box::new(answer))),
                Err(fault) => {
                    self.stream = None;
                    self.next_node += 1;
                    let since = *self.failing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > GIVE_UP {
                        return Err(ended(fault));
                    }
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Item>, Fault> {
        if self.stream.is_none() {
            let nodes = self.client.nodes();
            let node = &nodes[self.next_node % nodes.len()];
            let request =
                pb::StreamEventsRequest { after_cursor: self.cursor.clone(), filter: Some(self.filter.clone()) };
            self.stream = Some(events(node.channel.clone()).stream_events(request).await?.into_inner());
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        loop {
            match tokio::time::timeout(SILENCE, stream.message()).await {
                Ok(Ok(Some(pb::StreamEventsResponse { item: Some(item) }))) => return Ok(Some(item)),
                Ok(Ok(Some(pb::StreamEventsResponse { item: None }))) => {}
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(status)) => return Err(status.into()),
                Err(_) => return Err(Fault::Broken(format!("nothing for {} s", SILENCE.as_secs()))),
            }
        }
    }
}
