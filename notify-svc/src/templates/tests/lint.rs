//! What makes an HTML email readable for everybody and safe to open: the faults of a page, none where it is right.
//! Colours are computed from its style sheets, for light and for dark.

use scraper::{ElementRef, Html, Node, Selector};

/// Gmail cuts longer ones.
const MAX_BYTES: usize = 100 * 1024;

/// WCAG 2.2, success criterion 1.4.3.
const MIN_CONTRAST: f64 = 4.5;

pub(super) fn faults(html: &str, language: &str, subject: &str) -> Vec<String> {
    let page = Html::parse_document(html);
    let mut faults = structure(&page, language, subject);
    faults.extend(links(&page));
    faults.extend(foreign(&page, html));
    for scheme in [Scheme::Light, Scheme::Dark] {
        faults.extend(contrast(&page, scheme));
    }
    if html.len() > MAX_BYTES {
        faults.push(format!("{} bytes", html.len()));
    }
    faults
}

/// The URLs of all links.
pub(super) fn urls(html: &str) -> Vec<String> {
    let page = Html::parse_document(html);
    let links = all(&page, "a");
    links
        .map(|link| link.attr("href").unwrap_or_default().to_owned())
        .collect()
}

/// The texts of all headings.
pub(super) fn headings(html: &str) -> Vec<String> {
    all(&Html::parse_document(html), "h1, h2").map(text).collect()
}

/// What a reader sees of the page, a line for each text.
pub(super) fn visible(html: &str) -> String {
    let page = Html::parse_document(html);
    let body = all(&page, "body").next().expect("the parser adds one");
    body.text().collect::<Vec<_>>().join("\n")
}

fn all<'a>(page: &'a Html, selector: &str) -> impl Iterator<Item = ElementRef<'a>> {
    let selector = Selector::parse(selector).expect("it is a selector");
    page.select(&selector).collect::<Vec<_>>().into_iter()
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().trim().to_owned()
}

fn structure(page: &Html, language: &str, subject: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut need = |is_right: bool, fault: &str| {
        if !is_right {
            faults.push(fault.to_owned());
        }
    };
    let root = page.root_element();
    need(root.attr("lang") == Some(language), "lang is not the language");
    need(root.attr("dir") == Some("ltr"), "dir is missing");
    let titles: Vec<_> = all(page, "title").map(text).collect();
    need(titles == [subject], "title is not the subject");
    let headings: Vec<_> = all(page, "h1, h2, h3, h4, h5, h6").collect();
    let levels: Vec<_> = headings.iter().map(|heading| heading.value().name()).collect();
    need(
        levels.first() == Some(&"h1") && levels.iter().skip(1).all(|level| *level == "h2"),
        "headings are not one h1 with h2 below",
    );
    need(
        headings.iter().all(|heading| !text(*heading).is_empty()),
        "a heading is empty",
    );
    need(
        all(page, "table").all(|table| table.attr("role") == Some("presentation")),
        "a table is announced as one",
    );
    let scheme = all(page, "meta[name=color-scheme]").next();
    need(
        scheme.and_then(|meta| meta.attr("content")) == Some("light dark"),
        "color-scheme is missing",
    );
    need(
        all(page, "meta").any(|meta| meta.attr("content") == Some("text/html; charset=UTF-8")),
        "charset is missing",
    );
    faults
}

fn links(page: &Html) -> Vec<String> {
    let links = all(page, "a");
    let wrong = links.filter(|link| {
        let url = link.attr("href").unwrap_or_default();
        text(*link).is_empty()
            || !["https://", "http://", "mailto:"]
                .iter()
                .any(|start| url.starts_with(start))
    });
    wrong
        .map(|link| format!("a link without text or absolute URL: {}", link.html()))
        .collect()
}

