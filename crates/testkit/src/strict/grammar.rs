//! The grammar of RFC 9112, as far as the sides of a proxy must be able to rely on it: what is no token,
//! no single length, no CRLF, is an error that says so. Nothing is trimmed, folded or repaired.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrictFraming {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// What a valid head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictHead {
    /// How the end of the body is known.
    pub framing: StrictFraming,
    /// Whether the method is HEAD.
    pub is_head: bool,
    /// Whether the sender waits for an interim answer.
    pub expects_continue: bool,
    /// Whether the sender will ask no more.
    pub wants_close: bool,
    /// The value of `X-Echo` where it is of letters, digits and `-`, else nothing.
    pub echo: String,
}

/// Reads a head with its empty line.
///
/// # Errors
/// With what is wrong.
pub fn check_head(head: &[u8]) -> Result<StrictHead, String> {
    let mut lines = head.strip_suffix(b"\r\n\r\n").ok_or("a head without its empty line")?.split_crlf();
    let (method, minor) = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for line in lines {
        let (name, value) = field(line)?;
        fields.take(&name.to_ascii_lowercase(), value)?;
    }
    match (minor, fields.hosts) {
        (b'1', 0) => return Err("HTTP/1.1 without Host".to_owned()),
        (_, 2..) => return Err("more than one Host".to_owned()),
        _ => {}
    }
    if fields.chunked && fields.length.is_some() {
        return Err("Content-Length beside Transfer-Encoding".to_owned());
    }
    if fields.chunked && minor == b'0' {
        return Err("Transfer-Encoding in HTTP/1.0".to_owned());
    }
    Ok(StrictHead {
        framing: if fields.chunked {
            StrictFraming::Chunked
        } else {
            StrictFraming::Length(fields.length.unwrap_or(0))
        },
        is_head: method == b"HEAD",
        expects_continue: fields.expects_continue,
        wants_close: fields.wants_close,
        echo: fields.echo,
    })
}

/// Reads the first request of these bytes as far as they go: its head, and its body when that comes in
/// chunks. What is missing is no fault, and neither are empty lines before it (RFC 9112 section 2.2).
///
/// # Errors
/// With what is wrong.
pub fn check_request(mut bytes: &[u8]) -> Result<(), String> {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return bytes.split_crlf_lines().try_for_each(|line| ended_by_crlf(line).map(|_| ()));
    };
    let (head, mut rest) = bytes.split_at(end + 4);
    if check_head(head)?.framing != StrictFraming::Chunked {
        return Ok(());
    }
    while let Some(line) = rest.split_crlf_lines().next() {
        let size = usize::try_from(check_chunk_line(line)?).unwrap_or(usize::MAX);
        rest = &rest[line.len()..];
        if size == 0 {
            let mut trailers = rest.split_crlf_lines().take_while(|line| *line != b"\r\n");
            return trailers.try_for_each(check_trailer);
        }
        let Some(after) = rest.get(size..) else { return Ok(()) };
        match after {
            [] | [b'\r'] => return Ok(()),
            [b'\r', b'\n', next @ ..] => rest = next,
            _ => return Err("a chunk that CRLF does not follow".to_owned()),
        }
    }
    Ok(())
}

/// Reads the line before a chunk, with its end: the size.
///
/// # Errors
/// With what is wrong.
pub fn check_chunk_line(line: &[u8]) -> Result<u64, String> {
    let line = ended_by_crlf(line)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if !extension.is_empty() && (extension[0] != b';' || !extension.iter().all(|byte| is_text(*byte))) {
        return Err(format!("the chunk size `{}`", line.escape_ascii()));
    }
    let size = std::str::from_utf8(size).unwrap_or_default();
    u64::from_str_radix(size, 16).map_err(|_| format!("the chunk size `{}`", line.escape_ascii()))
}

