//! The page behind an accept link. Opening it changes nothing; only its button acts.

use std::time::{Duration, Instant};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use minijinja::{Environment, context};
use shell::{clock::Clock, postgres::Database, signing::Keyring};

use crate::{
    domain::{
        command::{self, Act, Answering, Command},
        invitation::{Received, ReceivedState},
        member::Member,
        refusal::Refusal,
        transition::Answer,
    },
    ledger::{Decided, Ledger},
    links::{self, AcceptLink, UrlTemplate},
    store::{books, members},
};

/// What the button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AcceptButton {
    /// Accepts, whoever holds the link.
    Acts,
    /// Leads to the product's signed-in inbox.
    Inbox,
}

/// What the page works with.
#[derive(Clone)]
pub struct Web {
    /// Takes the accept.
    pub ledger: Ledger,
    /// Answers reads.
    pub database: Database,
    /// Tells the time.
    pub clock: Clock,
    /// Opens tokens.
    pub keys: Keyring,
    /// What the button does.
    pub button: AcceptButton,
    /// The product's inbox.
    pub inbox_url: UrlTemplate,
    /// Longest time for a page.
    pub patience: Duration,
}

/// `GET /i/TOKEN` and `POST /i/TOKEN/accept`.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/i/{token}", get(show))
        .route("/i/{token}/accept", post(press))
        .with_state(web)
}

async fn show(State(web): State<Web>, Path(token): Path<String>) -> Response {
    let Some(link) = links::open(&web.keys, &token) else {
        return neutral();
    };
    let read = web.database.run(Instant::now() + web.patience, move |db| {
        let received = books::received(db, link.recipient_id, link.invitation_id)?;
        let ids: Vec<_> = received.iter().map(|row| row.inviter_id).collect();
        Ok(received.zip(members::by_ids(db, &ids)?.pop()))
    });
    match read.await {
        Ok(Some((received, inviter))) => web.page_of(&token, &received, &inviter),
        Ok(None) => neutral(),
        Err(error) => {
            tracing::warn!(%error, "an accept page could not be shown");
            unavailable()
        }
    }
}

async fn press(State(web): State<Web>, Path(token): Path<String>) -> Response {
    let link = match (web.button, links::open(&web.keys, &token)) {
        (AcceptButton::Acts, Some(link)) => link,
        (AcceptButton::Inbox, _) | (AcceptButton::Acts, None) => return neutral(),
    };
    match web.accept(link).await {
        Ok(Ok(Answer::Received(_))) => page(StatusCode::OK, "accepted.html", context! {}),
        Ok(Ok(_)) => unavailable(),
        Ok(Err(Refusal::InvitationNotFound | Refusal::InvitationExpired | Refusal::InvitationDeclined)) => neutral(),
        Ok(Err(refusal)) => {
            tracing::error!(%refusal, "an accept link met a refusal that accepting does not have");
            neutral()
        }
        Err(error) => {
            tracing::warn!(%error, invitation_id = %link.invitation_id, "an accept button's press was not committed");
            unavailable()
        }
    }
}

impl Web {
    async fn accept(&self, link: AcceptLink) -> Decided {
        let act = Act::Answer(Answering {
            target: command::Received {
                recipient_id: link.recipient_id,
                invitation_id: link.invitation_id,
            },
            seen: None,
            answer: command::Answer::Accept,
        });
        self.ledger
            .submit(Command { request: None, act }, Instant::now() + self.patience)
            .await
    }

    fn page_of(&self, token: &str, received: &Received, inviter: &Member) -> Response {
        match received.state(self.clock.now()) {
            Some(ReceivedState::Pending | ReceivedState::Ignored) => page(
                StatusCode::OK,
                "invitation.html",
                context! {
                    inviter => &inviter.name,
                    note => &received.note,
                    inbox_url => self.inbox_url.of(received.id),
                    accept_path => (self.button == AcceptButton::Acts).then(|| format!("/i/{token}/accept")),
                },
            ),
            Some(ReceivedState::Accepted) => page(StatusCode::OK, "accepted.html", context! {}),
            Some(ReceivedState::Declined | ReceivedState::Expired) | None => neutral(),
        }
    }
}

/// One page for every link that does nothing, whatever the reason.
fn neutral() -> Response {
    page(StatusCode::NOT_FOUND, "neutral.html", context! {})
}

fn unavailable() -> Response {
    page(StatusCode::SERVICE_UNAVAILABLE, "unavailable.html", context! {})
}

fn page(status: StatusCode, template: &str, values: minijinja::Value) -> Response {
    let html = templates()
        .get_template(template)
        .and_then(|template| template.render(values));
    let html = html.expect("the templates are fixed and their values are given");
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ];
    (
        status,
        headers.map(|(name, value)| (name, HeaderValue::from_static(value))),
        Html(html),
    )
        .into_response()
}

fn templates() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    for (name, source) in [
        ("base.html", include_str!("web/base.html")),
        ("invitation.html", include_str!("web/invitation.html")),
        ("accepted.html", include_str!("web/accepted.html")),
        ("neutral.html", include_str!("web/neutral.html")),
        ("unavailable.html", include_str!("web/unavailable.html")),
    ] {
        templates
            .add_template(name, source)
            .expect("the templates are well formed");
    }
    templates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_text_and_nothing_else() {
        let values = context! {
            inviter => "Eve <b>", note => "<script>{{ 1 }}</script>", inbox_url => "https://x.example/", accept_path => "/i/t/accept",
        };
        let html = templates()
            .get_template("invitation.html")
            .and_then(|page| page.render(values))
            .expect("renders");
        assert!(
            html.contains("&lt;script&gt;{{ 1 }}&lt;&#x2f;script&gt;"),
            "{html}"
        );
        assert!(!html.contains("<b>"), "{html}");
        assert!(
            html.contains(r#"<form method="post" action="&#x2f;i&#x2f;t&#x2f;accept">"#),
            "{html}"
        );
    }

    #[test]
    fn without_the_acting_button_the_page_leads_to_the_inbox() {
        let values = context! { inviter => "Eve", note => "", inbox_url => "https://x.example/", accept_path => None::<&str> };
        let html = templates()
            .get_template("invitation.html")
            .and_then(|page| page.render(values))
            .expect("renders");
        assert!(!html.contains("<form"), "{html}");
    }
}
