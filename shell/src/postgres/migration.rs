//! Bringing the database up to date.

use std::time::Duration;

use diesel::{
    Connection, PgConnection, RunQueryDsl,
    migration::{Migration, MigrationSource, MigrationVersion},
    pg::Pg,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use secrecy::{ExposeSecret, SecretString};

use super::{IDLE_IN_TRANSACTION, SessionSettings, set, url::with_timeouts};

/// Advisory lock under which migrations run, so that several starting processes do not race.
const MIGRATION_LOCK: i64 = 0x696e_7669_7465;

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
}
