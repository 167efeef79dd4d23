//! Both services on one machine: `dev run` to work with, `dev demo` to see. `make run` and `make demo` call it.

mod demo;
mod packages;
mod people;
mod postgres;
mod run;
mod settings;
mod smoke;
mod stack;

use std::process::ExitCode;

use clap::Parser;

/// Runs both services on this machine, without configuration
#[derive(Parser)]
enum Command {
    /// Run both services until Ctrl-C; data and mail stay in .run/
    Run(settings::Settings),
    /// Walk through one invitation on a throw-away directory and show each step
    Demo,
    /// Call what `run` starts with grpcurl, by the lines that it prints
    Smoke,
    /// Install what the tests need, or say which command does
    Prepare,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run(settings) => run::run(settings).await,
        Command::Demo => demo::demo().await,
        Command::Smoke => smoke::smoke(),
        Command::Prepare => packages::for_tests(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
