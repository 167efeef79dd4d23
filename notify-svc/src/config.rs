//! Settings: flags, each with its environment variable. `serve --help` is their reference.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{ArgGroup, Args, Parser};
use lettre::{Address, message::Mailbox};
use secrecy::{ExposeSecret, SecretString};
use shell::{
    listen::ListenArgs,
    postgres::{self, DatabaseArgs},
    telemetry::LogArgs,
};

use crate::{
    domain::{
        delivery::{Deadlines, Policy},
        restraint::{QuietHours, Restraint},
    },
    links::{Links, PagesUrl},
    maildir::Maildir,
    smtp::{Letterhead, Limits, Relays, Sender, Transport, dkim::Signer, folder::Folder, tls::Trust, url},
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
    /// Mail servers, the preferred one first: give it several times, or several in one value with white space between.
    /// smtp://HOST[:PORT] in clear, smtp://USER:PASSWORD@HOST with STARTTLS required, smtps://… with TLS from the first
    /// byte; `?tls=required` asks for STARTTLS without a user; @FILE reads it from a file
    #[arg(long, env = "SMTP_URL", value_parser = postgres::secret, hide_env_values = true)]
    pub(crate) smtp_url: Vec<SecretString>,
    /// Instead of a mail server: folder that gets each email as an .eml file
    #[arg(long, env = "MAIL_DIR")]
    pub(crate) mail_dir: Option<PathBuf>,
    /// Sender of all emails, e.g. "Invitations <invitations@example.com>"; Message-IDs end in its domain
    #[arg(long, env = "MAIL_FROM", value_parser = mailbox)]
    pub(crate) mail_from: Mailbox,
    /// Where undeliverable emails are told, e.g. bounces@example.com: each email's sender for mail servers is then
    /// bounces+EMAIL_ID@example.com, and otherwise the address of --mail-from
    #[arg(long, env = "BOUNCE_ADDRESS", value_parser = address)]
    pub(crate) bounce_address: Option<Address>,
    #[command(flatten)]
    pub(crate) dkim: DkimArgs,
    /// Where readers reach the pages of --http-addr, e.g. `https://mail.example.com`; linked in each email
    #[arg(long, env = "PAGES_URL")]
    pub(crate) pages_url: PagesUrl,
    /// Keys that sign links and page tokens, separated by commas, newest first, at least 32 characters each; @FILE reads
    /// them from a file
    #[arg(long, env = "LINK_KEYS", value_parser = postgres::secret, hide_env_values = true)]
    pub(crate) link_keys: SecretString,
    /// Maildir into which the mail server delivers notifications of failed emails; read ones move from its `new` to `cur`
    #[arg(long, env = "BOUNCE_DIR")]
    pub(crate) bounce_dir: Option<PathBuf>,
    /// Days for which texts, addresses and histories of emails are kept once they were queued; those of open emails, and
    /// of later ones, wait until these are closed; 0 keeps them for ever
    #[arg(long, env = "RETENTION_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub(crate) retention_days: u32,
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
    /// How old the reason of an initial email may be when it goes out, in hours
    #[arg(long, env = "INITIAL_DEADLINE_HOURS", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub(crate) initial_deadline_hours: u32,
    /// The same for a reminder, which may have to wait for others
    #[arg(long, env = "REMINDER_DEADLINE_HOURS", default_value_t = 336, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub(crate) reminder_deadline_hours: u32,
    /// The same for an acceptance and a reply
    #[arg(long, env = "ANSWER_DEADLINE_HOURS", default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub(crate) answer_deadline_hours: u32,
    /// Hours of the reader's night in which nothing goes out to them, e.g. 22:00-07:00, by the time zone that came with
    /// the email; without it emails go out at any time
    #[arg(long, env = "QUIET_HOURS")]
    pub(crate) quiet_hours: Option<QuietHours>,
    /// Emails to one reader in any 24 hours; what is more waits. 0 means any number
    #[arg(long, env = "DAILY_CAP", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub(crate) daily_cap: u16,
    /// How many reminders to one reader within a week become one email: as many that wait go out together, and what
    /// would be too many after one went out waits for the week's end. 0 means never
    #[arg(long, env = "DIGEST_FROM", default_value_t = 3, value_parser = digest_from)]
    pub(crate) digest_from: u16,
    /// Longest wait for the mail server to connect or to answer a command, in seconds
    #[arg(long, env = "SMTP_COMMAND_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) smtp_command_seconds: u64,
    /// Longest wait for the mail server's last word on an email, in seconds; RFC 5321 asks for ten minutes, and a
    /// shorter one sends more emails twice
    #[arg(long, env = "SMTP_FINAL_REPLY_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) smtp_final_reply_seconds: u64,
    /// Connections open at once to each mail server, idle ones too; each carries one email at a time
    #[arg(long, env = "SMTP_CONNECTIONS", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) smtp_connections: u16,
    /// Certification authorities that vouch for mail servers, instead of the public ones, as a PEM file
    #[arg(long, env = "SMTP_CA_FILE")]
    pub(crate) smtp_ca_file: Option<PathBuf>,
}

