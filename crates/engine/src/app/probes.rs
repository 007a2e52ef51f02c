//! Everything that is asked while the engine runs: dependencies, and the readiness, liveness and health of components. The loop
//! owns each rhythm and begins each try; the prober's thread asks over the network, programs are started by the loop itself.
//!
//! One try at a time for each probe. What belongs to an old start of a component never counts for a new one.

use super::diagnosis::ENDPOINTS;
use super::engine::Engine;
use crate::clock;
use crate::config::{Config, Liveness, Probe, Readiness};
use crate::masking;
use crate::probing::{
    Answer, Ask, Asker, Blocks, BotHealth, Ended, ProbeFault, Prober, Purpose, Rhythm, Runner, StartFailed, Terms,
    Tried, judge, read_health,
};
use crate::process::program::{Errand, ProgramEnd, ProgramRequest};
use core::time::Duration;
use failstop_core::{ComponentState, ComponentView, Input, Instance, Monotonic, Sign, Slot};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The part under which a component's own word on the whole of itself is kept.
const WHOLE: &str = "health";

/// The health of a component whose page cannot be had, in thousandths.
const UNREACHABLE: u16 = 500;

/// What is asked.
struct Target {
    what: What,
    probe: Arc<Probe>,
    timeout: Duration,
    terms: Terms,
    /// `None` while nothing is to be asked.
    rhythm: Option<Rhythm>,
    /// The try under way, or the last one.
    serial: u64,
    /// The program that the try under way runs.
    program: Option<i32>,
    /// Why its last try failed, where it did.
    fault: Option<String>,
    /// Why its tries cannot be made, as last said.
    said: Option<String>,
}

enum What {
    /// The dependency with this index.
    Dependency { index: usize, blocks: Blocks, stuck_after: Duration },
    /// Whether this start of a component is ready.
    Readiness { slot: Slot, instance: Option<Instance> },
    /// Whether it is alive.
    Liveness { slot: Slot, instance: Option<Instance> },
    /// What it says of its health, and which parts it named last.
    Health { slot: Slot, instance: Option<Instance>, parts: BTreeSet<String> },
}

/// Everything that is asked while the engine runs.
pub struct Probes {
    targets: Vec<Target>,
    /// `None` where nothing is asked over the network.
    prober: Option<Prober>,
    outcomes: mpsc::Sender<Tried>,
}

impl Probes {
    /// What this configuration asks; outcomes come out of the receiver.
    ///
    /// # Errors
    /// The prober's thread cannot be started.
    pub fn open(config: &Config) -> Result<(Self, mpsc::Receiver<Tried>), StartFailed> {
        let targets = targets(config);
        // Each has one try under way, and may have one that was given up and had ended already.
        let room = targets.len().max(1) * 2;
        let (outcomes, receiver) = mpsc::channel(room);
        let mut asked = targets.iter().map(|target| target.probe.as_ref());
        let prober = if asked.clone().any(|probe| !matches!(probe, Probe::Exec(_))) {
            // It runs no programs: those are begun by the loop.
            let asker = Asker::new(&mut asked, Runner::default(), config.folder.clone());
            Some(Prober::start(asker, outcomes.clone(), room, |(), tried| tried)?)
        } else {
            None
        };
        Ok((Self { targets, prober, outcomes }, receiver))
    }

    /// Other intervals, time-outs and numbers of tries. What is asked is the same, which the caller has seen.
    pub fn adopt(&mut self, config: &Config, now: Monotonic) {
        let wanted = targets(config);
        if wanted.len() != self.targets.len() {
            return;
        }
        for (target, wanted) in self.targets.iter_mut().zip(wanted) {
            target.timeout = wanted.timeout;
            if let (What::Dependency { stuck_after, .. }, What::Dependency { stuck_after: new, .. }) =
                (&mut target.what, &wanted.what)
            {
                *stuck_after = *new;
            }
            if target.terms != wanted.terms {
                target.terms = wanted.terms;
                if let Some(rhythm) = &mut target.rhythm {
                    rhythm.retime(wanted.terms, now);
                }
            }
        }
    }

