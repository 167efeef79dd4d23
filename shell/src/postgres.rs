//! Postgres through Diesel and r2d2: pools, blocking work off the async threads, migrations.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{
    Connection, PgConnection, RunQueryDsl,
    migration::{Migration, MigrationSource, MigrationVersion},
    pg::Pg,
    r2d2::{ConnectionManager, CustomizeConnection},
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// A pool of connections.
pub type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;

/// Longest wait for a connection from the pool.
const CHECKOUT: Duration = Duration::from_secs(1);

/// How long a transaction may wait for its own client. A process that freezes in one (a paused machine, a cut network) would
/// keep its locks for as long as it likes, and hold up all that live.
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "3s");

/// Advisory lock under which migrations run, so that several starting processes do not race.
const MIGRATION_LOCK: i64 = 0x696e_7669_7465;

/// Settings of the database.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// Postgres connection string, e.g. postgres://user:password@host/name; @FILE reads it from a file
    #[arg(long, env = "DATABASE_URL", value_parser = secret, hide_env_values = true)]
    pub database_url: SecretString,
    /// Connections for reads and background work
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub database_connections: u32,
    /// Longest time for one statement, in milliseconds
    #[arg(long, env = "STATEMENT_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=600_000))]
    pub statement_timeout_ms: u32,
}

/// Reads a secret setting; `@FILE` stands for the file's content.
pub fn secret(value: &str) -> Result<SecretString, String> {
    let Some(path) = value.strip_prefix('@') else {
        return Ok(SecretString::from(value));
    };
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    Ok(SecretString::from(text.trim()))
}

/// Refuses a connection string that would send data in clear over a network, or that libpq reads otherwise than it looks.
/// What is wrong is told without the string: it has a password.
pub fn check_url(url: &SecretString) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "libpq reads these by itself")]
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    check(url.expose_secret(), variable)
}

fn check(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    if after_scheme(url).is_none() && !url.contains('=') {
        return Err(
            "DATABASE_URL must be a Postgres connection string, e.g. postgres://user:password@host/name"
                .to_owned(),
        );
    }
    if after_scheme(url).is_none() && url.contains("://") {
        return Err("DATABASE_URL must begin with postgres:// or postgresql://".to_owned());
    }
    check_spelling(url)?;
    let sets = |name: &str| parameters(url).any(|(set, _)| set == name);
    if sets("service") || variable("PGSERVICE").is_some() {
        return Err(
            "DATABASE_URL, or PGSERVICE, names a service, whose host nobody checks: name the host".to_owned(),
        );
    }
    let from_variable = |name: &str| -> Vec<String> {
        let named = variable(name).unwrap_or_default();
        named.split(',').map(str::to_owned).collect()
    };
    let mut hosts = hosts(url);
    // What the string leaves out libpq takes from its environment.
    if hosts.iter().all(String::is_empty) {
        hosts.extend(from_variable("PGHOST"));
    }
    if !sets("hostaddr") {
        hosts.extend(from_variable("PGHOSTADDR"));
    }
    let tls = parameters(url).any(|(name, value)| name == "sslmode" && value == "verify-full");
    let local = |host: &str| {
        host.is_empty()
            || host.starts_with('/')
            || host.starts_with("%2F")
            || host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    match (tls, hosts.iter().all(|host| local(host))) {
        (true, _) if cfg!(feature = "bundled-libpq") && !cfg!(feature = "bundled-libpq-tls") => {
            return Err(
                "DATABASE_URL asks for TLS, which this build's libpq does not have: build with \
                        `--features shell/bundled-libpq-tls` (needs the OpenSSL headers)"
                    .to_owned(),
            );
        }
        (true, _) | (false, true) => return Ok(()),
        (false, false) => {}
    }
    Err(
        "DATABASE_URL, PGHOST or PGHOSTADDR names a host beyond loopback: add sslmode=verify-full (and sslrootcert), so \
         that nobody can read along"
            .to_owned(),
    )
}

/// libpq would find the end of a password elsewhere than its writer, and tell the rest of it in its error.
fn check_spelling(url: &str) -> Result<(), String> {
    let Some(rest) = after_scheme(url) else {
        let is_pair = |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.is_empty());
        return if url.split_whitespace().all(is_pair) {
            Ok(())
        } else {
            Err(
                "DATABASE_URL must have name=value between blanks, without blanks in or around either; \
                 what has some is written as a URL, percent-encoded"
                    .to_owned(),
            )
        };
    };
    // It looks for the user up to the first slash, whether or not a query begins before.
    let head = rest.split('/').next().unwrap_or_default();
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
    let is_plain = !rest.contains(|c: char| c.is_whitespace() || c.is_control()) && !rest.contains("%00");
    let is_encoded = rest.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let is_named = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, _)| !name.contains(['%', '@']))
    };
    let are_named = query.is_empty() || query.split('&').all(is_named);
    let has_one_user = authority.matches('@').count() <= 1
        && !path.contains('@')
        && head
            .split_once('@')
            .is_none_or(|(before, _)| !before.contains('?'));
    let is_host = |host: &str| {
        host.strip_prefix('[').is_none_or(|v6| {
            v6.split_once(']')
                .is_some_and(|(_, port)| port.is_empty() || port.starts_with(':'))
        })
    };
    let are_hosts = authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .split(',')
        .all(is_host);
    if is_plain && is_encoded && are_named && has_one_user && are_hosts {
        return Ok(());
    }
    Err(
        "DATABASE_URL: user and password of a URL must be percent-encoded: %25 for %, %2F for /, %3A for :, \
         %3F for ?, %40 for @, %20 for a blank; an IPv6 address stands in brackets"
            .to_owned(),
    )
}

