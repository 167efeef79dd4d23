//! notify-svc: queues the emails of invitations, and hands each to the mail server once or says that it cannot know.

mod config;
mod domain;
mod grpc;
mod links;
mod measure;
mod smtp;
mod store;
mod templates;
mod web;
mod words;
mod workers;

use std::{sync::Arc, time::Duration};

use proto::notify::v1::{
    email_service_server::EmailServiceServer, preference_service_server::PreferenceServiceServer,
};
use shell::{
    clock::Clock,
    gate::{Gate, GateConfig},
    health::{self, Readiness},
    listen,
    postgres::{self, Database, DatabaseArgs},
    server::{self, Listeners, Serving},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use crate::config::Config;
use crate::{smtp::Letterhead, web::Web, workers::Duty};

/// Connections of the workers. They have their own, so that a flood of calls cannot let leases run out.
const WORKER_CONNECTIONS: u32 = 4;
/// How long the workers may take, past the shutdown's patience, to give back what they did not begin.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// Names under which health is told, beside the empty one.
const SERVICES: &[&str] = &["notify.v1.EmailService", "notify.v1.PreferenceService"];

/// Starts the service; it runs until `stop`. The error says which setting to change.
pub async fn serve(config: Config, clock: Clock, stop: CancellationToken) -> Result<Serving, String> {
    config.check()?;
    let transport = config.transport()?;
    let links = config.links()?;
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
    let database = Database::new(&config.database);
    let web = Web {
        database: database.clone(),
        clock: clock.clone(),
        links: links.clone(),
        patience: max_duration,
    };
    let pages = server::operations_router(readiness.clone()).merge(web::router(web));
    let preferences = grpc::Preferences {
        database: database.clone(),
        clock: clock.clone(),
    };
    let wake = Arc::new(Notify::new());
    let emails = grpc::Emails {
        database,
        clock: clock.clone(),
        mail_domain: config.mail_from.email.domain().into(),
        wake: wake.clone(),
    };
    let (reporter, health_service) = tonic_health::server::health_reporter();
    health::start_not_serving(&reporter, SERVICES).await;
    let emails = EmailServiceServer::new(emails).max_decoding_message_size(grpc::MAX_REQUEST_BYTES);
    let routes = Routes::new(health_service).add_service(emails).add_service(
        PreferenceServiceServer::new(preferences).max_decoding_message_size(grpc::SMALL_REQUEST_BYTES),
    );
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

    let patience = Duration::from_millis(config.listen.shutdown_ms);
    let duty = Duty {
        database: Database::new(&DatabaseArgs {
            database_connections: WORKER_CONNECTIONS,
            ..config.database.clone()
        }),
        clock,
        transport,
        head: Letterhead {
            from: config.mail_from.clone(),
            links: links.clone(),
        },
        policy: config.policy(),
        lease: config.lease(),
        concurrency: usize::from(config.concurrency),
    };
    let url = config.database.database_url.clone();
    let health_database = Database::for_health(&config.database);
    let background = {
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = postgres::migrate_when_reachable(url, store::migrations) => {}
                () = stop.cancelled() => return,
            }
            let health = health::watch(
                health_database,
                readiness,
                reporter,
                SERVICES.to_vec(),
                stop.clone(),
            );
            tokio::join!(health, workers::run(duty, wake, stop, patience));
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

/// Brings the database up to date. The error is Postgres' own.
pub fn migrate(database: &DatabaseArgs) -> Result<(), String> {
    postgres::check_url(&database.database_url)?;
    postgres::migrate(&database.database_url, store::migrations())
}
