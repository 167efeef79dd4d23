//! The texts in all languages, held together by reading the source: a folder has a file for each language.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use fluent_syntax::{ast, parser, serializer};
use shell::words::Language;

/// The folders of texts, and the services whose code says them.
fn folders() -> Vec<(PathBuf, PathBuf)> {
    let services = ["invitations-svc", "notify-svc"].map(|service| root().join(service).join("src"));
    let folders = services.into_iter().flat_map(|src| {
        let files = files(&src).into_iter().filter(|file| file.ends_with("en.ftl"));
        let folders: Vec<_> = files.map(|file| (file.with_file_name(""), src.clone())).collect();
        assert!(!folders.is_empty(), "{} says something", src.display());
        folders
    });
    folders.collect()
}

#[test]
fn every_language_says_the_same_with_the_same_variables() {
    for (folder, _) in folders() {
        let texts = |language: Language| texts(&folder.join(format!("{}.ftl", language.tag())));
        let english = texts(Language::English);
        for language in Language::ALL {
            assert_eq!(texts(language), english, "{}: {language:?}", folder.display());
        }
    }
}

#[test]
fn nothing_is_translated_that_nobody_says() {
    for (folder, src) in folders() {
        let code = files(&src).into_iter().filter(|file| is_code(file));
        let code: String = code
            .map(|file| fs::read_to_string(file).expect("it is text"))
            .collect();
        for id in texts(&folder.join("en.ftl")).keys() {
            assert!(is_said(&code, id), "{}: {id}", folder.display());
        }
    }
}

/// Code names an id in quotes, or the beginning of it, up to a hyphen, where it puts ids together.
fn is_said(code: &str, id: &str) -> bool {
    let beginnings = id.match_indices('-').map(|(at, _)| &id[..=at]);
    beginnings.chain([id]).any(|words| {
        code.contains(&format!("\"{words}\"")) || words != id && code.contains(&format!("\"{words}{{"))
    })
}

#[test]
fn an_id_is_said_when_code_names_it_whole_or_puts_it_together() {
    assert!(is_said("say(\"page-stop\")", "page-stop"));
    assert!(is_said("say(\"page-stop-\" ~ kind)", "page-stop-reply"));
    assert!(is_said("format!(\"page-stop-{kind}\")", "page-stop-reply"));
    assert!(!is_said("say(\"page-stop\")", "page-stop-reply"));
    assert!(!is_said("say(\"page-stopped\")", "page-stop"));
}

/// The ids of a file with the variables that each text names.
fn texts(file: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let resource = parser::parse(source.as_str()).expect("well formed");
    let texts = resource.body.into_iter().filter_map(|entry| match entry {
        ast::Entry::Message(message) => {
            let id = message.id.name.to_owned();
            let body = vec![ast::Entry::Message(message)];
            Some((id, variables(&serializer::serialize(&ast::Resource { body }))))
        }
        _ => None,
    });
    texts.collect()
}

fn variables(text: &str) -> BTreeSet<String> {
    let end = |c: char| !c.is_alphanumeric() && c != '_';
    let names = text
        .split('$')
        .skip(1)
        .map(|rest| rest.split(end).next().unwrap_or_default());
    names.map(str::to_owned).collect()
}

/// What says texts: programs and templates, their tests left out.
fn is_code(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str());
    let is_test = file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
    matches!(extension, Some("rs" | "html" | "txt" | "mjml")) && !is_test
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    let files = entries.flat_map(|entry| {
        let path = entry.path();
        if path.is_dir() { files(&path) } else { vec![path] }
    });
    files.collect()
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace's root").to_owned()
}
