//! Sends over SendInvitationStream: so many items are under way, over a few streams.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::stream;
use hdrhistogram::Histogram;
use proto::invitations::v1::{SendInvitationStreamRequest, send_invitation_result::Result as ItemResult};
use tests::{
    clients::{Invitations, send_request},
    watch::Watch,
};
use tokio::sync::mpsc;

use crate::{
    numbers::{Numbers, member_id},
    results::{Sample, Times, histogram, record},
};

/// Streams, each on a connection of its own.
const STREAMS: usize = 2;

/// Keeps `in_flight` items under way for `length`.
pub(crate) async fn run(
    clients: &[Arc<Invitations>],
    numbers: &Arc<Numbers>,
    in_flight: usize,
    length: Duration,
) -> anyhow::Result<Sample> {
    let stop = Arc::new(AtomicBool::new(false));
    let (watch, started) = (Watch::start(), Instant::now());
    let streams: Vec<_> = clients
        .iter()
        .take(STREAMS)
        .map(|client| {
            let each = in_flight / STREAMS;
            tokio::spawn(one(client.clone(), numbers.clone(), each, stop.clone()))
        })
        .collect();
    tokio::time::sleep(length).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = histogram();
    for stream in streams {
        times.add(&stream.await??).expect("histograms are alike");
    }
    Ok(Sample {
        value: times.len() as f64 / started.elapsed().as_secs_f64(),
        times: Some(Times::of(&times)),
        count: times.len(),
        cpu: Some(watch.stop().cpu.per(times.len())),
        ..Sample::default()
    })
}

/// Items go by slots: one that was answered frees its slot for the next.
async fn one(
    client: Arc<Invitations>,
    numbers: Arc<Numbers>,
    slots: usize,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Histogram<u64>> {
    let begun = Arc::new(Mutex::new(vec![Instant::now(); slots]));
    let (free, freed) = mpsc::unbounded_channel();
    for slot in 0..slots {
        free.send(slot)?;
    }
    let starts = begun.clone();
    let items = stream::unfold((freed, numbers), move |(mut freed, numbers)| {
        let starts = starts.clone();
        async move {
            let slot: usize = freed.recv().await?;
            starts.lock().unwrap_or_else(PoisonError::into_inner)[slot] = Instant::now();
            let (inviter, recipient) = numbers.uniform();
            let item = SendInvitationStreamRequest {
                item_id: slot.to_string(),
                request: Some(send_request(&member_id(inviter), &member_id(recipient))),
            };
            Some((item, (freed, numbers)))
        }
    });
    let mut answers = client.stream(items).await.context("no stream")?;
    let (mut free, mut left, mut times) = (Some(free), slots, histogram());
    while let Some(answer) = answers.message().await? {
        let result = answer.result.and_then(|result| result.result);
        ensure!(
            matches!(result, Some(ItemResult::Response(_))),
            "an item was answered {result:?}"
        );
        let slot: usize = answer.item_id.parse().context("an item of nobody's")?;
        let at = begun.lock().unwrap_or_else(PoisonError::into_inner)[slot];
        record(&mut times, at.elapsed());
        if stop.load(Ordering::Relaxed) {
            left -= 1;
            if left == 0 {
                free = None;
            }
        } else if let Some(free) = &free {
            free.send(slot)?;
        }
    }
    Ok(times)
}