fn hours(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 3_600)
}

fn digest_from(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|count| matches!(count, 0 | 2..=100));
    count.ok_or_else(|| "must be 0 or 2 to 100".to_owned())
}

/// How emails are signed.
#[derive(Debug, Clone, Args)]
pub struct DkimArgs {
    /// Private key that signs emails (DKIM), as a PEM file: RSA of 2048 to 4096 bits, or Ed25519; unset: the mail server
    /// signs, or nobody
    #[arg(long, env = "DKIM_KEY_FILE", requires = "dkim_selector")]
    dkim_key_file: Option<PathBuf>,
    /// Name of that key in the DNS. A new key gets a new name
    #[arg(long, env = "DKIM_SELECTOR", requires = "dkim_key_file", value_parser = selector)]
    dkim_selector: Option<String>,
    /// Domain that signs; unset: that of --mail-from
    #[arg(long, env = "DKIM_DOMAIN", requires = "dkim_key_file", value_parser = domain)]
    dkim_domain: Option<String>,
}

impl DkimArgs {
    /// What has to be in the DNS before emails are signed, as a line of a zone file.
    pub fn record(&self) -> Result<String, String> {
        let domain = self.dkim_domain.as_deref().ok_or("set --dkim-domain")?;
        let signer = self.signer(domain)?.ok_or("set --dkim-key-file")?;
        Ok(signer.record())
    }

    /// None where emails are not signed here.
    fn signer(&self, mail_domain: &str) -> Result<Option<Signer>, String> {
        let (Some(key_file), Some(selector)) = (&self.dkim_key_file, &self.dkim_selector) else {
            return Ok(None);
        };
        let domain = self.dkim_domain.as_deref().unwrap_or(mail_domain);
        let below = |one: &str, other: &str| one == other || one.ends_with(&format!(".{other}"));
        if !below(domain, mail_domain) && !below(mail_domain, domain) {
            return Err(format!(
                "--dkim-domain: must be that of --mail-from, {mail_domain}, or one above or below it"
            ));
        }
        Signer::new(key_file, selector.clone(), domain.to_owned())
            .map(Some)
            .map_err(|wrong| format!("--dkim-key-file: {wrong}"))
    }
}

fn selector(text: &str) -> Result<String, String> {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be letters, digits and hyphens, e.g. mail-2026".to_owned())
    }
}

fn domain(text: &str) -> Result<String, String> {
    let address = shell::addresses::parse(&format!("x@{text}"));
    let address = address.map_err(|_| "must be a domain, e.g. example.com".to_owned())?;
    Ok(address["x@".len()..].to_owned())
}

fn address(text: &str) -> Result<Address, String> {
    let written = shell::addresses::parse(text)?;
    written
        .parse()
        .map_err(|_| "must be an address, e.g. bounces@example.com".to_owned())
}

