//! The emails. The same letters always give the same bytes.
//!
//! Two templates for each email, MJML (HTML since the build, `build.rs`) and plain text, both written by hand; `words/`
//! has what they say in each language. An unknown variable or text is an error. What members wrote is data: it is
//! escaped in HTML, quoted in plain text, and nowhere a link.

use std::sync::LazyLock;

use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value, context, escape_formatter, syntax::SyntaxConfig,
};
use shell::words::Unsaid;

use crate::{
    domain::email::{Acceptance, Content, Initial, Invitation, Letter, Reminder, Reply},
    templates::members::{Lines, called, is_link, spoken},
    words::{FluentValue, Language, WORDS},
};

mod members;
pub(crate) mod samples;

/// Reminders that one email shows; of more it says how many there are, so that it stays below the size that mailboxes
/// cut (about 100 KB).
const SHOWN: usize = 8;

/// Subject and both bodies of an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    /// Language of the texts, for Content-Language.
    pub(crate) language: &'static str,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Where a reader chooses what they get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footer<'a> {
    pub(crate) settings_url: &'a str,
    /// Switches off the emails of this kind.
    pub(crate) unsubscribe_url: &'a str,
}

/// Why letters are no email.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrendered {
    #[error("only reminders can be put together, and one letter at least is needed")]
    Letters,
    #[error(transparent)]
    Template(#[from] minijinja::Error),
    #[error(transparent)]
    Text(#[from] Unsaid),
}

/// Writes an email in the last letter's language and to its name. More than one letter are reminders of one reader, put
/// together.
pub(crate) fn render(letters: &[&Letter], footer: Footer<'_>) -> Result<Texts, Unrendered> {
    let [others @ .., letter] = letters else {
        return Err(Unrendered::Letters);
    };
    let language = Language::of(&letter.recipient.locale);
    let email = match &letter.content {
        Content::Reminder(_) if !others.is_empty() => digest(language, letters)?,
        _ if !others.is_empty() => return Err(Unrendered::Letters),
        Content::Initial(email) => initial(language, email)?,
        Content::Reminder(email) => reminder(language, email)?,
        Content::Acceptance(email) => acceptance(language, email)?,
        Content::Reply(email) => reply(language, email)?,
    };
    let values = context! {
        language => language.tag(),
        subject => &email.subject,
        preview => email.preview,
        because => email.because,
        stop => email.stop,
        recipient_name => spoken(&letter.recipient.name),
        settings_url => footer.settings_url,
        unsubscribe_url => footer.unsubscribe_url,
        ..email.values
    };
    let page = |extension: &str| {
        let name = format!("{}/{}.{extension}", language.tag(), email.template);
        let template = ENVIRONMENT.get_template(&name)?;
        template.render(&values)
    };
    Ok(Texts {
        language: language.tag(),
        text: page("txt")?,
        html: page("html")?,
        subject: email.subject,
    })
}

/// What one kind of email brings.
struct Email {
    template: &'static str,
    subject: String,
    /// What mailboxes show beside the subject.
    preview: String,
    /// Why the reader gets it, and what will follow.
    because: String,
    /// What the link says that switches these emails off.
    stop: String,
    values: Value,
}

/// What the first email and the reminders of an invitation say in words of their own, by their ids.
struct Asking {
    subject: &'static str,
    lead: &'static str,
    stop: &'static str,
}

fn initial(language: Language, email: &Initial) -> Result<Email, Unsaid> {
    let asking = Asking {
        subject: "invites",
        lead: "invites-lead",
        stop: "stop-invitations",
    };
    let follow = say(
        language,
        "reminders-planned",
        [("count", email.remaining_count.into())],
    )?;
    ask(language, asking, &email.invitation, &follow)
}

fn reminder(language: Language, email: &Reminder) -> Result<Email, Unsaid> {
    let asking = Asking {
        subject: "waits",
        lead: "waits-lead",
        stop: "stop-reminders",
    };
    let follow = follow(language, email.remaining_count.into())?;
    ask(language, asking, &email.invitation, &follow)
}

fn follow(language: Language, remaining_count: i64) -> Result<String, Unsaid> {
    say(language, "reminders-follow", [("count", remaining_count.into())])
}

fn ask(language: Language, asking: Asking, email: &Invitation, follow: &str) -> Result<Email, Unsaid> {
    let name = called(language, &email.inviter_name)?;
    let lead = say(language, asking.lead, [("name", name.into())])?;
    let because = say(language, "because-invited", [])?;
    Ok(Email {
        template: "invitation",
        subject: subject(language, asking.subject, &email.inviter_name)?,
        preview: Lines::of(&email.note).preview().unwrap_or_else(|| lead.clone()),
        because: format!("{because} {follow}"),
        stop: say(language, asking.stop, [])?,
        values: context! { lead, ..invitation(email) },
    })
}

fn invitation(email: &Invitation) -> Value {
    context! {
        note => Lines::of(&email.note).into_value(),
        accept_url => &email.accept_url,
        profile_url => &email.inviter_profile_url,
        inbox_url => &email.inbox_url,
    }
}

fn digest(language: Language, letters: &[&Letter]) -> Result<Email, Unrendered> {
    let reminders = letters.iter().map(|letter| match &letter.content {
        Content::Reminder(reminder) => Ok(reminder),
        Content::Initial(_) | Content::Acceptance(_) | Content::Reply(_) => Err(Unrendered::Letters),
    });
    let reminders = reminders.collect::<Result<Vec<_>, _>>()?;
    let remaining_count = reminders
        .iter()
        .map(|reminder| i64::from(reminder.remaining_count))
        .sum();
    let invitations: Vec<&Invitation> = reminders.iter().map(|reminder| &reminder.invitation).collect();
    let (shown, hidden) = invitations.split_at(invitations.len().min(SHOWN));
    let invitations = shown.iter().map(|email| {
        let inviter_name = called(language, &email.inviter_name)?;
        Ok(context! { inviter_name, ..invitation(email) })
    });
    let names = shown.iter().map(|email| email.inviter_name.as_str());
    let because = say(language, "because-invited-by-many", [])?;
    Ok(Email {
        template: "digest",
        subject: say(language, "digest", [("count", letters.len().into())])?,
        preview: list(language, names)?,
        because: format!("{because} {}", follow(language, remaining_count)?),
        stop: say(language, "stop-reminders", [])?,
        values: context! {
            invitations => invitations.collect::<Result<Vec<_>, Unsaid>>()?,
            more => hidden
                .first()
                .map(|next| context! { count => hidden.len(), inbox_url => &next.inbox_url }),
        },
    })
}

fn acceptance(language: Language, email: &Acceptance) -> Result<Email, Unsaid> {
    let name = called(language, &email.connection_name)?;
    let who = ("name", FluentValue::from(name.as_str()));
    let count = ("count", email.total_count.into());
    let connections = if email.names.is_empty() {
        say(language, "connections-count", [who.clone(), count])?
    } else {
        let names = list(language, email.names.iter().map(String::as_str))?;
        say(
            language,
            "connections-include",
            [who.clone(), count, ("names", names.into())],
        )?
    };
    let lead = say(language, "accepted-lead", [who])?;
    let address = email.connection_address.as_str();
    // Before the @ it may be spelled like the address of a page, which mail apps would find in plain text.
    let is_like_a_link = address.contains(['/', '?', '#']);
    let address_line = if is_like_a_link {
        members::inert(address)
    } else {
        address.to_owned()
    };
    Ok(Email {
        template: "acceptance",
        subject: subject(language, "accepted", &email.connection_name)?,
        preview: lead.clone(),
        because: say(language, "because-inviting", [])?,
        stop: say(language, "stop-acceptances", [])?,
        values: context! {
            lead,
            connection_address => address,
            address_line,
            mailto => members::mailto(address),
            profile_url => &email.connection_profile_url,
            connections,
            shared_count => email.shared_count,
        },
    })
}

fn reply(language: Language, email: &Reply) -> Result<Email, Unsaid> {
    let text = Lines::of(&email.text);
    let name = called(language, &email.replier_name)?;
    Ok(Email {
        template: "reply",
        subject: subject(language, "replied", &email.replier_name)?,
        preview: text.preview().unwrap_or_default(),
        because: say(language, "because-inviting", [])?,
        stop: say(language, "stop-replies", [])?,
        values: context! {
            lead => say(language, "replied-lead", [("name", name.into())])?,
            text => text.into_value(),
            invitation_url => &email.invitation_url,
            profile_url => &email.replier_profile_url,
        },
    })
}

fn say<'a, const N: usize>(
    language: Language,
    id: &str,
    args: [(&'static str, FluentValue<'a>); N],
) -> Result<String, Unsaid> {
    WORDS.say(language, id, &args.into_iter().collect())
}

