//! The pages behind the links of an email: looking changes nothing, buttons and mailbox providers do.

use std::time::Duration;

use diesel::{RunQueryDsl, connection::SimpleConnection};
use proto::notify::v1::{EmailState, EraseMemberRequest, Preferences, QueueEmail, UpdatePreferencesRequest};
use reqwest::{Method, Response, header::HeaderMap};
use tests::{
    clients::member,
    cluster::{Cluster, TestDatabase},
    deliveries::Deliveries,
    emails::{Post, acceptance, address, initial, reminder, reply},
    forms,
    http::{self, Page},
    mail::{self, Email},
    preferences::{ALL_ON, Choices},
    system::System,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The value of a header, unfolded (RFC 5322, section 2.2.3).
fn header(email: &Email, name: &str) -> Option<String> {
    let head = email.raw.split("\r\n\r\n").next()?.replace("\r\n ", " ");
    let value = head
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")));
    value.map(str::to_owned)
}

/// The link of List-Unsubscribe.
fn unsubscribe_url(email: &Email) -> String {
    let value = header(email, "List-Unsubscribe").expect("there is one");
    let url = value.strip_prefix('<').and_then(|value| value.strip_suffix('>'));
    url.expect("in angle brackets").to_owned()
}

fn settings_url(post: &Post, email: &Email) -> String {
    let url = email.link(&post.service.page("/settings/"));
    url.expect("every email has one").to_owned()
}

async fn started(hint: &str) -> (Post, Choices) {
    let post = Post::start(hint, |launch, directory| launch.flag("--mail-dir", directory)).await;
    let choices = Choices::at(post.service.grpc());
    (post, choices)
}

async fn received(post: &Post, email: &QueueEmail) -> Email {
    post.queue(email).await.expect("queued");
    post.until(email, EmailState::Sent).await;
    let email = mail::wait_for(post.directory(), address(email), PATIENCE).await;
    email.expect("it comes")
}

fn reader(email: &QueueEmail) -> &str {
    email
        .recipient
        .as_ref()
        .map_or("", |recipient| &recipient.member_id)
}

async fn ask(method: Method, url: &str) -> Response {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("there is no TLS to fail");
    client.request(method, url).send().await.expect("it answers")
}

/// As a mailbox provider does it (RFC 8058, section 3.1): one POST with this body, no cookies, redirects not followed.
async fn one_click(url: &str, content_type: &str, body: &str) -> Page {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("there is no TLS to fail");
    let response = client
        .post(url)
        .header("content-type", content_type)
        .body(body.to_owned())
        .send()
        .await
        .expect("it answers");
    assert!(
        response.headers().get("set-cookie").is_none(),
        "nobody is to be followed"
    );
    Page {
        status: response.status().as_u16(),
        location: response
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        body: response.text().await.expect("whole"),
    }
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=---FormBoundaryjWmhtjORrn";
const MULTIPART_BODY: &str = "-----FormBoundaryjWmhtjORrn\r\nContent-Disposition: form-data; \
    name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n-----FormBoundaryjWmhtjORrn--\r\n";

/// All absolute URLs that a text has, HTML unescaped.
fn urls(text: &str) -> Vec<String> {
    let text = text.replace("&#x2f;", "/").replace("&amp;", "&");
    let starts = text.match_indices("http").map(|(at, _)| &text[at..]);
    let urls = starts.filter(|rest| rest.starts_with("http://") || rest.starts_with("https://"));
    let end = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | ')');
    urls.map(|rest| rest.split(end).next().unwrap_or_default().to_owned())
        .collect()
}

/// What is in the tables, but for which worker does what: that moves by itself.
fn rows(database: &TestDatabase) -> String {
    let dump = database.dump();
    let rows = dump.lines().filter(|line| !line.starts_with("duty\t"));
    rows.collect::<Vec<_>>().join("\n")
}

/// The rows of both databases once they stay as they are for a second: the relay and the feed come to rest.
async fn at_rest(system: &System) -> [String; 2] {
    let look = || [&system.invitations_database, &system.notify_database].map(rows);
    let mut seen = look();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = look();
        if now == seen {
            return now;
        }
        seen = now;
    }
    panic!("the tables never rest");
}

