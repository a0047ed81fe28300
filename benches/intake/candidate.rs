//! A candidate that costs next to nothing: silent, or always the same answer.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A candidate on a thread of its own; it ends with the process.
pub(crate) struct Candidate {
    pub(crate) port: u16,
}

impl Candidate {
    /// Takes connections and says nothing.
    pub(crate) fn silent() -> Self {
        Self::start(None)
    }

    /// Answers every request with this JSON.
    pub(crate) fn answering(body: &str) -> Self {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        Self::start(Some(format!("{head}: {}\r\n\r\n{body}", body.len())))
    }

    fn start(answer: Option<String>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let work = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, answer.map(Arc::from)));
        };
        parallax::tasks::spawn_thread("candidate", work).expect("a thread");
        Self { port }
    }
}

async fn serve(listener: std::net::TcpListener, answer: Option<Arc<str>>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        parallax::tasks::spawn(talk(stream, answer.clone()));
    }
}

/// Requests come without a body and one at a time.
async fn talk(mut stream: TcpStream, answer: Option<Arc<str>>) {
    let (mut buffer, mut held) = (vec![0; 16 * 1024], 0);
    while let Ok(read) = stream.read(&mut buffer[held..]).await {
        if read == 0 {
            return;
        }
        held += read;
        if !buffer[..held].ends_with(b"\r\n\r\n") {
            continue;
        }
        held = 0;
        let Some(answer) = &answer else { continue };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
