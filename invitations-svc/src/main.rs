//! The program: `serve`, `check-config`, `migrate`.

use anyhow::anyhow;
use clap::{Parser, Subcommand};
use invitations_svc::{config::Config, serve, store};
use shell::{clock::Clock, postgres, server::stop_on_signal, telemetry};

/// Invitations between members: quotas, restrictions, state transitions
#[derive(Parser)]
#[command(name = "invitations-svc", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve until SIGTERM or SIGINT
    Serve(Config),
    /// Say whether the settings are right, and what is wrong with them
    CheckConfig(Config),
    /// Bring the database up to date and exit
    Migrate(Config),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().verb {
        Verb::Serve(config) => run(config),
        Verb::CheckConfig(config) => {
            config.check().map_err(|wrong| anyhow!(wrong))?;
            println!("the settings are right");
            Ok(())
        }
        Verb::Migrate(config) => {
            telemetry::start(&config.log).map_err(|wrong| anyhow!(wrong))?;
            postgres::migrate(&config.database.database_url, store::MIGRATIONS)
                .map_err(|wrong| anyhow!(wrong))
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config.log).map_err(|wrong| anyhow!(wrong))?;
    let serving = serve(config, Clock::system(), stop_on_signal())
        .await
        .map_err(|wrong| anyhow!(wrong))?;
    serving.done.await?;
    Ok(())
}
