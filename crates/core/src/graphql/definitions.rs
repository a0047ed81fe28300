//! The operations of a document: what stands at its top, and which of them is executed (GraphQL, October 2021,
//! sections 2.3 and 6.1). What is within braces is skipped over, since it cannot change what kind of operation
//! it is in.

use super::Kind;
use super::lexer::{Lexer, NoToken, Token};

/// An operation of a document.
struct Defined<'d> {
    kind: Kind,
    name: Option<&'d str>,
}

/// The kind of the operation that is executed, by the name that the request gives. None where that cannot be told:
/// no document that can be executed, several operations and no name, or none of this name.
///
/// ```
/// use parallax_core::graphql::{Kind, kind_of};
/// let document = "query Read { returns { id } } mutation Write { cancel(id: 1) { id } }";
/// assert_eq!(kind_of(document, Some("Read")), Some(Kind::Query));
/// assert_eq!(kind_of(document, Some("Write")), Some(Kind::Mutation));
/// assert_eq!(kind_of(document, None), None);
/// ```
#[must_use]
pub fn kind_of(document: &str, name: Option<&str>) -> Option<Kind> {
    executed(document, name).map(|one| one.kind)
}

/// The name of the operation that is executed, as the document has it.
pub(super) fn name_of<'d>(document: &'d str, name: Option<&str>) -> Option<&'d str> {
    executed(document, name)?.name
}

fn executed<'d>(document: &'d str, name: Option<&str>) -> Option<Defined<'d>> {
    let operations = Definitions { lexer: Lexer::new(document) }.operations().ok()?;
    let is_clear = |(at, one): (usize, &Defined<'_>)| {
        let is_alone = operations.len() == 1;
        let is_first = operations[..at].iter().all(|other| other.name != one.name);
        is_alone || (one.name.is_some() && is_first)
    };
    if !operations.iter().enumerate().all(is_clear) {
        return None;
    }
    match name {
        None if operations.len() > 1 => None,
        None => operations.into_iter().next(),
        Some(name) => operations.into_iter().find(|one| one.name == Some(name)),
    }
}

/// Operations of a document, at most: each is held against all before it.
const MOST_OPERATIONS: usize = 100;

struct Definitions<'d> {
    lexer: Lexer<'d>,
}