/// A subject about a member. A name that is really a link would make it an advertisement; it stays out.
fn subject(language: Language, id: &str, name: &str) -> Result<String, Unsaid> {
    let name = if is_link(name) {
        say(language, "someone", [])?
    } else {
        called(language, name)?
    };
    say(language, id, [("name", name.into())])
}

fn list<'a>(language: Language, names: impl Iterator<Item = &'a str>) -> Result<String, Unsaid> {
    let names = names
        .map(|name| called(language, name))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(language.list(names.iter().map(String::as_str)))
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    environment.set_syntax(syntax.build().expect("nothing in it contradicts itself"));
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.set_formatter(|out, state, value| match (state.auto_escape(), value.as_str()) {
        (AutoEscape::Html, Some(text)) => Ok(ascii(out, text)?),
        _ => escape_formatter(out, state, value),
    });
    environment.add_filter("quoted", members::quoted);
    WORDS.teach(&mut environment);
    // An include is of the same language.
    environment.set_path_join_callback(|name, parent| {
        let (language, _) = parent.split_once('/').unwrap_or_default();
        format!("{language}/{name}").into()
    });
    for language in Language::ALL {
        for (name, source) in TEMPLATES {
            environment
                .add_template_owned(format!("{}/{name}", language.tag()), said(language, name, source))
                .expect("our templates are well formed; a test renders each");
        }
    }
    environment
});

