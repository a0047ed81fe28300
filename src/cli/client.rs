//! How commands talk to a running server: which one, with which token, and what its answers mean
//! for the exit code. One connection a request, plain HTTP, bounded in time and size.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

use super::view::Problem;
use super::{NOT_MET, UNREACHED, WRONG_USAGE};
use crate::config::{self, Scheme, Secret, UpstreamUrl};

/// How long the server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take for a complete answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Which server, and with which token.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// The control address of a running server, like http://127.0.0.1:9900 [default: as in the
    /// configuration]
    #[arg(long, value_name = "URL", env = "PARALLAX_SERVER", hide_env_values = true)]
    server: Option<String>,
    /// The configuration whose control address is used
    #[arg(short, long, value_name = "FILE", default_value = "parallax.yaml")]
    config: PathBuf,
    /// A file that holds the token; the variable PARALLAX_TOKEN may hold it instead
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ServerArgs {
    /// The configuration that is named, or the default one.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }
}

/// Why the server did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There was no answer.
    #[error(
        "cannot reach the server at {url}: {reason}; start it with `parallax serve`, or name another with `--server URL`"
    )]
    Unreached {
        /// The address that was tried.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// It answered, and it was no.
    #[error("{problem}{}", hint(*.status))]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// What it said.
        problem: Problem,
    },
    /// It answered something that this version cannot read.
    #[error("the server at {url} answers something else than parallax: {reason}; is the address right?")]
    Unreadable {
        /// The address.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ClientError {
    /// The exit code that stands for it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unreached { .. } | Self::Unreadable { .. } => UNREACHED,
            Self::Refused { status, .. } if *status == StatusCode::CONFLICT => NOT_MET,
            Self::Refused { status, .. } if status.is_server_error() => UNREACHED,
            Self::Refused { .. } => WRONG_USAGE,
        }
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "; give a token with `--token-file FILE` or the variable PARALLAX_TOKEN",
        StatusCode::FORBIDDEN => "; use a token with the role that this needs",
        _ => "",
    }
}

/// A running server.
pub(super) struct Client {
    url: UpstreamUrl,
    token: Option<Secret>,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// The server that the arguments name.
    pub(super) fn find(args: &ServerArgs) -> anyhow::Result<Self> {
        let url = match &args.server {
            Some(server) => read_url(server)?,
            None => configured(&args.config)?,
        };
        let token = token(args.token_file.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the network runtime")?;
        Ok(Self { url, token, runtime })
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        self.url.to_string()
    }

    /// What stands at a path of the API, as the server wrote it.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        let body = self.exchange(Method::GET, path, None)?;
        String::from_utf8(body.into()).map_err(|error| self.unreadable(error.to_string()).into())
    }

    /// What stands at a path of the API.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.read(&self.exchange(Method::GET, path, None)?)
    }

    /// Asks for a change.
    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.read(&self.exchange(Method::POST, path, Some(body))?)
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> anyhow::Result<T> {
        serde_json::from_slice(body).map_err(|error| self.unreadable(error.to_string()).into())
    }

    fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Bytes> {
        let request = self.request(method, path, body)?;
        let (status, body) = self.runtime.block_on(self.send(request))?;
        if status.is_success() {
            return Ok(body);
        }
        let problem = Problem::read(status, &body);
        Err(ClientError::Refused { status, problem }.into())
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url.base_path))
            .header(header::HOST, self.url.authority.as_str())
            .header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            let mut value = http::HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .context("the token has characters that no header may have")?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        Ok(request.body(Full::new(bytes))?)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), ClientError> {
        let address = (self.url.host.as_str(), self.url.port);
        let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|error| self.unreached(error.to_string()))?,
            Err(_) => return Err(self.unreached(format!("no connection within {} s", CONNECT.as_secs()))),
        };
        match tokio::time::timeout(ANSWER, converse(stream, request)).await {
            Ok(answer) => answer.map_err(|error| self.unreadable(error.to_string())),
            Err(_) => Err(self.unreached(format!("no complete answer within {} s", ANSWER.as_secs()))),
        }
    }

    fn unreached(&self, reason: String) -> ClientError {
        ClientError::Unreached { url: self.url.to_string(), reason }
    }

    fn unreadable(&self, reason: String) -> ClientError {
        ClientError::Unreadable { url: self.url.to_string(), reason }
    }
}

