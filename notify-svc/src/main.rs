//! The program: `serve`, `check-config`, `migrate`, `dkim-record`, `gallery`.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use notify_svc::{Config, DkimArgs};
use shell::{clock::Clock, postgres::DatabaseArgs, server, telemetry};

/// Queues the emails of invitations and sends them
#[derive(Parser)]
#[command(name = "notify-svc", version)]
enum Verb {
    /// Serve until SIGTERM or SIGINT
    Serve(Config),
    /// Say whether the settings are right, and what is wrong with them
    CheckConfig(Config),
    /// Bring the database up to date and exit; `serve` does it, too
    Migrate(DatabaseArgs),
    /// Print what has to be in the DNS before emails are signed with a key
    DkimRecord(DkimArgs),
    /// Write every email in every language into a directory, to be looked at in a browser
    Gallery {
        /// Where to; made when it is not there
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Verb::parse() {
        Verb::Serve(config) => server::run(serve(config)),
        Verb::CheckConfig(config) => config.check().map(|()| println!("the settings are right")),
        Verb::DkimRecord(dkim) => dkim.record().map(|record| println!("{record}")),
        Verb::Migrate(database) => {
            notify_svc::migrate(&database).map(|()| println!("the database is up to date"))
        }
        Verb::Gallery { directory } => {
            notify_svc::gallery(&directory).map(|index| println!("{}", index.display()))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("notify-svc: {wrong}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    telemetry::start(config.log())?;
    let stop = server::stop_on_signal();
    let serving = notify_svc::serve(config, Clock::system(), stop).await?;
    serving.done.await.map_err(|error| error.to_string())
}
