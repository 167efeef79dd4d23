//! Turns the emails' MJML into HTML with minijinja's placeholders in it, so that nothing of MJML runs in the service.

use std::{collections::HashMap, env, error::Error, fs, path::Path};

use mrml::prelude::{
    parser::{ParserOptions, local_loader::LocalIncludeLoader},
    render::RenderOptions,
};

/// The emails; the folder's other files are included by them.
const EMAILS: [&str; 4] = ["invitation", "digest", "acceptance", "reply"];

const SOURCES: &str = "src/templates";

#[expect(clippy::disallowed_methods, reason = "cargo tells OUT_DIR by the environment only")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCES}");
    let out = env::var("OUT_DIR")?;
    for email in EMAILS {
        let mjml = fs::read_to_string(Path::new(SOURCES).join(format!("{email}.mjml")))?;
        fs::write(Path::new(&out).join(format!("{email}.html")), html(&mjml)?)?;
    }
    Ok(())
}

fn html(mjml: &str) -> Result<String, Box<dyn Error>> {
    let parser = ParserOptions {
        include_loader: Box::new(LocalIncludeLoader::new(fs::canonicalize(SOURCES)?)),
    };
    let parsed = mrml::parse_with_options(mjml, &parser)?;
    if let Some(warning) = parsed.warnings.first() {
        return Err(format!("{warning:?}").into());
    }
    // No fonts from elsewhere.
    let render = RenderOptions {
        fonts: HashMap::new(),
        ..RenderOptions::default()
    };
    Ok(parsed.element.render(&render)?)
}
