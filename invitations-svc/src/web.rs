//! The page behind an accept link. Opening it changes nothing; only its buttons act.

use std::{
    convert::Infallible,
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, context};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shell::{clock::Clock, fields::Violations, postgres::Database, signing::Keyring, words::Language};
use uuid::Uuid;

use crate::{
    domain::{
        command::{Act, Answer, Answering, Command, Received as Target, RequestKey},
        invitation::{Lifecycle, Received, ReceivedState},
        member::Member,
        refusal::Refusal,
    },
    ledger::{Decided, Ledger, LedgerError},
    links::{self, AcceptLink, UrlTemplate},
    store::{books, connections, members},
    words::WORDS,
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
    /// What stands before `/i/` in the pages' addresses as a browser has them; empty, or begins with a slash.
    pub base_path: String,
    /// The product's inbox.
    pub inbox_url: UrlTemplate,
    /// Longest reply, in characters.
    pub reply_chars: usize,
    /// Longest time for a page.
    pub patience: Duration,
}

/// `GET /i/TOKEN`, and `POST` to `accept`, `ignore` and `reply` below it. A pressed button leaves its address in the
/// browser, so a GET of it shows the page, too.
pub fn router(web: Web) -> Router {
    Router::new()
        .route("/i/{token}", get(show))
        .route("/i/{token}/accept", get(show).post(accept))
        .route("/i/{token}/ignore", get(show).post(ignore))
        .route("/i/{token}/reply", get(show).post(reply))
        .method_not_allowed_fallback(async |headers: HeaderMap| {
            neutral_with(StatusCode::METHOD_NOT_ALLOWED, browser(&headers))
        })
        .fallback(async |headers: HeaderMap| neutral(browser(&headers)))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(web)
}

/// What stands in a link where its token belongs. What is no text at all is no token of ours.
struct Token(String);

impl FromRequestParts<Web> for Token {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        let token = Path::<String>::from_request_parts(parts, web).await;
        Ok(Self(token.map_or_else(|_| String::new(), |Path(token)| token)))
    }
}

/// A link that somebody opened.
struct Opened {
    token: String,
    link: AcceptLink,
    /// What their browser asks for, where we cannot ask what the recipient speaks.
    browser: Language,
}

