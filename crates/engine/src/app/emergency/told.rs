//! What the journal has of emergency actions: each is told once, whoever ran it and whenever an engine learns of it.

use crate::emergency::{Cause, Run};
use serde::Deserialize;
use std::collections::{BTreeSet, VecDeque};

/// How many runs are remembered as told.
const TOLD_MAX: usize = 64;

/// What the journal has of runs, by their names: what is there is not told again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    runs: VecDeque<ToldRun>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ToldRun {
    id: String,
    begun: bool,
    steps: BTreeSet<usize>,
    ended: bool,
}

/// The records that tell of a run.
const BEGUN: &str = "x.failstop.emergency_begun";
const ACTION: &str = "x.failstop.emergency_action";
const ENDED: &str = "x.failstop.emergency_ended";

impl Told {
    /// Takes a record of the journal, if it is one of these.
    pub fn replay(&mut self, kind: &str, payload: &str) {
        if ![BEGUN, ACTION, ENDED].contains(&kind) {
            return;
        }
        #[derive(Deserialize)]
        struct Named {
            run: String,
            n: Option<usize>,
        }
        // One that somebody else wrote under this name tells nothing of ours.
        let Ok(named) = serde_json::from_str::<Named>(payload) else { return };
        let run = self.of(&named.run);
        run.begun |= kind == BEGUN;
        run.ended |= kind == ENDED;
        if kind == ACTION {
            run.steps.extend(named.n);
        }
    }

    fn of(&mut self, id: &str) -> &mut ToldRun {
        let at = match self.runs.iter().position(|run| run.id == id) {
            Some(at) => at,
            None => {
                if self.runs.len() >= TOLD_MAX {
                    self.runs.pop_front();
                }
                self.runs.push_back(ToldRun { id: id.to_owned(), ..ToldRun::default() });
                self.runs.len() - 1
            }
        };
        &mut self.runs[at]
    }

    /// What of this run is news, as records; and whether its end is among it. An action that was configured after a run was over
    /// opens it again: then it ends twice.
    pub(super) fn news(&mut self, run: &Run) -> (Vec<(&'static str, serde_json::Value)>, bool) {
        let told = self.of(&run.id);
        let drill = run.cause == Cause::Drill;
        let mut news = Vec::new();
        if !std::mem::replace(&mut told.begun, true) {
            let names: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
            let what = serde_json::json!({
                "run": run.id, "cause": run.cause, "drill": drill, "by": run.by, "reason": run.reason, "begun": run.begun,
                "actions": names,
            });
            news.push((BEGUN, what));
        }
        let before = told.steps.len();
        for (n, step) in run.steps.iter().enumerate() {
            let Some(ended) = &step.ended else { continue };
            if told.steps.insert(n) {
                let mut what = serde_json::json!(ended.outcome);
                let further = serde_json::json!({
                    "run": run.id, "n": n, "name": step.name, "kind": step.kind, "cause": run.cause, "drill": drill,
                    "done": ended.outcome.is_done(), "begun": step.begun, "ended": ended.at, "took_ms": ended.took_ms,
                    "tries": ended.tries, "beginnings": step.beginnings, "said": ended.said,
                    "said_bytes": ended.said_bytes, "left": ended.left,
                });
                if let (Some(what), serde_json::Value::Object(further)) = (what.as_object_mut(), further) {
                    what.extend(further);
                }
                news.push((ACTION, what));
            }
        }
        let opened_again = told.ended && told.steps.len() > before;
        let ends = run.is_finished() && (!told.ended || opened_again);
        if ends {
            told.ended = true;
            let (done, failed) = run.counts();
            let what = serde_json::json!({
                "run": run.id, "cause": run.cause, "drill": drill, "done": done, "failed": failed, "ended": run.finished,
                "not_kept": run.not_kept,
            });
            news.push((ENDED, what));
        }
        (news, ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emergency::{Ended, Outcome, Plan};

    fn run() -> Run {
        let lines = ["a", "b"]
            .map(|name| format!("[[emergency.action]]\nname = \"{name}\"\nkind = \"custom\"\ncommand = [\"true\"]\n"));
        let plan = Plan::of(&crate::config::tests::with(&lines.concat()));
        let who = ("ann".to_owned(), "test".to_owned());
        Run::new("0123456789abcdef".to_owned(), "k".to_owned(), Cause::KillSwitch, &plan, who, "t".to_owned())
    }

    fn end(run: &mut Run, at: usize) {
        let (said, said_bytes, left) = (vec!["bye".to_owned()], 4, 0);
        let outcome = Outcome::Failed { status: 3 };
        run.steps[at].ended = Some(Ended { at: "t".to_owned(), took_ms: 7, tries: 1, outcome, said, said_bytes, left });
    }

    fn kinds(news: &[(&'static str, serde_json::Value)]) -> Vec<&'static str> {
        news.iter().map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn each_is_told_once_also_by_an_engine_that_has_only_the_journal() {
        let mut run = run();
        let mut told = Told::default();
        let mut later = Told::default();
        let (news, ends) = told.news(&run);
        assert_eq!((kinds(&news), ends), (vec![BEGUN], false));
        later.replay(news[0].0, &news[0].1.to_string());
        end(&mut run, 0);
        let (news, _) = told.news(&run);
        assert_eq!(kinds(&news), [ACTION]);
        assert_eq!(news[0].1["outcome"], "failed");
        assert_eq!((&news[0].1["status"], &news[0].1["name"], &news[0].1["n"]), (&3.into(), &"a".into(), &0.into()));
        later.replay(news[0].0, &news[0].1.to_string());
        assert!(told.news(&run).0.is_empty());
        assert_eq!(later.news(&run), (Vec::new(), false), "the journal has it");
        end(&mut run, 1);
        run.finished = Some("t".to_owned());
        let (news, ends) = later.news(&run);
        assert_eq!((kinds(&news), ends), (vec![ACTION, ENDED], true));
        assert_eq!((&news[1].1["done"], &news[1].1["failed"]), (&0.into(), &2.into()));
        assert!(later.news(&run).0.is_empty());
        // What is no record of ours changes nothing.
        let before = later.clone();
        later.replay(BEGUN, "{}");
        later.replay("x.failstop.alert", &news[1].1.to_string());
        assert_eq!(later, before);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut told = Told::default();
        for number in 0..TOLD_MAX * 2 {
            told.of(&number.to_string()).ended = true;
        }
        assert_eq!(told.runs.len(), TOLD_MAX);
        assert!(told.of(&(TOLD_MAX * 2 - 1).to_string()).ended);
    }
}
