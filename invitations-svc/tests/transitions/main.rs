//! docs/transitions.md, written from the rules themselves.

mod acts;
mod checks;
mod events;
mod notes;
mod refusals;
mod scene;
mod sends;

use std::{fs, path::Path};

const INTRODUCTION: &str = "# Transitions
This file is generated from the rules in `invitations-svc/src/domain/`.
`UPDATE_DOCS=1 cargo test -p invitations-svc --test transitions` (or `make docs`) writes it anew; the same test fails
while it says something else than the rules do.
";

#[test]
fn the_document_says_what_the_rules_do() {
    let parts = [
        INTRODUCTION.to_owned(),
        acts::section(),
        sends::section(),
        checks::section(),
        events::section(),
        refusals::section(),
    ];
    let text = parts.join("\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/transitions.md");
    if updates() {
        fs::write(&path, &text).expect("docs/ can be written");
    }
    let file = fs::read_to_string(&path).unwrap_or_default();
    let differs = file.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(
        file == text,
        "docs/transitions.md is not what the rules do; `make docs` writes it anew. First difference: {differs:?}"
    );
}

fn updates() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no flags of its own, and no setting of the service is read here"
    )]
    std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1")
}

/// A table of Markdown. A cell that says the same as the one above it in the first column is left empty.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String; N]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.map(str::to_owned));
    text += &format!("|{}\n", "---|".repeat(N));
    let mut above = String::new();
    for mut row in rows {
        if row[0] == above {
            row[0].clear();
        } else {
            above.clone_from(&row[0]);
        }
        text += &line(&row);
    }
    text
}