/// Sends one request and reads the whole answer, driving the connection meanwhile.
async fn converse(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await?;
        Ok((status, body.to_bytes()))
    };
    // What ends the connection early ends the answer too, which then tells why.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

fn read_url(text: &str) -> anyhow::Result<UpstreamUrl> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: UpstreamUrl = with_scheme.parse().map_err(|error| anyhow::anyhow!("`--server`: {error}"))?;
    match url.scheme {
        Scheme::Http => Ok(url),
        Scheme::Https => anyhow::bail!(
            "`--server`: the control listener speaks no TLS; write `http://`, on its own machine or through a tunnel"
        ),
    }
}

/// The control address in a configuration, as this machine reaches it.
fn configured(path: &Path) -> anyhow::Result<UpstreamUrl> {
    let address = config::control_address(path).with_context(|| {
        "no server is named: give `--server URL`, set PARALLAX_SERVER, or name a configuration with `-c FILE`"
    })?;
    if address.port() == 0 {
        anyhow::bail!(
            "{}: `control.listen` has port 0, which the system chooses; give `--server URL`",
            path.display()
        );
    }
    let reachable = match address.ip() {
        ip if !ip.is_unspecified() => address,
        std::net::IpAddr::V4(_) => (std::net::Ipv4Addr::LOCALHOST, address.port()).into(),
        std::net::IpAddr::V6(_) => (std::net::Ipv6Addr::LOCALHOST, address.port()).into(),
    };
    read_url(&reachable.to_string())
}

fn token(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    match file {
        Some(path) => Secret::from_file(path).map(Some).map_err(anyhow::Error::msg),
        None => Ok(std::env::var("PARALLAX_TOKEN")
            .ok()
            .filter(|token| !token.is_empty())
            .map(|token| token.as_str().into())),
    }
}

/// An operation's place in the API; its name may hold `/` and `:`.
pub(super) fn operation_path(id: &str) -> String {
    format!("/api/v1/operations/{}", encoded(id))
}

/// A text as part of a path or of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_named_without_its_scheme() {
        let url = |text: &str| read_url(text).map(|url| url.to_string()).ok();
        assert_eq!(url("127.0.0.1:9900"), Some("http://127.0.0.1:9900".into()));
        assert_eq!(url("http://host:9900/"), Some("http://host:9900".into()));
        assert_eq!(url("https://host"), None);
    }

    #[test]
    fn the_control_address_is_reached_from_this_machine() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("parallax.yaml");
        let url = |listen: &str| {
            let sides = "legacy: http://a\ncandidate: {url: http://b, headers: {authorization: 'env:NOT_SET_HERE'}}\n";
            let text =
                format!("{sides}operations: [{{id: a, match: GET /a}}]\ncontrol: {{listen: '{listen}'}}\n");
            std::fs::write(&path, text).expect("a file");
            configured(&path).map(|url| url.to_string()).ok()
        };
        assert_eq!(url("127.0.0.1:9901"), Some("http://127.0.0.1:9901".into()));
        assert_eq!(url("0.0.0.0:9901"), Some("http://127.0.0.1:9901".into()));
        assert_eq!(url("[::]:9901"), Some("http://[::1]:9901".into()));
        assert_eq!(url("127.0.0.1:0"), None);
    }

    #[test]
    fn operation_names_are_one_segment() {
        assert_eq!(operation_path("returns/get:v1.2"), "/api/v1/operations/returns%2Fget%3Av1.2");
    }
}