#[tokio::test]
async fn no_url_of_an_email_changes_anything_by_being_opened() {
    let system = System::start("pages_get").await;
    let clients = system.clients();
    let members = [member("Ada"), member("Ben")];
    clients.upsert(members.to_vec()).await.expect("taken");
    let [ada, ben] = &members;
    clients.invite(&ada.member_id, &ben.member_id).await;
    let email = mail::wait_for(&system.mail(), &ben.email, PATIENCE).await;
    let email = email.expect("the email comes");
    let mut all = [
        urls(&email.text),
        urls(&email.html),
        vec![unsubscribe_url(&email)],
    ]
    .concat();
    all.sort();
    all.dedup();
    // The others lead to the product, which is not ours, or only name the language of the HTML.
    let (ours, others): (Vec<&String>, Vec<&String>) = all.iter().partition(|url| {
        [&system.invitations, &system.notify]
            .iter()
            .any(|service| url.starts_with(&service.page("/")))
    });
    for url in others {
        let is_known = url.starts_with("https://product.example/") || url == "http://www.w3.org/1999/xhtml";
        assert!(is_known, "{url}");
    }
    for page in [
        system.invitations.page("/i/"),
        system.notify.page("/settings/"),
        system.notify.page("/unsubscribe/"),
    ] {
        assert!(ours.iter().any(|url| url.starts_with(&page)), "{page} in {all:?}");
    }
    let before = at_rest(&system).await;
    for url in ours {
        for method in [Method::GET, Method::HEAD, Method::GET] {
            let answer = ask(method.clone(), url).await;
            assert_eq!(answer.status(), 200, "{method} {url}");
        }
    }
    assert_eq!(at_rest(&system).await, before);
}

#[tokio::test]
async fn one_click_of_a_mailbox_provider_switches_off_the_email_s_kind_and_no_other() {
    let (post, choices) = started("pages_one_click").await;
    let off: [(QueueEmail, &str, &str, Preferences); 4] = [
        (
            initial(),
            URLENCODED,
            "List-Unsubscribe=One-Click",
            Preferences {
                invitations: false,
                ..ALL_ON
            },
        ),
        (
            reminder(),
            // Media types have no case (RFC 9110, section 8.3.1).
            &MULTIPART.replace("multipart/form-data", "Multipart/Form-Data"),
            MULTIPART_BODY,
            Preferences {
                reminders: false,
                ..ALL_ON
            },
        ),
        (
            acceptance(),
            "Application/X-WWW-Form-Urlencoded",
            "List-Unsubscribe=One-Click",
            Preferences {
                acceptances: false,
                ..ALL_ON
            },
        ),
        (
            reply(),
            URLENCODED,
            "List-Unsubscribe=One-Click",
            Preferences {
                replies: false,
                ..ALL_ON
            },
        ),
    ];
    for (queued, content_type, body, expected) in off {
        let email = received(&post, &queued).await;
        assert_eq!(
            header(&email, "List-Unsubscribe-Post").as_deref(),
            Some("List-Unsubscribe=One-Click")
        );
        let url = unsubscribe_url(&email);
        assert_eq!(choices.get(reader(&queued)).await.expect("read"), ALL_ON);
        for _ in 0..2 {
            let page = one_click(&url, content_type, body).await;
            assert_eq!((page.status, page.location), (200, None), "{}", page.body);
        }
        assert_eq!(choices.get(reader(&queued)).await.expect("read"), expected);
    }
}

#[tokio::test]
async fn what_is_no_one_click_changes_nothing_and_says_what_would_be_right() {
    let (post, choices) = started("pages_wrong").await;
    let queued = initial();
    let email = received(&post, &queued).await;
    let url = unsubscribe_url(&email);
    let json = "{\"List-Unsubscribe\":\"One-Click\"}";
    for (content_type, body) in [
        (URLENCODED, ""),
        (URLENCODED, "List-Unsubscribe=Yes"),
        (URLENCODED, "list-unsubscribe=One-Click"),
        (URLENCODED, "save=1"),
        ("application/json", json),
        ("text/plain", "List-Unsubscribe=One-Click"),
        (MULTIPART, "List-Unsubscribe=One-Click"),
        (MULTIPART, &MULTIPART_BODY.replace("One-Click", "Two-Click")),
        ("multipart/form-data", MULTIPART_BODY),
        (URLENCODED, &"x".repeat(1 << 20)),
    ] {
        let page = one_click(&url, content_type, body).await;
        assert_eq!(page.status, 400, "{content_type} {body:.40}");
        assert!(page.body.contains("List-Unsubscribe=One-Click"), "{}", page.body);
    }
    let settings = settings_url(&post, &email);
    for body in [
        "",
        "List-Unsubscribe=One-Click",
        "save=1&sava=1",
        "invitations=on",
        "save=1&save=1",
    ] {
        let page = one_click(&settings, URLENCODED, body).await;
        assert_eq!(page.status, 400, "{body}");
        assert!(page.body.contains("not the form of this page"), "{}", page.body);
    }
    assert_eq!(choices.get(reader(&queued)).await.expect("read"), ALL_ON);
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = ask(method.clone(), &url).await;
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(
            answer.headers()["cache-control"],
            "no-store",
            "it is a page of ours"
        );
    }
    let neutral = http::get(&post.service.page("/settings/forged"))
        .await
        .expect("it answers");
    let beyond = http::get(&format!("{settings}/")).await.expect("it answers");
    assert_eq!((beyond.status, beyond.body), (404, neutral.body));
}

