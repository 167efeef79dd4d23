//! The mail server's address as a URL.

use secrecy::SecretString;
use url::{Host, Url};

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    None,
    /// STARTTLS, and nothing is sent where the server does not offer it.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// Who logs in.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: SecretString,
}

/// A mail server.
#[derive(Debug, Clone)]
pub(crate) struct MailServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    /// There are none without TLS.
    pub(crate) credentials: Option<Credentials>,
}

impl MailServer {
    /// Host and port, for people.
    pub(crate) fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Reads `smtp://[user:password@]host[:port][?tls=required]` or `smtps://…`; user and password percent-encoded.
pub(crate) fn parse(text: &str) -> Result<MailServer, &'static str> {
    const FORM: &str = "must be a URL such as smtp://127.0.0.1:25 or smtps://USER:PASSWORD@mail.example.com; / ? # % : and @ \
                        in USER and PASSWORD percent-encoded (%2F %3F %23 %25 %3A %40), PORT at most 65535";
    let url = Url::parse(text).map_err(|_| FORM)?;
    let host = match url.host().ok_or(FORM)? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    };
    // What stands behind the host is most often the rest of a password.
    if !["", "/"].contains(&url.path()) || url.fragment().is_some() || url.port() == Some(0) {
        return Err(FORM);
    }
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some(
            credentials(user, password.unwrap_or_default())
                .ok_or("must have USER:PASSWORD before the @, none of them empty, percent-encoded")?,
        ),
    };
    let required = match url.query() {
        None => false,
        Some("tls=required") => true,
        Some(_) => {
            return Err("knows no other option than ?tls=required; a ? in USER or PASSWORD is written %3F");
        }
    };
    let (tls, port) = match url.scheme() {
        "smtps" => (Tls::Implicit, 465),
        "smtp" if credentials.is_some() => (Tls::Starttls, 587),
        "smtp" if required => (Tls::Starttls, 25),
        "smtp" => (Tls::None, 25),
        _ => return Err("must begin with smtp:// or smtps://"),
    };
    Ok(MailServer {
        host,
        port: url.port().unwrap_or(port),
        tls,
        credentials,
    })
}

fn credentials(user: &str, password: &str) -> Option<Credentials> {
    let (user, password) = (decoded(user)?, decoded(password)?);
    (!user.is_empty() && !password.is_empty()).then(|| Credentials {
        user,
        password: password.into(),
    })
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn check(url: &str, host: &str, port: u16, tls: Tls) {
        let server = parse(url).expect(url);
        assert_eq!(
            (server.host.as_str(), server.port, server.tls),
            (host, port, tls),
            "{url}"
        );
    }

    #[test]
    fn credentials_ask_for_tls() {
        check("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Tls::None);
        check("smtp://[::1]:25", "::1", 25, Tls::None);
        check("smtp://mail.example", "mail.example", 25, Tls::None);
        check("smtp://mail.example/", "mail.example", 25, Tls::None);
        check(
            "smtp://mail.example?tls=required",
            "mail.example",
            25,
            Tls::Starttls,
        );
        check("smtp://u:p@mail.example", "mail.example", 587, Tls::Starttls);
        check("smtps://u:p@mail.example", "mail.example", 465, Tls::Implicit);
    }

    #[test]
    fn user_and_password_are_percent_encoded() {
        let server = parse("smtps://ada%40example.com:p%3A%2Fw%20%C3%BC@mail.example").expect("well formed");
        let credentials = server.credentials.expect("there are some");
        assert_eq!(
            (credentials.user.as_str(), credentials.password.expose_secret()),
            ("ada@example.com", "p:/w ü")
        );
    }

    #[test]
    fn what_is_not_a_mail_server_is_refused() {
        for wrong in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp:mail.example",
            "smtp://",
            "smtp://:25",
            "smtp://u@mail.example",
            "smtp://:p@mail.example",
            "smtp://u:@mail.example",
            "smtp://u:p%zz@mail.example",
            "smtp://u:p%ff@mail.example",
            "smtp://u:p/w@mail.example",
            "smtp://u:1/w@mail.example",
            "smtp://u:1#w@mail.example",
            "smtp://u:1?w@mail.example",
            "smtp://mail.example:99999",
            "smtp://mail.example:0",
            "smtp://mail.example:25a",
            "smtp://mail.example/inbox",
            "smtp://mail.example#x",
            "smtp://mail.example?tls=no",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
