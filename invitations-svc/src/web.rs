//! The page behind an accept link. Opening it changes nothing; only its buttons act.

use std::time::{Duration, Instant};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use minijinja::{Environment, context};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shell::{clock::Clock, fields::Violations, postgres::Database, signing::Keyring};
use uuid::Uuid;

use crate::{
    domain::{
        command::{Act, Answer, Answering, Command, Received as Target, RequestKey},
        invitation::{Received, ReceivedState},
        member::Member,
        refusal::Refusal,
    },
    ledger::{Decided, Ledger},
    links::{self, AcceptLink, UrlTemplate},
    store::{books, members},
};

/// Largest form, in bytes: a long reply, percent-encoded.
const FORM_LIMIT: usize = 256 * 1024;

/// The client that stored answers to a pressed button belong to; no caller of ours can have a name with spaces.
const CLIENT: &str = "accept page";

/// What the buttons do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AcceptButton {
    /// Act, whoever holds the link.
    Acts,
    /// Lead to the product's signed-in inbox.
    Inbox,
}

/// What the page works with.
#[derive(Clone)]
pub struct Web {
    /// Takes the answers.
    pub ledger: Ledger,
    /// Answers reads.
    pub database: Database,
    /// Tells the time.
    pub clock: Clock,
    /// Opens tokens.
    pub keys: Keyring,
    /// What the buttons do.
    pub button: AcceptButton,
    /// The product's inbox.
    pub inbox_url: UrlTemplate,
    /// Longest reply, in characters.
    pub reply_chars: usize,
    /// Longest time for a page.
    pub patience: Duration,
}

/// `GET /i/TOKEN`, and `POST` to `accept`, `ignore` and `reply` below it.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/i/{token}", get(show))
        .route("/i/{token}/accept", post(accept))
        .route("/i/{token}/ignore", post(ignore))
        .route("/i/{token}/reply", post(reply))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(web)
}

async fn show(State(web): State<Web>, Path(token): Path<String>) -> Response {
    match links::open(&web.keys, &token) {
        Some(link) => web.invitation(&token, link, Said::Nothing).await,
        None => neutral(),
    }
}

async fn accept(State(web): State<Web>, Path(token): Path<String>) -> Response {
    let Some(link) = web.acting(&token) else {
        return neutral();
    };
    match web.answer(link, None, Answer::Accept).await {
        Ok(Ok(_)) => page(StatusCode::OK, "accepted.html", context! {}),
        Ok(Err(refusal)) => web.refused(&token, link, refusal).await,
        Err(error) => lost(link, &error),
    }
}

async fn ignore(State(web): State<Web>, Path(token): Path<String>) -> Response {
    let Some(link) = web.acting(&token) else {
        return neutral();
    };
    match web.answer(link, None, Answer::Ignore).await {
        Ok(Ok(_)) => web.invitation(&token, link, Said::Ignored).await,
        Ok(Err(refusal)) => web.refused(&token, link, refusal).await,
        Err(error) => lost(link, &error),
    }
}

/// What the reply's form sends.
#[derive(Deserialize)]
struct ReplyForm {
    text: String,
    /// Random for each page shown, so that a form sent twice is one reply.
    nonce: String,
}

async fn reply(State(web): State<Web>, Path(token): Path<String>, Form(form): Form<ReplyForm>) -> Response {
    let Some(link) = web.acting(&token) else {
        return neutral();
    };
    let mut violations = Violations::default();
    let text = violations.text("Your reply", form.text.trim(), web.reply_chars);
    if text.is_empty() {
        violations.add("Your reply", "must not be empty");
    }
    if let Err(status) = violations.into_result("", ()) {
        let wrong = status.message().to_owned();
        return web.invitation(&token, link, Said::Wrong(wrong, form.text)).await;
    }
    let request = once(&token, &form.nonce, &text);
    match web.answer(link, Some(request), Answer::Reply(text)).await {
        Ok(Ok(_)) => web.invitation(&token, link, Said::Replied).await,
        Ok(Err(refusal)) => web.refused(&token, link, refusal).await,
        Err(error) => lost(link, &error),
    }
}

/// The same reply of the same page is the same request.
fn once(token: &str, nonce: &str, text: &str) -> RequestKey {
    let mut digest = Sha256::new();
    for part in [token, nonce, text] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (id, rest) = digest.split_first_chunk::<16>().expect("SHA-256 is longer");
    RequestKey {
        request_id: Uuid::from_bytes(*id),
        client: CLIENT.into(),
        fingerprint: rest.try_into().expect("SHA-256 has 32 bytes"),
    }
}

/// What the page says beside the invitation.
enum Said {
    Nothing,
    Ignored,
    Replied,
    /// Something is wrong with the reply, which is shown again.
    Wrong(String, String),
    /// An act was refused.
    Refused(&'static str),
}

impl Web {
    /// What a token names, where buttons act.
    fn acting(&self, token: &str) -> Option<AcceptLink> {
        match self.button {
            AcceptButton::Acts => links::open(&self.keys, token),
            AcceptButton::Inbox => None,
        }
    }

