use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use fluent_syntax::{ast, parser, serializer};

use super::*;

/// The ids of a file with the variables that each text names.
fn ids(source: &str) -> BTreeMap<String, BTreeSet<String>> {
    let resource = parser::parse(source).expect("well formed");
    let texts = resource.body.into_iter().filter_map(|entry| match entry {
        ast::Entry::Message(message) => {
            let id = message.id.name.to_owned();
            let body = vec![ast::Entry::Message(message)];
            let written = serializer::serialize(&ast::Resource { body });
            let variables = written.split('$').skip(1);
            let names = variables.map(|rest| {
                rest.split(|c: char| !c.is_alphanumeric())
                    .next()
                    .unwrap_or_default()
            });
            Some((id, names.map(str::to_owned).collect()))
        }
        _ => None,
    });
    texts.collect()
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let files = fs::read_dir(&src).expect("it is there").flatten();
    let texts = files.filter(|file| file.path().is_file()).map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        (name, fs::read_to_string(file.path()).expect("text"))
    });
    texts.collect()
}

#[test]
fn every_language_says_the_same_with_the_same_variables() {
    let english = ids(include_str!("en.ftl"));
    assert!(english.len() > 30);
    for (file, source) in sources("words") {
        if file.ends_with(".ftl") {
            assert_eq!(ids(&source), english, "{file}");
        }
    }
}

#[test]
fn nothing_is_translated_that_nobody_says() {
    let mut code = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/templates.rs"))
        .expect("it is there");
    for (file, source) in sources("templates") {
        if file == "tests.rs" {
            continue;
        }
        code.push_str(&source);
    }
    for id in ids(include_str!("en.ftl")).keys() {
        assert!(code.contains(&format!("\"{id}\"")), "{id}");
    }
}

fn counted(language: Language, id: &str, count: i32) -> String {
    let args = [("name", FluentValue::from("Ada")), ("count", count.into())];
    WORDS
        .say(language, id, &args.into_iter().collect())
        .expect("it is there")
}

#[test]
fn counts_follow_the_language_s_plurals() {
    for (language, zero, one, two) in [
        (
            Language::English,
            "Ada has 0 connections.",
            "Ada has one connection.",
            "Ada has 2 connections.",
        ),
        (
            Language::German,
            "Ada hat 0 Kontakte.",
            "Ada hat einen Kontakt.",
            "Ada hat 2 Kontakte.",
        ),
        (
            Language::Spanish,
            "Ada tiene 0 contactos.",
            "Ada tiene un contacto.",
            "Ada tiene 2 contactos.",
        ),
        (
            Language::French,
            "Ada a 0 contact.",
            "Ada a 1 contact.",
            "Ada a 2 contacts.",
        ),
        (
            Language::Portuguese,
            "Ada tem 0 contato.",
            "Ada tem 1 contato.",
            "Ada tem 2 contatos.",
        ),
        (
            Language::Japanese,
            "Adaには0人のつながりがあります。",
            "Adaには1人のつながりがあります。",
            "Adaには2人のつながりがあります。",
        ),
    ] {
        for (count, expected) in (0..).zip([zero, one, two]) {
            assert_eq!(counted(language, "connections-count", count), expected);
        }
    }
}

#[test]
fn none_has_words_of_its_own() {
    for language in Language::ALL {
        for id in ["reminders-follow", "connections-shared"] {
            assert!(!counted(language, id, 0).contains('0'), "{language:?}: {id}");
        }
    }
}
