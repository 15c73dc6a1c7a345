//! The organisations of the demo, with their keys, in front of four nodes.

use anyhow::{Context, Result, anyhow, bail};
use octroi_client::keystore::Keyring;
use octroi_ledger::{Transaction, wire::Canonical};
use octroi_primitives::{NetworkId, OrganisationId, SecretKey, genesis_id};
use octroi_proto::v1::{
    self as pb, event_service_client::EventServiceClient, funding_service_client::FundingServiceClient,
    node_service_client::NodeServiceClient, transaction_service_client::TransactionServiceClient,
};
use prost::Message;
use std::{collections::BTreeMap, path::Path, time::Duration};
use tonic::transport::{Channel, Endpoint};

/// A connection and everybody's keys.
pub struct Session {
    network: NetworkId,
    name: String,
    channels: Vec<Channel>,
    turn: usize,
    keys: BTreeMap<(String, String), SecretKey>,
    ids: BTreeMap<String, OrganisationId>,
    /// Greatest height that this session has seen something happen at.
    seen: u64,
}

/// What an act did.
pub struct Done {
    /// Id of the transaction; ids of new objects follow from it.
    pub transaction: octroi_primitives::TransactionId,
    /// The event.
    pub event: pb::event::Event,
}

impl Session {
    /// Connects to the nodes of a development network and opens its keystores.
    pub async fn open(folder: &Path) -> Result<Self> {
        let endpoints = std::fs::read_to_string(folder.join("endpoints"))?;
        let mut channels = Vec::new();
        for endpoint in endpoints.lines() {
            let endpoint = Endpoint::from_shared(endpoint.to_owned())?
                .connect_timeout(Duration::from_secs(5))
                .timeout(Duration::from_secs(90));
            channels.push(endpoint.connect().await?);
        }
        let first = channels.first().context("the file 'endpoints' names no node")?;
        let info = NodeServiceClient::new(first.clone()).get_node_info(pb::GetNodeInfoRequest {}).await?.into_inner();
        let passphrase = std::fs::read_to_string(folder.join("keys/passphrase"))?;
        let mut keys = BTreeMap::new();
        for file in Keyring::new(folder.join("keys")).list()? {
            let meta = &file.public.meta;
            let whose = (meta.organisation_code.to_string(), meta.office.to_string());
            keys.insert(whose, file.unlock(passphrase.trim())?);
        }
        let network = NetworkId::try_from(info.network.as_slice())?;
        Ok(Self { network, name: info.network_name, channels, turn: 0, keys, ids: BTreeMap::new(), seen: 0 })
    }

    /// Another node each time: every one of them answers for all.
    fn channel(&mut self) -> Channel {
        self.turn += 1;
        self.channels[self.turn % self.channels.len()].clone()
    }

    /// Queries, to a node that has what this session has seen: another one may still be a block behind.
    pub async fn funding(&mut self) -> Result<FundingServiceClient<Channel>> {
        Ok(FundingServiceClient::new(self.caught_up().await?))
    }

