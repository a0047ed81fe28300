//! Requests that match no operation, in short: which methods came on which shapes of paths, so that somebody can be
//! told what is still to be configured.
//!
//! A *shape* is a path with everything that could be somebody's data as a parameter. What looks like data is never
//! kept (see `word`); what looks like a word is kept, and stays a parameter where it is rare, where it has many
//! siblings, or where it has some and nothing is ever below any of them, as with people's names. Memory is bounded:
//! by the number of places in the tree, by siblings, by depth, and by the methods.

mod word;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::Method;

use crate::naming::{of_requests, parameter_after};
use crate::router::Router;
use crate::template::{Template, is_dot_segment};
use word::is_word;

/// Places in the tree, at most.
const MOST_PLACES: usize = 1_000;
/// Words beside each other, at most; more of them are data.
const MOST_SIBLINGS: usize = 50;
/// Words beside each other with nothing below any of them, at most.
const MOST_LEAVES: usize = 20;
/// Segments of a path, at most.
const DEEPEST: usize = 16;
/// How often a word is seen before it is shown.
const OFTEN: u64 = 5;
/// Siblings with the same below them that are taken for one kind of thing.
const OF_A_KIND: usize = 3;
/// The methods that are told apart. HEAD belongs to its GET.
const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// What is known of requests of no operation.
///
/// ```
/// use http::Method;
/// let mut shapes = parallax_core::other::Shapes::default();
/// for id in 0..100 {
///     shapes.note(&Method::GET, &format!("/returns/{id}"));
/// }
/// let suggested = shapes.suggest();
/// assert_eq!(suggested[0].template.to_string(), "/returns/{return_id}");
/// assert_eq!(suggested[0].requests, 100);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    root: Place,
    places: usize,
    /// Requests that found no room, or whose shape is beyond a bound.
    left_out: u64,
}

/// An operation that could be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggested {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub template: Template,
    /// A name for it.
    pub name: String,
    /// Requests of this shape that were noted.
    pub requests: u64,
}

/// A place in the tree: what came exactly here, and what is below.
#[derive(Clone, Debug, Default)]
struct Place {
    requests: [u64; METHODS.len()],
    /// Words here have turned out to be data, and so is every word that comes later.
    is_all_data: bool,
    words: BTreeMap<Box<str>, Place>,
    data: Option<Box<Place>>,
}

impl Shapes {
    /// Notes a request; `path` is raw and without the query.
    pub fn note(&mut self, method: &Method, path: &str) {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let index = METHODS.iter().position(|known| known == method);
        let (Some(index), Some(path)) = (index, path.strip_prefix('/')) else { return self.leave_out() };
        if path.split('/').count() > DEEPEST || path.split('/').any(is_dot_segment) {
            return self.leave_out();
        }
        let mut place = &mut self.root;
        for segment in path.split('/') {
            let Some(next) = place.below(segment, &mut self.places) else { return self.leave_out() };
            place = next;
        }
        place.requests[index] = place.requests[index].saturating_add(1);
    }

    fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// Requests that are in none of the suggestions because there was no room for their shape.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The operations that these requests could be, the most requests first.
    #[must_use]
    pub fn suggest(&self) -> Vec<Suggested> {
        let mut root = self.root.clone();
        root.settle();
        let mut suggested = Vec::new();
        root.tell(&mut Vec::new(), &mut suggested);
        suggested.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
        // No two of them may match the same requests, as no two operations may.
        let mut router = Router::default();
        suggested.retain(|one: &Suggested| router.insert(one.method.clone(), &one.template, 0).is_ok());
        suggested
    }
}

impl Place {
    /// The place below this one for a segment; none when there is no room for another.
    fn below(&mut self, segment: &str, places: &mut usize) -> Option<&mut Self> {
        let mut is_word = !self.is_all_data && is_word(segment);
        if is_word && !self.words.contains_key(segment) && self.words.len() == MOST_SIBLINGS {
            let before = self.size();
            self.merge_words(|_| true);
            *places -= before - self.size();
            (self.is_all_data, is_word) = (true, false);
        }
        let is_new = if is_word { !self.words.contains_key(segment) } else { self.data.is_none() };
        if is_new {
            if *places == MOST_PLACES {
                return None;
            }
            *places += 1;
        }
        Some(if is_word {
            self.words.entry(segment.into()).or_default()
        } else {
            self.data.get_or_insert_default()
        })
    }

