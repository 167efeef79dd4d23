//! Emails between made-up people.

use crate::domain::{
    email::{Acceptance, Content, Initial, Letter, Recipient, Reminder, Reply},
    kind::Kind,
};

/// An email of `kind`.
pub(super) fn sample(kind: Kind) -> Letter {
    let content = match kind {
        Kind::Initial => Content::Initial(invitation()),
        Kind::Reminder => Content::Reminder(Reminder {
            invitation: invitation(),
            number: 1,
            remaining_count: 1,
        }),
        Kind::Acceptance => Content::Acceptance(Acceptance {
            connection_name: "Ada Adler".to_owned(),
            connection_address: "ada@example.com".to_owned(),
            connection_profile_url: "https://example.com/members/ada".to_owned(),
            total_count: 12,
            shared_count: 2,
            names: vec!["Cleo Costa".to_owned(), "Dan Duarte".to_owned()],
        }),
        Kind::Reply => Content::Reply(Reply {
            replier_name: "Ada Adler".to_owned(),
            text: "Where do we know each other from?".to_owned(),
            invitation_url: "https://example.com/sent/1".to_owned(),
            replier_profile_url: "https://example.com/members/ada".to_owned(),
        }),
    };
    Letter {
        recipient: Recipient {
            name: "Ben Berger".to_owned(),
            address: "ben@example.com".to_owned(),
            locale: "en".to_owned(),
            time_zone: "UTC".to_owned(),
        },
        content,
    }
}

fn invitation() -> Initial {
    Initial {
        inviter_name: "Ada Adler".to_owned(),
        note: "We met in Oslo.".to_owned(),
        accept_url: "https://example.com/i/token".to_owned(),
        inviter_profile_url: "https://example.com/members/ada".to_owned(),
        inbox_url: "https://example.com/inbox/1".to_owned(),
    }
}
