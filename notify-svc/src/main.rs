//! The process: arguments, log, signals.

use anyhow::{Result, anyhow};
use clap::Parser;
use notify_svc::Config;
use shell::{clock::Clock, postgres::DatabaseArgs, server, telemetry};

/// Queues and sends the emails of invitations.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Runs the service until SIGTERM or SIGINT
    Serve(Config),
    /// Says what is wrong with the settings, and starts nothing
    CheckConfig(Config),
    /// Brings the database up to date; `serve` does it, too
    Migrate(DatabaseArgs),
}

#[tokio::main]
async fn main() -> Result<()> {
    let done = match Command::parse() {
        Command::Serve(config) => serve(config).await,
        Command::CheckConfig(config) => config.check().map(|()| println!("the settings are right")),
        Command::Migrate(database) => notify_svc::migrate(&database),
    };
    done.map_err(|wrong| anyhow!(wrong))
}

async fn serve(config: Config) -> Result<(), String> {
    telemetry::start(config.log())?;
    let stop = server::stop_on_signal();
    let serving = notify_svc::serve(config, Clock::system(), stop).await?;
    serving.done.await.map_err(|error| error.to_string())
}
