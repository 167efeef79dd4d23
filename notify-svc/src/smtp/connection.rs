//! One connection to the mail server, step by step: how far an email got is known at every moment.

use std::{future::Future, time::Duration};

use lettre::transport::smtp::{
    Error,
    authentication::DEFAULT_MECHANISMS,
    client::{AsyncSmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt, Rset},
    extension::{ClientId, Extension, MailBodyParameter, MailParameter},
};
use tokio::{net::TcpStream, time::Instant};

use super::{
    fault,
    message::Message,
    relay::Limits,
    url::{MailServer, Tls},
};
use crate::domain::reply::{Ending, Enhanced, Step};

/// A connection that is ready for an email.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    limits: Limits,
    /// Emails it has carried.
    pub(super) carried: u32,
    /// When it was parked.
    pub(super) idle_since: Instant,
    reusable: bool,
}

impl Connection {
    /// Connects, encrypts and authenticates as `server` asks.
    pub(super) async fn establish(server: &MailServer, limits: Limits) -> Result<Self, Ending> {
        let step = Step::Connect;
        let hello = ClientId::default();
        let host = (server.host.as_str(), server.port);
        let tls = || TlsParameters::new(server.host.clone()).map_err(|error| ending(step, &error));
        let mut smtp = match server.tls {
            Tls::Implicit => {
                let connect = AsyncSmtpConnection::connect_tokio1(host, None, &hello, Some(tls()?), None);
                within(limits.command, step, connect).await?
            }
            Tls::None | Tls::Starttls => {
                // Our own stream: lettre's has no TCP_NODELAY, which costs 40 ms for each email.
                let stream = tokio::time::timeout(limits.command, TcpStream::connect(host)).await;
                let stream = stream
                    .map_err(|_| fault(step, "timed out"))?
                    .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
                    .map_err(|error| fault(step, error.to_string()))?;
                let connect = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello);
                within(limits.command, step, connect).await?
            }
        };
        if server.tls == Tls::Starttls {
            within(limits.command, step, smtp.starttls(tls()?, &hello)).await?;
        }
        if let Some(credentials) = &server.credentials {
            within(limits.command, step, smtp.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        Ok(Self {
            smtp,
            limits,
            carried: 0,
            idle_since: Instant::now(),
            reusable: true,
        })
    }

    /// MAIL, RCPT and DATA, up to the server's 354.
    pub(super) async fn begin(&mut self, message: &Message) -> Result<(), Ending> {
        // A transaction that ends before its body leaves the server in the middle of it.
        self.reusable = false;
        let parameters = self.parameters(message)?;
        let limit = self.limits.command;
        let mail = Mail::new(Some(message.from.clone()), parameters);
        within(limit, Step::Mail, self.smtp.command(mail)).await?;
        let rcpt = Rcpt::new(message.to.clone(), Vec::new());
        within(limit, Step::Rcpt, self.smtp.command(rcpt)).await?;
        let reply = within(limit, Step::Data, self.smtp.command(Data)).await?;
        if !reply.has_code(354) {
            return Err(fault(Step::Data, format!("unexpected reply {}", reply.code())));
        }
        Ok(())
    }

    fn parameters(&self, message: &Message) -> Result<Vec<MailParameter>, Ending> {
        let mut parameters = Vec::new();
        let offers = |extension| self.smtp.server_info().supports_feature(extension);
        let unfit = |what: &str| fault(Step::Compose, format!("the mail server does not offer {what}"));
        if !message.to.to_string().is_ascii() || !message.from.to_string().is_ascii() {
            if !offers(Extension::SmtpUtfEight) {
                return Err(unfit("SMTPUTF8"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !message.bytes.is_ascii() {
            if !offers(Extension::EightBitMime) {
                return Err(unfit("8BITMIME"));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// The body and the server's last word on it.
    ///
    /// The body goes out as one write with its end, so that no delayed acknowledgement stands between them.
    pub(super) async fn body(&mut self, message: &Message) -> Ending {
        let body = String::from_utf8_lossy(&message.bytes);
        let limit = self.limits.final_reply;
        match within(limit, Step::Body, self.smtp.command(Terminated(&body))).await {
            Ok(reply) => {
                self.carried += 1;
                self.reusable = true;
                let text = reply.message().collect::<Vec<_>>().join(" ");
                Ending {
                    step: Step::Body,
                    code: Some(reply.code().into()),
                    enhanced: Enhanced::at_start_of(&text),
                    text,
                    relay: None,
                }
            }
            Err(ending) => {
                self.reusable = ending.code.is_some_and(|code| code != 421);
                ending
            }
        }
    }

    /// Ends a transaction that was refused. Whether the connection can carry another email.
    pub(super) async fn reset(&mut self, ending: &Ending) -> bool {
        let alive = ending.code.is_some_and(|code| code != 421);
        self.reusable = alive
            && within(self.limits.command, Step::Mail, self.smtp.command(Rset))
                .await
                .is_ok();
        self.reusable
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.reusable && !self.smtp.has_broken()
    }
}

/// A body with its dots doubled (RFC 5321, section 4.5.2) and the line that ends it.
struct Terminated<'a>(&'a str);

impl std::fmt::Display for Terminated<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in self.0.split_inclusive('\n') {
            if line.starts_with('.') {
                f.write_str(".")?;
            }
            f.write_str(line)?;
        }
        f.write_str(".\r\n")
    }
}

async fn within<T>(
    limit: Duration,
    step: Step,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Ending> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(ending(step, &error)),
        Err(_elapsed) => Err(fault(step, "timed out")),
    }
}

fn ending(step: Step, error: &Error) -> Ending {
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    Ending {
        step,
        code: error.status().map(u16::from),
        enhanced: Enhanced::at_start_of(&text),
        text,
        relay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another() {
        let wire = Terminated("a\r\n.\r\n..b\r\nc.\r\n").to_string();
        assert_eq!(wire, "a\r\n..\r\n...b\r\nc.\r\n.\r\n");
    }
}
