//! A stored sample as a request that can be asked again, and the answer that it is to be held
//! against. Only from what was kept whole: nothing is filled in, because a request that is almost the
//! one that was asked says nothing about the fault that was found.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::layout::{MAX_LINES, is_clipped};
use super::{AnswerSample, Line, Report, RequestSample};
use crate::document::read;
use crate::exchange::{Answer, Body, Request};
use crate::format::{BodyKind, MAX_NODES, declared_kind};
use crate::label::labels;
use crate::redaction::REDACTED;

/// Headers with which a client proves who it is.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

labels! {
    /// Why a sample cannot be asked again.
    pub enum NotAgain {
        /// No sample was kept, or not legacy's answer.
        NotKept => "not_kept",
        /// Values were masked or left out by name, or the client proved who it was.
        Redacted => "redacted",
        /// Something was too long to be kept whole.
        CutOff => "cut_off",
        /// A body that is kept in a form that it cannot be made from again: anything but JSON.
        BodyForm => "body_form",
        /// Its operation is not in the configuration any more.
        NoOperation => "no_operation",
        /// Its operation may not run on both sides.
        NotIdempotent => "not_idempotent",
    }
}

/// A request to be asked again.
#[derive(Debug)]
pub struct Again {
    /// What was asked.
    pub request: Request,
    /// What legacy answered.
    pub legacy: Answer,
    /// Headers of answers whose values were not kept, which are not to be compared.
    pub unknown: Vec<HeaderName>,
}

impl Report {
    /// The request with legacy's answer, where enough was kept. A header whose value was left out
    /// does no harm where it is one of `given`, which is set on every request to the side that will be
    /// asked. Credentials come from there alone, also where a client's were kept.
    ///
    /// # Errors
    /// Why it cannot be asked again.
    pub fn again(&self, given: &[HeaderName]) -> Result<Again, NotAgain> {
        let sample = self.sample.as_ref().ok_or(NotAgain::NotKept)?;
        let request = request(&sample.request, given)?;
        let (legacy, unknown) = answer(sample.legacy.as_ref().ok_or(NotAgain::NotKept)?)?;
        Ok(Again { request, legacy, unknown })
    }
}

impl RequestSample {
    /// The body as it was sent, where enough of it was kept.
    ///
    /// # Errors
    /// Why it cannot be sent again.
    pub fn body_again(&self) -> Result<Bytes, NotAgain> {
        if self.masked {
            return Err(NotAgain::Redacted);
        }
        let (headers, _) = headers(&self.headers)?;
        body(&headers, &self.body)
    }
}

