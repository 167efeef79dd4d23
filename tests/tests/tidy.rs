//! The import table of ARCHITECTURE.md, held by reading the source.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a room never mentions, in code. Words are matched whole.
const ROOMS: [(&str, &[&str]); 9] = [
    (
        "domain",
        &[
            "diesel", "tonic", "prost", "proto", "tokio", "tracing", "store", "::now()", ".now()",
        ],
    ),
    ("ledger", &["tonic", "proto"]),
    ("pages", &["tonic", "proto"]),
    ("store", &["tonic", "proto"]),
    ("grpc", &["diesel", "schema"]),
    ("web", &["diesel", "schema"]),
    ("workers", &["diesel", "schema"]),
    ("smtp", &["diesel", "schema", "tonic", "proto"]),
    ("templates", &["diesel", "tonic", "proto", "tokio", "store"]),
];

const SERVICES: [&str; 2] = ["invitations-svc", "notify-svc"];

#[test]
fn each_room_keeps_to_the_import_table() {
    let mut broken = Vec::new();
    for service in SERVICES {
        for (room, forbidden) in ROOMS {
            for file in room_files(&root().join(service).join("src"), room) {
                broken.extend(mentions(&file, forbidden));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn tests_know_no_service_from_inside() {
    let mut broken = Vec::new();
    for file in files(&root().join("tests")) {
        // A profile names the rooms whose CPU it counts, and uses nothing of them.
        let names_only = file.ends_with("tidy.rs") || file.ends_with("src/profile.rs");
        if has_extension(&file, "rs") && !names_only {
            broken.extend(mentions(&file, &["::store", "::domain", "::ledger"]));
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn nothing_points_out_of_the_repository() {
    let outside = concat!("..", "/shared");
    let mut broken = Vec::new();
    for file in files(&root()) {
        let read = ["rs", "md", "toml", "proto", "sql"]
            .iter()
            .any(|kind| has_extension(&file, kind))
            || file.ends_with("Makefile")
            || file.ends_with(".ci/run");
        if read
            && fs::read_to_string(&file)
                .expect("source is text")
                .contains(outside)
        {
            broken.push(file.display().to_string());
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// What clients tell errors by.
#[test]
fn every_reason_is_in_the_documents() {
    let read = |file: &Path| fs::read_to_string(file).expect("it is text");
    let documents = ["errors.md", "transitions.md", "operating-notify.md"];
    let documents = documents
        .map(|name| read(&root().join("docs").join(name)))
        .concat();
    let gates = ["invitations-svc/src", "notify-svc/src"].map(|src| room_files(&root().join(src), "grpc"));
    let mut sources = gates.concat();
    sources.extend(room_files(&root().join("shell/src"), "gate"));
    sources.push(root().join("shell/src/errors.rs"));
    let mut reasons = 0;
    for file in sources {
        // Shorter ones are methods of HTTP and the like.
        let is_reason =
            |word: &&str| word.len() >= 8 && word.bytes().all(|c| c == b'_' || c.is_ascii_uppercase());
        for reason in read(&file).split('"').filter(is_reason) {
            assert!(has_word(&documents, reason), "{reason} of {}", file.display());
            reasons += 1;
        }
    }
    assert!(reasons > 30, "{reasons} were found");
}

#[test]
fn a_forbidden_word_is_found_in_code_and_not_in_comments_or_other_words() {
    let found = |line: &str, word: &str| has_word(code(line), word);
    assert!(found("use diesel::prelude::*;", "diesel"));
    assert!(found("let at = Timestamp::now();", "::now()"));
    assert!(found("use crate::store;", "store"));
    assert!(!found("let restored = stored;", "store"));
    assert!(!found("/// The store is elsewhere.", "store"));
    assert!(!found("let x = 1; // diesel", "diesel"));
    assert!(!found("use tonic_types::StatusExt;", "tonic"));
    assert!(found("invitations_svc::store::x()", "::store"));
    assert!(!found("tests::stored()", "::store"));
}

/// `domain.rs` and everything under `domain/`.
fn room_files(src: &Path, room: &str) -> Vec<PathBuf> {
    let mut found = files(&src.join(room));
    found.push(src.join(format!("{room}.rs")));
    found.retain(|file| has_extension(file, "rs") && file.exists());
    found
}

fn mentions(file: &Path, forbidden: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(file).expect("source is text");
    let lines = (1..).zip(text.lines());
    let found = lines.flat_map(|(number, line)| {
        let words = forbidden.iter().filter(move |word| has_word(code(line), word));
        words.map(move |word| (number, word))
    });
    let shown = file.strip_prefix(root()).unwrap_or(file).display();
    found
        .map(|(number, word)| format!("{shown}:{number}: mentions {word}"))
        .collect()
}

fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Whether `word` stands in `text` with no letter, digit or underscore on the sides where it has one itself.
fn has_word(text: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        let before = is_letter(word.chars().next()) && is_letter(text[..at].chars().next_back());
        let after = is_letter(word.chars().next_back()) && is_letter(text[at + word.len()..].chars().next());
        !before && !after
    })
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}

/// All files under `directory` but those of git, builds and runs.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            found.push(path);
        } else if ![".git", "target", ".run"]
            .iter()
            .any(|skipped| path.ends_with(skipped))
        {
            found.extend(files(&path));
        }
    }
    found
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace's root").to_owned()
}
