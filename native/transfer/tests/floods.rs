//! Many at once, and those who only want to be in the way.

mod support;

use catalog_transfer::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::*;
use tokio::net::UdpSocket;

/// Carries what askers say to a node, and never what it answers. Also counts the datagrams.
async fn mute(node: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (front.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = count.clone();
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        while let Ok(length) = front.recv(&mut bytes).await {
            let _ = back.send_to(&bytes[..length], node).await;
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, count)
}

fn nobody(number: u64) -> PeerId {
    PeerId::new(contents(32, number).try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_half_open_handshakes_keep_nobody_out() {
    let (seed, honest) = (Node::open(), Node::open());
    let flooder = Node::with(Limits { fetches: 2_000, dialled: 2_000, ..limits() });
    let blob = Blob::new(100, 30);
    seed.keep(&blob, blob.in_memory());
    let (address, count) = mute(seed.endpoint.address()).await;
    let flood = async {
        let fetches: Vec<_> = (0..1_000)
            .map(|number| Provider { peer: nobody(number), address })
            .map(|provider| {
                let fetch = flooder.endpoint.fetch_blob(provider, blob.wanted(), terms());
                Box::pin(fetch)
            })
            .collect();
        let mut set = futures_of(fetches);
        set.poll_all().await;
    };
    let dial = async {
        while count.load(Ordering::SeqCst) < 1_000 {
            tokio::task::yield_now().await;
        }
        timed(honest.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms())).await
    };
    let (fetched, took) = tokio::select! {
        done = within(dial) => done,
        () = flood => panic!("the flood ended before the honest dial"),
    };
    fetched.unwrap();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(seed.endpoint.connections().len(), 1);
}

/// Polls many futures as one, without a task each.
struct All<F>(Vec<std::pin::Pin<Box<F>>>);

fn futures_of<F: Future>(futures: Vec<std::pin::Pin<Box<F>>>) -> All<F> {
    All(futures)
}

impl<F: Future> All<F> {
    async fn poll_all(&mut self) {
        std::future::poll_fn(|context| {
            self.0.retain_mut(|future| future.as_mut().poll(context).is_pending());
            if self.0.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_rate_never_reach_the_owner() {
    let slow = Limits { requests_per_second: 1, ..limits() };
    let (seed, fetcher) = (Node::with(slow), Node::open());
    let blob = Blob::new(100, 31);
    seed.keep(&blob, blob.in_memory());
    let mut codes = vec![];
    for _ in 0..20 {
        let fetch = fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms());
        codes.push(within(fetch).await.err().map(|failure| failure.error.code));
    }
    assert_eq!(codes[..2], [None, None]);
    let asked = seed.asked();
    let busy = codes.iter().filter(|code| **code == Some(Code::PeerBusy)).count();
    assert_eq!(busy + asked, 20);
    assert!(asked < 10, "{asked} requests passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_its_share_of_connections() {
    let seed = Node::with(Limits { connections_per_address: 2, ..limits() });
    let blob = Blob::new(100, 32);
    seed.keep(&blob, blob.in_memory());
    let nodes: Vec<_> = ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"]
        .map(|host| Node::at(host.parse().unwrap(), limits()))
        .into();
    let mut fetched = vec![];
    for node in &nodes {
        let fetch = node.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms());
        fetched.push(within(fetch).await.is_ok());
    }
    assert_eq!(fetched, [true, true, false, true]);
}

async fn at_rest(node: &Node) {
    while node.endpoint.connections().iter().any(|connection| connection.requests > 0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_nothing_makes_room_for_others() {
    let seed = Node::with(Limits { connections: 3, ..limits() });
    let blob = Blob::new(100, 33);
    seed.keep(&blob, blob.in_memory());
    let nodes: Vec<_> = (0..6).map(|_| Node::open()).collect();
    for node in &nodes {
        within(node.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms())).await.unwrap();
        // It has all before the seed knows that it has.
        within(at_rest(&seed)).await;
    }
    assert!(seed.endpoint.connections().len() <= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetcher_keeps_few_connections() {
    let fetcher = Node::with(Limits { dialled: 2, ..limits() });
    let blob = Blob::new(100, 34);
    let seeds: Vec<_> = (0..5).map(|_| Node::open()).collect();
    for seed in &seeds {
        seed.keep(&blob, blob.in_memory());
        within(fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms())).await.unwrap();
    }
    assert!(fetcher.endpoint.connections().len() <= 2);
}
