//! A service on a database of its own, and clients of it.

use std::{path::Path, sync::Arc};

use tests::{
    clients::Invitations,
    cluster::TestDatabase,
    http,
    processes::{Launch, Service},
    system::LINK_KEY,
};

use crate::numbers::Numbers;

/// Connections of the load generator to each service.
pub(crate) const CONNECTIONS: usize = 4;

/// invitations-svc, ready to be measured.
pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    pub(crate) service: Service,
    pub(crate) clients: Vec<Arc<Invitations>>,
    pub(crate) numbers: Arc<Numbers>,
}

impl Stage {
    /// The ledger alone: transitions stay in the outbox.
    pub(crate) async fn alone(database: TestDatabase, directory: &Path, members: u64) -> Self {
        let launch = launch(&database, directory)
            .flag("--relay", "off")
            .flag("--feed", "record");
        Self::start(database, launch, members).await
    }

    pub(crate) async fn start(database: TestDatabase, launch: Launch, members: u64) -> Self {
        let service = launch.start().await;
        Self {
            clients: clients(&service, CONNECTIONS),
            database,
            service,
            numbers: Arc::new(Numbers::new(members)),
        }
    }
}

/// How invitations-svc is started: with limits that nobody who is measured meets.
pub(crate) fn launch(database: &TestDatabase, directory: &Path) -> Launch {
    let few = ["--quota-day", "--quota-week"];
    let many = ["--quota-lifetime", "--quota-outstanding"];
    let launch = Launch::new("invitations-svc", directory)
        .flag("--database-url", &database.url)
        .flag("--link-keys", LINK_KEY)
        .flag("--strikes", "1000");
    let launch = few
        .into_iter()
        .fold(launch, |launch, flag| launch.flag(flag, "10000"));
    many.into_iter()
        .fold(launch, |launch, flag| launch.flag(flag, "1000000"))
}

/// Clients of a service, a connection each.
pub(crate) fn clients(service: &Service, count: usize) -> Vec<Arc<Invitations>> {
    let client = |_| Arc::new(Invitations::at(service.grpc()));
    (0..count).map(client).collect()
}

/// A counter of a service by its name and labels, as /metrics prints them; 0 until it was counted first.
pub(crate) async fn counter(service: &Service, name: &str) -> anyhow::Result<u64> {
    let metrics = http::get(&service.page("/metrics")).await?.body;
    let mut values = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next().map_or(Ok(0), |count| Ok(count.parse()?))
}