    /// When the next try is to begin.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        self.targets.iter().filter_map(|target| target.rhythm.as_ref()?.due()).min()
    }

    /// The engine stood still: what did not answer meanwhile is not held against it.
    pub fn stood_still(&mut self) {
        for target in &mut self.targets {
            if let Some(rhythm) = &mut target.rhythm {
                rhythm.stood_still();
            }
        }
    }

    /// The clocks jumped: signs of life are wanted at once.
    pub fn hurry_liveness(&mut self, now: Monotonic) {
        for target in &mut self.targets {
            if let (What::Liveness { .. }, Some(rhythm)) = (&target.what, &mut target.rhythm) {
                rhythm.hurry(now);
            }
        }
    }

    /// A verdict waits for this dependency.
    pub fn hurry_dependency(&mut self, wanted: usize, now: Monotonic) {
        for target in &mut self.targets {
            if let (What::Dependency { index, .. }, Some(rhythm)) = (&target.what, &mut target.rhythm)
                && *index == wanted
            {
                rhythm.hurry(now);
            }
        }
    }

    /// What the environment check of dependencies would say: whether each answered its last try.
    pub fn dependencies_answer(&self) -> Result<(), String> {
        let mut faults = self
            .targets
            .iter()
            .filter(|target| target.what.slot().is_none())
            .filter_map(|target| target.fault.as_ref().map(|fault| format!("check {ENDPOINTS}: {fault}")));
        faults.next().map_or(Ok(()), Err)
    }

    fn asks_components(&self) -> bool {
        self.targets.iter().any(|target| target.what.slot().is_some())
    }
}

impl What {
    fn slot(&self) -> Option<Slot> {
        match self {
            Self::Dependency { .. } => None,
            Self::Readiness { slot, .. } | Self::Liveness { slot, .. } | Self::Health { slot, .. } => Some(*slot),
        }
    }

    fn purpose(&self) -> Purpose {
        match self {
            Self::Health { .. } => Purpose::Health,
            Self::Dependency { .. } | Self::Readiness { .. } | Self::Liveness { .. } => Purpose::Answers,
        }
    }

    /// Whether a component in this state is asked.
    fn is_wanted(&self, state: ComponentState) -> bool {
        match self {
            Self::Dependency { .. } => true,
            Self::Readiness { .. } => state == ComponentState::Starting,
            Self::Liveness { .. } | Self::Health { .. } => state == ComponentState::Ready,
        }
    }

    /// Takes up another start of its component; `None` is none.
    fn turn_to(&mut self, wanted: Option<Instance>) -> bool {
        match self {
            Self::Dependency { .. } => false,
            Self::Readiness { instance, .. } | Self::Liveness { instance, .. } => {
                std::mem::replace(instance, wanted) != wanted
            }
            Self::Health { instance, parts, .. } => {
                let changed = std::mem::replace(instance, wanted) != wanted;
                if changed {
                    // The core forgot them with the start that they were of.
                    parts.clear();
                }
                changed
            }
        }
    }
}

fn targets(config: &Config) -> Vec<Target> {
    let target = |what, probe: &Probe, timeout, terms| Target {
        what,
        probe: Arc::new(probe.clone()),
        timeout,
        terms,
        rhythm: None,
        serial: 0,
        program: None,
        fault: None,
        said: None,
    };
    let mut targets = Vec::new();
    for (index, dependency) in config.dependencies.iter().enumerate() {
        let pace = dependency.pace;
        let terms = Terms::of_dependency(pace.interval, pace.tries);
        let stuck_after = match &dependency.probe {
            Probe::JsonRpc { stuck_after, .. } => *stuck_after,
            Probe::Http { .. }
            | Probe::Tcp(_)
            | Probe::Redis { .. }
            | Probe::Postgres { .. }
            | Probe::Telegram { .. }
            | Probe::Page(_)
            | Probe::Exec(_) => Duration::ZERO,
        };
        let what = What::Dependency { index, blocks: Blocks::default(), stuck_after };
        // Its rhythm begins with what the check at the start saw.
        targets.push(target(what, &dependency.probe, pace.timeout, terms));
    }
    for (index, component) in config.components.iter().enumerate() {
        // The configuration has refused more components than there are slots.
        let Some(slot) = Slot::component(index) else { continue };
        if let Some(Readiness::Probe { probe, interval, timeout }) = &component.readiness {
            let what = What::Readiness { slot, instance: None };
            targets.push(target(what, probe, *timeout, Terms::plain(*interval, 1)));
        }
        if let Some(Liveness::Probe { probe, pace }) = &component.liveness {
            let what = What::Liveness { slot, instance: None };
            targets.push(target(what, probe, pace.timeout, Terms::plain(pace.interval, pace.tries)));
        }
        if let Some(page) = &component.health {
            let what = What::Health { slot, instance: None, parts: BTreeSet::new() };
            let probe = Probe::Http { url: page.url.clone(), ca_file: page.ca_file.clone() };
            targets.push(target(what, &probe, page.timeout, Terms::plain(page.interval, page.tries)));
        }
    }
    targets
}

