//! The open loop: calls begin when they are due, whether or not earlier ones were answered, and their time counts from
//! then. A server or a client that falls behind shows in every call that had to wait.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tests::clients::Invitations;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use crate::results::{histogram, record};

/// Calls to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Calls a second.
    pub(crate) rate: f64,
    pub(crate) length: Duration,
    /// Calls under way at most; one that is due then waits, and its time runs.
    pub(crate) room: usize,
}

/// What became of them.
pub(crate) struct Outcome {
    /// Times of granted calls, in microseconds from when they were due.
    pub(crate) granted: Histogram<u64>,
    /// Times of calls that were refused with UNAVAILABLE, from when they were due.
    pub(crate) refused: Histogram<u64>,
    /// The same from when they were begun.
    pub(crate) refused_since_begun: Histogram<u64>,
    /// Other errors.
    pub(crate) errors: Vec<Status>,
    /// From the first call's begin to the last one's.
    pub(crate) offering: Duration,
    /// From the first call's begin to the last answer.
    pub(crate) whole: Duration,
    /// Granted calls by the second of their answer.
    pub(crate) seconds: Vec<u32>,
}

struct Tally {
    granted: Histogram<u64>,
    refused: Histogram<u64>,
    refused_since_begun: Histogram<u64>,
    errors: Vec<Status>,
}

/// Makes the calls of `plan` and waits for their answers.
pub(crate) async fn run<C, F>(clients: &[Arc<Invitations>], plan: Plan, call: C) -> Outcome
where
    C: Fn(Arc<Invitations>) -> F,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let tally = Arc::new(Mutex::new(Tally {
        granted: histogram(),
        refused: histogram(),
        refused_since_begun: histogram(),
        errors: Vec::new(),
    }));
    let seconds: Arc<Vec<AtomicU32>> =
        Arc::new((0..plan.length.as_secs()).map(|_| AtomicU32::new(0)).collect());
    let room = Arc::new(Semaphore::new(plan.room));
    let started = Instant::now();
    let count = (plan.rate * plan.length.as_secs_f64()) as usize;
    for number in 0..count {
        let due = started + Duration::from_secs_f64(number as f64 / plan.rate);
        // The timer is late by up to a millisecond, which counts.
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let place = room.clone().acquire_owned().await.expect("it is never closed");
        let answer = call(clients[number % clients.len()].clone());
        let (tally, seconds) = (tally.clone(), seconds.clone());
        tokio::spawn(async move {
            let _place = place;
            let begun = Instant::now();
            let answer = answer.await;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(()) => {
                    record(&mut tally.granted, due.elapsed());
                    if let Some(second) = seconds.get(started.elapsed().as_secs() as usize) {
                        second.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(status) if status.code() == Code::Unavailable => {
                    record(&mut tally.refused, due.elapsed());
                    record(&mut tally.refused_since_begun, begun.elapsed());
                }
                Err(status) => tally.errors.push(status),
            }
        });
    }
    let offering = started.elapsed();
    let all = u32::try_from(plan.room).unwrap_or(u32::MAX);
    let _all = room.acquire_many(all).await;
    let whole = started.elapsed();
    let seconds = seconds
        .iter()
        .map(|second| second.load(Ordering::Relaxed))
        .collect();
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    Outcome {
        granted: std::mem::replace(&mut tally.granted, histogram()),
        refused: std::mem::replace(&mut tally.refused, histogram()),
        refused_since_begun: std::mem::replace(&mut tally.refused_since_begun, histogram()),
        errors: std::mem::take(&mut tally.errors),
        offering,
        whole,
        seconds,
    }
}
