use http::HeaderValue;

use super::*;
use crate::exchange::Body;

/// What a recording tells, one line each, whatever pieces it comes in.
fn told(format: Format, bytes: &[u8]) -> Vec<String> {
    let whole = in_pieces(format, bytes, bytes.len().max(1));
    for size in [1, 7] {
        assert_eq!(in_pieces(format, bytes, size), whole, "in pieces of {size}");
    }
    whole
}

fn in_pieces(format: Format, bytes: &[u8], size: usize) -> Vec<String> {
    let mut recording = Recording::new(format);
    let mut found = Vec::new();
    for piece in bytes.chunks(size) {
        found.extend(recording.feed(piece));
    }
    found.extend(recording.finish());
    found.iter().map(line).collect()
}

fn line(found: &Found) -> String {
    match found {
        Found::Check(check) => {
            let Posted { request, answer, .. } = &check.posted;
            let Body::Whole(body) = &answer.body else { panic!("a whole body") };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            format!(
                "{}: {} {} {} -> {} {}",
                check.line,
                request.method,
                request.target,
                text(&request.body),
                answer.status.as_u16(),
                text(body)
            )
        }
        Found::Unusable { line, why } => format!("{line}: {why}"),
        Found::Broken(error) => format!("{}:{}: broken {}", error.line, error.column, error.field),
    }
}

fn payload(path: &str) -> String {
    format!(
        r#"{{"request":{{"method":"GET","url":{{"path":"{path}"}}}},"response":{{"status":200,"body":"{path}"}}}}"#
    )
}

#[test]
fn a_line_that_is_broken_keeps_no_other_from_being_read() {
    let text = format!("{}\r\n\n{{\"request\":\n[]\n{}", payload("/a"), payload("/b"));
    let expected = ["1: GET /a  -> 200 /a", "3:12: broken $", "4:1: broken $", "5: GET /b  -> 200 /b"];
    assert_eq!(told(Format::JsonLines, text.as_bytes()), expected);
    assert!(told(Format::JsonLines, b"\n \n").is_empty());
}

#[test]
fn payloads_may_be_laid_out_as_one_likes() {
    let laid_out = payload("/a").replace(',', ",\n ");
    let both = ["1: GET /a  -> 200 /a", "5: GET /b  -> 200 /b"];
    for text in [
        format!("[{laid_out},\n{}]", payload("/b")),
        format!("\u{feff}{laid_out}\n{}", payload("/b")).replace("\n{", "\n\n{").replacen("\n\n", "\n", 0),
    ] {
        let told = told(Format::Json, text.as_bytes());
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0], both[0]);
    }
    let broken = format!("[ 1, \"a\", {{]}}, {}, null]", payload("/b"));
    let told_of_broken = told(Format::Json, broken.as_bytes());
    assert!(told_of_broken[..2].iter().all(|line| line.contains("broken")), "{told_of_broken:?}");
    assert_eq!(told(Format::Json, b"[]"), [""; 0]);
    assert_eq!(told(Format::Json, b""), ["1:1: broken $"]);
    assert_eq!(told(Format::Json, b"[{\"request\":"), ["1:13: broken $"]);
    assert_eq!(told(Format::Json, b"["), ["1:2: broken $"]);
}

fn har(entries: &str) -> String {
    format!(
        "{{\"log\": {{\"version\": \"1.2\", \"pages\": [{{\"entries\": [1]}}],\n\"entries\": [{entries}],\n\"comment\": \"]}}\"}}}}"
    )
}

#[test]
fn an_archive_is_read_entry_by_entry() {
    let get = r#"{"_initiator": {}, "time": 1.5, "request": {"method": "GET", "url": "https://shop.example:8443/a?b=c#d",
        "headers": [{"name": ":authority", "value": "evil"}, {"name": "Accept", "value": "*/*"}], "bodySize": 0},
        "response": {"status": 200, "headers": [{"name": "content-encoding", "value": "gzip"}, {"name": "set-cookie", "value": "a=1\nb=2"}],
        "content": {"size": 3, "mimeType": "text/plain", "text": "YcO8", "encoding": "base64"}}}"#;
    let post = r#"{"request": {"method": "POST", "url": "http://shop.example?x", "headers": [],
        "postData": {"mimeType": "text/plain", "text": "sent"}}, "response": {"status": 204, "headers": [], "content": {"size": 0}}}"#;
    let text = har(&format!("{get},\n {post}"));
    assert_eq!(told(Format::Har, text.as_bytes()), ["2: GET /a?b=c  -> 200 aü", "6: POST /?x sent -> 204 "]);

    let mut recording = Recording::new(Format::Har);
    let found = recording.feed(text.as_bytes());
    let Found::Check(check) = &found[0] else { panic!("a check") };
    assert_eq!(check.host.as_deref(), Some("shop.example:8443"));
    assert_eq!(check.posted.request.headers.len(), 1);
    let Posted { answer, .. } = &check.posted;
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    assert!(!answer.headers.contains_key("content-encoding"));
}

