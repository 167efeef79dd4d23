//! Every email in every language as files to look at in a browser.

use std::{fs, path::Path};

use minijinja::{Environment, Value, context};

use crate::{
    domain::{
        email::{Content, Letter},
        kind::Kind,
    },
    templates::{self, Footer, samples},
    words::Language,
};

const FOOTER: Footer<'_> = Footer {
    settings_url: "https://mail.example.com/settings/sample",
    unsubscribe_url: "https://mail.example.com/unsubscribe/sample",
};

/// Writes each email as HTML and as plain text into `directory`, and a page that shows all of them at the width of a
/// phone and of a desktop, light and dark. Answers where that page is.
pub fn write(directory: &Path) -> Result<std::path::PathBuf, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", directory.display());
    fs::create_dir_all(directory).map_err(wrong)?;
    let mut shown = Vec::new();
    for language in Language::ALL {
        for (name, letters) in cases(language) {
            let letters: Vec<_> = letters.iter().collect();
            let texts = templates::render(&letters, FOOTER).map_err(|error| format!("{name}: {error}"))?;
            let file = format!("{name}.{}", language.tag());
            fs::write(directory.join(format!("{file}.html")), &texts.html).map_err(wrong)?;
            fs::write(directory.join(format!("{file}.txt")), &texts.text).map_err(wrong)?;
            shown.push(context! { name, file, language => language.tag(), subject => texts.subject });
        }
    }
    let index = directory.join("index.html");
    fs::write(&index, page(shown).map_err(|error| error.to_string())?).map_err(wrong)?;
    Ok(index)
}

fn page(emails: Vec<Value>) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_template("index.html", include_str!("gallery/index.html"))?;
    let languages = Language::ALL.map(Language::tag);
    environment
        .get_template("index.html")?
        .render(context! { emails, languages })
}

/// What there is to look at, with a name for its file.
fn cases(language: Language) -> Vec<(&'static str, Vec<Letter>)> {
    let sample = |kind| samples::sample(kind, language.tag());
    vec![
        ("initial", vec![sample(Kind::Initial)]),
        ("initial-without-note", vec![noted(sample(Kind::Initial), "")]),
        ("initial-long", vec![long(sample(Kind::Initial))]),
        ("reminder-1", vec![sample(Kind::Reminder)]),
        ("reminder-2", samples::reminders(language, 1)),
        ("digest", samples::reminders(language, 3)),
        ("digest-of-many", samples::reminders(language, 14)),
        ("acceptance", vec![sample(Kind::Acceptance)]),
        ("reply", vec![sample(Kind::Reply)]),
    ]
}

fn noted(mut letter: Letter, note: &str) -> Letter {
    if let Content::Initial(email) = &mut letter.content {
        email.invitation.note = note.to_owned();
    }
    letter
}

/// The longest names and note that there can be, without a place to break them.
fn long(mut letter: Letter) -> Letter {
    letter.recipient.name = "Wolfeschlegelsteinhausenbergerdorff".repeat(3)[..100].to_owned();
    if let Content::Initial(email) = &mut letter.content {
        email.invitation.inviter_name = "Nebukadnezar".repeat(9)[..100].to_owned();
    }
    noted(letter, &"https://evil.example/pay?".repeat(12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_shown_in_every_language() {
        let directory = tempfile::tempdir().expect("a place");
        let index = write(directory.path()).expect("it is written");
        let index = fs::read_to_string(index).expect("it is there");
        for language in Language::ALL {
            for (name, _) in cases(language) {
                let file = format!("{name}.{}", language.tag());
                assert_eq!(
                    index.matches(&format!("src=\"{file}.html\"")).count(),
                    4,
                    "{file}"
                );
                let html = fs::read_to_string(directory.path().join(format!("{file}.html")));
                assert!(html.expect("it is there").contains("</html>"), "{file}");
            }
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let wrong = write(Path::new("/dev/null/gallery")).expect_err("it is no directory");
        assert!(wrong.starts_with("/dev/null/gallery: "), "{wrong}");
    }
}
