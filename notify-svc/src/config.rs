//! Settings: flags, each with its environment variable. `serve --help` is their reference.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Parser};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use shell::{
    listen::ListenArgs,
    postgres::{self, DatabaseArgs},
    telemetry::LogArgs,
};

use crate::{
    domain::delivery::Policy,
    links::{Links, PagesUrl},
    smtp::{Limits, Relay, Transport, folder::Folder, url},
};

/// All settings of the service.
#[derive(Debug, Clone, Parser)]
#[command(group(ArgGroup::new("transport").required(true).args(["smtp_url", "mail_dir"])))]
pub struct Config {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Where gRPC is served
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50052")]
    pub(crate) grpc_addr: std::net::SocketAddr,
    /// Where readers' pages, metrics and health are served over HTTP
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8082")]
    pub(crate) http_addr: std::net::SocketAddr,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// Mail server: smtp://HOST[:PORT] in clear, smtp://USER:PASSWORD@HOST with STARTTLS required, smtps://… with TLS
    /// from the first byte; `?tls=required` asks for STARTTLS without a user; @FILE reads it from a file
    #[arg(long, env = "SMTP_URL", value_parser = postgres::secret, hide_env_values = true)]
    pub(crate) smtp_url: Option<SecretString>,
    /// Instead of a mail server: folder that gets each email as an .eml file
    #[arg(long, env = "MAIL_DIR")]
    pub(crate) mail_dir: Option<PathBuf>,
    /// Sender of all emails, e.g. "Invitations <invitations@example.com>"; Message-IDs end in its domain
    #[arg(long, env = "MAIL_FROM", value_parser = mailbox)]
    pub(crate) mail_from: Mailbox,
    /// Where readers reach the pages of --http-addr, e.g. https://mail.example.com; linked in each email
    #[arg(long, env = "PAGES_URL")]
    pub(crate) pages_url: PagesUrl,
    /// Keys that sign links and page tokens, separated by commas, newest first, at least 32 characters each; @FILE reads
    /// them from a file
    #[arg(long, env = "LINK_KEYS", value_parser = postgres::secret, hide_env_values = true)]
    pub(crate) link_keys: SecretString,
    /// Emails sent at once, each over a connection of its own
    #[arg(long, env = "CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) concurrency: u16,
    /// How long a claimed email stays with a worker that is not heard of, in seconds
    #[arg(long, env = "LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) lease_seconds: u64,
    /// Waits after the first, second … failed attempt, in seconds, separated by commas; one failure more is final
    #[arg(
        long,
        env = "RETRY_DELAYS",
        value_delimiter = ',',
        default_value = "60,300,1800,7200,21600,86400",
        value_parser = clap::value_parser!(u64).range(0..=2_592_000)
    )]
    pub(crate) retry_delays: Vec<u64>,
    /// How old the reason of an initial email or a reminder may be when it goes out, in hours
    #[arg(long, env = "INITIAL_DEADLINE_HOURS", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub(crate) initial_deadline_hours: u32,
    /// Longest wait for the mail server to connect or to answer a command, in seconds
    #[arg(long, env = "SMTP_COMMAND_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) smtp_command_seconds: u64,
    /// Longest wait for the mail server's last word on an email, in seconds; RFC 5321 asks for ten minutes, and a
    /// shorter one sends more emails twice
    #[arg(long, env = "SMTP_FINAL_REPLY_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) smtp_final_reply_seconds: u64,
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse()
        .map_err(|_| "must be an address, e.g. \"Invitations <invitations@example.com>\"".to_owned())
}

impl Config {
    /// Finds what is wrong without starting anything. The error says what to change.
    pub fn check(&self) -> Result<(), String> {
        postgres::check_url(&self.database.database_url)?;
        self.listen.identities(self.grpc_addr)?;
        if self.retry_delays.len() > 30 {
            return Err("--retry-delays: at most 30 waits".to_owned());
        }
        self.links()?;
        self.transport().map(|_| ())
    }

