//! The reader's pages in a browser that runs no scripts.

use std::{fs, path::Path, time::Duration};

use proto::notify::v1::{EmailState, Preferences, QueueEmail};
use tests::{
    browser::{Browser, Colors, Screen, contrast},
    emails::{Post, address, initial},
    mail::{self, Email},
    preferences::{ALL_ON, Choices},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The smallest contrast of text to its background that WCAG 2.2 asks for at level AA, whatever the text's size.
const ENOUGH: f64 = 4.5;

async fn started(hint: &str) -> (Post, Choices) {
    let post = Post::start(hint, |launch, directory| launch.flag("--mail-dir", directory)).await;
    let choices = Choices::at(post.service.grpc());
    (post, choices)
}

/// An invitation's email in a language: what was queued and what came.
async fn received(post: &Post, locale: &str) -> (QueueEmail, Email) {
    let mut queued = initial();
    let recipient = queued.recipient.as_mut().expect("there is one");
    recipient.locale = locale.to_owned();
    post.queue(&queued).await.expect("queued");
    post.until(&queued, EmailState::Sent).await;
    let email = mail::wait_for(post.directory(), address(&queued), PATIENCE).await;
    (queued, email.expect("it comes"))
}

fn settings_url(post: &Post, email: &Email) -> String {
    let url = email.link(&post.service.page("/settings/"));
    url.expect("every email has one").to_owned()
}

/// The page of one-click links, which the same token opens.
fn unsubscribe_url(post: &Post, email: &Email) -> String {
    settings_url(post, email).replace("/settings/", "/unsubscribe/")
}

#[tokio::test]
async fn a_reader_ticks_boxes_saves_and_finds_them_so_when_they_come_back() {
    let (post, choices) = started("browser_settings").await;
    let (queued, email) = received(&post, "en").await;
    let member_id = queued.recipient.expect("there is one").member_id;
    let browser = Browser::start(Screen::Desktop, Colors::Light).await;
    browser.open(&settings_url(&post, &email)).await;
    assert_eq!(browser.text("h1").await, "Email settings");
    for name in ["invitations", "reminders", "acceptances", "replies"] {
        assert!(browser.is_ticked(&format!("#{name}")).await, "{name}");
    }
    assert!(!browser.is_ticked("#restrict_email_contact").await);
    assert!(browser.elements("[role=status]").await.is_empty());

    browser.press("label[for=reminders]").await;
    browser.press("#replies").await;
    assert_eq!(
        choices.get(&member_id).await.expect("read"),
        ALL_ON,
        "not before it is saved"
    );
    browser.follow("button").await;
    assert_eq!(browser.text("[role=status]").await, "Your choices are saved.");
    let chosen = Preferences {
        reminders: false,
        replies: false,
        ..ALL_ON
    };
    assert_eq!(choices.get(&member_id).await.expect("read"), chosen);

    browser.open(&settings_url(&post, &email)).await;
    assert!(browser.elements("[role=status]").await.is_empty());
    for (name, ticked) in [
        ("invitations", true),
        ("reminders", false),
        ("acceptances", true),
        ("replies", false),
        ("restrict_email_contact", false),
    ] {
        assert_eq!(browser.is_ticked(&format!("#{name}")).await, ticked, "{name}");
    }
    browser.press("label[for=restrict_email_contact]").await;
    browser.follow("button").await;
    let none = Preferences {
        restrict_email_contact: true,
        ..chosen
    };
    assert_eq!(choices.get(&member_id).await.expect("read"), none);
}

#[tokio::test]
async fn a_reader_unsubscribes_by_hand_and_takes_it_back() {
    let (post, choices) = started("browser_unsubscribe").await;
    let (queued, email) = received(&post, "de").await;
    let member_id = queued.recipient.expect("there is one").member_id;
    let browser = Browser::start(Screen::Phone, Colors::Dark).await;
    browser.open(&unsubscribe_url(&post, &email)).await;
    assert_eq!(
        browser.text("h1").await,
        "Keine E-Mails über Einladungen mehr, auch keine Erinnerungen?"
    );
    assert_eq!(choices.get(&member_id).await.expect("read"), ALL_ON);
    browser.follow("button").await;
    assert_eq!(
        browser.text("h1").await,
        "Sie bekommen keine E-Mails über Einladungen mehr, auch keine Erinnerungen"
    );
    let off = Preferences {
        invitations: false,
        ..ALL_ON
    };
    assert_eq!(choices.get(&member_id).await.expect("read"), off);
    browser.follow("a").await;
    assert_eq!(browser.text("h1").await, "E-Mail-Einstellungen");
    assert!(!browser.is_ticked("#invitations").await);
    browser.press("#invitations").await;
    browser.follow("button").await;
    assert_eq!(choices.get(&member_id).await.expect("read"), ALL_ON);
}

/// The page fits the screen, and fingers its buttons; its picture goes to the build's directory, for people to look at.
async fn check_fit(browser: &Browser, name: &str, width: f64) {
    for element in browser.elements("h1, p, legend, label, a, button").await {
        let (x, _, wide, _) = element.rectangle().await.expect("it is shown");
        let text = element.text().await.expect("it is there");
        assert!(x >= 0.0 && x + wide <= width, "{name}: {text:?} sticks out");
    }
    for element in browser.elements("button, .choice").await {
        let (.., high) = element.rectangle().await.expect("it is shown");
        assert!(high >= 44.0, "{name}: {high} is too low for a finger");
    }
    let picture = browser.client.screenshot().await.expect("it can be seen");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&directory).expect("there is room for files");
    fs::write(directory.join(format!("{name}.png")), picture).expect("there is room for files");
}

