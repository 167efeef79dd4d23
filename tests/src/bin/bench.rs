//! Unary sends per second, beside what plain transactions of the same Postgres do for the same work.
//!
//! A is pgbench: one transaction of plain statements a send, on the service's own tables, at its best number of
//! connections, in pgbench's own default protocol (simple). A prepared is the same with prepared statements. Rounds
//! alternate and the medians are compared, because a machine's speed changes from minute to minute: only the ratios
//! mean something.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Parser;
use proto::invitations::v1::{
    Member, SendInvitationRequest, UpsertMembersRequest, invitation_service_client::InvitationServiceClient,
    member_service_client::MemberServiceClient,
};
use tests::{
    cluster::{Cluster, binaries},
    processes::Launch,
};
use tonic::transport::{Channel, Endpoint};

/// Connections of the load generator.
const CHANNELS: usize = 4;

/// The first member's number; member ids end with it.
const FIRST: u64 = 100_000_000_000;

/// Measures unary sends
#[derive(Parser)]
struct Args {
    /// Rounds; every other one in reverse order
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Length of one measurement, in seconds
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Members that invite each other
    #[arg(long, default_value_t = 50_000)]
    members: u64,
    /// Calls in flight, one measurement each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    in_flight: Vec<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let directory = tempfile::tempdir()?;
    let cluster = Cluster::persistent(&directory.path().join("postgres"))?;
    let database = cluster.database("bench")?;
    let service = Launch::new("invitations-svc", directory.path())
        .flag("--database-url", &database.url)
        .flag("--link-keys", tests::system::LINK_KEY)
        .flag("--relay", "off")
        .flag("--feed", "record")
        .start()
        .await;
    let channels = connect(service.grpc()).await?;
    make_members(&channels, args.members).await?;
    let script = directory.path().join("a.sql");
    fs::write(&script, plain_transaction(args.members))?;

    let modes = ["simple", "prepared"];
    let kinds: Vec<Kind> = modes
        .into_iter()
        .map(Kind::Plain)
        .chain(args.in_flight.iter().copied().map(Kind::Ours))
        .collect();
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); kinds.len()];
    let length = Duration::from_secs(args.seconds);
    measure(&channels, 64, Duration::from_secs(1), args.members).await?;
    for round in 0..args.rounds {
        let mut order: Vec<usize> = (0..kinds.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            samples[at].push(match kinds[at] {
                Kind::Plain(mode) => best_of_pgbench(&database.url, &script, mode, args.seconds)?,
                Kind::Ours(in_flight) => measure(&channels, in_flight, length, args.members).await?,
            });
        }
    }
    let limit = median(&samples[0]).per_second;
    println!(
        "{:>16} {:>10} {:>9} {:>9} {:>9}",
        "", "sends/s", "p50 ms", "p99 ms", "ratio A"
    );
    for (kind, samples) in kinds.iter().zip(&samples) {
        let Sample {
            per_second,
            p50_ms,
            p99_ms,
        } = median(samples);
        let name = match kind {
            Kind::Plain("simple") => "A".to_owned(),
            Kind::Plain(mode) => format!("A {mode}"),
            Kind::Ours(in_flight) => format!("{in_flight} in flight"),
        };
        let latency = |ms: f64| {
            if ms > 0.0 {
                format!("{ms:.2}")
            } else {
                "-".to_owned()
            }
        };
        println!(
            "{name:>16} {per_second:>10.0} {:>9} {:>9} {:>9.1}",
            latency(p50_ms),
            latency(p99_ms),
            per_second / limit
        );
    }
    Ok(())
}

/// What is measured.
enum Kind {
    /// pgbench, in a protocol of its.
    Plain(&'static str),
    /// The service, with so many sends in flight.
    Ours(usize),
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// The sample in the middle by throughput.
fn median(samples: &[Sample]) -> Sample {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(|one, other| one.per_second.total_cmp(&other.per_second));
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

async fn connect(grpc: std::net::SocketAddr) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        channels.push(Endpoint::from_shared(format!("http://{grpc}"))?.connect().await?);
    }
    Ok(channels)
}

fn member_id(number: u64) -> String {
    format!("00000000-0000-7000-8000-{}", FIRST + number)
}

async fn make_members(channels: &[Channel], members: u64) -> anyhow::Result<()> {
    let mut client = MemberServiceClient::new(channels[0].clone());
    for first in (0..members).step_by(100) {
        let members = (first..(first + 100).min(members)).map(|number| Member {
            member_id: member_id(number),
            name: format!("Member {number}"),
            email: format!("member{number}@example.com"),
            ..Member::default()
        });
        let request = UpsertMembersRequest {
            members: members.collect(),
            request_id: String::new(),
        };
        client
            .upsert_members(request)
            .await
            .context("members cannot be made")?;
    }
    Ok(())
}

/// Keeps `in_flight` sends between random members under way for `length`.
async fn measure(
    channels: &[Channel],
    in_flight: usize,
    length: Duration,
    members: u64,
) -> anyhow::Result<Sample> {
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..in_flight {
        let client = InvitationServiceClient::new(channels[number % channels.len()].clone());
        tasks.push(tokio::spawn(send_until(client, stop.clone(), members)));
    }
    tokio::time::sleep(length).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "no send was answered in {length:?}");
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    Ok(Sample {
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
    })
}

