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
    extract::{
        DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, Path, Request, State,
        rejection::FormRejection,
    },
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
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
        .method_not_allowed_fallback(async |headers: HeaderMap| {
            neutral_with(StatusCode::METHOD_NOT_ALLOWED, browser(&headers))
        })
        .fallback(async |headers: HeaderMap| neutral(browser(&headers)))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(web)
}

async fn settings(State(web): State<Web>, reader: Reader) -> Response {
    match web.choices(&reader).await {
        Ok(Some(preferences)) => settings_page(reader.language, &preferences, false),
        Ok(None) => neutral(reader.browser),
        Err(error) => unavailable(&reader, &error),
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
    reader: Reader,
    form: Result<Form<Choices>, FormRejection>,
) -> Response {
    let Ok(Form(choices)) = form else {
        return wrong(reader.language, "settings");
    };
    let changes = Changes {
        restrict_contact: Some(choices.restrict_email_contact.is_some()),
        ..Changes::default()
    }
    .switch(Kind::Initial, Some(choices.invitations.is_some()))
    .switch(Kind::Reminder, Some(choices.reminders.is_some()))
    .switch(Kind::Acceptance, Some(choices.acceptances.is_some()))
    .switch(Kind::Reply, Some(choices.replies.is_some()));
    match web.choose(&reader, changes).await {
        Ok(Some(preferences)) => settings_page(reader.language, &preferences, true),
        Ok(None) => neutral(reader.browser),
        Err(error) => unavailable(&reader, &error),
    }
}

async fn offer(State(web): State<Web>, reader: Reader) -> Response {
    match web.choices(&reader).await {
        Ok(Some(_)) => {}
        Ok(None) => return neutral(reader.browser),
        Err(error) => return unavailable(&reader, &error),
    }
    let values = context! { kind => reader.link.kind.name() };
    page(StatusCode::OK, reader.language, "unsubscribe.html", values)
}

async fn unsubscribe(State(web): State<Web>, reader: Reader, request: Request) -> Response {
    if !is_one_click(request).await {
        return wrong(reader.language, "unsubscribe");
    }
    let kind = reader.link.kind;
    let changes = Changes::default().switch(kind, Some(false));
    match web.choose(&reader, changes).await {
        Ok(Some(_)) => {}
        Ok(None) => return neutral(reader.browser),
        Err(error) => return unavailable(&reader, &error),
    }
    let values = context! { kind => kind.name(), settings_url => web.links.settings(&reader.link) };
    page(StatusCode::OK, reader.language, "unsubscribed.html", values)
}

/// Whether the body is `List-Unsubscribe=One-Click` in either encoding of forms (RFC 8058, section 3.2).
async fn is_one_click(mut request: Request) -> bool {
    const FIELD: &str = "List-Unsubscribe";
    const VALUE: &str = "One-Click";
    const URLENCODED: &str = "application/x-www-form-urlencoded";
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(|kind| kind.as_bytes().to_ascii_lowercase());
    let is = |name: &str| {
        content_type
            .as_ref()
            .is_some_and(|kind| kind.starts_with(name.as_bytes()))
    };
    if !is("multipart/form-data") {
        // A media type has no case (RFC 9110, section 8.3.1); axum's has.
        if is(URLENCODED) {
            let kind = HeaderValue::from_static(URLENCODED);
            request.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
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

/// Whose page it is, by the token in its path.
struct Reader {
    link: Link,
    language: Language,
    /// What their browser asks for, where the page must not tell whose link it was.
    browser: Language,
}

impl FromRequestParts<Web> for Reader {
    /// The neutral page.
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        // What is no text at all is no token of ours, either.
        let token = Path::<String>::from_request_parts(parts, web).await;
        let token = token.map_or_else(|_| String::new(), |Path(token)| token);
        let browser = browser(&parts.headers);
        match web.links.open(&token, web.clock.now()) {
            Some(link) => Ok(Self {
                language: Language::of(&link.locale),
                link,
                browser,
            }),
            None => Err(neutral(browser)),
        }
    }
}

impl Web {
    /// The reader's choices; none where they were erased since the link was made.
    async fn choices(&self, reader: &Reader) -> Result<Option<Preferences>, DatabaseError> {
        let (member_id, issued) = (reader.link.member_id, reader.link.issued);
        let read =
            move |connection: &mut _| store::unless_erased(connection, member_id, issued, store::preferences);
        self.database.run(Instant::now() + self.patience, read).await
    }

    /// Changes them; answers them afterwards.
    async fn choose(&self, reader: &Reader, changes: Changes) -> Result<Option<Preferences>, DatabaseError> {
        let (member_id, issued, now) = (reader.link.member_id, reader.link.issued, self.clock.now());
        let choose = move |connection: &mut _| {
            store::unless_erased(connection, member_id, issued, |connection, member_id| {
                store::choose(connection, member_id, &changes, now)
            })
        };
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
fn neutral(language: Language) -> Response {
    neutral_with(StatusCode::NOT_FOUND, language)
}

/// What a browser asks for, where no link tells what its reader speaks.
fn browser(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    Language::accepted(accepted.and_then(|value| value.to_str().ok()).unwrap_or_default())
}

fn neutral_with(status: StatusCode, language: Language) -> Response {
    page(status, language, "neutral.html", context! {})
}

/// Somebody sent what no page of ours sends.
fn wrong(language: Language, form: &str) -> Response {
    page(StatusCode::BAD_REQUEST, language, "wrong.html", context! { form })
}

fn unavailable(reader: &Reader, error: &DatabaseError) -> Response {
    tracing::warn!(%error, member_id = %reader.link.member_id, "a reader's page could not do its work");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    page(status, reader.language, "unavailable.html", context! {})
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
