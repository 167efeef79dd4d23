//! The mail server's address as a URL.

use http::Uri;
use lettre::transport::smtp::authentication::Credentials;

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    None,
    /// STARTTLS, and nothing is sent where the server does not offer it.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub(crate) fn parse(url: &str) -> Result<MailServer, &'static str> {
    let uri: Uri = url
        .parse()
        .map_err(|_| "must be a URL such as smtp://127.0.0.1:25")?;
    let authority = uri.authority().ok_or("must name a host")?;
    let credentials = match authority.as_str().rsplit_once('@') {
        None => None,
        Some((who, _)) => {
            Some(credentials(who).ok_or("must be USER:PASSWORD, percent-encoded, before the @")?)
        }
    };
    let required = match uri.query() {
        None => false,
        Some("tls=required") => true,
        Some(_) => return Err("knows no other option than ?tls=required"),
    };
    let (tls, port) = match uri.scheme_str() {
        Some("smtps") => (Tls::Implicit, 465),
        Some("smtp") if credentials.is_some() => (Tls::Starttls, 587),
        Some("smtp") if required => (Tls::Starttls, 25),
        Some("smtp") => (Tls::None, 25),
        _ => return Err("must begin with smtp:// or smtps://"),
    };
    Ok(MailServer {
        host: authority.host().trim_matches(['[', ']']).to_owned(),
        port: authority.port_u16().unwrap_or(port),
        tls,
        credentials,
    })
}

fn credentials(text: &str) -> Option<Credentials> {
    let (user, password) = text.split_once(':')?;
    Some(Credentials::new(decoded(user)?, decoded(password)?))
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
        let server = parse("smtps://ada%40example.com:p%3A%2Fw@mail.example").expect("well formed");
        let expected = Credentials::new("ada@example.com".to_owned(), "p:/w".to_owned());
        assert_eq!(server.credentials, Some(expected));
    }

    #[test]
    fn what_is_not_a_mail_server_is_refused() {
        for wrong in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://u@mail.example",
            "smtp://x?tls=no",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
