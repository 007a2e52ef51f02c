//! What checks and the start brought to light: told to the core, and said to the person at the terminal.

use super::diagnosis::{ENDPOINTS, Findings, Purpose};
use super::engine::Engine;
use crate::checks::{CheckResult, Class, Outcome};
use crate::clock;
use failstop_core::{Cause, CheckClass, Input, Trigger};

impl Engine {
    pub(super) fn checked(&mut self, findings: Findings) {
        let now = clock::now();
        let mut environment = findings.report.of_class(CheckClass::Environment);
        if findings.purpose == Purpose::Start {
            let asked = findings.report.results.iter().filter(|result| result.name == ENDPOINTS);
            let answers: Vec<Result<(), String>> = asked
                .map(|result| match result.outcome {
                    Outcome::Passed | Outcome::Warning | Outcome::Skipped => Ok(()),
                    Outcome::Failed => Err(result.reason.clone()),
                })
                .collect();
            self.dependencies_asked(answers, now);
        } else if environment.is_ok() {
            environment = self.probes.dependencies_answer();
        }
        let witness = findings.report.results.iter().find(|result| result.class == Class::Witness);
        match witness.map(|result| (result.outcome, result.undetermined)) {
            Some((Outcome::Failed, true)) => {
                environment = environment.and_then(|()| Err(reason_of(witness)));
            }
            // Before integrity passes, which opens the start gate.
            Some((Outcome::Failed, false)) => {
                self.feed(Input::Raise { cause: Cause::Witness, slot: None, evidence: reason_of(witness) });
            }
            Some((Outcome::Passed | Outcome::Warning, _)) => {
                self.feed(Input::Passed { cause: Cause::Witness, slot: None });
            }
            Some((Outcome::Skipped, _)) | None => {}
        }
        self.capital_checked(&findings);
        self.feed(Input::Checked { class: CheckClass::Environment, outcome: environment.clone() });
        // Integrity last: it is what opens the start gate.
        if findings.purpose != Purpose::Retry {
            let outcome = findings.report.of_class(CheckClass::Integrity);
            if self.may_pass(&outcome) {
                self.feed(Input::Checked { class: CheckClass::Integrity, outcome });
            }
        }
        if findings.purpose == Purpose::Start {
            self.say_findings(&findings);
        }
        self.diagnosis.ended(&environment, now);
        if findings.purpose == Purpose::Resume {
            for (order, by, reason, request) in std::mem::take(&mut self.resumes) {
                self.feed(Input::Operator { request, by, reason, order });
            }
        }
    }

    /// Capital that does not reconcile is a matter of the books, whose journal is well: it shuts down, and says nothing of integrity.
    fn capital_checked(&mut self, findings: &Findings) {
        let mut capital = findings.report.results.iter().filter(|result| result.class == Class::Capital);
        let failed = |result: &&CheckResult| result.outcome == Outcome::Failed && !result.undetermined;
        if let Some(failed) = capital.clone().find(failed) {
            let evidence = failed.reason.clone();
            self.feed(Input::Trigger { trigger: Trigger::Capital, evidence });
        } else if capital.any(|result| matches!(result.outcome, Outcome::Passed | Outcome::Warning))
            && self.capital_reconciles()
        {
            self.feed(Input::TriggerPassed(Trigger::Capital));
        }
    }

    fn say_findings(&mut self, findings: &Findings) {
        let report = &findings.report;
        let (passed, warned, failed) =
            (report.count(Outcome::Passed), report.count(Outcome::Warning), report.count(Outcome::Failed));
        let warnings = if warned == 1 { "warning" } else { "warnings" };
        self.say("checks", &format!("{passed} passed, {warned} {warnings}, {failed} failed"));
        let lines: Vec<String> = report
            .results
            .iter()
            .filter(|result| matches!(result.outcome, Outcome::Warning | Outcome::Failed))
            .map(|result| format!("{} {}: {}; {}", result.outcome.word(), result.name, result.reason, result.remedy))
            .collect();
        for line in lines {
            self.say("checks", &line);
        }
    }

    pub(super) fn note_findings_of_start(
        &mut self,
        verdict: &failstop_journal::Verdict,
        leftovers: &[crate::process::leftovers::Proc],
    ) {
        for process in leftovers {
            self.say("engine", &format!("killed what an earlier run left behind: {process}"));
            let what = serde_json::json!({
                "pid": process.id.pid, "program": process.comm, "component": process.component,
            });
            self.note("x.failstop.leftover_killed", &what);
        }
        if let failstop_journal::Verdict::TornTail(torn) = verdict {
            let text = format!("the last write was torn by a crash; {} bytes were cut and kept in torn/", torn.bytes);
            self.say("journal", &text);
        }
    }
}

fn reason_of(result: Option<&CheckResult>) -> String {
    result.map(|result| result.reason.clone()).unwrap_or_default()
}
