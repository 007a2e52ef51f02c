//! Rates that several systems share: before an order is decided over whose rates may be used up elsewhere, the group is asked; the
//! order goes on with its word. Nothing here waits: words come as events.

use super::super::engine::Engine;
use crate::clock;
use crate::config::{Config, SharedFallback};
use crate::doors::bot::Answer;
use crate::gate::{Ask, order_of};
use crate::process::tree::TreeId;
use crate::shared_rates::{Address, Fallback, Question, Refused, Serial, Settings, SharedRates, StartFailed, Word};
use core::time::Duration;
use failstop_client::gate::SharedRatesEntry;
use failstop_client::wire::{self, RateDecision, Reason, Reply};
use failstop_core::Monotonic;
use failstop_core::gate::{Code, Fact, GateRecord, LimitName, SHARED_WORD_FOR, Scope, Taken, TradeCounted};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// The file in the state directory that remembers how far the group had come.
const FILE: &str = "shared-rates.json";

/// How long a word is waited for. The thread that gives them does so within the time-out, a second at most.
const WORD_WITHIN: Duration = Duration::from_secs(3);

/// The group, and who waits for its words.
#[derive(Debug)]
pub struct Sharing {
    pub(super) rates: SharedRates,
    group: String,
    /// What was last said of it.
    said: Option<String>,
    waiting: BTreeMap<Serial, Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Order { tree: TreeId, order: Box<wire::Order>, asked: Monotonic, answer: Answer },
    Rate { tree: TreeId, user: Option<String>, ask: Ask, asked: Monotonic, answer: Answer },
}

impl Waiting {
    const fn asked(&self) -> Monotonic {
        match self {
            Self::Order { asked, .. } | Self::Rate { asked, .. } => *asked,
        }
    }
}

/// Whether a word about something that was asked then may be used now: what was counted at the server a while ago is in a window that
/// has passed.
fn is_good(asked: Monotonic, now: Monotonic) -> bool {
    now.since(asked) < SHARED_WORD_FOR
}

impl Sharing {
    /// Where the configuration has a group; words come out of the receiver.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open(config: &Config) -> Result<Option<(Self, mpsc::Receiver<Word>)>, StartFailed> {
        let Some((settings, gate)) = settings(config).zip(config.gate.as_ref()) else { return Ok(None) };
        let group = settings.group.clone();
        let settings = Settings { day_starts: gate.day_starts_at.after_midnight(), ..settings };
        let (rates, words) = SharedRates::start(settings)?;
        Ok(Some((Self { rates, group, said: None, waiting: BTreeMap::new() }, words)))
    }
}

impl Sharing {
    /// How it stands.
    pub fn entry(&self) -> SharedRatesEntry {
        crate::gate::shared_rates(&self.group, &self.rates.health())
    }

    /// When [`Engine::answer_without_word`] has something to do.
    pub fn due(&self) -> Option<Monotonic> {
        // Numbers rise, so the first one has waited longest.
        self.waiting.first_key_value().map(|(_, waiting)| waiting.asked().plus(WORD_WITHIN))
    }

    fn overdue(&mut self, now: Monotonic) -> Option<Waiting> {
        self.due().filter(|due| *due <= now)?;
        self.waiting.pop_first().map(|(_, waiting)| waiting)
    }

    /// What is to be said of it, where that is news.
    fn news(&mut self) -> Option<String> {
        let entry = self.entry();
        let words = match entry.fault {
            Some(fault) => fault,
            None if entry.state == "good" => "its server decides".to_owned(),
            None => return None,
        };
        if self.said.as_ref() == Some(&words) {
            return None;
        }
        self.said = Some(words.clone());
        Some(format!("shared rates of group \"{}\": {words}", self.group))
    }
}

fn settings(config: &Config) -> Option<Settings> {
    let shared = config.shared_rates.as_ref()?;
    let address = match (&shared.server, &shared.socket) {
        (Some(server), _) => Address::Tcp(server.clone()),
        (None, Some(socket)) => Address::Unix(socket.clone()),
        // Refused where it is read.
        (None, None) => return None,
    };
    Some(Settings {
        address,
        tls: shared.tls,
        ca_file: shared.ca_file.clone(),
        user: shared.user.clone(),
        password: shared.password.clone(),
        database: u16::try_from(shared.database).unwrap_or_default(),
        group: shared.group.as_str().to_owned(),
        system: config.name().to_owned(),
        timeout: shared.timeout,
        fallback: match (shared.fallback, shared.share_percent) {
            (SharedFallback::Local, Some(percent)) => Fallback::Local { share: percent.min(100) * 10_000 },
            (SharedFallback::Local, None) | (SharedFallback::Refuse, _) => Fallback::Refuse,
        },
        day_starts: Duration::ZERO,
        file: config.state_dir().join(FILE),
    })
}