/// Nor do they steer whoever gets the same id later.
#[tokio::test]
async fn links_of_a_member_who_was_erased_open_nothing() {
    let (post, choices) = started("pages_erased").await;
    let mut queued = initial();
    queued.recipient.as_mut().expect("set").locale = "de".to_owned();
    let email = received(&post, &queued).await;
    let member_id = reader(&queued);
    let (settings, unsubscribe) = (settings_url(&post, &email), unsubscribe_url(&email));
    assert_eq!(http::get(&settings).await.expect("it answers").status, 200);
    // Links have whole seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let erase = EraseMemberRequest {
        member_id: member_id.to_owned(),
        until: None,
    };
    choices.erase(erase).await.expect("erased");
    let neutral = http::get(&post.service.page("/settings/forged"))
        .await
        .expect("it answers");
    for answer in [
        http::get(&settings).await.expect("it answers"),
        http::get(&unsubscribe).await.expect("it answers"),
        one_click(&settings, URLENCODED, "save=1").await,
        one_click(&unsubscribe, URLENCODED, "List-Unsubscribe=One-Click").await,
    ] {
        assert_eq!((answer.status, &answer.body), (404, &neutral.body));
    }
    assert_eq!(choices.get(member_id).await.expect("read"), ALL_ON);
    let mut later = initial();
    later.recipient.as_mut().expect("set").member_id = member_id.to_owned();
    let email = received(&post, &later).await;
    let answer = one_click(&unsubscribe_url(&email), URLENCODED, "List-Unsubscribe=One-Click").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn the_button_of_the_page_unsubscribes_and_the_settings_undo_it() {
    let (post, choices) = started("pages_button").await;
    let queued = reminder();
    let email = received(&post, &queued).await;
    let url = unsubscribe_url(&email);
    let page = http::get(&url).await.expect("it answers").body;
    let (form, button) = forms::button(&page, "Stop these emails").expect("it has the button");
    assert_eq!(form.action, "", "it posts to its own URL");
    let page = http::post(&url, &form.fields(&button)).await.expect("it answers");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("no more reminders"), "{}", page.body);
    let without_reminders = Preferences {
        reminders: false,
        ..ALL_ON
    };
    assert_eq!(
        choices.get(reader(&queued)).await.expect("read"),
        without_reminders
    );

    let link = page
        .body
        .split("href=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let link = link.expect("it leads to the settings").replace("&#x2f;", "/");
    let settings = settings_url(&post, &email);
    assert_eq!(link, settings);
    let page = http::get(&settings).await.expect("it answers").body;
    assert!(!page.contains("name=\"reminders\" aria-describedby=\"reminders-hint\" checked"));
    let fields = |names: &[&str]| -> Vec<(String, String)> {
        let boxes = names.iter().map(|name| ((*name).to_owned(), "on".to_owned()));
        std::iter::once(("save".to_owned(), "1".to_owned()))
            .chain(boxes)
            .collect()
    };
    let all = fields(&["invitations", "reminders", "acceptances", "replies"]);
    let page = http::post(&settings, &all).await.expect("it answers");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Your choices are saved."), "{}", page.body);
    assert_eq!(choices.get(reader(&queued)).await.expect("read"), ALL_ON);
    let nothing = fields(&["restrict_email_contact"]);
    http::post(&settings, &nothing).await.expect("it answers");
    let none = Preferences {
        restrict_email_contact: true,
        ..Preferences::default()
    };
    assert_eq!(choices.get(reader(&queued)).await.expect("read"), none);
}