/// The hosts a connection string names, in either of libpq's forms.
fn hosts(url: &str) -> Vec<String> {
    let named = parameters(url)
        .filter(|(name, _)| matches!(*name, "host" | "hostaddr"))
        .flat_map(|(_, hosts)| hosts.split(',').map(str::to_owned).collect::<Vec<_>>());
    let Some(rest) = after_scheme(url) else {
        return named.collect();
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let in_authority = authority.split(',').map(|host| match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default().to_owned(),
        None => host.split(':').next().unwrap_or_default().to_owned(),
    });
    in_authority.chain(named).collect()
}

/// The parameters of a connection string, in either of libpq's forms: name and value.
fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_url = after_scheme(url).is_some();
    let text = match after_scheme(url) {
        Some(rest) => rest.split_once('?').map_or("", |(_, query)| query),
        None => url,
    };
    text.split(move |c: char| if is_url { c == '&' } else { c.is_whitespace() })
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('\'')))
}

fn after_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
}

/// `SET`s that a pool's connections begin with, beside those of every pool: name and value.
pub type SessionSettings = Vec<(String, String)>;

/// Reads `SET`s as `flag` gives them, name=value separated by commas. The error says what is wrong.
pub fn session(flag: &str, text: &str) -> Result<SessionSettings, String> {
    let pair = |text: &str| match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{flag}: `{text}` must be name=value")),
    };
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(pair)
        .collect()
}

/// A pool whose connections are opened when they are needed, so that a service starts without its database.
pub fn pool(url: &SecretString, size: u32, mut settings: SessionSettings) -> Pool {
    let (idle, time) = IDLE_IN_TRANSACTION;
    settings.insert(0, (idle.to_owned(), time.to_owned()));
    r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(CHECKOUT)
        .error_handler(Box::new(LogFaults))
        .connection_customizer(Box::new(Settings(settings)))
        .build_unchecked(ConnectionManager::new(with_timeouts(url.expose_secret())))
}

