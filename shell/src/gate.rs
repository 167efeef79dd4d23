//! What every gRPC call passes before its handler: one tower layer, one step per file.
//!
//! In this order: `guard` (is it gRPC at all), `identity` (who calls, may they), readiness, `shed` (is there
//! room), the deadline, and a net under panics. Health and reflection pass the guard only.

mod explain;
mod guard;
pub mod identity;
mod shed;

use std::{
    convert::Infallible,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument;

pub use self::{
    explain::explained_message,
    identity::{Caller, Identities, Role},
};
use self::{identity::Permissions, shed::Room};
use crate::{errors, health::Readiness};

/// When a call has to be answered. Every call has one.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

/// What the gate needs to know of its service.
pub struct GateConfig {
    /// Domain of the errors, e.g. `invitations.v1`.
    pub domain: &'static str,
    /// Which role each rpc asks for; one of several, where it stands in the table several times.
    pub permissions: &'static [(&'static str, Role)],
    /// Who may call.
    pub identities: Identities,
    /// While the service cannot do its work, calls are refused at once.
    pub readiness: Readiness,
    /// Calls worked on at once, over all connections; one more is refused.
    pub max_in_flight: u32,
    /// Longest time for a call; a caller's `grpc-timeout` can only shorten it.
    pub max_duration: Duration,
}

/// The layer.
#[derive(Clone)]
pub struct Gate(Arc<Shared>);

struct Shared {
    domain: &'static str,
    permissions: Permissions,
    identities: Identities,
    readiness: Readiness,
    room: Room,
    max_duration: Duration,
}

impl Gate {
    /// A gate as configured.
    pub fn new(config: GateConfig) -> Self {
        Self(Arc::new(Shared {
            domain: config.domain,
            permissions: Permissions::new(config.permissions),
            identities: config.identities,
            readiness: config.readiness,
            room: Room::new(config.max_in_flight as usize),
            max_duration: config.max_duration,
        }))
    }
}

/// How long before the caller's deadline ours passes. tonic has set a clock of its own to the caller's already, and answers
/// CANCELLED when that is the first.
const AHEAD: Duration = Duration::from_millis(2);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub struct Gated<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let shared = self.shared.clone();
        Box::pin(async move { Ok(shared.pass(inner, request).await) })
    }
}

impl Shared {
    async fn pass<S>(&self, mut inner: S, request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
        S::Future: Send,
    {
        if let Some(status) = guard::refusal(&request) {
            let mut refused = Response::new(Body::empty());
            *refused.status_mut() = status;
            return refused;
        }
        if is_open(request.uri().path()) {
            return inner.call(request).await.unwrap_or_else(|never| match never {});
        }
        let started = Instant::now();
        let rpc = self.permissions.name(request.uri().path());
        let span = tracing::info_span!("rpc", rpc, trace_id = guard::trace_id(&request));
        let (response, code) = match self.admit(inner, request, started).instrument(span).await {
            Ok(response) => explain::explained(self.domain, response),
            // Ours say enough. Overload is answered here, so the less is done the better.
            Err(status) => {
                let code = status.code();
                (status.into_http(), code)
            }
        };
        metrics::counter!("grpc_requests_total", "rpc" => rpc, "code" => format!("{code:?}")).increment(1);
        metrics::histogram!("grpc_request_seconds", "rpc" => rpc).record(started.elapsed().as_secs_f64());
        response
    }

    async fn admit<S>(
        &self,
        mut inner: S,
        mut request: Request<Body>,
        started: Instant,
    ) -> Result<Response<Body>, Status>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send,
        S::Future: Send,
    {
        let roles = self.permissions.roles(request.uri().path());
        let roles = roles.ok_or_else(|| explain::no_such_rpc(self.domain))?;
        let caller = self.identities.caller(request.headers(), self.domain)?;
        caller.require(roles, self.domain)?;
        if !self.readiness.is_ready() {
            return Err(errors::unavailable(self.domain));
        }
        let place = Place(Arc::new(self.room.enter(self.domain)?));
        let allowed = guard::timeout(&request).map_or(self.max_duration, |asked| {
            asked.saturating_sub(AHEAD).min(self.max_duration)
        });
        let deadline = started + allowed;
        if deadline <= Instant::now() {
            return Err(errors::deadline_exceeded(self.domain));
        }
        request.extensions_mut().insert(Deadline(deadline));
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(place.clone());
        let answer = AssertUnwindSafe(inner.call(request)).catch_unwind();
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(response)) => Ok(response.unwrap_or_else(|never| match never {})),
            Ok(Err(_panic)) => {
                tracing::error!("the handler panicked; the line before this one says where");
                Err(errors::internal(self.domain))
            }
            Err(_elapsed) => Err(errors::deadline_exceeded(self.domain)),
        }
    }
}

/// Health and reflection answer everybody, at any load.
fn is_open(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/") || path.starts_with("/grpc.reflection.")
}

/// What a call holds while it is under way: one of `max_in_flight`. The call of a stream ends before its stream does.
#[derive(Clone)]
pub struct Place(#[expect(dead_code, reason = "held, not looked at")] Arc<OwnedSemaphorePermit>);

/// The place of a call, for a stream to keep until its end.
pub fn place<T>(request: &tonic::Request<T>) -> Place {
    let place = request.extensions().get::<Place>();
    place.expect("the gate gives each call a place").clone()
}

/// The caller and the deadline that the gate noted on a request.
pub fn noted<T>(request: &tonic::Request<T>) -> (Caller, Instant) {
    let extensions = request.extensions();
    let caller = extensions
        .get::<Caller>()
        .expect("the gate notes the caller")
        .clone();
    let Deadline(deadline) = extensions.get::<Deadline>().expect("the gate notes the deadline");
    (caller, *deadline)
}
