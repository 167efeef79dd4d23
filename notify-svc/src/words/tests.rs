use super::*;

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
        for id in ["reminders-planned", "reminders-follow", "connections-shared"] {
            assert!(!counted(language, id, 0).contains('0'), "{language:?}: {id}");
        }
    }
}
