//! Tests against peers that speak QUIC and TLS as they should, and then do what they like.

use crate::tls::Tls;
use crate::transport::{self, Accepting, Shared};
use crate::wire::{self, CHUNK_BYTES, REQUEST_BYTES, Request};
use crate::{Code, Congestion, Provider};
use quinn::{Connection, EndpointConfig, RecvStream, SendStream, TokioRuntime, VarInt};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;
use tokio_util::sync::CancellationToken;

#[path = "../tests/support/mod.rs"]
mod support;

fn raw_endpoint(tls: &Tls) -> quinn::Endpoint {
    let limits = limits();
    let shared =
        Shared { limits: &limits, congestion: Congestion::Cubic, closing: &CancellationToken::new() };
    let accepting = Accepting::new(tls.accepting().unwrap(), shared).any();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    quinn::Endpoint::new(EndpointConfig::default(), Some(accepting), socket, Arc::new(TokioRuntime)).unwrap()
}

/// A provider that answers every request, once it has read it, with a script.
async fn impostor<F>(script: impl Fn(SendStream, RecvStream) -> F + Send + Sync + Clone + 'static) -> Provider
where
    F: Future<Output = ()> + Send,
{
    let identity = identity();
    let endpoint = raw_endpoint(&Tls::new(&identity).unwrap());
    let address = endpoint.local_addr().unwrap();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            let script = script.clone();
            tokio::spawn(async move {
                let Ok(connection) = incoming.await else { return };
                while let Ok((send, mut receive)) = connection.accept_bi().await {
                    let _ = receive.read_exact(&mut [0; REQUEST_BYTES]).await;
                    script(send, receive).await;
                }
            });
        }
    });
    Provider { peer: identity.peer(), address }
}

