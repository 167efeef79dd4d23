use super::*;

async fn html(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    String::from_utf8(body.expect("it is whole").to_vec()).expect("it is UTF-8")
}

/// Every page in a language, as readers may meet it.
fn pages(language: Language) -> Vec<Response> {
    let chosen = Preferences {
        off: vec![Kind::Reminder],
        contact_restricted: true,
    };
    let mut accepted = HeaderMap::new();
    accepted.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(language.tag()));
    let of_kind = |kind: Kind| {
        let values = context! { kind => kind.name(), settings_url => "/settings/t" };
        [
            page(StatusCode::OK, language, "unsubscribe.html", values.clone()),
            page(StatusCode::OK, language, "unsubscribed.html", values),
        ]
    };
    let mut pages = vec![
        settings_page(language, &Preferences::default(), false),
        settings_page(language, &chosen, true),
        neutral(browser(&accepted)),
        wrong(language, "settings"),
        wrong(language, "unsubscribe"),
        page(
            StatusCode::SERVICE_UNAVAILABLE,
            language,
            "unavailable.html",
            context! {},
        ),
    ];
    pages.extend(Kind::ALL.into_iter().flat_map(of_kind));
    pages
}

#[tokio::test]
async fn every_page_can_be_shown_in_every_language_with_its_title_and_one_heading() {
    for language in Language::ALL {
        for response in pages(language) {
            let html = html(response).await;
            let tag = language.tag();
            assert!(html.contains(&format!(r#"<html lang="{tag}">"#)), "{html}");
            assert_eq!(html.matches("<h1>").count(), 1, "{html}");
            assert!(!html.contains("<title></title>"), "{html}");
            assert!(!html.contains("<script") && !html.contains("http"), "{html}");
        }
    }
}

#[tokio::test]
async fn every_box_has_its_label_its_hint_and_its_state() {
    let preferences = Preferences {
        off: vec![Kind::Reminder],
        contact_restricted: false,
    };
    let html = html(settings_page(Language::English, &preferences, false)).await;
    for (name, checked) in [
        ("invitations", true),
        ("reminders", false),
        ("acceptances", true),
        ("replies", true),
        ("restrict_email_contact", false),
    ] {
        let state = if checked { " checked" } else { "" };
        let tag = format!(
            r#"<input type="checkbox" id="{name}" name="{name}" aria-describedby="{name}-hint"{state}>"#
        );
        assert!(html.contains(&tag), "{name}: {html}");
        assert!(
            html.contains(&format!(r#"<label for="{name}">"#)),
            "{name}: {html}"
        );
        assert!(html.contains(&format!(r#" id="{name}-hint">"#)), "{name}: {html}");
    }
}
