//! Group commit: the only way in for mutations.
//!
//! A command waits in one of K bounded queues, pinned by its acting member. K committer threads take what is there, at
//! most N, and run two statements for all of it: one read of the facts, one guarded write. Answers go out after the
//! commit.

mod batch;
mod book;
mod committer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Instant,
};

use shell::{clock::Clock, postgres::Pool};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout_at,
};

use self::committer::Committer;
use crate::domain::{command::Command, policy::Policy, refusal::Refusal, transition::Answer};

/// Settings of the ledger.
#[derive(Debug, Clone, clap::Args)]
pub struct LedgerArgs {
    /// Committer threads, each with a connection of its own
    #[arg(long, env = "COMMITTERS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub committers: u32,
    /// Commands in one commit at most
    #[arg(long, env = "COMMIT_BATCH", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub commit_batch: u32,
    /// Commands that wait for a committer at most; one more is refused with UNAVAILABLE
    #[arg(long, env = "COMMIT_QUEUE", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub commit_queue: u32,
    /// `SET`s of the committers' connections, name=value separated by commas; may be empty
    #[arg(long, env = "COMMIT_SESSION", default_value = crate::store::LEDGER_SETTINGS)]
    pub commit_session: String,
}

/// Why a command got no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The queue is full. Nothing was done.
    #[error("too many commands wait; nothing was done")]
    Overloaded,
    /// The database cannot be reached, or takes no writes. Nothing was done.
    #[error("the database cannot be reached, or takes no writes; nothing was done")]
    Unavailable,
    /// The connection was lost in the commit: done or not, the same request_id finds out.
    #[error("the connection was lost in the commit; the same request_id finds out whether it was done")]
    Unknown,
    /// The deadline passed: done or not, the same request_id finds out.
    #[error("the deadline passed; the same request_id finds out whether it was done")]
    Late,
    /// The database refuses this command. Nothing was done.
    #[error("the database refuses this command; nothing was done")]
    Refused,
}

/// What a command came to.
pub type Decided = Result<Result<Answer, Refusal>, LedgerError>;

/// A command that waits.
struct Job {
    command: Command,
    deadline: Instant,
    answer: oneshot::Sender<Decided>,
}

impl Job {
    /// Whether its deadline is still to come and its caller still there.
    fn is_waited_for(&self) -> bool {
        self.deadline > Instant::now() && !self.answer.is_closed()
    }
}

/// The queues.
#[derive(Clone)]
pub struct Ledger {
    queues: Arc<[SyncSender<Job>]>,
    queue: usize,
    under_way: Arc<AtomicUsize>,
}

/// A command that is not answered yet: counted until it is dropped.
pub(crate) struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    pub(crate) fn count(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Workers that a commit wakes.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    /// When emails are owed.
    pub relay: Arc<Notify>,
    /// When there are transitions to follow.
    pub feed: Arc<Notify>,
}

/// What the committers work with.
pub struct Terms {
    /// A connection for each of them.
    pub pool: Pool,
    /// Tells the time.
    pub clock: Clock,
    /// The numbers to judge by.
    pub policy: Arc<Policy>,
    /// Whom they wake.
    pub wakes: Wakes,
    /// Whether transitions go into the feed.
    pub feeds: bool,
}

/// Starts the committers. They end when every clone of the ledger is gone and the queues are empty.
pub fn start(args: &LedgerArgs, terms: Terms) -> Ledger {
    let mut queues = Vec::new();
    for number in 0..args.committers {
        let (sender, receiver) = sync_channel(args.commit_queue as usize);
        let committer = Committer {
            queue: receiver,
            batch: args.commit_batch as usize,
            pool: terms.pool.clone(),
            clock: terms.clock.clone(),
            policy: terms.policy.clone(),
            wakes: terms.wakes.clone(),
            feeds: terms.feeds,
        };
        thread::Builder::new()
            .name(format!("committer-{number}"))
            .spawn(move || committer.run())
            .expect("the system has threads");
        queues.push(sender);
    }
    Ledger {
        queues: queues.into(),
        queue: args.commit_queue as usize,
        under_way: Arc::default(),
    }
}

impl Ledger {
    /// Commands that each queue holds.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// Commands that wait for their answer.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Has `command` decided and committed. One whose deadline passes while it waits is dropped without effect.
    pub async fn submit(&self, command: Command, deadline: Instant) -> Decided {
        let _counted = UnderWay::count(&self.under_way);
        let (answer, decided) = oneshot::channel();
        let at = usize::from(command.actor().as_bytes()[15]) % self.queues.len();
        match self.queues[at].try_send(Job {
            command,
            deadline,
            answer,
        }) {
            // A job is left undone without an answer only when its deadline has passed, or after a panic.
            Ok(()) => match timeout_at(deadline.into(), decided).await {
                Ok(Ok(decided)) => decided,
                Ok(Err(_)) if deadline > Instant::now() => Err(LedgerError::Unknown),
                Ok(Err(_)) | Err(_) => Err(LedgerError::Late),
            },
            Err(TrySendError::Full(_)) => {
                metrics::counter!("ledger_refused_total", "why" => "queue full").increment(1);
                Err(LedgerError::Overloaded)
            }
            Err(TrySendError::Disconnected(_)) => Err(LedgerError::Unavailable),
        }
    }
}
