//! Reads what a source says: one number, or lines in the Prometheus text format (OpenMetrics is read as well), of which lines of
//! `name value` are a part.
//!
//! Only lines about metrics that are wanted are read whole; one of them that makes no sense fails the page, since half of a sum is no
//! sum. Nothing here allocates for a line that nobody wants.

use super::take::{Folded, Take};
use std::borrow::Cow;
use std::fmt;

/// The most labels of one series. What has more is no metric of anybody's.
const LABELS_MAX: usize = 64;

/// The longest text of a source that is repeated, in characters.
const FOUND_MAX: usize = 40;

/// What a source said is not what it must say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is no text.
    #[error("says something that is no text in UTF-8")]
    NotText,
    /// It says nothing at all.
    #[error("says nothing")]
    Nothing,
    /// It is not one number.
    #[error("must print one finite number and nothing else, or have its `take`; it printed: {0}")]
    NotANumber(String),
    /// A line that is wanted, or the first one where none is, makes no sense.
    #[error("says in line {line}: {fault}: {found}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        fault: LineFault,
        /// How it begins.
        found: String,
    },
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// No name of a metric.
    Name,
    /// Its labels.
    Labels,
    /// More labels than anybody has.
    TooMany,
    /// No value, or none that is a number.
    Value,
    /// Something stands behind the value that is no time.
    Rest,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "there is no name of a metric",
            Self::Labels => "the labels make no sense",
            Self::TooMany => "there are too many labels",
            Self::Value => "there is no number behind the name",
            Self::Rest => "something stands behind the number",
        })
    }
}

/// One number, with blanks around it at most.
///
/// # Errors
/// [`Unread`]
pub fn number(said: &[u8]) -> Result<f64, Unread> {
    let text = core::str::from_utf8(said).map_err(|_| Unread::NotText)?.trim();
    if text.is_empty() {
        return Err(Unread::Nothing);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err(Unread::NotANumber(short(text))),
    }
}

/// What each of `takes` comes to on this page; `None` where no series is there.
///
/// # Errors
/// [`Unread`]
pub fn fold(page: &[u8], takes: &[Take]) -> Result<Vec<Option<f64>>, Unread> {
    let page = core::str::from_utf8(page).map_err(|_| Unread::NotText)?;
    let mut folded: Vec<Folded<'_>> = takes.iter().map(Folded::of).collect();
    let mut found = false;
    let lines = || page.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (number, line) in lines() {
        if line.is_empty() || line.starts_with('#') || !may_be_wanted(line, takes) {
            continue;
        }
        let series = series(line).map_err(|fault| at(number, line, fault))?;
        for one in &mut folded {
            found |= one.see(&series);
        }
    }
    if !found {
        // Nothing that is wanted: is it a page of metrics at all?
        let mut said = lines().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let Some((number, line)) = said.next() else { return Err(Unread::Nothing) };
        series(line).map_err(|fault| at(number, line, fault))?;
    }
    Ok(folded.into_iter().map(Folded::value).collect())
}

/// Whether the line is about a metric that is wanted, as far as its beginning says.
fn may_be_wanted(line: &str, takes: &[Take]) -> bool {
    // A name in quotes stands among the labels.
    let name = line.split(['{', ' ', '\t']).next().unwrap_or_default();
    name.is_empty() || takes.iter().any(|take| take.metric == name)
}

fn at(line: usize, text: &str, fault: LineFault) -> Unread {
    Unread::Line { line, fault, found: short(text) }
}

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'a> {
    /// The metric's name.
    pub name: Cow<'a, str>,
    /// Its labels, as they stand.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Its value; may be no number.
    pub value: f64,
}

