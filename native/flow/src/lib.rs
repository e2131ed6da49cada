//! Who may move bytes next, in either direction: rate limits, priorities and fair shares.
//!
//! [`Scheduler`] decides, for one direction. It is pure: time comes in as nanoseconds of any monotonic clock, so that
//! tests drive it through hours in milliseconds. [`Gate`] stands before it: one for a node, with both directions, for
//! everything that moves bytes.
//!
//! ```
//! # use catalog_flow::{Direction, Gate, Lane, Limits, Priority};
//! # async fn send(gate: &Gate) -> Result<(), catalog_flow::FlowError> {
//! let lane = Lane::new("192.0.2.7".parse().unwrap(), b"its peer id", Priority::Normal);
//! let permit = gate.acquire(Direction::Up, &lane, 65_536).await?;
//! // Write the bytes to the connection, then:
//! drop(permit);
//! # Ok(())
//! # }
//! ```
//!
//! - **Sending**: acquire before a piece is written, and drop the permit when the connection has taken it.
//! - **Receiving**: acquire for a piece that has been read, before the next one is read. Acquired earlier, permits
//!   could be held by streams whose bytes wait behind those of others.
//! - Pieces are at most [`REQUEST_BYTES_MAX`] long; [`Gate::piece_bytes`] tells what suits the limits in force.
//! - Dropping the future of `acquire` gives the place up. It has no deadline: whoever waits has one of their own.

#![forbid(unsafe_code)]

mod bucket;
mod gate;
mod lane;
mod limits;
mod recent;
mod scheduler;
mod table;
mod turns;

pub use gate::{Direction, Gate, Pending, Permit, Snapshot};
pub use lane::{Lane, PEER_BYTES_MAX, Priority, is_local};
pub use limits::{BURST_BYTES, BURST_NS, Limits, REQUEST_BYTES_MAX, Rate};
pub use scheduler::{
    ADDRESS_SERVICE_BYTES, FlowError, PEER_SERVICE_BYTES, SERVICE_BYTES, STUCK_NS, Scheduler, Ticket,
    Traffic, WAITING_MAX, WAITING_PER_ADDRESS_MAX, WAITING_PER_PEER_MAX,
};
