//! What the accept page says, in the reader's language. `words/` has a file for each language.

use std::sync::LazyLock;

use shell::words::{Language, Words};

/// All texts; their ids are in the files.
pub(crate) static WORDS: LazyLock<Words> = LazyLock::new(|| {
    Words::new(|language| match language {
        Language::English => vec![include_str!("words/en.ftl")],
        Language::German => vec![include_str!("words/de.ftl")],
        Language::Spanish => vec![include_str!("words/es.ftl")],
        Language::French => vec![include_str!("words/fr.ftl")],
        Language::Portuguese => vec![include_str!("words/pt.ftl")],
        Language::Japanese => vec![include_str!("words/ja.ftl")],
    })
});
