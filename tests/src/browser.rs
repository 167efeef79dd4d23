//! A headless Chromium that runs no scripts, driven over WebDriver as a reader's hands would.

use std::{
    io::{self, ErrorKind},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::{guardian::Guardian, ports};

/// Longest wait for the driver.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page that says whether scripts run.
const SCRIPTED: &str =
    "data:text/html,<p>none</p><script>document.querySelector('p').textContent='some'</script>";

/// What the page is shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 360 by 740 pixels of CSS.
    Phone,
    /// 1280 by 900.
    Desktop,
}

/// What the reader's system asks pages to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// Debian's packages that bring it.
pub const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Whether a browser and what drives it are on this machine.
pub fn is_installed() -> bool {
    let is_there = |program| Command::new(program).arg("--version").output().is_ok();
    ["chromium", "chromedriver"].into_iter().all(is_there)
}

/// A browser with one window. It ends when it is dropped.
pub struct Browser {
    /// Does what a reader does.
    pub client: Client,
    _driver: Driver,
}

impl Browser {
    /// Starts one. Panics with what to install where there is none.
    pub async fn start(screen: Screen, colors: Colors) -> Self {
        let driver = Driver::start().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                panic!(
                    "there is no chromedriver: apt-get install -y {}",
                    PACKAGES.join(" ")
                )
            }
            _ => panic!("chromedriver does not start: {error}"),
        });
        let client = driver.session(colors).await;
        if screen == Screen::Phone {
            let phone = client.issue_cmd(AsPhone).await;
            phone.expect("the browser is Chromium");
        }
        client.goto(SCRIPTED).await.expect("it shows a page");
        let browser = Self {
            client,
            _driver: driver,
        };
        assert_eq!(browser.text("p").await, "none", "scripts are off");
        browser
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page is shown");
    }

    /// The one element that `css` selects.
    pub async fn element(&self, css: &str) -> Element {
        let mut found = self.elements(css).await;
        assert_eq!(found.len(), 1, "{css}");
        found.remove(0)
    }

    /// All elements that `css` selects.
    pub async fn elements(&self, css: &str) -> Vec<Element> {
        let found = self.client.find_all(Locator::Css(css)).await;
        found.expect("the page can be searched")
    }

    /// What the one element that `css` selects says.
    pub async fn text(&self, css: &str) -> String {
        let text = self.element(css).await.text().await;
        text.expect("the element is there")
    }

    /// Presses the one element that `css` selects.
    pub async fn press(&self, css: &str) {
        let pressed = self.element(css).await.click().await;
        pressed.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses the one element that `css` selects, and waits for the page that it leads to.
    pub async fn follow(&self, css: &str) {
        let page = self.element("html").await;
        self.press(css).await;
        let end = Instant::now() + PATIENCE;
        while page.tag_name().await.is_ok() {
            assert!(Instant::now() < end, "{css} leads nowhere");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let shown = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css("h1"))
            .await;
        shown.expect("every page has a heading");
    }

    /// Whether the box that `css` selects is ticked.
    pub async fn is_ticked(&self, css: &str) -> bool {
        let ticked = self.element(css).await.is_selected().await;
        ticked.expect("it is a box")
    }
}

/// Chromium's own command for a screen that is narrower than its windows get.
#[derive(Debug)]
struct AsPhone;

impl WebDriverCompatibleCommand for AsPhone {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let command = json!({
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": { "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": false },
        });
        (Method::POST, Some(command.to_string()))
    }
}

/// The contrast ratio (WCAG 2.2) of an element's text to what is behind it.
pub async fn contrast(element: &Element) -> f64 {
    let color = color(element, "color").await;
    let mut behind = element.clone();
    let background = loop {
        let background = self::color(&behind, "background-color").await;
        if background[3] > 0.0 {
            break background;
        }
        let parent = behind.find(Locator::XPath("..")).await;
        behind = parent.expect("the page as a whole has a background");
    };
    let (one, other) = (luminance(color), luminance(background));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Red, green, blue and opacity of a computed color, `rgb(…)` or `rgba(…)`.
async fn color(element: &Element, property: &str) -> [f64; 4] {
    let text = element.css_value(property).await.expect("every element has it");
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let numbers: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
    match *numbers {
        [red, green, blue] => [red, green, blue, 1.0],
        [red, green, blue, opacity] => [red, green, blue, opacity],
        _ => panic!("{property}: {text}"),
    }
}

/// Relative luminance (WCAG 2.2).
fn luminance([red, green, blue, _]: [f64; 4]) -> f64 {
    let linear = |channel: f64| {
        let channel = channel / 255.0;
        if channel <= 0.04045 {
            channel / 12.92
        } else {
            ((channel + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

/// A chromedriver.
struct Driver {
    child: Child,
    guardian: Option<Guardian>,
    port: u16,
    /// The browser's own files.
    profile: TempDir,
}

impl Driver {
    fn start() -> io::Result<Self> {
        let port = ports::free().port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // The browser is in the driver's process group.
        let guardian = Guardian::post("kill -KILL \"-$1\"", &[&child.id().to_string()], None)?;
        Ok(Self {
            child,
            guardian: Some(guardian),
            port,
            profile: tempfile::tempdir()?,
        })
    }

    async fn session(&self, colors: Colors) -> Client {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let colors = match colors {
            Colors::Dark => "--blink-settings=preferredColorScheme=0",
            Colors::Light => "--blink-settings=preferredColorScheme=1",
        };
        let options = json!({
            // Root, as in a container, has no other way; it shows our own pages only.
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-breakpad", "--window-size=1280,900", profile, colors],
            "prefs": { "profile.managed_default_content_settings.javascript": 2 },
        });
        let capabilities: Map<String, Value> = Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let url = format!("http://127.0.0.1:{}", self.port);
        let end = Instant::now() + PATIENCE;
        loop {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            match builder.capabilities(capabilities.clone()).connect(&url).await {
                Ok(client) => return client,
                Err(error) if Instant::now() > end => {
                    panic!("no browser (apt-get install chromium chromium-driver): {error}")
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // In this order the process id is still ours when the guardian uses it.
        drop(self.guardian.take());
        // An error means that it is gone already.
        let _ = self.child.wait();
    }
}
