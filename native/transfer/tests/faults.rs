//! What goes wrong at one end, and what the other makes of it.

mod support;

use catalog_transfer::*;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::*;
use tokio::net::UdpSocket;

/// Changes one byte of a chunk in a stored blob.
fn spoil(path: &Path, chunk: usize) {
    use std::os::unix::fs::FileExt;
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let at = (100 + chunk * CHUNK + 77) as u64;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_is_found_before_it_is_written() {
    let folder = Folder::new();
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(1_010 * CHUNK, 20);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    spoil(&folder.path("seed"), 1_000);
    let target = folder.path("target");
    let job = segment(&blob, &target, 3, 1_007);
    let end = within(fetcher.endpoint.fetch_segment(seed.provider(), job, terms()).end()).await;
    let failure = end.failure.unwrap();
    assert_eq!((failure.error.code, failure.lie), (Code::BlobCorrupt, Some(1_000)));
    assert_eq!((end.chunks, end.bytes), (997, 997 * CHUNK as u64));
    let written = std::fs::read(&target).unwrap();
    assert_eq!(written.len(), 10 + 1_000 * CHUNK);
    assert!(written[10 + 3 * CHUNK..] == blob.bytes[3 * CHUNK..1_000 * CHUNK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_in_a_small_blob_or_its_outline_is_found() {
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(3 * CHUNK, 21);
    let mut bytes = blob.bytes.clone();
    bytes[CHUNK] ^= 1;
    seed.keep(&blob, Grant { data: Source::Memory(bytes.into()), ..blob.in_memory() });
    let fetch = || fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms());
    assert_eq!(within(fetch()).await.unwrap_err().error.code, Code::BlobCorrupt);
    let outline = Some(Source::Memory(vec![0; 3 * ID_BYTES].into()));
    seed.keep(&blob, Grant { outline, ..blob.in_memory() });
    assert_eq!(within(fetch()).await.unwrap_err().error.code, Code::BlobCorrupt);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_short_or_gone_breaks_the_reply_off() {
    let folder = Folder::new();
    let (mut seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(40 * CHUNK, 22);
    let path = folder.path("seed");
    seed.keep(&blob, blob.store(&path));
    OpenOptions::new().write(true).open(&path).unwrap().set_len((100 + 30 * CHUNK) as u64).unwrap();
    for goes in ["cut short", "gone"] {
        let job = whole(&blob, &folder.path("target"));
        let end = within(fetcher.endpoint.fetch_segment(seed.provider(), job, terms()).end()).await;
        assert_eq!(code_of(&end), Some(Code::Internal), "{goes}: {end:?}");
        assert!(end.chunks <= 30);
        let Outcome::Failed(error) = seed.next_end().await.outcome else { panic!("{goes}") };
        assert_eq!(error.code, Code::FileUnreadable);
        if path.exists() {
            std::fs::remove_file(&path).unwrap();
        }
    }
    let blob = Blob::new(100, 23);
    seed.keep(&blob, blob.in_memory());
    within(fetcher.endpoint.fetch_blob(seed.provider(), blob.wanted(), terms())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_disk_here_is_not_the_peers_fault() {
    let folder = Folder::new();
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(40 * CHUNK, 24);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let fetch = |path: &Path| {
        let job = Job { path: path.to_owned(), ..whole(&blob, &folder.path("target")) };
        fetcher.endpoint.fetch_segment(seed.provider(), job, terms()).end()
    };
    assert_eq!(code_of(&within(fetch(Path::new("/dev/full"))).await), Some(Code::DiskFull));
    assert_eq!(code_of(&within(fetch(&folder.path("absent"))).await), Some(Code::StoreFailed));
    assert_eq!(code_of(&within(fetch(folder.0.path())).await), Some(Code::StoreFailed));
    assert!(within(fetch(&folder.path("target"))).await.failure.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_segment_tells_what_it_has() {
    let folder = Folder::new();
    let (mut seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(64 * 1024 * 1024, 25);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let target = folder.path("target");
    let segment = fetcher.endpoint.fetch_segment(seed.provider(), whole(&blob, &target), terms());
    let progress = segment.progress();
    within(async {
        while progress.chunks() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    segment.cancel();
    let end = within(segment.end()).await;
    assert_eq!(code_of(&end), Some(Code::Aborted));
    assert!(end.chunks >= 16 && end.bytes == u64::from(end.chunks) * CHUNK as u64);
    let length = std::fs::metadata(&target).unwrap().len();
    assert_eq!(length, 10 + end.bytes);
    assert!(matches!(seed.next_end().await.outcome, Outcome::Failed(_)));
}

/// Carries datagrams between one asker and a node until it is told to fall silent.
async fn carrier(node: std::net::SocketAddr, silent: Arc<std::sync::atomic::AtomicBool>) -> std::net::SocketAddr {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    back.connect(node).await.unwrap();
    let address = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut there, mut here) = ([0; 2048], [0; 2048]);
        let mut asker = None;
        loop {
            let (socket, to, bytes) = tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    asker = Some(from);
                    (&back, node, &there[..length])
                }
                Ok(length) = back.recv(&mut here) => {
                    let Some(asker) = asker else { continue };
                    (&front, asker, &here[..length])
                }
            };
            if silent.load(std::sync::atomic::Ordering::SeqCst) {
                continue;
            }
            // Lost now and then, as datagrams are.
            let _ = if std::ptr::eq(socket, &back) { back.send(bytes).await } else { front.send_to(bytes, to).await };
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_falls_silent_has_stalled() {
    let folder = Folder::new();
    let silent = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (seed, fetcher) = (Node::open(), Node::open());
    let blob = Blob::new(256 * 1024 * 1024, 26);
    seed.keep(&blob, blob.store(&folder.path("seed")));
    let address = carrier(seed.endpoint.address(), silent.clone()).await;
    let job = whole(&blob, &folder.path("target"));
    let segment = fetcher.endpoint.fetch_segment(seed.through(address), job, stall_after(500));
    let progress = segment.progress();
    within(async {
        while progress.chunks() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    silent.store(true, std::sync::atomic::Ordering::SeqCst);
    let (end, took) = timed(segment.end()).await;
    assert_eq!(code_of(&end), Some(Code::PeerTimeout));
    assert!(end.chunks > 0 && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_an_address_is_an_answer_in_time() {
    let quick = Limits { handshake_timeout: Duration::from_millis(200), ..limits() };
    let (fetcher, nobody) = (Node::with(quick), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let provider = Provider { peer: fetcher.peer, address: nobody.local_addr().unwrap() };
    let blob = Blob::new(100, 27);
    let fetches: Vec<_> =
        (0..8).map(|_| fetcher.endpoint.fetch_blob(provider, blob.wanted(), terms())).collect();
    let (codes, took) = timed(async {
        let mut codes = vec![];
        for fetch in fetches {
            codes.push(fetch.await.unwrap_err().error.code);
        }
        codes
    })
    .await;
    assert_eq!(codes, [Code::PeerUnreachable; 8]);
    assert!(took < Duration::from_secs(10), "{took:?}");
}
