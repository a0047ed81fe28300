//! What the service manager is told, where there is one that wants to know (`sd_notify`(3)): a datagram to
//! the socket that the variable `NOTIFY_SOCKET` names. Nobody waits for an answer, and without the
//! variable nothing happens.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// Clients are served. The process of this id is the one to watch from now on: after a hand-over that
/// is another one than before.
pub(super) fn ready() {
    tell(&format!("READY=1\nMAINPID={}\nSTATUS=serving", std::process::id()));
}

/// The configuration is being read again; [`reloaded`] follows.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
}

/// The configuration was read again, with this result.
pub(super) fn reloaded(is_accepted: bool) {
    let status = if is_accepted { "serving" } else { "serving; the last reload was rejected, see the log" };
    tell(&format!("READY=1\nSTATUS={status}"));
}

/// The process drains.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=draining");
}

fn tell(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(name.as_encoded_bytes(), state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

fn send(name: &[u8], state: &str) -> io::Result<()> {
    let address = match name.split_first() {
        Some((b'@', rest)) => SocketAddr::from_abstract_name(rest)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::new(
            std::str::from_utf8(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        ))?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold us up.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_a_path_and_an_abstract_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let by_path = UnixDatagram::bind(&path).expect("a socket");
        let name = format!("parallax-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let by_name = UnixDatagram::bind_addr(&address).expect("a socket");
        let mut buffer = [0; 64];
        for (socket, place) in [(by_path, path.display().to_string()), (by_name, format!("@{name}"))] {
            send(place.as_bytes(), "READY=1").expect("told");
            let length = socket.recv(&mut buffer).expect("a datagram");
            assert_eq!(&buffer[..length], b"READY=1");
        }
    }
}
