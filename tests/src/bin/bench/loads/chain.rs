//! Both services and both databases: from sends to emails that are queued in notify-svc, and to the mail server's 250.
//!
//! What is measured includes all that is left over when the last send is answered.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use tests::{
    cluster::TestDatabase,
    counting_sink::{self, Counts},
    ports,
    processes::{Launch, Service},
    system::LINK_KEY,
    watch::resident_mib,
};

use super::sends::send_many;
use crate::{
    Bench, database,
    results::Sample,
    rounds::{Measured, steps},
    stage::{Stage, counter, launch},
};

/// Longest wait for what is left over.
const PATIENCE: Duration = Duration::from_secs(120);

/// Connections to the mail server.
const SMTP_CONNECTIONS: &str = "256";

/// Both services.
struct Chain {
    stage: Stage,
    notify: Service,
    emails: TestDatabase,
}

pub(super) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let (smtp, counts) = counting_sink::start().await?;
    // With a mail server that nobody reaches notify-svc only queues.
    let queueing = start(bench, "queued", ports::free()).await?;
    let delivering = start(bench, "delivered", smtp).await?;
    bench.note(
        "notify MiB at rest",
        Sample::of(resident_mib(delivering.notify.pid())),
    );
    let (queueing, delivering, counts) = (&queueing, &delivering, &counts);
    queueing.queued(bench.args.chain() / 4).await?;
    delivering.delivered(bench.args.chain() / 4, counts).await?;
    let all = [
        steps("chain queued", move || queueing.queued(bench.args.chain())),
        steps("chain delivered", move || {
            delivering.delivered(bench.args.chain(), counts)
        }),
    ];
    bench.alternate(&all).await?;
    drop(all);
    for chain in [queueing, delivering] {
        chain.outbox_is_empty().await?;
        bench.check_books("chain", &chain.stage.database)?;
        let sent = database::number(&chain.stage.database, "SELECT count(*) AS number FROM sent")?;
        let emails = database::number(&chain.emails, "SELECT count(*) AS number FROM email")?;
        bench.expect(sent == emails, || format!("{sent} sends queued {emails} emails"));
    }
    let sent = database::number(&delivering.stage.database, "SELECT count(*) AS number FROM sent")?;
    let taken = counts.taken();
    bench.expect(u64::try_from(sent) == Ok(taken), || {
        format!("{sent} sends, and the mail server took {taken} emails")
    });
    Ok(())
}

async fn start(bench: &Bench, name: &str, smtp: SocketAddr) -> anyhow::Result<Chain> {
    let directory = bench.directory.path();
    let emails = bench.cluster.database(&format!("emails_{name}"))?;
    let notify = notify_launch(&emails, smtp, directory).start().await;
    let database = database::with_members(&bench.cluster, name)?;
    let launch = launch(&database, directory).flag("--notify-url", format!("http://{}", notify.grpc()));
    Ok(Chain {
        stage: Stage::start(database, launch, bench.args.members).await,
        notify,
        emails,
    })
}

fn notify_launch(database: &TestDatabase, smtp: SocketAddr, directory: &Path) -> Launch {
    Launch::new("notify-svc", directory)
        .flag("--database-url", &database.url)
        .flag("--smtp-url", format!("smtp://{smtp}"))
        .flag("--mail-from", "Invitations <invitations@product.example>")
        .flag("--pages-url", "https://mail.product.example")
        .flag("--link-keys", LINK_KEY)
        .flag("--smtp-connections", SMTP_CONNECTIONS)
}

impl Chain {
    /// Sends a second until notify-svc has them all.
    async fn queued(&self, count: u64) -> anyhow::Result<Measured> {
        let (started, before) = (Instant::now(), self.accepted().await?);
        let (sends, _) = send_many(&self.stage.clients, &self.stage.numbers, count).await?;
        let waiting = before + count - self.accepted().await?;
        while self.accepted().await? < before + count {
            ensure!(started.elapsed() < PATIENCE, "emails are not queued");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let rate = count as f64 / started.elapsed().as_secs_f64();
        Ok(vec![
            ("chain queued", rated(&sends, rate)),
            ("chain queued backlog", Sample::of(waiting as f64)),
        ])
    }

    /// Emails that notify-svc has accepted.
    async fn accepted(&self) -> anyhow::Result<u64> {
        counter(&self.notify, "emails_accepted_total{kind=\"initial\"}").await
    }

    /// Sends a second until the mail server has taken them all.
    async fn delivered(&self, count: u64, counts: &Arc<Counts>) -> anyhow::Result<Measured> {
        let (started, before) = (Instant::now(), counts.taken());
        let (sends, _) = send_many(&self.stage.clients, &self.stage.numbers, count).await?;
        let waiting = self.waiting()?;
        let resident = resident_mib(self.notify.pid());
        while counts.taken() < before + count {
            ensure!(
                started.elapsed() < PATIENCE,
                "the mail server took {} of {count} emails",
                counts.taken() - before
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let rate = count as f64 / started.elapsed().as_secs_f64();
        Ok(vec![
            ("chain delivered", rated(&sends, rate)),
            ("chain delivered backlog", Sample::of(waiting as f64)),
            ("notify MiB at 256", Sample::of(resident)),
        ])
    }

    /// Transitions that notify-svc has yet to hear of.
    fn waiting(&self) -> anyhow::Result<i64> {
        database::number(
            &self.stage.database,
            "SELECT count(*) AS number FROM outbox WHERE due_at IS NOT NULL",
        )
    }

    /// Waits until every transition is in notify-svc and in the feed.
    async fn outbox_is_empty(&self) -> anyhow::Result<()> {
        let (started, mut connection) = (Instant::now(), self.stage.database.connect());
        while database::ask(&mut connection, "SELECT count(*) AS number FROM outbox")? > 0 {
            ensure!(started.elapsed() < PATIENCE, "transitions stay in the outbox");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

fn rated(sends: &Sample, rate: f64) -> Sample {
    Sample {
        value: rate,
        ..sends.clone()
    }
}
