//! Ports that nobody listens on.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// First port to try, and how many follow. They lie below the range that the kernel takes ports of outgoing
/// connections from: a client that tries again and again while its server is down would in time get the server's
/// own port and connect to itself.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// An address of loopback that was free a moment ago and that this process will not hand out again soon.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(64);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}
