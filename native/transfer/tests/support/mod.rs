//! Nodes on loopback for the tests: each with an identity, an owner that keeps blobs in files or in memory, and an
//! account of what the endpoint told it.
#![allow(dead_code, missing_docs)]

use catalog_flow::Gate;
use catalog_transfer::*;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub const CHUNK: usize = CHUNK_BYTES;

pub fn identity() -> Identity {
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let node = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let key = CertificateKey::generate().unwrap();
    let signed = node.sign(&key.statement());
    let peer = PeerId::new(node.public_key().as_ref().try_into().unwrap());
    key.certify(peer, signed.as_ref()).unwrap()
}

pub fn limits() -> Limits {
    Limits {
        connections: 256,
        connections_per_address: 64,
        handshakes_unproven: 32,
        handshakes: 256,
        handshakes_per_address: 16,
        handshake_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(10),
        unused_timeout: Duration::from_secs(60),
        requests_per_connection: 64,
        requests: 1024,
        request_timeout: Duration::from_secs(5),
        requests_per_second: 2000,
        refusal_lifetime: Duration::from_secs(2),
        refusals: 4096,
        send_stall: Duration::from_secs(30),
        send_bytes: 48 << 20,
        send_bytes_per_connection: 16 << 20,
        receive_bytes: 64 << 20,
        receive_bytes_per_connection: 24 << 20,
        fetches: 24,
        dialled: 64,
    }
}

/// Different bytes at every place, from a seed.
pub fn contents(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = vec![0; length];
    for word in bytes.chunks_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (state ^ (state >> 29)).to_le_bytes();
        word.copy_from_slice(&mixed[..word.len()]);
    }
    bytes
}

/// A blob: its bytes, its outline and its root.
#[derive(Clone)]
pub struct Blob {
    pub bytes: Vec<u8>,
    pub outline: Vec<u8>,
    pub root: Id,
}

impl Blob {
    pub fn new(length: usize, seed: u64) -> Self {
        let bytes = contents(length, seed);
        let mut ranges = vec![];
        let mut lengths = vec![];
        for at in (0..length).step_by(CHUNK) {
            let length = CHUNK.min(length - at) as u32;
            ranges.extend([at as u32, length]);
            lengths.push(length);
        }
        let mut outline = vec![0; lengths.len() * ID_BYTES];
        catalog_core::sha256_many(&bytes, &ranges, &mut outline).unwrap();
        let mut root = [0; 32];
        catalog_core::merkle_root(&outline, &lengths, 0, &mut root, None).unwrap();
        Self { bytes, outline, root }
    }

    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn chunks(&self) -> u32 {
        (self.outline.len() / ID_BYTES) as u32
    }

    pub fn wanted(&self) -> Wanted {
        Wanted { root: self.root, release: RELEASE, size: self.size() }
    }

    /// Data and then the outline in one file, after some bytes of something else.
    pub fn store(&self, path: &Path) -> Grant {
        let offset = 100;
        let mut whole = vec![7; offset];
        whole.extend_from_slice(&self.bytes);
        whole.extend_from_slice(&self.outline);
        std::fs::write(path, whole).unwrap();
        let place = |offset| Source::File { path: path.to_owned(), offset };
        Grant {
            id: 0,
            data: place(offset as u64),
            size: self.size(),
            outline: Some(place(offset as u64 + self.size())),
            held: None,
            priority: Priority::Normal,
        }
    }

    pub fn in_memory(&self) -> Grant {
        Grant {
            id: 0,
            data: Source::Memory(self.bytes.clone().into()),
            size: self.size(),
            outline: Some(Source::Memory(self.outline.clone().into())),
            held: None,
            priority: Priority::Normal,
        }
    }
}

pub const RELEASE: Id = [9; 32];

/// An end, as the owner was told of it.
#[derive(Debug)]
pub struct Ended {
    pub id: u64,
    pub sent: u64,
    pub outcome: Outcome,
}

