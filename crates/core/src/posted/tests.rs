use super::*;

const ARTICLE: &str = r#"{
  "request": {
    "url": {
      "path": "api/example?param=something"
    },
    "headers": {
      "Content-Type": "application/json;charset=UTF-8",
      "Accept-Language": "de-DE"
    },
    "method": "GET",
    "body": null
  },
  "response": {
    "status": 200,
    "headers": {
      "Content-Type": "application/json;charset=UTF-8",
      "transfer-encoding": "chunked"
    },
    "body": "json-response-body"
  }
}"#;

fn posted(request: &str, response: &str) -> Result<Posted, Malformed> {
    read(whole(request, response).as_bytes())
}

/// A payload with these members beside what there must be.
fn whole(request: &str, response: &str) -> String {
    format!(
        r#"{{"request":{{"method":"POST","url":{{"path":"/a"}}{request}}},"response":{{"status":200{response}}}}}"#
    )
}

fn body(answer: &Answer) -> &[u8] {
    match &answer.body {
        Body::Whole(bytes) => bytes,
        Body::Digest(_) => panic!("a whole body"),
    }
}

fn names(headers: &http::HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_article_s_own_example_is_read_as_it_stands() {
    let posted = read(ARTICLE.as_bytes()).unwrap();
    assert_eq!((posted.id, posted.operation_id), (None, None));
    assert_eq!(posted.request.method, Method::GET);
    assert_eq!(posted.request.target, "/api/example?param=something");
    assert_eq!(names(&posted.request.headers), ["accept-language", "content-type"]);
    assert!(posted.request.body.is_empty());
    assert_eq!(posted.answer.status, StatusCode::OK);
    assert_eq!(names(&posted.answer.headers), ["content-type"]);
    assert_eq!(body(&posted.answer), b"json-response-body");
}

#[test]
fn a_body_is_text_json_or_bytes() {
    let of = |member: &str| body(&posted("", member).unwrap().answer).to_vec();
    assert_eq!(of(r#","body":"a\u00fc\n""#), "aü\n".as_bytes());
    assert_eq!(
        of(r#","body":{"n": 12345678901234567890.10, "n":1e400}"#),
        br#"{"n": 12345678901234567890.10, "n":1e400}"#
    );
    assert_eq!(of(r#","body":[ ]"#), b"[ ]");
    assert_eq!(of(r#","body":true"#), b"true");
    assert_eq!(of(r#","body":-0.0"#), b"-0.0");
    assert_eq!(of(r#","body":null"#), b"");
    assert_eq!(of(""), b"");
    for base64 in ["/wD+", "_wD-", "AA==", "AA"] {
        let bytes = of(&format!(r#","body_encoding":"base64","body":"{base64}""#));
        assert_eq!(bytes, if base64.starts_with('A') { &b"\0"[..] } else { b"\xff\0\xfe" });
    }
}

#[test]
fn text_has_lost_its_coding_and_bytes_have_not() {
    let headers = r#","headers":{"Content-Encoding":"gzip","Content-Length":"3","X":"1"}"#;
    let text = posted("", &format!(r#"{headers},"body":"abc""#)).unwrap();
    assert_eq!(names(&text.answer.headers), ["x"]);
    let bytes = posted("", &format!(r#"{headers},"body":"AAAA","body_encoding":"base64""#)).unwrap();
    assert_eq!(names(&bytes.answer.headers), ["content-encoding", "content-length", "x"]);
    let empty = posted("", headers).unwrap();
    assert_eq!(names(&empty.answer.headers), ["content-encoding", "content-length", "x"]);
}

#[test]
fn text_is_encoded_as_its_content_type_says() {
    let answer = |content_type: &str, text: &str| {
        posted("", &format!(r#","headers":{{"content-type":"{content_type}"}},"body":"{text}""#))
    };
    let bytes = |content_type: &str| body(&answer(content_type, "größe").unwrap().answer).to_vec();
    assert_eq!(bytes("text/html; charset=iso-8859-1"), b"gr\xf6\xdfe");
    assert_eq!(bytes("text/html"), "größe".as_bytes());
    assert_eq!(bytes("application/json; charset=iso-8859-1"), "größe".as_bytes());
    let error = answer("text/plain; charset=iso-8859-1", "😀").unwrap_err();
    assert_eq!(error.field, "$.response.body");
}

#[test]
fn what_belongs_to_a_connection_is_dropped() {
    let request = r#","headers":{"Host":"evil","Content-Length":"9","Transfer-Encoding":"chunked","TE":"trailers",
        "Trailer":"x","Expect":"100-continue","Connection":"X-Private, authorization, close","X-Private":"1",
        "Keep-Alive":"timeout=5","Proxy-Authorization":"x","Upgrade":"h2c","HTTP2-Settings":"x","Parallax-Hop":"1.2.3",
        "parallax-shadow":"0","Authorization":"Bearer t","Cookie":"a=1","X":" padded "}"#;
    let posted = posted(request, "").unwrap();
    assert_eq!(names(&posted.request.headers), ["authorization", "cookie", "x"]);
    assert_eq!(posted.request.headers["x"], "padded");
}

#[test]
fn headers_may_be_given_in_three_ways() {
    for headers in [
        r#"{"Set-Cookie":["a=1","b=2"],"X":"1"}"#,
        r#"[["Set-Cookie","a=1"],["set-cookie","b=2"],["X","1"]]"#,
        r#"[{"name":"Set-Cookie","value":"a=1"},{"value":"b=2","name":"set-cookie"},{"name":"X","value":"1"}]"#,
    ] {
        let answer = posted("", &format!(r#","headers":{headers}"#)).unwrap().answer;
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(answer.headers["x"], "1");
    }
}

#[test]
fn ids_are_read() {
    let with = |members: &str| read(whole("", "").replacen('{', &format!("{{{members},"), 1).as_bytes());
    let posted = with(r#""id":"3f0c/1","operation_id":"getReturn""#).unwrap();
    assert_eq!(posted.id.unwrap().as_str(), "3f0c/1");
    assert_eq!(posted.operation_id.unwrap().as_str(), "getReturn");
    let long = format!(r#""id":"{}""#, "a".repeat(129));
    for bad in [r#""id":"""#, r#""id":"a b""#, r#""id":"ü""#, r#""id":"..""#, r#""id":1"#, &long] {
        assert_eq!(with(bad).unwrap_err().field, "$.id", "{bad}");
    }
    for bad in [r#""operation_id":"other""#, r#""operation_id":"a b""#, r#""operation_id":{}"#] {
        assert_eq!(with(bad).unwrap_err().field, "$.operation_id", "{bad}");
    }
}

#[test]
fn methods_are_those_that_can_be_asked() {
    let of = |method: &str| {
        read(whole("", "").replace("POST", method).as_bytes()).map(|posted| posted.request.method)
    };
    assert_eq!(of("get").unwrap(), Method::GET);
    assert_eq!(of("Patch").unwrap(), Method::PATCH);
    assert_eq!(of("PROPFIND").unwrap().as_str(), "PROPFIND");
    let long = "A".repeat(33);
    for bad in ["", "CONNECT", "trace", "Track", "GE T", "GET\\r\\n", "GÉT", "a/b", &long] {
        assert_eq!(of(bad).unwrap_err().field, "$.request.method", "{bad}");
    }
}

#[test]
fn statuses_are_those_of_answers() {
    let of = |status: &str| read(whole("", "").replace("200", status).as_bytes());
    for good in ["200", "299", "404", "599"] {
        assert!(of(good).is_ok());
    }
    for bad in [
        "100",
        "101",
        "199",
        "600",
        "0",
        "-200",
        "20",
        "2e2",
        "200.0",
        "99999999999999999999",
        "\"200\"",
        "true",
    ] {
        assert_eq!(of(bad).unwrap_err().field, "$.response.status", "{bad}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_its_value() {
    let long = format!("{{\"{}\":1}}", "k".repeat(100_000));
    let cases: &[(&str, &str, (usize, usize))] = &[
        ("", "$", (1, 1)),
        ("{", "$", (1, 2)),
        ("[]", "$", (1, 1)),
        ("\"secret\"", "$", (1, 1)),
        ("{}", "$.request", (1, 1)),
        ("{\"request\":null,\"response\":{}}", "$.request", (1, 1)),
        ("{\"request\":{},\n \"response\":{}}", "$.request.method", (1, 12)),
        ("{\"request\":{\"method\":\"GET\",\"url\":\"secret\"},\"response\":{}}", "$.request.url", (1, 34)),
        ("{\"request\":{\"method\":\"GET\",\"url\":{}},\"response\":{}}", "$.request.url.path", (1, 34)),
        ("{\"request\":{\"method\":7,\"url\":{}},\"response\":{}}", "$.request.method", (1, 22)),
        ("{\"request\":{},\"request\":{}}", "$.request", (1, 15)),
        ("{\"ü\":1,\n\"zü\" : 2}", "$.ü", (1, 2)),
        (&long, "", (1, 2)),
    ];
    for (text, field, place) in cases {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.column), *place, "{text} {error}");
        assert!(field.is_empty() || error.field == *field, "{text} {error}");
        let message = error.to_string();
        assert!(message.len() < 1_000 && !message.contains("secret"), "{message}");
    }
}

#[test]
fn what_is_wrong_inside_is_told_at_its_place() {
    let cases = [
        (r#","headers":"secret""#, "", "$.request.headers"),
        (r#","headers":{"X":1}"#, "", "$.request.headers.X"),
        (r#","headers":{"X":["a",null]}"#, "", "$.request.headers.X[1]"),
        (r#","headers":{"a b":"1"}"#, "", "$.request.headers['a b']"),
        (r#","headers":{"":"1"}"#, "", "$.request.headers['']"),
        (r#","headers":{":authority":"evil"}"#, "", "$.request.headers[':authority']"),
        (r#","headers":{"X":"a\r\nHost: evil"}"#, "", "$.request.headers.X"),
        (r#","headers":{"X":"a\u0000"}"#, "", "$.request.headers.X"),
        (r#","headers":{"X":"\ud800"}"#, "", "$.request.headers.X"),
        (r#","headers":{"X":"1","x":"2"}"#, "", "$.request.headers.x"),
        (r#","headers":[["X"]]"#, "", "$.request.headers[0]"),
        (r#","headers":[["X","1"],["Y","1","2"]]"#, "", "$.request.headers[1]"),
        (r#","headers":[{"name":"X"}]"#, "", "$.request.headers[0].value"),
        (r#","body":"\ud800""#, "", "$.request.body"),
        (r#","body":"!","body_encoding":"base64""#, "", "$.request.body"),
        (r#","body":{},"body_encoding":"base64""#, "", "$.request.body"),
        (r#","body":"a","body_encoding":"gzip""#, "", "$.request.body_encoding"),
        (r#","host":"evil""#, "", "$.request.host"),
        ("", r#","Status":200"#, "$.response.Status"),
        ("", r#","trailers":{}"#, "$.response.trailers"),
    ];
    for (request, response, field) in cases {
        let error = posted(request, response).unwrap_err();
        assert_eq!(error.field, field, "{request}{response}: {error}");
    }
    let host = posted(r#","host":"evil""#, "").unwrap_err();
    assert!(host.remedy.contains("configuration"), "{host}");
}

#[test]
fn hostile_sizes_are_refused_and_do_no_harm() {
    let deep = format!("{{\"request\":{}", "[".repeat(10 << 20));
    assert!(read(deep.as_bytes()).unwrap_err().problem.contains("nested"));
    let digits = whole("", &format!(r#","body":{}"#, "9".repeat(1 << 20)));
    assert_eq!(body(&read(digits.as_bytes()).unwrap().answer).len(), 1 << 20);
    let many: String = (0..501).map(|at| format!("\"x{at}\":\"1\",")).collect();
    let many = posted(&format!(r#","headers":{{{}}}"#, many.trim_end_matches(',')), "").unwrap_err();
    assert_eq!(many.field, "$.request.headers.x500");
    let bytes = [whole("", "").as_bytes(), b"\xff"].concat();
    assert!(read(&bytes).unwrap_err().problem.contains("UTF-8"));
    assert!(read(ARTICLE.replace("null", "nul").as_bytes()).unwrap_err().problem.contains("no JSON"));
}

#[test]
fn a_batch_has_a_result_for_each() {
    let good = whole("", "");
    let array = format!(" [{good},\n {{}}, {good}]");
    let results = read_batch(array.as_bytes(), Batch::Array, 3).unwrap();
    let error = results[1].as_ref().unwrap_err();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!((error.field.as_str(), error.line, error.column), ("$[1].request", 2, 2));
    assert_eq!(read_batch(array.as_bytes(), Batch::Array, 2).unwrap_err().line, 2);
    assert!(Batch::begins(array.as_bytes()) && !Batch::begins(good.as_bytes()));
    assert_eq!(read_batch(b"{}", Batch::Array, 2).unwrap_err().field, "$");
    assert!(read_batch(b"[]", Batch::Array, 0).unwrap().is_empty());

    let lines = format!("{good}\r\n\n{{\n{good}");
    let results = read_batch(lines.as_bytes(), Batch::Lines, 3).unwrap();
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().line, 3);
    assert_eq!(read_batch(lines.as_bytes(), Batch::Lines, 2).unwrap_err().line, 4);
}