impl Engine {
    /// Asks the group about an order, where its word is needed. Gives the answer back where it is decided at once.
    pub(super) fn ask_group(&mut self, tree: TreeId, order: &wire::Order, answer: Answer) -> Option<Answer> {
        let now = clock::now();
        let may = self.rights_now(tree.slot, now);
        // On paper nothing is used up.
        let paper = !may.live;
        let (Some(sharing), Some(desk)) = (&mut self.sharing, &mut self.desk) else { return Some(answer) };
        if paper {
            drop(desk.take(now, Fact::RateDecided { client_id: &order.client_id, refused: &[] }));
            return Some(answer);
        }
        let asked = order_of(tree.slot, order);
        desk.gate.consider(now, &asked, may, &mut desk.decision);
        // What reduces waits for nobody, and what is refused anyway needs no word.
        let refused = desk.decision.refusals.iter().any(|refusal| refusal.code != Code::RateShared);
        if desk.decision.reduces || refused {
            return Some(answer);
        }
        let bounds = desk.gate.rate_bounds(now, asked.user);
        let cost = desk.decision.cost(asked.kind);
        let question = Question { id: order.client_id.clone(), user: order.user.clone(), cost, bounds };
        match sharing.rates.ask(question) {
            Ok(serial) => {
                let order = Box::new(order.clone());
                sharing.waiting.insert(serial, Waiting::Order { tree, order, asked: now, answer });
                None
            }
            Err(_busy) => {
                if let Some(refused) = sharing.rates.unasked(&cost, &bounds) {
                    drop(desk.take(now, Fact::RateDecided { client_id: &order.client_id, refused: &refused }));
                }
                Some(answer)
            }
        }
    }

    /// Asks the group about something that is no order. Gives the answer back where it is decided at once.
    pub(super) fn ask_group_rate(
        &mut self,
        tree: TreeId,
        user: Option<&str>,
        ask: Ask,
        answer: Answer,
    ) -> Option<Answer> {
        let (Some(sharing), Some(desk)) = (&mut self.sharing, &self.desk) else { return Some(answer) };
        let now = clock::now();
        let bounds = desk.gate.rate_bounds(now, user);
        let cost = ask.bucket.costs(ask.cost);
        let user = user.map(str::to_owned);
        let question = Question { id: String::new(), user: user.clone(), cost, bounds };
        match sharing.rates.ask(question) {
            Ok(serial) => {
                sharing.waiting.insert(serial, Waiting::Rate { tree, user, ask, asked: now, answer });
            }
            Err(busy) => {
                let decided = sharing.rates.unasked(&cost, &bounds);
                self.rate_unasked(tree, user.as_deref(), ask, answer, decided, &busy.to_string());
            }
        }
        None
    }

    /// The group said something.
    pub(in crate::app) fn group_said(&mut self, word: Word) {
        let now = clock::now();
        let takes = self.takes_nothing().is_none();
        let (Some(sharing), Some(desk)) = (&mut self.sharing, &mut self.desk) else { return };
        match sharing.waiting.remove(&word.serial) {
            Some(Waiting::Order { tree, order, asked, answer }) => {
                let bounds = desk.gate.rate_bounds(now, order.user.as_deref());
                // The gate is told only what is used in this moment: a word that was left over would be taken for a later one's.
                if takes
                    && is_good(asked, now)
                    && let Some(refused) = sharing.rates.decided(&word, &bounds)
                {
                    drop(desk.take(now, Fact::RateDecided { client_id: &order.client_id, refused: &refused }));
                }
                self.order_asked(tree, &order, asked, answer, Some(word));
            }
            Some(Waiting::Rate { tree, user, ask, asked, answer }) => {
                let bounds = desk.gate.rate_bounds(now, user.as_deref());
                match sharing.rates.decided(&word, &bounds).filter(|_| is_good(asked, now)) {
                    Some(refused) if refused.is_empty() => {
                        let allowed = self.rate_counted(tree, user.as_deref(), ask, answer);
                        self.settle_word(word, allowed);
                    }
                    decided => {
                        let mut said = refusal(&decided.unwrap_or_default(), Code::RateShared.meaning());
                        said.retry_after_ms =
                            word.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                        answer.give(&Reply::Rate(said));
                        self.settle_word(word, false);
                    }
                }
            }
            None => sharing.rates.give_up(word),
        }
    }

    /// A question to the limiter about which the group has no word: decided by the fallback, or by nobody.
    fn rate_unasked(
        &mut self,
        tree: TreeId,
        user: Option<&str>,
        ask: Ask,
        answer: Answer,
        decided: Option<Vec<Refused>>,
        why: &str,
    ) {
        match decided {
            Some(refused) if refused.is_empty() => {
                if self.rate_counted(tree, user, ask, answer)
                    && let Some(sharing) = &self.sharing
                {
                    sharing.rates.count("", user, ask.bucket.costs(ask.cost));
                }
            }
            decided => answer.give(&Reply::Rate(refusal(&decided.unwrap_or_default(), why))),
        }
    }

