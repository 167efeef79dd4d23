//! GET and POST of pages, as a browser without scripts does them.

use std::time::Duration;

/// What a page answered.
#[derive(Debug, Clone)]
pub struct Page {
    /// HTTP status code.
    pub status: u16,
    /// Value of `location`, where there is one. Redirects are not followed.
    pub location: Option<String>,
    /// The body as text.
    pub body: String,
}

/// Gets `url`.
pub async fn get(url: &str) -> Result<Page, reqwest::Error> {
    page(client().get(url)).await
}

/// Posts a form to `url`.
pub async fn post(url: &str, form: &[(String, String)]) -> Result<Page, reqwest::Error> {
    page(client().post(url).form(form)).await
}

async fn page(request: reqwest::RequestBuilder) -> Result<Page, reqwest::Error> {
    let response = request.send().await?;
    let location = response.headers().get("location");
    Ok(Page {
        status: response.status().as_u16(),
        location: location.and_then(|value| value.to_str().ok()).map(str::to_owned),
        body: response.text().await?,
    })
}

/// A client of its own for each request: the services' restarts leave no dead connection behind.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()
        .expect("there is no TLS to fail")
}
