//! All paths of an operation as one automaton over path steps.
//!
//! A bit stands for a position: so many segments of one path are matched. A step keeps the
//! positions that may stay (`..`) and moves those whose selector takes the step, for all paths at
//! once, in a handful of word operations. Where no bit is left nothing below can match, and the walk
//! turns back.

use super::jsonpath::{Filter, JsonPath, Selector};

const WORDS: usize = 8;

/// Positions that one automaton can hold: the segments of all paths, and one for each path.
const MAX_POSITIONS: usize = WORDS * 64;

/// What all paths know at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct States([u64; WORDS]);

impl States {
    /// Whether nothing at or below this place can match.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// What either knows.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    fn set(&mut self, position: usize) {
        self.0[position / 64] |= 1 << (position % 64);
    }

    fn has(&self, position: usize) -> bool {
        self.0[position / 64] >> (position % 64) & 1 == 1
    }
}

/// All paths as one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Automaton {
    /// Words in use: a few rules fit into one, and a step then costs one.
    words: usize,
    start: States,
    stays: States,
    any: States,
    names: Names,
    /// The same in lower case, for header fields.
    header_names: Names,
    positional: States,
    indices: Vec<(usize, Selector)>,
    filters: Vec<(usize, Filter)>,
    ends: States,
    /// The position after each path's last segment, in the order of the paths.
    end_of: Vec<usize>,
}

/// The positions that take a name, sorted by length and name: rules name few, documents ask often,
/// and a length is compared sooner than a text.
#[derive(Clone, Debug, Default)]
struct Names(Vec<(Box<[u8]>, States)>);

impl Names {
    fn get(&self, name: &[u8]) -> Option<&States> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    fn set(&mut self, name: &[u8], position: usize) {
        let at = self.find(name).unwrap_or_else(|at| {
            self.0.insert(at, (name.into(), States::default()));
            at
        });
        self.0[at].1.set(position);
    }

    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.len().cmp(&name.len()).then_with(|| (**own).cmp(name)))
    }
}

/// More than one automaton holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "one rule too many: all rules of an operation together may have {MAX_POSITIONS} steps; use fewer, wider paths"
)]
pub(crate) struct TooManySteps {
    /// The first path that did not fit.
    pub(crate) path: usize,
}

impl Automaton {
    pub(crate) fn compile(paths: &[JsonPath]) -> Result<Self, TooManySteps> {
        let mut automaton = Self::default();
        let mut position = 0;
        for (index, path) in paths.iter().enumerate() {
            if position + path.segments.len() >= MAX_POSITIONS {
                return Err(TooManySteps { path: index });
            }
            automaton.start.set(position);
            for segment in &path.segments {
                if segment.descendant {
                    automaton.stays.set(position);
                }
                for selector in &segment.selectors {
                    automaton.add(position, selector);
                }
                position += 1;
            }
            automaton.ends.set(position);
            automaton.end_of.push(position);
            position += 1;
        }
        automaton.words = position.div_ceil(64);
        Ok(automaton)
    }

    /// What is known at the root.
    pub(crate) fn start(&self) -> States {
        self.start
    }

    /// One step to the member of this name.
    pub(crate) fn by_name(&self, from: &States, name: &[u8], passes: impl Fn(&Filter) -> bool) -> States {
        if from.is_dead() {
            return States::default();
        }
        self.step(from, self.names.get(name), passes)
    }

    /// One step to the header field of this name, which is in lower case.
    pub(crate) fn by_field(&self, from: &States, name: &str) -> States {
        self.step(from, self.header_names.get(name.as_bytes()), |_| false)
    }

    /// One step to an element. `length` is needed only where [`Automaton::counts`].
    pub(crate) fn by_index(
        &self,
        from: &States,
        index: usize,
        length: usize,
        passes: impl Fn(&Filter) -> bool,
    ) -> States {
        let mut positional = States::default();
        if self.counts(from) {
            for (position, selector) in &self.indices {
                if from.has(*position) && selector.selects(index, length) {
                    positional.set(*position);
                }
            }
        }
        self.step(from, Some(&positional), passes)
    }

    /// Whether some path selects by position here, so that the length of the array matters.
    pub(crate) fn counts(&self, from: &States) -> bool {
        self.meet(from, &self.positional)
    }

    /// Whether some path names a child of this very place, not only of places anywhere below.
    pub(crate) fn awaits_child(&self, states: &States) -> bool {
        (0..self.words).any(|word| states.0[word] & !(self.stays.0[word] | self.ends.0[word]) != 0)
    }

