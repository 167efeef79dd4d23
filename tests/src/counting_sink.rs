//! A mail server that takes everything at once and only counts.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What it counted.
#[derive(Default)]
pub struct Counts {
    taken: AtomicU64,
    /// When an email to the reader of this number was taken; kept only while somebody asks for it.
    times: Mutex<Option<Vec<(u64, Instant)>>>,
}

impl Counts {
    /// Emails that were taken so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Notes from now on when each email is taken.
    pub fn note_times(&self) {
        *self.lock() = Some(Vec::new());
    }

    /// When emails were taken since [`Counts::note_times`], with the number that begins each reader's address.
    pub fn times(&self) -> Vec<(u64, Instant)> {
        self.lock().take().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<(u64, Instant)>>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, reader: u64) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        if let Some(times) = &mut *self.lock() {
            times.push((reader, Instant::now()));
        }
    }
}

/// Serves on a free port of loopback until the program ends.
pub async fn start() -> io::Result<(SocketAddr, Arc<Counts>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (addr, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
    let counted = counts.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counts = counted.clone();
            // A client that goes away ends its session, nothing else.
            tokio::spawn(async move { session(stream, &counts).await.ok() });
        }
    });
    Ok((addr, counts))
}

async fn session(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.split();
    let mut lines = BufReader::with_capacity(64 * 1_024, read);
    write.write_all(b"220 sink\r\n").await?;
    let (mut line, mut reader) = (Vec::new(), 0);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let reply: &[u8] = match line.get(..4).unwrap_or_default() {
            b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            b"RCPT" => {
                reader = number(&line);
                b"250 ok\r\n"
            }
            b"DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                loop {
                    line.clear();
                    if lines.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                }
                counts.take(reader);
                b"250 taken\r\n"
            }
            b"QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 ok\r\n",
        };
        write.write_all(reply).await?;
    }
}

/// The number in `RCPT TO:<r123@…>`.
fn number(line: &[u8]) -> u64 {
    let digits = line.iter().skip_while(|byte| !byte.is_ascii_digit());
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
