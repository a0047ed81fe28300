//! Instants in field values: HTTP dates (RFC 9110 section 5.6.7) and what a cookie calls a date
//! (RFC 6265 section 5.1.1). Both are seconds since 1970, UTC; no clock is read.

use jiff::civil::DateTime;

/// The year 2000: before any answer that we compare. What ends by then has ended, clock or none.
pub(super) const SURELY_PAST: i64 = 946_684_800;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A date in one of the three formats that RFC 9110 has every recipient accept. The day of the week
/// is redundant and not looked at beyond its place.
pub(super) fn http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).take(7).collect();
    match *words.as_slice() {
        [weekday, day, month, year, time, "GMT"] if is_weekday(weekday.strip_suffix(',')?) => {
            instant(number(year, 4)?, month, number(day, 2)?, time)
        }
        [weekday, date, time, "GMT"] if is_weekday(weekday.strip_suffix(',')?) => {
            let mut pieces = date.split('-');
            let (day, month, year) = (pieces.next()?, pieces.next()?, pieces.next()?);
            let year = of_two_digits(number(year, 2)?);
            if pieces.next().is_some() { None } else { instant(year, month, number(day, 2)?, time) }
        }
        [weekday, month, day, time, year] if is_weekday(weekday) => {
            instant(number(year, 4)?, month, number(day, day.len().clamp(1, 2))?, time)
        }
        _ => None,
    }
}

/// A date as user agents read it from `Set-Cookie`: a time, a day, a month and a year, in whatever
/// order and with whatever between them.
pub(super) fn cookie_date(text: &str) -> Option<i64> {
    let is_delimiter = |letter: char| matches!(letter, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~');
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for word in text.split(is_delimiter).filter(|word| !word.is_empty()) {
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let start = || number(&word[..digits], digits);
        if time.is_none() && word.contains(':') && clock(word).is_some() {
            time = Some(word);
        } else if day.is_none() && (1..=2).contains(&digits) {
            day = start();
        } else if month.is_none() && word.get(..3).is_some_and(|name| month_of(name).is_some()) {
            month = word.get(..3);
        } else if year.is_none() && (digits == 2 || digits == 4) {
            year = start().map(|year| if year < 100 { of_two_digits(year) } else { year });
        }
    }
    instant(year?, month?, day?, time?).filter(|_| year.is_some_and(|year| year >= 1601))
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let word = word.to_ascii_lowercase();
    DAYS.iter().any(|day| *day == word || day.get(..3) == Some(word.as_str()))
}

fn month_of(name: &str) -> Option<i8> {
    let at = MONTHS.iter().position(|month| name.eq_ignore_ascii_case(month))?;
    i8::try_from(at + 1).ok()
}

/// RFC 6265 section 5.1.1: 70 to 99 are of the last century. RFC 9110 would have us look at the
/// clock, which core does not.
fn of_two_digits(year: i16) -> i16 {
    if year >= 70 { 1900 + year } else { 2000 + year }
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i16> {
    let plain = !text.is_empty() && text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Hours, minutes and seconds. A leap second is told apart from the one after it.
fn clock(text: &str) -> Option<(i8, i8, i8)> {
    let mut pieces = text.split(':').map(|piece| number(piece, piece.len().clamp(1, 2)));
    let (hour, minute, second) = (pieces.next()??, pieces.next()??, pieces.next()??);
    let fits = pieces.next().is_none() && hour < 24 && minute < 60 && second <= 60;
    let small = |part: i16| i8::try_from(part).ok();
    if fits { Some((small(hour)?, small(minute)?, small(second)?)) } else { None }
}

fn instant(year: i16, month: &str, day: i16, time: &str) -> Option<i64> {
    let (hour, minute, second) = clock(time)?;
    let leap = second == 60;
    let second = if leap { 59 } else { second };
    let local =
        DateTime::new(year, month_of(month)?, i8::try_from(day).ok()?, hour, minute, second, 0).ok()?;
    // Between civil times, since an instant of jiff ends some hours before the year 9999 does, which
    // is what many send for "never".
    let since = local.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    Some(since.as_secs() + i64::from(leap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_formats_of_one_instant() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
            assert_eq!(cookie_date(text), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn what_is_no_http_date() {
        for text in [
            "",
            "0",
            "-1",
            "never",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sunday, 06-Nov-94-1 08:49:37 GMT",
            "Noday, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT and more",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 N\u{f6}v 1994 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn cookies_call_more_a_date() {
        let expected = Some(784_111_777);
        assert_eq!(cookie_date("Sun, 06-Nov-1994 08:49:37 GMT"), expected);
        assert_eq!(cookie_date("06 november 94 8:49:37"), expected);
        assert_eq!(cookie_date("8:49:37 6-nov-1994"), expected);
        assert_eq!(cookie_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(cookie_date("Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
        for text in
            ["", "0", "Session", "06 Nov 1994", "06 Nov 1600 08:49:37", "99 Nov 1994 08:49:37", "\u{e9}"]
        {
            assert_eq!(cookie_date(text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_a_second() {
        let of = |text: &str| http_date(text).unwrap();
        assert_eq!(of("Sat, 31 Dec 2016 23:59:60 GMT"), of("Sun, 01 Jan 2017 00:00:00 GMT"));
    }
}