impl Engine {
    /// Begins and ends rhythms as components became ready or ended.
    pub(super) fn attend_components(&mut self) {
        if !self.probes.asks_components() {
            return;
        }
        let now = clock::now();
        let views = self.core.components();
        let mut given_up = Vec::new();
        for target in &mut self.probes.targets {
            let Some(view) = target.what.slot().and_then(Slot::index).and_then(|index| views.get(index)) else {
                continue;
            };
            let ComponentView { state, instance, pid, .. } = view;
            let wanted = (target.what.is_wanted(*state) && pid.is_some()).then_some(*instance);
            if !target.what.turn_to(wanted) {
                continue;
            }
            // Whatever is under way belongs to no start any more.
            target.serial += 1;
            target.rhythm = wanted.map(|_| Rhythm::new(target.terms, now));
            given_up.extend(target.program.take());
        }
        for pid in given_up {
            self.programs.give_up(pid);
        }
    }

    /// The checks at the start have asked each dependency once: its rhythm goes on from there.
    pub(super) fn dependencies_asked(&mut self, answers: Vec<Result<(), String>>, now: Monotonic) {
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(target) = self.probes.targets.get_mut(index) else { return };
            if target.what.slot().is_some() || target.rhythm.is_some() {
                return;
            }
            let mut rhythm = Rhythm::new(target.terms, now);
            rhythm.begin(now);
            let ended = rhythm.ended(now, answer.is_ok(), false);
            target.rhythm = Some(rhythm);
            target.fault = answer.as_ref().err().cloned();
            self.follow(index, ended, answer.map(|()| None));
        }
    }

    /// Begins every try that is due.
    pub(super) fn begin_tries(&mut self, now: Monotonic) {
        for index in 0..self.probes.targets.len() {
            let Some(target) = self.probes.targets.get_mut(index) else { continue };
            let Some(rhythm) = &mut target.rhythm else { continue };
            if rhythm.due().is_none_or(|due| now < due) {
                continue;
            }
            rhythm.begin(now);
            target.serial += 1;
            if let Probe::Exec(argv) = target.probe.as_ref() {
                let argv = argv.as_slice().to_vec();
                self.begin_program(index, argv);
            } else {
                let ask = Ask {
                    target: index,
                    serial: target.serial,
                    probe: Arc::clone(&target.probe),
                    purpose: target.what.purpose(),
                    timeout: target.timeout,
                    with: (),
                };
                if !self.probes.prober.as_ref().is_some_and(|prober| prober.ask(ask)) {
                    rhythm.not_made(now);
                }
            }
        }
    }

    fn begin_program(&mut self, index: usize, argv: Vec<String>) {
        let Some(target) = self.probes.targets.get(index) else { return };
        let slot = target.what.slot();
        let pid = slot.and_then(Slot::index).and_then(|index| self.core.components().get(index)?.pid);
        let name = slot.and_then(|slot| self.name_of(slot)).map(str::to_owned);
        let environment = name.map(|name| ("FAILSTOP_COMPONENT".to_owned(), name));
        let environment = environment.into_iter().chain(pid.map(|pid| ("MAINPID".to_owned(), pid.to_string())));
        let (serial, outcomes) = (target.serial, self.probes.outcomes.clone());
        let program = argv.first().cloned().unwrap_or_default();
        let request = ProgramRequest {
            errand: Errand::Probe,
            argv,
            environment: environment.collect(),
            input: Vec::new(),
            stdout: None,
            account: None,
            folder: self.config.folder.clone(),
            timeout: target.timeout,
            // There is room for every try.
            answer: Box::new(move |end: ProgramEnd| {
                let outcome = judge(&program, end);
                drop(outcomes.try_send(Tried { target: index, serial, outcome, stood_still: false }));
            }),
        };
        let pid = self.run_program(request);
        if let Some(target) = self.probes.targets.get_mut(index) {
            target.program = pid;
        }
    }

    /// A try ended.
    pub(super) fn tried(&mut self, tried: Tried) {
        let now = clock::now();
        let Some(target) = self.probes.targets.get_mut(tried.target) else { return };
        if tried.serial != target.serial {
            return;
        }
        target.program = None;
        let Some(rhythm) = &mut target.rhythm else { return };
        let outcome = match (&mut target.what, tried.outcome) {
            (What::Dependency { blocks, stuck_after, .. }, Ok(Answer { block: Some(block), .. })) => {
                blocks.seen(block, now, *stuck_after).map(|()| None)
            }
            (What::Health { .. }, Ok(Answer { page: Some(page), .. })) => read_health(&page).map(Some),
            (_, Ok(_)) => Ok(None),
            (_, Err(fault)) if !fault.is_evidence() => {
                rhythm.not_made(now);
                let words = not_made(&target.what, &fault);
                let topic = target.what.slot();
                if target.said.as_ref() != Some(&words) {
                    target.said = Some(words.clone());
                    let topic = topic.and_then(|slot| self.name_of(slot)).unwrap_or("probes").to_owned();
                    self.say(&topic, &words);
                }
                return;
            }
            (_, Err(fault)) => Err(masking::owned(fault.to_string())),
        };
        target.said = None;
        target.fault = outcome.as_ref().err().cloned();
        let ended = rhythm.ended(now, outcome.is_ok(), tried.stood_still);
        tracing::debug!(target = tried.target, ?outcome, ?ended, "a probe was tried");
        self.follow(tried.target, ended, outcome);
    }

    /// What follows from the end of a try.
    fn follow(&mut self, index: usize, ended: Ended, outcome: Result<Option<BotHealth>, String>) {
        let Some(target) = self.probes.targets.get_mut(index) else { return };
        match &mut target.what {
            What::Dependency { index, .. } => {
                let index = *index;
                match ended {
                    Ended::Nothing => {}
                    Ended::Good { news } => self.dependency_tried(index, true, news, String::new()),
                    Ended::Failed { news } => {
                        let evidence = outcome.err().unwrap_or_default();
                        self.dependency_tried(index, false, news, evidence);
                    }
                }
            }
            What::Readiness { slot, instance: Some(instance) } => {
                let (slot, instance) = (*slot, *instance);
                if let Ended::Good { .. } = ended {
                    target.rhythm = None;
                    self.feed(Input::Sign { slot, instance, sign: Sign::Ready });
                }
            }
            What::Liveness { slot, instance: Some(instance) } => {
                let (slot, instance) = (*slot, *instance);
                match ended {
                    Ended::Good { .. } => self.feed(Input::Sign { slot, instance, sign: Sign::ProbePassed }),
                    Ended::Failed { news: true } => {
                        if let Some(rhythm) = &mut target.rhythm {
                            rhythm.judge_afresh();
                        }
                        let tries = target.terms.tries;
                        let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times in a row") };
                        let evidence =
                            format!("its liveness probe failed {times}: {}", outcome.err().unwrap_or_default());
                        self.feed(Input::LivenessFailed { slot, instance, evidence });
                    }
                    Ended::Failed { news: false } | Ended::Nothing => {}
                }
            }
            What::Health { slot, instance: Some(instance), parts } => {
                let (slot, instance) = (*slot, *instance);
                let health = match (ended, outcome) {
                    (Ended::Good { .. }, Ok(Some(health))) => health,
                    (Ended::Failed { news: true }, _) => BotHealth { overall: UNREACHABLE, ..BotHealth::default() },
                    (Ended::Good { .. } | Ended::Failed { .. } | Ended::Nothing, _) => return,
                };
                let signs = part_signs(parts, &health);
                for sign in signs {
                    self.feed(Input::Sign { slot, instance, sign });
                }
            }
            What::Readiness { instance: None, .. }
            | What::Liveness { instance: None, .. }
            | What::Health { instance: None, .. } => {}
        }
    }

    fn dependency_tried(&mut self, index: usize, answered: bool, news: bool, evidence: String) {
        self.feed(Input::DependencyTried { index, answered });
        if answered {
            self.diagnosis.hurry(clock::now());
        }
        if news {
            let name = self.config.dependencies.get(index).map(|one| one.name.as_str().to_owned()).unwrap_or_default();
            let known = self.facts.dependency(&name, answered);
            self.feed(Input::Dependency { index, up: answered, evidence });
            // That it is down is said by the halt that is raised for it.
            if known == Some(false) && answered {
                self.say(&name, "answers again");
            }
            self.maybe_changed = true;
        }
    }
}

