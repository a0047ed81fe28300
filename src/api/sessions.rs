//! Browsers that have logged in. A session's id is 256 random bits and is known to the browser
//! alone: what is kept is its digest, in memory, for a bounded number and a bounded time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::access::Digest;

/// The name of the cookie that holds a session's id.
pub const COOKIE: &str = "parallax_session";
/// How long a session lasts.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at a time; one more ends the oldest.
const MAX_SESSIONS: usize = 1024;

/// The digest of a session's id.
pub(super) type SessionKey = [u8; 32];

/// Every session.
pub(super) struct Sessions {
    open: Mutex<HashMap<SessionKey, Session>>,
    form_secret: [u8; 32],
}

struct Session {
    /// Of the token that it was opened with: it is over when that is nobody's any more.
    token: Digest,
    ends: Instant,
}

impl Sessions {
    /// No sessions, and a secret for the forms.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut form_secret = [0; 32];
        getrandom::fill(&mut form_secret)?;
        Ok(Self { open: Mutex::default(), form_secret })
    }

    /// Opens a session, and gives its id.
    pub(super) fn open(&self, token: Digest, now: Instant) -> Result<String, getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let id = URL_SAFE_NO_PAD.encode(random);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.ends > now);
        if open.len() >= MAX_SESSIONS
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(key(&id), Session { token, ends: now + SESSION_TIME });
        Ok(id)
    }

    /// With whose token this session was opened.
    pub(super) fn find(&self, id: &str, now: Instant) -> Option<(SessionKey, Digest)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(id);
        let session = open.get(&key).filter(|session| session.ends > now)?;
        Some((key, session.token))
    }

    /// Ends a session.
    pub(super) fn close(&self, key: &SessionKey) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// The token that the forms of a session carry, or those shown to somebody without one. A
    /// page of another origin can send a form here, but cannot read this from one of ours.
    pub(super) fn form_token(&self, session: Option<&SessionKey>) -> String {
        let mut hash = Sha256::new_with_prefix(self.form_secret);
        hash.update(session.unwrap_or(&[0; 32]));
        // Once more: a plain SHA-256 over secret and data could be extended with more data.
        URL_SAFE_NO_PAD.encode(Sha256::digest(hash.finalize()))
    }

    /// Whether a form carries the token that it should.
    pub(super) fn is_form_token(&self, session: Option<&SessionKey>, token: &str) -> bool {
        self.form_token(session).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

fn key(id: &str) -> SessionKey {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &Sessions, now: Instant) -> String {
        sessions.open([7; 32], now).expect("random numbers")
    }

    #[test]
    fn a_session_ends_by_itself_and_by_logging_out() {
        let (sessions, now) = (Sessions::new().expect("random numbers"), Instant::now());
        let (one, other) = (open(&sessions, now), open(&sessions, now));
        assert_ne!(one, other);
        assert_eq!(one.len(), 43, "256 bits");
        let (key, token) = sessions.find(&one, now).expect("open");
        assert_eq!(token, [7; 32]);
        sessions.close(&key);
        assert!(sessions.find(&one, now).is_none());
        assert!(sessions.find(&other, now).is_some());
        assert!(sessions.find(&other, now + SESSION_TIME).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_the_newest_stay() {
        let (sessions, now) = (Sessions::new().expect("random numbers"), Instant::now());
        let first = open(&sessions, now);
        for second in 1..=MAX_SESSIONS as u64 {
            open(&sessions, now + Duration::from_secs(second));
        }
        assert_eq!(sessions.open.lock().expect("a lock").len(), MAX_SESSIONS);
        assert!(sessions.find(&first, now).is_none());
    }

    #[test]
    fn a_form_token_belongs_to_one_session() {
        let sessions = Sessions::new().expect("random numbers");
        let (one, other) = ([1; 32], [2; 32]);
        let token = sessions.form_token(Some(&one));
        assert!(sessions.is_form_token(Some(&one), &token));
        assert!(!sessions.is_form_token(Some(&other), &token));
        assert!(!sessions.is_form_token(None, &token));
        assert!(!sessions.is_form_token(Some(&one), ""));
        let elsewhere = Sessions::new().expect("random numbers");
        assert!(!elsewhere.is_form_token(Some(&one), &token));
    }
}
