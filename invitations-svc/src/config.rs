//! Every setting: a flag, an environment variable, a default. `--help` is their reference.

mod policy;

use std::{net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use shell::{
    fields::Violations,
    gate::Identities,
    listen::ListenArgs,
    postgres::{self, DatabaseArgs},
    signing::Keyring,
    telemetry::LogArgs,
};

use crate::{
    domain::policy::Policy,
    grpc::Limits,
    ledger::LedgerArgs,
    links::UrlTemplate,
    pages::PageArgs,
    web::AcceptButton,
    workers::{feed::FeedSwitch, relay::RelaySwitch, timers::TimersSwitch},
};
pub use policy::{PolicyArgs, rules};

/// Longest wait of a committer for a row that somebody else holds, in milliseconds: below the time that a call has.
const LOCK_TIMEOUT_MS: &str = "2000";

/// The settings of invitations-svc.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "invitations-svc", version)]
pub struct Config {
    /// Where gRPC is served
    #[arg(long, env = "GRPC_ADDR", default_value = "127.0.0.1:50051")]
    pub grpc_addr: SocketAddr,
    /// Where the accept page, /metrics, /healthz and /readyz are served
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8081")]
    pub http_addr: SocketAddr,
    /// Where notify-svc serves gRPC
    #[arg(long, env = "NOTIFY_URL", default_value = "http://127.0.0.1:50052")]
    pub notify_url: String,
    /// Bearer token for notify-svc, where it asks for one; @FILE reads it from a file
    #[arg(long, env = "NOTIFY_TOKEN", value_parser = postgres::secret, hide_env_values = true)]
    pub notify_token: Option<SecretString>,
    /// Whether this process moves transitions to notify-svc; off, they wait in the outbox
    #[arg(long, env = "RELAY", value_enum, default_value_t = RelaySwitch::On)]
    pub relay: RelaySwitch,
    /// Whether this process keeps its transitions for WatchTransitions, and moves those that wait into the feed
    #[arg(long, env = "FEED", value_enum, default_value_t = FeedSwitch::On)]
    pub feed: FeedSwitch,
    /// How long transitions are kept for WatchTransitions, in days. Members' views reach back half as far, and their
    /// cursors are good for as long
    #[arg(long, env = "FEED_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(2..=3_650))]
    pub feed_days: u16,
    /// WatchTransitions shows that it lives whenever it was silent for this long, in seconds
    #[arg(long, env = "FEED_HEARTBEAT_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub feed_heartbeat_seconds: u16,
    /// Streams of WatchTransitions at once; one more is refused with UNAVAILABLE
    #[arg(long, env = "FEED_STREAMS", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub feed_streams: u16,
    /// Whether this process sends reminders and notes expiries; expired invitations are expired all the same
    #[arg(long, env = "TIMERS", value_enum, default_value_t = TimersSwitch::On)]
    pub timers: TimersSwitch,
    /// How long closed invitations are kept, in days; for ever when unset
    #[arg(long, env = "CLOSED_DAYS", value_parser = clap::value_parser!(u16).range(2..))]
    pub closed_days: Option<u16>,
    /// Keys that sign accept links and page tokens and seal cursors, newest first, each at least 32 characters, separated by commas;
    /// @FILE reads them from a file
    #[arg(long, env = "LINK_KEYS", value_parser = postgres::secret, hide_env_values = true)]
    pub link_keys: SecretString,
    /// Where readers of emails reach the accept page, without a slash at the end
    #[arg(long, env = "PUBLIC_URL", default_value = "http://127.0.0.1:8081")]
    pub public_url: String,
    /// The product's page of a member, with {member_id}
    #[arg(
        long,
        env = "PROFILE_URL_TEMPLATE",
        default_value = "https://example.com/members/{member_id}"
    )]
    pub profile_url_template: UrlTemplate,
    /// The product's page of a received invitation, with {invitation_id}
    #[arg(
        long,
        env = "INBOX_URL_TEMPLATE",
        default_value = "https://example.com/invitations/{invitation_id}"
    )]
    pub inbox_url_template: UrlTemplate,
    /// The product's page of a sent invitation, with {invitation_id}
    #[arg(
        long,
        env = "SENT_URL_TEMPLATE",
        default_value = "https://example.com/sent/{invitation_id}"
    )]
    pub sent_url_template: UrlTemplate,
    /// What the buttons of the accept page do
    #[arg(long, env = "ACCEPT_BUTTON", value_enum, default_value_t = AcceptButton::Acts)]
    pub accept_button: AcceptButton,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[command(flatten)]
    pub pages: PageArgs,
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// What is left of the settings once they are found to be right.
pub struct Checked {
    /// Who may call.
    pub identities: Identities,
    /// Signs links and page tokens, seals cursors.
    pub keys: Keyring,
    /// The committers' `SET`s.
    pub session: Vec<(String, String)>,
    /// Those of the connections that read pages. A page waits for a lock as long as its caller does.
    pub page_session: Vec<(String, String)>,
    /// The numbers to judge by.
    pub policy: Policy,
    /// The numbers that the wire is held to.
    pub limits: Limits,
}

