//! The forms of a page, read as far as our own pages go: hidden fields and buttons.

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it is posted to, as written in the page; empty for the page's own URL.
    pub action: String,
    /// Hidden fields, in order: name and value.
    pub hidden: Vec<(String, String)>,
    /// Buttons, in order.
    pub buttons: Vec<Button>,
}

/// A submit button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What the reader sees, tags left out.
    pub label: String,
    /// The field that pressing it adds; none where it has no name.
    pub field: Option<(String, String)>,
}

impl Form {
    /// What pressing `button` sends.
    pub fn fields(&self, button: &Button) -> Vec<(String, String)> {
        self.hidden.iter().chain(&button.field).cloned().collect()
    }
}

/// All forms of `html`.
pub fn all(html: &str) -> Vec<Form> {
    let bodies = html.split("<form").skip(1);
    bodies
        .map(|body| form(body.split("</form").next().unwrap_or(body)))
        .collect()
}

/// The form and the button of `html` whose label contains `label`.
pub fn button(html: &str, label: &str) -> Option<(Form, Button)> {
    all(html).into_iter().find_map(|form| {
        let button = form
            .buttons
            .iter()
            .find(|button| button.label.contains(label))?
            .clone();
        Some((form, button))
    })
}

/// Reads what follows `<form`.
fn form(body: &str) -> Form {
    let field = |tag: &str| {
        Some((
            attribute(tag, "name")?,
            attribute(tag, "value").unwrap_or_default(),
        ))
    };
    let inputs = body.split("<input").skip(1).map(head);
    let buttons = body.split("<button").skip(1).map(|rest| Button {
        label: label(rest.split("</button").next().unwrap_or(rest)),
        field: field(head(rest)),
    });
    Form {
        action: attribute(head(body), "action").unwrap_or_default(),
        hidden: inputs
            .filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"))
            .filter_map(field)
            .collect(),
        buttons: buttons.collect(),
    }
}

/// The attributes of the tag that `rest` begins in.
fn head(rest: &str) -> &str {
    rest.split('>').next().unwrap_or(rest)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(unescape)
}

/// Text after the tag's own head, without the tags in it.
fn label(button: &str) -> String {
    let parts = button.split('>').skip(1);
    let text: String = parts
        .map(|part| part.split('<').next().unwrap_or_default())
        .collect();
    unescape(text.trim())
}

fn unescape(text: &str) -> String {
    [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&lt;", "<"),
    ]
    .into_iter()
    .chain([("&gt;", ">"), ("&amp;", "&")])
    .fold(text.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_is_found_with_what_it_sends() {
        let html = r#"<h1>Ada</h1><form method="post" action="/a?x=1&amp;y=2">
            <input type="hidden" name="token" value="t&#x2f;1">
            <button class="b" name="act" value="accept"><b>Accept</b></button>
            <button>Ignore</button></form>"#;
        let (form, accept) = button(html, "Accept").expect("it is there");
        assert_eq!(form.action, "/a?x=1&y=2");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            form.fields(&accept),
            [pair("token", "t/1"), pair("act", "accept")]
        );
        let (form, ignore) = button(html, "Ignore").expect("it is there");
        assert_eq!(form.fields(&ignore), [pair("token", "t/1")]);
        assert!(button(html, "Decline").is_none());
    }
}
