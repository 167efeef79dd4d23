//! Postgres through Diesel and r2d2: pools, blocking work off the async threads; below it the connection string and the
//! migrations.

mod migration;
mod url;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{
    PgConnection, RunQueryDsl,
    r2d2::{ConnectionManager, CustomizeConnection},
    result::{DatabaseErrorKind, Error as DieselError},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use self::url::with_timeouts;
pub use self::{
    migration::{Wanted, migrate, migrate_when_reachable},
    url::check_url,
};

/// A pool of connections.
pub type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;

/// Longest wait for a connection from the pool.
const CHECKOUT: Duration = Duration::from_secs(1);

/// How long a transaction may wait for its own client. A process that freezes in one (a paused machine, a cut network) would
/// keep its locks for as long as it likes, and hold up all that live.
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "3s");

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