/// What the core is told of a page: each part, those that are gone, and the whole.
fn part_signs(known: &mut BTreeSet<String>, health: &BotHealth) -> Vec<Sign> {
    let part = |name: &str, health: u16| Sign::Part { name: name.to_owned(), health, critical: health == 0 };
    let gone = known.iter().filter(|name| !health.parts.contains_key(*name));
    let mut signs: Vec<Sign> = gone.map(|name| Sign::PartGone { name: name.clone() }).collect();
    signs.extend(health.parts.iter().filter(|(name, _)| *name != WHOLE).map(|(name, health)| part(name, *health)));
    signs.push(part(WHOLE, health.overall));
    *known = health.parts.keys().filter(|name| *name != WHOLE).cloned().collect();
    signs
}

fn not_made(what: &What, fault: &ProbeFault) -> String {
    let what = match what {
        What::Dependency { .. } => "a dependency's probe",
        What::Readiness { .. } => "its readiness probe",
        What::Liveness { .. } => "its liveness probe",
        What::Health { .. } => "its page of health",
    };
    format!("{what} cannot be tried and says nothing: {fault}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use core::time::Duration;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    /// Programs alone are asked, so no thread is needed.
    fn asking(liveness: &str, dependency: &str) -> Config {
        crate::config::tests::with(&format!(
            "liveness = {{ exec = [\"true\"], {liveness} }}\n\
             [[dependency]]\nname = \"venue\"\nexec = [\"true\"]\n{dependency}\n"
        ))
    }

    #[test]
    fn other_intervals_time_outs_and_numbers_are_taken_over_and_what_is_asked_stays() {
        let before = asking("interval = \"5m\", timeout = \"10s\", tries = 3", "interval = \"10m\"");
        let (mut probes, _outcomes) = Probes::open(&before).unwrap();
        assert_eq!(probes.targets.len(), 2);
        for target in &mut probes.targets {
            let mut rhythm = Rhythm::new(target.terms, at(0));
            rhythm.begin(at(0));
            rhythm.ended(at(0), true, false);
            (target.rhythm, target.serial) = (Some(rhythm), 1);
        }
        let dues = |probes: &Probes| -> Vec<Option<Monotonic>> {
            probes.targets.iter().map(|target| target.rhythm.as_ref().and_then(Rhythm::due)).collect()
        };
        assert_eq!(dues(&probes), [Some(at(600)), Some(at(300))]);
        let after = asking("interval = \"30s\", timeout = \"2s\", tries = 7", "interval = \"1m\"\ntimeout = \"3s\"");
        probes.adopt(&after, at(10));
        assert_eq!(dues(&probes), [Some(at(70)), Some(at(40))]);
        let wanted = targets(&after);
        for (target, wanted) in probes.targets.iter().zip(&wanted) {
            assert_eq!((target.timeout, target.terms, target.serial), (wanted.timeout, wanted.terms, 1));
        }
        assert_eq!((probes.targets[1].timeout, probes.targets[1].terms.tries), (Duration::from_secs(2), 7));
        // The same again puts nothing off, and another number of things to ask is not for this.
        probes.adopt(&after, at(30));
        probes.adopt(&crate::config::tests::with(""), at(35));
        assert_eq!(dues(&probes), [Some(at(70)), Some(at(40))]);
    }

    fn health(overall: u16, parts: &[(&str, u16)]) -> BotHealth {
        let parts = parts.iter().map(|(name, health)| ((*name).to_owned(), *health)).collect();
        BotHealth { overall, parts, left_out: 0 }
    }

    #[test]
    fn a_part_that_a_page_does_not_name_any_more_is_gone() {
        let mut known = BTreeSet::new();
        let part = |name: &str, health: u16| Sign::Part { name: name.to_owned(), health, critical: health == 0 };
        let gone = |name: &str| Sign::PartGone { name: name.to_owned() };
        let signs = part_signs(&mut known, &health(700, &[("a", 1000), ("b", 0)]));
        assert_eq!(signs, [part("a", 1000), part("b", 0), part("health", 700)]);
        let signs = part_signs(&mut known, &health(1000, &[("b", 500), ("health", 1)]));
        assert_eq!(signs, [gone("a"), part("b", 500), part("health", 1000)]);
        let unreachable = BotHealth { overall: UNREACHABLE, ..BotHealth::default() };
        assert_eq!(part_signs(&mut known, &unreachable), [gone("b"), part("health", 500)]);
        assert_eq!(part_signs(&mut known, &unreachable), [part("health", 500)]);
    }
}