/// What an asker makes of a reply of these bytes and an end.
async fn made_of(reply: Vec<u8>, blob: &Blob) -> (u32, Code) {
    let folder = Folder::new();
    let provider = impostor(move |mut send, _| {
        let reply = reply.clone();
        async move {
            let _ = send.write_all(&reply).await;
            let _ = send.finish();
        }
    })
    .await;
    let fetcher = Node::open();
    let segment = fetcher.endpoint.fetch_segment(provider, whole(blob, &folder.path("target")), terms());
    let end = within(segment.end()).await;
    (end.chunks, code_of(&end).expect("it is refused"))
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_another_length_are_refused() {
    let blob = Blob::new(3 * CHUNK + 5, 40);
    let head = |size: u64| wire::encode_head(size).to_vec();
    let good = [head(blob.size()), blob.bytes.clone()].concat();
    let longer = [&good[..], &[0]].concat();
    assert_eq!(made_of(longer, &blob).await, (4, Code::PeerProtocol));
    assert_eq!(made_of(good[..good.len() - 1].to_vec(), &blob).await.1, Code::PeerProtocol);
    assert_eq!(made_of(good[..9].to_vec(), &blob).await, (0, Code::PeerProtocol));
    assert_eq!(made_of(good[..5].to_vec(), &blob).await, (0, Code::PeerProtocol));
    assert_eq!(made_of(vec![], &blob).await, (0, Code::PeerProtocol));
    let other = [head(blob.size() + 1), blob.bytes.clone()].concat();
    assert_eq!(made_of(other, &blob).await, (0, Code::PeerProtocol));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_codes() {
    let blob = Blob::new(100, 41);
    let codes = [Code::NotFound, Code::Refused, Code::PeerBusy, Code::LimitExceeded, Code::PeerProtocol];
    for code in codes {
        assert_eq!(made_of(vec![wire::status_of(code)], &blob).await, (0, code));
    }
    assert_eq!(made_of(vec![200], &blob).await, (0, Code::Internal));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_stream_keeps_what_was_verified_and_the_connection() {
    let folder = Folder::new();
    let blob = Blob::new(40 * CHUNK, 42);
    let whole_reply = [&wire::encode_head(blob.size())[..], &blob.bytes].concat();
    let half = whole_reply.len() / 2;
    let asked = Arc::new(AtomicUsize::new(0));
    let provider = impostor(move |mut send, _| {
        let reply = whole_reply.clone();
        let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let _ = send.write_all(if is_first { &reply[..half] } else { &reply }).await;
            let _ = if is_first { send.reset(VarInt::from_u32(3)) } else { send.finish() };
        }
    })
    .await;
    let fetcher = Node::open();
    let fetch = || fetcher.endpoint.fetch_segment(provider, whole(&blob, &folder.path("target")), terms());
    let end = within(fetch().end()).await;
    assert_eq!(code_of(&end), Some(Code::PeerBusy));
    assert!(end.chunks <= 20 && end.bytes == u64::from(end.chunks) * CHUNK_BYTES as u64);
    let link = || fetcher.endpoint.connections().into_iter().map(|each| each.received).collect::<Vec<_>>();
    let before = link();
    let end = within(fetch().end()).await;
    assert_eq!((end.chunks, code_of(&end)), (40, None));
    assert!(before.len() == 1 && link() == [before[0] + 9 + blob.size()], "it is the same connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_only_trickles_has_stalled() {
    let folder = Folder::new();
    let blob = Blob::new(10 * CHUNK, 43);
    let provider = impostor(move |mut send, _| async move {
        let _ = send.write_all(&wire::encode_head(10 * CHUNK as u64)).await;
        // Never a whole chunk, but never silent either.
        for _ in 0..CHUNK_BYTES - 1 {
            if send.write_all(&[0]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let fetcher = Node::open();
    let job = whole(&blob, &folder.path("target"));
    let (end, took) = timed(fetcher.endpoint.fetch_segment(provider, job, stall_after(300)).end()).await;
    assert_eq!((end.chunks, code_of(&end)), (0, Some(Code::PeerTimeout)));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// A connection to a node, by somebody with an identity of its own.
async fn stranger(node: &Node) -> (quinn::Endpoint, Connection) {
    let tls = Tls::new(&identity()).unwrap();
    let endpoint = raw_endpoint(&tls);
    let limits = limits();
    let shared =
        Shared { limits: &limits, congestion: Congestion::Cubic, closing: &CancellationToken::new() };
    let config = transport::dialling(tls.dialling(node.peer).unwrap(), shared, node.endpoint.address().ip());
    let connecting = endpoint.connect_with(config, node.endpoint.address(), "peer").unwrap();
    let connection = within(connecting).await.unwrap();
    (endpoint, connection)
}

/// What a node answers to these bytes.
async fn answer_to(connection: &Connection, bytes: &[u8], end: bool) -> Vec<u8> {
    let (mut send, mut receive) = within(connection.open_bi()).await.unwrap();
    send.write_all(bytes).await.unwrap();
    if end {
        send.finish().unwrap();
    }
    within(receive.read_to_end(1000)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_unfinished_requests_are_refused() {
    let node = Node::with(crate::Limits { request_timeout: Duration::from_millis(200), ..limits() });
    let blob = Blob::new(100, 44);
    node.keep(&blob, blob.in_memory());
    let request =
        Request { outline: false, data: true, root: blob.root, release: RELEASE, first: 0, count: 1 };
    let good = request.encode();
    let (_endpoint, connection) = stranger(&node).await;
    let refused = vec![wire::status_of(Code::PeerProtocol)];
    assert_eq!(answer_to(&connection, &good, true).await.len(), 9 + 100);
    assert_eq!(answer_to(&connection, &good[..75], true).await, refused);
    assert_eq!(answer_to(&connection, &[&good[..], &[0]].concat(), true).await, refused);
    assert_eq!(answer_to(&connection, &[0xff; REQUEST_BYTES], true).await, refused);
    assert_eq!(answer_to(&connection, &good, false).await, refused);
    assert_eq!(answer_to(&connection, &good[..10], false).await, refused);
    let beyond = Request { first: 1, ..request }.encode();
    assert_eq!(answer_to(&connection, &beyond, true).await, [wire::status_of(Code::NotFound)]);
    assert_eq!(node.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_more_streams_than_there_are() {
    let node = Node::with(crate::Limits { requests_per_connection: 4, ..limits() });
    let (_endpoint, connection) = stranger(&node).await;
    let mut open = vec![];
    for _ in 0..4 {
        open.push(within(connection.open_bi()).await.unwrap());
    }
    assert!(tokio::time::timeout(Duration::from_millis(300), connection.open_bi()).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(300), connection.open_uni()).await.is_err());
}
