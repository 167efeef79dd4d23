//! What the sink says on one connection.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{At, Encryption, Fault, Received, Shared};

pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    encryption: Encryption,
    extensions: &'static [&'static str],
) {
    let mut sessions = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let visit = Visit::start(shared.clone());
        let encryption = encryption.clone();
        // A client that goes away ends its session, nothing else.
        sessions.spawn(async move { session(stream, visit, encryption, extensions).await.ok() });
        while sessions.try_join_next().is_some() {}
    }
}

/// A connection, in the ledger until it is dropped.
struct Visit(Arc<Shared>);

impl Visit {
    fn start(shared: Arc<Shared>) -> Self {
        let mut state = shared.lock();
        state.connections += 1;
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        drop(state);
        Self(shared)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.lock().open -= 1;
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

type Wire = BufReader<Box<dyn Stream>>;

const OUT_OF_ORDER: &str = "503 5.5.1 out of order";

async fn session(
    stream: TcpStream,
    visit: Visit,
    encryption: Encryption,
    extensions: &[&str],
) -> io::Result<()> {
    let shared = &*visit.0;
    stream.set_nodelay(true)?;
    let (mut wire, mut upgrade): (Wire, _) = match encryption {
        Encryption::None => (BufReader::new(Box::new(stream)), None),
        Encryption::Starttls(certificate) => (BufReader::new(Box::new(stream)), Some(certificate)),
        Encryption::Implicit(certificate) => {
            let stream = certificate.acceptor.accept(stream).await?;
            (BufReader::new(Box::new(stream)), None)
        }
    };
    if let Next::Drop = perform(Some(At::Connect), "220 sink", shared, &mut wire).await? {
        return Ok(());
    }
    let (mut from, mut to) = (String::new(), String::new());
    // The last command of a transaction that was accepted: RCPT needs MAIL, DATA needs RCPT.
    let mut accepted = None;
    let mut line = String::new();
    loop {
        line.clear();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if !extensions.contains(&"PIPELINING") && !wire.buffer().is_empty() {
            return wire.write_all(b"554 5.5.0 too early\r\n").await;
        }
        let verb = line
            .split([' ', '\r'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        shared.lock().verbs.push(verb.clone());
        let (at, reply) = match verb.as_str() {
            "EHLO" => (Some(At::Ehlo), ehlo(extensions, upgrade.is_some())),
            "STARTTLS" if upgrade.is_some() => (None, "220 go on".to_owned()),
            "AUTH" => (Some(At::Auth), "235 welcome".to_owned()),
            "MAIL" => {
                from = line
                    .split_once(':')
                    .map_or("", |(_, from)| from.trim_end())
                    .to_owned();
                accepted = None;
                (Some(At::Mail), "250 ok".to_owned())
            }
            // Sent ahead of the refusal of MAIL: the script means the next transaction.
            "RCPT" if accepted.is_none() => (None, OUT_OF_ORDER.to_owned()),
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                (Some(At::Rcpt), "250 ok".to_owned())
            }
            "DATA" if accepted == Some(At::Rcpt) => (Some(At::Data), "354 go on".to_owned()),
            "DATA" => (Some(At::Data), OUT_OF_ORDER.to_owned()),
            "RSET" | "NOOP" => (None, "250 ok".to_owned()),
            "QUIT" => return wire.write_all(b"221 bye\r\n").await,
            _ => (None, "500 what?".to_owned()),
        };
        match perform(at, &reply, shared, &mut wire).await? {
            Next::Go if reply == OUT_OF_ORDER => {}
            Next::Go if verb == "DATA" => body(&from, &to, shared, &mut wire).await?,
            Next::Go if verb == "STARTTLS" => {
                let certificate = upgrade.take().expect("it was offered");
                let stream = certificate.acceptor.accept(wire.into_inner()).await?;
                wire = BufReader::new(Box::new(stream));
            }
            Next::Go => accepted = at.or(accepted),
            Next::Refused => {}
            Next::Drop => return Ok(()),
        }
    }
}

fn ehlo(extensions: &[&str], starttls: bool) -> String {
    let mut lines = vec!["sink"];
    lines.extend(extensions);
    lines.extend(starttls.then_some("STARTTLS"));
    let last = lines.pop().expect("there is one");
    let mut reply: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
    reply.push_str("250 ");
    reply.push_str(last);
    reply
}

enum Next {
    Go,
    Refused,
    Drop,
}

/// Meets the script's fault, or else does its duty: says `duty`.
async fn perform(at: Option<At>, duty: &str, shared: &Shared, wire: &mut Wire) -> io::Result<Next> {
    let fault = at.and_then(|at| shared.next(at));
    meet(fault, duty, shared, wire).await
}

async fn meet(fault: Option<Fault>, duty: &str, shared: &Shared, wire: &mut Wire) -> io::Result<Next> {
    if let Some(Fault::Wait | Fault::WaitThenReply(_) | Fault::WaitThenDrop) = fault {
        shared.wait().await;
    }
    if let Some(Fault::Slow(time)) = fault {
        tokio::time::sleep(time).await;
    }
    match fault {
        Some(Fault::Drop | Fault::DropAndLose | Fault::WaitThenDrop) => Ok(Next::Drop),
        Some(Fault::Silence) => {
            gone(wire).await?;
            Ok(Next::Drop)
        }
        Some(Fault::Trickle(reply)) => {
            for byte in format!("{reply}\r\n").bytes() {
                wire.write_all(&[byte]).await?;
                wire.flush().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(Next::Refused)
        }
        Some(Fault::ReplyThenDrop(reply)) => {
            say(reply, wire).await?;
            Ok(Next::Drop)
        }
        Some(Fault::Reply(reply) | Fault::WaitThenReply(reply)) => {
            say(reply, wire).await?;
            Ok(Next::Refused)
        }
        Some(Fault::Wait | Fault::Slow(_)) | None => {
            say(duty, wire).await?;
            Ok(Next::Go)
        }
    }
}

/// In Latin-1, as some servers do.
async fn say(reply: &str, wire: &mut Wire) -> io::Result<()> {
    let latin1 = |c| u8::try_from(u32::from(c)).expect("a character of Latin-1");
    let bytes: Vec<u8> = reply.chars().chain("\r\n".chars()).map(latin1).collect();
    wire.write_all(&bytes).await?;
    wire.flush().await
}

/// Waits until the client is gone.
async fn gone(wire: &mut Wire) -> io::Result<()> {
    let mut unread = Vec::new();
    while wire.read_until(b'\n', &mut unread).await? > 0 {
        unread.clear();
    }
    Ok(())
}

async fn body(from: &str, to: &str, shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        if wire.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes[start..] == *b".\r\n" {
            bytes.truncate(start);
            break;
        }
        if bytes[start] == b'.' {
            bytes.remove(start);
        }
    }
    let fault = shared.next(At::Body);
    let (taken, kept) = match fault {
        Some(Fault::Reply(reply) | Fault::ReplyThenDrop(reply) | Fault::WaitThenReply(reply)) => {
            let good = reply.starts_with('2');
            (good, good)
        }
        Some(Fault::DropAndLose) => (false, false),
        Some(Fault::Drop | Fault::WaitThenDrop | Fault::Silence | Fault::Trickle(_)) => (false, true),
        Some(Fault::Wait | Fault::Slow(_)) | None => (true, true),
    };
    let place = {
        let mut state = shared.lock();
        state.received.push(Received {
            from: from.to_owned(),
            to: to.to_owned(),
            bytes,
            taken: false,
            kept,
        });
        state.received.len() - 1
    };
    let met = meet(fault, "250 taken", shared, wire).await?;
    shared.lock().received[place].taken = taken;
    match met {
        Next::Go | Next::Refused => Ok(()),
        Next::Drop => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}
