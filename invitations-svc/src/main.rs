//! The program: `serve`, `check-config`, `migrate`.

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use invitations_svc::config::{self, Config};
use shell::{clock::Clock, postgres::DatabaseArgs, server, telemetry};

/// Invitations between members: sending, accepting, quotas
#[derive(Parser)]
#[command(name = "invitations-svc", version)]
enum Verb {
    /// Serve until SIGTERM or SIGINT
    Serve(Config),
    /// Say whether the settings are right, what is wrong with them, and what each rule's number means
    CheckConfig(Config),
    /// Bring the database up to date and exit; `serve` does it, too
    Migrate(DatabaseArgs),
}

fn main() -> ExitCode {
    let matches = Verb::command().get_matches();
    let done = match Verb::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()) {
        Verb::Serve(config) => server::run(serve(config)),
        Verb::CheckConfig(config) => config.check().map(|_| println!("{}", rules(&matches))),
        Verb::Migrate(database) => {
            invitations_svc::migrate(&database).map(|()| println!("the database is up to date"))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("invitations-svc: {wrong}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    telemetry::start(&config.log)?;
    let stop = server::stop_on_signal();
    let serving = invitations_svc::serve(config, Clock::system(), stop).await?;
    serving.done.await.map_err(|error| error.to_string())
}

/// The rules' numbers as they are set, each with what it means.
fn rules(matches: &ArgMatches) -> String {
    let given = matches.subcommand().map(|(_, given)| given);
    let rules = given.map_or_else(String::new, config::rules);
    format!("the settings are right\n\n{rules}")
}