#[tokio::test]
async fn every_link_that_is_not_ours_shows_the_same_page() {
    let (post, choices) = started("pages_forged").await;
    let queued = initial();
    let email = received(&post, &queued).await;
    let url = unsubscribe_url(&email);
    let token = url.rsplit('/').next().expect("a token").to_owned();
    // Signed by the same key for another purpose.
    let system = System::start("pages_purpose").await;
    let clients = system.clients();
    let [ada, ben] = clients.new_members(["Ada", "Ben"]).await;
    clients.invite(&ada, &ben).await;
    let accept = mail::wait_for(&system.mail(), &format!("{ben}@example.com"), PATIENCE).await;
    let accept = accept.expect("it comes");
    let accept = accept.link(&system.invitations.page("/i/")).expect("the link");
    let accept = accept.rsplit('/').next().expect("a token").to_owned();
    let altered = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("ASCII")
    };
    let mut wrong = vec![
        "x".to_owned(),
        "A".repeat(80),
        "A".repeat(5_000),
        "%00".to_owned(),
        "%ff".to_owned(),
        format!("{token}A"),
        token[1..].to_owned(),
        accept,
    ];
    wrong.extend((0..token.len()).step_by(7).map(altered));
    let mut bodies = Vec::new();
    for wrong in &wrong {
        for page in ["settings", "unsubscribe"] {
            let url = post.service.page(&format!("/{page}/{wrong}"));
            let got = http::get(&url).await.expect("it answers");
            let posted = one_click(&url, URLENCODED, "List-Unsubscribe=One-Click").await;
            let saved = one_click(&url, URLENCODED, "save=1").await;
            for answer in [got, posted, saved] {
                assert_eq!(answer.status, 404, "{url}");
                bodies.push(answer.body);
            }
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    assert!(bodies[0].contains("This link does not work"), "{}", bodies[0]);
    assert_eq!(choices.get(reader(&queued)).await.expect("read"), ALL_ON);
}

#[tokio::test]
async fn a_page_speaks_the_language_of_its_email_and_keeps_to_itself() {
    let (post, _) = started("pages_languages").await;
    for (locale, tag, words) in [
        ("en", "en", "Email settings"),
        ("de-AT", "de", "E-Mail-Einstellungen"),
        ("es-419", "es", "Preferencias de correo"),
        ("fr", "fr", "Préférences d’e-mail"),
        ("pt-BR", "pt", "Preferências de e-mail"),
        ("ja", "ja", "メール設定"),
        ("nl", "en", "Email settings"),
    ] {
        let mut queued = reply();
        let recipient = queued.recipient.as_mut().expect("there is one");
        recipient.locale = locale.to_owned();
        let email = received(&post, &queued).await;
        let answer = ask(Method::GET, &settings_url(&post, &email)).await;
        let headers = answer.headers().clone();
        let body = answer.text().await.expect("whole");
        assert!(
            body.contains(&format!("<html lang=\"{tag}\">")),
            "{locale}: {body}"
        );
        assert!(body.contains(words), "{locale}: {body}");
        let header = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("ASCII").to_owned();
        assert_eq!(header(&headers, "cache-control"), "no-store");
        assert_eq!(header(&headers, "referrer-policy"), "no-referrer");
        assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
        assert!(header(&headers, "content-security-policy").starts_with("default-src 'none';"));
        assert_eq!(header(&headers, "content-language"), tag);
        for secret in ["Ben Berger", address(&queued), reader(&queued)] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
    }
}

#[tokio::test]
async fn without_its_database_a_page_asks_to_try_again() {
    let cluster = Cluster::temporary().expect("a Postgres of its own");
    let database = cluster.database("pages_away").expect("a database");
    let post = Post::at(database, |launch, directory| {
        launch.flag("--mail-dir", directory).flag("--max-call-ms", "2000")
    })
    .await;
    let choices = Choices::at(post.service.grpc());
    let queued = initial();
    let email = received(&post, &queued).await;
    let url = unsubscribe_url(&email);
    cluster.stop();
    for page in [
        one_click(&url, URLENCODED, "List-Unsubscribe=One-Click").await,
        one_click(&settings_url(&post, &email), URLENCODED, "save=1").await,
        http::get(&settings_url(&post, &email)).await.expect("it answers"),
    ] {
        assert_eq!(page.status, 503, "{}", page.body);
        assert!(page.body.contains("Please try again"), "{}", page.body);
    }
    cluster.start().expect("it starts again");
    let mut service = post.service;
    service.until_ready().await;
    assert_eq!(choices.get(reader(&queued)).await.expect("read"), ALL_ON);
    let change = UpdatePreferencesRequest {
        member_id: reader(&queued).to_owned(),
        replies: Some(false),
        ..UpdatePreferencesRequest::default()
    };
    choices.update(change).await.expect("it works again");
}

#[tokio::test]
async fn pages_that_wait_leave_calls_their_connections() {
    let post = Post::start("pages_many", |launch, directory| {
        launch
            .flag("--mail-dir", directory)
            .flag("--database-connections", "2")
    })
    .await;
    let queued = initial();
    let email = received(&post, &queued).await;
    let id = post.queue(&queued).await.expect("applied").email_id;
    let url = settings_url(&post, &email);
    let mut blocking = post.database.connect();
    blocking
        .batch_execute("BEGIN; LOCK TABLE reader IN ACCESS EXCLUSIVE MODE")
        .expect("locked");
    let pages: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { http::get(&url).await })
        })
        .collect();
    let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
                 AND query LIKE '%reader%'";
    while diesel::sql_query(waits)
        .execute(&mut post.database.connect())
        .expect("counted")
        == 0
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let deliveries = Deliveries::at(post.service.grpc());
    for _ in 0..20 {
        deliveries.get(&id).await.expect("read beside them");
    }
    blocking.batch_execute("COMMIT").expect("let go");
    for page in pages {
        assert_eq!(page.await.expect("asked").expect("answered").status, 200);
    }
}