/// An owner that grants what it keeps.
pub struct Keeper {
    pub blobs: Mutex<HashMap<Id, Grant>>,
    pub asked: Mutex<Vec<Asked>>,
    pub absent: Code,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Owner for Keeper {
    fn authorise(&self, asked: Asked) -> Decision<'_> {
        let mut all = self.asked.lock().unwrap();
        all.push(asked);
        let id = all.len() as u64;
        let grant = self.blobs.lock().unwrap().get(&asked.request.root).cloned();
        Box::pin(async move { grant.map(|grant| Grant { id, ..grant }).ok_or(self.absent) })
    }

    fn ended(&self, id: u64, sent: u64, outcome: Outcome) {
        // A test that does not look at ends has dropped the other side.
        let _ = self.ended.send(Ended { id, sent, outcome });
    }
}

pub struct Node {
    pub endpoint: Endpoint,
    pub keeper: Arc<Keeper>,
    pub ended: mpsc::UnboundedReceiver<Ended>,
    pub peer: PeerId,
}

impl Node {
    pub fn open() -> Self {
        Self::with(limits())
    }

    pub fn with(limits: Limits) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), limits)
    }

    pub fn at(host: IpAddr, limits: Limits) -> Self {
        let identity = identity();
        let peer = identity.peer();
        let (sender, ended) = mpsc::unbounded_channel();
        let keeper = Arc::new(Keeper {
            blobs: Mutex::default(),
            asked: Mutex::default(),
            absent: Code::NotFound,
            ended: sender,
        });
        let runtime = tokio::runtime::Handle::current();
        let gate = Gate::new(Default::default(), Default::default(), &runtime);
        let options = Options { identity, host, port: 0, congestion: Congestion::Cubic, gate, limits };
        let endpoint = Endpoint::open(options, keeper.clone(), &runtime).unwrap();
        Self { endpoint, keeper, ended, peer }
    }

    pub fn keep(&self, blob: &Blob, grant: Grant) {
        self.keeper.blobs.lock().unwrap().insert(blob.root, grant);
    }

    pub fn provider(&self) -> Provider {
        Provider { peer: self.peer, address: self.endpoint.address() }
    }

    /// The same node, by way of another address.
    pub fn through(&self, address: SocketAddr) -> Provider {
        Provider { peer: self.peer, address }
    }

    pub fn asked(&self) -> usize {
        self.keeper.asked.lock().unwrap().len()
    }

    pub async fn next_end(&mut self) -> Ended {
        within(self.ended.recv()).await.unwrap()
    }
}

/// Terms that only matter when something is wrong.
pub fn terms() -> Terms {
    Terms {
        stall: Duration::from_secs(8),
        deadline: Duration::from_secs(60),
        priority: Priority::Normal,
        cancel: CancellationToken::new(),
    }
}

pub fn stall_after(milliseconds: u64) -> Terms {
    Terms { stall: Duration::from_millis(milliseconds), ..terms() }
}

/// No test waits for longer than this.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("ends in time")
}

/// The whole blob as one segment, to a fresh file of its length.
pub fn whole(blob: &Blob, path: &Path) -> Job {
    segment(blob, path, 0, blob.chunks())
}

pub fn segment(blob: &Blob, path: &Path, first: u32, count: u32) -> Job {
    if !path.exists() {
        std::fs::write(path, vec![0; 10]).unwrap();
    }
    let ids = first as usize * ID_BYTES..(first + count) as usize * ID_BYTES;
    Job {
        wanted: blob.wanted(),
        first,
        count,
        outline: blob.outline[ids].to_vec(),
        path: path.to_owned(),
        offset: 10,
    }
}

pub fn code_of(end: &End) -> Option<Code> {
    end.failure.as_ref().map(|failure| failure.error.code)
}

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// For measuring how long something honest took.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let done = within(work).await;
    (done, begun.elapsed())
}
