//! The one script: how it is called, and what it answers.

use super::memory::Known;
use super::question::{Asked, Debt, Refused, holders};
use super::resp::{Reply, command};
use core::time::Duration;
use failstop_core::gate::{Cost, Limit, RATE_COUNT, RATE_LIMITS, RateBound, RateBounds, Scope};

/// Judges and counts in one step.
pub(super) const SCRIPT: &str = include_str!("script.lua");

/// How the group's keys are named. All have one hash tag, so they are on one node whatever stands between.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    group: String,
    system: String,
    /// When trading days begin, after midnight UTC.
    day_starts: Duration,
}

impl Keys {
    pub fn new(group: &str, system: &str, day_starts: Duration) -> Self {
        Self { group: format!("failstop:{{{group}}}:"), system: system.to_owned(), day_starts }
    }

    fn key(&self, what: &str) -> String {
        format!("{}{what}", self.group)
    }

    fn intent(&self, id: &str, attempt: &str) -> String {
        if id.is_empty() {
            self.key(&format!("asked:{attempt}"))
        } else {
            self.key(&format!("order:{}/{id}", self.system))
        }
    }
}

/// A call of the script, by its digest, or whole where the server does not know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    keys: Vec<String>,
    args: Vec<String>,
}

impl Call {
    /// A question. `counts_unsure`: whether to count it, if it fits, where the group's memory is not whole.
    pub fn question(keys: &Keys, known: Known, asked: &Asked, bounds: &RateBounds, counts_unsure: bool) -> Self {
        let user = asked.user.as_deref();
        let call = Self::of(keys, known, "take", &asked.id, &asked.attempt, &asked.cost, user);
        let mut call = call.saying(counts_unsure);
        for (_, bounds) in holders(bounds) {
            call.args.extend(bounds.iter().map(limit));
        }
        call
    }

    pub fn debt(keys: &Keys, known: Known, debt: &Debt) -> Self {
        match debt {
            Debt::Count { id, user, cost, attempt } => {
                Self::of(keys, known, "count", id, attempt, cost, user.as_deref())
            }
            Debt::Drop { id, attempt } => Self::of(keys, known, "drop", id, attempt, &Cost::default(), None),
            Debt::Back { id, cost } => Self::of(keys, known, "back", id, "", cost, None),
        }
    }

    /// Whether it can be called at all, and written to. `spills`: something counts that the group will never be told, so that its memory
    /// is lost and a new one begins.
    pub fn probe(keys: &Keys, known: Known, spills: bool) -> Self {
        Self::of(keys, known, "probe", "", "probe", &Cost::default(), None).saying(spills)
    }

    /// The argument that says yes or no, which each mode has a meaning for or none.
    fn saying(mut self, yes: bool) -> Self {
        if let Some(said) = self.args.get_mut(5) {
            (if yes { "1" } else { "0" }).clone_into(said);
        }
        self
    }

    fn of(keys: &Keys, known: Known, mode: &str, id: &str, attempt: &str, cost: &Cost, user: Option<&str>) -> Self {
        let mut named = vec![keys.key("memory"), keys.intent(id, attempt), keys.key("all")];
        named.extend(user.map(|user| keys.key(&format!("user:{user}"))));
        let mut args = vec![
            mode.to_owned(),
            attempt.to_owned(),
            known.born.to_string(),
            known.seq.to_string(),
            keys.day_starts.as_micros().to_string(),
            "0".to_owned(),
        ];
        args.extend([cost.openings, cost.trades, cost.volume, cost.messages, cost.copies].map(|cost| cost.to_string()));
        Self { keys: named, args }
    }

    /// As the server knows it.
    pub fn by_digest(&self, digest: &str) -> Vec<u8> {
        self.words("EVALSHA", digest)
    }

    /// With the script, which the server then knows.
    pub fn whole(&self) -> Vec<u8> {
        self.words("EVAL", SCRIPT)
    }

    fn words(&self, verb: &str, script: &str) -> Vec<u8> {
        let count = self.keys.len().to_string();
        let mut words = vec![verb, script, count.as_str()];
        words.extend(self.keys.iter().chain(&self.args).map(String::as_str));
        command(&words)
    }

    /// A changed script, with one argument more.
    #[cfg(test)]
    pub fn with_script(&self, script: &str, further: &str) -> Vec<u8> {
        let mut call = self.clone();
        call.args.push(further.to_owned());
        call.words("EVAL", script)
    }
}

fn limit(bound: &RateBound) -> String {
    match bound.limit {
        Limit::Waived => String::new(),
        Limit::Set(limit) => limit.to_string(),
    }
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub outcome: Outcome,
    /// The memory as it is now.
    pub known: Known,
    /// The server's clock, microseconds since 1970.
    pub clock: u64,
    pub refused: Vec<Refused>,
    /// Whether some of it may have been counted before and lost.
    pub unsure: bool,
    pub retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is counted, now or before.
    Counted,
    /// It does not fit, and nothing is counted.
    Refused,
    /// What was counted before is lost, and nothing is counted.
    Unsure,
    /// It was given up before it came, and nothing is counted.
    Dropped,
    /// It was given back, or given up.
    Given,
    /// There was nothing to give back.
    Nothing,
    /// The script can be called.
    Probed,
}

