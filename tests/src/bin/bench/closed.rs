//! The closed loop: so many calls are under way, and the next one begins when one is answered.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use tests::{clients::Invitations, watch::Watch};
use tonic::Status;

use crate::results::{Sample, Times, histogram, record};

/// What a worker's turn came to.
pub(crate) enum Turn {
    Called(Result<(), Status>),
    /// There is nothing left to call for.
    Over,
}

/// Keeps `in_flight` calls under way for `length`, or until nothing is left. An error is counted and told.
pub(crate) async fn run<C, F>(
    clients: &[Arc<Invitations>],
    in_flight: usize,
    length: Duration,
    call: C,
) -> anyhow::Result<Sample>
where
    C: Fn(Arc<Invitations>) -> F + Clone + Send + 'static,
    F: Future<Output = Turn> + Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let (watch, started) = (Watch::start(), Instant::now());
    let workers: Vec<_> = (0..in_flight)
        .map(|number| {
            let client = clients[number % clients.len()].clone();
            tokio::spawn(work(client, stop.clone(), call.clone()))
        })
        .collect();
    let stopper = tokio::spawn(async move {
        tokio::time::sleep(length).await;
        stop.store(true, Ordering::Relaxed);
    });
    let (mut times, mut errors) = (histogram(), Vec::new());
    for worker in workers {
        let done = worker.await?;
        times.add(&done.times).expect("histograms are alike");
        errors.extend(done.errors);
    }
    let elapsed = started.elapsed();
    stopper.abort();
    if let Some(error) = errors.first() {
        eprintln!("{} error answers, such as {error}", errors.len());
    }
    ensure!(!times.is_empty(), "no call was answered in {length:?}");
    Ok(Sample {
        value: times.len() as f64 / elapsed.as_secs_f64(),
        times: Some(Times::of(&times)),
        count: times.len(),
        cpu: Some(watch.stop().cpu.per(times.len())),
        errors: errors.len() as u64,
        ..Sample::default()
    })
}

struct Done {
    times: Histogram<u64>,
    errors: Vec<Status>,
}

async fn work<C, F>(client: Arc<Invitations>, stop: Arc<AtomicBool>, call: C) -> Done
where
    C: Fn(Arc<Invitations>) -> F,
    F: Future<Output = Turn>,
{
    let mut done = Done {
        times: histogram(),
        errors: Vec::new(),
    };
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        match call(client.clone()).await {
            Turn::Called(Ok(())) => record(&mut done.times, started.elapsed()),
            Turn::Called(Err(error)) => done.errors.push(error),
            Turn::Over => break,
        }
    }
    done
}
