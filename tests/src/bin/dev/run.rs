//! `dev run`: both services until Ctrl-C.

use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use tests::cluster::Cluster;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    people::{self, ADA, BEN, CLEO},
    postgres,
    settings::{Addresses, Settings},
    stack::{Databases, Stack},
};

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    fs::create_dir_all(&settings.directory)
        .with_context(|| format!("cannot create {}", settings.directory.display()))?;
    let directory = settings.directory.canonicalize()?;
    let _lock = lock(&directory)?;
    settings.addresses.check()?;
    let mut stop = Stop::new()?;
    let (cluster, databases) = databases(&settings, &directory)?;
    let mut stack = tokio::select! {
        started = start(&directory, &databases, &settings.addresses) => started?,
        () = stop.requested() => return Ok(()),
    };
    println!("{}", welcome(&settings, &databases));
    let end = tokio::select! {
        () = stop.requested() => Ok(()),
        reason = death(&mut stack, cluster.as_ref()) => Err(anyhow::Error::msg(reason)),
    };
    println!("\nStopping…");
    stack.stop().await;
    drop(cluster);
    println!("Stopped. Data and mail stay in {}.", settings.directory.display());
    end
}

async fn start(directory: &Path, databases: &Databases, addresses: &Addresses) -> anyhow::Result<Stack> {
    let stack = Stack::start(directory, databases, addresses).await?;
    people::seed(&stack.clients()).await?;
    Ok(stack)
}

/// Holds `directory` for this process, however it ends.
fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("lock");
    let mut options = File::options();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        bail!(
            "it runs already in this directory, as process {}; stop that one first",
            holder.trim()
        );
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// The databases that were given; a private cluster for those that were not.
fn databases(settings: &Settings, directory: &Path) -> anyhow::Result<(Option<Cluster>, Databases)> {
    let given = (&settings.invitations_database_url, &settings.notify_database_url);
    if let (Some(invitations), Some(notify)) = given {
        let databases = Databases {
            invitations: invitations.clone(),
            notify: notify.clone(),
        };
        return Ok((None, databases));
    }
    let cluster = postgres::start(directory)?;
    let or_private = |given: &Option<String>, name: &str| match given {
        Some(url) => Ok(url.clone()),
        None => cluster.database(name).map(|database| database.url),
    };
    let databases = Databases {
        invitations: or_private(given.0, "invitations")?,
        notify: or_private(given.1, "notify")?,
    };
    Ok((Some(cluster), databases))
}

/// Resolves when a child has ended by itself, with what to say about it.
async fn death(stack: &mut Stack, cluster: Option<&Cluster>) -> String {
    loop {
        if let Some(cluster) = cluster.filter(|cluster| cluster.has_crashed()) {
            return format!(
                "Postgres ended; the end of {}:\n{}",
                cluster.log_path().display(),
                cluster.log_tail()
            );
        }
        if let Some(obituary) = stack.obituary() {
            return obituary;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Ctrl-C, SIGTERM, or the terminal closed.
struct Stop([tokio::signal::unix::Signal; 3]);

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn requested(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn welcome(settings: &Settings, databases: &Databases) -> String {
    let directory = settings.directory.display();
    let members = [ADA, BEN, CLEO].map(|person| format!("{} {}", person.id, person.name));
    let a = &settings.addresses;
    let psql = |given: &Option<String>, private: &str| match given {
        Some(_) => "its database is the one you gave".to_owned(),
        None => format!("psql '{private}'"),
    };
    let service = "invitations.v1.InvitationService";
    let call = "grpcurl -plaintext -d";
    let at = a.invitations_grpc;
    let waiting = format!(
        r#"$({call} '{{"recipient_id":"{ben}"}}' {at} {service}/ListReceivedInvitations | sed -n 's/.*"invitationId": "\([^"]*\)".*/\1/p' | head -n1)"#,
        ben = BEN.id
    );
    format!(
        r#"
invitations-svc  gRPC {at}, pages, /metrics and /readyz http://{ihttp}
                 log {directory}/invitations-svc.log
                 {idb}
notify-svc       gRPC {ngrpc}, settings pages, /metrics and /readyz http://{nhttp}
                 log {directory}/notify-svc.log
                 {ndb}
mail             {directory}/mail/*.eml
members          {members}

Ada invites Ben:
  {call} '{{"inviter_id":"{ada}","recipient_id":"{ben}","note":"Shall we?"}}' {at} {service}/SendInvitation
Ben accepts (or opens the link in the mail):
  {call} '{{"recipient_id":"{ben}","invitation_id":"'{waiting}'"}}' {at} {service}/AcceptInvitation
No grpcurl? make grpcurl (needs Go), then PATH=$PWD/target/tools/bin:$PATH

Ctrl-C stops all of it. The data stays; make clean removes it."#,
        ihttp = a.invitations_http,
        ngrpc = a.notify_grpc,
        nhttp = a.notify_http,
        idb = psql(&settings.invitations_database_url, &databases.invitations),
        ndb = psql(&settings.notify_database_url, &databases.notify),
        members = members.join("\n                 "),
        ada = ADA.id,
        ben = BEN.id,
    )
}
