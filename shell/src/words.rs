//! Texts in the reader's language: Fluent, a file or more for each language.

use fluent_bundle::{FluentResource, concurrent::FluentBundle};
use icu_list::{ListFormatter, options::ListFormatterOptions};
use minijinja::{Environment, ErrorKind, State, Value, value::Kwargs};

pub use fluent_bundle::{FluentArgs, FluentValue};

/// A language that readers are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Also where we do not speak the reader's language.
    English,
    /// With "Sie".
    German,
    /// With "usted".
    Spanish,
    /// With "vous".
    French,
    /// As in Brazil, with "você".
    Portuguese,
    /// In です and ます.
    Japanese,
}

impl Language {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::English,
        Self::German,
        Self::Spanish,
        Self::French,
        Self::Portuguese,
        Self::Japanese,
    ];

    /// The language of a BCP 47 tag, whatever its script and region: `pt-BR` and `PT` are Portuguese.
    pub fn of(locale: &str) -> Self {
        Self::spoken(locale).unwrap_or(Self::English)
    }

    /// The language that a browser likes best, by its Accept-Language header (RFC 9110, section 12.5.4).
    pub fn accepted(header: &str) -> Self {
        let wishes = header.split(',').filter_map(|wish| {
            let (locale, quality) = wish.split_once(';').unwrap_or((wish, "q=1"));
            let quality: f32 = quality.trim().strip_prefix("q=")?.parse().ok()?;
            Some((Self::spoken(locale.trim())?, quality))
        });
        // Of two that are liked alike, the first.
        let best = wishes.reduce(|best, wish| if wish.1 > best.1 { wish } else { best });
        best.filter(|(_, quality)| *quality > 0.0)
            .map_or(Self::English, |(language, _)| language)
    }

    fn spoken(locale: &str) -> Option<Self> {
        let primary = locale.split('-').next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// Its BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
            Self::French => "fr",
            Self::Portuguese => "pt",
            Self::Japanese => "ja",
        }
    }

    /// "A, B and C".
    pub fn list<'a>(self, names: impl Iterator<Item = &'a str> + Clone) -> String {
        let locale: icu_locale_core::Locale = self.tag().parse().expect("it is a tag");
        ListFormatter::try_new_and(locale.into(), ListFormatterOptions::default())
            .expect("lists of all languages are compiled in")
            .format_to_string(names)
    }
}

/// Digits in groups of three where there are `from` of them or more. None for what is no whole number.
fn grouped(value: &FluentValue, separator: char, from: usize) -> Option<String> {
    let FluentValue::Number(number) = value else {
        return None;
    };
    let digits = number.as_string().into_owned();
    if digits.len() < from || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(digits);
    }
    let mut written = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            written.push(separator);
        }
        written.push(digit);
    }
    Some(written)
}

/// A text that cannot be said: our mistake, in a template or in a language's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{language}: {id}: {wrong}")]
pub struct Unsaid {
    language: &'static str,
    id: String,
    wrong: String,
}

/// The texts of a service in all languages.
pub struct Words([FluentBundle<FluentResource>; Language::ALL.len()]);

impl Words {
    /// The texts of a service, `sources` being the files of each language. Panics when one is malformed or names an id
    /// twice: they are part of the program.
    pub fn new(sources: impl Fn(Language) -> Vec<&'static str>) -> Self {
        Self(Language::ALL.map(|language| bundle(language, sources(language))))
    }

    /// The text `id` with what it names put in. No marks of text direction are added: where a name needs them, it
    /// brings them.
    pub fn say(&self, language: Language, id: &str, args: &FluentArgs) -> Result<String, Unsaid> {
        let unsaid = |wrong: String| Unsaid {
            language: language.tag(),
            id: id.to_owned(),
            wrong,
        };
        let bundle = &self.0[language as usize];
        let message = bundle.get_message(id).and_then(|message| message.value());
        let pattern = message.ok_or_else(|| unsaid("there is no such text".to_owned()))?;
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(args), &mut errors);
        match errors.first() {
            None => Ok(text.into_owned()),
            Some(error) => Err(unsaid(error.to_string())),
        }
    }

    /// Gives templates the function `say("id", name=…)`. It speaks the language whose tag the variable `language` holds.
    pub fn teach(&'static self, environment: &mut Environment<'_>) {
        environment.add_function("say", |state: &State, id: &str, given: Kwargs| {
            let tag = state.lookup("language");
            let tag = tag.as_ref().and_then(Value::as_str);
            let language = tag.and_then(Language::spoken).ok_or(ErrorKind::UndefinedError)?;
            let mut args = FluentArgs::new();
            for name in given.args() {
                args.set(name.to_owned(), fluent(&given.get(name)?)?);
            }
            self.say(language, id, &args)
                .map_err(|unsaid| minijinja::Error::new(ErrorKind::InvalidOperation, unsaid.to_string()))
        });
    }
}