fn request(sample: &RequestSample, given: &[HeaderName]) -> Result<Request, NotAgain> {
    if sample.masked {
        return Err(NotAgain::Redacted);
    }
    let method = Method::from_bytes(sample.method.as_bytes()).map_err(|_| NotAgain::NotKept)?;
    let target: PathAndQuery = sample.target.parse().map_err(|_| NotAgain::NotKept)?;
    let (mut headers, mut unknown) = headers(&sample.headers)?;
    // What was kept of a client's credentials, because nobody named it, is not ours to use.
    for name in CREDENTIALS {
        if headers.remove(&name).is_some() {
            unknown.push(name);
        }
    }
    if unknown.iter().any(|name| !given.contains(name)) {
        return Err(NotAgain::Redacted);
    }
    let body = body(&headers, &sample.body)?;
    for name in [header::HOST, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    if !target.as_str().starts_with('/') {
        return Err(NotAgain::NotKept);
    }
    Ok(Request { method, target, headers, body })
}

fn answer(sample: &AnswerSample) -> Result<(Answer, Vec<HeaderName>), NotAgain> {
    if sample.more_lines > 0 {
        return Err(NotAgain::CutOff);
    }
    let status = StatusCode::from_u16(sample.status).map_err(|_| NotAgain::NotKept)?;
    let (mut fields, mut unknown) = headers(&sample.headers)?;
    let body = Body::Whole(body(&fields, &sample.body)?);
    // The body was laid out decoded.
    if fields.remove(header::CONTENT_ENCODING).is_some() {
        unknown.extend([header::CONTENT_ENCODING, header::CONTENT_LENGTH]);
        fields.remove(header::CONTENT_LENGTH);
    }
    let (trailers, hidden) = headers(&sample.trailers)?;
    if !hidden.is_empty() {
        return Err(NotAgain::Redacted);
    }
    let trailers = (!trailers.is_empty()).then_some(trailers);
    Ok((Answer { status, headers: fields, body, trailers }, unknown))
}

/// The headers with their values, and those whose values were left out.
fn headers(lines: &[Line]) -> Result<(HeaderMap, Vec<HeaderName>), NotAgain> {
    if lines.len() >= MAX_LINES {
        return Err(NotAgain::CutOff);
    }
    let (mut map, mut unknown) = (HeaderMap::new(), Vec::new());
    for line in lines {
        let (name, value) = line.text.split_once(": ").ok_or(NotAgain::CutOff)?;
        let name: HeaderName = name.parse().map_err(|_| NotAgain::CutOff)?;
        if value == REDACTED {
            unknown.push(name);
            continue;
        }
        whole(line)?;
        map.append(name, HeaderValue::from_str(value).map_err(|_| NotAgain::CutOff)?);
    }
    Ok((map, unknown))
}

/// A JSON body from its lines, or an empty one from none.
fn body(headers: &HeaderMap, lines: &[Line]) -> Result<Bytes, NotAgain> {
    if lines.is_empty() {
        return Ok(Bytes::new());
    }
    if lines.len() >= MAX_LINES {
        return Err(NotAgain::CutOff);
    }
    if declared_kind(headers) != Some(BodyKind::Json) {
        return Err(NotAgain::BodyForm);
    }
    let mut text = String::new();
    let mut begins = true;
    for line in lines {
        if line.text.ends_with(REDACTED) {
            return Err(NotAgain::Redacted);
        }
        whole(line)?;
        let closes = matches!(line.text.as_str(), "}" | "]");
        if !begins && !closes {
            text.push(',');
        }
        text.push_str(&line.text);
        begins = line.text.ends_with(['{', '[']);
    }
    // A text that was shown in another way than JSON writes it is none, and not what was sent.
    let bytes = Bytes::from(text);
    read(bytes.clone(), MAX_NODES).map(|_| bytes).map_err(|_| NotAgain::BodyForm)
}

/// Neither cut nor with a character that could not be shown.
fn whole(line: &Line) -> Result<(), NotAgain> {
    if is_clipped(&line.text) || line.text.contains('\u{fffd}') { Err(NotAgain::CutOff) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { depth: 0, text: text.to_owned(), differs: false }
    }

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| line(text)).collect()
    }

    fn sample(headers: &[&str], body: &[&str]) -> RequestSample {
        RequestSample {
            method: "POST".to_owned(),
            target: "/a?b=c".to_owned(),
            headers: lines(headers),
            body: lines(body),
            redacted: false,
            masked: false,
        }
    }

    const JSON: &str = "content-type: application/json";

    #[test]
    fn json_is_put_together_from_its_lines() {
        let texts = [
            "{",
            "\"a\": [",
            "1.50",
            "{}",
            "[",
            "\"}\"",
            "]",
            "]",
            "\"b\": {",
            "\"c\": null",
            "}",
            "\"d\": \"{\"",
            "}",
        ];
        let made = body(&headers(&lines(&[JSON])).unwrap().0, &lines(&texts)).unwrap();
        assert_eq!(made, r#"{"a": [1.50,{},["}"]],"b": {"c": null},"d": "{"}"#);
    }

    #[test]
    fn nothing_is_filled_in() {
        let long = format!("x: {}…", "a".repeat(200));
        let again =
            |headers: &[&str], body: &[&str]| request(&sample(headers, body), &[]).map(|_| ()).unwrap_err();
        assert_eq!(again(&["authorization: [redacted]"], &[]), NotAgain::Redacted);
        assert_eq!(again(&["cookie: kept=1"], &[]), NotAgain::Redacted);
        assert_eq!(again(&[JSON], &["{", "\"a\": [redacted]", "}"]), NotAgain::Redacted);
        assert_eq!(again(&[&long], &[]), NotAgain::CutOff);
        assert_eq!(again(&["x: \u{fffd}"], &[]), NotAgain::CutOff);
        assert_eq!(again(&["content-type: text/plain"], &["a"]), NotAgain::BodyForm);
        assert_eq!(again(&[JSON], &["\"\\u{1}\""]), NotAgain::BodyForm);
        assert_eq!(again(&[JSON], &vec!["1"; MAX_LINES]), NotAgain::CutOff);
        let masked = RequestSample { masked: true, ..sample(&[], &[]) };
        assert_eq!(request(&masked, &[]).map(|_| ()), Err(NotAgain::Redacted));
    }

    #[test]
    fn a_header_that_is_set_anyway_need_not_be_known() {
        let with = sample(&["authorization: kept", "host: shop", "x: 1"], &[]);
        let request = request(&with, &[header::AUTHORIZATION]).unwrap();
        assert_eq!(request.headers.len(), 1);
        let legacy = AnswerSample {
            status: 200,
            headers: lines(&["set-cookie: [redacted]", "x: 1"]),
            body: Vec::new(),
            more_lines: 0,
            trailers: Vec::new(),
        };
        let (answer, unknown) = answer(&legacy).unwrap();
        assert_eq!((answer.headers.len(), unknown), (1, vec![header::SET_COOKIE]));
        let cut = AnswerSample { more_lines: 1, ..legacy };
        assert_eq!(super::answer(&cut).map(|_| ()), Err(NotAgain::CutOff));
    }

    #[test]
    fn what_an_earlier_version_has_stored_counts_as_masked() {
        let stored = r#"{"method":"GET","target":"/a","headers":[],"body":[],"redacted":false}"#;
        assert!(serde_json::from_str::<RequestSample>(stored).unwrap().masked);
    }
}