/// The connection string with limits where it sets none: a host that vanishes without a word must not hold a connection
/// for the quarter of an hour that the kernel would.
fn with_timeouts(url: &str) -> String {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let limits = [
        ("connect_timeout", "5"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("tcp_user_timeout", "20000"),
    ];
    limits
        .into_iter()
        .filter(|(name, _)| !url.contains(name))
        .fold(url.to_owned(), |url, (name, value)| {
            let separator = match (is_url, url.contains('?')) {
                (false, _) => ' ',
                (true, true) => '&',
                (true, false) => '?',
            };
            format!("{url}{separator}{name}={value}")
        })
}

/// r2d2's own handler prints what libpq says; that is right for a log, once it is a line of ours.
#[derive(Debug)]
struct LogFaults;

impl r2d2::HandleError<diesel::r2d2::Error> for LogFaults {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        let error = error.to_string().replace('\n', " ");
        tracing::warn!(error, "cannot open a connection to the database; will try again");
    }
}

#[derive(Debug)]
struct Settings(SessionSettings);

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Settings {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        for (name, value) in &self.0 {
            set(connection, name, value).map_err(diesel::r2d2::Error::QueryError)?;
        }
        Ok(())
    }
}

fn set(connection: &mut PgConnection, name: &str, value: &str) -> Result<(), DieselError> {
    let set = diesel::sql_query("SELECT set_config($1, $2, false)")
        .bind::<diesel::sql_types::Text, _>(name)
        .bind::<diesel::sql_types::Text, _>(value);
    set.execute(connection).map(drop)
}

/// Why database work gave no result.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The caller's deadline passed first.
    #[error("the deadline passed before the database answered")]
    Deadline,
    /// No connection, or it was lost.
    #[error("the database cannot be reached")]
    Unavailable,
    /// Our own code panicked.
    #[error("the database work panicked; the line before this one says where")]
    Panicked,
    /// The statement failed.
    #[error("the database refused the statement: {0}")]
    Statement(DieselError),
}

impl From<DieselError> for DatabaseError {
    fn from(error: DieselError) -> Self {
        if is_connection_lost(&error) {
            Self::Unavailable
        } else {
            Self::Statement(error)
        }
    }
}

/// Whether the connection is gone. What the statement did is then unknown.
pub fn is_connection_lost(error: &DieselError) -> bool {
    match error {
        // Where it is noticed while a long statement is sent, the server got no whole one.
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _,
        )
        | DieselError::BrokenTransactionManager => true,
        // Diesel has no kind for the server's own shutdown (57P01 to 57P03).
        DieselError::DatabaseError(_, information) => {
            let text = information.message();
            text.starts_with("terminating connection") || text.starts_with("the database system is")
        }
        _ => false,
    }
}

/// Whether the same statement may pass when it is tried again: a lost race, a deadlock, a lock that somebody else held.
pub fn may_pass_again(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(
            DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation,
            _,
        ) => true,
        // Diesel has no kind for these two (40P01, 55P03), only their English texts.
        DieselError::DatabaseError(_, information) => {
            matches!(
                information.message(),
                "deadlock detected" | "canceling statement due to lock timeout"
            )
        }
        _ => false,
    }
}

/// Whether it waited too long, for a lock most likely. Diesel has no kind for these (57014, 55P03), only their English texts.
pub fn is_held_up(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(_, information) => {
            information.message().starts_with("canceling statement")
        }
        _ => false,
    }
}

/// Whether the database is read-only, or a standby.
fn is_read_only(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
    )
}

/// Whether the database takes no writes just now: it is read-only or a standby, or its disk or memory is full.
pub fn takes_no_writes(error: &DieselError) -> bool {
    match error {
        error if is_read_only(error) => true,
        // Diesel has no kind for these (53100, 53200), only their English texts.
        DieselError::DatabaseError(_, information) => {
            let text = information.message();
            text.contains("No space left on device") || text.starts_with("out of memory")
        }
        _ => false,
    }
}

/// A pool, and as many permits as it has connections. A permit is held until the work ends, also when nobody waits
/// for it any more.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    permits: Arc<Semaphore>,
    /// What work begun through this handle takes one of, too.
    share: Option<Arc<Semaphore>>,
}