    /// The next node, once it has reached the height of what was seen.
    async fn caught_up(&mut self) -> Result<Channel> {
        let channel = self.channel();
        let until = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let status =
                NodeServiceClient::new(channel.clone()).get_status(pb::GetStatusRequest {}).await?.into_inner();
            let height = status.at.map_or(0, |at| at.height);
            if height >= self.seen {
                return Ok(channel);
            }
            if std::time::Instant::now() > until {
                bail!("a node stays at height {height}, others are at {}", self.seen);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What keeps a node from being ready, in the node's own words; nothing when all are.
    pub async fn unready(&mut self) -> Result<Option<String>> {
        for (index, channel) in self.channels.iter().enumerate() {
            let status =
                NodeServiceClient::new(channel.clone()).get_status(pb::GetStatusRequest {}).await?.into_inner();
            if !status.ready {
                let failing = status.checks.iter().filter(|check| !check.ok);
                let words: Vec<_> = failing.map(|check| format!("{}: {}", check.name, check.detail)).collect();
                return Ok(Some(format!("node {index}: {}", words.join("; "))));
            }
        }
        Ok(None)
    }

    async fn status(&mut self) -> Result<pb::GetStatusResponse> {
        let channel = self.caught_up().await?;
        Ok(NodeServiceClient::new(channel).get_status(pb::GetStatusRequest {}).await?.into_inner())
    }

    /// Ledger time now, milliseconds: that of the node that is furthest, since one that lags has not seen the last step of the clock.
    pub async fn now(&mut self) -> Result<u64> {
        Ok(self.times().await?.into_iter().max().unwrap_or(0))
    }

    /// Ledger time of every node.
    async fn times(&self) -> Result<Vec<u64>> {
        let mut times = Vec::with_capacity(self.channels.len());
        for channel in &self.channels {
            let status =
                NodeServiceClient::new(channel.clone()).get_status(pb::GetStatusRequest {}).await?.into_inner();
            times.push(status.ledger_time);
        }
        Ok(times)
    }

    /// Height and transactions of the chain.
    pub async fn tip(&mut self) -> Result<(u64, u64)> {
        let status = self.status().await?;
        Ok((status.at.map_or(0, |at| at.height), status.transactions))
    }

    /// Id of an organisation by its code.
    pub fn id(&self, code: &str) -> OrganisationId {
        self.ids.get(code).copied().unwrap_or_else(|| OrganisationId::new(genesis_id("organisation", &self.name, code)))
    }

    /// Remembers an organisation that was registered now, with its keys by office.
    pub fn enter(&mut self, code: &str, id: OrganisationId, keys: Vec<(&str, SecretKey)>) {
        self.ids.insert(code.to_owned(), id);
        for (office, key) in keys {
            self.keys.insert((code.to_owned(), office.to_owned()), key);
        }
    }

    /// Name of the network, which proofs of possession are bound to.
    pub fn network_name(&self) -> &str {
        &self.name
    }

    /// Signs as an office of an organisation, submits, waits for the commit. A refusal is an error with its reason.
    pub async fn act(&mut self, organisation: &str, office: &str, payload: pb::transaction::Payload) -> Result<Done> {
        let what = format!("{organisation}, {office}");
        let now = self.now().await?;
        let mut salt = [0u8; 16];
        getrandom::fill(&mut salt).map_err(|error| anyhow!("no randomness: {error}"))?;
        let body = pb::Transaction {
            network: self.network.as_bytes().to_vec(),
            organisation: self.id(organisation).as_bytes().to_vec(),
            valid_until: now + 10 * 60_000,
            salt: salt.to_vec(),
            payload: Some(payload),
        };
        let transaction = Transaction::from_bytes(&body.encode_to_vec()).with_context(|| what.clone())?;
        let key = self.keys.get(&(organisation.to_owned(), office.to_owned()));
        let signed = transaction.sign(&[key.with_context(|| format!("no key of {what}"))?]);
        let request = pb::SubmitTransactionRequest {
            transaction: Some(signed.to_message()),
            wait_for: pb::WaitFor::Committed.into(),
            max_wait_ms: 30_000,
            preflight: false,
        };
        let response = TransactionServiceClient::new(self.caught_up().await?).submit_transaction(request).await;
        let response = response.map_err(|status| anyhow!("{what}: {}", status.message()))?;
        let status = response.into_inner().status.context("an answer without a status")?;
        self.seen = self.seen.max(status.height);
        match status.outcome.and_then(|receipt| receipt.outcome) {
            Some(pb::receipt::Outcome::Applied(pb::Event { event: Some(event) })) => {
                Ok(Done { transaction: signed.id(), event })
            }
            Some(pb::receipt::Outcome::Refused(_)) => bail!("{what}: {}: {}", status.reason, status.message),
            Some(pb::receipt::Outcome::Applied(_)) | None => {
                bail!("{what}: not committed within 30 s: {}", status.message)
            }
        }
    }

    /// Steps the clock of the network to a time; nothing when it is past already.
    pub async fn advance_to(&mut self, time: u64) -> Result<()> {
        let now = self.now().await?;
        if time > now {
            let step = pb::AdvanceClock { milliseconds: time - now };
            self.act("region", "node", pb::transaction::Payload::AdvanceClock(step)).await?;
        }
        // The step holds from the next block on; the first block after it is made by whatever is due, or by the next act.
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while self.times().await?.into_iter().any(|at| at < time) {
            if std::time::Instant::now() > until {
                bail!("the ledger's clock does not reach {time}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The first event of a kind at or after a height that fits; waits for it.
    pub async fn wait_for(
        &mut self,
        kind: &str,
        from_height: u64,
        fits: impl Fn(&pb::event::Event) -> bool,
    ) -> Result<pb::EventRecord> {
        let request = pb::StreamEventsRequest {
            after_cursor: format!("{}.{}", from_height.saturating_sub(1), u32::MAX),
            filter: Some(pb::EventFilter { kinds: vec![kind.to_owned()], subjects: Vec::new() }),
        };
        let mut events = EventServiceClient::new(self.channel()).stream_events(request).await?.into_inner();
        let wait = async {
            while let Some(response) = events.message().await? {
                let Some(pb::stream_events_response::Item::Event(record)) = response.item else { continue };
                if record.event.as_ref().and_then(|event| event.event.as_ref()).is_some_and(&fits) {
                    return Ok(record);
                }
            }
            bail!("the stream of events ended before a {kind}")
        };
        let record: pb::EventRecord = tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .map_err(|_| anyhow!("no {kind} within a minute"))??;
        self.seen = self.seen.max(record.height);
        Ok(record)
    }
}

impl Session {
    /// The genesis of the network, as the node has it.
    pub async fn genesis(&mut self) -> Result<pb::Genesis> {
        let info = NodeServiceClient::new(self.channel()).get_node_info(pb::GetNodeInfoRequest {}).await?.into_inner();
        Ok(pb::Genesis::decode(info.genesis.as_slice())?)
    }
}
