//! notify-svc alone: a process with a database of its own, and what tests tell it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use proto::notify::v1::{
    AcceptanceEmail, ApplyEmailCommandsRequest, CancelEmails, CancelEmailsResult, CancelScope, EmailCommand,
    EmailRecipient, EmailState, InitialEmail, QueueEmail, QueueEmailResult, ReminderEmail, ReplyEmail,
    email_command::Command, email_command_result::Result as Told, email_service_client::EmailServiceClient,
    queue_email::Content,
};
use shell::clock::{self, Clock};
use tempfile::TempDir;
use tonic::{Code, Status, transport::Channel};

use crate::{
    clients::{channel, id, request},
    cluster::{self, TestDatabase},
    deliveries::Deliveries,
    http,
    processes::{Launch, Service},
    system::LINK_KEY,
};

/// A running notify-svc.
pub struct Post {
    /// The process.
    pub service: Service,
    /// Its database.
    pub database: TestDatabase,
    client: EmailServiceClient<Channel>,
    directory: TempDir,
}

impl Post {
    /// Starts it on a fresh database. `transport` adds at least `--smtp-url` or `--mail-dir`; the path is a directory
    /// of the test's own. Replicas whose emails are compared need one `--pages-url`.
    pub async fn start(hint: &str, transport: impl FnOnce(Launch, &Path) -> Launch) -> Self {
        Self::at(cluster::database(hint), transport).await
    }

    /// Starts it on a database that may have another one already.
    pub async fn at(database: TestDatabase, transport: impl FnOnce(Launch, &Path) -> Launch) -> Self {
        let directory = tempfile::tempdir().expect("there is room for files");
        let launch = Launch::new("notify-svc", directory.path());
        let pages = format!("http://{}", launch.http);
        let launch = launch
            .flag("--database-url", &database.url)
            .flag("--log-format", "json")
            .flag("--mail-from", "Invitations <invitations@product.example>")
            .flag("--link-keys", LINK_KEY);
        let mut launch = transport(launch, directory.path());
        if !launch.flags.iter().any(|flag| flag == "--pages-url") {
            launch = launch.flag("--pages-url", pages);
        }
        let service = launch.start().await;
        until_connected(&service).await;
        let client = EmailServiceClient::new(channel(service.grpc()));
        Self {
            service,
            database,
            client,
            directory,
        }
    }

    /// A directory of the test's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A client that outlives restarts of the process.
    pub fn client(&self) -> EmailServiceClient<Channel> {
        self.client.clone()
    }

    /// Applies commands in one call.
    pub async fn apply(&self, commands: Vec<Command>) -> Result<Vec<Told>, Status> {
        apply(self.client(), commands).await
    }

    /// Queues one email, or asks where it stands.
    pub async fn queue(&self, email: &QueueEmail) -> Result<QueueEmailResult, Status> {
        match self.apply(vec![Command::Queue(email.clone())]).await?.remove(0) {
            Told::Queue(result) => Ok(result),
            Told::Cancel(result) => panic!("a queue command was answered with {result:?}"),
        }
    }

    /// Cancels below a sequence, without naming a scope: how many are cancelled, were sent, are in flight.
    pub async fn cancel(&self, invitation_id: &str, sequence: i64) -> Result<(i32, i32, i32), Status> {
        self.cancel_scope(invitation_id, sequence, CancelScope::Unspecified)
            .await
    }

    /// As [`Post::cancel`], for the emails of `scope`.
    pub async fn cancel_scope(
        &self,
        invitation_id: &str,
        sequence: i64,
        scope: CancelScope,
    ) -> Result<(i32, i32, i32), Status> {
        let command = cancel_scope(invitation_id, sequence, scope);
        match self.apply(vec![command]).await?.remove(0) {
            Told::Cancel(result) => Ok(counts(&result)),
            Told::Queue(result) => panic!("a cancel command was answered with {result:?}"),
        }
    }