impl Database {
    /// A pool of `size` connections that begin with these `SET`s.
    pub fn with_session(args: &DatabaseArgs, size: u32, session: SessionSettings) -> Self {
        Self {
            pool: pool(&args.database_url, size, session),
            permits: Arc::new(Semaphore::new(size as usize)),
            share: None,
        }
    }

    /// The same pool for work that, all together, takes half of its connections at most: whoever else uses it does not wait
    /// behind what anybody on the internet may ask for.
    pub fn for_pages(&self) -> Self {
        let half = usize::try_from(self.pool.max_size() / 2)
            .unwrap_or(usize::MAX)
            .max(1);
        Self {
            share: Some(Arc::new(Semaphore::new(half))),
            ..self.clone()
        }
    }

    /// Runs `work` with a connection, on a thread where it may block. Gives up waiting at `deadline`; the work itself
    /// then still runs to its end.
    pub async fn run<T, F>(&self, deadline: Instant, work: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, DieselError> + Send + 'static,
    {
        let whole = async {
            let permit = async |of: &Arc<Semaphore>| of.clone().acquire_owned().await.expect("never closed");
            let share = match &self.share {
                Some(share) => Some(permit(share).await),
                None => None,
            };
            let permit = permit(&self.permits).await;
            let pool = self.pool.clone();
            #[expect(clippy::disallowed_methods, reason = "the lawful place: a permit bounds it")]
            let done = tokio::task::spawn_blocking(move || {
                let _permits = (share, permit);
                let left = deadline.saturating_duration_since(Instant::now()).min(CHECKOUT);
                let mut connection = pool.get_timeout(left).map_err(|_| DatabaseError::Unavailable)?;
                let done = work(&mut connection);
                done.inspect_err(|error| _ = leave_read_only(&mut connection, error))
                    .map_err(DatabaseError::from)
            });
            done.await.unwrap_or(Err(DatabaseError::Panicked))
        };
        tokio::time::timeout_at(deadline.into(), whole)
            .await
            .unwrap_or(Err(DatabaseError::Deadline))
    }

    /// Whether the database answers within two seconds.
    pub async fn ping(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(2);
        self.run(deadline, |connection| {
            diesel::sql_query("SELECT 1").execute(connection)
        })
        .await
        .is_ok()
    }

    /// One connection of its own for [`Database::ping`], so that a busy pool does not look like a dead database.
    pub fn for_health(args: &DatabaseArgs) -> Self {
        let timeout = args.statement_timeout_ms.to_string();
        Self::with_session(args, 1, vec![("statement_timeout".to_owned(), timeout)])
    }
}

/// Has the server end a connection that told that it is read-only, so that its pool opens another one: that may lead to the
/// server that takes writes now. Answers whether it told that.
pub fn leave_read_only(connection: &mut PgConnection, error: &DieselError) -> bool {
    let is_read_only = is_read_only(error);
    if is_read_only {
        // It answers by ending.
        let _ = diesel::sql_query("SELECT pg_terminate_backend(pg_backend_pid())").execute(connection);
    }
    is_read_only
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

/// Diesel does not tell the SQLSTATE of every error; some are known by their English words only. Taken for others, an email
/// that was sent could be sent again.
fn check_language(connection: &mut PgConnection) -> Result<(), String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        language: String,
    }
    let shown = diesel::sql_query("SELECT current_setting('lc_messages') AS language");
    let Row { language } = shown.get_result(connection).map_err(|error| error.to_string())?;
    if is_english(&language) {
        return Ok(());
    }
    Err(format!(
        "the database tells errors in {language}, and must in English: as a superuser, ALTER DATABASE \u{2026} SET lc_messages TO 'C'"
    ))
}

fn is_english(language: &str) -> bool {
    let name = language.split(['_', '.', '-', '@']).next().unwrap_or_default();
    ["", "C", "POSIX", "en", "English"].contains(&name)
}