impl Answer {
    /// Reads a reply of the script; `None` where it is none.
    pub fn read(reply: &Reply) -> Option<Self> {
        let Reply::List(items) = reply else { return None };
        let [outcome, born, seq, clock, refused, unsure, ready] = items.as_slice() else { return None };
        let outcome = match text(outcome)? {
            "counted" => Outcome::Counted,
            "refused" => Outcome::Refused,
            "unsure" => Outcome::Unsure,
            "dropped" => Outcome::Dropped,
            "given" => Outcome::Given,
            "nothing" => Outcome::Nothing,
            "probed" => Outcome::Probed,
            _ => return None,
        };
        let refused = rates(text(refused)?)?;
        let unsure = rates(text(unsure)?)?;
        // What contradicts itself is not believed.
        let fits = match outcome {
            Outcome::Refused => !refused.is_empty(),
            Outcome::Unsure => !unsure.is_empty(),
            Outcome::Counted | Outcome::Dropped | Outcome::Given | Outcome::Nothing | Outcome::Probed => {
                refused.is_empty()
            }
        };
        let ready: i64 = text(ready)?.parse().ok()?;
        fits.then_some(Self {
            outcome,
            known: Known { born: text(born)?.parse().ok()?, seq: text(seq)?.parse().ok()? },
            clock: text(clock)?.parse().ok()?,
            retry_after: u64::try_from(ready).ok().filter(|_| !refused.is_empty()).map(Duration::from_millis),
            unsure: !unsure.is_empty(),
            refused,
        })
    }
}

fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Text(text) => Some(text),
        Reply::Error(_) | Reply::Number(_) | Reply::Nothing | Reply::List(_) => None,
    }
}

/// `1:2 2:5`: holder and rate, both from 1.
fn rates(text: &str) -> Option<Vec<Refused>> {
    text.split_ascii_whitespace()
        .map(|pair| {
            let (holder, rate) = pair.split_once(':')?;
            let scope = match holder {
                "1" => Scope::System,
                "2" => Scope::User,
                _ => return None,
            };
            let rate: usize = rate.parse().ok().filter(|rate| (1..=RATE_COUNT).contains(rate))?;
            Some((*RATE_LIMITS.get(rate - 1)?, scope))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use failstop_core::gate::LimitName;

    fn list(items: [&str; 7]) -> Reply {
        Reply::List(items.iter().map(|item| Reply::Text((*item).to_owned())).collect())
    }

    #[test]
    fn a_call_names_its_keys_under_one_tag_and_gives_limits_in_order() {
        let keys = Keys::new("desk", "demo", Duration::from_secs(3_600));
        let bound = |limit| RateBound { limit, used: 9 };
        let mut system = [bound(Limit::Waived); RATE_COUNT];
        system[1] = bound(Limit::Set(50));
        let bounds = RateBounds { system, user: Some([bound(Limit::Set(7)); RATE_COUNT]) };
        let cost = Cost { openings: 1, trades: 2, volume: u128::MAX, messages: 4, copies: 5 };
        let asked = Asked {
            id: "o-1".to_owned(),
            user: Some("al{ice".to_owned()),
            cost,
            attempt: "a-1".to_owned(),
            left: false,
        };
        let call = Call::question(&keys, Known { born: 8, seq: 9 }, &asked, &bounds, true);
        let names = ["failstop:{desk}:memory", "failstop:{desk}:order:demo/o-1", "failstop:{desk}:all"];
        assert_eq!(call.keys, [&names[..], &["failstop:{desk}:user:al{ice"]].concat());
        let volume = u128::MAX.to_string();
        let args =
            ["take", "a-1", "8", "9", "3600000000", "1", "1", "2", volume.as_str(), "4", "5", "", "50", "", "", "", ""];
        assert_eq!(call.args, [&args[..], &["7"; RATE_COUNT]].concat());
        let nobodys = Call::question(
            &keys,
            Known::NOTHING,
            &Asked { user: None, ..asked },
            &RateBounds { user: None, ..bounds },
            false,
        );
        assert_eq!((nobodys.keys.len(), nobodys.args.len()), (3, 11 + RATE_COUNT));
    }

    #[test]
    fn answers_are_read_and_what_is_none_is_not_believed() {
        let answer = Answer::read(&list(["refused", "5", "6", "7", "1:1 2:6", "", "1500"])).unwrap();
        let refused = [(LimitName::OpeningsPerMinute, Scope::System), (LimitName::CopiesPerMinute, Scope::User)];
        assert_eq!(answer.refused, refused);
        assert_eq!(answer.retry_after, Some(Duration::from_millis(1_500)));
        assert_eq!(answer.known, Known { born: 5, seq: 6 });
        let never = Answer::read(&list(["refused", "5", "6", "7", "1:1", "", "-1"])).unwrap();
        assert_eq!(never.retry_after, None);
        for bad in [
            ["counted", "5", "6", "7", "1:1", "", "0"],
            ["refused", "5", "6", "7", "", "", "0"],
            ["unsure", "5", "6", "7", "1:1", "", "0"],
            ["refused", "5", "6", "7", "1:7", "", "0"],
            ["refused", "5", "6", "7", "3:1", "", "0"],
            ["allowed", "5", "6", "7", "", "", "0"],
            ["counted", "-5", "6", "7", "", "", "0"],
            ["counted", "5", "6.5", "7", "", "", "0"],
        ] {
            assert_eq!(Answer::read(&list(bad)), None, "{bad:?}");
        }
        assert_eq!(Answer::read(&Reply::Text("OK".to_owned())), None);
    }
}
