//! `ignore: true`: the place is taken out of both answers before anything is compared, so an
//! ignored member neither differs nor decides which elements of an unordered array belong
//! together. What was taken out is counted where the two sides had something different there.

use super::JsonPath;

pub(super) const WORD: &str = "ignore";

pub(super) fn refuses(path: &JsonPath) -> Option<&'static str> {
    path.segments
        .is_empty()
        .then_some("would ignore the whole answer; name a part of it, for example `$.body`")
}
