//! Emails per second from the queue command to the durable outcome, beside what the same Postgres does at best for a
//! bare claim and finish; how long one email takes; what a transaction that stays open costs.
//!
//! Rounds alternate and medians are compared, because a machine's speed changes from minute to minute: only the ratios
//! mean something.

mod limit;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Parser;
use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query,
    sql_types::BigInt,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use proto::notify::v1::{
    ApplyEmailCommandsRequest, EmailCommand, EmailRecipient, InitialEmail, QueueEmail,
    email_command::Command, email_service_client::EmailServiceClient, queue_email::Content,
};
use shell::clock::{self, Clock};
use tests::{
    clients::id,
    cluster::{Cluster, TestDatabase},
    counting_sink::{self, Counts},
    processes::Launch,
    profile::{self, Profile},
    system::LINK_KEY,
    watch::{Cpu, Watch},
};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// Connections of the load generator.
const CHANNELS: usize = 2;
/// Commands in one call of a backlog.
const BATCH: u64 = 250;

/// Measures notify-svc
#[derive(Parser)]
struct Args {
    /// Rounds; every other one in reverse order
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections to the mail server
    #[arg(long, default_value_t = 256)]
    connections: u16,
    /// Emails in one round
    #[arg(long, default_value_t = 30_000)]
    emails: u64,
    /// Emails a second while one email's time is measured
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// How long that takes, in seconds; 0 leaves it out
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long a transaction stays open while 800 emails a second come and go, in seconds; 0 leaves it out
    #[arg(long, default_value_t = 180)]
    snapshot_seconds: u64,
    /// Print where CPU goes in each round, by places of the programs (Linux' perf) and by statements. It takes part of the
    /// machine, so that rates and goals are lower than without it
    #[arg(long)]
    profile: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let directory = tempfile::tempdir()?;
    let cluster = Cluster::temporary_durable(args.profile.then(|| profile::SETTING.to_owned()).as_slice())?;
    let (database, bare) = (cluster.database("bench")?, cluster.database("bare")?);
    let (smtp, counts) = counting_sink::start().await?;
    let service = launch(&bare, smtp, directory.path(), &args).start().await;
    drop(service);
    let service = launch(&database, smtp, directory.path(), &args).start().await;
    let bench = Bench::new(service.grpc(), database, counts).await?;

