//! Group commit for workers: what several sends have to write goes into one statement.

use std::{future::Future, sync::Arc};

use tokio::sync::{Mutex, mpsc, oneshot};

/// Items in one statement.
const MAX: usize = 500;

/// Batches that are written at the same time: while one waits for the disk, the next is made.
const WRITERS: usize = 2;

/// Takes items one by one and writes what is there as one batch; while batches are written, the next one gathers.
pub(super) struct Batch<I, O>(mpsc::Sender<(I, oneshot::Sender<O>)>);

impl<I: Send + 'static, O: Send + 'static> Batch<I, O> {
    /// `write` answers one for each item, in order. Ends when nobody can submit any more.
    pub(super) fn start<F, W>(write: W) -> Self
    where
        W: Fn(Vec<I>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<O>> + Send,
    {
        let (sender, receiver) = mpsc::channel::<(I, oneshot::Sender<O>)>(MAX);
        let (receiver, write) = (Arc::new(Mutex::new(receiver)), Arc::new(write));
        for _ in 0..WRITERS {
            let (receiver, write) = (receiver.clone(), write.clone());
            tokio::spawn(async move {
                let mut waiting = Vec::with_capacity(MAX);
                loop {
                    let gathered = receiver.lock().await.recv_many(&mut waiting, MAX).await;
                    if gathered == 0 {
                        return;
                    }
                    let (items, askers): (Vec<I>, Vec<_>) = waiting.drain(..).unzip();
                    for (asker, answer) in askers.into_iter().zip(write(items).await) {
                        // Nobody listens where the send was given up at shutdown.
                        drop(asker.send(answer));
                    }
                }
            });
        }
        Self(sender)
    }

    /// Writes `item` together with others. None when the writer is gone.
    pub(super) async fn submit(&self, item: I) -> Option<O> {
        let (asker, answer) = oneshot::channel();
        self.0.send((item, asker)).await.ok()?;
        answer.await.ok()
    }

    /// Writes all `items`, together as far as they fit. Answers one for each, in order; none when the writer is gone.
    pub(super) async fn submit_all(&self, items: Vec<I>) -> Vec<Option<O>> {
        let mut asked = Vec::with_capacity(items.len());
        for item in items {
            let (asker, answer) = oneshot::channel();
            asked.push(self.0.send((item, asker)).await.ok().map(|()| answer));
        }
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            answers.push(match answer {
                Some(answer) => answer.await.ok(),
                None => None,
            });
        }
        answers
    }
}
