//! What members wrote, made harmless: a name is one line, a text is lines, and no mail app finds a link in either.

use minijinja::Value;
use shell::words::Unsaid;

use crate::words::{Language, WORDS};

/// Columns of a quoted line of plain text, its mark included.
const COLUMNS: usize = 72;
/// What a quoted line begins with.
const MARK: &str = "> ";

/// Characters of a text beside the subject.
const PREVIEW_CHARS: usize = 140;

/// Invisible, and the end of what mail apps take for a link (ZERO WIDTH SPACE).
const BREAK: char = '\u{200b}';

/// A name as the language has it in a sentence: ours leave it as it is or add a word of respect.
pub(super) fn called(language: Language, name: &str) -> Result<String, Unsaid> {
    WORDS.say(
        language,
        "called",
        &[("name", spoken(name))].into_iter().collect(),
    )
}

/// A name as it may stand in a line of ours.
pub(super) fn spoken(name: &str) -> String {
    let line = inert(name).replace(is_line_end_or_control, " ");
    if name.chars().any(is_right_to_left) {
        // Isolated (FSI, PDI), it does not turn the sentence around it, nor a subject that begins with it.
        format!("\u{2068}{line}\u{2069}")
    } else {
        line
    }
}

/// Whether a name is really a link or an address. "Dr.No" and "J.R.R. Tolkien" are names.
pub(super) fn is_link(name: &str) -> bool {
    let lower = name.to_lowercase();
    let is_domain = |word: &str| {
        let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        word.rsplit_once(['.', '。', '．', '｡'])
            .is_some_and(|(host, top)| {
                let is_top = |is_case: fn(&char) -> bool| top.chars().all(|c| is_case(&c));
                host.ends_with(char::is_alphanumeric)
                    && top.len() >= 2
                    && (is_top(char::is_ascii_lowercase) || is_top(char::is_ascii_uppercase))
            })
    };
    lower.contains("www.") || lower.contains(['/', '@']) || name.split_whitespace().any(is_domain)
}

/// The lines of a text.
pub(super) struct Lines(Vec<String>);

impl Lines {
    /// None of an empty text.
    pub(super) fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self(Vec::new());
        }
        let text = inert(text).replace("\r\n", "\n");
        Self(text.split(is_line_end_or_control).map(str::to_owned).collect())
    }

    /// The beginning in one line. None where there is nothing to read.
    pub(super) fn preview(&self) -> Option<String> {
        let words = self.0.iter().flat_map(|line| line.split_whitespace());
        let mut preview = String::new();
        for word in words {
            if preview.chars().count() + word.chars().count() >= PREVIEW_CHARS {
                preview.extend(
                    word.chars()
                        .take(PREVIEW_CHARS.saturating_sub(preview.chars().count())),
                );
                preview.push('…');
                break;
            }
            preview.push_str(word);
            preview.push(' ');
        }
        let preview = preview.trim_end();
        (!preview.is_empty()).then(|| preview.to_owned())
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into()
    }
}

/// Lines with the mark of a quotation before each, short enough that none is wrapped into one without it.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands values over")]
pub(super) fn quoted(lines: Vec<String>) -> String {
    // Without the mark, which would keep textwrap from its short way with lines that fit.
    let options =
        textwrap::Options::new(COLUMNS - MARK.len()).wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    let lines = lines.iter().flat_map(|line| textwrap::wrap(line, &options));
    let quoted = lines.map(|line| format!("{MARK}{line}"));
    quoted.collect::<Vec<_>>().join("\n")
}

/// The URL that writes to an address (RFC 6068).
pub(super) fn mailto(address: &str) -> String {
    let mut url = "mailto:".to_owned();
    for c in address.chars() {
        match c {
            '%' => url.push_str("%25"),
            '?' => url.push_str("%3F"),
            '#' => url.push_str("%23"),
            '&' => url.push_str("%26"),
            '/' => url.push_str("%2F"),
            c => url.push(c),
        }
    }
    url
}

