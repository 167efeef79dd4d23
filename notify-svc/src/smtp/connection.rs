//! One connection to the mail server, step by step: how far an email got is known at every moment.

use std::{
    borrow::Cow,
    future::Future,
    time::{Duration, Instant},
};

use lettre::transport::smtp::{
    Error,
    authentication::DEFAULT_MECHANISMS,
    client::{AsyncSmtpConnection, AsyncTokioStream},
    commands::{Data, Ehlo, Mail, Rcpt, Rset},
    extension::{ClientId, Extension, MailBodyParameter, MailParameter},
};
use tokio::net::TcpStream;

use super::{
    envelope::Envelope,
    fault,
    relay::Place,
    tls::Trust,
    url::{MailServer, Tls},
};
use crate::domain::reply::{Ending, Enhanced, Step};

/// What a mail server is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Longest wait to connect, and for the whole reply to each command.
    pub(crate) command: Duration,
    /// Longest wait for its last word on an email.
    pub(crate) final_reply: Duration,
    /// Connections open at once.
    pub(crate) connections: usize,
}

/// A connection that is ready for an email.
pub(super) struct Connection {
    smtp: Box<AsyncSmtpConnection>,
    limits: Limits,
    /// Whether the server takes commands before it has answered the ones before (PIPELINING, RFC 2920).
    pipelining: bool,
    /// Emails it has carried.
    pub(super) carried: u32,
    /// When it was parked.
    pub(super) idle_since: Instant,
    reusable: bool,
    place: Place,
}

/// What the enhanced status code says where a server cannot do what we insist on (RFC 3463, X.7.4).
const SECURITY_NOT_SUPPORTED: Enhanced = Enhanced {
    class: 5,
    subject: 7,
    detail: 4,
};

