//! One sample: the request, what differs, and both answers side by side with the differing lines
//! marked by a sign and by colour. Long stretches without a difference are folded.

use jiff::Timestamp;
use maud::{Markup, html};
use parallax_core::exchange::Side;
use parallax_core::report::{AnswerSample, Line, Report, ReportedDifference, RequestSample};
use parallax_core::signature::SignatureId;

use super::text::data;
use super::{numbers, words};

/// Lines without a difference that stay around one with a difference.
const CONTEXT: usize = 4;
/// Fewer lines than this are not worth folding.
const MIN_FOLDED: usize = 4;
/// Deepest indentation that is drawn.
const MAX_DEPTH: u16 = 24;

/// A sample of the fault `of`; only the first of a page is open.
pub(super) fn show(report: &Report, of: SignatureId, is_open: bool, now: Timestamp) -> Markup {
    html! {
        details #{ "check-" (report.id) } .sample open[is_open] {
            summary {
                @match &report.sample {
                    Some(sample) => span.request { strong { (data(&sample.request.method)) } " " (data(&sample.request.target)) },
                    None => span.request { "check " (report.id) },
                }
                " " (numbers::ago(report.at, now))
            }
            p.hint {
                (answered(report.answering)) " Check " code { (report.id) }
                @if let Some(finding) = report.recheck { ", " strong { (finding) } ": " (words::finding(finding)) }
                @if report.signatures.len() > 1 {
                    ". The same answers have other faults too: "
                    @for other in report.signatures.iter().filter(|other| other.id != of) {
                        a href={ "/signatures/" (other.id) } { (data(&other.path)) } " "
                    }
                }
            }
            (differences(report))
            @match &report.sample {
                Some(sample) => {
                    div.sides {
                        (answer(Side::Legacy, sample.legacy.as_ref(), sample.candidate.as_ref()))
                        (answer(Side::Candidate, sample.candidate.as_ref(), sample.legacy.as_ref()))
                    }
                    (request(&sample.request))
                }
                None => p.hint { "This operation keeps no exchanges (`samples: none`)." },
            }
        }
    }
}

fn answered(side: Side) -> &'static str {
    match side {
        Side::Legacy => "The client got the answer of legacy.",
        Side::Candidate => "The client got the answer of the candidate.",
    }
}

fn differences(report: &Report) -> Markup {
    html! {
        table.differences {
            thead {
                tr {
                    th scope="col" { "Where" }
                    th scope="col" { "Kind" }
                    th scope="col" { "Legacy" }
                    th scope="col" { "Candidate" }
                }
            }
            tbody { @for difference in &report.differences { (row(difference)) } }
        }
        @if report.more > 0 { p.hint { "And " (numbers::count(report.more as u64)) " more." } }
    }
}

fn row(difference: &ReportedDifference) -> Markup {
    html! {
        tr {
            th scope="row" {
                (data(&difference.path))
                @if let Some(explanation) = &difference.explanation { span.hint { (data(explanation)) } }
            }
            td data-label="Kind" { span class={ "kind " (difference.kind) } { (difference.kind) } }
            td.side-value data-label="Legacy" { (value(difference.legacy.as_deref())) }
            td.side-value data-label="Candidate" { (value(difference.candidate.as_deref())) }
        }
    }
}

fn value(value: Option<&str>) -> Markup {
    html! {
        @match value {
            Some(value) => code { (data(value)) },
            None => span.none { "nothing" },
        }
    }
}

fn answer(side: Side, own: Option<&AnswerSample>, other: Option<&AnswerSample>) -> Markup {
    html! {
        div class={ "side " (side) } {
            h3 { (side) }
            @match own {
                None => p.hint { "No answer is kept." },
                Some(own) => {
                    @let differs = other.is_some_and(|other| other.status != own.status);
                    div.lines {
                        (line(&Line { depth: 0, text: format!("HTTP {}", own.status), differs }))
                        (lines(&own.headers))
                    }
                    div.lines.body {
                        (lines(&own.body))
                        @if own.body.is_empty() { p.hint { "no body" } }
                        @if own.more_lines > 0 { p.hint { (numbers::count(own.more_lines as u64)) " more lines" } }
                    }
                    @if !own.trailers.is_empty() { div.lines { (lines(&own.trailers)) } }
                }
            }
        }
    }
}

