//! A listener on a thread of its own, served until it is dropped, so that tests with and without
//! a runtime can use it and a stalled test never stalls the service.

use std::future::Future;
use std::net::{SocketAddr, TcpListener as Bound};
use std::thread;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A listener that is served.
pub(crate) struct Host {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    /// Listens on a free port of 127.0.0.1 and serves it.
    pub(crate) fn start<S, F>(name: &str, serve: S) -> Self
    where
        S: FnOnce(TcpListener) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = Bound::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread =
            thread::Builder::new().name(format!("{name}-{}", addr.port())).spawn(work).expect("a thread");
        Self { addr, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; one in a drop would hide the test's own.
            let _ = thread.join();
        }
    }
}
