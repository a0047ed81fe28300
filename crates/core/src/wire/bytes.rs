//! Which bytes may stand where (RFC 9110 section 5.6.2, RFC 9112 section 5, RFC 3986).

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const TARGET: u8 = 4;
const HOST: u8 = 8;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class(byte as u8);
        byte += 1;
    }
    classes
}

const fn class(byte: u8) -> u8 {
    let letter_or_digit = byte.is_ascii_alphanumeric();
    let mut class = 0;
    if letter_or_digit
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
    {
        class |= TOKEN;
    }
    if byte == b'\t' || byte == b' ' || byte.is_ascii_graphic() || byte >= 0x80 {
        class |= VALUE;
    }
    // Wider than the grammar, which knows no `|`, `"` or raw UTF-8: services in use get such targets,
    // and none of these bytes can end one. A fragment is never sent (RFC 9112 section 3.2).
    if (byte.is_ascii_graphic() && byte != b'#') || byte >= 0x80 {
        class |= TARGET;
    }
    if letter_or_digit
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
        )
    {
        class |= HOST;
    }
    class
}

/// A byte of a method or a field name.
pub(super) fn is_token(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// A byte of a field value.
pub(super) fn is_value(byte: u8) -> bool {
    CLASSES[byte as usize] & VALUE != 0
}

/// A byte of a request target.
pub(super) fn is_target(byte: u8) -> bool {
    CLASSES[byte as usize] & TARGET != 0
}

/// A byte of a host and port, IPv6 aside.
pub(super) fn is_host(byte: u8) -> bool {
    CLASSES[byte as usize] & HOST != 0
}

/// How many bytes from the start are of a kind.
pub(super) fn run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !is(byte)).unwrap_or(bytes.len())
}
