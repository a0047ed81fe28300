//! A recording: the same is found in it however it is cut, what is found can be sent, and what is broken
//! is told with a place in the file.

use parallax_core::recorded::{Format, Found, Recording};

use super::posted::can_be_sent;

/// The first byte says how the recording is written, the second how it is cut.
pub fn holds(data: &[u8]) {
    let Some((&[format, cut], data)) = data.split_first_chunk::<2>() else { return };
    let format = Format::ALL[usize::from(format) % Format::ALL.len()];
    let whole = found(format, data, data.len().max(1));
    let pieces = found(format, data, usize::from(cut).max(1));
    assert_eq!(whole, pieces, "{format} in pieces of {cut}");
}

/// What is found, in one line each.
fn found(format: Format, data: &[u8], size: usize) -> Vec<String> {
    let mut recording = Recording::new(format);
    let mut all = Vec::new();
    for piece in data.chunks(size) {
        all.extend(recording.feed(piece));
    }
    all.extend(recording.finish());
    let lines = data.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let told = |found: Found| match found {
        Found::Check(check) => {
            can_be_sent(&check.posted);
            assert!((1..=lines).contains(&check.line));
            format!("{check:?}")
        }
        Found::Unusable { line, why } => {
            assert!((1..=lines).contains(&line));
            format!("{line} {why}")
        }
        Found::Broken(error) => {
            assert!((1..=lines).contains(&error.line) && error.to_string().len() < 5_000, "{error}");
            format!("{error}")
        }
    };
    all.into_iter().map(told).collect()
}
