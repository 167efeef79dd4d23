//! One reader: a thread, a connection, and what it does when a read fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc::Receiver},
    time::Duration,
};

use diesel::{PgConnection, r2d2::ConnectionManager};
use r2d2::PooledConnection;
use shell::postgres::{DatabaseError, Pool};

use super::{Job, PageError, Read};
use crate::store::pages::Page;

/// Longest wait for a connection while requests wait.
const CHECKOUT: Duration = Duration::from_millis(500);

pub(super) struct Reader<Q, T> {
    pub(super) queue: Arc<Mutex<Receiver<Job<Q, T>>>>,
    pub(super) batch: usize,
    pub(super) pool: Pool,
    pub(super) read: Read<Q, T>,
}

type Db = PooledConnection<ConnectionManager<PgConnection>>;

impl<Q: Copy, T> Reader<Q, T> {
    /// Works until the queue is closed and empty.
    pub(super) fn run(self) {
        let mut db: Option<Db> = None;
        while let Some(jobs) = self.take() {
            if !jobs.is_empty() {
                self.settle(jobs, &mut db);
            }
        }
    }

    /// What waits, less what nobody waits for any more; waits for the first. None when the queue is closed.
    fn take(&self) -> Option<Vec<Job<Q, T>>> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs = vec![queue.recv().ok()?];
        jobs.extend(queue.try_iter().take(self.batch - 1));
        drop(queue);
        jobs.retain(Job::is_waited_for);
        Some(jobs)
    }

    fn settle(&self, jobs: Vec<Job<Q, T>>, db: &mut Option<Db>) {
        metrics::histogram!("pages_batch_requests").record(jobs.len() as f64);
        let asked: Vec<Q> = jobs.iter().map(|job| job.asked).collect();
        let had_one = db.is_some();
        let mut pages = self.attempt(&asked, db);
        // Reading twice is harmless, and a connection that was lost while nobody asked is no reason to fail.
        if had_one && matches!(pages, Err(DatabaseError::Unavailable)) {
            pages = self.attempt(&asked, db);
        }
        match pages {
            Ok(pages) => {
                for (job, page) in jobs.into_iter().zip(pages) {
                    let page = page.map_err(|error| failed(&DatabaseError::from(error)));
                    // Nobody may be waiting any more.
                    let _ = job.answer.send(page);
                }
            }
            // One that is damaged or takes too long must not fail its neighbours.
            Err(DatabaseError::Statement(_) | DatabaseError::Panicked) if asked.len() > 1 => {
                for job in jobs {
                    if job.is_waited_for() {
                        self.settle(vec![job], db);
                    }
                }
            }
            Err(error) => {
                let why = failed(&error);
                for job in jobs {
                    let _ = job.answer.send(Err(why));
                }
            }
        }
    }

    fn attempt(&self, asked: &[Q], db: &mut Option<Db>) -> Result<Vec<Page<T>>, DatabaseError> {
        let connection = match db {
            Some(connection) => connection,
            None => {
                let fresh = self.pool.get_timeout(CHECKOUT);
                db.insert(fresh.map_err(|_| DatabaseError::Unavailable)?)
            }
        };
        // A panic is a bug of ours, and must not end the reader.
        let read = catch_unwind(AssertUnwindSafe(|| (self.read)(connection, asked)))
            .map_or(Err(DatabaseError::Panicked), |read| {
                read.map_err(DatabaseError::from)
            });
        if matches!(read, Err(DatabaseError::Unavailable | DatabaseError::Panicked)) {
            *db = None;
        }
        read
    }
}

fn failed(error: &DatabaseError) -> PageError {
    match error {
        DatabaseError::Deadline => PageError::Late,
        DatabaseError::Unavailable => PageError::Unavailable,
        DatabaseError::Statement(_) | DatabaseError::Panicked => {
            tracing::error!(%error, "pages cannot be read; their callers got INTERNAL");
            PageError::Failed
        }
    }
}
