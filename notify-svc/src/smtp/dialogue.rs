//! What a mail server is told, and what it answers (RFC 5321, section 4).
//!
//! Replies are read as they come, not as they should be: whether a server took an email must not hang on how it spells its
//! answer. Any three digits that begin with 2 to 5 are a code, with words or without, in any encoding.

use std::{future::Future, io, time::Duration};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::fault;
use crate::domain::reply::{Ending, Enhanced, Step};

/// Octets of a reply, all lines together. Longer ones are no reply.
const MAX_REPLY: u64 = 64 * 1024;

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What the first digit of a code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Done = 2,
    GoOn = 3,
}

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200 to 599. Where its lines have several, the last one's.
    pub(super) code: u16,
    /// What stands behind the codes.
    pub(super) lines: Vec<String>,
}

impl Reply {
    fn is(&self, class: Class) -> bool {
        self.code / 100 == class as u16
    }

    /// An email's end by this answer.
    pub(super) fn ends(&self, step: Step) -> Ending {
        let text = self.lines.join(" ");
        Ending {
            step,
            code: Some(self.code),
            enhanced: Enhanced::at_start_of(&text),
            text,
            relay: None,
        }
    }
}

/// A conversation with a mail server.
pub(super) struct Dialogue {
    wire: BufReader<Box<dyn Stream>>,
}

impl Dialogue {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            wire: BufReader::new(stream),
        }
    }

    /// Says `command`, line ends included, and waits for an answer of the class `good`; any other is an ending.
    pub(super) async fn ask(
        &mut self,
        limit: Duration,
        step: Step,
        command: &str,
        good: Class,
    ) -> Result<Reply, Ending> {
        let asked = async {
            let said = self.say(command).await;
            let heard = self.reply().await;
            match said {
                // A server that says why and closes has not waited for the end of the command.
                Err(error) if !heard.as_ref().is_ok_and(|reply| reply.code >= 400) => Err(error),
                Ok(()) | Err(_) => heard,
            }
        };
        as_expected(good, step, within(limit, step, asked).await?)
    }

    /// Waits for an answer to what was said before.
    pub(super) async fn hear(&mut self, limit: Duration, step: Step, good: Class) -> Result<Reply, Ending> {
        let reply = within(limit, step, self.reply()).await?;
        as_expected(good, step, reply)
    }

    /// Whether the server has said something that nobody asked for yet.
    pub(super) fn has_unheard(&self) -> bool {
        !self.wire.buffer().is_empty()
    }

    /// What was not heard is dropped.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.wire.into_inner()
    }

    async fn say(&mut self, command: &str) -> io::Result<()> {
        self.wire.write_all(command.as_bytes()).await?;
        self.wire.flush().await
    }

    async fn reply(&mut self) -> io::Result<Reply> {
        let mut wire = (&mut self.wire).take(MAX_REPLY);
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            wire.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return Err(if wire.limit() == 0 {
                    io::Error::other("the reply does not end")
                } else {
                    io::Error::other("the connection was closed")
                });
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            let Some(code) = code(text) else {
                return Err(io::Error::other(format!("the reply has no code: {text}")));
            };
            let (is_last, words) = match text[3..].strip_prefix('-') {
                Some(words) => (false, words),
                None => (true, text[3..].trim_start()),
            };
            lines.push(words.to_owned());
            if is_last {
                return Ok(Reply { code, lines });
            }
        }
    }
}

fn code(line: &str) -> Option<u16> {
    let digits = line.get(..3)?;
    let code = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse());
    code?.ok().filter(|code| (200..600).contains(code))
}

/// An answer that means nothing here leaves open what the next one is to, so it is taken for none.
fn as_expected(good: Class, step: Step, reply: Reply) -> Result<Reply, Ending> {
    if reply.is(good) {
        Ok(reply)
    } else if reply.code >= 400 {
        Err(reply.ends(step))
    } else {
        let text = reply.lines.join(" ");
        Err(fault(step, format!("unexpected reply {} {text}", reply.code)))
    }
}

