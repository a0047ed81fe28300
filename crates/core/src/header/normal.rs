//! Lists, sets and directives in a form in which equal meanings are equal values.

use super::table::{Letters, Meaning};
use super::text::{items, parameter, split_outside_quotes, split_outside_targets, trimmed};

/// An item and what belongs to it.
pub(super) type Entry = (String, Vec<(String, Option<String>)>);

/// The entries of a field whose lines are joined; `None` for what is no list.
pub(super) fn entries(meaning: Meaning, text: &str) -> Option<Vec<Entry>> {
    Some(match meaning {
        Meaning::Set(letters) => set(text, letters),
        Meaning::List(letters) => items(text).map(|item| (folded(item, letters), Vec::new())).collect(),
        Meaning::Weighted => sorted(items(text).map(weighted).collect()),
        Meaning::Links => links(text),
        Meaning::Challenges => challenges(text),
        Meaning::Directives(separator) => directives(text, separator),
        Meaning::Disposition => vec![with_parameters(text, Letters::Folded)],
        Meaning::Policies => text.split(',').map(policy).filter(|(_, parts)| !parts.is_empty()).collect(),
        Meaning::MediaType
        | Meaning::Instant
        | Meaning::Expiry
        | Meaning::Deprecation
        | Meaning::EntityTag
        | Meaning::Structured(_)
        | Meaning::Bytes => return None,
    })
}

fn folded(text: &str, letters: Letters) -> String {
    match letters {
        Letters::Folded => text.to_ascii_lowercase(),
        Letters::Exact => text.to_owned(),
    }
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort();
    entries.dedup();
    entries
}

fn set(text: &str, letters: Letters) -> Vec<Entry> {
    sorted(items(text).map(|item| (folded(item, letters), Vec::new())).collect())
}

fn with_parameters(text: &str, letters: Letters) -> Entry {
    let mut pieces = split_outside_targets(text, ';').map(trimmed).filter(|piece| !piece.is_empty());
    let word = folded(pieces.next().unwrap_or_default(), letters);
    let mut parameters: Vec<_> = pieces.map(parameter).collect();
    // Stable: of a name that is repeated the first counts.
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    (word, parameters)
}

/// An item of an `Accept` field: the weight 1 is what no weight says (RFC 9110 section 12.4.2).
fn weighted(item: &str) -> Entry {
    let (word, mut parameters) = with_parameters(item, Letters::Folded);
    parameters.retain_mut(|(name, value)| {
        if name == "charset" {
            value.iter_mut().for_each(|value| value.make_ascii_lowercase());
        }
        name != "q" || !matches!(value.as_deref(), Some("1" | "1." | "1.0" | "1.00" | "1.000"))
    });
    (word, parameters)
}

fn links(text: &str) -> Vec<Entry> {
    let items = split_outside_targets(text, ',').map(trimmed).filter(|item| !item.is_empty());
    items.map(|item| with_parameters(item, Letters::Exact)).collect()
}

/// An item that begins with a word of its own begins a challenge; the others are parameters of the
/// one before (RFC 9110 section 11.6.1).
fn challenges(text: &str) -> Vec<Entry> {
    let mut challenges: Vec<Entry> = Vec::new();
    for item in items(text) {
        let (first, rest) = item.split_once([' ', '\t']).map_or((item, ""), |(a, b)| (a, trimmed(b)));
        let is_parameter = first.contains('=') || rest.starts_with('=');
        match challenges.last_mut() {
            Some((_, parameters)) if is_parameter => parameters.push(credential(item)),
            // A parameter of nothing is none that we know.
            None if is_parameter => challenges.push((item.to_owned(), Vec::new())),
            _ if rest.is_empty() => challenges.push((item.to_ascii_lowercase(), Vec::new())),
            _ => challenges.push((first.to_ascii_lowercase(), vec![credential(rest)])),
        }
    }
    for (_, parameters) in &mut challenges {
        parameters.sort_by(|a, b| a.0.cmp(&b.0));
    }
    challenges
}

/// A parameter, or a token of base64 whose `=` only fills it up and whose case counts.
fn credential(text: &str) -> (String, Option<String>) {
    let is_token = text.split_once('=').is_none_or(|(_, rest)| rest.bytes().all(|byte| byte == b'='));
    if is_token { (text.to_owned(), None) } else { parameter(text) }
}

fn directives(text: &str, separator: char) -> Vec<Entry> {
    let pieces = split_outside_quotes(text, separator).map(trimmed).filter(|piece| !piece.is_empty());
    let mut entries: Vec<Entry> = pieces.map(directive).collect();
    // Stable: of a directive that is repeated the first counts (RFC 9111 section 4.2.1).
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries.dedup();
    entries
}

