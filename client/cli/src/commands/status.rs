//! `octroi status`: the network and the node that answers.

use crate::{
    failure::{Exit, Failure, Result},
    output::Format,
    reads,
    session::Session,
};
use octroi_client::bridge::time_in_words;
use octroi_primitives::BlockTime;
use serde_json::{Value as Json, json};

/// Height of the latest block.
pub async fn height(session: &mut Session) -> Result<u64> {
    let status = reads::ask(session, "NodeService", "GetStatus", &json!({})).await?;
    Ok(status.pointer("/at/height").and_then(Json::as_u64).unwrap_or_default())
}

/// Shows it; a node that is not ready is exit code 10.
pub async fn run(session: &mut Session) -> Result<()> {
    let mut node = reads::ask(session, "NodeService", "GetNodeInfo", &json!({})).await?;
    let mut status = reads::ask(session, "NodeService", "GetStatus", &json!({})).await?;
    if let Some(node) = node.as_object_mut() {
        // The whole genesis is for programs that replay; 'octroi export archive' holds it.
        node.remove("genesis");
    }
    let ready = status["ready"] == json!(true);
    status["node"] = node;
    let (data, node) = (&status, &status["node"]);
    if session.printer.format == Format::Table {
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let time = |value: &Json| value.as_u64().map_or_else(String::new, |time| time_in_words(BlockTime(time)));
        let mut out = format!(
            "network     {} ({}){}\nnode        octroi {}, rules {}\nheight      {} of {}\nledger time {}\nstate root  {}\nmempool     {} transactions, {} bytes\nvalidators  {}, peers connected {}\nready       {}\n",
            text(&node["network_name"]),
            text(&node["network"]),
            if node["dev"] == json!(true) { ", development" } else { "" },
            text(&node["version"]),
            node["rules_version"],
            status["at"]["height"],
            time(&status["at"]["time"]),
            time(&status["ledger_time"]),
            text(&status["at"]["state_root"]),
            status["mempool_transactions"],
            status["mempool_bytes"],
            status["validators"],
            status["peers"],
            if ready { "yes" } else { "no" },
        );
        for check in status["checks"].as_array().into_iter().flatten() {
            let mark = if check["ok"] == json!(true) { "ok " } else { "NOT" };
            out.push_str(&format!("  {mark} {}: {}\n", text(&check["name"]), text(&check["detail"])));
        }
        crate::output::text(&out)?;
    } else if ready {
        session.printer.object(data)?;
    }
    if ready {
        return Ok(());
    }
    let failed: Vec<_> = status["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| check["ok"] != json!(true))
        .map(|check| check["detail"].clone())
        .collect();
    Err(Failure::new(Exit::NotReady, "NODE_NOT_READY", "the node is not ready")
        .value("status", data.clone())
        .value("failed", failed))
}
