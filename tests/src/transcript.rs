//! Answers as text that can be compared: everything that a caller can tell from another, with ids and tokens numbered as
//! they appear.

use std::{collections::HashMap, fmt::Debug};

use tonic::{Response, Status, metadata::MetadataMap};

/// Ids and tokens, numbered as they appear.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, usize>);

impl Names {
    /// The number of an id or a token, and how long it is.
    pub fn of(&mut self, opaque: &str) -> String {
        let next = self.0.len();
        let number = self.0.entry(opaque.to_owned()).or_insert(next);
        format!("<{number}, {} bytes>", opaque.len())
    }

    /// `text` with every UUID replaced by its number.
    pub fn without_ids(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = (0..rest.len()).find(|at| is_uuid(rest.get(*at..at + 36))) {
            out.push_str(&rest[..at]);
            out.push_str(&self.of(&rest[at..at + 36]));
            rest = &rest[at + 36..];
        }
        out.push_str(rest);
        out
    }
}

fn is_uuid(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    })
}

/// Everything of an answer that a caller can tell from another, the moment of its sending left out.
pub fn shown<T: Debug>(answer: &Result<Response<T>, Status>) -> String {
    let metadata = |metadata: &MetadataMap| {
        let mut metadata = metadata.clone();
        metadata.remove("date");
        format!("{metadata:?}")
    };
    match answer {
        Ok(response) => format!("{:?} {}", response.get_ref(), metadata(response.metadata())),
        Err(status) => format!(
            "{:?} {:?} {:?} {}",
            status.code(),
            status.message(),
            status.details(),
            metadata(status.metadata())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::id;

    #[test]
    fn opaque_words_are_numbered_as_they_appear() {
        let mut names = Names::default();
        let (one, two) = (id(), id());
        assert_eq!(
            names.without_ids(&format!("é{one} {two}-{one}x")),
            "é<0, 36 bytes> <1, 36 bytes>-<0, 36 bytes>x"
        );
        assert_eq!(names.without_ids(&one[1..]), &one[1..]);
    }
}