/// Reads a trailer field, with its end.
///
/// # Errors
/// With what is wrong.
pub fn check_trailer(line: &[u8]) -> Result<(), String> {
    let line = ended_by_crlf(line)?;
    let (name, _) = field(line)?;
    match name.to_ascii_lowercase().as_slice() {
        b"content-length" | b"transfer-encoding" | b"host" => Err("framing in a trailer".to_owned()),
        _ => Ok(()),
    }
}

trait SplitCrlf {
    fn split_crlf(&self) -> impl Iterator<Item = &[u8]>;
    fn split_crlf_lines(&self) -> impl Iterator<Item = &[u8]>;
}

fn ended_by_crlf(line: &[u8]) -> Result<&[u8], String> {
    line.strip_suffix(b"\r\n").ok_or_else(|| "a line that ends in a bare LF".to_owned())
}

impl SplitCrlf for [u8] {
    /// Pieces between CRLF; a bare CR or LF stays inside its piece, where it is no valid byte.
    fn split_crlf(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let bytes = rest?;
            let at = bytes.windows(2).position(|pair| pair == b"\r\n");
            rest = at.map(|at| &bytes[at + 2..]);
            Some(at.map_or(bytes, |at| &bytes[..at]))
        })
    }

    /// Complete lines with their ends, whatever these are.
    fn split_crlf_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
    }
}

#[derive(Default)]
struct Fields {
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
    expects_continue: bool,
    wants_close: bool,
    echo: String,
}

impl Fields {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        match name {
            b"host" => {
                self.hosts += 1;
                host(value)
            }
            b"content-length" if self.length.is_some() => Err("more than one Content-Length".to_owned()),
            b"content-length" => {
                self.length = Some(decimal(value)?);
                Ok(())
            }
            b"transfer-encoding" if self.chunked => Err("more than one Transfer-Encoding".to_owned()),
            b"transfer-encoding" => {
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
                let wrong = || format!("Transfer-Encoding `{}`", value.escape_ascii());
                if self.chunked { Ok(()) } else { Err(wrong()) }
            }
            _ => {
                self.note(name, value);
                Ok(())
            }
        }
    }

    fn note(&mut self, name: &[u8], value: &[u8]) {
        let has = |token: &[u8]| {
            value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
        };
        match name {
            b"connection" => self.wants_close |= has(b"close"),
            b"expect" => self.expects_continue |= has(b"100-continue"),
            b"x-echo" if value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') => {
                self.echo = String::from_utf8_lossy(value).into_owned();
            }
            _ => {}
        }
    }
}

/// The method and the minor version.
fn request_line(line: &[u8]) -> Result<(&[u8], u8), String> {
    let wrong = || format!("the request line `{}`", line.escape_ascii());
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(wrong());
    };
    let minor = match version {
        b"HTTP/1.1" => b'1',
        b"HTTP/1.0" => b'0',
        _ => return Err(wrong()),
    };
    let visible = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    let known_form = target.starts_with(b"/")
        || target.starts_with(b"http://")
        || target.starts_with(b"https://")
        || (target == b"*" && method == b"OPTIONS");
    if !is_token(method) || !known_form || !target.iter().all(visible) {
        return Err(wrong());
    }
    match method {
        b"CONNECT" | b"TRACE" => Err(format!("a {} request", method.escape_ascii())),
        _ => Ok((method, minor)),
    }
}

/// The name, and the value without the white space around it.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let wrong = || format!("the field `{}`", line.escape_ascii());
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(wrong)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) || !value.iter().all(|byte| is_text(*byte)) {
        return Err(wrong());
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
    Ok((name, &value[from..to]))
}

fn host(value: &[u8]) -> Result<(), String> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
    if value.iter().all(allowed) { Ok(()) } else { Err(format!("the Host `{}`", value.escape_ascii())) }
}

fn decimal(value: &[u8]) -> Result<u64, String> {
    let wrong = || format!("the Content-Length `{}`", value.escape_ascii());
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or_else(wrong)
}

fn is_token(bytes: &[u8]) -> bool {
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(of_token)
}

/// Whether a byte may stand in a field's value.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
