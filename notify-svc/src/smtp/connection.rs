//! One connection to the mail server, step by step: how far an email got is known at every moment.

use std::{
    borrow::Cow,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    dialogue::{Class, Dialogue, Reply, within},
    envelope::Envelope,
    fault,
    relay::Place,
    tls::Trust,
    url::{Credentials, MailServer, Tls},
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
    smtp: Dialogue,
    limits: Limits,
    offers: Offers,
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
/// The same where it does not take our login (RFC 5248, X.7.8).
const LOGIN_INVALID: Enhanced = Enhanced {
    class: 5,
    subject: 7,
    detail: 8,
};
/// The same where it does not take our address as the sender's (RFC 3463, X.1.8).
const BAD_SENDER: Enhanced = Enhanced {
    class: 5,
    subject: 1,
    detail: 8,
};

/// What a server says that it can do, of what we use.
#[derive(Debug, Clone, Copy, Default)]
struct Offers {
    /// It takes commands before it has answered the ones before (RFC 2920).
    pipelining: bool,
    smtputf8: bool,
    starttls: bool,
    auth_plain: bool,
    auth_login: bool,
}

impl Offers {
    fn in_answer_to_ehlo(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line is the server's greeting.
        for line in reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()) {
            // Some write AUTH=PLAIN.
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("PIPELINING") => offers.pipelining = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("STARTTLS") => offers.starttls = true,
                Some("AUTH") => {
                    for mechanism in words {
                        offers.auth_plain |= mechanism == "PLAIN";
                        offers.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// Hears the greeting, encrypts and authenticates as `server` asks.
async fn greet(
    mut smtp: Dialogue,
    hello: &str,
    server: &MailServer,
    trust: &Trust,
    limit: Duration,
) -> Result<(Dialogue, Offers), Ending> {
    let step = Step::Connect;
    let unsafe_server = |what: &str| Ending {
        enhanced: Some(SECURITY_NOT_SUPPORTED),
        ..fault(step, format!("the mail server does not offer {what}"))
    };
    smtp.hear(limit, step, Class::Done).await?;
    let mut offers = Offers::in_answer_to_ehlo(&smtp.ask(limit, step, hello, Class::Done).await?);
    if server.tls == Tls::Starttls {
        if !offers.starttls {
            return Err(unsafe_server("STARTTLS"));
        }
        let answer = smtp.ask(limit, step, "STARTTLS\r\n", Class::Done).await;
        answer.map_err(|ending| refused(ending, SECURITY_NOT_SUPPORTED))?;
        // It would be taken for an answer under the protection that it did not have.
        if smtp.has_unheard() {
            return Err(fault(step, "the mail server spoke before encryption began"));
        }
        smtp = within(limit, step, trust.encrypt(smtp.into_stream(), &server.host)).await?;
        offers = Offers::in_answer_to_ehlo(&smtp.ask(limit, step, hello, Class::Done).await?);
    }
    if let Some(Credentials { user, password }) = &server.credentials {
        let password = password.expose_secret();
        if offers.auth_plain {
            // RFC 4616
            let told = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
            let command = format!("AUTH PLAIN {told}\r\n");
            let answer = smtp.ask(limit, step, &command, Class::Done).await;
            answer.map_err(|ending| refused(ending, LOGIN_INVALID))?;
        } else if offers.auth_login {
            let line = |text: &str| format!("{}\r\n", BASE64_STANDARD.encode(text));
            let turns = [
                ("AUTH LOGIN\r\n".to_owned(), Class::GoOn),
                (line(user), Class::GoOn),
                (line(password), Class::Done),
            ];
            for (command, good) in turns {
                let answer = smtp.ask(limit, step, &command, good).await;
                answer.map_err(|ending| refused(ending, LOGIN_INVALID))?;
            }
        } else {
            return Err(unsafe_server("AUTH PLAIN or LOGIN"));
        }
    }
    Ok((smtp, offers))
}

/// A refusal of what stands between us and the server says so by its place, whatever its code.
fn refused(ending: Ending, means: Enhanced) -> Ending {
    match ending.code {
        Some(400..) => Ending {
            enhanced: Some(means),
            ..ending
        },
        Some(_) | None => ending,
    }
}

/// Connects to the first of `addresses` that answers; each has its share of `limit`, so that one that swallows everything
/// does not hide the others (RFC 5321, section 5.1).
async fn reach(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut failed = io::Error::other("its name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error,
            Err(_elapsed) => failed = io::Error::other(format!("{address} does not answer")),
        }
    }
    Err(failed)
}

impl Connection {
    /// Connects, encrypts and authenticates as `server` asks.
    pub(super) async fn establish(
        server: &MailServer,
        trust: &Trust,
        limits: Limits,
        place: Place,
    ) -> Result<Self, Ending> {
        let (limit, step) = (limits.command, Step::Connect);
        let name = lookup_host((server.host.as_str(), server.port));
        let addresses: Vec<SocketAddr> = within(limit, step, name).await?.collect();
        let connect = async {
            let stream = reach(&addresses, limit).await?;
            // Without it the end of a body waits 40 ms for an acknowledgement.
            stream.set_nodelay(true)?;
            let hello = hello(stream.local_addr()?);
            Ok((stream, hello))
        };
        let connected: io::Result<_> = connect.await;
        let (stream, hello) = connected.map_err(|error| fault(step, error.to_string()))?;
        let smtp = match server.tls {
            Tls::None | Tls::Starttls => Dialogue::new(Box::new(stream)),
            Tls::Implicit => within(limit, step, trust.encrypt(Box::new(stream), &server.host)).await?,
        };
        let (smtp, offers) = greet(smtp, &hello, server, trust, limits.command).await?;
        Ok(Self {
            smtp,
            limits,
            offers,
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
        let mail = format!("MAIL FROM:<{}>{}\r\n", envelope.from, self.parameters(envelope)?);
        let rcpt = format!("RCPT TO:<{}>\r\n", envelope.to);
        let data = "DATA\r\n";
        let (limit, smtp) = (self.limits.command, &mut self.smtp);
        if self.offers.pipelining {
            let commands = [&*mail, &*rcpt, data].concat();
            smtp.ask(limit, Step::Mail, &commands, Class::Done).await?;
            let answer = smtp.hear(limit, Step::Rcpt, Class::Done).await;
            answer.map_err(|ending| of_reader_or_sender(ending, envelope))?;
            smtp.hear(limit, Step::Data, Class::GoOn).await?;
        } else {
            smtp.ask(limit, Step::Mail, &mail, Class::Done).await?;
            let answer = smtp.ask(limit, Step::Rcpt, &rcpt, Class::Done).await;
            answer.map_err(|ending| of_reader_or_sender(ending, envelope))?;
            smtp.ask(limit, Step::Data, data, Class::GoOn).await?;
        }
        Ok(())
    }

    /// Our emails are ASCII throughout, but for an address whose local part is not; whoever takes such an address takes
    /// headers in UTF-8, too (RFC 6531, section 3.1).
    fn parameters(&self, envelope: &Envelope) -> Result<&'static str, Ending> {
        if [&envelope.from, &envelope.to]
            .iter()
            .all(|address| address.to_string().is_ascii())
        {
            return Ok("");
        }
        if !self.offers.smtputf8 {
            return Err(fault(
                Step::Compose,
                "the address is not ASCII before the @, and the mail server does not offer SMTPUTF8",
            ));
        }
        Ok(" BODY=8BITMIME SMTPUTF8")
    }

    /// The body and the server's last word on it.
    ///
    /// The body goes out as one write with its end, so that no delayed acknowledgement stands between them.
    pub(super) async fn body(&mut self, bytes: &[u8]) -> Ending {
        // It is text; reading it as such is several times faster than mending what is none.
        let body = std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
        let limit = self.limits.final_reply;
        let answer = self
            .smtp
            .ask(limit, Step::Body, &terminated(&body), Class::Done)
            .await;
        self.reusable = answer.as_ref().map_or_else(is_refusal, |_taken| true);
        match answer {
            Ok(reply) => {
                self.carried += 1;
                reply.ends(Step::Body)
            }
            Err(ending) => ending,
        }
    }

    /// Ends a transaction that was refused.
    pub(super) async fn reset(&mut self, ending: &Ending) {
        let alive = ending.step == Step::Compose || is_refusal(ending) && self.heard_out(ending.step).await;
        let reset = self
            .smtp
            .ask(self.limits.command, Step::Mail, "RSET\r\n", Class::Done);
        self.reusable = alive && reset.await.is_ok();
    }

    /// Hears what the server says to the commands that were sent with the refused one. Whether it still waits for
    /// commands: with a 354 it waits for a body that it must not get.
    async fn heard_out(&mut self, refused: Step) -> bool {
        let later = match refused {
            Step::Mail if self.offers.pipelining => [Step::Rcpt, Step::Data].as_slice(),
            Step::Rcpt if self.offers.pipelining => &[Step::Data],
            Step::Compose | Step::Connect | Step::Mail | Step::Rcpt | Step::Data | Step::Body => &[],
        };
        for step in later {
            match self.smtp.hear(self.limits.command, *step, Class::Done).await {
                Err(ending) if is_refusal(&ending) => {}
                Ok(_) if *step != Step::Data => {}
                // After a silence nobody knows which command the next answer is to.
                Ok(_) | Err(_) => return false,
            }
        }
        true
    }

    /// What was said unasked would be taken for the answer to the next command.
    pub(super) fn is_reusable(&self) -> bool {
        self.reusable && !self.smtp.has_unheard()
    }

    /// Says goodbye where that makes sense, behind everybody's back, and closes.
    pub(super) fn retire(mut self) {
        if self.is_reusable() {
            tokio::spawn(async move {
                // Whether it is heard does not matter.
                let _ = self
                    .smtp
                    .ask(self.limits.command, Step::Connect, "QUIT\r\n", Class::Done)
                    .await;
            });
        }
    }

    /// Closes, and frees its place for another connection.
    pub(super) fn close(self) -> Place {
        self.place
    }
}

/// How we introduce ourselves: by this machine's name where it is a whole one, else by our end of the connection (RFC 5321,
/// section 4.1.3), since servers refuse half a name.
fn hello(local: SocketAddr) -> String {
    let name = hostname::get().ok().and_then(|name| name.into_string().ok());
    match (name.filter(|name| is_whole(name)), local) {
        (Some(name), _) => format!("EHLO {name}\r\n"),
        (None, SocketAddr::V4(local)) => format!("EHLO [{}]\r\n", local.ip()),
        (None, SocketAddr::V6(local)) => format!("EHLO [IPv6:{}]\r\n", local.ip()),
    }
}

fn is_whole(name: &str) -> bool {
    let labels = || name.split('.');
    labels().count() > 1
        && labels().all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// Some servers judge the sender when the reader is named (Postfix unless `smtpd_delay_reject = no`), and call an unknown
/// one 5.1.0 as if it were the reader. Their words name the address that they mean.
fn of_reader_or_sender(ending: Ending, envelope: &Envelope) -> Ending {
    let names = |address: String| ending.text.contains(&format!("<{address}>"));
    let means_sender = ending.code.is_some_and(|code| code >= 500)
        && names(envelope.from.to_string())
        && !names(envelope.to.to_string());
    if means_sender {
        Ending {
            enhanced: Some(BAD_SENDER),
            ..ending
        }
    } else {
        ending
    }
}

/// A body with its dots doubled (RFC 5321, section 4.5.2) and the line that ends it.
fn terminated(body: &str) -> String {
    // In as few pieces as there are dots to double: hardly a body has one.
    let mut whole = String::with_capacity(body.len() + 16);
    let (mut written, mut at) = (0, 0);
    for line in body.split_inclusive('\n') {
        if line.starts_with('.') {
            whole.push_str(&body[written..at]);
            whole.push('.');
            written = at;
        }
        at += line.len();
    }
    whole.push_str(&body[written..]);
    whole.push_str(".\r\n");
    whole
}

/// Whether the server refused something and goes on listening.
fn is_refusal(ending: &Ending) -> bool {
    ending.code.is_some_and(|code| code != 421)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::domain::reply::{Verdict, verdict};

    /// Greets a server that says `turns`, one after each command: what it was told, and what came of it.
    async fn greeted(url: &str, turns: &[&str]) -> (String, Result<Offers, Ending>) {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let server = crate::smtp::url::parse(url).expect("well formed");
        let trust = Trust::new(None).expect("there are public authorities");
        let greeting = greet(
            Dialogue::new(Box::new(ours)),
            "EHLO me\r\n",
            &server,
            &trust,
            Duration::from_secs(5),
        );
        let serving = async {
            let mut told = String::new();
            for turn in turns {
                theirs.write_all(turn.as_bytes()).await.expect("it listens");
                let mut bytes = [0; 1024];
                let read = theirs.read(&mut bytes).await.expect("it may speak");
                told.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            told
        };
        let (came, told) = tokio::join!(async { greeting.await.map(|(_closed, offers)| offers) }, serving);
        (told, came)
    }

    #[tokio::test]
    async fn a_login_is_the_first_that_the_server_takes() {
        // As if TLS were there already: it is a matter of the stream.
        let url = "smtps://ada:p%20w@mail.example";
        for offers in [
            "AUTH PLAIN LOGIN",
            "auth login plain",
            "AUTH=PLAIN",
            "AUTH CRAM-MD5 PLAIN",
        ] {
            let turns = [
                "220 hi\r\n",
                &format!("250-mail\r\n250 {offers}\r\n"),
                "235 in\r\n",
            ];
            let (told, came) = greeted(url, &turns).await;
            assert_eq!(told, "EHLO me\r\nAUTH PLAIN AGFkYQBwIHc=\r\n", "{offers}");
            assert!(came.is_ok(), "{came:?}");
        }
        let hello = "250-mail\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n";
        let turns = [
            "220 hi\r\n",
            hello,
            "334 VXNlcm5hbWU6\r\n",
            "334 UGFzc3dvcmQ6\r\n",
            "235 in\r\n",
        ];
        let (told, came) = greeted(url, &turns).await;
        assert_eq!(told, "EHLO me\r\nAUTH LOGIN\r\nYWRh\r\ncCB3\r\n");
        let offers = came.expect("logged in");
        assert!(offers.pipelining && !offers.smtputf8);
    }

    #[tokio::test]
    async fn no_password_is_told_where_none_is_asked_for() {
        for hello in [
            "250 mail\r\n",
            "250-AUTH PLAIN\r\n250 ok\r\n",
            "250-mail\r\n250 AUTH GSSAPI\r\n",
        ] {
            let (told, came) = greeted("smtps://ada:pw@mail.example", &["220 hi\r\n", hello]).await;
            assert_eq!(told, "EHLO me\r\n");
            let ending = came.expect_err("no login");
            assert_eq!(
                (ending.code, ending.enhanced),
                (None, Some(SECURITY_NOT_SUPPORTED))
            );
        }
    }

    #[tokio::test]
    async fn what_was_said_in_clear_is_no_answer_under_encryption() {
        let hello = "250-mail\r\n250 STARTTLS\r\n";
        let turns = [
            "220 hi\r\n",
            hello,
            "220 go on\r\n250-mail\r\n250 AUTH PLAIN\r\n235 in\r\n",
        ];
        let (told, came) = greeted("smtp://ada:pw@mail.example", &turns).await;
        assert_eq!(told, "EHLO me\r\nSTARTTLS\r\n");
        let ending = came.expect_err("nobody is trusted");
        assert_eq!(ending.text, "the mail server spoke before encryption began");
    }

    #[tokio::test]
    async fn a_refused_login_or_encryption_is_the_servers_fault_whatever_its_code() {
        let (login, clear) = ("250-mail\r\n250 AUTH PLAIN\r\n", "250-mail\r\n250 STARTTLS\r\n");
        for (url, hello, answer) in [
            (
                "smtps://ada:pw@mail.example",
                login,
                "451 Authentication failed: no credits\r\n",
            ),
            ("smtps://ada:pw@mail.example", login, "501 what?\r\n"),
            (
                "smtps://ada:pw@mail.example",
                "250-mail\r\n250 AUTH LOGIN\r\n",
                "504 not that\r\n",
            ),
            ("smtp://ada:pw@mail.example", clear, "502 5.5.1 not today\r\n"),
        ] {
            let (_, came) = greeted(url, &["220 hi\r\n", hello, answer]).await;
            let ending = came.expect_err("refused");
            assert_eq!(verdict(&ending), Verdict::RelayFault, "{ending:?}");
        }
    }

    #[test]
    fn a_sender_that_is_refused_when_the_reader_is_named_is_not_the_readers_fault() {
        let envelope = Envelope {
            email_id: uuid::Uuid::nil(),
            from: "news@example.com".parse().expect("an address"),
            to: "ben@example.org".parse().expect("an address"),
        };
        let judged = |text: &str| {
            let ending = Ending {
                code: Some(550),
                enhanced: Enhanced::at_start_of(text),
                ..fault(Step::Rcpt, text)
            };
            verdict(&of_reader_or_sender(ending, &envelope))
        };
        for (text, expected) in [
            (
                "5.1.0 <news@example.com>: Sender address rejected: User unknown",
                Verdict::Suspected,
            ),
            ("5.1.0 <ben@example.org> Recipient not found", Verdict::NoMailbox),
            (
                "5.1.1 <ben@example.org>: Recipient address rejected",
                Verdict::NoMailbox,
            ),
            (
                "5.1.1 <ben@example.org> wants nothing of <news@example.com>",
                Verdict::NoMailbox,
            ),
            ("5.1.1 nobody", Verdict::NoMailbox),
            ("<news@example.com>: Sender address rejected", Verdict::Suspected),
        ] {
            assert_eq!(judged(text), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_hides_no_other() {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("loopback has ports");
        let silent = socket.listen(1).expect("it listens");
        let silent = (silent.local_addr().expect("bound"), silent);
        // Nobody takes these, so that the next one gets no answer.
        let mut filling = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(silent.0)).await {
            filling.push(stream.expect("there is room"));
        }
        let open = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has ports");
        let open = open.local_addr().map(|addr| (addr, open)).expect("bound");
        // The first may take half of it only.
        let limit = Duration::from_secs(8);
        let stream = timeout(limit, reach(&[silent.0, open.0], limit))
            .await
            .expect("in time");
        let stream = stream.expect("the second answers");
        assert_eq!(stream.peer_addr().expect("connected"), open.0);
        let short = Duration::from_millis(100);
        let alone = reach(&[silent.0], short).await.expect_err("nobody answers");
        assert_eq!(alone.to_string(), format!("{} does not answer", silent.0));
    }

    #[test]
    fn half_a_name_introduces_nobody() {
        for (name, whole) in [
            ("mail.example.com", true),
            ("mail-1.example", true),
            ("localhost", false),
            ("mail.", false),
            (".example", false),
            ("my host.example", false),
            ("h\u{fc}tte.example", false),
            ("", false),
        ] {
            assert_eq!(is_whole(name), whole, "{name}");
        }
        let loopback = SocketAddr::from(([127, 0, 0, 1], 25));
        assert!(hello(loopback).starts_with("EHLO ") && hello(loopback).ends_with("\r\n"));
    }

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another() {
        let wire = terminated(".a\r\n.\r\n..b\r\nc.\r\n");
        assert_eq!(wire, "..a\r\n..\r\n...b\r\nc.\r\n.\r\n");
    }
}