async fn check_contrast(browser: &Browser, name: &str) {
    for element in browser.elements("h1, p, legend, label, a, button").await {
        let text = element.text().await.expect("it is there");
        let ratio = contrast(&element).await;
        assert!(ratio >= ENOUGH, "{name}: {ratio:.2} for {text:?}");
    }
}

/// Goes through the pages behind an email, up to the unsubscribing; `check` sees each, under its name.
async fn walk(browser: &Browser, post: &Post, email: &Email, check: impl AsyncFn(&str)) {
    browser.open(&settings_url(post, email)).await;
    check("settings").await;
    browser.follow("button").await;
    check("saved").await;
    browser.open(&unsubscribe_url(post, email)).await;
    check("unsubscribe").await;
    browser.follow("button").await;
    check("unsubscribed").await;
    browser.open(&post.service.page("/settings/x")).await;
    check("neutral").await;
}

#[tokio::test]
async fn every_page_can_be_read_on_phones_and_desktops_in_light_and_in_dark() {
    let (post, _) = started("browser_look").await;
    let (_, email) = received(&post, "en").await;
    for (screen, width) in [(Screen::Phone, 360.0), (Screen::Desktop, 1_280.0)] {
        for (colors, expected) in [
            (Colors::Light, "rgba(243, 244, 246, 1)"),
            (Colors::Dark, "rgba(17, 24, 39, 1)"),
        ] {
            let browser = Browser::start(screen, colors).await;
            let check = async |page: &str| {
                let body = browser.element("body").await;
                let background = body.css_value("background-color").await.expect("it has one");
                assert_eq!(background, expected, "{colors:?}");
                let name = format!("{page}-en-{screen:?}-{colors:?}").to_lowercase();
                check_fit(&browser, &name, width).await;
                check_contrast(&browser, &name).await;
            };
            walk(&browser, &post, &email, check).await;
        }
    }
}

#[tokio::test]
async fn every_language_fits_a_phone() {
    let (post, _) = started("browser_languages").await;
    let browser = Browser::start(Screen::Phone, Colors::Light).await;
    for language in ["de", "es", "fr", "pt", "ja"] {
        let (_, email) = received(&post, language).await;
        let check = async |page: &str| {
            check_fit(&browser, &format!("{page}-{language}-phone-light"), 360.0).await;
        };
        walk(&browser, &post, &email, check).await;
    }
}