/// A text in which no mail app finds a link: schemes, domains and addresses are cut by what nobody sees. It may be cut
/// more than needed, "3.14" for instance.
pub(super) fn inert(text: &str) -> String {
    let mut cut = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = rest.next() {
        cut.push(c);
        let next = rest.peek().copied().unwrap_or(' ');
        let is_link = match c {
            ':' => next == '/',
            // Domains may have labels of signs and pictures.
            '.' => before != '.' && !before.is_whitespace() && may_begin_a_label(next),
            '@' => next.is_alphanumeric(),
            // Full stops to domains (IDNA), too; between other letters they end sentences.
            '。' | '．' | '｡' => next.is_ascii_alphanumeric(),
            _ => false,
        };
        if is_link {
            cut.push(BREAK);
        }
        before = c;
    }
    cut
}

fn may_begin_a_label(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && !c.is_whitespace()
}

fn is_line_end_or_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Hebrew, Arabic and the scripts beside them, by their blocks.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_mail_app_makes_a_link_of_stays_whole() {
        for (text, cut) in [
            ("https://evil.example/pay", "https:|//evil.|example/pay"),
            ("www.evil.co.uk", "www.|evil.|co.|uk"),
            ("eve@evil.example", "eve@|evil.|example"),
            ("http://1.2.3.4/", "http:|//1.|2.|3.|4/"),
            ("http://localhost", "http:|//localhost"),
            ("例え.テスト", "例え.|テスト"),
            ("¡.aa 💩.la a.💩", "¡.|aa 💩.|la a.|💩"),
            ("evil。com", "evil。|com"),
            ("はい。そうです。", "はい。そうです。"),
            ("We met. In Oslo...", "We met. In Oslo..."),
            ("10:30, @ Oslo ...and so on", "10:30, @ Oslo ...and so on"),
        ] {
            assert_eq!(inert(text), cut.replace('|', "\u{200b}"), "{text}");
        }
    }

    #[test]
    fn a_name_is_told_from_a_link() {
        for link in [
            "https://evil.example",
            "WWW.evil.example",
            "evil.example/pay",
            "evil.com",
            "EVIL.COM!",
            "Free money at evil.com, now",
            "eve@evil",
            "evil。com",
        ] {
            assert!(is_link(link), "{link}");
        }
        for name in [
            "Dr.No",
            "J.R.R. Tolkien",
            "St.John",
            "Ada Adler, Ph.D.",
            "李小龍",
            "Ada...",
            "M.",
            "",
        ] {
            assert!(!is_link(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_one_line_and_does_not_turn_the_sentence_around() {
        assert_eq!(spoken("Eve\r\n\u{2028}x"), "Eve   x");
        assert_eq!(spoken("Ada"), "Ada");
        assert_eq!(spoken("محمد"), "\u{2068}محمد\u{2069}");
        assert_eq!(spoken("דוד Levi"), "\u{2068}דוד Levi\u{2069}");
    }

    #[test]
    fn every_line_is_quoted_the_wrapped_ones_too() {
        for (text, expected) in [
            ("one\n\n-- \ntwo", "> one\n> \n> --\n> two"),
            ("one\u{2028}two\rthree\u{85}four", "> one\n> two\n> three\n> four"),
        ] {
            assert_eq!(quoted(Lines::of(text).0), expected, "{text:?}");
        }
        for long in ["x".repeat(1_900), "漢字".repeat(900), "two words ".repeat(190)] {
            let quoted = quoted(Lines::of(&long).0);
            for line in quoted.lines() {
                assert!(
                    line.starts_with("> ") && textwrap::core::display_width(line) <= COLUMNS,
                    "{line}"
                );
            }
            let read: String = quoted.lines().map(|line| &line[2..]).collect();
            assert_eq!(read.replace(' ', ""), long.replace(' ', ""));
        }
    }

    #[test]
    fn a_preview_is_the_beginning_in_one_line() {
        let preview = |text: &str| Lines::of(text).preview();
        assert_eq!(preview("one\n\n two"), Some("one two".to_owned()));
        assert_eq!(preview(" \n "), None);
        assert_eq!(preview(""), None);
        for long in ["x".repeat(1_900), "xy ".repeat(600)] {
            let preview = preview(&long).expect("there is text");
            assert!(
                (100..=PREVIEW_CHARS + 1).contains(&preview.chars().count()),
                "{preview}"
            );
            assert!(preview.ends_with('…'));
        }
    }

    #[test]
    fn an_address_is_a_url_that_writes_to_it() {
        assert_eq!(mailto("a+b@x.example"), "mailto:a+b@x.example");
        assert_eq!(
            mailto("a%b?c&d#e@x.example"),
            "mailto:a%25b%3Fc%26d%23e@x.example"
        );
    }
}