    async fn answer(&self, link: AcceptLink, request: Option<RequestKey>, answer: Answer) -> Decided {
        let act = Act::Answer(Answering {
            target: Target {
                recipient_id: link.recipient_id,
                invitation_id: link.invitation_id,
            },
            seen: None,
            answer,
        });
        self.ledger
            .submit(Command { request, act }, Instant::now() + self.patience)
            .await
    }

    async fn refused(&self, token: &str, link: AcceptLink, refusal: Refusal) -> Response {
        match refusal {
            Refusal::InvitationNotFound | Refusal::InvitationExpired | Refusal::InvitationDeclined => {
                neutral()
            }
            Refusal::InvitationClosed => self.invitation(token, link, Said::Nothing).await,
            Refusal::ConnectionLimitReached => {
                let why =
                    "You cannot be connected at present: one of you has as many connections as possible.";
                self.invitation(token, link, Said::Refused(why)).await
            }
            Refusal::ReplyLimitReached => {
                let why = "There are as many replies to this invitation as possible.";
                self.invitation(token, link, Said::Refused(why)).await
            }
            refusal => {
                tracing::error!(%refusal, "an accept page met a refusal that answering does not have");
                neutral()
            }
        }
    }

    /// The invitation as it stands, and what there is to say.
    async fn invitation(&self, token: &str, link: AcceptLink, said: Said) -> Response {
        let read = self.database.run(Instant::now() + self.patience, move |db| {
            let received = books::received(db, link.recipient_id, link.invitation_id)?;
            let ids: Vec<_> = received.iter().map(|row| row.inviter_id).collect();
            Ok(received.zip(members::by_ids(db, &ids)?.pop()))
        });
        match read.await {
            Ok(Some((received, inviter))) => self.page_of(token, &received, &inviter, said),
            Ok(None) => neutral(),
            Err(error) => {
                tracing::warn!(%error, "an accept page could not be shown");
                unavailable()
            }
        }
    }

    fn page_of(&self, token: &str, received: &Received, inviter: &Member, said: Said) -> Response {
        let is_ignored = match received.state(self.clock.now()) {
            Some(ReceivedState::Pending) => false,
            Some(ReceivedState::Ignored) => true,
            Some(ReceivedState::Accepted) => return page(StatusCode::OK, "accepted.html", context! {}),
            Some(ReceivedState::Declined | ReceivedState::Expired) | None => return neutral(),
        };
        let (status, notice, draft) = match said {
            Said::Nothing => (StatusCode::OK, None, None),
            Said::Ignored => (
                StatusCode::OK,
                Some("Put aside. The sender does not learn of it.".to_owned()),
                None,
            ),
            Said::Replied => (
                StatusCode::OK,
                Some("Your reply is on its way. The invitation is still open.".to_owned()),
                None,
            ),
            Said::Wrong(wrong, text) => (StatusCode::BAD_REQUEST, Some(wrong), Some(text)),
            Said::Refused(why) => (StatusCode::CONFLICT, Some(why.to_owned()), None),
        };
        page(
            status,
            "invitation.html",
            context! {
                inviter => &inviter.name,
                note => &received.note,
                inbox_url => self.inbox_url.of(received.id),
                path => (self.button == AcceptButton::Acts).then(|| format!("/i/{token}")),
                is_ignored,
                notice,
                draft => draft.unwrap_or_default(),
                reply_chars => self.reply_chars,
                nonce => Uuid::new_v4().to_string(),
            },
        )
    }
}

/// Nothing is known of what became of a pressed button.
fn lost(link: AcceptLink, error: &crate::ledger::LedgerError) -> Response {
    tracing::warn!(%error, invitation_id = %link.invitation_id, "an accept page's button was not committed");
    unavailable()
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

    fn html(note: &str, path: Option<&str>, is_ignored: bool) -> String {
        let values = context! {
            inviter => "Eve <b>", note, inbox_url => "https://x.example/", path, is_ignored,
            notice => None::<&str>, draft => "", reply_chars => 1900, nonce => "n",
        };
        templates()
            .get_template("invitation.html")
            .and_then(|page| page.render(values))
            .expect("renders")
    }

    #[test]
    fn a_note_is_text_and_nothing_else() {
        let html = html("<script>{{ 1 }}</script>", Some("/i/t"), false);
        assert!(
            html.contains("&lt;script&gt;{{ 1 }}&lt;&#x2f;script&gt;"),
            "{html}"
        );
        assert!(!html.contains("<b>"), "{html}");
        assert!(
            html.contains(r#"<form method="post" action="&#x2f;i&#x2f;t/accept">"#),
            "{html}"
        );
    }

    #[test]
    fn without_acting_buttons_the_page_leads_to_the_inbox() {
        assert!(!html("", None, false).contains("<form"));
    }

    #[test]
    fn an_ignored_invitation_can_still_be_accepted_but_not_ignored() {
        let html = html("", Some("/i/t"), true);
        assert!(html.contains("/accept") && !html.contains("/ignore"), "{html}");
    }

    #[test]
    fn a_reply_sent_twice_is_one_request() {
        assert_eq!(once("t", "n", "hello"), once("t", "n", "hello"));
        assert_ne!(once("t", "n", "hello"), once("t", "n", "hello again"));
        assert_ne!(once("t", "n", "hello"), once("t", "m", "hello"));
        assert_ne!(once("t", "n", "hello"), once("u", "n", "hello"));
    }
}