impl Config {
    /// What `--public-url` has behind the host: empty, or begins with a slash.
    pub(crate) fn public_path(&self) -> &str {
        let rest = self.public_url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| &rest[at..])
    }

    /// Checks what the parser cannot. The errors say what to change, one a line.
    pub fn check(&self) -> Result<Checked, String> {
        let mut wrong = Vec::new();
        let mut note = |result: Result<(), String>| wrong.extend(result.err());
        note(postgres::check_url(&self.database.database_url));
        note(url("--notify-url", &self.notify_url));
        if self.notify_url.starts_with("https:") {
            note(Err("--notify-url: this version speaks to notify-svc without TLS; use http:// on loopback or through a mesh".to_owned()));
        }
        note(url("--public-url", &self.public_url));
        if self.public_url.ends_with('/') || self.public_url.contains(['?', '#']) {
            note(Err(
                "--public-url must have neither a slash at the end nor a query".to_owned(),
            ));
        }
        let kept = self.closed_days.map(|days| u32::from(days) * 24);
        if kept.is_some_and(|hours| hours < u32::from(self.policy.request_hours)) {
            note(Err(
                "--closed-days must be as long as --request-hours at least: a repeated request shows its invitation".to_owned(),
            ));
        }
        let identities = self.listen.identities(self.grpc_addr);
        let keys = self
            .link_keys
            .expose_secret()
            .parse()
            .map_err(|wrong| format!("--link-keys {wrong}"));
        let session = postgres::session("--commit-session", &self.ledger.commit_session);
        let page_session = postgres::session("--page-session", &self.pages.page_session);
        let policy = self.policy.policy();
        note(policy.as_ref().map(|_| ()).map_err(Clone::clone));
        note(identities.as_ref().map(|_| ()).map_err(Clone::clone));
        note(keys.as_ref().map(|_: &Keyring| ()).map_err(Clone::clone));
        note(session.as_ref().map(|_| ()).map_err(Clone::clone));
        note(page_session.as_ref().map(|_| ()).map_err(Clone::clone));
        match (identities, keys, session, page_session, policy) {
            (Ok(identities), Ok(keys), Ok(mut session), Ok(mut page_session), Ok(policy))
                if wrong.is_empty() =>
            {
                let timeout = self.database.statement_timeout_ms;
                session.push(("statement_timeout".to_owned(), timeout.to_string()));
                // Nobody waits for a page longer than for a call.
                let timeout = u64::from(timeout).min(self.listen.max_call_ms);
                page_session.push(("statement_timeout".to_owned(), timeout.to_string()));
                session.push(("lock_timeout".to_owned(), LOCK_TIMEOUT_MS.to_owned()));
                Ok(Checked {
                    identities,
                    keys,
                    session,
                    page_session,
                    policy,
                    limits: self.policy.limits(Duration::from_millis(self.listen.max_call_ms)),
                })
            }
            _ => Err(wrong.join("\n")),
        }
    }
}

fn url(flag: &str, value: &str) -> Result<(), String> {
    let mut violations = Violations::default();
    violations.url(flag, value);
    violations
        .into_result("", ())
        .map_err(|status| status.message().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn config(more: &[&str]) -> Config {
        let needed = [
            "x",
            "--database-url",
            "postgres:///x?host=/tmp",
            "--link-keys",
            "0123456789abcdef0123456789abcdef",
        ];
        Config::try_parse_from(needed.iter().chain(more)).expect("the parser takes it")
    }

    #[test]
    fn the_defaults_are_the_contract_s() {
        let policy = config(&[]).policy.policy().expect("the defaults are right");
        assert_eq!(format!("{policy:?}"), format!("{:?}", Policy::default()));
        assert!(config(&[]).check().is_ok());
    }

    #[test]
    fn invitations_are_kept_for_as_long_as_requests_are_repeated() {
        let kept = |hours| config(&["--closed-days", "2", "--request-hours", hours]).check();
        assert!(kept("48").is_ok());
        let wrong = kept("49").err().expect("too short");
        assert!(
            wrong.contains("--closed-days") && wrong.contains("--request-hours"),
            "{wrong}"
        );
    }

    #[test]
    fn the_pages_may_be_below_a_path() {
        for (url, path) in [
            ("https://x.example", ""),
            ("https://x.example/connect", "/connect"),
            ("http://127.0.0.1:8081/a/b", "/a/b"),
        ] {
            let config = config(&["--public-url", url]);
            assert!(config.check().is_ok(), "{url}");
            assert_eq!(config.public_path(), path);
        }
        for wrong in [
            "https://x.example/",
            "https://x.example/i?a=b",
            "https://x.example#a",
        ] {
            let wrong = config(&["--public-url", wrong]).check().err().expect(wrong);
            assert!(wrong.contains("--public-url"), "{wrong}");
        }
    }

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        let config = config(&[
            "--grpc-addr",
            "0.0.0.0:1",
            "--public-url",
            "https://x.example/",
            "--notify-url",
            "nonsense",
            "--commit-session",
            "jit",
            "--page-session",
            "=off",
        ]);
        let wrong = config.check().err().expect("five are wrong");
        for flag in [
            "--tokens-file",
            "--public-url",
            "--notify-url",
            "--commit-session",
            "--page-session",
        ] {
            assert!(wrong.contains(flag), "{flag} in {wrong}");
        }
    }
}
