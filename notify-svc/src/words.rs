//! What the service says, in the reader's language. `words/` has a file for each language.

use std::sync::LazyLock;

use shell::words::Words;
pub(crate) use shell::words::{FluentValue, Language};

/// All texts; their ids are in the files.
pub(crate) static WORDS: LazyLock<Words> = LazyLock::new(|| {
    Words::new(|language| match language {
        Language::English => vec![include_str!("words/en.ftl"), include_str!("words/pages/en.ftl")],
        Language::German => vec![include_str!("words/de.ftl"), include_str!("words/pages/de.ftl")],
        Language::Spanish => vec![include_str!("words/es.ftl"), include_str!("words/pages/es.ftl")],
        Language::French => vec![include_str!("words/fr.ftl"), include_str!("words/pages/fr.ftl")],
        Language::Portuguese => vec![include_str!("words/pt.ftl"), include_str!("words/pages/pt.ftl")],
        Language::Japanese => vec![include_str!("words/ja.ftl"), include_str!("words/pages/ja.ftl")],
    })
});

#[cfg(test)]
mod tests;
