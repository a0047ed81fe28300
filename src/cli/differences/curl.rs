//! A stored sample as a command that shows the fault: what is known of the request, quoted so that a
//! shell takes it as it is, and a variable for each value that was not kept.

use std::fmt::Write as _;

use parallax_core::report::{Line, Report, RequestSample};
use parallax_core::template::Template;

use super::super::client::{Client, operation_path};
use super::super::output::{one_line, plain};
use super::super::view::{OperationView, SignatureView};
use super::DifferencesArgs;

/// Signatures of which a sample is printed.
const PRINTED: usize = 20;

/// Headers that a reproduction does not need: they say who asked and by which way, or curl writes
/// them itself.
const NEEDLESS: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-length",
    "forwarded",
    "host",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

pub(super) fn reproductions(client: &Client, args: &DifferencesArgs) -> anyhow::Result<String> {
    let ids: Vec<String> = match args.signature {
        Some(id) => vec![id.to_string()],
        None => {
            let path = format!("{}/signatures", operation_path(&args.operation));
            let mut signatures: Vec<SignatureView> = client.get(&path)?;
            signatures
                .sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.path.cmp(&other.path)));
            signatures.into_iter().take(PRINTED).map(|signature| signature.id).collect()
        }
    };
    let operation: OperationView = client.get(&operation_path(&args.operation))?;
    let template = operation.matcher.split_once(' ').and_then(|(_, template)| template.parse().ok());
    let mut text = String::new();
    for id in ids {
        let signature = super::belongs(client.get(&format!("/api/v1/signatures/{id}"))?, &args.operation)?;
        let about = format!("{} {}", signature.path, signature.kind);
        match signature.samples.iter().find_map(|report| reproduction(report, template.as_ref())) {
            Some(command) => {
                let _ = writeln!(text, "# {}\n{command}\n", one_line(&about));
            }
            None => {
                let _ = writeln!(text, "# {}: no sample of it is kept\n", one_line(&about));
            }
        }
    }
    if text.is_empty() {
        return Ok(format!("# {}: no differences seen\n", one_line(&args.operation)));
    }
    Ok(format!(
        "# CANDIDATE=http://…; the other variables stand for values that were not kept\n\n{}",
        plain(&text)
    ))
}

/// The command for a report's request.
fn reproduction(report: &Report, template: Option<&Template>) -> Option<String> {
    report.sample.as_ref().map(|sample| command(&sample.request, template))
}

fn command(request: &RequestSample, template: Option<&Template>) -> String {
    let mut words = vec!["curl --globoff --path-as-is --include".to_owned()];
    match request.method.as_str() {
        // With a body, curl would make it a POST.
        "GET" if request.body.is_empty() => {}
        "HEAD" => words.push("--head".to_owned()),
        method => words.push(format!("--request {}", quoted(method))),
    }
    for line in &request.headers {
        words.extend(header(line, request.masked));
    }
    if request.method != "HEAD" {
        words.extend(body(request));
    }
    words.push(format!("\"$CANDIDATE\"{}", target(request, template)));
    words.join(" \\\n  ")
}

/// One header with its value, or with a variable where the value was not kept.
fn header(line: &Line, masked: bool) -> Option<String> {
    let (name, value) = line.text.split_once(':')?;
    let value = value.trim_start();
    if NEEDLESS.contains(&name) || name.starts_with("parallax-") {
        return None;
    }
    let is_known = !masked || ["accept", "content-type"].contains(&name);
    Some(match is_known && is_whole(value) {
        true if value.is_empty() => format!("--header {}", quoted(&format!("{name};"))),
        true => format!("--header {}", quoted(&format!("{name}: {value}"))),
        false => format!("--header {}{}", quoted(&format!("{name}: ")), variable(name)),
    })
}

fn body(request: &RequestSample) -> Option<String> {
    if request.body.is_empty() {
        return None;
    }
    let known = request.body_again().ok().and_then(|bytes| String::from_utf8(bytes.into()).ok());
    Some(match known.filter(|text| is_plain(text)) {
        Some(text) => format!("--data-raw {}", quoted(&text)),
        None => "--data-binary @\"$BODY_FILE\"".to_owned(),
    })
}

/// Path and query; where they were masked, with a variable for each parameter.
fn target(request: &RequestSample, template: Option<&Template>) -> String {
    if !request.masked && is_plain(&request.target) {
        return quoted(&request.target);
    }
    let (path, query) = match request.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request.target.as_str(), None),
    };
    let mut words = masked_path(path, template);
    for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        let mark = if at == 0 { '?' } else { '&' };
        match pair.split_once('=') {
            Some((name, _)) => {
                let _ = write!(words, "{}{}", quoted(&format!("{mark}{name}=")), variable(name));
            }
            None => words.push_str(&quoted(&format!("{mark}{pair}"))),
        }
    }
    words
}

