//! Structured fields (RFC 9651): compared as what they parse to. Spacing, the order of a
//! dictionary's keys and a value that a later line replaces say nothing; types do. What does not
//! parse has no meaning that we could know, and is compared as bytes by whoever asked.

use sfv::{Dictionary, FieldType, Item, List, Parser};

/// What a field is registered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Item,
    List,
    Dictionary,
    /// A dictionary in whose members the order of parameters counts: `Signature-Input`, from which
    /// the signed text is made again, parameter by parameter (RFC 9421 section 2.3).
    Ordered,
    /// A list in the drafts of today and a dictionary in those before: the `RateLimit` fields.
    ListOrDictionary,
}

/// Whether both texts, the lines of a field joined, parse and are the same value.
pub(super) fn same(shape: Shape, left: &str, right: &str) -> bool {
    match shape {
        Shape::Item => alike::<Item>(left, right),
        Shape::List => alike::<List>(left, right),
        Shape::Dictionary => alike::<Dictionary>(left, right),
        Shape::Ordered => in_order(left, right),
        Shape::ListOrDictionary => alike::<List>(left, right) || alike::<Dictionary>(left, right),
    }
}

fn parse<T: FieldType>(text: &str) -> Option<T> {
    Parser::new(text).parse().ok()
}

/// Dictionaries and parameters are maps here, which are equal in any order.
fn alike<T: FieldType + PartialEq>(left: &str, right: &str) -> bool {
    matches!((parse::<T>(left), parse::<T>(right)), (Some(left), Some(right)) if left == right)
}

fn in_order(left: &str, right: &str) -> bool {
    let (Some(mut left), Some(mut right)) = (parse::<Dictionary>(left), parse::<Dictionary>(right)) else {
        return false;
    };
    left.sort_keys();
    right.sort_keys();
    left.serialize() == right.serialize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_and_the_order_of_keys_say_nothing() {
        assert!(same(Shape::Dictionary, "u=1, i", "i=?1,u=1"));
        assert!(same(Shape::Dictionary, "a;x=1;y=2", "a;y=2;  x=1"));
        assert!(same(Shape::Dictionary, "u=1, u=2", "u=2"), "the last counts");
        assert!(same(Shape::List, "A; hit,  B;fwd=miss", "A;hit, B;fwd=miss"));
        assert!(same(Shape::Item, "?1", " ?1 "));
        assert!(same(Shape::Item, "1.50", "1.5"));
    }

    #[test]
    fn values_types_and_the_order_of_lists_count() {
        assert!(!same(Shape::Dictionary, "u=1", "u=2"));
        assert!(!same(Shape::Dictionary, "u=1", "u=\"1\""));
        assert!(!same(Shape::Dictionary, "a=b", "a=\"b\""));
        assert!(!same(Shape::List, "A, B", "B, A"));
        assert!(!same(Shape::Item, "1", "1;a"));
    }

    #[test]
    fn what_does_not_parse_is_not_the_same() {
        for text in ["u=", "u=1,", "U=1", "u=\u{e9}", "u=(1", "u=:::"] {
            assert!(!same(Shape::Dictionary, text, text), "{text}");
        }
        assert!(!same(Shape::List, &"(".repeat(100_000), "a"));
    }

    #[test]
    fn a_signatures_parameters_keep_their_order() {
        assert!(same(Shape::Ordered, "a=(\"@path\");created=1, b=()", "b=(), a=(\"@path\");created=1"));
        assert!(!same(Shape::Ordered, "a=();created=1;alg=\"x\"", "a=();alg=\"x\";created=1"));
    }

    #[test]
    fn rate_limits_have_two_shapes() {
        assert!(same(Shape::ListOrDictionary, "\"a\";r=1;t=2", "\"a\";t=2; r=1"));
        assert!(same(Shape::ListOrDictionary, "limit=10, remaining=9", "remaining=9,limit=10"));
        assert!(!same(Shape::ListOrDictionary, "limit=10", "limit=11"));
    }
}
