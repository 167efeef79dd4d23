//! Emails as they would go out.

use std::time::Instant;

use jiff::Timestamp;
use mail_parser::MessageParser;
use proto::notify::v1 as wire;
use shell::{errors, fields::Violations, gate};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::{
    super::{DOMAIN, new_id, parse, refusals},
    Deliveries,
};
use crate::{
    domain::{
        email::{Content, Letter},
        operate::Refusal,
    },
    links::Links,
    smtp::{
        Letterhead,
        message::{self, Part},
    },
    store,
    templates::samples,
};

/// Signs the links of previews. It is no key of the service, so they open nothing, and whoever looks at an email acts for
/// nobody.
const NOBODY_S_KEY: &str = "links-of-previews-are-signed-by-nobody-and-open-nothing";

/// An email to be shown.
struct Shown {
    email_id: Uuid,
    member_id: Uuid,
    created_at: Timestamp,
    message_id: String,
    letter: Letter,
}

pub(super) async fn preview(
    deliveries: &Deliveries,
    request: Request<wire::PreviewEmailRequest>,
) -> Result<Response<wire::PreviewEmailResponse>, Status> {
    let (_, deadline) = gate::noted(&request);
    let request = request.into_inner();
    let mut violations = Violations::default();
    let locale = match request.locale.as_str() {
        "" => None,
        given => Some(violations.locale("locale", given)),
    };
    let mut shown = shown(
        deliveries,
        violations,
        request.source,
        locale.as_deref(),
        deadline,
    )
    .await?;
    if let Some(locale) = locale {
        shown.letter.recipient.locale = locale;
    }
    disarm(&mut shown.letter.content);
    print(deliveries, shown).map(Response::new)
}

async fn shown(
    deliveries: &Deliveries,
    mut violations: Violations,
    source: Option<wire::preview_email_request::Source>,
    locale: Option<&str>,
    deadline: Instant,
) -> Result<Shown, Status> {
    use wire::preview_email_request::Source;
    let now = deliveries.clock.now();
    let email_id = new_id(now);
    let made_up = |member_id, letter| Shown {
        email_id,
        member_id,
        created_at: now,
        message_id: format!("<{email_id}@{}>", deliveries.head.from.email.domain()),
        letter,
    };
    match source {
        Some(Source::EmailId(id)) => {
            let id = violations.uuid("email_id", &id);
            violations.into_result(DOMAIN, ())?;
            queued(deliveries, id, deadline).await
        }
        Some(Source::Email(email)) => {
            let queue = parse::queue(&mut violations, "email", email);
            let queue = violations.into_result(DOMAIN, queue)?;
            let queue = queue.expect("without a violation there is an email");
            Ok(made_up(queue.member_id, queue.letter))
        }
        Some(Source::Sample(number)) => {
            let kind = parse::kind(&mut violations, "sample", number);
            let kind = violations.into_result(DOMAIN, kind)?;
            let kind = kind.expect("without a violation there is a kind");
            Ok(made_up(
                Uuid::nil(),
                samples::sample(kind, locale.unwrap_or("en")),
            ))
        }
        None => {
            violations.add("source", "must be an email_id, an email or a sample");
            Err(violations
                .into_result(DOMAIN, ())
                .expect_err("there is a violation"))
        }
    }
}

async fn queued(deliveries: &Deliveries, id: Uuid, deadline: Instant) -> Result<Shown, Status> {
    let found = deliveries
        .database
        .run(deadline, move |connection| store::email(connection, id))
        .await;
    let found = found.map_err(|error| errors::from_database(DOMAIN, &error))?;
    let email = found.ok_or_else(|| refusals::not_done(Refusal::NotFound))?;
    let letter = email.letter.ok_or_else(|| refusals::not_done(Refusal::Erased))?;
    Ok(Shown {
        email_id: email.id,
        member_id: email.member_id,
        created_at: email.created_at,
        message_id: email.message_id,
        letter,
    })
}

/// Takes away what an accept link can do: its token is what stands after the last slash.
fn disarm(content: &mut Content) {
    match content {
        Content::Initial(initial) => blunt(&mut initial.invitation.accept_url),
        Content::Reminder(reminder) => blunt(&mut reminder.invitation.accept_url),
        Content::Acceptance(_) | Content::Reply(_) => {}
    }
}

fn blunt(url: &mut String) {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let path = url[..end].rfind('/').map_or(end, |slash| slash + 1);
    url.replace_range(path.., "preview");
}

fn print(deliveries: &Deliveries, shown: Shown) -> Result<wire::PreviewEmailResponse, Status> {
    let head = Letterhead {
        // Whoever may ask chooses the text, and could send it from anywhere as ours.
        signer: None,
        links: Links {
            keys: NOBODY_S_KEY.parse().expect("it is long enough"),
            pages_url: deliveries.head.links.pages_url.clone(),
        },
        ..deliveries.head.clone()
    };
    let part = Part {
        email_id: shown.email_id,
        member_id: shown.member_id,
        created_at: shown.created_at,
        message_id: &shown.message_id,
        letter: Some(&shown.letter),
    };
    let message = message::compose(&[part], &head).map_err(|ending| {
        let why = format!("the email cannot be put together: {}", ending.text);
        errors::refusal(Code::FailedPrecondition, DOMAIN, "EMAIL_UNFIT", &why)
    })?;
    // As a reader's program would take it apart.
    let read = MessageParser::default().parse(&message);
    let read = read.ok_or_else(|| errors::internal(DOMAIN))?;
    Ok(wire::PreviewEmailResponse {
        subject: read.subject().unwrap_or_default().to_owned(),
        text: read.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
        html: read.body_html(0).unwrap_or_default().replace("\r\n", "\n"),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accept_link_loses_its_token() {
        for (given, shown) in [
            (
                "https://product.example/i/token",
                "https://product.example/i/preview",
            ),
            (
                "https://product.example/a/b/c.d",
                "https://product.example/a/b/preview",
            ),
            (
                "https://product.example/i/token?token=b/c#d",
                "https://product.example/i/preview",
            ),
            ("https://product.example/", "https://product.example/preview"),
        ] {
            let mut url = given.to_owned();
            blunt(&mut url);
            assert_eq!(url, shown);
        }
    }
}
