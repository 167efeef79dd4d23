//! Both services as processes, each with a database of its own, mail into a directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    clients::Invitations,
    cluster::{self, TestDatabase},
    processes::{Launch, Service},
};

/// A link key for tests.
pub const LINK_KEY: &str = "a-key-for-tests-of-at-least-thirty-two-characters";

/// Both services, ready.
pub struct System {
    /// invitations-svc.
    pub invitations: Service,
    /// notify-svc.
    pub notify: Service,
    /// The database of invitations-svc.
    pub invitations_database: TestDatabase,
    /// The database of notify-svc.
    pub notify_database: TestDatabase,
    directory: TempDir,
}

impl System {
    /// Starts both. `hint` becomes part of the databases' names.
    pub async fn start(hint: &str) -> Self {
        Self::start_with(hint, |launch| launch, |launch| launch).await
    }

    /// Starts both, after the caller has changed the launch of invitations-svc and that of notify-svc.
    pub async fn start_with(
        hint: &str,
        invitations: impl FnOnce(Launch) -> Launch,
        notify: impl FnOnce(Launch) -> Launch,
    ) -> Self {
        let databases =
            ["invitations", "notify"].map(|service| cluster::database(&format!("{hint}_{service}")));
        Self::start_on(databases, invitations, notify).await
    }

    /// As [`System::start_with`], on the databases of invitations-svc and of notify-svc: for tests that stop their
    /// Postgres, which then must be their own.
    pub async fn start_on(
        [invitations_database, notify_database]: [TestDatabase; 2],
        invitations: impl FnOnce(Launch) -> Launch,
        notify: impl FnOnce(Launch) -> Launch,
    ) -> Self {
        let directory = tempfile::tempdir().expect("there is room for files");
        fs::create_dir(directory.path().join("mail")).expect("there is room for files");
        let mut launch = notify(notify_launch(&notify_database, directory.path()));
        if !launch.flags.iter().any(|flag| flag == "--smtp-url") {
            launch = launch.flag("--mail-dir", directory.path().join("mail"));
        }
        let notify = launch.start().await;
        let launch = invitations_launch(&invitations_database, &notify, directory.path());
        Self {
            invitations: invitations(launch).start().await,
            notify,
            invitations_database,
            notify_database,
            directory,
        }
    }

    /// Clients of invitations-svc.
    pub fn clients(&self) -> Invitations {
        Invitations::at(self.invitations.grpc())
    }

    /// Where notify-svc writes its mail, unless the launch was given an `--smtp-url`.
    pub fn mail(&self) -> PathBuf {
        self.directory.path().join("mail")
    }
}

fn notify_launch(database: &TestDatabase, directory: &Path) -> Launch {
    let launch = Launch::new("notify-svc", directory);
    let pages = format!("http://{}", launch.http);
    launch
        .flag("--database-url", &database.url)
        .flag("--log-format", "json")
        .flag("--mail-from", "Invitations <invitations@product.example>")
        .flag("--pages-url", pages)
        .flag("--link-keys", LINK_KEY)
}

fn invitations_launch(database: &TestDatabase, notify: &Service, directory: &Path) -> Launch {
    let launch = Launch::new("invitations-svc", directory);
    let public = format!("http://{}", launch.http);
    launch
        .flag("--database-url", &database.url)
        .flag("--log-format", "json")
        .flag("--notify-url", format!("http://{}", notify.grpc()))
        .flag("--link-keys", LINK_KEY)
        .flag("--public-url", public)
        .flag(
            "--profile-url-template",
            "https://product.example/members/{member_id}",
        )
        .flag(
            "--inbox-url-template",
            "https://product.example/inbox/{invitation_id}",
        )
}
