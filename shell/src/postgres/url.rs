//! The connection string: what must stand in it, and what is added.

use secrecy::{ExposeSecret, SecretString};

/// Refuses a connection string that would send data in clear over a network, or that libpq reads otherwise than it looks.
/// What is wrong is told without the string: it has a password.
pub fn check_url(url: &SecretString) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "libpq reads these by itself")]
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    check(url.expose_secret(), variable)
}

fn check(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    if after_scheme(url).is_none() && !url.contains('=') {
        return Err(
            "DATABASE_URL must be a Postgres connection string, e.g. postgres://user:password@host/name"
                .to_owned(),
        );
    }
    if after_scheme(url).is_none() && url.contains("://") {
        return Err("DATABASE_URL must begin with postgres:// or postgresql://".to_owned());
    }
    check_spelling(url)?;
    let sets = |name: &str| parameters(url).any(|(set, _)| set == name);
    if sets("service") || variable("PGSERVICE").is_some() {
        return Err(
            "DATABASE_URL, or PGSERVICE, names a service, whose host nobody checks: name the host".to_owned(),
        );
    }
    let from_variable = |name: &str| -> Vec<String> {
        let named = variable(name).unwrap_or_default();
        named.split(',').map(str::to_owned).collect()
    };
    let mut hosts = hosts(url);
    // What the string leaves out libpq takes from its environment.
    if hosts.iter().all(String::is_empty) {
        hosts.extend(from_variable("PGHOST"));
    }
    if !sets("hostaddr") {
        hosts.extend(from_variable("PGHOSTADDR"));
    }
    let tls = parameters(url).any(|(name, value)| name == "sslmode" && value == "verify-full");
    let local = |host: &str| {
        host.is_empty()
            || host.starts_with('/')
            || host.starts_with("%2F")
            || host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    match (tls, hosts.iter().all(|host| local(host))) {
        (true, _) if cfg!(feature = "bundled-libpq") && !cfg!(feature = "bundled-libpq-tls") => {
            return Err(
                "DATABASE_URL asks for TLS, which this build's libpq does not have: build with \
                        `--features shell/bundled-libpq-tls` (needs the OpenSSL headers)"
                    .to_owned(),
            );
        }
        (true, _) | (false, true) => return Ok(()),
        (false, false) => {}
    }
    Err(
        "DATABASE_URL, PGHOST or PGHOSTADDR names a host beyond loopback: add sslmode=verify-full (and sslrootcert), so \
         that nobody can read along"
            .to_owned(),
    )
}

/// libpq would find the end of a password elsewhere than its writer, and tell the rest of it in its error.
fn check_spelling(url: &str) -> Result<(), String> {
    let Some(rest) = after_scheme(url) else {
        let is_pair = |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.is_empty());
        return if url.split_whitespace().all(is_pair) {
            Ok(())
        } else {
            Err(
                "DATABASE_URL must have name=value between blanks, without blanks in or around either; \
                 what has some is written as a URL, percent-encoded"
                    .to_owned(),
            )
        };
    };
    // It looks for the user up to the first slash, whether or not a query begins before.
    let head = rest.split('/').next().unwrap_or_default();
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before_query.split_once('/').unwrap_or((before_query, ""));
    let is_plain = !rest.contains(|c: char| c.is_whitespace() || c.is_control()) && !rest.contains("%00");
    let is_encoded = rest.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let is_named = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, _)| !name.contains(['%', '@']))
    };
    let are_named = query.is_empty() || query.split('&').all(is_named);
    let has_one_user = authority.matches('@').count() <= 1
        && !path.contains('@')
        && head
            .split_once('@')
            .is_none_or(|(before, _)| !before.contains('?'));
    let is_host = |host: &str| {
        host.strip_prefix('[').is_none_or(|v6| {
            v6.split_once(']')
                .is_some_and(|(_, port)| port.is_empty() || port.starts_with(':'))
        })
    };
    let are_hosts = authority
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .split(',')
        .all(is_host);
    if is_plain && is_encoded && are_named && has_one_user && are_hosts {
        return Ok(());
    }
    Err(
        "DATABASE_URL: user and password of a URL must be percent-encoded: %25 for %, %2F for /, %3A for :, \
         %3F for ?, %40 for @, %20 for a blank; an IPv6 address stands in brackets"
            .to_owned(),
    )
}

/// The hosts a connection string names, in either of libpq's forms.
fn hosts(url: &str) -> Vec<String> {
    let named = parameters(url)
        .filter(|(name, _)| matches!(*name, "host" | "hostaddr"))
        .flat_map(|(_, hosts)| hosts.split(',').map(str::to_owned).collect::<Vec<_>>());
    let Some(rest) = after_scheme(url) else {
        return named.collect();
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let in_authority = authority.split(',').map(|host| match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default().to_owned(),
        None => host.split(':').next().unwrap_or_default().to_owned(),
    });
    in_authority.chain(named).collect()
}

/// The parameters of a connection string, in either of libpq's forms: name and value.
fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_url = after_scheme(url).is_some();
    let text = match after_scheme(url) {
        Some(rest) => rest.split_once('?').map_or("", |(_, query)| query),
        None => url,
    };
    text.split(move |c: char| if is_url { c == '&' } else { c.is_whitespace() })
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('\'')))
}

