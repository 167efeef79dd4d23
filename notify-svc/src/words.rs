//! What the service says, in the reader's language. `words/` has a file for each language.

use std::sync::LazyLock;

pub(crate) use shell::words::Language;
use shell::words::Words;

/// All texts; their ids are in the files.
pub(crate) static WORDS: LazyLock<Words> = LazyLock::new(|| {
    Words::new(|language| match language {
        Language::English => vec![include_str!("words/pages/en.ftl")],
        Language::German => vec![include_str!("words/pages/de.ftl")],
        Language::Spanish => vec![include_str!("words/pages/es.ftl")],
        Language::French => vec![include_str!("words/pages/fr.ftl")],
        Language::Portuguese => vec![include_str!("words/pages/pt.ftl")],
        Language::Japanese => vec![include_str!("words/pages/ja.ftl")],
    })
});