fn directive(text: &str) -> Entry {
    let (name, value) = parameter(text);
    let value = match (name.as_str(), value) {
        // Their argument is a list of field names (RFC 9111 section 5.2.2.4 and 5.2.2.7).
        ("no-cache" | "private", Some(fields)) => {
            let fields: Vec<String> =
                set(&fields, Letters::Folded).into_iter().map(|(field, _)| field).collect();
            Some(fields.join(","))
        }
        (_, value) => value,
    };
    (name, value.into_iter().map(|value| (String::new(), Some(value))).collect())
}

/// Directives are a map, of which the first of a name counts; the sources of each are a set.
fn policy(text: &str) -> Entry {
    let mut directives: Vec<(String, Option<String>)> = Vec::new();
    for piece in text.split(';') {
        let mut words = piece.split_ascii_whitespace();
        let Some(name) = words.next() else { continue };
        let mut sources: Vec<&str> = words.collect();
        sources.sort_unstable();
        sources.dedup();
        directives.push((name.to_ascii_lowercase(), Some(sources.join(" "))));
    }
    directives.sort_by(|a, b| a.0.cmp(&b.0));
    directives.dedup_by(|later, first| later.0 == first.0);
    (String::new(), directives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(meaning: Meaning, left: &str, right: &str) -> bool {
        entries(meaning, left) == entries(meaning, right)
    }

    #[test]
    fn sets_know_no_order_and_fold_where_told() {
        assert!(same(Meaning::Set(Letters::Folded), "Accept, Origin,, accept", "origin ,accept"));
        assert!(!same(Meaning::Set(Letters::Exact), "GET", "get"));
        assert!(!same(Meaning::List(Letters::Folded), "de, en", "en, de"));
        assert!(same(Meaning::List(Letters::Folded), "de-DE, en", "de-de,EN"));
    }

    #[test]
    fn a_weight_of_one_is_none() {
        assert!(same(Meaning::Weighted, "gzip;q=1.0, br", "br, GZIP"));
        assert!(!same(Meaning::Weighted, "gzip;q=0.5, br", "br, gzip"));
        assert!(same(Meaning::Weighted, "text/x;charset=UTF-8", "Text/X; Charset=\"utf-8\""));
    }

    #[test]
    fn links_keep_their_order_but_not_their_spelling() {
        assert!(same(Meaning::Links, "<a>; rel=\"next\"; title=x", "<a>;Title=\"x\";rel=next"));
        assert!(!same(Meaning::Links, "<a,,b>", "<a,b>"));
        assert!(!same(Meaning::Links, "<a;rel=x>", "<a>;rel=x"));
        assert!(!same(Meaning::Links, "<a>, <b>", "<b>, <a>"));
        assert!(!same(Meaning::Links, "<A>", "<a>"));
        assert!(!same(Meaning::Links, "<a>;rel=x;rel=y", "<a>;rel=y;rel=x"));
    }

    #[test]
    fn challenges_are_schemes_with_parameters() {
        let left = "Basic realm=\"a, b\", Digest realm=\"c\", qop=\"auth\", Negotiate";
        assert!(same(Meaning::Challenges, left, "basic Realm=\"a, b\", DIGEST qop=auth,realm=c,negotiate"));
        assert!(!same(Meaning::Challenges, "Basic realm=a", "Basic realm=A"));
        assert!(!same(Meaning::Challenges, "Negotiate aBc==", "Negotiate abc=="));
        assert!(!same(Meaning::Challenges, "realm=a", "realm=A"));
        assert!(!same(Meaning::Challenges, "A x=1, B, y=2", "A x=1, y=2, B"));
    }

    #[test]
    fn directives_are_a_map() {
        let cache = Meaning::Directives(',');
        assert!(same(cache, "no-store, max-age=0", "Max-Age=\"0\",no-store, no-store"));
        assert!(same(cache, "private=\"Set-Cookie, X-A\"", "private=\"x-a,set-cookie\""));
        assert!(!same(cache, "no-cache", "no-cache=\"x\""));
        assert!(!same(cache, "max-age=0, max-age=60", "max-age=60, max-age=0"), "the first counts");
        assert!(same(
            Meaning::Directives(';'),
            "max-age=1; includeSubDomains",
            "includesubdomains;max-age=\"1\""
        ));
    }

    #[test]
    fn dispositions_fold_names_and_not_values() {
        let of = Meaning::Disposition;
        assert!(same(of, "Attachment; filename=a.txt", "attachment;FileName=\"a.txt\""));
        assert!(!same(of, "attachment; filename=a.txt", "attachment; filename=A.txt"));
        assert!(!same(of, "attachment", "inline"));
    }

    #[test]
    fn policies_are_sets_of_sources() {
        let of = Meaning::Policies;
        assert!(same(of, "default-src 'self' x; img-src *;", "img-src *;Default-Src  x 'self'"));
        assert!(same(of, "img-src a; img-src b", "img-src a"), "the first counts");
        assert!(!same(of, "default-src 'self', img-src *", "default-src 'self'; img-src *"));
    }
}