/// The language of pages that must not tell whose link it was.
fn browser(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    Language::accepted(accepted.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

async fn show(State(web): State<Web>, Token(token): Token, headers: HeaderMap) -> Response {
    match web.open(token, &headers) {
        Some(opened) => web.invitation(&opened, Said::Nothing).await,
        None => neutral(browser(&headers)),
    }
}

async fn accept(State(web): State<Web>, Token(token): Token, headers: HeaderMap) -> Response {
    let opened = match web.acting(token, &headers).await {
        Ok(opened) => opened,
        Err(page) => return page,
    };
    match web.answer(opened.link, None, Answer::Accept).await {
        Ok(Ok(_)) => web.invitation(&opened, Said::Nothing).await,
        Ok(Err(refusal)) => web.refused(&opened, refusal).await,
        Err(error) => web.lost(&opened, &error, None),
    }
}

async fn ignore(State(web): State<Web>, Token(token): Token, headers: HeaderMap) -> Response {
    let opened = match web.acting(token, &headers).await {
        Ok(opened) => opened,
        Err(page) => return page,
    };
    match web.answer(opened.link, None, Answer::Ignore).await {
        Ok(Ok(_)) => web.invitation(&opened, Said::Ignored).await,
        Ok(Err(refusal)) => web.refused(&opened, refusal).await,
        Err(error) => web.lost(&opened, &error, None),
    }
}

/// What the reply's form sends.
#[derive(Deserialize)]
struct ReplyForm {
    text: String,
    /// Random for each page shown, so that a form sent twice is one reply.
    nonce: String,
}

async fn reply(
    State(web): State<Web>,
    Token(token): Token,
    headers: HeaderMap,
    form: Result<Form<ReplyForm>, FormRejection>,
) -> Response {
    let opened = match web.acting(token, &headers).await {
        Ok(opened) => opened,
        Err(page) => return page,
    };
    let Ok(Form(form)) = form else {
        return web.invitation(&opened, Said::Wrong(ReplyForm::new())).await;
    };
    let mut violations = Violations::default();
    let text = violations.text("text", form.text.trim(), web.reply_chars);
    if violations.into_result("", ()).is_err() || text.is_empty() {
        return web.invitation(&opened, Said::Wrong(form)).await;
    }
    let request = once(&opened.token, &form.nonce, &text);
    match web.answer(opened.link, Some(request), Answer::Reply(text)).await {
        Ok(Ok(_)) => web.invitation(&opened, Said::Replied(form)).await,
        Ok(Err(refusal)) => web.refused(&opened, refusal).await,
        Err(error) => web.lost(&opened, &error, Some(&form)),
    }
}

impl ReplyForm {
    /// An empty one.
    fn new() -> Self {
        Self {
            text: String::new(),
            nonce: Uuid::new_v4().to_string(),
        }
    }

    fn values(&self) -> minijinja::Value {
        context! { text => &self.text, nonce => &self.nonce }
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
    /// The reply is committed.
    Replied(ReplyForm),
    /// Something is wrong with the reply, which is shown again.
    Wrong(ReplyForm),
    /// An act was refused: the id of the text that says why.
    Refused(&'static str),
}

impl Web {
    fn open(&self, token: String, headers: &HeaderMap) -> Option<Opened> {
        Some(Opened {
            link: links::open(&self.keys, &token)?,
            token,
            browser: browser(headers),
        })
    }

    /// A link whose button was pressed, or the page to show where there is nothing to do.
    async fn acting(&self, token: String, headers: &HeaderMap) -> Result<Opened, Response> {
        let opened = self.open(token, headers);
        let opened = opened.ok_or_else(|| neutral(browser(headers)))?;
        match self.button {
            AcceptButton::Acts => Ok(opened),
            // The page may have been opened before the setting was changed.
            AcceptButton::Inbox => Err(self.invitation(&opened, Said::Nothing).await),
        }
    }

    /// Where the page's buttons lead, but for their last word.
    fn path(&self, opened: &Opened) -> String {
        format!("{}/i/{}", self.base_path, opened.token)
    }

    /// Nothing is known of what became of a pressed button.
    fn lost(&self, opened: &Opened, error: &LedgerError, reply: Option<&ReplyForm>) -> Response {
        let invitation_id = opened.link.invitation_id;
        tracing::warn!(%error, %invitation_id, "an accept page's button was not committed");
        self.unavailable(opened, reply)
    }

    /// A reply stays on the page, to be sent again: as the same request, so that it is never two.
    fn unavailable(&self, opened: &Opened, reply: Option<&ReplyForm>) -> Response {
        page(
            StatusCode::SERVICE_UNAVAILABLE,
            opened.browser,
            "unavailable.html",
            context! { path => self.path(opened), reply => reply.map(ReplyForm::values) },
        )
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

    async fn refused(&self, opened: &Opened, refusal: Refusal) -> Response {
        match refusal {
            Refusal::InvitationNotFound | Refusal::InvitationExpired | Refusal::InvitationDeclined => {
                neutral(opened.browser)
            }
            Refusal::InvitationClosed => self.invitation(opened, Said::Nothing).await,
            Refusal::ConnectionLimitReached => {
                self.invitation(opened, Said::Refused("connections-full")).await
            }
            Refusal::ReplyLimitReached => self.invitation(opened, Said::Refused("replies-full")).await,
            refusal => {
                tracing::error!(%refusal, "an accept page met a refusal that answering does not have");
                neutral(opened.browser)
            }
        }
    }

    /// The invitation as it stands, and what there is to say, in the recipient's language.
    async fn invitation(&self, opened: &Opened, said: Said) -> Response {
        let link = opened.link;
        let read = self.database.run(Instant::now() + self.patience, move |db| {
            let Some(received) = books::received(db, link.recipient_id, link.invitation_id)? else {
                return Ok(None);
            };
            // Once the two have parted there is nothing to say.
            let has_ended = received.lifecycle == Lifecycle::Accepted
                && connections::since(db, link.recipient_id, received.inviter_id)? != received.closed_at;
            if has_ended {
                return Ok(None);
            }
            let members = members::by_ids(db, &[link.recipient_id, received.inviter_id])?;
            let member = |id| members.iter().find(|member| member.member_id == id).cloned();
            Ok(member(link.recipient_id)
                .zip(member(received.inviter_id))
                .map(|(recipient, inviter)| (received, recipient, inviter)))
        });
        match read.await {
            Ok(Some((received, recipient, inviter))) => {
                self.page_of(opened, Language::of(&recipient.locale), &received, &inviter, said)
            }
            Ok(None) => neutral(opened.browser),
            Err(error) => {
                tracing::warn!(%error, "an accept page could not be shown");
                let reply = match &said {
                    Said::Replied(form) | Said::Wrong(form) => Some(form),
                    Said::Nothing | Said::Ignored | Said::Refused(_) => None,
                };
                self.unavailable(opened, reply)
            }
        }
    }

    fn page_of(
        &self,
        opened: &Opened,
        language: Language,
        received: &Received,
        inviter: &Member,
        said: Said,
    ) -> Response {
        let is_ignored = match received.state(self.clock.now()) {
            Some(ReceivedState::Pending) => false,
            Some(ReceivedState::Ignored) => true,
            Some(ReceivedState::Accepted) => {
                return page(StatusCode::OK, language, "accepted.html", context! {});
            }
            Some(ReceivedState::Declined | ReceivedState::Expired) | None => return neutral(opened.browser),
        };
        let (status, notice) = match &said {
            Said::Nothing => (StatusCode::OK, None),
            Said::Ignored => (StatusCode::OK, Some("ignored")),
            Said::Replied(_) => (StatusCode::OK, Some("replied")),
            Said::Wrong(_) => (StatusCode::BAD_REQUEST, Some("reply-wrong")),
            Said::Refused(why) => (StatusCode::CONFLICT, Some(*why)),
        };
        let reply = match said {
            Said::Wrong(form) => form,
            Said::Nothing | Said::Ignored | Said::Replied(_) | Said::Refused(_) => ReplyForm::new(),
        };
        page(
            status,
            language,
            "invitation.html",
            context! {
                inviter => &inviter.name,
                note => &received.note,
                inbox_url => self.inbox_url.of(received.id),
                path => (self.button == AcceptButton::Acts).then(|| self.path(opened)),
                is_ignored,
                notice,
                reply => reply.values(),
                reply_chars => self.reply_chars,
            },
        )
    }
}

/// One page for every link that does nothing, whatever the reason and whosever it is.
fn neutral(language: Language) -> Response {
    neutral_with(StatusCode::NOT_FOUND, language)
}

fn neutral_with(status: StatusCode, language: Language) -> Response {
    page(status, language, "neutral.html", context! {})
}

fn page(status: StatusCode, language: Language, template: &str, values: minijinja::Value) -> Response {
    let html = html(language, template, values);
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_LANGUAGE, language.tag()),
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

fn html(language: Language, template: &str, values: minijinja::Value) -> String {
    TEMPLATES
        .get_template(template)
        .and_then(|template| template.render(context! { language => language.tag(), ..values }))
        .expect("the templates and texts are fixed and their values are given")
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    WORDS.teach(&mut templates);
    for (name, source) in [
        ("base.html", include_str!("web/base.html")),
        ("invitation.html", include_str!("web/invitation.html")),
        ("reply.html", include_str!("web/reply.html")),
        ("accepted.html", include_str!("web/accepted.html")),
        ("neutral.html", include_str!("web/neutral.html")),
        ("unavailable.html", include_str!("web/unavailable.html")),
    ] {
        templates
            .add_template(name, source)
            .expect("the templates are well formed");
    }
    templates
});

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(language: Language, notice: Option<&str>, note: &str, path: Option<&str>) -> String {
        let values = context! {
            inviter => "Eve <b>", note, inbox_url => "https://x.example/", path, is_ignored => false,
            notice, reply => ReplyForm::new().values(), reply_chars => 1900,
        };
        super::html(language, "invitation.html", values)
    }

    fn html(note: &str, path: Option<&str>) -> String {
        invitation(Language::English, None, note, path)
    }

    #[test]
    fn every_page_speaks_every_language() {
        for language in Language::ALL {
            for notice in [
                "ignored",
                "replied",
                "reply-wrong",
                "connections-full",
                "replies-full",
            ] {
                let html = invitation(language, Some(notice), "", Some("/i/t"));
                assert!(
                    html.contains(&format!("<html lang=\"{}\">", language.tag())),
                    "{html}"
                );
            }
            for name in ["accepted.html", "neutral.html", "unavailable.html"] {
                let values = context! { path => "/i/t", reply => ReplyForm::new().values() };
                let html = super::html(language, name, values.clone());
                let english = super::html(Language::English, name, values);
                assert_eq!(html == english, language == Language::English, "{html}");
            }
        }
    }

    #[test]
    fn a_note_is_text_and_nothing_else() {
        let html = html("<script>{{ 1 }}</script>", Some("/i/t"));
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
        assert!(!html("", None).contains("<form"));
    }

    #[test]
    fn an_ignored_invitation_can_still_be_accepted_but_not_ignored() {
        let values = context! {
            inviter => "Eve", note => "", inbox_url => "https://x.example/", path => "/i/t", is_ignored => true,
            notice => None::<&str>, reply => ReplyForm::new().values(), reply_chars => 1900,
        };
        let html = super::html(Language::English, "invitation.html", values);
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
