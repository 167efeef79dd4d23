//! A wire to Postgres that is cut at a chosen statement: before the server gets it, or after the server has done it.

use std::path::PathBuf;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinHandle,
};

/// Where to cut, once some bytes pass on their way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never sees them.
    Before,
    /// The server has answered; the answer is lost.
    After,
}

/// A listening end of the wire. It ends when it is dropped.
pub struct Wire {
    /// The database's URL over the wire.
    pub url: String,
    task: JoinHandle<()>,
}

impl Wire {
    /// A wire to the test database of `url` that is cut where `bytes` pass, each time, on whichever connection.
    pub async fn to(url: &str, cut: Cut, bytes: &'static [u8]) -> Self {
        let (name, sockets) = parts(url).expect("the harness's own form");
        let socket = PathBuf::from(sockets).join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&socket).await else {
                    continue;
                };
                tokio::spawn(carry(client, server, cut, bytes));
            }
        });
        Self {
            url: format!("postgres://postgres@{address}/{name}"),
            task,
        }
    }
}

/// Name and socket directory of `postgres:///NAME?host=DIRECTORY&user=postgres`.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (name, parameters) = url.strip_prefix("postgres:///")?.split_once("?host=")?;
    Some((name, parameters.split('&').next()?))
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes both ways until one end closes or the wire is cut.
async fn carry(mut client: TcpStream, mut server: UnixStream, cut: Cut, bytes: &[u8]) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut passed = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Some(count) = read.ok().filter(|count| *count > 0) else { return };
                let chunk = &up[..count];
                passed = chunk.windows(bytes.len()).any(|window| window == bytes);
                if passed && cut == Cut::Before {
                    return;
                }
                if server.write_all(chunk).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Some(count) = read.ok().filter(|count| *count > 0) else { return };
                if passed {
                    return;
                }
                if client.write_all(&down[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
