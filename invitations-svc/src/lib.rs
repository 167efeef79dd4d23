//! invitations-svc: invitations between members of a professional network.

pub mod config;
pub mod domain;
pub mod grpc;
pub mod ledger;
pub mod links;
pub mod pages;
pub mod store;
pub mod web;
mod words;
pub mod workers;

use std::{sync::Arc, time::Duration};

use futures_util::future::OptionFuture;
use shell::{
    clock::Clock,
    gate::{Gate, GateConfig},
    health::{self, Readiness},
    listen::bind,
    postgres::{self, Database, DatabaseArgs, Wanted},
    server::{self, Listeners, Serving},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::{
    config::{Checked, Config},
    grpc::{Follow, Rooms},
    ledger::Wakes,
    web::Web,
    workers::{
        erasure::Eraser,
        feed::{FeedSwitch, Sequencer},
        notify::Notify,
        relay::{Links, Relay, RelaySwitch},
        retention::Retention,
        timers::{Timers, TimersSwitch},
    },
};

/// Connections of the workers, beside those of the committers and those for reads.
const WORKER_CONNECTIONS: u32 = 4;

/// Starts the service: the wiring, and nothing else. It serves at once and is ready when its database is.
///
/// The error says which setting to change.
pub async fn serve(config: Config, clock: Clock, stop: CancellationToken) -> Result<Serving, String> {
    let checked = config.check()?;
    let listeners = Listeners {
        grpc: bind("--grpc-addr", config.grpc_addr).await?,
        http: bind("--http-addr", config.http_addr).await?,
    };
    let grpc = listeners.grpc.local_addr().map_err(|error| error.to_string())?;
    let http = listeners.http.local_addr().map_err(|error| error.to_string())?;
    let notify = Notify::new(notify_channel(&config)?, config.notify_token.clone());
    if config.listen.tokens_file.is_none() {
        tracing::warn!("everybody who can reach this machine's loopback may call: there is no --tokens-file");
    }

    let wakes = Wakes::default();
    let Checked {
        identities,
        keys,
        session,
        page_session,
        policy,
        limits,
    } = checked;
    let wanted = Wanted {
        migrations: || store::MIGRATIONS,
        sessions: vec![
            ("--commit-session", session.clone()),
            ("--page-session", page_session.clone()),
        ],
    };
    let policy = Arc::new(policy);
    let connections = config.database.database_connections;
    let database = Database::with_session(&config.database, connections, page_session.clone());
    let ledger = ledger::start(
        &config.ledger,
        ledger::Terms {
            pool: postgres::pool(
                &config.database.database_url,
                config.ledger.committers,
                session.clone(),
            ),
            clock: clock.clone(),
            policy: policy.clone(),
            wakes: wakes.clone(),
            feeds: config.feed != FeedSwitch::Off,
        },
    );

    let page_connections = 2 * config.pages.page_readers;
    let page_pool = postgres::pool(&config.database.database_url, page_connections, page_session);
    let sent_pages = pages::start("sent-pages", &config.pages, &page_pool, store::pages::sent_pages);
    let received_pages = pages::start(
        "received-pages",
        &config.pages,
        &page_pool,
        store::pages::received_pages,
    );

    let readiness = Readiness::new();
    let patience = Duration::from_millis(config.listen.max_call_ms);
    let gate = Gate::new(GateConfig {
        domain: grpc::DOMAIN,
        permissions: grpc::PERMISSIONS,
        identities,
        readiness: readiness.clone(),
        max_in_flight: config.listen.max_in_flight,
        max_duration: patience,
    });
    // Workers find their rows by keys, as committers do; a plan cached while a table was empty must not come back.
    let workers = Database::with_session(&config.database, WORKER_CONNECTIONS, session);
    let eraser = Eraser {
        database: workers.clone(),
        ledger: ledger.clone(),
        clock: clock.clone(),
    };
    // The workers are known to other processes by this.
    let holder = uuid::Uuid::new_v4();
    let timers = Timers::new(holder, workers.clone(), clock.clone(), ledger.clone());
    let timers = (config.timers == TimersSwitch::On).then_some(timers);
    let days = |count: u16| Duration::from_secs(u64::from(count) * 24 * 60 * 60);
    let feed_for = days(config.feed_days);
    let (sequencer, heads) = Sequencer::new(workers.clone(), config.feed, wakes.feed);
    let retention = Retention::new(
        holder,
        workers.clone(),
        clock.clone(),
        policy.clone(),
        config.closed_days.map(days),
        feed_for,
    );
    let rooms = Rooms {
        ledger: ledger.clone(),
        database: database.clone(),
        sent_pages,
        received_pages,
        clock: clock.clone(),
        keys: keys.clone(),
        policy: policy.clone(),
        limits,
        eraser: eraser.clone(),
        follow: Follow::new(
            heads,
            feed_for,
            Duration::from_secs(config.feed_heartbeat_seconds.into()),
            config.feed_streams.into(),
        ),
        stop: stop.clone(),
    };
    let web = Web {
        ledger,
        database: database.for_pages(),
        clock: clock.clone(),
        keys: keys.clone(),
        button: config.accept_button,
        base_path: config.public_path().to_owned(),
        inbox_url: config.inbox_url_template.clone(),
        reply_chars: limits.reply_chars,
        patience,
    };
    let pages = server::operations_router(readiness.clone()).merge(web::router(web));
    let (reporter, health) = tonic_health::server::health_reporter();
    health::start_not_serving(&reporter, &grpc::SERVICES).await;
    let descriptors = [
        proto::invitations::v1::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let routes = server::with_reflection(grpc::routes(&rooms).add_service(health), &descriptors);
    drop(rooms);

    let relay = Relay {
        database: workers,
        clock,
        links: Links {
            keys,
            public_url: config.public_url.clone(),
            profile_url: config.profile_url_template.clone(),
            inbox_url: config.inbox_url_template.clone(),
            sent_url: config.sent_url_template.clone(),
            reminders: policy.reminders_after.len(),
        },
        notify: notify.clone(),
        wake: wakes.relay,
    };
    // A process that does not reach notify-svc brings no erasing to its end.
    let eraser = (config.relay == RelaySwitch::On).then_some(eraser);
    let relay = (config.relay == RelaySwitch::On).then_some(relay);
    let background = tokio::spawn({
        let (stop, url) = (stop.clone(), config.database.database_url.clone());
        let health = Database::for_health(&config.database);
        async move {
            tokio::select! {
                () = postgres::migrate_when_reachable(url, wanted) => {}
                () = stop.cancelled() => return,
            }
            let watch = health::watch(health, readiness, reporter, grpc::SERVICES.to_vec(), stop.clone());
            let relay = OptionFuture::from(relay.map(|relay| relay.run(stop.clone())));
            let timers = OptionFuture::from(timers.map(|timers| timers.run(stop.clone())));
            let retention = retention.run(stop.clone());
            let eraser = OptionFuture::from(eraser.map(|eraser| eraser.run(holder, notify, stop.clone())));
            let sequencer = sequencer.run(stop.clone());
            tokio::join!(watch, relay, timers, retention, eraser, sequencer);
        }
    });
    let patience = Duration::from_millis(config.listen.shutdown_ms);
    let done = tokio::spawn(async move {
        server::serve(listeners, gate, routes, pages, stop, patience).await;
        match tokio::time::timeout(patience, background).await {
            Ok(Ok(())) => {}
            Ok(Err(_panic)) => tracing::error!("a worker panicked; the line before this one says where"),
            Err(_) => {
                tracing::warn!("the relay was cut off; what it had in hand is delivered at the next start")
            }
        }
        tracing::info!("stopped");
    });
    tracing::info!(%grpc, %http, "listening");
    Ok(Serving { grpc, http, done })
}

/// A channel that connects when it is needed, and again when it is lost.
fn notify_channel(config: &Config) -> Result<Channel, String> {
    let endpoint =
        Endpoint::from_shared(config.notify_url.clone()).map_err(|error| format!("--notify-url: {error}"))?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(2))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .connect_lazy())
}

/// Brings the database up to date. The error is Postgres' own.
pub fn migrate(database: &DatabaseArgs) -> Result<(), String> {
    postgres::check_url(&database.database_url)?;
    let wanted = Wanted {
        migrations: || store::MIGRATIONS,
        sessions: Vec::new(),
    };
    postgres::migrate(&database.database_url, &wanted)
}
