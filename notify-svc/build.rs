//! Turns the emails' MJML into HTML that still has minijinja's placeholders, so that nothing of MJML runs in the service.

use std::{collections::HashMap, env, error::Error, fs, path::Path};

use mrml::prelude::render::RenderOptions;

/// What the emails say; `layout.mjml` is around each.
const EMAILS: [&str; 4] = ["invitation", "digest", "acceptance", "reply"];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells OUT_DIR by the environment only"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let sources = Path::new("src/templates");
    println!("cargo::rerun-if-changed={}", sources.display());
    let out = env::var("OUT_DIR")?;
    let layout = fs::read_to_string(sources.join("layout.mjml"))?;
    for email in EMAILS {
        let content = fs::read_to_string(sources.join(format!("{email}.mjml")))?;
        let html = html(&layout.replace("<!-- email -->", &content))?;
        fs::write(Path::new(&out).join(format!("{email}.html")), html)?;
    }
    Ok(())
}

fn html(mjml: &str) -> Result<String, Box<dyn Error>> {
    let parsed = mrml::parse(mjml)?;
    if let Some(warning) = parsed.warnings.first() {
        return Err(format!("{warning:?}").into());
    }
    // No fonts from elsewhere.
    let render = RenderOptions {
        fonts: HashMap::new(),
        ..RenderOptions::default()
    };
    let html = parsed.element.render(&render)?;
    // Lines short enough for any mail server; between these tags a line's end is nothing to see.
    let html = ["<table", "<tbody", "<tr", "<td", "<div", "<p", "<meta"]
        .iter()
        .fold(html, |html, tag| {
            html.replace(&format!(">{tag}"), &format!(">\n{tag}"))
        });
    Ok(html)
}
