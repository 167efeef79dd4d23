//! A mail server of the test's own: it keeps what it takes, and does what its script says instead of its duty. Its ledger
//! is the truth about what arrived.

mod session;
mod tls;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, sync::oneshot, task::AbortHandle};

pub use self::tls::{Certificate, Encryption};

/// Where in a connection something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Instead of the greeting.
    Connect,
    /// At EHLO.
    Ehlo,
    /// At AUTH.
    Auth,
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
    /// This reply, and the connection ends.
    ReplyThenDrop(&'static str),
    /// The connection ends. A body before it is kept: the client cannot know.
    Drop,
    /// The connection ends, and a body before it is lost.
    DropAndLose,
    /// Silence until the client goes away. A body before it is kept.
    Silence,
    /// This reply, one byte a second. A body before it is kept.
    Trickle(&'static str),
    /// Silence for so long; then the duty.
    Slow(Duration),
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
    /// What came after MAIL FROM.
    pub from: String,
    /// Address in RCPT TO.
    pub to: String,
    /// Headers and body, dots undoubled.
    pub bytes: Vec<u8>,
    /// Whether it was answered with 250.
    pub taken: bool,
    /// Whether it goes to its reader, whatever the client was told.
    pub kept: bool,
}

#[derive(Default)]
struct State {
    script: VecDeque<(At, Fault)>,
    habits: Vec<(At, Fault)>,
    received: Vec<Received>,
    waiting: VecDeque<oneshot::Sender<()>>,
    connections: usize,
    open: usize,
    most_open: usize,
    verbs: Vec<String>,
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
        Self::start_as(addr, Encryption::None, &["PIPELINING", "8BITMIME", "SMTPUTF8"]).await
    }

    /// Serves on a free port of loopback, with TLS as said and these extensions.
    pub async fn start_with(encryption: Encryption, extensions: &'static [&'static str]) -> Self {
        Self::start_as(([127, 0, 0, 1], 0).into(), encryption, extensions)
            .await
            .expect("loopback has free ports")
    }

    async fn start_as(
        addr: SocketAddr,
        encryption: Encryption,
        extensions: &'static [&'static str],
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = session::serve(listener, shared.clone(), encryption, extensions);
        let serving = tokio::spawn(serving).abort_handle();
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

    /// From now on every transaction that comes to `at` meets `fault`, after what [`SmtpSink::script`] has for it.
    pub fn always(&self, at: At, fault: Fault) {
        self.shared.lock().habits.push((at, fault));
    }

    /// Does its duty again, whatever it was to meet.
    pub fn mend(&self) {
        let mut state = self.shared.lock();
        state.habits.clear();
        state.script.clear();
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

    /// How many connections there have been at once, at most.
    pub fn most_open(&self) -> usize {
        self.shared.lock().most_open
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.shared.lock().open
    }

    /// All verbs it was told, in order.
    pub fn verbs(&self) -> Vec<String> {
        self.shared.lock().verbs.clone()
    }

    /// How many copies went to readers.
    pub fn copies(&self) -> usize {
        self.shared
            .lock()
            .received
            .iter()
            .filter(|email| email.kept)
            .count()
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
        match state.script.iter().position(|(place, _)| *place == at) {
            Some(place) => state.script.remove(place).map(|(_, fault)| fault),
            None => {
                let habit = state.habits.iter().find(|(place, _)| *place == at);
                habit.map(|(_, fault)| *fault)
            }
        }
    }

    async fn wait(&self) {
        let (go, wait) = oneshot::channel();
        self.lock().waiting.push_back(go);
        // The sender lives in self until it has sent.
        let _ = wait.await;
    }
}
