//! The guard before everything that the control listener serves, in this order: is the request
//! for us (`Host`), may a page of this origin ask for it, who asks, and may they.
//!
//! A route is closed by default: reading needs a viewer, every other method an operator. Only the
//! paths named here are open. The guard also puts the headers on every answer that keep a browser
//! from doing more with it than it should.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use parallax_core::posted::Batch;

use super::access::{Caller, Need, digest};
use super::fields::{essence, is_json, read_body};
use super::origin::{Origin, origin};
use super::sessions::{COOKIE, SessionKey};
use super::{Problem, Shared};

/// The guard, with what it asks.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) shared: Arc<Shared>,
    pub(super) refusal: fn(&Problem, Option<&Caller>, &str) -> Response,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The fields of a form whose token was right.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The value of a field, empty when it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str())
    }
}

/// Where checks are posted.
const CHECKS: &str = "/consistency-checks";

/// The name of the field in which a form carries its token.
const FORM_TOKEN: &str = "form_token";

/// Lets a request through, or says why not.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let wants_page = wants_page(&request);
    let place = request.uri().path_and_query().map_or("/", |place| place.as_str()).to_owned();
    let mut caller = None;
    let mut response = match admit(&guard.shared, request, &mut caller).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>()
        && wants_page
    {
        response = (guard.refusal)(&problem, caller.as_ref(), &place);
    }
    harden(response.headers_mut());
    response
}

/// Whether whoever asks is a browser that shows a page.
fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_page = !request.uri().path().starts_with("/api/");
    is_page && accept.is_some_and(|accept| accept.contains("text/html"))
}

async fn admit(
    shared: &Shared,
    mut request: Request,
    known: &mut Option<Caller>,
) -> Result<Request, Problem> {
    let need = need(request.method(), request.uri().path());
    if is_probe(request.uri().path()) {
        return Ok(request);
    }
    let host = own_host(shared, &request)?;
    let peer =
        request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let origin = origin(request.headers(), &host);
    if request.uri().path() == "/events" && origin == Origin::Foreign {
        return Err(foreign("a page from elsewhere may not hold a stream open here"));
    }
    let caller = identify(shared, request.headers(), peer)?;
    known.clone_from(&caller);
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let session = caller.as_ref().and_then(|caller| caller.session);
        request = admit_change(shared, request, origin, session).await?;
    }
    let caller = match (caller, need) {
        (Some(caller), need) if caller.may(need) => caller,
        (Some(caller), _) => return Err(forbidden(&caller, need)),
        (None, Need::Nothing) => nobody(shared),
        (None, Need::Read | Need::Change | Need::Post | Need::Follow) => return Err(unknown()),
    };
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// What a request needs, by its method and path.
fn need(method: &Method, path: &str) -> Need {
    match path {
        "/login" | "/logout" => Need::Nothing,
        path if path.starts_with("/assets/") => Need::Nothing,
        path if path == CHECKS || path.starts_with("/consistency-checks/") => match *method {
            Method::GET | Method::HEAD => Need::Follow,
            _ => Need::Post,
        },
        _ if matches!(*method, Method::GET | Method::HEAD) => Need::Read,
        _ => Need::Change,
    }
}

/// Probes come from load balancers and orchestrators, under whatever name these use.
fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// The request's `Host`, which is ours.
fn own_host(shared: &Shared, request: &Request) -> Result<String, Problem> {
    let mut values = request.headers().get_all(header::HOST).iter();
    let host = match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(host), None) => host,
        _ => return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "the request needs one Host header")),
    };
    // RFC 9112 section 3.2.2: a name in the request line counts more than the one in Host.
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    let is_own = shared.is_own(host) && named.is_none_or(|named| named.eq_ignore_ascii_case(host));
    if !is_own {
        let detail = "this Host is not the control listener's own; use the address it listens on";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    Ok(host.to_owned())
}

/// Who asks: by the token of a program, or the session of a browser.
fn identify(shared: &Shared, headers: &HeaderMap, peer: IpAddr) -> Result<Option<Caller>, Problem> {
    let caller = |name, role, session: Option<SessionKey>| Caller {
        name,
        role,
        session,
        form_token: shared.sessions.form_token(session.as_ref()).into(),
    };
    if let Some((name, role)) = shared.context.access.everybody() {
        return Ok(Some(caller(name, role, None)));
    }
    // Other schemes are for somebody else: browsers repeat what a proxy before us asked them for.
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    if let Some(token) = authorizations.find_map(|value| value.to_str().ok().and_then(bearer)) {
        let (name, role) = shared.holder(token, peer)?;
        return Ok(Some(caller(name, role, None)));
    }
    let session = cookies(headers).find_map(|id| {
        let (key, token) = shared.sessions.find(id, Instant::now())?;
        let (name, role) = shared.context.access.holder_of(&token)?;
        Some(caller(name, role, Some(key)))
    });
    Ok(session)
}

