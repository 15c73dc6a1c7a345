//! A hostile client gets an answer, and nothing more than its share.

use crate::chain::*;
use octroi_proto::v1::{
    self as pb, event_service_client::EventServiceClient, node_service_client::NodeServiceClient,
    transaction_service_client::TransactionServiceClient,
};
use octroi_rpc::{Limits, Rate, ServeConfig, ServeError, Server};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_ten_megabytes_is_not_read() {
    let (_node, _served, channel) = served().await;
    let mut client = TransactionServiceClient::new(channel.clone());
    let huge = pb::SignedTransaction { body: vec![0; 10 << 20], signatures: vec![] };
    let asked = pb::SubmitTransactionRequest { transaction: Some(huge.clone()), ..Default::default() };
    assert!(client.submit_transaction(asked).await.is_err());
    let asked = pb::SubmitTransactionsRequest { transactions: vec![huge], ..Default::default() };
    assert_eq!(client.submit_transactions(asked).await.unwrap_err().code(), Code::OutOfRange);
    // The connection and the node go on.
    let mut node = NodeServiceClient::new(channel);
    assert!(node.get_status(pb::GetStatusRequest {}).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_served_is_unimplemented() {
    let (_node, served, channel) = served().await;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = "/octroi.v1.NodeService/ShutDown".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<pb::GetStatusRequest, pb::GetStatusResponse>::default();
    let status = client.unary(Request::new(pb::GetStatusRequest {}), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(served.metrics.requests().iter().any(|sample| sample.code == "unimplemented"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_subscriptions_over_the_bound_are_turned_away_and_make_room_when_they_end() {
    let node = Node::new();
    let limits = Limits { connections_each: 2, subscriptions: 1, ..Default::default() };
    let served = Served::new(&node, limits).await;
    let first = served.channel().await;
    let mut events = EventServiceClient::new(first.clone());
    let stream = events.stream_events(pb::StreamEventsRequest::default()).await.unwrap();
    let refused = events.stream_events(pb::StreamEventsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(stream);
    let mut again = Err(refused);
    for _ in 0..100 {
        again = events.stream_events(pb::StreamEventsRequest::default()).await;
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(again.is_ok());
    let _second = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let mut third = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(5), third.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "the third is closed");
    assert_eq!(served.metrics.refused_connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_streams_than_allowed_wait_for_their_turn_and_do_not_break_the_connection() {
    let node = Node::new();
    let served = Served::new(&node, Limits { streams: 4, ..Default::default() }).await;
    let mut client = NodeServiceClient::new(served.channel().await);
    // The client knows the bound from the first answer on.
    client.get_status(pb::GetStatusRequest {}).await.unwrap();
    let calls = (0..64).map(|_| {
        let mut client = client.clone();
        async move { client.get_status(pb::GetStatusRequest {}).await }
    });
    assert!(futures::future::join_all(calls).await.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_over_its_rate_is_told_when_to_come_again() {
    let node = Node::new();
    let limits = Limits { request_rate: Rate { each_second: 1, burst: 3 }, ..Default::default() };
    let served = Served::new(&node, limits).await;
    let mut client = NodeServiceClient::new(served.channel().await);
    for _ in 0..3 {
        client.get_status(pb::GetStatusRequest {}).await.unwrap();
    }
    let status = client.get_status(pb::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let wait = tonic_types::StatusExt::get_details_retry_info(&status).unwrap().retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_readiness_and_reflection_knows_the_services() {
    let (node, _served, channel) = served().await;
    let mut health = HealthClient::new(channel.clone());
    let mut status_of = async |service: &str| {
        let asked = HealthCheckRequest { service: service.into() };
        health.check(asked).await.unwrap().into_inner().status()
    };
    assert_eq!(status_of("").await, ServingStatus::Serving);
    assert_eq!(status_of("octroi.v1.FundingService").await, ServingStatus::Serving);
    node.ready.send_replace(false);
    let mut status = ServingStatus::Serving;
    for _ in 0..100 {
        status = status_of("").await;
        if status == ServingStatus::NotServing {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(status, ServingStatus::NotServing);
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(channel).server_reflection_info(tokio_stream::iter([asked])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else { panic!("a list") };
    let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    for name in
        ["TransactionService", "LedgerService", "FundingService", "EventService", "NodeService", "ArchiveService"]
    {
        assert!(names.contains(&format!("octroi.v1.{name}")), "{name} in {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_web_is_answered_over_http_1_on_the_same_port() {
    let (_node, served, _) = served().await;
    let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let request = "POST /octroi.v1.NodeService/GetStatus HTTP/1.1\r\nhost: localhost\r\n\
                   content-type: application/grpc-web+proto\r\ncontent-length: 5\r\nconnection: close\r\n\r\n\0\0\0\0\0";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("grpc-status:0"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_has_an_error_of_its_own() {
    let (_node, served, _) = served().await;
    let taken = Server::bind(ServeConfig::new(served.address)).await;
    assert!(matches!(taken, Err(ServeError::AddressInUse(address)) if address == served.address));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_streams_with_a_reason_and_then_the_server() {
    let (_node, mut served, channel) = served().await;
    let mut client = EventServiceClient::new(channel.clone());
    let mut events = client.stream_events(pb::StreamEventsRequest::default()).await.unwrap().into_inner();
    assert!(events.message().await.unwrap().is_some(), "a heartbeat first");
    served.stop();
    assert_eq!(events.message().await.unwrap_err().code(), Code::Unavailable);
    drop((client, channel, events));
    tokio::time::timeout(Duration::from_secs(10), served.ended()).await.unwrap().unwrap();
}
