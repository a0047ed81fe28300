//! Values without their content: shape and length stay, because they are what explains most
//! differences (a missing digit, another format), and they name nobody.

/// Characters that say how a value is built rather than what it says.
const STRUCTURE: &str = " .,:;-/_@+()";

/// A text without its content: lower-case letters become `x`, upper-case `X`, digits `9`; what
/// structures dates, numbers and addresses stays, everything else is `*`.
pub(crate) fn mask(text: &str) -> String {
    text.chars().map(masked).collect()
}

fn masked(character: char) -> char {
    if character.is_numeric() {
        '9'
    } else if character.is_uppercase() {
        'X'
    } else if character.is_alphabetic() {
        'x'
    } else if STRUCTURE.contains(character) {
        character
    } else {
        '*'
    }
}

/// A number without its content: sign, point and exponent stay.
pub(crate) fn mask_number(lexeme: &str) -> String {
    lexeme.chars().map(|character| if character.is_ascii_digit() { '9' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_length_stay_and_nothing_else() {
        assert_eq!(mask("Ann Müller, 12 Rue d'Été"), "Xxx Xxxxxx, 99 Xxx x*Xxx");
        assert_eq!(mask("2026-01-02T03:04:05Z"), "9999-99-99X99:99:99X");
        assert_eq!(mask("ann@example.org"), "xxx@xxxxxxx.xxx");
        assert_eq!(mask("東京 ٣ ½ 😀#!"), "xx 9 9 ***");
        assert_eq!(mask_number("-12.50e+3"), "-99.99e+9");
    }
}