/// A template's value as Fluent takes it: a text or a whole number.
fn fluent(value: &Value) -> Result<FluentValue<'static>, minijinja::Error> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned().into()),
        None => Ok(i64::try_from(value.clone())?.into()),
    }
}

fn bundle(language: Language, sources: Vec<&'static str>) -> FluentBundle<FluentResource> {
    let tag = language.tag();
    let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().expect("it is a tag")]);
    bundle.set_use_isolating(false);
    // How whole numbers are written, by the Unicode CLDR.
    bundle.set_formatter(Some(match language {
        Language::English | Language::Japanese => |value, _| grouped(value, ',', 4),
        Language::German | Language::Portuguese => |value, _| grouped(value, '.', 4),
        Language::Spanish => |value, _| grouped(value, '.', 5),
        Language::French => |value, _| grouped(value, '\u{202f}', 4),
    }));
    for source in sources {
        let resource = FluentResource::try_new(source.to_owned())
            .unwrap_or_else(|(_, errors)| panic!("{tag}: {errors:?}"));
        if let Err(errors) = bundle.add_resource(resource) {
            panic!("{tag}: {errors:?}");
        }
    }
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words::new(|_| vec!["count = { $count }\nhello = Hello { $name }"])
    }

    #[test]
    fn a_tag_s_language_is_found_whatever_its_region_and_case() {
        for (locale, tag) in [
            ("pt-BR", "pt"),
            ("DE-at", "de"),
            ("ja-Jpan-JP", "ja"),
            ("es-419", "es"),
            ("fr", "fr"),
            ("en-GB", "en"),
            ("nl", "en"),
            ("den", "en"),
            ("", "en"),
        ] {
            assert_eq!(Language::of(locale).tag(), tag, "{locale}");
        }
    }

    #[test]
    fn a_browser_gets_what_it_likes_best_of_what_we_speak() {
        for (header, tag) in [
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr"),
            ("nl, de;q=0.5, es;q=0.6", "es"),
            ("de,ja", "de"),
            ("de;q=0", "en"),
            ("nl", "en"),
            ("", "en"),
            (";;q=,,de;q=x", "en"),
        ] {
            assert_eq!(Language::accepted(header).tag(), tag, "{header}");
        }
    }

    #[test]
    fn numbers_are_written_as_the_language_does() {
        let said = |language, count: i64| {
            let args = FluentArgs::from_iter([("count", count)]);
            words().say(language, "count", &args).expect("it is there")
        };
        use Language::{English, French, German, Spanish};
        assert_eq!(said(English, 30_000), "30,000");
        assert_eq!(said(German, 1_234_567), "1.234.567");
        assert_eq!(said(Spanish, 1_234), "1234");
        assert_eq!(said(French, 12_345), "12\u{202f}345");
        assert_eq!(said(English, 999), "999");
        assert_eq!(said(English, -1_000), "-1000");
    }

    #[test]
    fn names_are_joined_as_the_language_does() {
        let list = |language: Language, names: &[&str]| language.list(names.iter().copied());
        use Language::{English, French, German, Japanese, Portuguese, Spanish};
        let three = ["Ada", "Ben", "Ida"];
        assert_eq!(list(English, &three), "Ada, Ben, and Ida");
        assert_eq!(list(German, &three), "Ada, Ben und Ida");
        assert_eq!(list(Spanish, &three), "Ada, Ben e Ida");
        assert_eq!(list(French, &three), "Ada, Ben et Ida");
        assert_eq!(list(Portuguese, &three), "Ada, Ben e Ida");
        assert_eq!(list(Japanese, &three), "Ada、Ben、Ida");
        assert_eq!(list(German, &["Ada"]), "Ada");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let say = |id| {
            words()
                .say(Language::German, id, &FluentArgs::new())
                .map_err(|unsaid| unsaid.to_string())
        };
        assert_eq!(say("bye"), Err("de: bye: there is no such text".to_owned()));
        assert!(say("hello").expect_err("no name").starts_with("de: hello: "));
    }
}
