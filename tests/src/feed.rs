//! Following the feed of invitations-svc, in few words.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use proto::invitations::v1::{
    Transition, TransitionKind, WatchTransitionsRequest, WatchTransitionsResponse,
    feed_service_client::FeedServiceClient,
};
use tonic::{Code, Request, Status, Streaming, transport::Channel};

use crate::clients::channel;

/// Longest wait for a message that has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of FeedService.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The generated client.
    pub client: FeedServiceClient<Channel>,
}

impl Feed {
    /// A client of the service at `grpc`.
    pub fn at(grpc: SocketAddr) -> Self {
        let client = FeedServiceClient::new(channel(grpc));
        Self { client }
    }

    /// Follows as the member, or as a service where `member` is empty, from `cursor` on.
    pub async fn watch(&self, member: &str, cursor: &str) -> Result<Watching, Status> {
        self.watch_with(Request::new(WatchTransitionsRequest {
            cursor: cursor.to_owned(),
            member_id: member.to_owned(),
        }))
        .await
    }

    /// Follows as `request` says.
    pub async fn watch_with(&self, request: Request<WatchTransitionsRequest>) -> Result<Watching, Status> {
        let response = self.client.clone().watch_transitions(request).await?;
        Ok(Watching {
            messages: response.into_inner(),
        })
    }

    /// The first `count` transitions after `cursor`, and the cursor after the message that held the last of them. Goes
    /// on, as every client should, where a stream ends with UNAVAILABLE. Panics where they do not come within a minute.
    pub async fn first(&self, member: &str, cursor: &str, count: usize) -> (Vec<Transition>, String) {
        self.first_within(2 * PATIENCE, member, cursor, count).await
    }

    /// As [`Feed::first`], within `patience`.
    pub async fn first_within(
        &self,
        patience: Duration,
        member: &str,
        cursor: &str,
        count: usize,
    ) -> (Vec<Transition>, String) {
        let (mut cursor, mut found) = (cursor.to_owned(), Vec::new());
        let all = async {
            while let Err(status) = self.follow(member, &mut cursor, &mut found, count).await {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let done = tokio::time::timeout(patience, all).await.is_ok();
        assert!(done, "{} of {count} transitions came", found.len());
        (found, cursor)
    }

    async fn follow(
        &self,
        member: &str,
        cursor: &mut String,
        found: &mut Vec<Transition>,
        count: usize,
    ) -> Result<(), Status> {
        let mut watching = self.watch(member, cursor).await?;
        while found.len() < count {
            let message = watching.message().await?;
            found.extend(message.transitions);
            *cursor = message.cursor;
        }
        Ok(())
    }
}

/// A stream.
#[derive(Debug)]
pub struct Watching {
    messages: Streaming<WatchTransitionsResponse>,
}

impl Watching {
    /// The next message, or what the stream ended with. Panics where neither comes for half a minute.
    pub async fn message(&mut self) -> Result<WatchTransitionsResponse, Status> {
        let next = tokio::time::timeout(PATIENCE, self.messages.message()).await;
        let message = next.expect("a message comes in time")?;
        Ok(message.expect("the stream ends with an error only"))
    }

    /// What the stream ends with, whatever comes before. Panics where it does not end for half a minute.
    pub async fn end(mut self) -> Status {
        loop {
            if let Err(status) = self.message().await {
                return status;
            }
        }
    }
}

/// The transitions of each pair, in their order.
pub fn by_pair(transitions: &[Transition]) -> BTreeMap<(String, String), Vec<Transition>> {
    let mut pairs: BTreeMap<_, Vec<Transition>> = BTreeMap::new();
    for transition in transitions {
        let (one, other) = (&transition.inviter_id, &transition.recipient_id);
        let pair = (one.min(other).clone(), one.max(other).clone());
        pairs.entry(pair).or_default().push(transition.clone());
    }
    pairs
}

/// What happened, in order.
pub fn kinds(transitions: &[Transition]) -> Vec<TransitionKind> {
    transitions.iter().map(Transition::kind).collect()
}
