//! What a Postgres server logs of the statements that the services' own connections execute: under which name, and by
//! which plan.

use std::{fs, path::Path};

use diesel::connection::SimpleConnection;

use crate::cluster::{Cluster, TestDatabase};

/// An execution of a statement with parameters.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Name of the database.
    pub database: String,
    /// Process id of the session.
    pub session: u32,
    /// The name under which the session keeps it prepared; none where it is parsed for this time only.
    pub prepared: Option<String>,
    /// The statement.
    pub text: String,
    /// Its plan without costs and values, as EXPLAIN prints it; empty where it is not at its end.
    pub plan: String,
}

/// Has the server log every statement of sessions that begin from now on, and keeps it from gathering statistics by
/// itself, because plans depend on them.
pub fn begin(cluster: &Cluster) {
    let server = TestDatabase {
        url: cluster.url("postgres"),
    };
    let mut connection = server.connect();
    for statement in [
        "LOAD 'auto_explain'",
        "ALTER SYSTEM SET session_preload_libraries = 'auto_explain'",
        "ALTER SYSTEM SET auto_explain.log_min_duration = 0",
        "ALTER SYSTEM SET log_statement = 'all'",
        "ALTER SYSTEM SET log_parameter_max_length = 0",
        "ALTER SYSTEM SET log_line_prefix = '%d %p '",
        "ALTER SYSTEM SET autovacuum = off",
        "SELECT pg_reload_conf()",
    ] {
        connection
            .batch_execute(statement)
            .expect("Postgres comes with auto_explain");
    }
}

/// How long the log is, in bytes.
pub fn length(cluster: &Cluster) -> usize {
    read(&cluster.log_path()).len()
}

/// What was executed since the log had `length` bytes, in the order of its log.
pub fn executed_since(cluster: &Cluster, length: usize) -> Vec<Executed> {
    let log = read(&cluster.log_path());
    let mut executed: Vec<Executed> = Vec::new();
    for entry in entries(&log[length..]) {
        if let Some(execution) = execution(&entry) {
            executed.push(execution);
        } else if let Some((session, text, plan)) = plan(&entry) {
            let mut latest = executed.iter_mut().rev();
            let its = latest.find(|one| one.session == session && one.text == text);
            if let Some(its) = its {
                its.plan = plan;
            }
        }
    }
    executed
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).expect("the server writes a log")).into_owned()
}

/// A message of the server's, its later lines without the tab that marks them.
struct Entry<'a> {
    database: &'a str,
    session: u32,
    message: String,
}

fn entries(log: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for line in log.lines() {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some(entry) = entries.last_mut() {
                entry.message.push('\n');
                entry.message.push_str(more);
            }
            continue;
        }
        let mut parts = line.splitn(3, ' ');
        let (Some(database), Some(session), Some(message)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        if let Ok(session) = session.parse() {
            entries.push(Entry {
                database,
                session,
                message: message.to_owned(),
            });
        }
    }
    entries
}

fn execution(entry: &Entry) -> Option<Executed> {
    let (name, text) = entry.message.strip_prefix("LOG:  execute ")?.split_once(": ")?;
    Some(Executed {
        database: entry.database.to_owned(),
        session: entry.session,
        prepared: (name != "<unnamed>").then(|| name.to_owned()),
        text: text.to_owned(),
        plan: String::new(),
    })
}

/// Session, text and plan of a message of auto_explain's.
fn plan(entry: &Entry) -> Option<(u32, String, String)> {
    let (_, told) = entry.message.split_once(" ms  plan:\nQuery Text: ")?;
    let (text, plan) = told.split_once('\n')?;
    let lines: Vec<String> = plan.lines().map(without_numbers).collect();
    Some((entry.session, text.to_owned(), lines.join("\n")))
}

/// A line of a plan without costs; parameters and the values that took their places are both `$`.
fn without_numbers(line: &str) -> String {
    let line = line.split("  (cost=").next().unwrap_or_default();
    let mut short = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['$', '\'']) {
        short.push_str(&rest[..at]);
        short.push('$');
        let value = &rest[at + 1..];
        rest = if rest[at..].starts_with('$') {
            value.trim_start_matches(|c: char| c.is_ascii_digit())
        } else {
            let value = value.split_once('\'').map_or("", |(_, rest)| rest);
            let is_type = |c: char| c.is_alphanumeric() || ": []".contains(c);
            match value.strip_prefix("::") {
                Some(cast) => cast.trim_start_matches(is_type),
                None => value,
            }
        };
    }
    short + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_the_same_whatever_the_values() {
        for line in [
            "  Index Cond: (id = ANY ($1))  (cost=0.28..8.30 rows=1 width=36)",
            "  Index Cond: (id = ANY ('{a,b}'::uuid[]))",
        ] {
            assert_eq!(without_numbers(line), "  Index Cond: (id = ANY ($))");
        }
        assert_eq!(
            without_numbers("Filter: ((a < '2026-01-01 00:00:00+00'::timestamp with time zone) AND (b = 1))"),
            "Filter: ((a < $) AND (b = 1))"
        );
    }
}
