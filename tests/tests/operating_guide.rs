//! docs/operating-notify.md names nothing that is not there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proto::notify::v1::{DELIVERY_SERVICE_RPCS, EMAIL_SERVICE_RPCS};

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace's root").to_owned()
}

fn guide() -> String {
    fs::read_to_string(root().join("docs/operating-notify.md")).expect("it is there")
}

/// The text of all files under a folder that end so.
fn all(folder: &Path, extension: &str) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("read").path();
        if path.is_dir() {
            text.push_str(&all(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            text.push_str(&fs::read_to_string(&path).expect("source is text"));
        }
    }
    text
}

/// What stands between backticks, outside of blocks.
fn spans(guide: &str) -> Vec<&str> {
    let prose = guide.split("```").step_by(2);
    prose
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_metric_in_the_guide_is_counted_somewhere() {
    let source = all(&root().join("notify-svc/src"), "rs") + &all(&root().join("shell/src"), "rs");
    let source: String = source.split_whitespace().collect();
    let guide = guide();
    let names: Vec<&str> = spans(&guide)
        .into_iter()
        .map(|span| span.split('{').next().unwrap_or_default())
        .filter(|name| {
            name.contains('_') && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
        // A field, which the next test knows, and a label.
        .filter(|name| !["request_id", "quiet_hours"].contains(name))
        .collect();
    let is_counted = |name: &&&str| source.contains(&format!("!(\"{name}\""));
    let missing: Vec<&&str> = names.iter().filter(|name| !is_counted(name)).collect();
    assert!(names.len() >= 12, "{names:?}");
    assert!(missing.is_empty(), "{missing:?}");
}

/// What follows each `notify ` with a service: rpc and, where it stands there, JSON.
fn calls(guide: &str) -> Vec<(&str, &str)> {
    let after = guide.match_indices("Service/").map(|(at, _)| {
        let start = guide[..at].rfind([' ', '`']).map_or(0, |before| before + 1);
        let line = guide[start..].lines().next().unwrap_or_default();
        line.split_once(' ').unwrap_or((line, ""))
    });
    after.collect()
}

/// The lines of a message in the protos.
fn message<'a>(protos: &'a str, name: &str) -> &'a str {
    let (_, rest) = protos
        .split_once(&format!("message {name} {{"))
        .unwrap_or_else(|| panic!("no message {name}"));
    rest.split("\n}").next().unwrap_or_default()
}

#[test]
fn every_call_in_the_guide_is_an_rpc_with_these_fields() {
    let guide = guide();
    let protos = all(&root().join("proto/notify"), "proto");
    let calls = calls(&guide);
    assert!(calls.len() >= 20, "{calls:?}");
    let rpcs = [EMAIL_SERVICE_RPCS, DELIVERY_SERVICE_RPCS].concat();
    for (rpc, rest) in calls {
        assert!(rpcs.contains(&format!("/notify.v1.{rpc}").as_str()), "{rpc}");
        let name = rpc.rsplit('/').next().unwrap_or_default();
        let json = rest.strip_prefix('\'').unwrap_or_default();
        let json = json.split(['`', '\n']).next().unwrap_or_default();
        // Commands are nested: their fields may be those of any message.
        let request = match name {
            "ApplyEmailCommands" => protos.as_str(),
            _ => message(&protos, &format!("{name}Request")),
        };
        for (at, _) in json.match_indices("\":") {
            let field = json[..at].rsplit('"').next().unwrap_or_default();
            assert!(
                request.contains(&format!(" {field} = ")),
                "{name} has no field {field}"
            );
        }
        for value in json
            .split(['"', '\''])
            .filter(|word| word.starts_with("EMAIL_") || word.starts_with("UNCERTAIN_"))
        {
            assert!(
                protos.contains(&format!(" {value} = ")),
                "{name}: no value {value}"
            );
        }
    }
}