impl<'d> Definitions<'d> {
    fn operations(mut self) -> Result<Vec<Defined<'d>>, NoToken> {
        let mut operations = Vec::new();
        while let Some(token) = self.lexer.next()? {
            let kind = match token {
                Token::Punctuator(b'{') => {
                    self.skip_to_end(b'}')?;
                    operations.push(Defined { kind: Kind::Query, name: None });
                    continue;
                }
                Token::Name("fragment") => {
                    self.fragment()?;
                    continue;
                }
                Token::Name(word) => word.parse().map_err(|_| NoToken)?,
                Token::Punctuator(_) | Token::Value => return Err(NoToken),
            };
            let name = self.operation()?;
            operations.push(Defined { kind, name });
        }
        if operations.is_empty() || operations.len() > MOST_OPERATIONS {
            Err(NoToken)
        } else {
            Ok(operations)
        }
    }

    /// From behind its keyword to the end of its selection.
    fn operation(&mut self) -> Result<Option<&'d str>, NoToken> {
        let mut token = self.token()?;
        let name = if let Token::Name(name) = token { Some(name) } else { None };
        if name.is_some() {
            token = self.token()?;
        }
        if token == Token::Punctuator(b'(') {
            self.skip_to_end(b')')?;
            token = self.token()?;
        }
        self.directives_and_selection(token)?;
        Ok(name)
    }

    /// `fragment Name on Type @directives { … }`
    fn fragment(&mut self) -> Result<(), NoToken> {
        let (Token::Name(name), Token::Name("on"), Token::Name(_)) =
            (self.token()?, self.token()?, self.token()?)
        else {
            return Err(NoToken);
        };
        if name == "on" {
            return Err(NoToken);
        }
        let token = self.token()?;
        self.directives_and_selection(token)
    }

    fn directives_and_selection(&mut self, mut token: Token<'d>) -> Result<(), NoToken> {
        while token == Token::Punctuator(b'@') {
            let Token::Name(_) = self.token()? else { return Err(NoToken) };
            token = self.token()?;
            if token == Token::Punctuator(b'(') {
                self.skip_to_end(b')')?;
                token = self.token()?;
            }
        }
        if token == Token::Punctuator(b'{') { self.skip_to_end(b'}') } else { Err(NoToken) }
    }

    /// Behind the bracket that closes the one that was just opened.
    fn skip_to_end(&mut self, close: u8) -> Result<(), NoToken> {
        let mut open = vec![close];
        while let Some(&closes) = open.last() {
            match self.token()? {
                Token::Punctuator(b'{') => open.push(b'}'),
                Token::Punctuator(b'(') => open.push(b')'),
                Token::Punctuator(b'[') => open.push(b']'),
                Token::Punctuator(byte) if byte == closes => _ = open.pop(),
                Token::Punctuator(b'}' | b')' | b']') => return Err(NoToken),
                Token::Punctuator(_) | Token::Name(_) | Token::Value => {}
            }
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Token<'d>, NoToken> {
        self.lexer.next()?.ok_or(NoToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_decides_and_not_its_names() {
        use Kind::{Mutation, Query, Subscription};
        for (document, name, expected) in [
            ("{ a }", None, Some(Query)),
            ("query { a }", None, Some(Query)),
            ("query mutation { a }", None, Some(Query)),
            (
                "query Q($a: In = {b: [1]}) @c(d: {e: \"}\"}) @f { a(b: $a) { c ... on D { e } ...F } }",
                None,
                Some(Query),
            ),
            ("mutation Query { a }", None, Some(Mutation)),
            ("mutation query { a }", None, Some(Mutation)),
            ("# query\nmutation{a}", None, Some(Mutation)),
            ("subscription { a }", None, Some(Subscription)),
            ("fragment F on T { a } query Q { ...F }", None, Some(Query)),
            ("fragment query on T @d { a } mutation M { ...query }", None, Some(Mutation)),
            ("query A { a } mutation B { b }", Some("A"), Some(Query)),
            ("query A { a } mutation B { b }", Some("B"), Some(Mutation)),
            ("query A { a } mutation B { b }", None, None),
            ("query A { a } mutation B { b }", Some("C"), None),
            ("query A { a }", Some("B"), None),
            ("query A { a } mutation A { b }", Some("A"), None),
            ("{ a } query A { b }", Some("A"), None),
            ("{ a } { b }", None, None),
        ] {
            assert_eq!(kind_of(document, name), expected, "{document} {name:?}");
        }
    }

    #[test]
    fn what_cannot_be_executed_has_no_kind() {
        for document in [
            "",
            "  # nothing",
            "query",
            "query {",
            "query }",
            "query { a } }",
            "query A B { a }",
            "query (",
            "query @ { a }",
            "type A { a: Int }",
            "schema { query: A }",
            "fragment F on T { a }",
            "fragment on on T { a } { a }",
            "\"described\" query { a }",
            "query { a )",
            "query ($a: [Int) { a }",
            "QUERY { a }",
            "query { a \u{0} }",
            "extend query { a }",
            "query A { a } garbage",
        ] {
            assert_eq!(kind_of(document, None), None, "{document}");
        }
    }

    #[test]
    fn hostile_documents_end() {
        for document in
            ["{".repeat(100_000), "query @a".repeat(10_000), "[(".repeat(50_000), "\"\"\"\\".repeat(20_000)]
        {
            assert_eq!(kind_of(&document, None), None);
        }
        let deep = format!("{}{}", "{a".repeat(30_000), "}".repeat(30_000));
        assert_eq!(kind_of(&deep, None), Some(Kind::Query), "it is the sides' to refuse");
        let many: String = (0..5_000).map(|number| format!("query Q{number} {{ a }} ")).collect();
        assert_eq!(kind_of(&many, Some("Q4999")), None, "more operations than anybody writes");
    }
}