    /// The paths that end here, in order.
    pub(crate) fn accepted(&self, states: &States) -> impl Iterator<Item = usize> + '_ {
        let ends = if self.meet(states, &self.ends) { self.end_of.as_slice() } else { &[] };
        let states = *states;
        ends.iter().enumerate().filter(move |&(_, &end)| states.has(end)).map(|(path, _)| path)
    }

    fn step(&self, from: &States, taken: Option<&States>, passes: impl Fn(&Filter) -> bool) -> States {
        let passed = self.passed(from, passes);
        let (mut to, mut carry) = (States::default(), 0);
        for word in 0..self.words {
            let here = from.0[word];
            let takes = self.any.0[word] | passed.0[word] | taken.map_or(0, |taken| taken.0[word]);
            let moves = here & takes;
            to.0[word] = moves << 1 | carry | here & self.stays.0[word];
            carry = moves >> 63;
        }
        to
    }

    fn meet(&self, left: &States, right: &States) -> bool {
        (0..self.words).any(|word| left.0[word] & right.0[word] != 0)
    }

    /// The positions whose filter takes the step.
    fn passed(&self, from: &States, passes: impl Fn(&Filter) -> bool) -> States {
        let mut passed = States::default();
        for (position, filter) in &self.filters {
            if from.has(*position) && passes(filter) {
                passed.set(*position);
            }
        }
        passed
    }

    fn add(&mut self, position: usize, selector: &Selector) {
        match selector {
            Selector::Name(name) => {
                self.names.set(name.as_bytes(), position);
                self.header_names.set(name.to_ascii_lowercase().as_bytes(), position);
            }
            Selector::Wildcard => self.any.set(position),
            Selector::Index(_) | Selector::Slice { .. } => {
                self.positional.set(position);
                self.indices.push((position, selector.clone()));
            }
            Selector::Filter(filter) => {
                self.filters.push((position, filter.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn automaton(paths: &[&str]) -> Automaton {
        let paths: Vec<_> = paths.iter().map(|path| JsonPath::parse(path).unwrap()).collect();
        Automaton::compile(&paths).unwrap()
    }

    /// Walks names (and indices of an array of 3) and tells which paths end there.
    fn ends(automaton: &Automaton, steps: &[&str]) -> Vec<usize> {
        let mut states = automaton.start();
        for step in steps {
            states = match step.parse() {
                Ok(index) => automaton.by_index(&states, index, 3, |_| false),
                Err(_) => automaton.by_name(&states, step.as_bytes(), |_| false),
            };
        }
        automaton.accepted(&states).collect()
    }

    #[test]
    fn walks_all_paths_at_once() {
        let all = automaton(&["$.a.b", "$..b", "$.a[*].c", "$.a[-1]", "$", "$.*"]);
        assert_eq!(ends(&all, &[]), [4]);
        assert_eq!(ends(&all, &["a"]), [5]);
        assert_eq!(ends(&all, &["a", "b"]), [0, 1]);
        assert_eq!(ends(&all, &["b"]), [1, 5]);
        assert_eq!(ends(&all, &["x", "y", "b"]), [1]);
        assert_eq!(ends(&all, &["a", "2"]), [3]);
        assert_eq!(ends(&all, &["a", "1", "c"]), [2]);
    }

    #[test]
    fn steps_cross_words() {
        let paths: Vec<String> = (0..60).map(|index| format!("$.a.b.c.p{index}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let all = automaton(&paths);
        for (index, path) in paths.iter().enumerate() {
            let steps: Vec<&str> = path.split('.').skip(1).collect();
            assert_eq!(ends(&all, &steps), [index]);
        }
    }

    #[test]
    fn there_is_an_end_to_it() {
        let path = JsonPath::parse("$.a.b.c.d.e.f.g").unwrap();
        assert!(Automaton::compile(&vec![path.clone(); 64]).is_ok());
        assert_eq!(Automaton::compile(&vec![path; 65]).unwrap_err(), TooManySteps { path: 64 });
    }

    #[test]
    fn header_names_know_no_case() {
        let all = automaton(&["$.headers['X-Trace-Id']"]);
        let headers = all.by_name(&all.start(), b"headers", |_| false);
        assert_eq!(all.accepted(&all.by_field(&headers, "x-trace-id")).collect::<Vec<_>>(), [0]);
    }
}
