//! Checks of request fields. Every violation is collected, so that one answer names all of them.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::addresses;

/// Violations that one answer names: trailers have to fit into the header list that clients take, often 8 KiB.
const NAMED: usize = 10;

/// The violations found in one request.
#[derive(Debug, Default)]
pub struct Violations(Vec<FieldViolation>);

impl Violations {
    /// Notes that `field` is wrong; `description` says what would be right.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation {
            field: field.into(),
            description: description.into(),
            reason: String::new(),
            localized_message: None,
        });
    }

    /// `value` when nothing was wrong, else INVALID_ARGUMENT with google.rpc.BadRequest.
    pub fn into_result<T>(self, domain: &str, value: T) -> Result<T, Status> {
        if self.0.is_empty() {
            return Ok(value);
        }
        let more = self.0.len().saturating_sub(NAMED);
        let mut violations = self.0;
        violations.truncate(NAMED);
        let told: Vec<String> = violations
            .iter()
            .map(|v| format!("{}: {}", v.field, v.description))
            .collect();
        let mut told = told.join("; ");
        if more > 0 {
            told.push_str(&format!("; and {more} more"));
        }
        let mut details = ErrorDetails::with_bad_request(violations);
        details.set_error_info("INVALID_ARGUMENT", domain, HashMap::new());
        Err(Status::with_error_details(Code::InvalidArgument, told, details))
    }

    /// A UUID in its hyphenated form, not nil. Answers nil after a violation.
    pub fn uuid(&mut self, field: &str, value: &str) -> Uuid {
        match Uuid::try_parse(value) {
            Ok(id) if value.len() == 36 && !id.is_nil() => id,
            _ => {
                self.add(
                    field,
                    "must be a hyphenated UUID that is not nil, e.g. 0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f",
                );
                Uuid::nil()
            }
        }
    }

    /// As [`Violations::uuid`], where an empty field means none.
    pub fn optional_uuid(&mut self, field: &str, value: &str) -> Option<Uuid> {
        (!value.is_empty()).then(|| self.uuid(field, value))
    }

    /// Text of several lines: Unicode NFC, at most `max_chars` characters, no control characters but line feeds.
    pub fn text(&mut self, field: &str, value: &str, max_chars: usize) -> String {
        if value.len() > max_chars * 16 {
            self.add(field, format!("must have at most {max_chars} characters"));
            return String::new();
        }
        let text = nfc(&value.replace("\r\n", "\n"));
        if text.chars().count() > max_chars {
            self.add(field, format!("must have at most {max_chars} characters"));
        }
        if text.chars().any(|c| c != '\n' && is_forbidden(c)) {
            self.add(
                field,
                "must have no control or text-direction characters but line feeds",
            );
        }
        text
    }

    /// Text of one line: Unicode NFC, 1 to `max_chars` characters, no control or text-direction characters.
    pub fn line(&mut self, field: &str, value: &str, max_chars: usize) -> String {
        if value.len() > max_chars * 16 {
            self.add(field, format!("must have 1 to {max_chars} characters"));
            return String::new();
        }
        let line = nfc(value.trim());
        let count = line.chars().count();
        if count == 0 || count > max_chars {
            self.add(field, format!("must have 1 to {max_chars} characters"));
        }
        if line.chars().any(is_forbidden) {
            self.add(
                field,
                "must be one line without control or text-direction characters",
            );
        }
        line
    }

    /// An email address, with its domain in A-labels.
    pub fn email(&mut self, field: &str, value: &str) -> String {
        addresses::parse(value).unwrap_or_else(|wrong| {
            self.add(field, wrong);
            String::new()
        })
    }

    /// A page size: 0 means 20, more than 100 means 100.
    pub fn page_size(&mut self, field: &str, value: i32) -> usize {
        match value {
            0 => 20,
            1.. => value.min(100).unsigned_abs() as usize,
            _ => {
                self.add(field, "must not be negative");
                20
            }
        }
    }

    /// A BCP 47 language tag such as `pt-BR`; empty means `en`.
    pub fn locale(&mut self, field: &str, value: &str) -> String {
        if value.is_empty() {
            return "en".to_owned();
        }
        let tag =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let language = value.split('-').next().unwrap_or_default();
        let starts_well =
            (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        if value.len() > 35 || !starts_well || !value.split('-').all(tag) {
            self.add(field, "must be a BCP 47 language tag, e.g. pt-BR");
        }
        value.to_owned()
    }

    /// An IANA time zone such as `Europe/Berlin`; empty means `UTC`.
    pub fn time_zone(&mut self, field: &str, value: &str) -> String {
        if value.is_empty() {
            return "UTC".to_owned();
        }
        if value.len() > 64 || jiff::tz::TimeZone::get(value).is_err() {
            self.add(field, "must be an IANA time zone, e.g. Europe/Berlin");
        }
        value.to_owned()
    }

    /// An IANA time zone by its form, whether or not this machine knows it; empty means `UTC`.
    pub fn time_zone_name(&mut self, field: &str, value: &str) -> String {
        if value.is_empty() {
            return "UTC".to_owned();
        }
        let is_part = |part: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-');
            !part.is_empty() && part.bytes().all(fits)
        };
        if value.len() > 64 || !value.split('/').all(is_part) {
            self.add(field, "must look like an IANA time zone, e.g. Europe/Berlin");
        }
        value.to_owned()
    }

    /// An absolute http or https URL of at most 2 048 octets.
    pub fn url(&mut self, field: &str, value: &str) -> String {
        let uri = value.parse::<http::Uri>().ok();
        let right = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|a| !a.as_str().contains('@'))
        });
        // RFC 3986; http takes more. A header would encode what is not ASCII, and be no link any more.
        let right = right
            && value
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
        if !right || value.len() > 2_048 {
            self.add(
                field,
                "must be an absolute http or https URL of at most 2048 octets, percent-encoded where it is not ASCII",
            );
        }
        value.to_owned()
    }
}

