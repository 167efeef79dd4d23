//! The words of the emails. The same email always gives the same bytes.
//!
//! Two templates for each kind, HTML and plain text, both written by hand; a reminder says in HTML what the initial email
//! says, with other words around it. An unknown variable is an error; in HTML
//! everything that comes from outside is escaped.

use std::sync::OnceLock;

use minijinja::{
    AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context, syntax::SyntaxConfig,
};

use crate::domain::email::{Acceptance, Content, Initial, Letter, Reminder, Reply};

/// Subject and both bodies of an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    /// Language of the texts, for Content-Language.
    pub(crate) language: &'static str,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Writes an email. More than one letter are reminders of one reader, put together; none is an error.
pub(crate) fn render(letters: &[&Letter], settings_url: &str) -> Result<Texts, minijinja::Error> {
    let [letter, ..] = letters else {
        return Err(ErrorKind::MissingArgument.into());
    };
    let (name, subject, content) = match &letter.content {
        Content::Initial(email) => ("initial", invites(email), initial(email)),
        Content::Reminder(email) => ("reminder", waits(email), reminder(email)),
        Content::Acceptance(email) => ("acceptance", accepted(email), acceptance(email)),
        Content::Reply(email) => ("reply", replied(email), reply(email)),
    };
    let values = context! {
        language => "en",
        subject => subject.as_str(),
        recipient_name => letter.recipient.name.as_str(),
        settings_url,
        ..content
    };
    let page = |extension: &str| {
        environment()
            .get_template(&format!("{name}.{extension}"))?
            .render(&values)
    };
    Ok(Texts {
        language: "en",
        text: page("txt")?,
        html: page("html")?,
        subject,
    })
}

fn initial(email: &Initial) -> Value {
    context! {
        inviter_name => email.inviter_name.as_str(),
        note => email.note.as_str(),
        accept_url => email.accept_url.as_str(),
        inviter_profile_url => email.inviter_profile_url.as_str(),
        inbox_url => email.inbox_url.as_str(),
    }
}

fn reminder(email: &Reminder) -> Value {
    context! { remaining_count => email.remaining_count, ..initial(&email.invitation) }
}

fn acceptance(email: &Acceptance) -> Value {
    context! {
        connection_name => email.connection_name.as_str(),
        connection_address => email.connection_address.as_str(),
        connection_profile_url => email.connection_profile_url.as_str(),
        total_count => email.total_count,
        shared_count => email.shared_count,
        names => email.names.clone(),
    }
}

fn reply(email: &Reply) -> Value {
    context! {
        replier_name => email.replier_name.as_str(),
        text => email.text.as_str(),
        invitation_url => email.invitation_url.as_str(),
        replier_profile_url => email.replier_profile_url.as_str(),
    }
}

fn invites(initial: &Initial) -> String {
    format!("{} invites you to connect", in_subject(&initial.inviter_name))
}

fn waits(reminder: &Reminder) -> String {
    format!(
        "{}'s invitation still waits for you",
        in_subject(&reminder.invitation.inviter_name)
    )
}

fn accepted(acceptance: &Acceptance) -> String {
    format!(
        "{} accepted your invitation",
        in_subject(&acceptance.connection_name)
    )
}

fn replied(reply: &Reply) -> String {
    format!("{} replied to your invitation", in_subject(&reply.replier_name))
}

/// A name that is really a link would make our subject an advertisement; it stays out.
fn in_subject(name: &str) -> &str {
    let lower = name.to_lowercase();
    if lower.contains("://") || lower.contains("www.") || lower.contains('/') {
        return "A member";
    }
    name
}

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
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
        for (name, source) in [
            ("layout.html", include_str!("templates/layout.html")),
            ("initial.html", include_str!("templates/initial.html")),
            ("initial.txt", include_str!("templates/initial.txt")),
            ("reminder.html", include_str!("templates/reminder.html")),
            ("reminder.txt", include_str!("templates/reminder.txt")),
            ("acceptance.html", include_str!("templates/acceptance.html")),
            ("acceptance.txt", include_str!("templates/acceptance.txt")),
            ("reply.html", include_str!("templates/reply.html")),
            ("reply.txt", include_str!("templates/reply.txt")),
        ] {
            environment
                .add_template(name, source)
                .expect("our templates are well formed; a test renders each");
        }
        environment
    })
}

#[cfg(test)]
mod tests;
