//! Both services as child processes, started and stopped in order.

use std::{
    ffi::OsString,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tests::{
    clients::{Invitations, id},
    processes::{Environment, Launch, Service},
};

use crate::settings::Addresses;

/// Both services, ready.
pub(crate) struct Stack {
    pub(crate) invitations: Service,
    pub(crate) notify: Service,
}

/// Connection strings of the two databases.
pub(crate) struct Databases {
    pub(crate) invitations: String,
    pub(crate) notify: String,
}

impl Stack {
    /// Starts both with logs, mail and link key in `directory`, and waits until they are ready.
    pub(crate) async fn start(
        directory: &Path,
        databases: &Databases,
        addresses: &Addresses,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(mail(directory))?;
        let mut notify = notify_launch(directory, databases, addresses)?.spawn()?;
        let mut invitations = invitations_launch(directory, databases, addresses)?.spawn()?;
        notify.ready().await?;
        invitations.ready().await?;
        Ok(Self { invitations, notify })
    }

    /// Clients of invitations-svc.
    pub(crate) fn clients(&self) -> Invitations {
        Invitations::at(self.invitations.grpc())
    }

    /// What to say of a service that has ended by itself; none while both run.
    pub(crate) fn obituary(&mut self) -> Option<String> {
        [&mut self.invitations, &mut self.notify]
            .into_iter()
            .find_map(|service| {
                let status = service.ended()?;
                let (launch, tail) = (service.launch(), service.log_tail(20));
                Some(format!(
                    "{} ended ({status}); the end of {}:\n{tail}",
                    launch.binary,
                    launch.log.display()
                ))
            })
    }

    /// Stops both in good order.
    pub(crate) async fn stop(&mut self) {
        self.invitations.stop().await;
        self.notify.stop().await;
    }
}

fn invitations_launch(
    directory: &Path,
    databases: &Databases,
    addresses: &Addresses,
) -> anyhow::Result<Launch> {
    let launch = launch("invitations-svc", directory, &databases.invitations)
        .flag("--notify-url", format!("http://{}", addresses.notify_grpc))
        .flag("--public-url", format!("http://{}", addresses.invitations_http))
        .flag(
            "--profile-url-template",
            "https://product.example/members/{member_id}",
        )
        .flag(
            "--inbox-url-template",
            "https://product.example/inbox/{invitation_id}",
        )
        .flag("--link-keys", link_key(directory)?);
    Ok(Launch {
        grpc: addresses.invitations_grpc,
        http: addresses.invitations_http,
        ..launch
    })
}

fn notify_launch(directory: &Path, databases: &Databases, addresses: &Addresses) -> anyhow::Result<Launch> {
    let launch = launch("notify-svc", directory, &databases.notify)
        .flag("--mail-dir", mail(directory))
        .flag("--mail-from", "Invitations <invitations@product.example>")
        .flag("--pages-url", format!("http://{}", addresses.notify_http))
        .flag("--link-keys", link_key(directory)?);
    Ok(Launch {
        grpc: addresses.notify_grpc,
        http: addresses.notify_http,
        ..launch
    })
}

fn launch(binary: &'static str, directory: &Path, database: &str) -> Launch {
    let launch = Launch {
        environment: Environment::Inherited,
        ..Launch::new(binary, directory)
    };
    launch
        .variable("DATABASE_URL", database)
        .flag("--log-format", "json")
        .flag("--shutdown-ms", "2000")
}

/// Where mail is written.
pub(crate) fn mail(directory: &Path) -> PathBuf {
    directory.join("mail")
}

/// `@` and the file of the key that signs links, made on first use: links in old mail keep working.
fn link_key(directory: &Path) -> anyhow::Result<OsString> {
    let path = directory.join("link-key");
    if !path.exists() {
        let mut options = fs::File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .context("cannot write the link key")?;
        writeln!(file, "{}{}", id(), id())?;
    }
    let mut given = OsString::from("@");
    given.push(path);
    Ok(given)
}
