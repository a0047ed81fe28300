//! `origin: true`: the two sides' own hosts are the same. An absolute URL of a side's own host
//! becomes relative before values are compared, in `Location` and `Link` and wherever a body has
//! one, so that `http://legacy:8081/a` is `https://candidate/a` is `/a`.

use super::Action;
use super::word::{Word, for_values, read_true, schema_true};
use crate::exchange::Side;

/// The authorities (`host` or `host:port`) that each side calls its own. Where a side has none, every
/// host counts as its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Legacy's.
    pub legacy: Vec<String>,
    /// The candidate's.
    pub candidate: Vec<String>,
}

pub(super) const WORD: Word = Word {
    word: "origin",
    about: "The sides' own hosts are the same: absolute URLs of either become relative.",
    example: "origin: true",
    schema: schema_true,
    read: |argument| read_true("origin", argument, Action::Origin),
    refuses: for_values,
};

impl Origins {
    fn are_own(&self, side: Side, authority: &str) -> bool {
        let own = match side {
            Side::Legacy => &self.legacy,
            Side::Candidate => &self.candidate,
        };
        own.is_empty() || own.iter().any(|own| own.eq_ignore_ascii_case(authority))
    }

    /// The text with a side's own origins taken off its URLs.
    pub(crate) fn fold(&self, side: Side, text: &str) -> String {
        let mut folded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("://") {
            let (before, after) = (&rest[..at], &rest[at + 3..]);
            let scheme = ["https", "http"].into_iter().find(|scheme| ends_with_word(before, scheme));
            let end = after.find(|letter: char| !is_of_authority(letter)).unwrap_or(after.len());
            let authority = &after[..end];
            match scheme {
                Some(scheme)
                    if !authority.is_empty() && self.are_own(side, without_default(scheme, authority)) =>
                {
                    folded.push_str(&before[..before.len() - scheme.len()]);
                    // An origin alone is its root.
                    if !after[end..].starts_with('/') {
                        folded.push('/');
                    }
                }
                _ => folded.push_str(&rest[..at + 3 + end]),
            }
            rest = &after[end..];
        }
        folded.push_str(rest);
        folded
    }
}

/// Whether a text ends with this word, in any case, and with no more letters before it.
fn ends_with_word(text: &str, word: &str) -> bool {
    let Some(from) = text.len().checked_sub(word.len()) else { return false };
    text.get(from..).is_some_and(|end| end.eq_ignore_ascii_case(word))
        && !text[..from].ends_with(|letter: char| letter.is_ascii_alphanumeric())
}

fn is_of_authority(letter: char) -> bool {
    letter.is_alphanumeric() || "-._:[]%".contains(letter)
}

/// The authority without a port that its scheme has anyway.
fn without_default<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let port = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_hosts_are_taken_off() {
        let origins = Origins { legacy: vec!["old:8081".into(), "shop.example".into()], candidate: vec![] };
        let fold = |text: &str| origins.fold(Side::Legacy, text);
        assert_eq!(fold("http://old:8081/a?b=c"), "/a?b=c");
        assert_eq!(fold("https://SHOP.example:443/a"), "/a");
        assert_eq!(fold("http://shop.example"), "/");
        assert_eq!(
            fold("<http://old:8081/a>; rel=next, <https://other/b>"),
            "</a>; rel=next, <https://other/b>"
        );
        assert_eq!(fold("http://old:8082/a"), "http://old:8082/a");
        assert_eq!(fold("xhttp://old:8081/a ftp://old:8081/b"), "xhttp://old:8081/a ftp://old:8081/b");
        assert_eq!(fold("ünter http://old:8081/ü"), "ünter /ü");
        assert_eq!(fold("://http://"), "://http://");
    }

    #[test]
    fn without_a_known_host_every_host_is_own() {
        assert_eq!(Origins::default().fold(Side::Candidate, "https://a.b/c"), "/c");
    }
}
