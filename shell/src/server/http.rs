//! HTTP/1 for pages, metrics and health. Whoever opens a connection and says little, or never reads, does not keep it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections open at once; more wait in the kernel's queue.
    pub(super) connections: usize,
    /// Longest wait for the whole head of a request, the first one and each one after it.
    pub(super) head: Duration,
    /// Longest time for a request after its head, its body included.
    pub(super) request: Duration,
    /// Age at which a connection takes no more requests. It closes when its answer is read, at the latest after another
    /// `request`.
    pub(super) age: Duration,
}

/// Serves `pages` until `stop`, then waits for requests under way.
pub(super) async fn serve(listener: TcpListener, pages: Router, limits: Limits, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (pages, stop) = (pages.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    converse(stream, pages, limits, stop).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take an HTTP connection; will try again in a second");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn converse(stream: TcpStream, pages: Router, limits: Limits, stop: CancellationToken) {
    let answer =
        service_fn(|request: hyper::Request<Incoming>| answer(&pages, request.map(Body::new), limits));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stop.cancelled() => None,
        () = sleep(limits.age) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(limits.request, connection).await
        }
    };
    // Browsers and proxies break off as they like.
    tracing::debug!(?ended, "an HTTP connection ended");
}

async fn answer(
    pages: &Router,
    request: Request,
    limits: Limits,
) -> Result<Response, std::convert::Infallible> {
    match timeout(limits.request, pages.clone().oneshot(request)).await {
        Ok(answered) => answered,
        Err(_elapsed) => Ok((StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::{get, post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(200);
    const LIMITS: Limits = Limits {
        connections: 2,
        head: LONG,
        request: LONG,
        age: LONG,
    };

    struct Server {
        addr: SocketAddr,
        stop: CancellationToken,
        done: JoinHandle<()>,
    }

    impl Server {
        async fn start(limits: Limits) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("loopback has ports");
            let addr = listener.local_addr().expect("bound");
            let pages = Router::new()
                .route("/", get(|| async { "hi" }))
                .route("/large", get(|| async { vec![b'x'; 64 << 20] }))
                .route("/echo", post(|body: String| async { body }));
            let stop = CancellationToken::new();
            let done = tokio::spawn(serve(listener, pages, limits, stop.clone()));
            Self { addr, stop, done }
        }

        async fn tell(&self, said: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.addr).await.expect("it listens");
            stream
                .write_all(said.as_bytes())
                .await
                .expect("it takes some octets");
            stream
        }
    }

    /// What comes until the server closes; a reset is an end, too.
    async fn heard(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn first_octets(stream: &mut TcpStream) -> String {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.expect("it answers");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[tokio::test]
    async fn who_does_not_end_the_head_of_a_request_is_closed() {
        let server = Server::start(Limits {
            head: SHORT,
            ..LIMITS
        })
        .await;
        for said in ["", "GET / HTTP/1.1\r\nhost:"] {
            assert!(!heard(server.tell(said).await).await.contains("200"), "{said}");
        }
        // The second request, too.
        let heard = heard(server.tell("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET").await).await;
        assert_eq!(heard.matches("200 OK").count(), 1, "{heard}");
    }

    #[tokio::test]
    async fn who_does_not_end_the_body_of_a_request_gets_an_answer_all_the_same() {
        let server = Server::start(Limits {
            request: SHORT,
            ..LIMITS
        })
        .await;
        let said = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf";
        let heard = heard(server.tell(said).await).await;
        assert!(
            heard.contains("408") && heard.ends_with("the request took too long\n"),
            "{heard}"
        );
    }

    #[tokio::test]
    async fn who_does_not_read_loses_the_connection_when_it_is_old() {
        let limits = Limits {
            request: SHORT,
            age: SHORT,
            ..LIMITS
        };
        let server = Server::start(limits).await;
        let _silent = server.tell("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let _silent_too = server.tell("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
        // Both places are taken until then.
        let mut third = server.tell("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(first_octets(&mut third).await.contains("200 OK"));
    }

    #[tokio::test]
    async fn more_connections_than_there_are_places_wait_for_one() {
        let server = Server::start(LIMITS).await;
        let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut first = server.tell(request).await;
        let mut second = server.tell(request).await;
        assert!(first_octets(&mut first).await.contains("200 OK"));
        assert!(first_octets(&mut second).await.contains("200 OK"));
        let mut third = server.tell(request).await;
        assert!(
            timeout(SHORT, third.readable()).await.is_err(),
            "there is no place"
        );
        drop(first);
        assert!(first_octets(&mut third).await.contains("200 OK"));
    }

    #[tokio::test]
    async fn a_stop_ends_idle_connections_and_answers_what_was_asked() {
        let server = Server::start(LIMITS).await;
        let idle = server.tell("").await;
        let mut asking = server
            .tell("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nwo")
            .await;
        // Both are being served.
        sleep(SHORT).await;
        server.stop.cancel();
        assert_eq!(heard(idle).await, "");
        asking.write_all(b"rd").await.expect("it listens on");
        assert!(heard(asking).await.ends_with("word"));
        server.done.await.expect("it ends");
    }
}
