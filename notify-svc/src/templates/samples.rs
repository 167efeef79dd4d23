//! Emails to made-up people, to look at.

use crate::{
    domain::{
        email::{
            Acceptance, Content, Initial, Invitation, Letter, Recipient, Reminder, Reply,
            reminders_unless_told,
        },
        kind::Kind,
    },
    words::Language,
};

/// Made-up members of one country, and what they write.
struct Cast {
    reader: &'static str,
    others: [&'static str; 4],
    note: &'static str,
    reply: &'static str,
}

fn cast(language: Language) -> Cast {
    match language {
        Language::English => Cast {
            reader: "Ben Berger",
            others: ["Ada Adler", "Cleo Costa", "Dan Doyle", "Eve Evans"],
            note: "We met in Oslo, after your talk about bridges.\nShall we stay in touch?",
            reply: "Thank you! Remind me: where do we know each other from?",
        },
        Language::German => Cast {
            reader: "Jürgen Groß",
            others: ["Änne Köhler", "Max Müller", "Özlem Yıldız", "Sören Weiß"],
            note: "Wir haben uns in Köln kennengelernt, nach Ihrem Vortrag über Brücken.\nBleiben wir in Verbindung?",
            reply: "Vielen Dank! Helfen Sie mir: Woher kennen wir uns?",
        },
        Language::Spanish => Cast {
            reader: "Íñigo Núñez",
            others: ["Lucía Herrera", "Andrés Peña", "Sofía Ibáñez", "Inés Muñoz"],
            note: "Nos conocimos en Bilbao, después de su charla sobre puentes.\n¿Seguimos en contacto?",
            reply: "¡Muchas gracias! Recuérdeme: ¿de dónde nos conocemos?",
        },
        Language::French => Cast {
            reader: "Benoît Lefèvre",
            others: ["Élodie Garçon", "Zoé Castaño", "François Noël", "Inès Duchêne"],
            note: "Nous nous sommes rencontrés à Lyon, après votre exposé sur les ponts.\nRestons en contact ?",
            reply: "Merci ! Rappelez-moi : d’où nous connaissons-nous ?",
        },
        Language::Portuguese => Cast {
            reader: "João Conceição",
            others: ["Beatriz Araújo", "Luís Falcão", "Inês Brandão", "André Simões"],
            note: "Nós nos conhecemos em Recife, depois da sua palestra sobre pontes.\nVamos manter contato?",
            reply: "Obrigado! Lembre-me: de onde nos conhecemos?",
        },
        Language::Japanese => Cast {
            reader: "山田 太郎",
            others: ["佐藤 美咲", "鈴木 健", "高橋 さくら", "田中 翔"],
            note: "大阪で、橋についてのご講演の後にお会いしました。\n今後ともよろしくお願いいたします。",
            reply: "ありがとうございます。どちらでお会いしましたでしょうか。",
        },
    }
}

/// A letter of this kind, in the language of `locale`; of reminders, the first.
pub(crate) fn sample(kind: Kind, locale: &str) -> Letter {
    let language = Language::of(locale);
    let Cast { others, reply, .. } = cast(language);
    let content = match kind {
        Kind::Initial => Content::Initial(Initial {
            invitation: invitation(language, 0),
            remaining_count: reminders_unless_told(),
        }),
        Kind::Reminder => Content::Reminder(Reminder {
            invitation: invitation(language, 0),
            number: 1,
            remaining_count: 1,
        }),
        Kind::Acceptance => Content::Acceptance(Acceptance {
            connection_name: others[0].to_owned(),
            connection_address: "ada@example.org".to_owned(),
            connection_profile_url: profile_url(0),
            total_count: 1_234,
            shared_count: 2,
            names: others[1..].iter().map(ToString::to_string).collect(),
        }),
        Kind::Reply => Content::Reply(Reply {
            replier_name: others[0].to_owned(),
            text: reply.to_owned(),
            invitation_url: "https://product.example/sent/1".to_owned(),
            replier_profile_url: profile_url(0),
        }),
    };
    letter(language, content)
}

/// Reminders of as many invitations; every third one has no note.
pub(crate) fn reminders(language: Language, count: usize) -> Vec<Letter> {
    let reminder = |at: usize| {
        let mut invitation = invitation(language, at);
        if at % 3 == 1 {
            invitation.note.clear();
        }
        letter(
            language,
            Content::Reminder(Reminder {
                invitation,
                number: 2,
                remaining_count: 0,
            }),
        )
    };
    (0..count).map(reminder).collect()
}

fn letter(language: Language, content: Content) -> Letter {
    Letter {
        recipient: Recipient {
            name: cast(language).reader.to_owned(),
            address: "ben@example.org".to_owned(),
            locale: language.tag().to_owned(),
            time_zone: "UTC".to_owned(),
        },
        content,
    }
}

fn invitation(language: Language, at: usize) -> Invitation {
    let Cast { others, note, .. } = cast(language);
    Invitation {
        inviter_name: others[at % others.len()].to_owned(),
        note: note.to_owned(),
        accept_url: format!("https://product.example/i/sample-{at}"),
        inviter_profile_url: profile_url(at),
        inbox_url: format!("https://product.example/inbox/{at}"),
    }
}

fn profile_url(at: usize) -> String {
    format!("https://product.example/members/{at}")
}