    bench.backlog(args.emails / 4).await?;
    let (mut ours, mut limits, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..args.rounds {
        if round % 2 == 0 {
            limits.push(limit::measure(&bare, directory.path(), args.emails)?);
        }
        let profile = args.profile.then(|| Profile::start(&cluster)).transpose()?;
        let Backlog { rate, cpu } = bench.backlog(args.emails).await?;
        if let Some(profile) = profile {
            println!("{}", profile.stop(Some(cpu))?);
        }
        ours.push(rate);
        cpus.push(cpu);
        if round % 2 == 1 {
            limits.push(limit::measure(&bare, directory.path(), args.emails)?);
        }
    }
    let (ours, limit) = (median(ours), median(limits));
    println!("queue to durable outcome     {ours:>8.0} emails/s");
    println!("bare claim and finish        {limit:>8.0} emails/s");
    let cpu = |of: fn(&Cpu) -> f64| median(cpus.iter().map(of).collect());
    println!(
        "CPU of an email in microseconds: service {:.0}, Postgres {:.0}, client and mail server {:.0}",
        cpu(|cpu| cpu.services),
        cpu(|cpu| cpu.postgres),
        cpu(|cpu| cpu.client)
    );
    println!(
        "goal emails_to_limit {:.2} >= 0.25 {}",
        ours / limit,
        verdict(ours / limit >= 0.25)
    );
    println!(
        "goal emails_per_second {ours:.0} >= 5000 {}",
        verdict(ours >= 5_000.0)
    );
    if args.seconds > 0 {
        let times = bench
            .open_loop(args.rate, Duration::from_secs(args.seconds))
            .await?;
        println!(
            "at {} a second, command to the server's 250: p50 {:.1} ms, p99 {:.1} ms",
            args.rate, times.p50_ms, times.p99_ms
        );
    }
    if args.snapshot_seconds > 0 {
        bench
            .under_a_snapshot(Duration::from_secs(args.snapshot_seconds), args.emails)
            .await?;
    }
    Ok(())
}

fn launch(database: &TestDatabase, smtp: SocketAddr, directory: &std::path::Path, args: &Args) -> Launch {
    Launch::new("notify-svc", directory)
        .flag("--database-url", &database.url)
        .flag("--smtp-url", format!("smtp://{smtp}"))
        .flag("--mail-from", "Invitations <invitations@product.example>")
        .flag("--pages-url", "https://mail.product.example")
        .flag("--link-keys", LINK_KEY)
        .flag("--smtp-connections", args.connections.to_string())
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "ok" } else { "short" }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// What working off a backlog took.
struct Backlog {
    /// Emails a second.
    rate: f64,
    /// Microseconds for each email.
    cpu: Cpu,
}

/// How long emails took.
struct Times {
    p50_ms: f64,
    p99_ms: f64,
}

/// The service under load.
struct Bench {
    channels: Vec<Channel>,
    database: TestDatabase,
    looking: Mutex<PgConnection>,
    counts: Arc<Counts>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Bench {
    async fn new(grpc: SocketAddr, database: TestDatabase, counts: Arc<Counts>) -> anyhow::Result<Self> {
        let mut channels = Vec::new();
        for _ in 0..CHANNELS {
            channels.push(Endpoint::from_shared(format!("http://{grpc}"))?.connect().await?);
        }
        Ok(Self {
            channels,
            looking: Mutex::new(database.connect()),
            database,
            counts,
        })
    }

    /// From the first command to the last durable outcome.
    async fn backlog(&self, emails: u64) -> anyhow::Result<Backlog> {
        let (before, started, watch) = (self.counts.taken(), Instant::now(), Watch::start());
        let calls = (0..emails / BATCH).map(|call| self.queue(call, (0..BATCH).collect()));
        stream::iter(calls)
            .buffer_unordered(8)
            .try_collect::<()>()
            .await?;
        self.drained(before + emails / BATCH * BATCH).await?;
        let (elapsed, spent) = (started.elapsed(), watch.stop());
        let taken = self.counts.taken() - before;
        ensure!(
            taken == emails / BATCH * BATCH,
            "the sink took {taken} of {emails} emails"
        );
        Ok(Backlog {
            rate: taken as f64 / elapsed.as_secs_f64(),
            cpu: spent.cpu.per(taken),
        })
    }

    /// From the moment that each email's command was due, whether or not the ones before were answered, to the mail
    /// server's 250.
    async fn open_loop(&self, rate: u64, length: Duration) -> anyhow::Result<Times> {
        let before = self.counts.taken();
        self.counts.note_times();
        let (started, count) = (Instant::now(), rate * length.as_secs());
        let due = |reader: u64| started + Duration::from_secs_f64(reader as f64 / rate as f64);
        let calls = stream::iter(0..count).map(async |reader| {
            tokio::time::sleep_until(due(reader).into()).await;
            self.queue(reader, vec![reader]).await
        });
        // Far more than come in the time that one takes, so that none waits for others.
        calls.buffer_unordered(10_000).try_collect::<()>().await?;
        self.drained(before + count).await?;
        let times = self.counts.times();
        ensure!(
            times.len() as u64 == count,
            "the sink took {} of {count} emails",
            times.len()
        );
        let mut took: Vec<Duration> = times.into_iter().map(|(reader, at)| at - due(reader)).collect();
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        Ok(Times {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
        })
    }

    /// Throughput before and while a transaction stays open that still sees every row of before, and the hot table's
    /// size after it.
    async fn under_a_snapshot(&self, length: Duration, emails: u64) -> anyhow::Result<()> {
        let before = median(vec![
            self.backlog(emails).await?.rate,
            self.backlog(emails).await?.rate,
            self.backlog(emails).await?.rate,
        ]);
        let mut open = PgConnection::establish(&self.database.url)?;
        open.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM email")?;
        self.open_loop(800, length).await?;
        let size = self.number("SELECT pg_relation_size('due') AS number")?;
        let during = median(vec![
            self.backlog(emails).await?.rate,
            self.backlog(emails).await?.rate,
            self.backlog(emails).await?.rate,
        ]);
        open.batch_execute("COMMIT")?;
        let (ratio, mib) = (during / before, size as f64 / 1_048_576.0);
        println!(
            "with a transaction open for {} s at 800 a second:",
            length.as_secs()
        );
        println!(
            "goal held_snapshot_throughput {ratio:.2} >= 0.90 {}",
            verdict(ratio >= 0.9)
        );
        println!(
            "goal held_snapshot_due_mib {mib:.1} <= 20 {}",
            verdict(mib <= 20.0)
        );
        Ok(())
    }

    /// Waits until the sink has taken so many emails and each has its outcome. Asks the database only then, and over one
    /// connection: looking costs what is measured.
    async fn drained(&self, taken: u64) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(600);
        while self.counts.taken() < taken {
            ensure!(
                Instant::now() < end,
                "the sink took {} emails, not {taken}",
                self.counts.taken()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while self.number("SELECT count(*) AS number FROM due")? > 0 {
            ensure!(Instant::now() < end, "emails stay open");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    async fn queue(&self, call: u64, readers: Vec<u64>) -> anyhow::Result<()> {
        let channel = &self.channels[call as usize % self.channels.len()];
        let commands = readers.into_iter().map(|reader| EmailCommand {
            command: Some(Command::Queue(initial(reader))),
        });
        let request = ApplyEmailCommandsRequest {
            commands: commands.collect(),
        };
        let mut client = EmailServiceClient::new(channel.clone());
        client
            .apply_email_commands(request)
            .await
            .context("emails cannot be queued")?;
        Ok(())
    }

    fn number(&self, query: &str) -> anyhow::Result<i64> {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let number: Number = sql_query(query).get_result(&mut *looking)?;
        Ok(number.number)
    }
}

/// An email as invitations-svc queues it, to a reader of its own, whose address begins with the number.
fn initial(reader: u64) -> QueueEmail {
    #[expect(clippy::disallowed_methods, reason = "nobody moves this program's clock")]
    let invitation_id = Uuid::now_v7();
    QueueEmail {
        key: format!("{invitation_id}/1/initial"),
        invitation_id: invitation_id.to_string(),
        sequence: 1,
        event_time: Some(clock::to_proto(Clock::system().now())),
        recipient: Some(EmailRecipient {
            member_id: id(),
            name: "Ben Berger".to_owned(),
            address: format!("r{reader}@example.com"),
            locale: "en".to_owned(),
            time_zone: "Europe/Oslo".to_owned(),
        }),
        content: Some(Content::Initial(InitialEmail {
            inviter_id: id(),
            inviter_name: "Ada Adler".to_owned(),
            note: "We met in Oslo, at the meeting of the north.".to_owned(),
            accept_url: "https://invitations.product.example/i/a-token-of-the-usual-length-of-a-token"
                .to_owned(),
            inviter_profile_url: "https://product.example/members/ada".to_owned(),
            inbox_url: "https://product.example/inbox/1".to_owned(),
            remaining_count: Some(2),
        })),
    }
}