fn after_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
}

/// The connection string with limits where it sets none: a host that vanishes without a word must not hold a connection
/// for the quarter of an hour that the kernel would.
pub(super) fn with_timeouts(url: &str) -> String {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let limits = [
        ("connect_timeout", "5"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("tcp_user_timeout", "20000"),
    ];
    limits
        .into_iter()
        .filter(|(name, _)| !url.contains(name))
        .fold(url.to_owned(), |url, (name, value)| {
            let separator = match (is_url, url.contains('?')) {
                (false, _) => ' ',
                (true, true) => '&',
                (true, false) => '?',
            };
            format!("{url}{separator}{name}={value}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> Result<(), String> {
        check(url, |_| None)
    }

    #[test]
    fn a_remote_database_needs_tls() {
        for right in [
            "postgres:///db?host=/tmp/x",
            "postgres://u:p@localhost/db",
            "postgres://u:p@127.0.0.1:5432/db",
            "postgres://u@[::1]:5432/db",
            "host=/run/pg user=postgres dbname=x",
            "postgres://u:@%2Frun%2Fpg,localhost:5432/db?options=-c%20jit%3Doff",
            "postgresql://",
        ] {
            assert_eq!(said(right), Ok(()), "{right}");
        }
        for wrong in [
            "postgres://u:p@db.example/db",
            "postgres://u:p@db.example:5432/db?sslmode=require",
            "postgres://u:sslmode=verify-full@db.example/db",
            "postgres:///db?host=db.example",
            "postgres:///db?host=/tmp,db.example",
            "host=db.example dbname=x",
            "host=/tmp,db.example dbname=x",
            "user=u\nhost=db.example\npassword=p",
            "user=u\thost=db.example",
        ] {
            assert!(
                said(wrong).expect_err(wrong).contains("sslmode=verify-full"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_libpq_takes_from_its_environment_counts() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        let named = "postgres://u@localhost/x";
        for (url, name, value) in [
            ("postgres:///x", "PGHOST", "db.example"),
            ("dbname=x", "PGHOST", "/tmp,db.example"),
            (named, "PGHOSTADDR", "192.0.2.1"),
            (named, "PGSERVICE", "x"),
        ] {
            let wrong = check(url, with(name, value)).expect_err(name);
            assert!(wrong.contains(name), "{wrong}");
        }
        for (url, name, value) in [
            ("postgres:///x", "PGHOST", "/run/postgresql"),
            (named, "PGHOST", "db.example"),
            ("hostaddr=127.0.0.1 dbname=x", "PGHOSTADDR", "192.0.2.1"),
        ] {
            assert_eq!(check(url, with(name, value)), Ok(()), "{url}");
        }
        for wrong in ["service=x", "postgres:///x?service=y"] {
            assert!(said(wrong).expect_err(wrong).contains("service"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_connection_string_is_refused() {
        for wrong in ["", "x", "mysql://h/x?a=b"] {
            assert!(said(wrong).expect_err(wrong).contains("postgres://"), "{wrong}");
        }
    }

    #[test]
    fn what_libpq_would_read_otherwise_is_refused_without_a_word_of_it() {
        for wrong in [
            "postgres://u:50%off@localhost/x",
            "postgres://u:hunter2%@localhost/x",
            "postgres://u:hunter2@hunter2@localhost/x",
            "postgres://u:a/hunter2@localhost/x",
            "postgres://u:a?hunter2@localhost/x",
            "postgres:///x?ho%73t=db.example",
            "postgres:///x?hunter2",
            "postgres://u:hunter2@[::1/x",
            "postgres://u:hunter2@[::1]5432/x",
            "postgres://u:hunter 2@localhost/x",
            "postgres://u:hunter2%00@localhost/x",
            "postgres://localhost?user=u&password=hunter2@x",
            "host = localhost password = hunter2",
            "host=localhost password='hunter2 hunter2'",
        ] {
            let said = said(wrong).expect_err(wrong);
            assert!(said.contains("DATABASE_URL"), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("50"), "{said}");
        }
        for right in [
            "postgres://u:50%25%40%2f@localhost/x",
            "postgresql://u@localhost?application_name=a@b",
        ] {
            assert_eq!(said(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn a_build_without_tls_says_so_at_once() {
        let url = "postgres://u:p@db.example/db?sslmode=verify-full&sslrootcert=x";
        let without_tls = cfg!(feature = "bundled-libpq") && !cfg!(feature = "bundled-libpq-tls");
        assert_eq!(
            said(url).is_err_and(|wrong| wrong.contains("bundled-libpq-tls")),
            without_tls
        );
    }

    #[test]
    fn limits_are_added_where_there_are_none() {
        assert!(with_timeouts("postgres:///x?host=/tmp").contains("?host=/tmp&connect_timeout=5&"));
        assert!(with_timeouts("postgres://localhost/x").contains("/x?connect_timeout=5&"));
        assert!(with_timeouts("host=/tmp dbname=x").contains("dbname=x connect_timeout=5 "));
        assert!(!with_timeouts("host=/tmp connect_timeout=9").contains("connect_timeout=5"));
    }
}
