//! What people hear of a figure that is beyond a level: one incident a figure, from the first level to its end.

use super::delivery::{Delivery, Kind};
use super::notice::clock_time;
use crate::thresholds::Heard;
use failstop_core::{Degree, News};
use failstop_notify::{Change, Key, Nature, Severity};

const CAUSE: &str = "threshold";
const RUNBOOK: &str = "docs/runbooks/threshold.md";

impl Delivery {
    /// Tells what is new of a figure. Gives the name that its incident is followed by; `None` where there is none.
    pub fn threshold(&mut self, heard: &Heard, at: jiff::Timestamp) -> Option<String> {
        let degree = match heard.news {
            News::Begun(degree) | News::Worse(degree) | News::Eased(degree) => degree,
            News::Over => return self.threshold_over(&heard.name, &heard.what, at),
        };
        let severity = match degree {
            Degree::Warning => Severity::Warning,
            Degree::Critical | Degree::Emergency => Severity::Critical,
        };
        let number = u64::try_from(at.as_second()).unwrap_or_default();
        let open = self.threshold_incidents().into_iter().find(|(name, _)| *name == heard.name);
        let key = match open {
            Some((_, key)) => Ok(key),
            None => self.key_from(CAUSE, Some(&heard.name), number).map(|(key, _)| key),
        };
        let key = match key {
            Ok(key) => key,
            Err(fault) => {
                tracing::error!(%fault, "an alert has no key and is not sent");
                return None;
            }
        };
        let title = format!("{}: {}", degree.word(), heard.what);
        let mut notice = self.notice(kind(severity), key, Change::Trigger, &title, at);
        notice.message = format!("At {}: {}.", clock_time(at), heard.what);
        notice.component.clone_from(&heard.component);
        notice.metadata.clone_from(&heard.facts);
        notice.root_cause = Some(match heard.news {
            News::Eased(_) => "it was worse before, and is not good yet".to_owned(),
            News::Begun(_) | News::Worse(_) | News::Over => "the figure says so; failstop only compares it".to_owned(),
        });
        let action = match degree {
            Degree::Warning | Degree::Critical => format!(
                "see the figure's last day on the dashboard and what changed; its levels are below [{}]",
                heard.key
            ),
            Degree::Emergency => {
                "everything is shut down, unless thresholds may not: find out why the figure is so far off before \
                 `failstop resume`"
                    .to_owned()
            }
        };
        notice.recommended_action = Some(action);
        Some(self.report(notice))
    }

    /// Tells that a figure is good again, or is not looked at any more. Gives the name that its incident was followed by.
    pub fn threshold_over(&mut self, name: &str, what: &str, at: jiff::Timestamp) -> Option<String> {
        let mut trace = None;
        for (_, key) in self.threshold_incidents().into_iter().filter(|(open, _)| open == name) {
            let title = format!("over: {name}");
            let mut notice = self.notice(kind(Severity::Warning), key, Change::Resolve, &title, at);
            notice.message = format!("At {}: {what}.", clock_time(at));
            trace = Some(self.report(notice));
        }
        trace
    }

    /// The figures of which an incident is open, each with its key.
    pub fn threshold_incidents(&self) -> Vec<(String, Key)> {
        let named = |key: Key| Some((figure_of(&self.sender().system, &key)?.to_owned(), key));
        self.open_incidents(CAUSE).into_iter().filter_map(named).collect()
    }
}

const fn kind(severity: Severity) -> Kind {
    Kind { cause: CAUSE, severity, nature: Nature::Other, runbook: RUNBOOK }
}

/// The figure in `system/threshold/figure/number`.
fn figure_of<'k>(system: &str, key: &'k Key) -> Option<&'k str> {
    let rest = key.as_str().strip_prefix(system)?.strip_prefix('/')?.strip_prefix(CAUSE)?.strip_prefix('/')?;
    rest.rsplit_once('/').map(|(figure, _)| figure)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn a_key_says_which_figure_it_is_of() {
        let of = |system: &str, figure: &str| {
            let key = Key::of(system, CAUSE, Some(figure), 7).unwrap();
            figure_of(system, &key).map(str::to_owned)
        };
        assert_eq!(of("demo", "success_rate").as_deref(), Some("success_rate"));
        assert_eq!(of("demo", "a-b").as_deref(), Some("a-b"));
        let other = Key::of("demo", "limit", Some("success_rate"), 7).unwrap();
        assert_eq!(figure_of("demo", &other), None);
        assert_eq!(figure_of("another", &Key::of("demo", CAUSE, Some("x"), 7).unwrap()), None);
    }
}
