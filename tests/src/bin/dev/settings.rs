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
    #[arg(long, env = "INVITATIONS_GRPC_ADDR", value_parser = address, default_value = "127.0.0.1:50051")]
    pub(crate) invitations_grpc: SocketAddr,
    /// Pages of invitations-svc
    #[arg(long, env = "INVITATIONS_HTTP_ADDR", value_parser = address, default_value = "127.0.0.1:8081")]
    pub(crate) invitations_http: SocketAddr,
    /// gRPC of notify-svc
    #[arg(long, env = "NOTIFY_GRPC_ADDR", value_parser = address, default_value = "127.0.0.1:50052")]
    pub(crate) notify_grpc: SocketAddr,
    /// Pages of notify-svc
    #[arg(long, env = "NOTIFY_HTTP_ADDR", value_parser = address, default_value = "127.0.0.1:8082")]
    pub(crate) notify_http: SocketAddr,
}

impl Addresses {
    /// Refuses addresses that cannot be listened on, and says in one line how to choose others.
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
        let (mut wrong, mut line) = (Vec::new(), Vec::new());
        for (at, (what, variable, address)) in all.into_iter().enumerate() {
            let twin = all[..at].iter().find(|(_, _, other)| *other == address);
            let error = match (twin, TcpListener::bind(address)) {
                (None, Ok(listener)) => {
                    bound.push(listener);
                    line.push(format!("{variable}={address}"));
                    continue;
                }
                (Some((_, variable, _)), _) => format!("{variable} is the same"),
                (None, Err(error)) => error.to_string(),
            };
            wrong.push(format!("cannot listen on {address} ({what}): {error}"));
            let free = TcpListener::bind(SocketAddr::new(address.ip(), 0))
                .or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
            line.push(format!("{variable}={}", free.local_addr()?));
            bound.push(free);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        bail!("{}\nChoose others: {} make run", wrong.join("\n"), line.join(" "));
    }
}

/// An address by its parts; names of hosts would have to be looked up.
fn address(text: &str) -> Result<SocketAddr, String> {
    let parsed = text.parse();
    parsed.map_err(|_| "must be IP:PORT, e.g. 127.0.0.1:51051".to_owned())
}