    /// Whoever has waited too long for a word is answered without one: it comes within the time-out unless its thread is stuck.
    pub(in crate::app) fn answer_without_word(&mut self, now: Monotonic) {
        while let Some(sharing) = &mut self.sharing
            && let Some(waited) = sharing.overdue(now)
            && let Some(desk) = &mut self.desk
        {
            match waited {
                Waiting::Order { tree, order, asked, answer } => {
                    let described = order_of(tree.slot, &order);
                    let bounds = desk.gate.rate_bounds(now, described.user);
                    let may = self.rights_now(tree.slot, now);
                    let takes = self.takes_nothing().is_none();
                    let (Some(sharing), Some(desk)) = (&mut self.sharing, &mut self.desk) else { return };
                    desk.gate.consider(now, &described, may, &mut desk.decision);
                    let cost = desk.decision.cost(described.kind);
                    if takes && let Some(refused) = sharing.rates.unasked(&cost, &bounds) {
                        drop(desk.take(now, Fact::RateDecided { client_id: &order.client_id, refused: &refused }));
                    }
                    self.order_asked(tree, &order, asked, answer, None);
                }
                Waiting::Rate { tree, user, ask, asked: _, answer } => {
                    let bounds = desk.gate.rate_bounds(now, user.as_deref());
                    let decided = sharing.rates.unasked(&ask.bucket.costs(ask.cost), &bounds);
                    self.rate_unasked(tree, user.as_deref(), ask, answer, decided, Code::RateShared.meaning());
                }
            }
        }
    }

    /// Says how the group stands, where that is news.
    pub(super) fn look_at_group(&mut self) {
        let news = self.sharing.as_mut().and_then(Sharing::news);
        if let Some(news) = news {
            self.say("gate", &news);
        }
    }

    /// What came of what a word was about.
    pub(super) fn settle_word(&self, word: Word, allowed: bool) {
        let Some(sharing) = &self.sharing else { return };
        if allowed {
            sharing.rates.keep(word);
        } else {
            sharing.rates.give_up(word);
        }
    }

    /// An order was allowed without a word: it counts in the group all the same, unless it stays on paper.
    pub(super) fn count_in_group(&self, order: &wire::Order) {
        let (Some(sharing), Some(desk)) = (&self.sharing, &self.desk) else { return };
        if !desk.decision.paper {
            let kind = order_of(failstop_core::Slot::SYSTEM, order).kind;
            sharing.rates.count(&order.client_id, order.user.as_deref(), desk.decision.cost(kind));
        }
    }

    /// What came of a fact, as far as the group counts it: what an order gave back, and trades that no order accounts for.
    pub(super) fn tell_group(&self, taken: &Taken) {
        let Some(sharing) = &self.sharing else { return };
        if let Some(TradeCounted { user, cost }) = &taken.counted {
            sharing.rates.count("", user.as_deref(), *cost);
        }
        for record in &taken.records {
            match record {
                GateRecord::Outcome { client_id, .. } => {
                    if let Some(back) = &taken.given_back {
                        sharing.rates.give_back(client_id, back);
                    }
                }
                GateRecord::Allowed(_)
                | GateRecord::Fill(_)
                | GateRecord::Position(_)
                | GateRecord::PositionUnknown { .. }
                | GateRecord::Equity { .. }
                | GateRecord::Result { .. }
                | GateRecord::Settled { .. }
                | GateRecord::Day { .. }
                | GateRecord::Override(_)
                | GateRecord::OverrideEnded { .. }
                | GateRecord::Confirmed { .. }
                | GateRecord::Counted { .. } => {}
            }
        }
    }
}

/// A question to the limiter that the group refuses, or nobody decides.
fn refusal(refused: &[Refused], otherwise: &str) -> RateDecision {
    let over_all = |(limit, scope): &Refused| {
        let code = code_of(*limit);
        let whose = if *scope == Scope::User { " (user)" } else { "" };
        let error = format!("{code}{whose}: over all hosts together: {} {}", code.meaning(), code.next());
        Reason { code: code.code().to_owned(), error }
    };
    let mut reasons: Vec<Reason> = refused.iter().map(over_all).collect();
    if reasons.is_empty() {
        let code = Code::RateShared;
        let error = format!("{code}: {otherwise} {}", code.next());
        reasons.push(Reason { code: code.code().to_owned(), error });
    }
    RateDecision { allow: false, reasons, retry_after_ms: None }
}

/// The code of a rate that is used up.
fn code_of(limit: LimitName) -> Code {
    // No word names anything else; one that did would be no less a refusal.
    limit.rate_code().unwrap_or(Code::RateShared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_lay_there_is_good_for_nothing() {
        let at = |millis: u64| Monotonic::from_nanos(millis * 1_000_000);
        assert!(is_good(at(1_000), at(1_050)));
        assert!(is_good(at(1_000), at(5_999)));
        assert!(!is_good(at(1_000), at(6_000)), "the engine stood still, and its windows passed at the server");
    }
}