/// What a database is to be brought to.
#[derive(Clone)]
pub struct Wanted {
    /// The service's migrations.
    pub migrations: fn() -> EmbeddedMigrations,
    /// `SET`s that connections will begin with, and the flags that name them.
    pub sessions: Vec<(&'static str, SessionSettings)>,
}

/// Brings the database up to date, under a lock that other starting processes wait for.
pub fn migrate(url: &SecretString, wanted: &Wanted) -> Result<(), String> {
    let connection = PgConnection::establish(&with_timeouts(url.expose_secret()));
    let mut connection = connection.map_err(|error| error.to_string())?;
    check_language(&mut connection)?;
    lock(&mut connection)?;
    run_pending(&mut connection, (wanted.migrations)()).map_err(|error| error.to_string())?;
    for (flag, settings) in &wanted.sessions {
        for (name, value) in settings {
            set(&mut connection, name, value)
                .map_err(|error| format!("{flag}: Postgres refuses {name}={value}: {error}"))?;
        }
    }
    Ok(())
}

/// Takes the lock, for as long as the connection lives.
fn lock(connection: &mut PgConnection) -> Result<(), String> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        is_ours: bool,
    }
    // The lock of a process that freezes while it migrates ends with its transaction.
    set(connection, IDLE_IN_TRANSACTION.0, IDLE_IN_TRANSACTION.1).map_err(|error| error.to_string())?;
    for tried in 0.. {
        let taken = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS is_ours")
            .bind::<diesel::sql_types::BigInt, _>(MIGRATION_LOCK)
            .get_result(connection);
        let Row { is_ours } = taken.map_err(|error| error.to_string())?;
        if is_ours {
            break;
        }
        if tried % 30 == 0 {
            tracing::info!("waiting for another process that migrates the database");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn run_pending(
    connection: &mut PgConnection,
    migrations: EmbeddedMigrations,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let ours: Vec<Box<dyn Migration<Pg>>> = migrations.migrations()?;
    let is_ours = |version: &MigrationVersion<'_>| ours.iter().any(|ours| ours.name().version() == *version);
    let applied = connection.applied_migrations()?;
    if let Some(version) = applied.iter().find(|version| !is_ours(version)) {
        return Err(format!(
            "the database has the migration {version}, which this program does not know: it is another service's, or of a \
             newer version; check DATABASE_URL, or run that version"
        )
        .into());
    }
    for migration in ours
        .iter()
        .filter(|migration| !applied.contains(&migration.name().version()))
    {
        let name = migration.name();
        tracing::info!(%name, "migrating");
        connection.run_migration(migration.as_ref()).map_err(|error| {
            format!("{name}: {error}; if it is another service's database, mend DATABASE_URL")
        })?;
        tracing::info!(%name, "migrated");
    }
    Ok(())
}

/// Migrates as soon as the database can be reached.
pub async fn migrate_when_reachable(url: SecretString, wanted: Wanted) {
    loop {
        let (url, wanted) = (url.clone(), wanted.clone());
        #[expect(clippy::disallowed_methods, reason = "once at start")]
        let tried = tokio::task::spawn_blocking(move || migrate(&url, &wanted)).await;
        match tried {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                let error = error.replace('\n', " ");
                tracing::warn!(error, "cannot migrate the database; will try again in a second");
            }
            Err(_panic) => tracing::error!("the migration panicked; will try again in a second"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> Result<(), String> {
        check(url, |_| None)
    }

    #[test]
    fn errors_in_another_language_than_english_are_told_by_its_name() {
        for right in [
            "",
            "C",
            "C.UTF-8",
            "POSIX",
            "en_US.UTF-8",
            "en_GB@euro",
            "English_United States.1252",
        ] {
            assert!(is_english(right), "{right}");
        }
        for wrong in ["de_DE.UTF-8", "ja_JP", "es", "German_Germany.1252", "eng"] {
            assert!(!is_english(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_remote_database_needs_tls() {
        for right in [
            "postgres:///db?host=/tmp/x",
            "postgres://u:p@localhost/db",
            "postgres://u:p@127.0.0.1:5432/db",
            "postgres://u@[::1]:5432/db",
            "host=/run/pg user=postgres dbname=x",
            "postgres://u:@%2Frun%2Fpg,localhost:5432/db?options=-c%20jit%3Doff",
            "postgresql://",
        ] {
            assert_eq!(said(right), Ok(()), "{right}");
        }
        for wrong in [
            "postgres://u:p@db.example/db",
            "postgres://u:p@db.example:5432/db?sslmode=require",
            "postgres://u:sslmode=verify-full@db.example/db",
            "postgres:///db?host=db.example",
            "postgres:///db?host=/tmp,db.example",
            "host=db.example dbname=x",
            "host=/tmp,db.example dbname=x",
            "user=u\nhost=db.example\npassword=p",
            "user=u\thost=db.example",
        ] {
            assert!(
                said(wrong).expect_err(wrong).contains("sslmode=verify-full"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_libpq_takes_from_its_environment_counts() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        let named = "postgres://u@localhost/x";
        for (url, name, value) in [
            ("postgres:///x", "PGHOST", "db.example"),
            ("dbname=x", "PGHOST", "/tmp,db.example"),
            (named, "PGHOSTADDR", "192.0.2.1"),
            (named, "PGSERVICE", "x"),
        ] {
            let wrong = check(url, with(name, value)).expect_err(name);
            assert!(wrong.contains(name), "{wrong}");
        }
        for (url, name, value) in [
            ("postgres:///x", "PGHOST", "/run/postgresql"),
            (named, "PGHOST", "db.example"),
            ("hostaddr=127.0.0.1 dbname=x", "PGHOSTADDR", "192.0.2.1"),
        ] {
            assert_eq!(check(url, with(name, value)), Ok(()), "{url}");
        }
        for wrong in ["service=x", "postgres:///x?service=y"] {
            assert!(said(wrong).expect_err(wrong).contains("service"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_connection_string_is_refused() {
        for wrong in ["", "x", "mysql://h/x?a=b"] {
            assert!(said(wrong).expect_err(wrong).contains("postgres://"), "{wrong}");
        }
    }

    #[test]
    fn what_libpq_would_read_otherwise_is_refused_without_a_word_of_it() {
        for wrong in [
            "postgres://u:50%off@localhost/x",
            "postgres://u:hunter2%@localhost/x",
            "postgres://u:hunter2@hunter2@localhost/x",
            "postgres://u:a/hunter2@localhost/x",
            "postgres://u:a?hunter2@localhost/x",
            "postgres:///x?ho%73t=db.example",
            "postgres:///x?hunter2",
            "postgres://u:hunter2@[::1/x",
            "postgres://u:hunter2@[::1]5432/x",
            "postgres://u:hunter 2@localhost/x",
            "postgres://u:hunter2%00@localhost/x",
            "postgres://localhost?user=u&password=hunter2@x",
            "host = localhost password = hunter2",
            "host=localhost password='hunter2 hunter2'",
        ] {
            let said = said(wrong).expect_err(wrong);
            assert!(said.contains("DATABASE_URL"), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("50"), "{said}");
        }
        for right in [
            "postgres://u:50%25%40%2f@localhost/x",
            "postgresql://u@localhost?application_name=a@b",
        ] {
            assert_eq!(said(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn a_build_without_tls_says_so_at_once() {
        let url = "postgres://u:p@db.example/db?sslmode=verify-full&sslrootcert=x";
        let without_tls = cfg!(feature = "bundled-libpq") && !cfg!(feature = "bundled-libpq-tls");
        assert_eq!(
            said(url).is_err_and(|wrong| wrong.contains("bundled-libpq-tls")),
            without_tls
        );
    }

    #[test]
    fn limits_are_added_where_there_are_none() {
        assert!(with_timeouts("postgres:///x?host=/tmp").contains("?host=/tmp&connect_timeout=5&"));
        assert!(with_timeouts("postgres://localhost/x").contains("/x?connect_timeout=5&"));
        assert!(with_timeouts("host=/tmp dbname=x").contains("dbname=x connect_timeout=5 "));
        assert!(!with_timeouts("host=/tmp connect_timeout=9").contains("connect_timeout=5"));
    }
}
