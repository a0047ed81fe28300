//! A request's place in its trace, and how it is told in headers (W3C Trace Context).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Tracer;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// A span's place: what a callee is told of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace_id: u128,
    /// The span within it.
    pub span_id: u64,
    /// Whether its caller records it.
    pub sampled: bool,
}

impl Context {
    /// What a caller says; none where it says nothing, or nothing valid.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let text = lines.next()?.to_str().ok()?;
        // Of two that differ nobody knows which is meant.
        if lines.next().is_some() {
            return None;
        }
        Self::read(text)
    }

    /// A later version may add fields, and begins like this one.
    fn read(text: &str) -> Option<Self> {
        let (known, more) = text.split_at_checked(LENGTH)?;
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let parts: Vec<&str> = known.split('-').collect();
        let &[version, trace, span, flags] = parts.as_slice() else { return None };
        let lengths = [version, trace, span, flags].map(str::len);
        if lengths != [2, 32, 16, 2] || !parts.iter().all(|part| is_hex(part)) {
            return None;
        }
        let is_extended = !more.is_empty() && (version == "00" || !more.starts_with('-'));
        if version == "ff" || is_extended {
            return None;
        }
        let context = Self {
            trace_id: u128::from_str_radix(trace, 16).ok()?,
            span_id: u64::from_str_radix(span, 16).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & SAMPLED != 0,
        };
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    fn write(self, headers: &mut HeaderMap) {
        let Self { trace_id, span_id, sampled } = self;
        let text = format!("00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(sampled));
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// What one exchange through here does to a trace.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// The caller's span, in the same trace.
    pub parent: Option<u64>,
    /// Our own span: the server's for a request.
    pub own: Context,
    /// The span towards the side: its place is what the side is told.
    pub side: Context,
}

impl Tracer {
    /// The trace of a request that has arrived.
    #[must_use]
    pub fn receive(&self, headers: &HeaderMap) -> Trace {
        let caller = Context::of(headers);
        let sampled = caller.map_or_else(|| self.draws(), |caller| caller.sampled);
        let trace_id = caller.map_or_else(new_trace_id, |caller| caller.trace_id);
        let span = || Context { trace_id, span_id: new_span_id(), sampled };
        Trace { parent: caller.map(|caller| caller.span_id), own: span(), side: span() }
    }

    /// The trace of a copy: one of its own, recorded where the request's is. A check that did not
    /// come through the proxy is linked to nothing, and left to the dice.
    #[must_use]
    pub fn copy(&self, of: Option<Context>) -> Context {
        let sampled = of.map_or_else(|| self.draws(), |request| request.sampled);
        Context { trace_id: new_trace_id(), span_id: new_span_id(), sampled }
    }
}

impl Trace {
    /// Tells the side. The spans of a request that is not recorded do not exist, so that its side
    /// is told of its caller's, as it came; where there is none, that nobody records it.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if self.own.sampled || self.parent.is_none() {
            self.side.tell(headers, self.parent.is_some());
        }
    }
}

impl Context {
    /// Tells a side its place. What the vendors in `tracestate` say is about the caller's trace,
    /// and goes with it only.
    pub fn tell(self, headers: &mut HeaderMap, is_same_trace: bool) {
        self.write(headers);
        if !is_same_trace {
            headers.remove(TRACESTATE);
        }
    }
}

fn new_trace_id() -> u128 {
    fastrand::u128(1..)
}

fn new_span_id() -> u64 {
    fastrand::u64(1..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_standards_header_is_understood() {
        let context = Context::read(GOOD).expect("a context");
        assert_eq!(context.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((context.span_id, context.sampled), (0xb7ad_6b71_6920_3331, true));
        assert_eq!(Context::read(&GOOD.replace("-01", "-02")).map(|context| context.sampled), Some(false));
        assert!(Context::read(&format!("01{}-what-comes", &GOOD[2..])).is_some());
        let mut headers = HeaderMap::new();
        context.write(&mut headers);
        assert_eq!(headers[TRACEPARENT], GOOD);
        assert_eq!(Context::of(&headers), Some(context));
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(Context::of(&headers), None);
    }

    #[test]
    fn what_is_not_valid_is_no_context() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &GOOD.replace("b7ad6b7169203331", "0000000000000000"),
            &GOOD.replace('-', "_"),
            &GOOD.replace("0af7", "+af7"),
            &format!("01{}x", &GOOD[2..]),
            &"é".repeat(40),
        ] {
            assert_eq!(Context::read(bad), None, "{bad}");
        }
    }

    fn tracer(sample: &str) -> Tracer {
        let configured = config::Traces {
            otlp: "http://127.0.0.1:4318".parse().expect("a url"),
            sample: sample.parse().expect("a share"),
            service: "parallax".into(),
        };
        let dropped = prometheus::IntCounter::new("dropped", "dropped").expect("a counter");
        let side = |port| format!("http://127.0.0.1:{port}").parse().expect("a url");
        super::super::channel(&configured, &side(1), &side(2), &dropped).0
    }

    fn with(list: &[(HeaderName, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_caller_decides_and_keeps_its_state() {
        let mut headers = with(&[(TRACEPARENT, GOOD), (TRACESTATE, "vendor=1")]);
        let trace = tracer("0%").receive(&headers);
        assert!(trace.own.sampled);
        assert_eq!(trace.parent, Some(0xb7ad_6b71_6920_3331));
        trace.tell(&mut headers);
        assert_eq!(Context::of(&headers), Some(trace.side));
        assert_eq!(headers[TRACESTATE], "vendor=1");

        let unrecorded: &'static str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let mut headers = with(&[(TRACEPARENT, unrecorded), (TRACESTATE, "vendor=1")]);
        tracer("100%").receive(&headers).tell(&mut headers);
        assert_eq!(headers, with(&[(TRACEPARENT, unrecorded), (TRACESTATE, "vendor=1")]));
    }

    #[test]
    fn without_a_caller_the_share_decides() {
        for (sample, sampled) in [("0%", false), ("100%", true)] {
            let mut headers = with(&[(TRACEPARENT, "nonsense"), (TRACESTATE, "vendor=1")]);
            let trace = tracer(sample).receive(&headers);
            trace.tell(&mut headers);
            assert_eq!((trace.own.sampled, trace.parent), (sampled, None));
            assert_eq!(Context::of(&headers), Some(trace.side));
            assert!(!headers.contains_key(TRACESTATE), "it belonged to a trace that is not known");
        }
    }

    #[test]
    fn a_copy_has_a_trace_of_its_own() {
        let tracer = tracer("0%");
        let request = tracer.receive(&with(&[(TRACEPARENT, GOOD)])).own;
        let copy = tracer.copy(Some(request));
        assert!(copy.sampled && copy.trace_id != request.trace_id);
        assert!(!tracer.copy(None).sampled);
    }
}