fn request(request: &RequestSample) -> Markup {
    html! {
        details.asked {
            summary { "The request" @if request.redacted { ", redacted" } }
            div.lines {
                @for one in &request.headers { (line(one)) }
            }
            @if !request.body.is_empty() {
                div.lines.body { @for one in &request.body { (line(one)) } }
            }
        }
    }
}

fn lines(lines: &[Line]) -> Markup {
    html! {
        @for stretch in stretches(lines) {
            @match stretch {
                Stretch::Shown(lines) => { @for one in lines { (line(one)) } },
                Stretch::Folded(lines) => details.folded {
                    summary { (lines.len()) " lines without a difference" }
                    @for one in lines { (line(one)) }
                },
            }
        }
    }
}

fn line(line: &Line) -> Markup {
    let indent = "  ".repeat(line.depth.min(MAX_DEPTH).into());
    html! {
        div.line.differs[line.differs] {
            span.mark aria-hidden="true" { @if line.differs { "≠" } }
            @if line.differs { span.unseen-caption { "differs: " } }
            span.content { (indent) (data(&line.text)) }
        }
    }
}

enum Stretch<'a> {
    Shown(&'a [Line]),
    Folded(&'a [Line]),
}

/// Cuts lines into those near a difference and those that may be folded. Without any difference
/// nothing is folded: the lines are all there is to see.
fn stretches(lines: &[Line]) -> Vec<Stretch<'_>> {
    if !lines.iter().any(|line| line.differs) {
        return vec![Stretch::Shown(lines)];
    }
    let mut near = vec![false; lines.len()];
    for (index, _) in lines.iter().enumerate().filter(|(_, line)| line.differs) {
        let end = lines.len().min(index + CONTEXT + 1);
        near[index.saturating_sub(CONTEXT)..end].fill(true);
    }
    let mut stretches = Vec::new();
    let mut start = 0;
    for group in near.chunk_by(|one, other| one == other) {
        let stretch = &lines[start..start + group.len()];
        start += group.len();
        let is_folded = group.first() == Some(&false) && stretch.len() >= MIN_FOLDED;
        stretches.push(if is_folded { Stretch::Folded(stretch) } else { Stretch::Shown(stretch) });
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_up(count: usize, differing: &[usize]) -> Vec<Line> {
        (0..count)
            .map(|index| Line { depth: 0, text: index.to_string(), differs: differing.contains(&index) })
            .collect()
    }

    fn shape(lines: &[Line]) -> Vec<(bool, usize)> {
        let shape = |stretch: &Stretch<'_>| match stretch {
            Stretch::Shown(lines) => (true, lines.len()),
            Stretch::Folded(lines) => (false, lines.len()),
        };
        stretches(lines).iter().map(shape).collect()
    }

    #[test]
    fn what_is_far_from_a_difference_is_folded() {
        assert_eq!(shape(&made_up(100, &[50])), [(false, 46), (true, 9), (false, 45)]);
        assert_eq!(shape(&made_up(10, &[0])), [(true, 5), (false, 5)]);
        assert_eq!(shape(&made_up(20, &[4, 14])), [(true, 9), (true, 1), (true, 9), (true, 1)]);
        assert_eq!(shape(&made_up(100, &[])), [(true, 100)]);
        assert_eq!(shape(&[]), [(true, 0)]);
    }

    #[test]
    fn a_differing_line_has_a_sign_and_not_only_a_colour() {
        let shown = line(&Line { depth: 2, text: "<b>".into(), differs: true }).into_string();
        assert!(shown.contains("≠") && shown.contains("differs: "), "{shown}");
        assert!(shown.contains("    <bdi>&lt;b&gt;</bdi>"), "{shown}");
        assert!(!line(&Line { depth: 0, text: "a".into(), differs: false }).into_string().contains("≠"));
    }
}