/// Reads one line that is neither blank nor a comment.
///
/// # Errors
/// [`LineFault`]
pub fn series(line: &str) -> Result<Series<'_>, LineFault> {
    let line = line.trim();
    let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    let mut name = (!name.is_empty()).then_some(Cow::Borrowed(name));
    if name.as_deref().is_some_and(|name| name.contains(['"', '}', '=', ','])) {
        return Err(LineFault::Name);
    }
    rest = rest.trim_start();
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        loop {
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            if rest.starts_with('"') {
                // A metric's name that is no plain word, or a label's.
                let (word, after) = quoted(rest)?;
                rest = after.trim_start();
                if let Some(after) = rest.strip_prefix('=') {
                    let (value, after) = quoted(after.trim_start())?;
                    labels.push((word, value));
                    rest = after.trim_start();
                } else if name.replace(word).is_some() {
                    return Err(LineFault::Name);
                }
            } else {
                let (label, after) = rest.split_once('=').ok_or(LineFault::Labels)?;
                let label = label.trim_end();
                if label.is_empty() || label.contains(['"', '{', '}', ',', ' ', '\t']) {
                    return Err(LineFault::Labels);
                }
                let (value, after) = quoted(after.trim_start())?;
                labels.push((Cow::Borrowed(label), value));
                rest = after.trim_start();
            }
            if labels.len() > LABELS_MAX {
                return Err(LineFault::TooMany);
            }
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.starts_with('}') => {}
                None => return Err(LineFault::Labels),
            }
        }
    }
    let name = name.ok_or(LineFault::Name)?;
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().and_then(|word| word.parse::<f64>().ok()).ok_or(LineFault::Value)?;
    match words.next() {
        None => {}
        // An exemplar, or a comment.
        Some(word) if word.starts_with('#') => {}
        Some(time) => {
            let behind = words.next();
            if time.parse::<f64>().is_err() || behind.is_some_and(|word| !word.starts_with('#')) {
                return Err(LineFault::Rest);
            }
        }
    }
    Ok(Series { name, labels, value })
}

/// A text in quotes at the beginning, and what stands behind it.
fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), LineFault> {
    let inside = text.strip_prefix('"').ok_or(LineFault::Labels)?;
    let end = inside.find(['"', '\\']).ok_or(LineFault::Labels)?;
    let (plain, rest) = inside.split_at(end);
    if let Some(after) = rest.strip_prefix('"') {
        return Ok((Cow::Borrowed(plain), after));
    }
    let mut whole = plain.to_owned();
    let mut characters = rest.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((Cow::Owned(whole), rest.get(index + 1..).unwrap_or_default())),
            '\\' => match characters.next() {
                Some((_, 'n')) => whole.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => whole.push(escaped),
                Some(_) | None => return Err(LineFault::Labels),
            },
            other => whole.push(other),
        }
    }
    Err(LineFault::Labels)
}

