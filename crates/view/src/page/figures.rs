//! Figures that are held against levels: those that are known, the worst first, and what is as it should be where one asks for it.

use super::does::in_unit;
use super::{Sight, state, text};
use crate::Tone;
use maud::{Markup, html};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it was when it was looked at last; `None` where that was not known.
    pub value: Option<f64>,
    /// Its unit; empty where nobody says.
    pub unit: &'a str,
    /// `good`, `warning`, `critical`, `emergency` or `unknown`.
    pub level: &'a str,
}

/// Nothing where no figure is known.
pub(super) fn section(sight: &Sight<'_>) -> Markup {
    let mut known: Vec<&Figure<'_>> = sight.figures.iter().filter(|figure| figure.level != "unknown").collect();
    known.sort_by_key(|figure| match Tone::of(figure.level) {
        Tone::Bad => 0,
        Tone::Warning => 1,
        Tone::Plain | Tone::Good => 2,
    });
    if known.is_empty() {
        return html! {};
    }
    let (beyond, within): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|figure| matches!(Tone::of(figure.level), Tone::Bad | Tone::Warning));
    html! {
        section aria-labelledby="levels" {
            h2 #levels { "Figures and their levels" }
            @if !beyond.is_empty() { (table(&beyond)) }
            @if !within.is_empty() {
                details #within {
                    summary { @if beyond.is_empty() { "All are within them (" } @else { "Within them (" } (within.len()) ")" }
                    (table(&within))
                }
            }
        }
    }
}

fn table(figures: &[&Figure<'_>]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "figure" } th.num scope="col" { "value" } th scope="col" { "level" } } }
            tbody {
                @for figure in figures {
                    tr data-key=(text(figure.name)) {
                        th scope="row" { (text(figure.name)) }
                        td.num {
                            @match figure.value {
                                Some(value) => (in_unit(value, figure.unit)),
                                None => span.quiet { "not known now" }
                            }
                        }
                        td { (state(figure.level)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::super::tests::{sight_of, status_of};
    use super::*;
    use failstop_client::status::Status;

    #[test]
    fn the_worst_comes_first_and_what_is_unknown_is_left_out() {
        let status: Status = serde_json::from_value(status_of("demo")).unwrap();
        let figure = |name, level| Figure { name, value: Some(1.5), unit: "ms", level };
        let figures = [
            figure("fine", "good"),
            figure("silent", "unknown"),
            figure("slow", "warning"),
            figure("lost", "emergency"),
            Figure { value: None, ..figure("gone", "critical") },
        ];
        let page = section(&Sight { figures: &figures, ..sight_of(&status) }).into_string();
        let place = |name: &str| page.find(&format!("data-key=\"{name}\""));
        assert!(
            place("lost") < place("slow") && place("gone") < place("slow") && place("slow") < place("fine"),
            "{page}"
        );
        assert!(place("lost") < page.find("<details") && page.find("<details") < place("fine"), "{page}");
        assert!(place("lost").is_some() && place("silent").is_none() && page.contains("not known now"), "{page}");
        let long = [Figure { name: "rate", value: Some(0.134_228_187_919_463_1), unit: "%", level: "critical" }];
        let page = section(&Sight { figures: &long, ..sight_of(&status) }).into_string();
        assert!(page.contains("<td class=\"num\">0.1342 %</td>") && !page.contains("<details"), "{page}");
        let figures = [figure("silent", "unknown")];
        assert_eq!(section(&Sight { figures: &figures, ..sight_of(&status) }).into_string(), "");
    }
}