#[test]
fn entries_that_are_no_checks_are_told_and_the_others_read() {
    let entry = |request: &str, response: &str| {
        format!(r#"{{"request":{{"method":"GET","url":"http://a/x"{request}}},"response":{{{response}}}}}"#)
    };
    let cases = [
        (entry("", r#""status":0"#), "aborted"),
        (entry("", r#""status":101"#), "upgrade"),
        (entry("", r#""status":200,"content":{"size":9}"#), "no_body"),
        (entry("", r#""status":200,"content":{"size":9,"text":""}"#), "no_body"),
        (entry("", r#""status":200,"content":{"size":0,"text":""}"#), "GET /x  -> 200 "),
        (entry(r#","bodySize":9"#, r#""status":200"#), "no_body"),
        (entry(r#","bodySize":9,"postData":{"text":""}"#, r#""status":200"#), "no_body"),
        (entry("", r#""status":200"#).replace("http://a/x", "data:text/plain,a"), "no_http"),
        (entry("", r#""status":304,"content":{"size":9}"#), "GET /x  -> 304 "),
        (entry("", r#""status":200"#).replace("GET", "CONNECT"), "broken $.request.method"),
        (entry("", r#""status":200"#).replace("/x", "/%2e%2e/x"), "broken $.request.url"),
        (entry("", r#""status":"200""#), "broken $.response.status"),
        (
            entry(r#","headers":[{"name":"a b","value":""}]"#, r#""status":200"#),
            "broken $.request.headers[0].value",
        ),
        ("{\"request\": 1}".to_owned(), "broken $.request"),
        ("[]".to_owned(), "broken $"),
        ("{\"request\" 1}".to_owned(), "broken $"),
    ];
    let all: Vec<&str> = cases.iter().map(|(entry, _)| entry.as_str()).collect();
    let told_of_all = told(Format::Har, har(&all.join(",")).as_bytes());
    for ((entry, expected), told) in cases.iter().zip(&told_of_all) {
        assert!(told.ends_with(expected), "{told}: {entry}");
    }
    assert_eq!(told_of_all.len(), cases.len());
    assert_eq!(told(Format::Har, b"{\"log\": {\"entries\": []}}"), [""; 0]);
    for bad in ["", "{}", "[]", "{\"log\": {\"entries\": {}}}", "{\"entries\": [{}]}", "{\"log\": [[{}]]}"] {
        assert!(told(Format::Har, bad.as_bytes()).iter().all(|line| line.ends_with("broken $")), "{bad}");
        assert_eq!(told(Format::Har, bad.as_bytes()).len(), 1, "{bad}");
    }
    assert_eq!(told(Format::Har, &har("").as_bytes()[..60]).len(), 1);
}

fn gor(records: &[&str]) -> Vec<u8> {
    records.iter().map(|record| format!("{record}\n🐵🙈🙉\n")).collect::<String>().into_bytes()
}

#[test]
fn requests_and_responses_are_paired_by_their_id() {
    let bytes = gor(&[
        "1 aa 1 0\nGET /a?b HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n",
        "1 bb 2\nPOST http://shop.example/b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsent",
        "2 bb 3 4\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
        "2 aa 3 4\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "3 aa 3 4\nHTTP/1.1 500 Oops\r\n\r\n",
        "2 cc 3 4\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
        "1 cc 2\nGET /c HTTP/1.0\r\n\r\n",
        "2 zz 3 4\nHTTP/1.1 200 OK\r\n\r\n",
        "1 dd 2\nGET /d HTTP/1.1\r\n\r\n",
    ]);
    let expected = [
        "8: POST /b sent -> 201 ok",
        "1: GET /a?b  -> 200 abcde",
        "46: GET /c  -> 200 until the end",
        "56: no_answer",
    ];
    assert_eq!(told(Format::GoReplay, &bytes), expected);
}

#[test]
fn trailers_are_those_behind_the_last_chunk() {
    let answer = |end: &str| {
        let request = "1 a 1\nPOST /p.S/M HTTP/1.1\r\n\r\n";
        let answer =
            format!("2 a 1 1\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{end}");
        let mut recording = Recording::new(Format::GoReplay);
        let mut found = recording.feed(&gor(&[request, &answer]));
        found.extend(recording.finish());
        let Some(Found::Check(check)) = found.pop() else { panic!("a check") };
        check.posted.answer.trailers
    };
    let trailers = answer("Grpc-Status: 5\r\nConnection: x\r\n\r\n").expect("trailers");
    assert_eq!((&trailers["grpc-status"], trailers.len()), (&HeaderValue::from_static("5"), 1));
    assert_eq!((answer("\r\n"), answer("")), (None, None));
}

#[test]
fn records_that_are_no_checks_are_told() {
    let request = "1 a 1\nGET /a HTTP/1.1\r\n\r\n";
    let cases = [
        ("2 a 1 1\nHTTP/1.1 101 Switching\r\n\r\n", "1: upgrade"),
        ("2 a 1 1\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "1: cut_off"),
        ("2 a 1 1\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "1: cut_off"),
        ("2 a 1 1\nHTTP/1.1 200 OK\r\nX", "1: cut_off"),
        ("2 a 1 1\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "1: GET /a  -> 304 "),
        ("2 a 1 1\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk", "1: cut_off"),
        ("2 a 1 1\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n", "6:1: broken $"),
        (
            "2 a 1 1\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n",
            "6:1: broken $",
        ),
        ("2 a 1 1\nSIP/2.0 200 OK\r\n\r\n", "6:1: broken $"),
        ("2 a 1 1\nHTTP/1.1 200 OK\r\nno colon\r\n\r\n", "6:1: broken $"),
        ("2 a 1 1\nHTTP/1.1 999 No\r\n\r\n", "6:1: broken $"),
    ];
    for (response, expected) in cases {
        assert_eq!(told(Format::GoReplay, &gor(&[request, response])), [expected], "{response}");
    }
    let spaced = gor(&["1 a 1\nGET /a b HTTP/1.1\r\n\r\n", "2 a 1 1\nHTTP/1.1 204 No Content\r\n\r\n"]);
    assert!(told(Format::GoReplay, &spaced)[0].ends_with("broken $"));
    for bad in ["", "GET", "1 a 1\nGET / HTTP/1.1", "4 a 1\n", "1\n", "1  2\nGET / HTTP/1.1\r\n\r\n"] {
        assert!(told(Format::GoReplay, bad.as_bytes()).len() <= 1, "{bad}");
    }
    assert_eq!(told(Format::GoReplay, b"what is this"), ["1:1: broken $"]);
    let twice = gor(&[request, request, "2 a 1 1\nHTTP/1.1 204 No Content\r\n\r\n"]);
    assert_eq!(told(Format::GoReplay, &twice), ["1: no_answer", "6: GET /a  -> 204 "]);
}

#[test]
fn a_format_is_told_by_name_or_beginning() {
    let of = |beginning: &str| Format::of("-", beginning.as_bytes());
    assert_eq!(of("  \n{ \"log\" : {"), Some(Format::Har));
    assert_eq!(of("\u{feff}[{"), Some(Format::Json));
    assert_eq!(of("{\n \"request\""), Some(Format::Json));
    assert_eq!(of("{\"request\":{}}"), Some(Format::JsonLines));
    assert_eq!(of("1 d7123dasd913jfd21312dasdhas31 127345969\nGET"), Some(Format::GoReplay));
    assert_eq!(of("GET / HTTP/1.1"), None);
    assert_eq!(Format::of("a.HAR", b"["), Some(Format::Har));
    assert_eq!(Format::of("a.json", b"["), Some(Format::Json));
    assert_eq!(Format::of("a.ndjson.gz", b""), Some(Format::JsonLines));
}

#[test]
fn a_record_without_end_is_given_up() {
    let mut recording = Recording::new(Format::JsonLines);
    let chunk = vec![b'a'; 1 << 20];
    for _ in 0..(split::MAX_PIECE >> 20) + 3 {
        assert!(recording.feed(&chunk).is_empty());
    }
    let found = recording.feed(format!("\n{}\n", payload("/a")).as_bytes());
    let told: Vec<String> = found.iter().map(line).collect();
    assert_eq!(told, ["1:1: broken $", "2: GET /a  -> 200 /a"]);
}

#[test]
fn operations_are_guessed_from_what_a_path_looks_like() {
    let guess =
        |method: http::Method, path: &str| guessed(&method, path).map(|(_, matcher)| matcher.to_string());
    for (path, expected) in [
        ("/", Some("GET /")),
        ("/returns", Some("GET /returns")),
        ("/v1/returns/17", Some("GET /v1/returns/{id}")),
        ("/a%20b/c", Some("GET /{id}/c")),
        ("/a/", Some("GET /a/")),
        ("", None),
    ] {
        assert_eq!(guess(http::Method::HEAD, path).as_deref(), expected, "{path}");
    }
    assert_eq!(guess(http::Method::POST, &"/long".repeat(100)), None);
}
