//! The report for people (text), for programs (JSON), for CI (JUnit XML, GitHub annotations).

use super::report::{CheckResult, Outcome, Report, Verdict};
use failstop_client::status::Coverage;
use std::fmt::Write as _;

/// A form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// JUnit XML.
    Junit,
    /// Annotations of a GitHub workflow.
    Github,
}

impl Report {
    /// The report in this form, without colour.
    pub fn render(&self, format: Format, strict: bool) -> String {
        match format {
            Format::Text => text(self, &plain),
            Format::Json => json(self, strict),
            Format::Junit => junit(self, strict),
            Format::Github => github(self, strict),
        }
    }
}

/// Dresses a state word; [`plain`] leaves it as it is.
pub type Paint<'a> = &'a dyn Fn(Outcome, &str) -> String;

/// No colour.
pub fn plain(_: Outcome, word: &str) -> String {
    word.to_owned()
}

/// For people: a line a result, what is covered, and the sum.
pub fn text(report: &Report, paint: Paint<'_>) -> String {
    let mut out = String::new();
    let width = report.results.iter().map(|result| result.name.chars().count()).max().unwrap_or(0);
    for result in &report.results {
        let word = match result.outcome {
            Outcome::Passed => "pass",
            Outcome::Warning => "WARN",
            Outcome::Failed => "FAIL",
            Outcome::Skipped => "skip",
        };
        let _ = write!(out, "{}  {:<width$}  {}", paint(result.outcome, word), result.name, one_line(&result.reason));
        if !result.remedy.is_empty() {
            let _ = write!(out, ": {}", one_line(&result.remedy));
        }
        out.push('\n');
    }
    if !report.coverage.is_empty() || !report.host_notes.is_empty() {
        out.push('\n');
        let width = report.coverage.iter().map(|line| line.component.chars().count()).max().unwrap_or(0).max(10);
        for line in &report.coverage {
            write_coverage(&mut out, line, width);
        }
        if !report.not_watched.is_empty() {
            let _ =
                writeln!(out, "not watched until somebody speaks of it: {}", one_line(&report.not_watched.join(", ")));
        }
        for note in &report.host_notes {
            let _ = writeln!(out, "note: {}", one_line(note));
        }
        out.push('\n');
    }
    out.push_str(&sum(report));
    out.push('\n');
    out
}

fn write_coverage(out: &mut String, line: &Coverage, width: usize) {
    let mut name = line.component.as_str();
    for (word, items) in
        [("enforced", &line.enforced), ("monitored", &line.monitored), ("not covered", &line.not_covered)]
    {
        if !items.is_empty() {
            let _ = writeln!(out, "{name:<width$}  {word:<11}  {}", items.join(", "));
            name = "";
        }
    }
}

/// "1 failed, 1 warning, 11 passed, 1 skipped".
fn sum(report: &Report) -> String {
    let warnings = report.count(Outcome::Warning);
    let parts = [
        (report.count(Outcome::Failed), "failed"),
        (warnings, if warnings == 1 { "warning" } else { "warnings" }),
        (report.count(Outcome::Passed), "passed"),
        (report.count(Outcome::Skipped), "skipped"),
    ];
    let said: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    said.join(", ")
}

/// Text from outside must not break the line or drive the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `{"result":"passed|failed","checks":[{"name","outcome","reason","remedy"}], ...}`.
pub fn json(report: &Report, strict: bool) -> String {
    let checks: Vec<serde_json::Value> = report
        .results
        .iter()
        .map(|result| {
            let mut value = serde_json::json!({
                "name": result.name,
                "outcome": result.outcome.word(),
                "reason": result.reason,
                "remedy": result.remedy,
            });
            if let (Some((file, line, column)), Some(object)) = (&result.place, value.as_object_mut()) {
                object.insert("file".to_owned(), file.clone().into());
                object.insert("line".to_owned(), (*line).into());
                object.insert("column".to_owned(), (*column).into());
            }
            value
        })
        .collect();
    let result = match report.verdict(strict) {
        Verdict::Passed => "passed",
        Verdict::Failed | Verdict::Undetermined => "failed",
    };
    let whole = serde_json::json!({
        "result": result,
        "system": report.system,
        "checks": checks,
        "coverage": report.coverage,
        "host_notes": report.host_notes,
        "not_watched": report.not_watched,
        "seconds": report.seconds,
    });
    format!("{whole}\n")
}

/// JUnit XML: a test case a result; warnings are test cases that passed, with the warning in their output.
pub fn junit(report: &Report, strict: bool) -> String {
    let fails =
        |result: &CheckResult| result.outcome == Outcome::Failed || (strict && result.outcome == Outcome::Warning);
    let failures = report.results.iter().filter(|result| fails(result)).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites>\n  <testsuite name=\"failstop check\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\" time=\"{:.3}\">",
        report.results.len(),
        report.count(Outcome::Skipped),
        report.seconds
    );
    for result in &report.results {
        let (name, reason, remedy) = (xml(result.name), xml(&result.reason), xml(&result.remedy));
        let _ = write!(out, "    <testcase classname=\"failstop.check\" name=\"{name}\" time=\"0\"");
        let _ = match result.outcome {
            _ if fails(result) => {
                writeln!(out, ">\n      <failure message=\"{reason}\">{remedy}</failure>\n    </testcase>")
            }
            Outcome::Skipped => writeln!(out, ">\n      <skipped message=\"{reason}\"/>\n    </testcase>"),
            Outcome::Warning => {
                writeln!(out, ">\n      <system-out>warning: {reason}: {remedy}</system-out>\n    </testcase>")
            }
            Outcome::Passed | Outcome::Failed => writeln!(out, "/>"),
        };
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Annotations for failures and warnings, then the sum.
pub fn github(report: &Report, strict: bool) -> String {
    let mut out = String::new();
    for result in &report.results {
        let word = match result.outcome {
            Outcome::Failed => "error",
            Outcome::Warning if strict => "error",
            Outcome::Warning => "warning",
            Outcome::Passed | Outcome::Skipped => continue,
        };
        let mut properties = String::new();
        if let Some((file, line, column)) = &result.place {
            let _ = write!(properties, "file={},", property(file));
            if *line > 0 {
                let _ = write!(properties, "line={line},col={column},");
            }
        }
        let mut message = result.reason.clone();
        if !result.remedy.is_empty() {
            let _ = write!(message, ": {}", result.remedy);
        }
        let _ =
            writeln!(out, "::{word} {properties}title=failstop check {}::{}", property(result.name), data(&message));
    }
    let _ = writeln!(out, "{}", sum(report));
    out
}

/// Escapes the message of an annotation.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of an annotation.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
