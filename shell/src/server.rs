//! The servers themselves: gRPC and HTTP listeners, limits, reflection, a shutdown with an end.

mod http;

use std::{net::SocketAddr, time::Duration};

use axum::{Router, http::StatusCode, routing::get};
use futures_util::StreamExt;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

use crate::{gate::Gate, health::Readiness, metrics};

/// A running service.
pub struct Serving {
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where pages, metrics and health are served.
    pub http: SocketAddr,
    /// Ends when the service has shut down.
    pub done: JoinHandle<()>,
}

/// The listeners of a service.
pub struct Listeners {
    /// For gRPC.
    pub grpc: TcpListener,
    /// For pages, metrics and health.
    pub http: TcpListener,
}

/// What one who opens HTTP connections may take. Prometheus and probes ask more often than the time for a head.
const HTTP: http::Limits = http::Limits {
    connections: 512,
    head: Duration::from_secs(30),
    request: Duration::from_secs(30),
    age: Duration::from_secs(300),
};

/// How long samples of histograms wait to be counted, at most.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until `stop`, then waits for calls under way, at most `patience`: a peer that opens a connection and says
/// nothing would hold up a graceful shutdown for ever.
pub async fn serve(
    listeners: Listeners,
    gate: Gate,
    routes: Routes,
    pages: Router,
    stop: CancellationToken,
    patience: Duration,
) {
    let incoming = TcpIncoming::from(listeners.grpc)
        .with_nodelay(Some(true))
        .with_keepalive(Some(Duration::from_secs(60)))
        .then(async |accepted| {
            // tonic would go on at once, for as long as there is no descriptor left.
            if let Err(error) = &accepted {
                tracing::warn!(%error, "cannot take a gRPC connection; will try again in a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            accepted
        });
    let grpc = Server::builder()
        .max_concurrent_streams(256)
        // A stream whose client does not read its answers must not use up the window that its connection's calls share.
        .initial_stream_window_size(Some(256 * 1024))
        .initial_connection_window_size(Some(4 * 1024 * 1024))
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_pending_accept_reset_streams(Some(20))
        .http2_max_header_list_size(8_192)
        .layer(gate)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    let http = http::serve(listeners.http, pages, HTTP, stop.clone());
    let both = async {
        let (grpc, ()) = tokio::join!(grpc, http);
        if let Err(error) = grpc {
            tracing::error!(%error, "the gRPC server ended");
        }
    };
    let limit = async {
        stop.cancelled().await;
        tokio::time::sleep(patience).await;
    };
    // Samples wait until somebody takes them in: a scrape, or else this.
    let upkeep = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            metrics::handle().run_upkeep();
        }
    };
    tokio::select! {
        () = both => {}
        () = upkeep => {}
        () = limit => tracing::warn!("calls or connections were still open at the end of the shutdown's patience"),
    }
}

/// `/metrics`, `/healthz` (the process lives) and `/readyz` (it can do its work).
pub fn operations_router(readiness: Readiness) -> Router {
    let metrics = metrics::handle();
    Router::new()
        .route("/metrics", get(move || async move { metrics.render() }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move {
                if readiness.is_ready() {
                    (StatusCode::OK, "ready\n")
                } else {
                    (
                        StatusCode::SERVICE_UNAVAILABLE,
                        "not ready: the database does not answer\n",
                    )
                }
            }),
        )
}

/// Adds reflection (v1 and v1alpha) over the given encoded descriptor sets.
pub fn with_reflection(routes: Routes, descriptors: &[&'static [u8]]) -> Routes {
    let builder = || {
        descriptors
            .iter()
            .fold(tonic_reflection::server::Builder::configure(), |builder, set| {
                builder.register_encoded_file_descriptor_set(set)
            })
    };
    routes
        .add_service(builder().build_v1().expect("our descriptors are whole"))
        .add_service(builder().build_v1alpha().expect("our descriptors are whole"))
}

/// Runs a program to its end on a runtime of its own. Threads that still wait for a database then do not hold it up: what
/// they wait for is nobody's any more.
pub fn run<F: Future>(program: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system has threads");
    let output = runtime.block_on(program);
    runtime.shutdown_background();
    output
}

/// A token that SIGTERM or SIGINT cancels. The second signal ends the process at once.
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime has signals");
    let mut interrupt = signal(SignalKind::interrupt()).expect("the runtime has signals");
    tokio::spawn(async move {
        let mut next =
            async || tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        let name = next().await;
        cancelled.cancel();
        tracing::info!(signal = name, "shutting down");
        next().await;
        tracing::warn!("second signal: ending at once");
        std::process::exit(130);
    });
    stop
}