/// What fails or takes longer than `limit` is an ending at `step`.
pub(super) async fn within<T>(
    limit: Duration,
    step: Step,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Ending> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(fault(step, error.to_string())),
        Err(_elapsed) => Err(fault(step, "timed out")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn dialogue() -> (Dialogue, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        (Dialogue::new(Box::new(ours)), theirs)
    }

    async fn answer(said: &[u8]) -> Result<Reply, Ending> {
        let (mut dialogue, mut server) = dialogue();
        server.write_all(said).await.expect("there is room");
        drop(server);
        dialogue.hear(LIMIT, Step::Body, Class::Done).await
    }

    async fn check(said: &[u8], code: u16, lines: &[&str]) {
        let reply = answer(said).await.expect("an answer");
        assert_eq!(
            (reply.code, reply.lines),
            (code, lines.iter().map(|line| (*line).to_owned()).collect())
        );
    }

    #[tokio::test]
    async fn what_a_server_says_counts_however_it_spells_it() {
        check(b"250 2.0.0 queued\r\n", 250, &["2.0.0 queued"]).await;
        check(b"250-one\r\n250 two\r\n", 250, &["one", "two"]).await;
        check(b"250\r\n", 250, &[""]).await;
        check(b"250-\r\n250\r\n", 250, &["", ""]).await;
        check(b"250 ok\n", 250, &["ok"]).await;
        check(
            b"250 angenommen, Gr\xfc\xdfe\r\n",
            250,
            &["angenommen, Gr\u{fffd}\u{fffd}e"],
        )
        .await;
        check("250 受け取りました\r\n".as_bytes(), 250, &["受け取りました"]).await;
        check(b"271 odd\r\n", 271, &["odd"]).await;
    }

    #[tokio::test]
    async fn a_refusal_is_one_whatever_its_second_digit_and_its_encoding() {
        for (said, code, text) in [
            (&b"571 5.7.1 no\r\n"[..], 571, "5.7.1 no"),
            (b"599\r\n", 599, ""),
            (
                b"550 5.1.1 unbekannter Empf\xe4nger\r\n",
                550,
                "5.1.1 unbekannter Empf\u{fffd}nger",
            ),
            (
                b"452-4.3.1 full,\r\n452 4.3.1 wait\r\n",
                452,
                "4.3.1 full, 4.3.1 wait",
            ),
        ] {
            let ending = answer(said).await.expect_err("a refusal");
            assert_eq!((ending.code, &*ending.text), (Some(code), text));
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_has_no_code() {
        let long = [b"250-", &[b'x'; 70_000][..], b"\r\n250 ok\r\n"].concat();
        for (said, text) in [
            (&b"what?\r\n"[..], "the reply has no code: what?"),
            (b"25\r\n", "the reply has no code: 25"),
            (b"\xfc50 ok\r\n", "the reply has no code: \u{fffd}50 ok"),
            (b"650 ok\r\n", "the reply has no code: 650 ok"),
            (b"+50 ok\r\n", "the reply has no code: +50 ok"),
            (b"354 go on\r\n", "unexpected reply 354 go on"),
            (b"250-more to come\r\n", "the connection was closed"),
            (b"250 o", "the connection was closed"),
            (b"", "the connection was closed"),
            (&long, "the reply does not end"),
        ] {
            let ending = answer(said).await.expect_err("no answer");
            assert_eq!((ending.code, &*ending.text), (None, text));
        }
    }

    #[tokio::test]
    async fn a_server_that_refuses_before_it_was_told_everything_is_heard() {
        let ask = async |said: &[u8]| {
            let (ours, mut server) = tokio::io::duplex(1024);
            let mut dialogue = Dialogue::new(Box::new(ours));
            server.write_all(said).await.expect("there is room");
            drop(server);
            let body = "x".repeat(100_000);
            dialogue
                .ask(LIMIT, Step::Body, &body, Class::Done)
                .await
                .expect_err("refused")
                .code
        };
        assert_eq!(ask(b"552 5.3.4 too big\r\n").await, Some(552));
        assert_eq!(
            ask(b"250 ok\r\n").await,
            None,
            "it cannot have taken what it was not given"
        );
    }
}