impl Shared {
    /// Whose token this is; a peer that was wrong too often is not listened to.
    fn holder(&self, token: &str, peer: IpAddr) -> Result<(Arc<str>, crate::config::Role), Problem> {
        let now = Instant::now();
        self.attempts.may_try(peer, now).map_err(|wait| {
            let detail = "too many wrong tokens from this address; wait before the next one";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after_s(wait.as_secs() + 1)
        })?;
        self.context.access.holder(token).ok_or_else(|| {
            self.attempts.failed(peer, now);
            tracing::warn!(%peer, "a wrong token was sent to the control listener");
            Problem::new(StatusCode::UNAUTHORIZED, "this token is not known here")
        })
    }

    /// Opens a session for the holder of a token, and gives the cookie for it.
    ///
    /// # Errors
    /// When the token is nobody's, may not read, or was guessed at too often.
    pub fn log_in(&self, token: &str, request: &http::request::Parts) -> Result<HeaderValue, Problem> {
        let peer =
            request.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let (name, role) = self.holder(token, peer)?;
        let caller = Caller { name, role, session: None, form_token: "".into() };
        if !caller.may(Need::Read) {
            return Err(forbidden(&caller, Need::Read));
        }
        let id = self.sessions.open(digest(token), Instant::now())?;
        Ok(cookie(&id, super::SESSION_TIME.as_secs(), is_https(&request.headers)))
    }

    /// Ends the caller's session, and gives the cookie that forgets it.
    #[must_use]
    pub fn log_out(&self, caller: &Caller) -> HeaderValue {
        if let Some(session) = &caller.session {
            self.sessions.close(session);
        }
        cookie("", 0, false)
    }
}

fn cookie(id: &str, max_age_s: u64, is_secure: bool) -> HeaderValue {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={id}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Whether the browser speaks TLS with whoever stands before us. A lie only hurts the liar.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// RFC 6750: the token behind the scheme `Bearer`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// A change comes as JSON, which a page from elsewhere cannot send unasked, or as a form with the
/// token that only a page of ours contains; and never from a page of another origin.
async fn admit_change(
    shared: &Shared,
    request: Request,
    origin: Origin,
    session: Option<SessionKey>,
) -> Result<Request, Problem> {
    let is_lines = request.uri().path() == CHECKS
        && essence(request.headers()).is_some_and(|kind| Batch::of(&kind).is_some());
    let is_form = essence(request.headers()).is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    match origin {
        Origin::Foreign => Err(foreign("a page from elsewhere may not change anything here")),
        Origin::Own | Origin::Unknown if is_lines || is_json(request.headers()) => Ok(request),
        Origin::Own if is_form => read_form(shared, request, session).await,
        Origin::Unknown if is_form => {
            Err(foreign("a form has to come with its Origin, or with Sec-Fetch-Site; programs send JSON"))
        }
        Origin::Own | Origin::Unknown => {
            let detail = "a change has to be sent as JSON: `Content-Type: application/json`";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

async fn read_form(
    shared: &Shared,
    request: Request,
    session: Option<SessionKey>,
) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let copy = Request::from_parts(parts.clone(), Body::from(read_body(body).await?));
    let fields = axum::extract::Form::<Vec<(String, String)>>::from_request(copy, &()).await;
    let form = Form(fields.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?.0);
    if !shared.sessions.is_form_token(session.as_ref(), form.get(FORM_TOKEN)) {
        return Err(foreign("this form is too old, or not from here; load the page again and repeat"));
    }
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(form);
    Ok(request)
}

/// Somebody who has not logged in, on a page that is open to all.
fn nobody(shared: &Shared) -> Caller {
    let form_token = shared.sessions.form_token(None).into();
    Caller { name: "".into(), role: crate::config::Role::Intake, session: None, form_token }
}

fn unknown() -> Problem {
    let detail =
        "this needs a token of `control.tokens`: send `Authorization: Bearer …`, or log in at /login";
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

fn forbidden(caller: &Caller, need: Need) -> Problem {
    let what = match need {
        Need::Nothing | Need::Read | Need::Follow => "read",
        Need::Change => "change stages",
        Need::Post => "post checks",
    };
    Problem::new(StatusCode::FORBIDDEN, format!("the token `{}` does not allow to {what}", caller.name))
}

fn foreign(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// What every answer says to a browser. `Referrer-Policy` is same-origin rather than no-referrer,
/// because under the latter browsers send `Origin: null` with our own forms (Fetch, "append a
/// request `Origin` header"), and `null` could be anybody.
fn harden(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
