//! How fast a connection may send: quinn's own controllers, but for the goodbye.
//!
//! quinn-proto up to 0.11.19 holds CONNECTION_CLOSE back for as long as the window is full
//! (<https://github.com/quinn-rs/quinn/issues/2785>), and a window that is full when a connection is closed stays so:
//! the peer of one that sends much would never hear that it has ended. So the window opens before the goodbyes.

use crate::options::Congestion;
use quinn::congestion::{BbrConfig, Controller, ControllerFactory, ControllerMetrics, CubicConfig};
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Beyond what can be in flight; quinn does not pace a window of this size either.
const OPEN: u64 = u64::MAX;

/// Makes controllers whose windows open with this token.
pub(crate) fn factory(
    congestion: Congestion,
    closing: CancellationToken,
) -> Arc<dyn ControllerFactory + Send + Sync> {
    match congestion {
        Congestion::Cubic => Arc::new(Factory { inner: Arc::new(CubicConfig::default()), closing }),
        Congestion::Bbr => Arc::new(Factory { inner: Arc::new(BbrConfig::default()), closing }),
    }
}

struct Factory<F> {
    inner: Arc<F>,
    closing: CancellationToken,
}

impl<F: ControllerFactory> ControllerFactory for Factory<F> {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = self.inner.clone().build(now, current_mtu);
        Box::new(Closing { inner, closing: self.closing.clone() })
    }
}

struct Closing {
    inner: Box<dyn Controller>,
    closing: CancellationToken,
}

impl Controller for Closing {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.inner.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.inner.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        if self.closing.is_cancelled() { OPEN } else { self.inner.window() }
    }

    fn metrics(&self) -> ControllerMetrics {
        self.inner.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { inner: self.inner.clone_box(), closing: self.closing.clone() })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.inner.into_any()
    }
}
