//! One committer: a thread, a connection, and what it does when a batch fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use diesel::{PgConnection, r2d2::ConnectionManager};
use r2d2::PooledConnection;
use shell::{
    clock::Clock,
    postgres::{Pool, leave_read_only, may_pass_again, takes_no_writes},
};

use super::{
    Decided, Job, LedgerError, Wakes,
    batch::{Committed, Failure, Terms, commit, commit_locked},
};
use crate::domain::{command::Command, policy::Policy};

/// Longest wait for a connection while commands wait.
const CHECKOUT: Duration = Duration::from_millis(500);

/// How often a command that loses every race is tried by itself.
const ALONE: u32 = 5;

pub(super) struct Committer {
    pub(super) queue: Receiver<Job>,
    pub(super) batch: usize,
    pub(super) pool: Pool,
    pub(super) clock: Clock,
    pub(super) policy: Arc<Policy>,
    pub(super) wakes: Wakes,
    pub(super) feeds: bool,
}

type Db = PooledConnection<ConnectionManager<PgConnection>>;

impl Committer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(self) {
        let mut db: Option<Db> = None;
        while let Ok(first) = self.queue.recv() {
            self.settle(self.take(first), &mut db);
        }
    }

    /// The first job and whatever waits behind it, less what nobody waits for any more.
    fn take(&self, first: Job) -> Vec<Job> {
        let mut jobs = vec![first];
        jobs.extend(self.queue.try_iter().take(self.batch - 1));
        jobs.retain(Job::is_waited_for);
        jobs
    }

    /// Commits all of them; if that is refused, once more under locks; then one by one, so that a bad command cannot
    /// fail its neighbours. Those whose deadline passes meanwhile are left undone.
    fn settle(&self, mut jobs: Vec<Job>, db: &mut Option<Db>) {
        for commit in [commit, commit_locked] {
            if jobs.is_empty() {
                return;
            }
            metrics::histogram!("ledger_batch_commands").record(jobs.len() as f64);
            let commands: Vec<&Command> = jobs.iter().map(|job| &job.command).collect();
            match self.attempt(&commands, db, commit) {
                Ok(decided) => return answer(jobs, decided),
                Err(Failure::Refused(_) | Failure::Panicked) => {
                    metrics::counter!("ledger_refused_batches_total").increment(1);
                    jobs.retain(Job::is_waited_for);
                }
                Err(failure) => return give_up(jobs, &failure),
            }
        }
        for job in jobs {
            if job.is_waited_for() {
                let decided = self.decide_alone(&job, db);
                answer(vec![job], vec![decided]);
            }
        }
    }

    fn decide_alone(&self, job: &Job, db: &mut Option<Db>) -> Decided {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.attempt(&[&job.command], db, commit_locked) {
                Ok(mut answers) => return answers.pop().expect("one command, one answer"),
                Err(Failure::Refused(error))
                    if tried < ALONE && job.is_waited_for() && may_pass_again(&error) => {}
                Err(Failure::Refused(_)) if !job.is_waited_for() => return Err(LedgerError::Late),
                Err(Failure::Refused(error)) if takes_no_writes(&error) => {
                    tracing::warn!(%error, "the database takes no writes; the caller got UNAVAILABLE");
                    return Err(LedgerError::Unavailable);
                }
                Err(failure @ (Failure::Refused(_) | Failure::Panicked)) => {
                    let actor = job.command.actor();
                    tracing::error!(%actor, error = %failure, "a command cannot be committed; its caller got INTERNAL");
                    return Err(LedgerError::Refused);
                }
                Err(failure) => return Err(outcome_of(&failure)),
            }
        }
    }

    /// Runs `commit` with a connection. One that was lost before the write is replaced once.
    fn attempt(
        &self,
        commands: &[&Command],
        db: &mut Option<Db>,
        commit: fn(&mut PgConnection, &[&Command], Terms) -> Result<Committed, Failure>,
    ) -> Result<Vec<Decided>, Failure> {
        let mut tried = self.attempt_once(commands, db, commit);
        if matches!(tried, Err(Failure::LostBefore)) {
            tried = self.attempt_once(commands, db, commit);
        }
        let committed = tried?;
        if committed.owes_emails {
            self.wakes.relay.notify_one();
        }
        if committed.feeds {
            self.wakes.feed.notify_one();
        }
        Ok(committed.answers.into_iter().map(Ok).collect())
    }

    fn attempt_once(
        &self,
        commands: &[&Command],
        db: &mut Option<Db>,
        commit: fn(&mut PgConnection, &[&Command], Terms) -> Result<Committed, Failure>,
    ) -> Result<Committed, Failure> {
        let connection = match db {
            Some(connection) => connection,
            None => db.insert(self.pool.get_timeout(CHECKOUT).map_err(|_| Failure::LostBefore)?),
        };
        let terms = Terms {
            now: self.clock.now(),
            policy: &self.policy,
            feeds: self.feeds,
        };
        // A panic in a rule is a bug of ours, and must not fail the neighbours of the command that meets it.
        let result = catch_unwind(AssertUnwindSafe(|| commit(connection, commands, terms)))
            .unwrap_or(Err(Failure::Panicked));
        match &result {
            Ok(_) => {}
            Err(Failure::LostBefore | Failure::LostDuring | Failure::Panicked) => *db = None,
            Err(Failure::Refused(error)) => {
                if leave_read_only(connection, error) {
                    *db = None;
                }
            }
        }
        result
    }
}

fn answer(jobs: Vec<Job>, decided: Vec<Decided>) {
    for (job, decided) in jobs.into_iter().zip(decided) {
        // Nobody may be waiting any more; what is committed is committed.
        let _ = job.answer.send(decided);
    }
}

fn give_up(jobs: Vec<Job>, failure: &Failure) {
    tracing::warn!(commands = jobs.len(), error = %failure, "a batch was given up; its callers got UNAVAILABLE");
    let decided = jobs.iter().map(|_| Err(outcome_of(failure))).collect();
    answer(jobs, decided);
}

fn outcome_of(failure: &Failure) -> LedgerError {
    match failure {
        Failure::LostBefore => LedgerError::Unavailable,
        Failure::LostDuring => LedgerError::Unknown,
        Failure::Refused(_) | Failure::Panicked => LedgerError::Refused,
    }
}
