//! The pages behind the links of an email: what its reader wants to get. Opening one changes nothing; only its button
//! does, or the POST of a mailbox provider (RFC 8058).
//!
//! Whoever holds an email may change what its reader gets: nobody logs in. So the pages tell nothing but that, neither
//! name nor address.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Request, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Deserialize;
use shell::{
    clock::Clock,
    postgres::{Database, DatabaseError},
};

use crate::{
    domain::{
        kind::Kind,
        preferences::{Changes, Preferences},
    },
    links::{Link, Links},
    store,
    words::{Language, WORDS},
};

/// Largest form, in bytes.
const FORM_LIMIT: usize = 16 * 1024;

/// What the pages work with.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) links: Links,
    /// Longest time for a page.
    pub(crate) patience: Duration,
}

/// `/settings/TOKEN` and `/unsubscribe/TOKEN`.
pub(crate) fn router(web: Web) -> Router {
    Router::new()
        .route("/settings/{token}", get(settings).post(save))
        .route("/unsubscribe/{token}", get(offer).post(unsubscribe))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(web)
}

async fn settings(State(web): State<Web>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let Some((link, language)) = web.open(&token) else {
        return neutral(&headers);
    };
    match web.choices(&link).await {
        Ok(preferences) => settings_page(language, &preferences, false),
        Err(error) => unavailable(language, &link, &error),
    }
}

/// What the settings' form sends: a box that is not ticked sends nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choices {
    /// Always there, so that a request without a form does not switch everything off.
    #[serde(rename = "save")]
    _save: String,
    invitations: Option<String>,
    reminders: Option<String>,
    acceptances: Option<String>,
    replies: Option<String>,
    restrict_email_contact: Option<String>,
}

async fn save(
    State(web): State<Web>,
    Path(token): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Choices>, FormRejection>,
) -> Response {
    let Some((link, language)) = web.open(&token) else {
        return neutral(&headers);
    };
    let Ok(Form(choices)) = form else {
        return wrong(language, "settings");
    };
    let changes = Changes {
        restrict_contact: Some(choices.restrict_email_contact.is_some()),
        ..Changes::default()
    }
    .switch(Kind::Initial, Some(choices.invitations.is_some()))
    .switch(Kind::Reminder, Some(choices.reminders.is_some()))
    .switch(Kind::Acceptance, Some(choices.acceptances.is_some()))
    .switch(Kind::Reply, Some(choices.replies.is_some()));
    match web.choose(&link, changes).await {
        Ok(preferences) => settings_page(language, &preferences, true),
        Err(error) => unavailable(language, &link, &error),
    }
}

async fn offer(State(web): State<Web>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let Some((link, language)) = web.open(&token) else {
        return neutral(&headers);
    };
    page(
        StatusCode::OK,
        language,
        "unsubscribe.html",
        context! { kind => link.kind.name() },
    )
}

async fn unsubscribe(State(web): State<Web>, Path(token): Path<String>, request: Request) -> Response {
    let Some((link, language)) = web.open(&token) else {
        return neutral(request.headers());
    };
    if !is_one_click(request).await {
        return wrong(language, "unsubscribe");
    }
    let changes = Changes::default().switch(link.kind, Some(false));
    match web.choose(&link, changes).await {
        Ok(_) => page(
            StatusCode::OK,
            language,
            "unsubscribed.html",
            context! { kind => link.kind.name(), token },
        ),
        Err(error) => unavailable(language, &link, &error),
    }
}

/// Whether the body is `List-Unsubscribe=One-Click` in either encoding of forms (RFC 8058, section 3.2).
async fn is_one_click(request: Request) -> bool {
    const FIELD: &str = "List-Unsubscribe";
    const VALUE: &str = "One-Click";
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_multipart = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    if !is_multipart {
        let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
        return form
            .is_ok_and(|Form(fields)| fields.iter().any(|(name, value)| name == FIELD && value == VALUE));
    }
    let Ok(mut form) = Multipart::from_request(request, &()).await else {
        return false;
    };
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() == Some(FIELD) {
            return field.text().await.is_ok_and(|value| value == VALUE);
        }
    }
    false
}

impl Web {
    /// What a token stands for, and the language to speak in.
    fn open(&self, token: &str) -> Option<(Link, Language)> {
        let link = self.links.open(token, self.clock.now())?;
        let language = Language::of(&link.locale);
        Some((link, language))
    }

    async fn choices(&self, link: &Link) -> Result<Preferences, DatabaseError> {
        let member_id = link.member_id;
        let read = move |connection: &mut _| store::preferences(connection, member_id);
        self.database.run(Instant::now() + self.patience, read).await
    }

    async fn choose(&self, link: &Link, changes: Changes) -> Result<Preferences, DatabaseError> {
        let (member_id, now) = (link.member_id, self.clock.now());
        let choose = move |connection: &mut _| store::choose(connection, member_id, &changes, now);
        self.database.run(Instant::now() + self.patience, choose).await
    }
}

fn settings_page(language: Language, preferences: &Preferences, saved: bool) -> Response {
    let choice = |(kind, name): (Kind, &'static str)| {
        context! { kind => kind.name(), name, checked => preferences.wants(kind) }
    };
    let choices = [
        (Kind::Initial, "invitations"),
        (Kind::Reminder, "reminders"),
        (Kind::Acceptance, "acceptances"),
        (Kind::Reply, "replies"),
    ];
    let values = context! {
        choices => choices.map(choice).to_vec(),
        restricted => preferences.contact_restricted,
        saved,
    };
    page(StatusCode::OK, language, "settings.html", values)
}

/// One page for every link that does nothing, whatever the reason.
fn neutral(headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let language = Language::accepted(accepted);
    page(StatusCode::NOT_FOUND, language, "neutral.html", context! {})
}

/// Somebody sent what no page of ours sends.
fn wrong(language: Language, form: &str) -> Response {
    page(StatusCode::BAD_REQUEST, language, "wrong.html", context! { form })
}

fn unavailable(language: Language, link: &Link, error: &DatabaseError) -> Response {
    tracing::warn!(%error, member_id = %link.member_id, "a reader's page could not do its work");
    page(
        StatusCode::SERVICE_UNAVAILABLE,
        language,
        "unavailable.html",
        context! {},
    )
}

fn page(status: StatusCode, language: Language, template: &str, values: Value) -> Response {
    let html = TEMPLATES
        .get_template(template)
        .and_then(|template| template.render(context! { language => language.tag(), ..values }));
    let html = html.expect("the templates are fixed and their values are given");
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

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    WORDS.teach(&mut templates);
    for (name, source) in [
        ("base.html", include_str!("web/base.html")),
        ("neutral.html", include_str!("web/neutral.html")),
        ("settings.html", include_str!("web/settings.html")),
        ("unavailable.html", include_str!("web/unavailable.html")),
        ("unsubscribe.html", include_str!("web/unsubscribe.html")),
        ("unsubscribed.html", include_str!("web/unsubscribed.html")),
        ("wrong.html", include_str!("web/wrong.html")),
    ] {
        templates
            .add_template(name, source)
            .expect("the templates are well formed");
    }
    templates
});

#[cfg(test)]
mod tests;
