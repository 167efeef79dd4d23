//! The statements of the hot paths, as the services' own connections execute them: kept prepared, and by the plans that
//! docs/plans.md shows.
//!
//! `pg_prepared_statements` shows a session its own statements only, and no session but the service's has them. The
//! server's log names each execution's statement, and auto_explain adds the plan that was used.

mod hot;
mod load;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use tests::server_log::Executed;

use self::{
    hot::{HOT, Hot},
    load::{Load, load, load_of_empty},
};

/// Statements that are parsed for each execution, and why that costs nothing.
const PARSED: [(&str, &str); 6] = [
    ("SET ", "once for each new connection"),
    ("SELECT set_config(", "once for each new connection"),
    ("SELECT 1", "health, every few seconds"),
    ("SELECT pg_relation_size('due')", "every minute"),
    (
        "SELECT e.member_id, e.asked_at",
        "who is being erased, every few seconds",
    ),
    ("DELETE FROM request q", "retention, a set at a time"),
];

/// Statements that go through a whole table or index, and why.
const WHOLE: [(&str, &str); 5] = [
    ("SELECT kind, count(*)", "counts what is open, for the metrics"),
    (
        "SELECT count(*) FROM (SELECT 1 FROM outbox",
        "counts what waits up to a limit, for the metrics",
    ),
    ("SELECT h.lane, h.position", "feed_head has eight rows"),
    (
        "SELECT e.member_id, e.asked_at",
        "erasure has those who are being erased",
    ),
    (
        "WITH place AS MATERIALIZED (SELECT passed",
        "retention has one row",
    ),
];

#[tokio::test]
async fn statements_of_hot_paths_are_kept_prepared() {
    let executed = &load().await.executed;
    let mut wrong: Vec<String> = Vec::new();
    let mut names: BTreeMap<(u32, &str), BTreeSet<&str>> = BTreeMap::new();
    for one in executed {
        match &one.prepared {
            Some(name) => {
                names.entry((one.session, &one.text)).or_default().insert(name);
            }
            None if PARSED.iter().any(|(known, _)| one.text.starts_with(known)) => {}
            None => wrong.push(format!("is parsed each time: {}", one.text)),
        }
    }
    let again = names.iter().filter(|(_, names)| names.len() > 1);
    wrong.extend(again.map(|((_, text), names)| format!("is prepared as {names:?}: {text}")));
    for hot in HOT {
        let its = hot.of(executed).filter(|one| one.prepared.is_some());
        let times = its.count();
        if times < 2 {
            wrong.push(format!("{} was executed {times} times", hot.name));
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let mut wrong: Vec<String> = Vec::new();
    for one in &load().await.executed {
        let known = WHOLE.iter().any(|(known, _)| one.text.starts_with(known));
        if !known && one.plan.contains("Seq Scan") {
            wrong.push(format!("{}\n{}", one.text, one.plan));
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// A plan that was made when there was nothing is used until Postgres has analyzed what came since.
#[tokio::test]
async fn plans_of_empty_tables_are_good_for_full_ones() {
    let executed = load_of_empty().await.executed;
    let mut wrong = BTreeSet::new();
    for hot in HOT {
        for one in hot.of(&executed) {
            if ["Seq Scan", "Materialize"]
                .iter()
                .any(|node| one.plan.contains(node))
            {
                wrong.insert(format!("{}\n{}", hot.name, one.plan));
            }
        }
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn the_plans_are_those_of_the_document() {
    let Load { executed, major } = load().await;
    let mut text = introduction(*major);
    for (database, title) in [("invitations", "invitations-svc"), ("notify", "notify-svc")] {
        text += &format!("\n## {title}\n");
        for hot in HOT.iter().filter(|hot| hot.database == database) {
            text += &section(hot, executed);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plans.md");
    if updates() {
        fs::write(&path, &text).expect("docs/ can be written");
    }
    let file = fs::read_to_string(&path).unwrap_or_default();
    if !file.starts_with(&introduction(*major)) {
        // Another version may choose and print otherwise.
        assert!(
            file.starts_with(TITLE),
            "`make plans` writes docs/plans.md anew: its introduction changed"
        );
        return;
    }
    let differs = file.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(
        file == text,
        "docs/plans.md is not what Postgres does; `make plans` writes it anew. First difference: {differs:?}"
    );
}

const TITLE: &str = "# Plans of the hot statements
This file is generated: `make plans` runs both services on a Postgres of their own, with some thousand rows in each table, and
writes down which plan each statement was executed by on the services' own connections, without costs; `$` is a parameter.
The test `plans` fails while it says something else, or where a statement goes through a whole table.
";

fn introduction(major: i64) -> String {
    format!("{TITLE}\nPostgres {major}; on another version only whole tables are looked for.\n")
}

/// A statement's plans: one, unless connections with other settings use it, or its values make a difference.
fn section(hot: &Hot, executed: &[Executed]) -> String {
    let plans: BTreeSet<&str> = hot.of(executed).map(|one| &*one.plan).collect();
    let plans: Vec<&str> = plans.into_iter().collect();
    format!(
        "\n### {}\n`{}`\n```\n{}\n```\n",
        hot.name,
        hot.place,
        plans.join("\nor\n")
    )
}

fn updates() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test has no flags of its own")]
    std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1")
}
