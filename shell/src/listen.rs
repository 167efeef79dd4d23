//! Where a service listens. Beyond loopback only with an identity check.

use std::{net::SocketAddr, path::PathBuf};

use tokio::net::TcpListener;

use crate::gate::Identities;

/// Settings of the listeners.
#[derive(Debug, Clone, clap::Args)]
pub struct ListenArgs {
    /// File of bearer tokens; each line: client name, roles (member-client, notifier, operator, feed) separated by commas,
    /// SHA-256 of the token in hex. Without it everybody who reaches the port may do everything, so only loopback is
    /// allowed
    #[arg(long, env = "TOKENS_FILE")]
    pub tokens_file: Option<PathBuf>,
    /// gRPC calls worked on at once, over all connections, an open stream of invitations to send among them; one more is
    /// refused with UNAVAILABLE
    #[arg(long, env = "MAX_IN_FLIGHT", default_value_t = 2_048, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_in_flight: u32,
    /// Longest time for a gRPC call, in milliseconds; a caller's deadline can only shorten it
    #[arg(long, env = "MAX_CALL_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub max_call_ms: u64,
    /// Longest time that a shutdown waits for calls under way, in milliseconds
    #[arg(long, env = "SHUTDOWN_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub shutdown_ms: u64,
}

impl ListenArgs {
    /// Who may call at `grpc`. The error says what to change.
    pub fn identities(&self, grpc: SocketAddr) -> Result<Identities, String> {
        match &self.tokens_file {
            Some(path) => Identities::from_file(path),
            None if grpc.ip().is_loopback() => Ok(Identities::Loopback),
            None => Err(format!(
                "--grpc-addr {grpc} is beyond loopback and nobody's identity would be checked: \
                 set --tokens-file, or listen on 127.0.0.1"
            )),
        }
    }
}

/// Binds `addr`. The error names the flag that changes it.
pub async fn bind(flag: &str, addr: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(addr)
        .await
        .map_err(|error| format!("cannot listen on {addr}: {error}; choose another address with {flag}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_needs_an_identity_check() {
        let args = ListenArgs {
            tokens_file: None,
            max_in_flight: 1,
            max_call_ms: 1,
            shutdown_ms: 1,
        };
        let at = |text: &str| args.identities(text.parse().expect("an address"));
        assert!(at("127.0.0.1:1").is_ok());
        assert!(at("[::1]:1").is_ok());
        for beyond in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1"] {
            assert!(
                at(beyond).expect_err("refused").contains("--tokens-file"),
                "{beyond}"
            );
        }
    }
}
