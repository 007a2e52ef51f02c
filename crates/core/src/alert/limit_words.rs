//! What an alert about a resource limit says.

use super::words::{Place, Words, runbook};
use super::{Alert, AlertChange, Subject};
use crate::limits::{Crossing, Level, Resource};
use crate::turn::span;

impl Alert {
    pub(super) fn limit_words(&self, place: &Place<'_>, crossing: &Crossing) -> Words {
        let runbook = runbook(Subject::Limit);
        let (what, used, limit) = (crossing.resource, crossing.resource.amount(crossing.used), limit(crossing));
        let who = crossing.component.as_ref().map_or("all components together", |name| name.0.as_str());
        let uses = match &crossing.component {
            Some(name) => format!("{} uses {used}", name.0),
            None => format!("all components use {used} together"),
        };
        let title = match crossing.level {
            Level::Near => format!("{}: {who} near the limit: {used}", place.system),
            Level::Over => format!("{}: {who} over the limit: {used} of {limit}", place.system),
            Level::Restarted => format!("{}: {} limit of {who} crossed, restarted", place.system, what.name()),
        };
        match &self.change {
            AlertChange::Trigger | AlertChange::Recovered => {
                let did = match crossing.level {
                    Level::Near => "Nothing is done about it yet.".to_owned(),
                    Level::Over => {
                        "Nothing is done about it: `action = \"warn\"`, or nothing runs that could be restarted."
                            .to_owned()
                    }
                    Level::Restarted => {
                        let once_more = "The next time within 5 min it is left down.";
                        match &crossing.component {
                            Some(name) => format!(
                                "{} was asked to give back, did not, and was stopped and started again. {once_more}",
                                name.0
                            ),
                            None => format!(
                                "The component that uses most was asked to give back, did not, and was stopped and started \
                                 again. {once_more}"
                            ),
                        }
                    }
                };
                let held_against = match crossing.level {
                    Level::Near => "the threshold of this warning is",
                    Level::Over | Level::Restarted => "the limit is",
                };
                Words {
                    title,
                    message: format!("At {}: {uses}, {held_against} {limit}.\n{did}\n{}", place.at, self.now_allowed()),
                    root_cause: Some(cause(what).to_owned()),
                    recommended_action: Some(
                        "`failstop ps` says which process it is; find out what grows, or raise the limit if the host has the \
                         room"
                            .to_owned(),
                    ),
                    runbook,
                }
            }
            AlertChange::Resolve(_) => Words {
                title: format!(
                    "{}: over: {}",
                    place.system,
                    title.trim_start_matches(place.system).trim_start_matches(": ")
                ),
                message: format!(
                    "Over at {} after {}: it has been below for a while.\n{}",
                    place.at,
                    span(self.stood),
                    self.now_allowed()
                ),
                root_cause: None,
                recommended_action: None,
                runbook,
            },
        }
    }
}

fn limit(crossing: &Crossing) -> String {
    crossing.resource.value(crossing.limit)
}

const fn cause(resource: Resource) -> &'static str {
    match resource {
        Resource::Memory => "a leak, a cache without a bound, or a backlog",
        Resource::Processes => "children that are started and not waited for, or threads that do not end",
        Resource::Files => "files or sockets that are opened and not closed",
        Resource::Cpu => "a loop without a pause, or more work than the processors can do",
    }
}