/// What would be loaded, run or sent.
fn foreign(page: &Html, html: &str) -> Vec<String> {
    let elements = all(
        page,
        "img, script, iframe, object, embed, form, input, link, base, video, audio, svg, [src], [background], [srcset]",
    );
    let mut faults: Vec<_> = elements.map(|element| element.html()).collect();
    let words = ["url(", "@import"].into_iter().filter(|word| html.contains(word));
    faults.extend(words.map(str::to_owned));
    faults
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scheme {
    Light,
    Dark,
}

type Colour = [u8; 3];

struct Rule {
    selector: Selector,
    /// Classes, then elements.
    specificity: (usize, usize),
    property: String,
    value: String,
    is_important: bool,
}

fn contrast(page: &Html, scheme: Scheme) -> Vec<String> {
    let rules = rules(page, scheme);
    let texts = page.tree.nodes().filter_map(|node| match node.value() {
        Node::Text(text) if !text.trim().is_empty() => Some((text.trim(), ElementRef::wrap(node.parent()?)?)),
        _ => None,
    });
    let wrong = texts.filter_map(|(text, parent)| {
        let chain: Vec<_> = parent.ancestors().filter_map(ElementRef::wrap).collect();
        let chain: Vec<_> = std::iter::once(parent).chain(chain).collect();
        let is_in = |name: &str| chain.iter().any(|element| element.value().name() == name);
        let is_hidden = chain
            .iter()
            .any(|element| computed(*element, "display", &rules).as_deref() == Some("none"));
        if !is_in("body") || is_hidden {
            return None;
        }
        let first = |properties: &[&str]| {
            chain.iter().find_map(|element| {
                let mut values = properties
                    .iter()
                    .filter_map(|property| computed(*element, property, &rules));
                values.next_back().map(|value| colour(&value))
            })
        };
        let ink = first(&["color"]).unwrap_or([0, 0, 0]);
        let paper = first(&["background", "background-color"]).unwrap_or([255, 255, 255]);
        let ratio = ratio(ink, paper);
        (ratio < MIN_CONTRAST).then(|| format!("{scheme:?}: {text:?} has contrast {ratio:.2}"))
    });
    wrong.collect()
}

/// The value of a property that an element's own rules give it.
fn computed(element: ElementRef<'_>, property: &str, rules: &[Rule]) -> Option<String> {
    let own = |is_important: bool| {
        rules
            .iter()
            .filter(|rule| rule.is_important == is_important && rule.property == property)
            .filter(|rule| rule.selector.matches(&element))
            .max_by_key(|rule| rule.specificity)
            .map(|rule| rule.value.clone())
    };
    let inline = || {
        let declarations = declarations(element.attr("style").unwrap_or_default());
        declarations
            .into_iter()
            .rev()
            .find(|(name, _)| name == property)
            .map(|(_, value)| value)
    };
    own(true).or_else(inline).or_else(|| own(false))
}

fn rules(page: &Html, scheme: Scheme) -> Vec<Rule> {
    let css: String = all(page, "style").map(text).collect();
    let (dark, rest) = cut_media(&css, "(prefers-color-scheme: dark)");
    let (_, light) = cut_media(&rest, "only screen");
    let mut rules = parse(&light);
    if scheme == Scheme::Dark {
        assert!(!dark.is_empty(), "there are rules for the dark");
        rules.extend(parse(&dark));
    }
    rules
}

/// The inside of the media queries that name `condition`, and the style sheet without them.
fn cut_media(css: &str, condition: &str) -> (String, String) {
    let (mut inside, mut rest) = (String::new(), css.to_owned());
    while let Some(start) = rest.find(&format!("@media {condition}")) {
        let open = start + rest[start..].find('{').expect("a block follows");
        let mut depth = 0;
        let close = rest[open..].char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + at)
        });
        let close = close.expect("the block ends");
        inside.push_str(&rest[open + 1..close]);
        rest.replace_range(start..=close, "");
    }
    (inside, rest)
}

fn parse(css: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for block in css.split('}').filter(|block| !block.trim().is_empty()) {
        let (selectors, body) = block.split_once('{').expect("a selector and a block");
        for selector in selectors.split(',').map(str::trim) {
            for (property, value) in declarations(body) {
                rules.push(Rule {
                    selector: Selector::parse(selector).expect("it is a selector"),
                    specificity: (
                        selector.matches(['.', '#']).count(),
                        selector
                            .split([' ', '>'])
                            .filter(|word| word.starts_with(char::is_alphabetic))
                            .count(),
                    ),
                    property,
                    is_important: value.ends_with("!important"),
                    value: value.trim_end_matches("!important").trim().to_owned(),
                });
            }
        }
    }
    rules
}

fn declarations(css: &str) -> Vec<(String, String)> {
    let pairs = css.split(';').filter_map(|pair| pair.split_once(':'));
    pairs
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

fn colour(value: &str) -> Colour {
    let digits = value.strip_prefix('#').filter(|digits| digits.len() == 6);
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let [_, rgb @ ..] = number
        .unwrap_or_else(|| panic!("{value} is not #rrggbb"))
        .to_be_bytes();
    rgb
}

/// WCAG 2.2, "contrast ratio".
fn ratio(a: Colour, b: Colour) -> f64 {
    let luminance = |colour: Colour| {
        let [r, g, b] = colour.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn the_lint_sees_what_is_wrong() {
    let letter = super::samples::sample(crate::domain::kind::Kind::Initial, "en");
    let texts = super::rendered(&[letter]);
    let check = |from: &str, to: &str, expected: &str| {
        let broken = texts.html.replace(from, to);
        assert_ne!(broken, texts.html, "{from} is there");
        let faults = faults(&broken, "en", &texts.subject);
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{from}: {faults:?}"
        );
    };
    check("lang=\"en\"", "lang=\"de\"", "lang");
    check("<title>", "<title>x", "title");
    check("<h1>", "<h2>", "headings");
    check("<table", "<table role=\"table\"", "table");
    check("</h1>", "</h1><img src=\"https://x.example/p\">", "<img");
    check(
        "</h1>",
        "</h1><a href=\"https://x.example/\"> </a>",
        "without text",
    );
    check("</h1>", "</h1><a href=\"/x\">x</a>", "absolute");
    check(
        "</h1>",
        "</h1><p style=\"color:#999999\">pale</p>",
        "Light: \"pale\"",
    );
    check(
        ".text a { color: #93c5fd !important; }",
        "",
        "Dark: \"View their profile\"",
    );
    check("background:#1d4ed8", "background:#93c5fd", "contrast");
    check("</style>", "p { list-style: url(x) }</style>", "url(");
    check("</h1>", &format!("</h1>{}", "x".repeat(MAX_BYTES)), "bytes");
    assert_eq!(faults(&texts.html, "en", &texts.subject), Vec::<String>::new());
}