/// An address with or without a name, its domain in A-labels: it ends Message-IDs and signs.
fn mailbox(text: &str) -> Result<Mailbox, String> {
    let wrong = "must be an address, e.g. \"Invitations <invitations@example.com>\"";
    let mailbox: Mailbox = text.parse().map_err(|_| wrong.to_owned())?;
    let email = address(mailbox.email.as_ref())?;
    Ok(Mailbox::new(mailbox.name, email))
}

impl Config {
    /// Finds what is wrong without starting anything. The error says what to change.
    pub fn check(&self) -> Result<(), String> {
        postgres::check_url(&self.database.database_url)?;
        self.listen.identities(self.grpc_addr)?;
        if self.retry_delays.len() > 30 {
            return Err("--retry-delays: at most 30 waits".to_owned());
        }
        self.letterhead()?;
        self.bounces()?;
        self.transport().map(|_| ())
    }

    /// How to write to the log.
    pub fn log(&self) -> &LogArgs {
        &self.log
    }

    /// What all emails have in common.
    pub(crate) fn letterhead(&self) -> Result<Letterhead, String> {
        let sender = match &self.bounce_address {
            None => Sender::One(self.mail_from.email.clone()),
            Some(address) => {
                Sender::per_email(address.clone()).map_err(|wrong| format!("--bounce-address: {wrong}"))?
            }
        };
        Ok(Letterhead {
            from: self.mail_from.clone(),
            sender,
            signer: self.dkim.signer(self.mail_from.email.domain())?.map(Arc::new),
            links: self.links()?,
        })
    }

    pub(crate) fn links(&self) -> Result<Links, String> {
        let keys = self.link_keys.expose_secret().parse();
        Ok(Links {
            keys: keys.map_err(|wrong| format!("--link-keys: {wrong}"))?,
            pages_url: self.pages_url.clone(),
        })
    }

    pub(crate) fn transport(&self) -> Result<Transport, String> {
        if let Some(path) = &self.mail_dir {
            let folder = Folder::new(path).map_err(|error| {
                format!(
                    "--mail-dir {}: {error}; it must be a directory that is there",
                    path.display()
                )
            })?;
            return Ok(Transport::Folder(folder));
        }
        let urls = self
            .smtp_url
            .iter()
            .flat_map(|urls| urls.expose_secret().split_whitespace());
        let servers = urls.map(url::parse).collect::<Result<_, _>>();
        let trust =
            Trust::new(self.smtp_ca_file.as_deref()).map_err(|wrong| format!("--smtp-ca-file: {wrong}"))?;
        let limits = Limits {
            command: Duration::from_secs(self.smtp_command_seconds),
            final_reply: Duration::from_secs(self.smtp_final_reply_seconds),
            connections: usize::from(self.smtp_connections),
        };
        servers
            .and_then(|servers| Relays::new(servers, &trust, limits))
            .map(Transport::Smtp)
            .map_err(|wrong| format!("--smtp-url: {wrong}"))
    }

    pub(crate) fn bounces(&self) -> Result<Option<Maildir>, String> {
        let opened = self.bounce_dir.as_deref().map(Maildir::open).transpose();
        opened.map_err(|error| format!("--bounce-dir: {error}"))
    }

