//! Words of mail servers, as they are kept.

/// Longest ones, in characters.
const WORDS_CHARS: usize = 500;

/// Words, cut, without characters that a database or a terminal would choke on.
pub(crate) fn words(text: &str) -> String {
    let words = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    words.take(WORDS_CHARS).collect()
}

/// As [`words`], without addresses: they outlive the email that they were said of.
pub(crate) fn words_for_ever(text: &str) -> String {
    let shown = |word| {
        if str::contains(word, '@') {
            "(address)"
        } else {
            word
        }
    };
    let kept: Vec<&str> = text.split_whitespace().map(shown).collect();
    words(&kept.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_harmless() {
        assert_eq!(words("a\0b\u{1b}[2J\r\n"), "a b [2J  ");
        assert_eq!(words(&"é".repeat(501)), "é".repeat(500));
    }

    #[test]
    fn no_address_is_kept_for_ever() {
        assert_eq!(
            words_for_ever("smtp; 550 5.1.1 <ben@example.com>: unknown, see\thttp://x"),
            "smtp; 550 5.1.1 (address) unknown, see http://x"
        );
    }
}
