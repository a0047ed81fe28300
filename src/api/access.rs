//! Who may do what. A token has a name, which the audit shows, and a role. Only digests of the
//! tokens are kept, and all of them are compared in constant time, so that an answer's timing
//! tells neither how much of a guess was right nor whose token it was close to.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::sessions::SessionKey;
use crate::config::{Role, Token};

/// The name of everybody while no token is configured, which only a loopback address allows.
const LOCAL: &str = "local";

/// Who may use the control listener. Clones are the same: what one replaces, all have.
#[derive(Clone)]
pub struct Access {
    keys: Arc<ArcSwap<Vec<Key>>>,
}

struct Key {
    name: Arc<str>,
    role: Role,
    digest: Digest,
}

/// The digest of a token.
pub(super) type Digest = [u8; 32];

/// Who makes a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is, for the audit.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
    /// The session of a browser; programs send their token with every request.
    pub(super) session: Option<SessionKey>,
    /// The token that this caller's forms carry.
    pub form_token: Arc<str>,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: open to all.
    Nothing,
    /// To read.
    Read,
    /// To change stages.
    Change,
    /// To post checks.
    Post,
    /// To see what became of a check that was posted.
    Follow,
}

impl Access {
    /// With these tokens; without any, everybody is an operator.
    #[must_use]
    pub fn new(tokens: &[Token]) -> Self {
        Self { keys: Arc::new(ArcSwap::from_pointee(keys(tokens))) }
    }

    /// These tokens from now on. A session whose token is not among them is over.
    pub fn replace(&self, tokens: &[Token]) {
        self.keys.store(Arc::new(keys(tokens)));
    }

    /// Whether everybody may do everything, because no token is configured.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.keys.load().is_empty()
    }

    /// Name and role of everybody, while access is open.
    pub(super) fn everybody(&self) -> Option<(Arc<str>, Role)> {
        self.is_open().then(|| (LOCAL.into(), Role::Operator))
    }

    /// Whose token this is.
    pub(super) fn holder(&self, token: &str) -> Option<(Arc<str>, Role)> {
        self.holder_of(&digest(token))
    }

    /// Whose token has this digest.
    pub(super) fn holder_of(&self, digest: &Digest) -> Option<(Arc<str>, Role)> {
        let keys = self.keys.load();
        let none = u64::MAX;
        let mut found = none;
        for (index, key) in (0_u64..).zip(keys.iter()) {
            found.conditional_assign(&index, key.digest.ct_eq(digest));
        }
        let key = keys.get(usize::try_from(found).ok()?)?;
        Some((Arc::clone(&key.name), key.role))
    }
}

fn keys(tokens: &[Token]) -> Vec<Key> {
    let key = |token: &Token| Key {
        name: token.name.as_str().into(),
        role: token.role,
        digest: digest(token.secret.expose()),
    };
    tokens.iter().map(key).collect()
}

/// All that is kept of a token.
pub(super) fn digest(token: &str) -> Digest {
    Sha256::digest(token.as_bytes()).into()
}

impl Caller {
    /// Whether the caller's role allows what a request needs.
    #[must_use]
    pub fn may(&self, need: Need) -> bool {
        match (need, self.role) {
            (Need::Nothing | Need::Follow, _)
            | (Need::Read, Role::Viewer | Role::Operator)
            | (Need::Change, Role::Operator)
            | (Need::Post, Role::Operator | Role::Intake) => true,
            (Need::Read, Role::Intake)
            | (Need::Change, Role::Viewer | Role::Intake)
            | (Need::Post, Role::Viewer) => false,
        }
    }

    /// Whether the caller is a browser that has logged in, and may log out.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn token(name: &str, role: Role, secret: &str) -> Token {
        Token { name: name.to_owned(), role, secret: Secret::from(secret) }
    }

    #[test]
    fn a_token_has_one_holder_and_a_part_of_it_none() {
        let access = Access::new(&[
            token("anna", Role::Operator, "correct horse"),
            token("grafana", Role::Viewer, "battery"),
        ]);
        let name = |secret: &str| access.holder(secret).map(|(name, _)| name.to_string());
        assert_eq!(name("correct horse").as_deref(), Some("anna"));
        assert_eq!(name("battery").as_deref(), Some("grafana"));
        for wrong in ["", "correct hors", "correct horse ", "Battery"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert!(access.everybody().is_none());
    }

    #[test]
    fn without_tokens_everybody_is_the_local_operator_and_no_token_is_anybodys() {
        let access = Access::new(&[]);
        let (name, role) = access.everybody().expect("open");
        assert_eq!((name.as_ref(), role), ("local", Role::Operator));
        assert!(access.holder("").is_none());
    }
}
