//! Unary calls by name, with messages as bytes: what a command line needs that shows every answer as it is.

use crate::{error::ClientError, transport::Client};
use prost::bytes::{Buf, BufMut};
use tonic::{
    Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};

/// Greatest answer that is read, bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

impl Client {
    /// Calls `method` of `service` in package `octroi.v1` with the bytes of its request, and gives those of its answer. Only for reads.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn ask(&self, service: &str, method: &str, request: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        let path: PathAndQuery =
            format!("/octroi.v1.{service}/{method}").parse().map_err(|_| ClientError::Incomplete("no such method"))?;
        self.read(|channel| {
            let (path, request) = (path.clone(), request.clone());
            async move {
                let mut grpc = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
                grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
                grpc.unary(tonic::Request::new(request), path, Bytes).await
            }
        })
        .await
    }
}

/// Bytes as they are.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
