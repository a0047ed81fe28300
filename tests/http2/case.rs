//! One case of conformance: what a client sends, and what may come of it.

use parallax_testkit::h2::{Frame, code, flag};

/// What a client does.
pub(crate) enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits for the whole answer on a stream.
    Answered(u32),
}

/// What comes of a case. An error of the connection may not be made one of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer with this status.
    Status(u16),
    /// The stream is reset with this code.
    Reset(u32),
    /// The connection is given up with this code.
    GoAway(u32),
    /// The connection ends without a word.
    Closed,
    /// Nothing: a PING after it is answered.
    Lives,
}

impl Outcome {
    /// Whether other streams of the connection go on.
    pub(crate) fn leaves_the_connection(&self) -> bool {
        match self {
            Self::Status(_) | Self::Reset(_) | Self::Lives => true,
            Self::GoAway(_) | Self::Closed => false,
        }
    }
}

/// A case, and which outcomes are right.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) right: Vec<Outcome>,
}

impl Case {
    /// Whether this outcome is right. The general code may stand for any other, and an error of a stream
    /// may be made one of the connection (RFC 9113 sections 5.4 and 5.4.1).
    pub(crate) fn accepts(&self, outcome: &Outcome) -> bool {
        let same = |given: u32, wanted: u32| given == wanted || given == code::PROTOCOL_ERROR;
        self.right.iter().any(|right| match (outcome, right) {
            (Outcome::GoAway(given), Outcome::GoAway(wanted) | Outcome::Reset(wanted))
            | (Outcome::Reset(given), Outcome::Reset(wanted)) => same(*given, *wanted),
            _ => outcome == right,
        })
    }
}

pub(crate) const OK: Outcome = Outcome::Status(200);
pub(crate) const LIVES: Outcome = Outcome::Lives;
pub(crate) const PROTOCOL: Outcome = Outcome::GoAway(code::PROTOCOL_ERROR);
pub(crate) const FRAME_SIZE: Outcome = Outcome::GoAway(code::FRAME_SIZE_ERROR);
pub(crate) const FLOW: Outcome = Outcome::GoAway(code::FLOW_CONTROL_ERROR);
pub(crate) const COMPRESSION: Outcome = Outcome::GoAway(code::COMPRESSION_ERROR);
/// The stream's own error.
pub(crate) const STREAM_PROTOCOL: Outcome = Outcome::Reset(code::PROTOCOL_ERROR);

/// A request without a body that is at its end, and one whose body follows.
pub(crate) const WHOLE: u8 = flag::END_STREAM | flag::END_HEADERS;
pub(crate) const OPEN: u8 = flag::END_HEADERS;

/// A case in which frames are sent, one after the other.
pub(crate) fn case(name: &'static str, frames: &[Frame], right: &[Outcome]) -> Case {
    let bytes = frames.iter().flat_map(Frame::bytes).collect();
    Case { name, steps: vec![Step::Send(bytes)], right: right.to_vec() }
}

/// A case in which frames are sent when a request on stream 1 was answered.
pub(crate) fn after_an_answer(name: &'static str, frames: &[Frame], right: &[Outcome]) -> Case {
    let mut case = case(name, frames, right);
    case.steps.insert(0, Step::Answered(1));
    case.steps.insert(0, Step::Send(get(1, WHOLE, "/ok").bytes()));
    case
}

pub(crate) fn get(stream: u32, flags: u8, path: &str) -> Frame {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
    Frame::headers(stream, flags, &fields)
}

pub(crate) fn post(stream: u32, flags: u8, path: &str, more: &[(&str, &str)]) -> Frame {
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", path)];
    Frame::headers(stream, flags, &[&fields, more].concat())
}