    /// For how long the texts of closed emails are kept; none means for ever.
    pub(crate) fn retention(&self) -> Option<Duration> {
        let days = u64::from(self.retention_days);
        (days > 0).then(|| Duration::from_secs(days * 86_400))
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            retry_delays: self
                .retry_delays
                .iter()
                .copied()
                .map(Duration::from_secs)
                .collect(),
            deadlines: Deadlines {
                initial: hours(self.initial_deadline_hours),
                reminder: hours(self.reminder_deadline_hours),
                answer: hours(self.answer_deadline_hours),
            },
            restraint: Restraint {
                quiet_hours: self.quiet_hours,
                daily_cap: self.daily_cap.into(),
                digest_from: self.digest_from.into(),
            },
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
            ("--smtp-connections", ["0", "501"], "500"),
            ("--lease-seconds", ["0", "3601"], "1"),
            ("--retry-delays", ["60,-1", "60,2592001"], "0,2592000"),
            ("--initial-deadline-hours", ["0", "8761"], "1"),
            ("--retention-days", ["-1", "36501"], "0"),
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
    fn several_mail_servers_may_be_named_and_each_has_to_be_right() {
        let two = [
            "--smtp-url",
            "smtp://127.0.0.1:1",
            "--smtp-url",
            "smtp://127.0.0.1:2\nsmtps://mail.example",
        ];
        assert_eq!(check(&two), Ok(()));
        for wrong in ["smtp://127.0.0.1 http://mail.example", " "] {
            assert!(
                check(&["--smtp-url", wrong])
                    .expect_err("refused")
                    .contains("--smtp-url"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_by_a_sender_is_refused() {
        let given = |flag: &str| check(&["--smtp-url", "smtp://127.0.0.1", flag]);
        assert_eq!(given("--bounce-address=bounces@example.com"), Ok(()));
        let long = format!("--bounce-address={}@example.com", "b".repeat(32));
        for wrong in [
            "--bounce-address=bounces",
            &long,
            "--smtp-ca-file=/nowhere/at/all",
        ] {
            let (flag, _) = wrong.split_once('=').expect("a value");
            assert!(given(wrong).expect_err("refused").contains(flag), "{wrong}");
        }
    }

    #[test]
    fn a_sender_s_domain_is_written_in_a_labels() {
        let from = mailbox("Ada <ada@bücher.example>").expect("an address");
        assert_eq!(from.to_string(), "Ada <ada@xn--bcher-kva.example>");
        assert!(mailbox("Ada").is_err());
    }

    #[test]
    fn a_signature_has_to_fit_the_sender() {
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/src/smtp/dkim/tests/rsa2048.pem");
        let small = concat!(env!("CARGO_MANIFEST_DIR"), "/src/smtp/dkim/tests/rsa1024.pem");
        let given = |extra: &[&str]| check(&[&["--smtp-url", "smtp://127.0.0.1"], extra].concat());
        let with = ["--dkim-selector", "s1", "--dkim-key-file"];
        assert_eq!(given(&[&with[..], &[key]].concat()), Ok(()));
        for domain in ["example.com", "mail.example.com"] {
            assert_eq!(
                given(&[&with[..], &[key, "--dkim-domain", domain]].concat()),
                Ok(()),
                "{domain}"
            );
        }
        for (wrong, named) in [
            (vec!["--dkim-key-file", key], "--dkim-selector"),
            (vec!["--dkim-selector", "s1"], "--dkim-key-file"),
            ([&with[..], &[small]].concat(), "--dkim-key-file"),
            ([&with[..], &["/nowhere/at/all"]].concat(), "--dkim-key-file"),
            (
                [&with[..], &[key, "--dkim-domain", "example.org"]].concat(),
                "--dkim-domain",
            ),
            (
                [&with[..], &[key, "--dkim-domain", "badexample.com"]].concat(),
                "--dkim-domain",
            ),
            (
                vec!["--dkim-selector", "s 1", "--dkim-key-file", key],
                "--dkim-selector",
            ),
        ] {
            let said = given(&wrong).expect_err("refused");
            assert!(said.contains(named), "{wrong:?}: {said}");
        }
    }

    #[test]
    fn bounces_come_into_a_maildir() {
        let wrong = check(&[
            "--smtp-url",
            "smtp://127.0.0.1",
            "--bounce-dir",
            "/nowhere/at/all",
        ]);
        assert!(
            wrong
                .expect_err("refused")
                .contains("--bounce-dir: /nowhere/at/all/new")
        );
    }

    #[test]
    fn a_key_is_long_enough() {
        let wrong = check(&["--smtp-url", "smtp://127.0.0.1", "--link-keys", "short"]);
        assert!(wrong.expect_err("refused").contains("link-keys"));
    }
}
