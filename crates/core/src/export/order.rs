//! The operations in the order in which a tool that takes the first match has to try them, so that it
//! comes to the same operation as our own router: a literal segment before one with a parameter, more
//! literal bytes before fewer, segment by segment.

use std::cmp::Reverse;

use super::plan::Route;
use crate::template::Segment;

/// The routes, each before those that take its requests too and are less specific.
pub(super) fn by_precedence(routes: &[Route]) -> Vec<&Route> {
    let mut ordered = Vec::with_capacity(routes.len());
    descend(routes.iter().collect(), 0, &mut ordered);
    ordered
}

/// Routes whose templates have the same segments up to `depth`.
fn descend<'r>(routes: Vec<&'r Route>, depth: usize, ordered: &mut Vec<&'r Route>) {
    let mut groups: Vec<(Segment, Vec<&'r Route>)> = Vec::new();
    for route in routes {
        let Some(segment) = route.template.segments.get(depth) else {
            ordered.push(route);
            continue;
        };
        let shape = segment.shape();
        match groups.iter_mut().find(|(known, _)| *known == shape) {
            Some((_, group)) => group.push(route),
            None => groups.push((shape, vec![route])),
        }
    }
    // Stable: what is equally specific stays in the order of the configuration, as in the router.
    groups.sort_by_key(|(shape, _)| (shape.as_literal().is_none(), Reverse(specific(shape))));
    for (_, group) in groups {
        descend(group, depth + 1, ordered);
    }
}

/// Two literals never match the same, so their order is free.
fn specific(shape: &Segment) -> usize {
    if shape.as_literal().is_some() { 0 } else { shape.literal_bytes() }
}
