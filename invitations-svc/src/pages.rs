//! Pages of the two books: those that wait are read together, by one statement.
//!
//! A request waits in a bounded queue. Whichever reader is free takes what is there, at most N, and reads it over a
//! connection of its own. Nothing waits for company: a request that finds a free reader is read at once.

mod reader;

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Instant,
};

use diesel::{PgConnection, QueryResult};
use shell::postgres::Pool;
use tokio::{sync::oneshot, time::timeout_at};

use self::reader::Reader;
use crate::store::pages::Page;

/// Settings of reading pages.
#[derive(Debug, Clone, clap::Args)]
pub struct PageArgs {
    /// Connections that read pages of received invitations; as many more read those of sent ones
    #[arg(long, env = "PAGE_READERS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub page_readers: u32,
    /// Pages in one read at most
    #[arg(long, env = "PAGE_BATCH", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub page_batch: u32,
    /// Requests for pages of each book that wait for a reader at most; one more is refused with UNAVAILABLE
    #[arg(long, env = "PAGE_QUEUE", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub page_queue: u32,
    /// `SET`s of the connections that read for callers, name=value separated by commas; may be empty
    #[arg(long, env = "PAGE_SESSION", default_value = crate::store::PAGE_SETTINGS)]
    pub page_session: String,
}

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The queue is full.
    #[error("too many requests for pages wait")]
    Overloaded,
    /// The database cannot be reached.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The deadline passed.
    #[error("the deadline passed before the page was read")]
    Late,
    /// A statement failed, or a row is damaged; the log has the rest.
    #[error("the page cannot be read")]
    Failed,
}

/// Reads many pages at once: one for each of what is asked, in that order.
type Read<Q, T> = fn(&mut PgConnection, &[Q]) -> QueryResult<Vec<Page<T>>>;

/// A request that waits.
struct Job<Q, T> {
    asked: Q,
    deadline: Instant,
    answer: oneshot::Sender<Result<Vec<T>, PageError>>,
}

impl<Q, T> Job<Q, T> {
    /// Whether its deadline is still to come and its caller still there.
    fn is_waited_for(&self) -> bool {
        self.deadline > Instant::now() && !self.answer.is_closed()
    }
}

/// The pages of one book.
#[derive(Clone)]
pub struct Pages<Q, T> {
    queue: SyncSender<Job<Q, T>>,
}

/// Starts the readers of one book, each with a connection of `pool`. They end when every clone of the pages is gone and
/// the queue is empty.
pub fn start<Q, T>(name: &'static str, args: &PageArgs, pool: &Pool, read: Read<Q, T>) -> Pages<Q, T>
where
    Q: Copy + Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = sync_channel(args.page_queue as usize);
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..args.page_readers {
        let reader = Reader {
            queue: receiver.clone(),
            batch: args.page_batch as usize,
            pool: pool.clone(),
            read,
        };
        thread::Builder::new()
            .name(format!("{name}-{number}"))
            .spawn(move || reader.run())
            .expect("the system has threads");
    }
    Pages { queue: sender }
}

impl<Q, T> Pages<Q, T> {
    /// Has a page read. One whose deadline passes while it waits, or whose caller is gone, is not read.
    pub async fn read(&self, asked: Q, deadline: Instant) -> Result<Vec<T>, PageError> {
        let (answer, page) = oneshot::channel();
        let job = Job {
            asked,
            deadline,
            answer,
        };
        match self.queue.try_send(job) {
            // A job is left without an answer only when its deadline has passed, or after a panic.
            Ok(()) => match timeout_at(deadline.into(), page).await {
                Ok(Ok(page)) => page,
                Ok(Err(_)) if deadline > Instant::now() => Err(PageError::Failed),
                Ok(Err(_)) | Err(_) => Err(PageError::Late),
            },
            Err(TrySendError::Full(_)) => {
                metrics::counter!("pages_refused_total").increment(1);
                Err(PageError::Overloaded)
            }
            Err(TrySendError::Disconnected(_)) => Err(PageError::Unavailable),
        }
    }
}
