//! A mail server of the test's own: it keeps what it takes, and does what its script says instead of its duty.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

/// Where in a transaction something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// At MAIL FROM.
    Mail,
    /// At RCPT TO.
    Rcpt,
    /// At DATA, before the body.
    Data,
    /// After the body, instead of the final reply.
    Body,
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This reply.
    Reply(&'static str),
    /// The connection ends. A body before it is kept: the client cannot know.
    Drop,
    /// Silence until [`SmtpSink::let_go`]; then the duty.
    Wait,
    /// Silence until [`SmtpSink::let_go`]; then this reply.
    WaitThenReply(&'static str),
    /// Silence until [`SmtpSink::let_go`]; then the connection ends.
    WaitThenDrop,
}

/// An email that the sink was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Address in RCPT TO.
    pub to: String,
    /// Headers and body, dots undoubled.
    pub bytes: Vec<u8>,
    /// Whether it was answered with 250.
    pub taken: bool,
}

#[derive(Default)]
struct State {
    script: VecDeque<(At, Fault)>,
    received: Vec<Received>,
    waiting: VecDeque<oneshot::Sender<()>>,
    connections: usize,
}

#[derive(Default)]
struct Shared(Mutex<State>);

/// The server. It ends when it is dropped.
pub struct SmtpSink {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl SmtpSink {
    /// Serves on a free port of loopback.
    pub async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
            .await
            .expect("loopback has free ports")
    }

    /// Serves at `addr`.
    pub async fn start_at(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = tokio::spawn(serve(listener, shared.clone())).abort_handle();
        Ok(Self {
            addr,
            shared,
            serving,
        })
    }

    /// Where it serves.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// For `--smtp-url`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// The next transaction that comes to `at` meets `fault`, once. Faults of one place are met in order.
    pub fn script(&self, at: At, fault: Fault) {
        self.shared.lock().script.push_back((at, fault));
    }

    /// Lets everything that waits go on.
    pub fn let_go(&self) {
        while self.waiting() > 0 {
            self.let_first_go();
        }
    }

    /// Lets the transaction go on that has waited longest.
    pub fn let_first_go(&self) {
        if let Some(go) = self.shared.lock().waiting.pop_front() {
            // Its client may be gone meanwhile.
            let _ = go.send(());
        }
    }

    /// How many transactions wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// All it was given, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().received.clone()
    }

    /// Faults that nobody has met yet.
    pub fn unmet(&self) -> usize {
        self.shared.lock().script.len()
    }

    /// Waits until it was given `count` emails, at most half a minute, and answers what there is.
    pub async fn until_received(&self, count: usize) -> Vec<Received> {
        self.until(|sink| sink.received().len() >= count).await;
        self.received()
    }

    /// Waits until `done`, at most half a minute.
    pub async fn until(&self, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !done(self) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, at: At) -> Option<Fault> {
        let mut state = self.lock();
        let place = state.script.iter().position(|(place, _)| *place == at)?;
        state.script.remove(place).map(|(_, fault)| fault)
    }

    async fn wait(&self) {
        let (go, wait) = oneshot::channel();
        self.lock().waiting.push_back(go);
        // The sender lives in self until it has sent.
        let _ = wait.await;
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        shared.lock().connections += 1;
        let shared = shared.clone();
        // A client that goes away ends its session, nothing else.
        sessions.spawn(async move { session(stream, &shared).await.ok() });
        while sessions.try_join_next().is_some() {}
    }
}

type Lines = BufReader<tokio::net::tcp::OwnedReadHalf>;

async fn session(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    write.write_all(b"220 sink\r\n").await?;
    let mut to = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line
            .split([' ', '\r'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let (at, reply) = match verb.as_str() {
            "EHLO" => (None, "250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"),
            "MAIL" => (Some(At::Mail), "250 ok\r\n"),
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                (Some(At::Rcpt), "250 ok\r\n")
            }
            "DATA" => (Some(At::Data), "354 go on\r\n"),
            "RSET" | "NOOP" => (None, "250 ok\r\n"),
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => (None, "500 what?\r\n"),
        };
        match perform(at, reply, shared, &mut write).await? {
            Next::Go if verb == "DATA" => body(&to, shared, &mut lines, &mut write).await?,
            Next::Go | Next::Refused => {}
            Next::Drop => return Ok(()),
        }
    }
}

enum Next {
    Go,
    Refused,
    Drop,
}

async fn perform(
    at: Option<At>,
    duty: &str,
    shared: &Shared,
    write: &mut OwnedWriteHalf,
) -> io::Result<Next> {
    let fault = at.and_then(|at| shared.next(at));
    if let Some(Fault::Wait | Fault::WaitThenReply(_) | Fault::WaitThenDrop) = fault {
        shared.wait().await;
    }
    match fault {
        Some(Fault::Drop | Fault::WaitThenDrop) => return Ok(Next::Drop),
        Some(Fault::Reply(reply) | Fault::WaitThenReply(reply)) => {
            write.write_all(format!("{reply}\r\n").as_bytes()).await?;
            return Ok(Next::Refused);
        }
        Some(Fault::Wait) | None => {}
    }
    write.write_all(duty.as_bytes()).await?;
    Ok(Next::Go)
}

async fn body(to: &str, shared: &Shared, lines: &mut Lines, write: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        if lines.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes[start..] == *b".\r\n" {
            bytes.truncate(start);
            break;
        }
        if bytes[start] == b'.' {
            bytes.remove(start);
        }
    }
    let place = {
        let mut state = shared.lock();
        state.received.push(Received {
            to: to.to_owned(),
            bytes,
            taken: false,
        });
        state.received.len() - 1
    };
    match perform(Some(At::Body), "250 taken\r\n", shared, write).await? {
        Next::Go => shared.lock().received[place].taken = true,
        Next::Refused => {}
        Next::Drop => return Err(io::ErrorKind::ConnectionAborted.into()),
    }
    Ok(())
}