/// A masked path: what the template says itself, and a variable for each of its parameters.
fn masked_path(path: &str, template: Option<&Template>) -> String {
    let Some(template) = template.filter(|template| template.capture(path).is_some()) else {
        return "\"$REQUEST_PATH\"".to_owned();
    };
    let mut words = String::new();
    let mut rest = template.to_string();
    for name in template.parameters() {
        let Some((before, after)) = rest.split_once(&format!("{{{name}}}")) else { break };
        let _ = write!(words, "{}{}", quoted(before), variable(name));
        rest = after.to_owned();
    }
    if !rest.is_empty() {
        words.push_str(&quoted(&rest));
    }
    words
}

/// A variable of the shell that is named after a header or a parameter. Names come from clients: with a
/// beginning of its own, none is that of a variable which holds something already.
fn variable(name: &str) -> String {
    let upper: String = name
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' })
        .collect();
    format!("\"${{VALUE_{upper}}}\"")
}

/// A text that a POSIX shell takes as one word, as it is.
fn quoted(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+%@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_word) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Whether a value was kept to its end and can be printed.
fn is_whole(value: &str) -> bool {
    value != "[redacted]" && !value.ends_with('…') && is_plain(value)
}

/// Whether printing changes nothing.
fn is_plain(text: &str) -> bool {
    plain(text) == text && !text.contains(['\u{fffd}', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { depth: 0, text: text.to_owned(), differs: false }
    }

    fn request(masked: bool) -> RequestSample {
        RequestSample {
            method: "PUT".to_owned(),
            target: "/returns/9'$(x)?q=a b&r".to_owned(),
            headers: [
                "authorization: [redacted]",
                "x-note: it's `$HOME`",
                "user-agent: a",
                "content-type: application/json",
            ]
            .map(line)
            .to_vec(),
            body: ["{", "\"a\": \"it's\"", "}"].map(line).to_vec(),
            redacted: true,
            masked,
        }
    }

    #[test]
    fn what_is_known_is_quoted_and_what_is_not_is_a_variable() {
        let template: Template = "/returns/{return-id}/notes".parse().expect("a template");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(variable("x-customer.id"), "\"${VALUE_X_CUSTOMER_ID}\"");
        assert_eq!(variable("2nd"), "\"${VALUE_2ND}\"");
        assert_eq!(target(&request(false), None), r"'/returns/9'\''$(x)?q=a b&r'");
        assert_eq!(
            header(&line("authorization: [redacted]"), false).as_deref(),
            Some("--header 'authorization: '\"${VALUE_AUTHORIZATION}\"")
        );
        assert_eq!(
            header(&line("x-note: it's `$HOME`"), false).as_deref(),
            Some(r"--header 'x-note: it'\''s `$HOME`'")
        );
        assert_eq!(
            header(&line("x-note: xx"), true).as_deref(),
            Some("--header 'x-note: '\"${VALUE_X_NOTE}\"")
        );
        assert_eq!(header(&line("user-agent: a"), false), None);
        assert_eq!(body(&request(false)).as_deref(), Some(r#"--data-raw '{"a": "it'\''s"}'"#));
        assert_eq!(body(&request(true)).as_deref(), Some("--data-binary @\"$BODY_FILE\""));
        let masked = RequestSample { target: "/returns/99/notes?page=9&x".to_owned(), ..request(true) };
        assert_eq!(
            target(&masked, Some(&template)),
            "/returns/\"${VALUE_RETURN_ID}\"/notes'?page='\"${VALUE_PAGE}\"'&x'"
        );
        assert_eq!(target(&masked, None), "\"$REQUEST_PATH\"'?page='\"${VALUE_PAGE}\"'&x'");
    }

    #[test]
    fn a_body_changes_no_method() {
        let of = |method: &str| command(&RequestSample { method: method.to_owned(), ..request(false) }, None);
        assert!(of("GET").contains("--request GET") && of("GET").contains("--data-raw"));
        assert!(of("HEAD").contains("--head") && !of("HEAD").contains("--data"));
    }

    /// A shell takes the words apart again as they were.
    #[test]
    fn a_shell_reads_what_was_meant() {
        let nasty = [
            "it's",
            "$(touch /nowhere)",
            "`id`",
            "a\\b",
            "\"",
            "!x",
            "*",
            "~",
            "-n",
            "a;b|c&d",
            "ü",
            "{a,b}",
        ];
        let script = format!("printf '%s\\0' {}", nasty.map(quoted).join(" "));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let words: Vec<&[u8]> = output.stdout.split(|&byte| byte == 0).collect();
        assert_eq!(words[..nasty.len()], nasty.map(str::as_bytes));
    }
}
