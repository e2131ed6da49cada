//! What arrives between two honest nodes, and what each of them is told.

mod support;

use catalog_transfer::*;
use std::time::Duration;
use support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_lands_in_its_place() {
    let folder = Folder::new();
    let (mut seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(5 * 1024 * 1024 + 123, 1);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let target = folder.path("target");
    let job = whole(&blob, &target);
    let segment = fetcher.endpoint.fetch_segment(seed.provider(), job, terms());
    let progress = segment.progress();
    let end = within(segment.end()).await;
    assert!(end.failure.is_none(), "{:?}", end.failure);
    assert_eq!((end.chunks, end.bytes), (blob.chunks(), blob.size()));
    assert_eq!((progress.chunks(), progress.bytes()), (end.chunks, end.bytes));
    let written = std::fs::read(&target).unwrap();
    assert!(written[..10] == [0; 10] && written[10..] == blob.bytes);
    let ended = seed.next_end().await;
    assert!(matches!(ended.outcome, Outcome::Complete), "{ended:?}");
    assert_eq!(ended.sent, blob.size());
    let asked = seed.keeper.asked.lock().unwrap()[0];
    assert_eq!((asked.peer, asked.address), (fetcher.peer, "127.0.0.1".parse().unwrap()));
    assert_eq!((asked.request.release, asked.request.first), (RELEASE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_segments_share_one_connection() {
    let folder = Folder::new();
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(40 * CHUNK - 1, 2);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let target = folder.path("target");
    std::fs::write(&target, [0; 10]).unwrap();
    let segments: Vec<_> = (0..20)
        .map(|at| segment(&blob, &target, at * 2, 2))
        .map(|job| fetcher.endpoint.fetch_segment(seed.provider(), job, terms()))
        .collect();
    for segment in segments {
        let end = within(segment.end()).await;
        assert!(end.failure.is_none(), "{:?}", end.failure);
    }
    assert!(std::fs::read(&target).unwrap()[10..] == blob.bytes);
    let connections = seed.endpoint.connections();
    assert_eq!(connections.len(), 1);
    assert_eq!((connections[0].peer, connections[0].sent), (fetcher.peer, blob.size()));
    assert!(connections[0].inbound && !fetcher.endpoint.connections()[0].inbound);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_on_one_machine_are_longer_than_those_of_the_internet() {
    let folder = Folder::new();
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(200 * CHUNK, 4);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let end = within(
        fetcher.endpoint.fetch_segment(seed.provider(), whole(&blob, &folder.path("target")), terms()).end(),
    )
    .await;
    assert!(end.failure.is_none(), "{:?}", end.failure);
    assert!(seed.endpoint.connections()[0].packet_bytes > 6_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outline_comes_by_ranges() {
    let folder = Folder::new();
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(30 * CHUNK, 3);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let fetch = |range| fetcher.endpoint.fetch_outline(seed.provider(), blob.wanted(), range, terms());
    assert_eq!(within(fetch((0, 30))).await.unwrap(), blob.outline);
    assert_eq!(within(fetch((28, 2))).await.unwrap(), blob.outline[28 * ID_BYTES..]);
    assert_eq!(within(fetch((29, 2))).await.unwrap_err().code, Code::Usage);
    assert_eq!(within(fetch((0, 0))).await.unwrap_err().code, Code::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_blob_comes_whole_from_disk_or_memory() {
    let folder = Folder::new();
    let (mut seed, fetcher) = (Node::open(), Node::open());
    for (length, seed_number) in [(1, 4), (CHUNK, 5), (CHUNK + 1, 6), (1024 * 1024, 7)] {
        let blob = Blob::new(length, seed_number);
        for grant in [blob.in_memory(), blob.store(&folder.path("seed"))] {
            seed.keep(&blob, grant);
            let fetch = fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms());
            let Whole { outline, bytes } = within(fetch).await.unwrap();
            assert!(outline == blob.outline && bytes == blob.bytes);
            let ended = seed.next_end().await;
            assert_eq!(ended.sent, blob.size() + blob.outline.len() as u64);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_small_blobs_come_quickly() {
    let (seed, fetcher) = (Node::open(), Node::open());
    let blobs: Vec<_> = (0..200).map(|number| Blob::new(5_000, 1_000 + number)).collect();
    for blob in &blobs {
        seed.keep(blob, blob.in_memory());
    }
    for batch in blobs.chunks(20) {
        let fetches =
            batch.iter().map(|blob| fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms()));
        for fetch in fetches {
            within(fetch).await.unwrap();
        }
    }
    assert_eq!(seed.endpoint.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_holder_sends_only_what_it_has_verified() {
    let folder = Folder::new();
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(12 * CHUNK, 8);
    let held = Some(vec![0b1111_0000, 0b0000_0011]);
    seed.keep(&blob, Grant { held, ..blob.store(&folder.path("seed")) });
    let target = folder.path("target");
    let fetch = |first, count| {
        let job = segment(&blob, &target, first, count);
        fetcher.endpoint.fetch_segment(seed.provider(), job, terms()).end()
    };
    assert!(within(fetch(4, 6)).await.failure.is_none());
    assert_eq!(code_of(&within(fetch(3, 2)).await), Some(Code::NotFound));
    assert_eq!(code_of(&within(fetch(9, 2)).await), Some(Code::NotFound));
    assert!(std::fs::read(&target).unwrap()[10 + 4 * CHUNK..] == blob.bytes[4 * CHUNK..10 * CHUNK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_remembered_until_it_is_forgotten() {
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(100, 9);
    let fetch = || fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms());
    assert_eq!(within(fetch()).await.unwrap_err().error.code, Code::NotFound);
    seed.keep(&blob, blob.in_memory());
    assert_eq!(within(fetch()).await.unwrap_err().error.code, Code::NotFound);
    assert_eq!(seed.asked(), 1);
    seed.endpoint.forget_refusals();
    assert!(within(fetch()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_peer_than_the_expected_one_is_not_asked() {
    let (seed, fetcher, stranger) = (Node::open(), Node::open(), Node::open());
    let blob = Blob::new(100, 10);
    seed.keep(&blob, blob.in_memory());
    let wrong = Provider { peer: stranger.peer, address: seed.endpoint.address() };
    let fetch = fetcher.endpoint.fetch_blob(wrong, blob.wanted(), terms());
    assert_eq!(within(fetch).await.unwrap_err().error.code, Code::PeerUnreachable);
    assert_eq!(seed.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_connections_are_closed_and_made_again() {
    let quick = Limits { unused_timeout: Duration::from_millis(50), ..limits() };
    let (seed, fetcher) = (Node::open(), Node::with(quick));
    let blob = Blob::new(100, 11);
    seed.keep(&blob, blob.in_memory());
    for _ in 0..2 {
        within(fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms())).await.unwrap();
        within(async {
            while !seed.endpoint.connections().is_empty() || !fetcher.endpoint.connections().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_what_is_under_way_and_frees_the_port() {
    let folder = Folder::new();
    let (mut seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(64 * 1024 * 1024, 12);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let job = whole(&blob, &folder.path("target"));
    let segment = fetcher.endpoint.fetch_segment(seed.provider(), job, terms());
    let progress = segment.progress();
    within(async {
        while progress.chunks() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(seed.endpoint.close()).await;
    let end = within(segment.end()).await;
    assert!(matches!(code_of(&end), Some(Code::PeerUnreachable)), "{end:?}");
    assert_eq!((end.chunks, end.bytes), (progress.chunks(), progress.bytes()));
    assert!(matches!(seed.next_end().await.outcome, Outcome::Failed(_)));
    std::net::UdpSocket::bind(seed.endpoint.address()).expect("the port is free");
    within(fetcher.endpoint.close()).await;
    let fetch = fetcher.endpoint.fetch_blob(seed.provider(), Blob::new(1, 1).wanted(), terms());
    assert_eq!(within(fetch).await.unwrap_err().error.code, Code::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_tells_who_asks_for_nothing_and_frees_the_port() {
    let hour = Duration::from_secs(3_600);
    let patient = || Node::with(Limits { idle_timeout: hour, unused_timeout: hour, ..limits() });
    let (seed, fetcher) = (patient(), patient());
    let blob = Blob::new(100, 13);
    seed.keep(&blob, blob.in_memory());
    within(fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms())).await.unwrap();
    within(seed.endpoint.close()).await;
    std::net::UdpSocket::bind(seed.endpoint.address()).expect("the port is free");
    // Neither silence nor disuse would end it in the time of this test.
    within(async {
        while !fetcher.endpoint.connections().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
