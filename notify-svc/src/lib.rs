//! notify-svc: queues the emails of invitations, and hands each to the mail server once or says that it cannot know.

mod config;
mod domain;
mod gallery;
mod grpc;
mod links;
mod maildir;
mod measure;
mod smtp;
mod store;
mod templates;
mod web;
mod words;
mod workers;

use std::{sync::Arc, time::Duration};

use proto::notify::v1::{
    delivery_service_server::DeliveryServiceServer, email_service_server::EmailServiceServer,
    preference_service_server::PreferenceServiceServer,
};
use shell::{
    clock::Clock,
    gate::{Gate, GateConfig},
    health::{self, Readiness},
    listen,
    postgres::{self, Database, DatabaseArgs, Wanted},
    server::{self, Listeners, Serving},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use crate::{
    config::{Config, DkimArgs},
    gallery::write as gallery,
};
use crate::{
    web::Web,
    workers::{Bounces, Chores, Duty, Retention},
};

/// Connections of the workers. They have their own, so that a flood of calls cannot let leases run out.
const WORKER_CONNECTIONS: u32 = 4;
/// Those among them whose commits do not wait for the disk.
const CLAIM_CONNECTIONS: u32 = 2;
/// How long the workers may take, past the shutdown's patience, to give back what they did not begin.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// The database is brought to our migrations; its connections' settings are none that anybody can get wrong.
const WANTED: Wanted = Wanted {
    migrations: store::migrations,
    sessions: Vec::new(),
};

/// Names under which health is told, beside the empty one.
const SERVICES: &[&str] = &[
    "notify.v1.EmailService",
    "notify.v1.PreferenceService",
    "notify.v1.DeliveryService",
];

/// Starts the service; it runs until `stop`. The error says which setting to change.
pub async fn serve(config: Config, clock: Clock, stop: CancellationToken) -> Result<Serving, String> {
    config.check()?;
    let head = config.letterhead()?;
    let bounces = config.bounces()?;
    let identities = config.listen.identities(config.grpc_addr)?;
    let listeners = Listeners {
        grpc: listen::bind("--grpc-addr", config.grpc_addr).await?,
        http: listen::bind("--http-addr", config.http_addr).await?,
    };
    let address =
        |listener: &tokio::net::TcpListener| listener.local_addr().map_err(|error| error.to_string());
    let (grpc, http) = (address(&listeners.grpc)?, address(&listeners.http)?);
    if config.listen.tokens_file.is_none() {
        tracing::warn!("everybody who can reach this machine's loopback may call: there is no --tokens-file");
    }

    let readiness = Readiness::new();
    let max_duration = Duration::from_millis(config.listen.max_call_ms);
    let database = pool(&config, config.database.database_connections, None);
    let web = Web {
        database: database.for_pages(),
        clock: clock.clone(),
        links: head.links.clone(),
        patience: max_duration,
    };
    // Metrics of what comes below need the recorder, which comes with this.
    let pages = server::operations_router(readiness.clone()).merge(web::router(web));
    let preferences = grpc::Preferences {
        database: database.clone(),
        clock: clock.clone(),
    };
    let transport = config.transport()?;
    let wake = Arc::new(Notify::new());
    let emails = grpc::Emails {
        database: database.clone(),
        clock: clock.clone(),
        mail_domain: config.mail_from.email.domain().into(),
        wake: wake.clone(),
    };
    let deliveries = grpc::Deliveries {
        database,
        clock: clock.clone(),
        head: head.clone(),
        wake: wake.clone(),
    };
    let (reporter, health_service) = tonic_health::server::health_reporter();
    health::start_not_serving(&reporter, SERVICES).await;
    let emails = EmailServiceServer::new(emails).max_decoding_message_size(grpc::MAX_REQUEST_BYTES);
    let preferences =
        PreferenceServiceServer::new(preferences).max_decoding_message_size(grpc::SMALL_REQUEST_BYTES);
    let deliveries =
        DeliveryServiceServer::new(deliveries).max_decoding_message_size(grpc::MAX_OPERATOR_REQUEST_BYTES);
    let routes = Routes::new(health_service)
        .add_service(emails)
        .add_service(preferences)
        .add_service(deliveries);
    let descriptors = [
        proto::notify::v1::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let routes = server::with_reflection(routes, &descriptors);
    let gate = Gate::new(GateConfig {
        domain: grpc::DOMAIN,
        permissions: grpc::permissions::PERMISSIONS,
        identities,
        readiness: readiness.clone(),
        max_in_flight: config.listen.max_in_flight,
        max_duration,
    });

    let workers_database = pool(&config, WORKER_CONNECTIONS, Some(store::IMPATIENT));
    let chores = Chores {
        bounces: bounces.map(|folder| Bounces {
            database: workers_database.clone(),
            clock: clock.clone(),
            folder,
        }),
        retention: config.retention().map(|kept| Retention {
            database: workers_database.clone(),
            clock: clock.clone(),
            kept,
        }),
    };
    let patience = Duration::from_millis(config.listen.shutdown_ms);
    let duty = Duty {
        database: workers_database,
        claims: pool(&config, CLAIM_CONNECTIONS, Some(store::UNHURRIED)),
        clock,
        transport,
        head,
        policy: config.policy(),
        lease: config.lease(),
    };
    let url = config.database.database_url.clone();
    let health_database = Database::for_health(&config.database);
    let background = {
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = postgres::migrate_when_reachable(url, WANTED) => {}
                () = stop.cancelled() => return,
            }
            let health = health::watch(
                health_database,
                readiness,
                reporter,
                SERVICES.to_vec(),
                stop.clone(),
            );
            tokio::join!(health, workers::run(duty, chores, wake, stop, patience));
        }
    };
    let done = tokio::spawn(async move {
        let limit = {
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                tokio::time::sleep(patience + GIVE_BACK).await;
            }
        };
        let background = async {
            tokio::select! {
                () = background => {}
                () = limit => tracing::warn!("the workers were cut off; their leases run out"),
            }
        };
        let served = server::serve(listeners, gate, routes, pages, stop, patience);
        tokio::join!(served, background);
        tracing::info!("stopped");
    });
    tracing::info!(%grpc, %http, "listening");
    Ok(Serving { grpc, http, done })
}

fn pool(config: &Config, size: u32, more: Option<(&str, &str)>) -> Database {
    let timeout = config.database.statement_timeout_ms.to_string();
    let settings = store::SETTINGS.into_iter().chain(more);
    let settings = settings.chain([("statement_timeout", timeout.as_str())]);
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Database::with_session(&config.database, size, settings.collect())
}

/// Brings the database up to date. The error is Postgres' own.
pub fn migrate(database: &DatabaseArgs) -> Result<(), String> {
    postgres::check_url(&database.database_url)?;
    postgres::migrate(&database.database_url, &WANTED)
}