/// What somebody said, short and on one line.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short = crate::masking::shortened(line, FOUND_MAX);
    if text.lines().nth(1).is_some() && !short.ends_with("...") { short + "..." } else { short }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::config::Fold;
    use proptest::prelude::*;

    fn take(metric: &str, labels: &[(&str, &str)], fold: Fold) -> Take {
        Take {
            metric: metric.to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            fold,
            name: metric.to_owned(),
            unit: String::new(),
        }
    }

    const PAGE: &str = concat!(
        "# HELP orders_total Orders.\n# TYPE orders_total counter\n",
        "orders_total{venue=\"kraken\",side=\"buy\"} 3 1395066363000\n",
        "orders_total{venue=\"kraken\",side=\"sell\",} 4\n",
        "  orders_total { venue = \"bit\\\"get\\n\\\\\" , side=\"buy\" } 1.5e1 # {trace=\"x\"} 1 2\n",
        "\n",
        "load 0.25\r\n",
        "{\"http.requests\",code=\"200\"} 9\n",
        "broken{\"} nonsense\n",
        "temperature NaN\n",
        "# EOF\n",
    );

    #[test]
    fn series_are_chosen_by_label_and_folded() {
        let takes = [
            take("orders_total", &[], Fold::Sum),
            take("orders_total", &[("venue", "kraken")], Fold::Max),
            take("orders_total", &[("venue", "kraken"), ("side", "buy")], Fold::Last),
            take("orders_total", &[("side", "buy")], Fold::Min),
            take("orders_total", &[("venue", "bit\"get\n\\")], Fold::Sum),
            take("orders_total", &[("venue", "nowhere")], Fold::Sum),
            take("load", &[], Fold::Sum),
            take("http.requests", &[("code", "200")], Fold::Last),
        ];
        let folded = fold(PAGE.as_bytes(), &takes).unwrap();
        let wanted = [Some(22.0), Some(4.0), Some(3.0), Some(3.0), Some(15.0), None, Some(0.25), Some(9.0)];
        assert_eq!(folded, wanted, "a line that nobody wants may be anything");
        assert!(fold(PAGE.as_bytes(), &[take("temperature", &[], Fold::Max)]).unwrap()[0].unwrap().is_nan());
    }

    #[test]
    fn a_wanted_line_that_makes_no_sense_fails_the_page() {
        let takes = [take("a", &[], Fold::Sum), take("b", &[], Fold::Sum)];
        for (line, fault) in [
            ("a", LineFault::Value),
            ("a one", LineFault::Value),
            ("a{", LineFault::Labels),
            ("a{x} 1", LineFault::Labels),
            ("a{x=1} 1", LineFault::Labels),
            ("a{x=\"1} 1", LineFault::Labels),
            ("a{x=\"\\q\"} 1", LineFault::Labels),
            ("a{x=\"1\" y=\"2\"} 1", LineFault::Labels),
            ("a{\"b\"} 1", LineFault::Name),
            ("a 1 2 3", LineFault::Rest),
            ("a 1 yesterday", LineFault::Rest),
            ("{x=\"1\"} 1", LineFault::Name),
        ] {
            let page = format!("b 1\n{line}\n");
            let wanted = Unread::Line { line: 2, fault, found: line.to_owned() };
            assert_eq!(fold(page.as_bytes(), &takes), Err(wanted), "{line}");
        }
        let many: String = (0..=LABELS_MAX).map(|number| format!("l{number}=\"x\",")).collect();
        assert_eq!(series(&format!("a{{{many}}} 1")), Err(LineFault::TooMany));
    }

    #[test]
    fn a_page_of_something_else_is_no_page_of_metrics() {
        let takes = [take("a", &[], Fold::Sum)];
        let said = |page: &[u8]| fold(page, &takes).unwrap_err().to_string();
        assert_eq!(
            said(b"<!DOCTYPE html>\n<html>"),
            "says in line 1: there is no number behind the name: <!DOCTYPE html>"
        );
        assert_eq!(said(b""), "says nothing");
        assert_eq!(said(b"# EOF\n"), "says nothing");
        assert_eq!(said(b"\xff\xfe"), "says something that is no text in UTF-8");
        assert_eq!(said(b"{\"status\":\"ok\"}"), "says in line 1: the labels make no sense: {\"status\":\"ok\"}");
        assert_eq!(fold(b"b 1\n", &takes).unwrap(), [None], "one of metrics without this one");
    }

    #[test]
    fn one_number_is_one_number() {
        for (said, wanted) in [("7", 7.0), (" -0.5\n", -0.5), ("1e3\n\n", 1000.0), ("+3", 3.0)] {
            assert_eq!(number(said.as_bytes()), Ok(wanted), "{said:?}");
        }
        for said in ["", "\n", "7 MB", "7\n8", "seven", "NaN", "inf", "0x10", "1,5", "\u{1b}[31m7"] {
            assert!(number(said.as_bytes()).is_err(), "{said:?}");
        }
        let long =
            number("7 megabytes, more or less, as far as one can tell from here\nand more".as_bytes()).unwrap_err();
        assert!(long.to_string().ends_with("7 megabytes, more or less, as far as one..."), "{long}");
        assert_eq!(number(b"\xff"), Err(Unread::NotText));
    }

    #[test]
    fn an_address_in_a_numbers_place_is_covered() {
        let address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        let said = number(address.as_bytes()).unwrap_err().to_string();
        assert!(said.ends_with("printed: …1BeAed"), "{said}");
        let page = format!("a{{to=\"{address}\"}} x");
        let said = fold(page.as_bytes(), &[take("a", &[], Fold::Sum)]).unwrap_err().to_string();
        assert!(said.contains("…1BeAed") && !said.contains("5aAeb6"), "{said}");
    }

    /// As a library writes it.
    fn written(name: &str, labels: &[(String, String)], value: f64) -> String {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        format!("{name}{{{}}} {value}", labels.join(","))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,20}",
            labels in prop::collection::vec(("[a-zA-Z_][a-zA-Z0-9_]{0,8}", "[^\r\0]{0,12}"), 0..6),
            value in prop::num::f64::NORMAL,
        ) {
            let line = written(&name, &labels, value);
            let read = series(&line).unwrap();
            prop_assert_eq!(read.name.as_ref(), name.as_str());
            let read_labels: Vec<(String, String)> =
                read.labels.iter().map(|(label, text)| (label.to_string(), text.to_string())).collect();
            prop_assert_eq!(read_labels, labels);
            prop_assert_eq!(read.value, value);
        }

        #[test]
        fn nothing_that_may_come_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = fold(&bytes, &[take("a", &[], Fold::Sum)]);
            let _ = number(&bytes);
        }

        #[test]
        fn nothing_that_looks_like_a_page_panics(text in "(a|b|\\{|\\}|\"|\\\\|=|,| |\n|#|1|n|é){0,60}") {
            let _ = fold(text.as_bytes(), &[take("a", &[("b", "1")], Fold::Max), take("b", &[], Fold::Last)]);
        }
    }
}