    /// Takes these words for data. An empty segment is no data: nobody's name is empty.
    fn merge_words(&mut self, is_data: impl Fn(&Self) -> bool) {
        for (word, place) in std::mem::take(&mut self.words) {
            if word.is_empty() || !is_data(&place) {
                self.words.insert(word, place);
            } else {
                self.data.get_or_insert_default().merge(place);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.requests.iter_mut().zip(other.requests) {
            *mine = mine.saturating_add(theirs);
        }
        self.is_all_data |= other.is_all_data;
        for (word, place) in other.words {
            match self.words.entry(word) {
                Entry::Vacant(entry) => _ = entry.insert(place),
                Entry::Occupied(mut entry) => entry.get_mut().merge(place),
            }
        }
        if self.is_all_data || self.words.len() > MOST_SIBLINGS {
            self.is_all_data = true;
            self.merge_words(|_| true);
        }
        if let Some(data) = other.data {
            self.data.get_or_insert_default().merge(*data);
        }
    }

    /// Takes for data what is not clearly a word: for what is shown, not for what is kept.
    fn settle(&mut self) {
        self.merge_words(|place| place.total() < OFTEN);
        let is_leaf = |place: &Self| place.words.is_empty() && place.data.is_none();
        if self.words.values().filter(|place| is_leaf(place)).count() > MOST_LEAVES {
            self.merge_words(is_leaf);
        }
        let of_a_kind = self.of_a_kind();
        self.merge_words(|place| of_a_kind.contains(&place.children()));
        self.words.values_mut().chain(self.data.as_deref_mut()).for_each(Self::settle);
    }

    /// What several places have below them, or one and what is data already: they are one kind of thing, and
    /// their words tell which one, as in `/users/anna/orders` and `/users/ben/orders`.
    fn of_a_kind(&self) -> Vec<Vec<Box<str>>> {
        let mut times: BTreeMap<Vec<Box<str>>, usize> = BTreeMap::new();
        for children in self.words.values().map(Self::children).filter(|children| !children.is_empty()) {
            *times.entry(children).or_default() += 1;
        }
        let of_data = self.data.as_deref().map(Self::children);
        let is_kind = |(children, times): &(Vec<Box<str>>, usize)| {
            *times >= OF_A_KIND || of_data.as_ref() == Some(children)
        };
        times.into_iter().filter(is_kind).map(|(children, _)| children).collect()
    }

    /// The words directly below.
    fn children(&self) -> Vec<Box<str>> {
        self.words.keys().cloned().collect()
    }

    /// Requests here and below.
    fn total(&self) -> u64 {
        let below = self.words.values().chain(self.data.as_deref()).map(Self::total);
        self.requests.iter().copied().chain(below).fold(0, u64::saturating_add)
    }

    /// Places below this one.
    fn size(&self) -> usize {
        self.words.values().chain(self.data.as_deref()).map(|place| 1 + place.size()).sum()
    }

    fn tell(&self, path: &mut Vec<String>, suggested: &mut Vec<Suggested>) {
        let text = if path.is_empty() {
            return self.tell_below(path, suggested);
        } else {
            format!("/{}", path.join("/"))
        };
        if let Ok(template) = text.parse::<Template>() {
            for (method, &requests) in
                METHODS.iter().zip(&self.requests).filter(|(_, requests)| **requests >= OFTEN)
            {
                let (method, template) = (method.clone(), template.clone());
                suggested.push(Suggested { name: of_requests(&method, &text), method, template, requests });
            }
        }
        self.tell_below(path, suggested);
    }

    fn tell_below(&self, path: &mut Vec<String>, suggested: &mut Vec<Suggested>) {
        for (word, place) in &self.words {
            path.push(word.to_string());
            place.tell(path, suggested);
            path.pop();
        }
        if let Some(data) = &self.data {
            path.push(parameter(path));
            data.tell(path, suggested);
            path.pop();
        }
    }
}

/// A parameter with a name of its own, after the word before it.
fn parameter(path: &[String]) -> String {
    let word = path.last().map(String::as_str).filter(|last| !last.starts_with('{'));
    let name = parameter_after(word);
    let named = |name: &str| format!("{{{name}}}");
    let mut free = (2..).map(|number| named(&format!("{name}_{number}")));
    let first = named(&name);
    if path.contains(&first) { free.find(|name| !path.contains(name)).unwrap_or(first) } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(shapes: &Shapes) -> Vec<String> {
        let show = |one: Suggested| format!("{} {} {} {}", one.name, one.method, one.template, one.requests);
        shapes.suggest().into_iter().map(show).collect()
    }

    fn noted(paths: impl IntoIterator<Item = String>) -> Shapes {
        let mut shapes = Shapes::default();
        paths.into_iter().for_each(|path| shapes.note(&Method::GET, &path));
        shapes
    }

    #[test]
    fn ids_are_parameters_and_words_stay() {
        let mut shapes = noted((0..30).flat_map(|id| {
            [
                format!("/api/v1/returns/{id}"),
                format!("/api/v1/returns/{id}/items/R-{id}"),
                "/health".to_owned(),
            ]
        }));
        (0..10).for_each(|_| shapes.note(&Method::POST, "/api/v1/returns"));
        (0..7).for_each(|_| shapes.note(&Method::HEAD, "/"));
        assert_eq!(
            shown(&shapes),
            [
                "get_api_v1_returns_return_id GET /api/v1/returns/{return_id} 30",
                "get_api_v1_returns_return_id_items_item_id GET /api/v1/returns/{return_id}/items/{item_id} 30",
                "get_health GET /health 30",
                "post_api_v1_returns POST /api/v1/returns 10",
                "get_root GET / 7",
            ]
        );
    }

    #[test]
    fn words_that_tell_one_of_a_kind_are_parameters() {
        let of = |names: &[&str]| {
            noted(names.iter().flat_map(|name| (0..9).map(move |_| format!("/users/{name}/orders"))))
        };
        let kind = ["get_users_user_id_orders GET /users/{user_id}/orders 27"];
        assert_eq!(shown(&of(&["anna", "ben", "carol"])), kind);
        assert_eq!(shown(&of(&["anna", "17", "18"])), kind, "beside what is data already");
        let own = noted((0..9).flat_map(|_| ["/users/me/orders", "/users/all/pages"].map(str::to_owned)));
        assert_eq!(shown(&own).len(), 2);
    }

    #[test]
    fn rare_words_are_not_shown() {
        let shapes = noted((0..4).map(|_| "/users/alice".to_owned()).chain(["/secret".to_owned()]));
        assert_eq!(shown(&shapes), [""; 0]);
        let shapes =
            noted(["ann", "ben", "cleo"].into_iter().flat_map(|name| vec![format!("/users/{name}"); 2]));
        assert_eq!(shown(&shapes), ["get_users_user_id GET /users/{user_id} 6"]);
    }

    /// Twenty names, each of them seen often, with nothing below.
    #[test]
    fn many_words_with_nothing_below_are_data() {
        let names = "abel berta carl dora emil frida georg hanna ida jonas karin lena maria nils olga paul rita simon tina ulla vera";
        let shapes = noted(names.split(' ').flat_map(|name| vec![format!("/users/{name}"); 9]));
        assert_eq!(shown(&shapes), ["get_users_user_id GET /users/{user_id} 189"]);
    }

    fn letters(number: u32) -> String {
        [number / 676, number / 26, number]
            .map(|rest| char::from(b'a' + u8::try_from(rest % 26).expect("a letter")))
            .into_iter()
            .flat_map(|letter| [letter, 'o'])
            .collect()
    }

    #[test]
    fn more_siblings_than_a_service_has_words_are_data_and_what_is_below_them_is_put_together() {
        let mut shapes =
            noted((0..300).flat_map(|number| vec![format!("/x/{}/items/{number}", letters(number)); 6]));
        assert_eq!(shown(&shapes), ["get_x_x_id_items_item_id GET /x/{x_id}/items/{item_id} 1800"]);
        assert!(shapes.places < 10, "{}", shapes.places);
        assert_eq!(shapes.places, shapes.root.size());
        shapes.note(&Method::GET, "/x/another/items/1");
        assert_eq!(shapes.left_out(), 0);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut shapes = Shapes::default();
        for number in 0..60_000 {
            let (a, b, c) = (letters(number), letters(number / 7), letters(number / 31));
            shapes.note(&Method::GET, &format!("/{a}/{b}/{c}"));
            shapes.note(&Method::PUT, &format!("/w{}/{b}/{a}/x", letters(number % 40)));
            shapes.note(&Method::from_bytes(b"INVENTED").expect("a method"), "/a");
            shapes.note(&Method::GET, &"/a".repeat(100));
            shapes.note(&Method::GET, "/a/../b");
            shapes.note(&Method::GET, "*");
        }
        assert!(
            shapes.root.size() <= MOST_PLACES && shapes.root.size() == shapes.places,
            "{}",
            shapes.places
        );
        assert!(shapes.left_out() >= 240_000);
        assert!(shapes.suggest().len() <= MOST_PLACES * METHODS.len());
    }

    /// What looks like data is not in memory at all.
    #[test]
    fn nothing_that_looks_like_data_is_kept() {
        let shapes = noted(
            ["/users/ann@example.org", "/t/eyJhbGciOiJIUzI1NiJ9", "/o/4711", "/f/R-17/x"].map(str::to_owned),
        );
        let kept = format!("{shapes:?}");
        for data in ["ann", "eyJ", "4711", "R-17"] {
            assert!(!kept.contains(data), "{kept}");
        }
    }

    #[test]
    fn suggestions_never_match_the_same_requests() {
        let mut shapes = noted((0..50).flat_map(|id| {
            [format!("/a/{id}/b/{id}"), format!("/a/{id}/{id}"), "/a/".to_owned(), "/a".to_owned()]
        }));
        (0..5).for_each(|_| shapes.note(&Method::GET, "/"));
        let shown = shown(&shapes);
        assert!(shown.contains(&"get_a_a_id_id GET /a/{a_id}/{id} 50".to_owned()), "{shown:?}");
        assert_eq!(shown.len(), 5, "{shown:?}");
    }
}