impl Connection {
    /// Connects, encrypts and authenticates as `server` asks.
    pub(super) async fn establish(
        server: &MailServer,
        trust: &Trust,
        limits: Limits,
        place: Place,
    ) -> Result<Self, Ending> {
        let (step, limit) = (Step::Connect, limits.command);
        let lost = |error: std::io::Error| fault(step, error.to_string());
        let unsafe_server = |what: &str| Ending {
            enhanced: Some(SECURITY_NOT_SUPPORTED),
            ..fault(step, format!("the mail server does not offer {what}"))
        };
        let hello = ClientId::default();
        let connect = async {
            let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
            // Without it the end of a body waits 40 ms for an acknowledgement.
            stream.set_nodelay(true)?;
            Ok(match server.tls {
                Tls::None | Tls::Starttls => Box::new(stream) as Box<dyn AsyncTokioStream>,
                Tls::Implicit => Box::new(trust.encrypt(stream, &server.host).await?),
            })
        };
        let stream = tokio::time::timeout(limit, connect).await;
        let stream = stream.map_err(|_| fault(step, "timed out"))?.map_err(lost)?;
        let greeted = AsyncSmtpConnection::connect_with_transport(stream, &hello);
        let mut smtp = within(limit, step, greeted).await?;
        if server.tls == Tls::Starttls {
            if !smtp.can_starttls() {
                return Err(unsafe_server("STARTTLS"));
            }
            let parameters = trust
                .parameters(&server.host)
                .map_err(|error| ending(step, &error))?;
            within(limit, step, smtp.starttls(parameters, &hello)).await?;
        }
        if let Some(credentials) = &server.credentials {
            if smtp
                .server_info()
                .get_auth_mechanism(DEFAULT_MECHANISMS)
                .is_none()
            {
                return Err(unsafe_server("AUTH PLAIN or LOGIN"));
            }
            within(limit, step, smtp.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        // Asked once more: lettre keeps of the answer only what it uses itself. Some servers refuse to be greeted twice
        // (OpenSMTPD); that changes nothing of the first time.
        let pipelining = match within(limit, step, smtp.command(Ehlo::new(hello))).await {
            Ok(offers) => offers
                .message()
                .any(|line| line.eq_ignore_ascii_case("PIPELINING")),
            Err(ending) if is_refusal(&ending) => false,
            Err(ending) => return Err(ending),
        };
        Ok(Self {
            smtp: Box::new(smtp),
            limits,
            pipelining,
            carried: 0,
            idle_since: Instant::now(),
            reusable: true,
            place,
        })
    }

    /// MAIL, RCPT and DATA, up to the server's 354.
    pub(super) async fn begin(&mut self, envelope: &Envelope) -> Result<(), Ending> {
        // A transaction that ends before its body leaves the server in the middle of it.
        self.reusable = false;
        let parameters = self.parameters(envelope)?;
        let mail = Mail::new(Some(envelope.from.clone()), parameters);
        let rcpt = Rcpt::new(envelope.to.clone(), Vec::new());
        let (limit, smtp) = (self.limits.command, &mut self.smtp);
        let reply = if self.pipelining {
            let commands = format!("{mail}{rcpt}{Data}");
            within(limit, Step::Mail, smtp.command(commands)).await?;
            within(limit, Step::Rcpt, smtp.read_response()).await?;
            within(limit, Step::Data, smtp.read_response()).await?
        } else {
            within(limit, Step::Mail, smtp.command(mail)).await?;
            within(limit, Step::Rcpt, smtp.command(rcpt)).await?;
            within(limit, Step::Data, smtp.command(Data)).await?
        };
        if !reply.has_code(354) {
            return Err(fault(Step::Data, format!("unexpected reply {}", reply.code())));
        }
        Ok(())
    }

    /// Our emails are ASCII throughout, but for an address whose local part is not; whoever takes such an address takes
    /// headers in UTF-8, too (RFC 6531, section 3.1).
    fn parameters(&self, envelope: &Envelope) -> Result<Vec<MailParameter>, Ending> {
        if [&envelope.from, &envelope.to]
            .iter()
            .all(|address| address.to_string().is_ascii())
        {
            return Ok(Vec::new());
        }
        if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(fault(
                Step::Compose,
                "the address is not ASCII before the @, and the mail server does not offer SMTPUTF8",
            ));
        }
        Ok(vec![
            MailParameter::Body(MailBodyParameter::EightBitMime),
            MailParameter::SmtpUtfEight,
        ])
    }

    /// The body and the server's last word on it.
    ///
    /// The body goes out as one write with its end, so that no delayed acknowledgement stands between them.
    pub(super) async fn body(&mut self, bytes: &[u8]) -> Ending {
        // It is text; reading it as such is several times faster than mending what is none.
        let body = std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
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
                self.reusable = is_refusal(&ending);
                ending
            }
        }
    }

    /// Ends a transaction that was refused.
    pub(super) async fn reset(&mut self, ending: &Ending) {
        let alive = ending.step == Step::Compose || is_refusal(ending) && self.heard_out(ending.step).await;
        self.reusable = alive
            && within(self.limits.command, Step::Mail, self.smtp.command(Rset))
                .await
                .is_ok_and(|reply| reply.has_code(250));
    }

    /// Hears what the server says to the commands that were sent with the refused one. Whether it still waits for
    /// commands: with a 354 it waits for a body that it must not get.
    async fn heard_out(&mut self, refused: Step) -> bool {
        let later = match refused {
            Step::Mail if self.pipelining => [Step::Rcpt, Step::Data].as_slice(),
            Step::Rcpt if self.pipelining => &[Step::Data],
            Step::Compose | Step::Connect | Step::Mail | Step::Rcpt | Step::Data | Step::Body => &[],
        };
        for step in later {
            match within(self.limits.command, *step, self.smtp.read_response()).await {
                Err(ending) if is_refusal(&ending) => {}
                Ok(_) if *step != Step::Data => {}
                // After a silence nobody knows which command the next answer is to.
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.reusable && !self.smtp.has_broken()
    }

    /// Says goodbye where that makes sense, behind everybody's back, and closes.
    pub(super) fn retire(mut self) {
        if self.is_reusable() {
            tokio::spawn(async move {
                // Whether it is heard does not matter.
                let _ = within(self.limits.command, Step::Connect, self.smtp.quit()).await;
            });
        }
    }

    /// Closes, and frees its place for another connection.
    pub(super) fn close(self) -> Place {
        self.place
    }
}

/// A body with its dots doubled (RFC 5321, section 4.5.2) and the line that ends it.
struct Terminated<'a>(&'a str);

impl std::fmt::Display for Terminated<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // In as few pieces as there are dots to double: hardly a body has one.
        let (mut written, mut at) = (0, 0);
        for line in self.0.split_inclusive('\n') {
            if line.starts_with('.') {
                f.write_str(&self.0[written..at])?;
                f.write_str(".")?;
                written = at;
            }
            at += line.len();
        }
        f.write_str(&self.0[written..])?;
        f.write_str(".\r\n")
    }
}

/// Whether the server refused something and goes on listening.
fn is_refusal(ending: &Ending) -> bool {
    ending.code.is_some_and(|code| code != 421)
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
        let wire = Terminated(".a\r\n.\r\n..b\r\nc.\r\n").to_string();
        assert_eq!(wire, "..a\r\n..\r\n...b\r\nc.\r\n.\r\n");
    }
}