/// A template in which stands already what every email of a language says alike.
fn said(language: Language, name: &str, source: &str) -> String {
    let mut pieces = source.split("{{ say(\"");
    let mut said = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once('"') {
            Some((id, rest)) if rest.starts_with(") }}") => {
                let text = say(language, id, []).expect("a test has every template say what it says");
                if name.ends_with(".html") {
                    ascii(&mut said, &text).expect("a string has room");
                } else {
                    said.push_str(&text);
                }
                said.push_str(&rest[") }}".len()..]);
            }
            Some(_) | None => {
                said.push_str("{{ say(\"");
                said.push_str(piece);
            }
        }
    }
    said
}

/// Escapes a text for HTML, all but ASCII too: so the part goes out as it is, which costs less than to encode it.
fn ascii(out: &mut impl std::fmt::Write, text: &str) -> std::fmt::Result {
    let is_special = |c: char| !c.is_ascii() || matches!(c, '<' | '>' | '&' | '"' | '\'');
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        out.write_str(&rest[..at])?;
        let special = rest[at..].chars().next().expect("it was found");
        write!(out, "&#{};", u32::from(special))?;
        rest = &rest[at + special.len_utf8()..];
    }
    out.write_str(rest)
}

macro_rules! html {
    ($name:literal) => {
        (
            concat!($name, ".html"),
            include_str!(concat!(env!("OUT_DIR"), "/", $name, ".html")),
        )
    };
}

macro_rules! text {
    ($name:literal) => {
        (
            concat!($name, ".txt"),
            include_str!(concat!("templates/", $name, ".txt")),
        )
    };
}

const TEMPLATES: [(&str, &str); 9] = [
    html!("invitation"),
    html!("digest"),
    html!("acceptance"),
    html!("reply"),
    text!("invitation"),
    text!("digest"),
    text!("acceptance"),
    text!("reply"),
    text!("footer"),
];

#[cfg(test)]
mod tests;