    /// How to write to the log.
    pub fn log(&self) -> &LogArgs {
        &self.log
    }

    pub(crate) fn links(&self) -> Result<Links, String> {
        let keys = self.link_keys.expose_secret().parse();
        Ok(Links {
            keys: keys.map_err(|wrong| format!("--link-keys: {wrong}"))?,
            pages_url: self.pages_url.clone(),
        })
    }

    pub(crate) fn transport(&self) -> Result<Transport, String> {
        match (&self.smtp_url, &self.mail_dir) {
            (Some(url), _) => {
                let server =
                    url::parse(url.expose_secret()).map_err(|wrong| format!("--smtp-url: {wrong}"))?;
                let limits = Limits {
                    command: Duration::from_secs(self.smtp_command_seconds),
                    final_reply: Duration::from_secs(self.smtp_final_reply_seconds),
                };
                Relay::new(server, limits).map(Transport::Smtp)
            }
            (None, Some(path)) => Folder::new(path)
                .map(Transport::Folder)
                .map_err(|error| format!("--mail-dir: {error}")),
            (None, None) => Err("set --smtp-url or --mail-dir".to_owned()),
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            retry_delays: self
                .retry_delays
                .iter()
                .copied()
                .map(Duration::from_secs)
                .collect(),
            initial_deadline: Duration::from_secs(u64::from(self.initial_deadline_hours) * 3_600),
        }
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [&str; 9] = [
        "notify-svc",
        "--database-url",
        "postgres:///notify?host=/run/postgresql",
        "--mail-from",
        "Invitations <invitations@example.com>",
        "--pages-url",
        "https://mail.example.com",
        "--link-keys",
        "0123456789abcdef0123456789abcdef",
    ];

    fn check(extra: &[&str]) -> Result<(), String> {
        let config = Config::try_parse_from(BASE.iter().chain(extra)).map_err(|error| error.to_string())?;
        config.check()
    }

    #[test]
    fn one_transport_is_needed_and_only_one() {
        assert!(check(&["--smtp-url", "smtp://127.0.0.1:2525"]).is_ok());
        assert!(check(&[]).is_err());
        assert!(check(&["--smtp-url", "smtp://127.0.0.1", "--mail-dir", "/tmp"]).is_err());
        assert!(
            check(&["--mail-dir", "/nowhere/at/all"])
                .expect_err("refused")
                .contains("--mail-dir")
        );
    }

    #[test]
    fn beyond_loopback_nobody_is_served_without_an_identity() {
        let beyond = ["--smtp-url", "smtp://127.0.0.1", "--grpc-addr", "0.0.0.0:50052"];
        assert!(check(&beyond).expect_err("refused").contains("--tokens-file"));
    }

    #[test]
    fn a_number_that_cannot_be_meant_is_refused() {
        for (flag, wrong, right) in [
            ("--concurrency", ["0", "501"], "500"),
            ("--lease-seconds", ["0", "3601"], "1"),
            ("--retry-delays", ["60,-1", "60,2592001"], "0,2592000"),
            ("--initial-deadline-hours", ["0", "8761"], "1"),
            ("--smtp-command-seconds", ["0", "3601"], "1"),
            ("--smtp-final-reply-seconds", ["0", "18446744073709551615"], "1"),
        ] {
            let given = |value: &str| check(&["--smtp-url", "smtp://127.0.0.1", &format!("{flag}={value}")]);
            assert_eq!(given(right), Ok(()), "{flag}={right}");
            for value in wrong {
                assert!(
                    given(value).expect_err("refused").contains(flag),
                    "{flag}={value}"
                );
            }
        }
    }

    #[test]
    fn a_key_is_long_enough() {
        let wrong = check(&["--smtp-url", "smtp://127.0.0.1", "--link-keys", "short"]);
        assert!(wrong.expect_err("refused").contains("link-keys"));
    }
}