    /// Waits until the email stands there. Panics with where it stands when it does not in half a minute.
    pub async fn until(&self, email: &QueueEmail, state: EmailState) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let stands = self.queue(email).await.map(|result| result.state());
            if stands.as_ref().is_ok_and(|stands| *stands == state) {
                return;
            }
            assert!(Instant::now() < end, "stands at {stands:?}, not at {state:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the metrics have these lines: a commit is seen before it is counted. Panics with the page when they do not
    /// in half a minute.
    pub async fn until_metrics(&self, lines: &[&str]) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let page = http::get(&self.service.page("/metrics")).await.expect("served");
            let is_missing = |line: &&&str| page.body.lines().all(|found| found != **line);
            let Some(missing) = lines.iter().find(is_missing) else {
                return;
            };
            assert!(Instant::now() < end, "{missing} in\n{}", page.body);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reads until the calls' pool, which begins empty, has a connection, at most half a minute: on a busy machine the first
/// one may take longer than a call waits for it.
async fn until_connected(service: &Service) {
    let deliveries = Deliveries::at(service.grpc());
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(status) = deliveries.get(&id()).await
        && status.code() == Code::Unavailable
    {
        assert!(Instant::now() < end, "{status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Applies commands in one call.
pub async fn apply(
    mut client: EmailServiceClient<Channel>,
    commands: Vec<Command>,
) -> Result<Vec<Told>, Status> {
    let commands = commands.into_iter().map(|command| EmailCommand {
        command: Some(command),
    });
    let message = ApplyEmailCommandsRequest {
        commands: commands.collect(),
    };
    let response = client.apply_email_commands(request(message)).await?;
    let results = response.into_inner().results.into_iter();
    Ok(results
        .map(|result| result.result.expect("each command has its result"))
        .collect())
}

/// The counts of a cancel: cancelled, sent, in flight.
pub fn counts(result: &CancelEmailsResult) -> (i32, i32, i32) {
    (
        result.cancelled_count,
        result.already_sent_count,
        result.in_flight_count,
    )
}

/// A cancel command that names no scope.
pub fn cancel(invitation_id: &str, sequence: i64) -> Command {
    cancel_scope(invitation_id, sequence, CancelScope::Unspecified)
}

/// A cancel command for the emails of `scope`.
pub fn cancel_scope(invitation_id: &str, sequence: i64, scope: CancelScope) -> Command {
    Command::Cancel(CancelEmails {
        invitation_id: invitation_id.to_owned(),
        sequence,
        scope: scope.into(),
    })
}

/// A new initial email of a new invitation, sequence 1, for an event of now.
pub fn initial() -> QueueEmail {
    let key = id();
    QueueEmail {
        invitation_id: id(),
        sequence: 1,
        event_time: Some(clock::to_proto(Clock::system().now())),
        recipient: Some(recipient(&key)),
        key,
        content: Some(Content::Initial(InitialEmail {
            inviter_id: id(),
            inviter_name: "Ada Adler".to_owned(),
            note: "We met in Oslo.".to_owned(),
            accept_url: "https://product.example/i/token".to_owned(),
            inviter_profile_url: "https://product.example/members/ada".to_owned(),
            inbox_url: "https://product.example/inbox/1".to_owned(),
            remaining_count: Some(2),
        })),
    }
}

/// A new first reminder, after which one more may follow, of a new invitation, sequence 1, for an event of now.
pub fn reminder() -> QueueEmail {
    QueueEmail {
        content: Some(Content::Reminder(ReminderEmail {
            inviter_id: id(),
            inviter_name: "Ada Adler".to_owned(),
            note: "We met in Oslo.".to_owned(),
            accept_url: "https://product.example/i/token".to_owned(),
            inviter_profile_url: "https://product.example/members/ada".to_owned(),
            inbox_url: "https://product.example/inbox/1".to_owned(),
            number: 1,
            remaining_count: 1,
        })),
        ..initial()
    }
}

/// A new reply email of a new invitation, sequence 1, for an event of now.
pub fn reply() -> QueueEmail {
    QueueEmail {
        content: Some(Content::Reply(ReplyEmail {
            replier_id: id(),
            replier_name: "Ada Adler".to_owned(),
            text: "Where do we know each other from?".to_owned(),
            invitation_url: "https://product.example/sent/1".to_owned(),
            replier_profile_url: "https://product.example/members/ada".to_owned(),
        })),
        ..initial()
    }
}

/// A new acceptance email of a new invitation, sequence 1, for an event of now.
pub fn acceptance() -> QueueEmail {
    QueueEmail {
        content: Some(Content::Acceptance(AcceptanceEmail {
            connection_id: id(),
            connection_name: "Ada Adler".to_owned(),
            connection_address: "ada@example.com".to_owned(),
            connection_profile_url: "https://product.example/members/ada".to_owned(),
            total_count: 12,
            shared_count: 2,
            names: vec!["Cleo".to_owned(), "Dan".to_owned()],
            named_ids: vec![id(), id()],
        })),
        ..initial()
    }
}

fn recipient(key: &str) -> EmailRecipient {
    EmailRecipient {
        member_id: id(),
        name: "Ben Berger".to_owned(),
        address: format!("{key}@example.com"),
        locale: "en".to_owned(),
        time_zone: "Europe/Oslo".to_owned(),
    }
}

/// The address that an email goes to.
pub fn address(email: &QueueEmail) -> &str {
    email
        .recipient
        .as_ref()
        .map_or("", |recipient| &recipient.address)
}