async fn send_until(
    mut client: InvitationServiceClient<Channel>,
    stop: Arc<AtomicBool>,
    members: u64,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let inviter = rand::random_range(0..members);
        let recipient = (inviter + rand::random_range(1..members)) % members;
        let request = SendInvitationRequest {
            inviter_id: member_id(inviter),
            recipient_id: member_id(recipient),
            request_id: uuid::Uuid::new_v4().to_string(),
            ..SendInvitationRequest::default()
        };
        let started = Instant::now();
        client.send_invitation(request).await.context("a send failed")?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

/// What a send does, as plain statements of one transaction: four reads to judge by, two of them locking, and six
/// writes.
fn plain_transaction(members: u64) -> String {
    let last = FIRST + members - 1;
    let member = |variable: &str| format!("('00000000-0000-7000-8000-' || :{variable}::text)::uuid");
    let (a, b) = (member("a"), member("b"));
    let id = "('00000000-0000-7000-9000-' || :i::text)::uuid";
    format!(
        "\\set a random({FIRST}, {last})\n\
         \\set b random({FIRST}, {last})\n\
         \\set i random({FIRST}, 999999999999)\n\
         BEGIN;\n\
         SELECT outcome FROM request WHERE request_id = {a} AND client = 'pgbench';\n\
         SELECT member_id, invitation_policy, email FROM member WHERE member_id IN ({a}, {b});\n\
         SELECT version, sends, lifetime_sends, outstanding, connections, restriction FROM account WHERE member_id = {a} FOR UPDATE;\n\
         SELECT version, connected_at, open_id, open_until, lo_sends, hi_sends FROM pair \
           WHERE lo = least({a}, {b}) AND hi = greatest({a}, {b}) FOR UPDATE;\n\
         UPDATE account SET version = version + 1, sends = sends || '\\x000001a207481696', \
           lifetime_sends = lifetime_sends + 1, outstanding = outstanding + 1 WHERE member_id = {a};\n\
         INSERT INTO pair (lo, hi, version, open_id, open_from_lo, open_until, lo_sends, hi_sends) \
           SELECT least({a}, {b}), greatest({a}, {b}), 1, {id}, {a} < {b}, now(), '\\x000001a207481696', '' WHERE :a <> :b \
           ON CONFLICT (lo, hi) DO UPDATE SET version = pair.version + 1;\n\
         INSERT INTO sent (inviter_id, id, recipient_id, note, lifecycle, sent_at, expires_at) \
           VALUES ({a}, {id}, {b}, '', 1, now(), now());\n\
         INSERT INTO received (recipient_id, id, inviter_id, note, lifecycle, folder, sequence, sent_at, expires_at, \
           emailed_at, reminders, reminders_left, due_at) \
           VALUES ({b}, {id}, {a}, '', 1, 1, 1, now(), now(), now(), true, 2, \
           now() + interval '7 days');\n\
         INSERT INTO outbox (lane, invitation_id, sequence, event, inviter_id, recipient_id, text, pair_version, \
           happened_at, due_at, unfed) VALUES (1, {id}, 1, 1, {a}, {b}, '', 1, now(), now(), true);\n\
         INSERT INTO request (request_id, client, fingerprint, outcome, subject, decided_at, until) \
           VALUES (gen_random_uuid(), 'pgbench', '\\x00112233445566778899aabbccddeeff', 1, {a}, now(), now());\n\
         COMMIT;\n"
    )
}

/// pgbench at 4, 8 and 16 connections; the best counts. It tells its mean latency only.
fn best_of_pgbench(url: &str, script: &Path, mode: &str, seconds: u64) -> anyhow::Result<Sample> {
    // Where `postgres` is a link on PATH, pgbench stands beside what it points to.
    let server = binaries::find()?.join("postgres").canonicalize()?;
    let pgbench = server.with_file_name("pgbench");
    let mut best = Sample::default();
    for connections in ["4", "8", "16"] {
        let output = Command::new(&pgbench)
            .args([
                "-n",
                "-M",
                mode,
                "-j",
                "2",
                "-c",
                connections,
                "-T",
                &seconds.to_string(),
                "-f",
            ])
            .arg(script)
            .arg(url)
            .output()
            .with_context(|| {
                format!(
                    "{} is missing; it comes with Debian's postgresql package",
                    pgbench.display()
                )
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let tps = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let per_second: f64 =
            tps.with_context(|| format!("pgbench said no tps: {}", String::from_utf8_lossy(&output.stderr)))?;
        if per_second > best.per_second {
            best = Sample {
                per_second,
                ..Sample::default()
            };
        }
    }
    Ok(best)
}
