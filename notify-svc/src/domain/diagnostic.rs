//! Words of mail servers, as they are kept.

/// Longest ones, in characters.
const WORDS_CHARS: usize = 500;

/// Words, cut, without characters that a database or a terminal would choke on.
pub(crate) fn words(text: &str) -> String {
    let words = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    words.take(WORDS_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_harmless() {
        assert_eq!(words("a\0b\u{1b}[2J\r\n"), "a b [2J  ");
        assert_eq!(words(&"é".repeat(501)), "é".repeat(500));
    }
}
