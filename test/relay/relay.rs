//! A path with delay, loss and a bottleneck, for tests of bulk transfer: a UDP relay on loopback between whoever sends
//! to it first and one node.
//!
//! `relay NODE_ADDRESS DELAY_MS LOSS_PER_MILLION BYTES_PER_SECOND QUEUE_BYTES SEED SECONDS`: delay is one way; a rate
//! of 0 is none. It prints its port, and ends after so many seconds or when its stdin closes; then it prints what it
//! forwarded, lost and dropped. Loss is uniform and the same for the same seed; the queue drops what does not fit.
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use std::{env, thread};

/// The longest datagram that an Ethernet frame carries; longer ones are lost, as on any path through the internet.
const DATAGRAM_BYTES_MAX: usize = 1_472;
/// How often everything looks whether it is time to end.
const TICK: Duration = Duration::from_millis(50);
/// Datagrams that are due within so long go together.
const GATHER: Duration = Duration::from_micros(500);

/// What a path does to datagrams.
#[derive(Clone, Copy)]
struct Path {
    delay: Duration,
    loss_per_million: u64,
    bytes_per_second: f64,
    queue_bytes: f64,
}

#[derive(Default)]
struct Counts {
    forwarded: AtomicU64,
    lost: AtomicU64,
    dropped: AtomicU64,
}

struct Packet {
    due: Instant,
    bytes: Vec<u8>,
}

/// One direction: when the bottleneck is free again, and the draws that decide what is lost.
struct Lane {
    path: Path,
    free_at: Instant,
    random: u64,
}

impl Lane {
    fn new(path: Path, seed: u64) -> Self {
        Self { path, free_at: Instant::now(), random: seed }
    }

    /// When a datagram comes out at the other end; nothing when it does not.
    fn carry(&mut self, length: usize, now: Instant, counts: &Counts) -> Option<Instant> {
        if length > DATAGRAM_BYTES_MAX || self.draw() % 1_000_000 < self.path.loss_per_million {
            counts.lost.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        if self.path.bytes_per_second == 0.0 {
            return Some(now + self.path.delay);
        }
        let start = self.free_at.max(now);
        if (start - now).as_secs_f64() * self.path.bytes_per_second > self.path.queue_bytes {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.free_at = start + Duration::from_secs_f64(length as f64 / self.path.bytes_per_second);
        Some(self.free_at + self.path.delay)
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [node, delay, loss, rate, queue, seed, seconds] = &words[..] else {
        eprintln!("usage: relay NODE DELAY_MS LOSS_PER_MILLION BYTES_PER_SECOND QUEUE_BYTES SEED SECONDS");
        std::process::exit(2);
    };
    let number = |word: &String| word.parse::<u64>().expect("a number");
    let node: SocketAddr = node.parse().expect("an address");
    let path = Path {
        delay: Duration::from_millis(number(delay)),
        loss_per_million: number(loss),
        bytes_per_second: number(rate) as f64,
        queue_bytes: number(queue) as f64,
    };
    let end = Arc::new(AtomicBool::new(false));
    let (front, back) = (socket(), socket());
    back.connect(node).expect("the node's address");
    println!("{}", front.local_addr().expect("a bound socket").port());
    let counts = Arc::new(Counts::default());
    let (there, back_again) = (Lane::new(path, number(seed)), Lane::new(path, !number(seed)));
    let asker = Arc::new(std::sync::Mutex::new(None));
    let threads = [
        direction(there, [&front, &back], (asker.clone(), true), (&counts, &end)),
        direction(back_again, [&back, &front], (asker, false), (&counts, &end)),
    ];
    end_with_stdin(end.clone());
    let until = Instant::now() + Duration::from_secs(number(seconds));
    while Instant::now() < until && !end.load(Ordering::Relaxed) {
        thread::sleep(TICK);
    }
    end.store(true, Ordering::Relaxed);
    for thread in threads.into_iter().flatten() {
        thread.join().expect("a thread that did not panic");
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let Counts { forwarded, lost, dropped } = &*counts;
    println!("forwarded {} lost {} dropped {}", count(forwarded), count(lost), count(dropped));
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(TICK)).expect("a timeout");
    socket
}

/// Who sent first, and whether this direction comes from there.
type Asker = (Arc<std::sync::Mutex<Option<SocketAddr>>>, bool);

/// One thread takes datagrams in, so that the bottleneck is this program's own; another sends them when they are due.
fn direction(
    mut lane: Lane,
    [from, to]: [&UdpSocket; 2],
    (asker, from_asker): Asker,
    (counts, end): (&Arc<Counts>, &Arc<AtomicBool>),
) -> [thread::JoinHandle<()>; 2] {
    let (sender, receiver): (Sender<Packet>, Receiver<Packet>) = channel();
    let clone = |socket: &UdpSocket| socket.try_clone().expect("the same socket");
    let (from, to) = (clone(from), clone(to));
    let (ends, seen, counted) = (end.clone(), asker.clone(), counts.clone());
    let taking = thread::spawn(move || {
        // One byte more than goes on, so that what is cut off is too long as well.
        let mut room = [0; DATAGRAM_BYTES_MAX + 1];
        while !ends.load(Ordering::Relaxed) {
            match from.recv_from(&mut room) {
                Ok((length, source)) => {
                    if from_asker {
                        *seen.lock().expect("no panic") = Some(source);
                    }
                    if let Some(due) = lane.carry(length, Instant::now(), &counted) {
                        let _ = sender.send(Packet { due, bytes: room[..length].to_vec() });
                    }
                }
                // Also a refused datagram of before: whoever is not there yet may come.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    let (ends, counted) = (end.clone(), counts.clone());
    let giving = thread::spawn(move || {
        let mut waiting = VecDeque::new();
        while !ends.load(Ordering::Relaxed) {
            forward(&mut waiting, &receiver);
            while waiting.front().is_some_and(|packet: &Packet| packet.due <= Instant::now()) {
                let Some(packet) = waiting.pop_front() else { break };
                let asker = *asker.lock().expect("no panic");
                // A datagram that cannot be sent is lost, as on any path.
                let _ = match (from_asker, asker) {
                    (false, Some(asker)) => to.send_to(&packet.bytes, asker),
                    _ => to.send(&packet.bytes),
                };
                counted.forwarded.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    [taking, giving]
}

/// Takes over what has come, and waits until the first of it is due: for that moment, not for the next datagram, since
/// each wake-up costs as much as sending one. All that has become due meanwhile then goes at once.
fn forward(waiting: &mut VecDeque<Packet>, receiver: &Receiver<Packet>) {
    waiting.extend(receiver.try_iter());
    let Some(first) = waiting.front() else {
        match receiver.recv_timeout(TICK) {
            Ok(packet) => waiting.push_back(packet),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(TICK),
        }
        return;
    };
    let due = first.due.saturating_duration_since(Instant::now());
    if !due.is_zero() {
        thread::sleep(due.max(GATHER).min(TICK));
    }
}

fn end_with_stdin(end: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut byte = [0];
        while std::io::stdin().read(&mut byte).is_ok_and(|count| count > 0) {}
        end.store(true, Ordering::Relaxed);
    });
}
