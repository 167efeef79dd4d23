//! What `make run` can be told, all of it through the environment.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::bail;

/// Settings of `dev run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Where data, mail and logs are kept
    #[arg(long, default_value = ".run")]
    pub(crate) directory: PathBuf,
    /// Postgres of invitations-svc; without it a private one is started
    #[arg(long, env = "INVITATIONS_DATABASE_URL", hide_env_values = true)]
    pub(crate) invitations_database_url: Option<String>,
    /// Postgres of notify-svc; without it a private one is started
    #[arg(long, env = "NOTIFY_DATABASE_URL", hide_env_values = true)]
    pub(crate) notify_database_url: Option<String>,
    #[command(flatten)]
    pub(crate) addresses: Addresses,
}

/// Where the services listen.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Addresses {
    /// gRPC of invitations-svc
    #[arg(long, env = "INVITATIONS_GRPC_ADDR", default_value = "127.0.0.1:50051")]
    pub(crate) invitations_grpc: SocketAddr,
    /// Pages of invitations-svc
    #[arg(long, env = "INVITATIONS_HTTP_ADDR", default_value = "127.0.0.1:8081")]
    pub(crate) invitations_http: SocketAddr,
    /// gRPC of notify-svc
    #[arg(long, env = "NOTIFY_GRPC_ADDR", default_value = "127.0.0.1:50052")]
    pub(crate) notify_grpc: SocketAddr,
    /// Pages of notify-svc
    #[arg(long, env = "NOTIFY_HTTP_ADDR", default_value = "127.0.0.1:8082")]
    pub(crate) notify_http: SocketAddr,
}

impl Addresses {
    /// Refuses an address that cannot be listened on, and says how to choose another.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let all = [
            (
                "gRPC of invitations-svc",
                "INVITATIONS_GRPC_ADDR",
                self.invitations_grpc,
            ),
            (
                "pages of invitations-svc",
                "INVITATIONS_HTTP_ADDR",
                self.invitations_http,
            ),
            ("gRPC of notify-svc", "NOTIFY_GRPC_ADDR", self.notify_grpc),
            ("pages of notify-svc", "NOTIFY_HTTP_ADDR", self.notify_http),
        ];
        let mut bound = Vec::new();
        for (what, variable, address) in all {
            match TcpListener::bind(address) {
                Ok(listener) => bound.push(listener),
                Err(error) => {
                    let other = SocketAddr::new(address.ip(), address.port().wrapping_add(1_000).max(1_024));
                    bail!(
                        "cannot listen on {address} ({what}): {error}\nChoose another: {variable}={other} make run"
                    );
                }
            }
        }
        Ok(())
    }
}