/// Unicode NFC; ASCII, which most of what comes is, is that already.
fn nfc(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    text.nfc().collect()
}

/// Characters that could forge a line, hide text or turn its direction.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(check: impl FnOnce(&mut Violations)) -> bool {
        let mut violations = Violations::default();
        check(&mut violations);
        violations.into_result("test", ()).is_err()
    }

    #[test]
    fn a_uuid_is_hyphenated_and_not_nil() {
        let right = "0190A8A0-5f1c-7cc3-98c4-dc0c0c07398f";
        assert!(!refused(|v| _ = v.uuid("id", right)));
        let nil = Uuid::nil().to_string();
        for wrong in [
            "",
            "0",
            "-1",
            &nil,
            "{0190a8a0-5f1c-7cc3-98c4-dc0c0c07398f}",
            "0190a8a05f1c7cc398c4dc0c0c07398f",
            &"a".repeat(1 << 20),
        ] {
            assert!(refused(|v| _ = v.uuid("id", wrong)), "{:.40}", wrong);
        }
    }

    #[test]
    fn a_name_is_one_line_of_text() {
        for right in ["Ada", "Jürgen Müller", "李小龍", "O'Neil \"Bo\"", "🙂"] {
            assert!(!refused(|v| _ = v.line("name", right, 100)), "{right}");
        }
        let long = "x".repeat(100_000);
        for wrong in [
            "",
            "  ",
            "Eve\r\nBcc: x",
            "a\0b",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{202e}b",
            "a\u{61c}b",
            "\u{1b}[2J",
            &long,
        ] {
            assert!(refused(|v| _ = v.line("name", wrong, 100)), "{:.20?}", wrong);
        }
    }

    #[test]
    fn a_note_is_counted_in_characters_after_normalisation() {
        let decomposed = "e\u{301}".repeat(300);
        let mut violations = Violations::default();
        assert_eq!(violations.text("note", &decomposed, 300), "é".repeat(300));
        assert!(violations.into_result("test", ()).is_ok());
        assert!(refused(|v| _ = v.text("note", &"é".repeat(301), 300)));
        assert!(refused(|v| _ = v.text("note", "a\0", 300)));
        assert!(!refused(|v| _ = v.text("note", "two\r\nlines {{ }} <b>", 300)));
    }

    #[test]
    fn every_violation_is_named() {
        let mut violations = Violations::default();
        violations.uuid("inviter_id", "x");
        violations.page_size("page_size", -1);
        let status = violations.into_result("test.v1", ()).expect_err("two are wrong");
        let details = status.get_error_details();
        let fields: Vec<_> = details
            .bad_request()
            .expect("says which")
            .field_violations
            .iter()
            .map(|v| v.field.as_str())
            .collect();
        assert_eq!(fields, ["inviter_id", "page_size"]);
    }

    #[test]
    fn a_thousand_violations_fit_into_trailers() {
        let mut violations = Violations::default();
        for at in 0..1_000 {
            violations.uuid(&format!("members[{at}].member_id"), "x");
        }
        let status = violations.into_result("test.v1", ()).expect_err("all are wrong");
        assert!(
            status.message().ends_with("; and 990 more"),
            "{}",
            status.message()
        );
        assert!(status.message().len() + status.details().len() * 4 / 3 < 6_000);
    }

    #[test]
    fn urls_are_absolute_and_web() {
        for right in ["http://127.0.0.1:8080/i/x", "https://example.com/a?b=c"] {
            assert!(!refused(|v| _ = v.url("url", right)), "{right}");
        }
        for wrong in [
            "",
            "/relative",
            "//evil",
            "javascript:alert(1)",
            "ftp://x/",
            "https://user@evil/",
            "https://a b",
            "https://example.com/\u{e9}",
            "https://example.com/{x}",
            "https://example.com/\"x\"",
        ] {
            assert!(refused(|v| _ = v.url("url", wrong)), "{wrong}");
        }
    }
}
