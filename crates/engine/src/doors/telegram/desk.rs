//! What becomes of a message: the one place where it is decided whether it acts. Pure: time, chance and who may what are given.
//!
//! ```text
//!   message --> seen before? --> who? --nobody--> counted, no answer
//!                                  | listed
//!                                  v
//!          the emergency stop ----------------------------> acts at once
//!          a question --------------------------- fresh? --> answered
//!          an order, role enough? -- tightens --- fresh? --> acts at once
//!                                  | loosens ---- fresh? --> asks for NAME CODE, 60 s, once
//!                                                              --> fresh, the very words --> acts, once Telegram knows it was read
//! ```

use super::people::Settings;
use super::said::{Question, Said, What, read, waits};
use super::update::{Heard, Update, Words};
use crate::access::{Access, Control, Forbidden, Ordered, Role, Standing, TraceId, Who, judge, ordered};
use crate::command::Principal;
use core::time::Duration;
use failstop_core::Monotonic;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long a confirmation is waited for.
pub(super) const CONFIRM_WITHIN: Duration = Duration::from_secs(60);

/// A message that is further from now than this, by Telegram's clock against this host's, acts on nothing. Seconds.
const FRESH_SECONDS: i64 = 60;

/// So many messages of one user within [`SPOKEN_WITHIN`] are heard; more are not, but for the emergency stop.
const SPOKEN_MAX: usize = 30;

/// The time in which they are counted.
const SPOKEN_WITHIN: Duration = Duration::from_secs(60);

/// Telegram numbers updates anew after a week without one. After a day without one it is asked from its beginning, which by then
/// holds nothing that was heard.
const QUIET: Duration = Duration::from_secs(24 * 3600);

/// When something is heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the clock that never goes back.
    pub now: Monotonic,
    /// By the wall's: Unix seconds.
    pub wall: i64,
    /// How often the kill switch was engaged by now.
    pub engagements: u64,
    /// Whether it stands, as the loop said of [a release](asks_to_release); `None` where it was not asked, or did not say.
    pub engaged: Option<bool>,
}

/// What each message needs of chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    /// The name of what it asks for.
    pub trace: TraceId,
    /// What is to be typed to confirm it, below [`CODES`].
    pub code: u16,
}

/// How many codes there are.
pub(super) const CODES: u16 = 10_000;

/// What is done about a message.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing.
    Nothing,
    /// Somebody who is not listed, or nobody: counted, and not answered.
    Stranger {
        /// Who.
        user: Option<i64>,
        /// Why it does not count.
        why: &'static str,
    },
    /// A text to the user.
    Say {
        /// To whom.
        user: i64,
        /// What.
        text: String,
    },
    /// A question is answered.
    Ask {
        /// Whose.
        user: i64,
        /// As what.
        role: Role,
        /// Which.
        question: Question,
        /// What else is said.
        note: Option<String>,
    },
    /// The role is not enough.
    Forbidden {
        /// Whose.
        user: i64,
        /// As what.
        by: Access,
        /// What was asked for.
        forbidden: Forbidden,
    },
    /// A control is given.
    Give {
        /// By whom.
        user: i64,
        /// As what, and under which name.
        by: Access,
        /// Which.
        what: What,
        /// For what was confirmed: how often the kill switch had been engaged when it was asked for. It waits until Telegram knows that the
        /// message was read.
        loosens: Option<u64>,
        /// What else is said.
        note: Option<String>,
    },
}

/// Somebody who is listed, and why what he says now acts on nothing, where it does not.
struct Speaker {
    user: i64,
    role: Role,
    doubt: Option<String>,
}

#[derive(Debug)]
struct Pending {
    what: What,
    trace: TraceId,
    word: String,
    until: Monotonic,
    engagements: u64,
    shown: String,
}

/// What of a user's messages was heard.
#[derive(Debug, Default)]
struct Spoken {
    /// When, within [`SPOKEN_WITHIN`]: at most [`SPOKEN_MAX`].
    heard: VecDeque<Monotonic>,
    /// When it was said last that there are too many.
    told: Option<Monotonic>,
}

/// What is known of the messages so far. Bounded by the number of users that are listed.
#[derive(Debug)]
pub(super) struct Desk {
    /// The number of the last update that was heard.
    last: Option<i64>,
    heard_at: Monotonic,
    pending: BTreeMap<i64, Pending>,
    spoken: BTreeMap<i64, Spoken>,
}

impl Desk {
    /// Nothing was heard yet.
    pub const fn new(now: Monotonic) -> Self {
        Self { last: None, heard_at: now, pending: BTreeMap::new(), spoken: BTreeMap::new() }
    }

    /// From which update on is asked next.
    pub fn offset(&mut self, now: Monotonic) -> Option<i64> {
        if now.since(self.heard_at) >= QUIET {
            self.last = None;
        }
        self.last.map(|last| last.saturating_add(1))
    }

    /// An update is passed over. Whether it is a new one.
    pub fn pass(&mut self, id: i64, now: Monotonic) -> bool {
        let new = self.last.is_none_or(|last| id > last);
        if new {
            (self.last, self.heard_at) = (Some(id), now);
        }
        new
    }

    /// What piled up before anybody listened: none of it acts. Who of those that are listed wrote any of it.
    pub fn piled_up(&mut self, updates: &[Update], settings: &Settings, now: Monotonic) -> BTreeSet<i64> {
        let mut users = BTreeSet::new();
        for update in updates {
            self.pass(update.id, now);
            if let Heard::Words(Words { user, .. }) = update.heard
                && settings.people.role_of(user).is_some()
            {
                users.insert(user);
            }
        }
        users
    }

    /// Other people are listed now.
    pub fn adopt(&mut self, settings: &Settings) {
        self.pending.retain(|user, _| settings.people.role_of(*user).is_some());
        self.spoken.retain(|user, _| settings.people.role_of(*user).is_some());
    }

    /// One update.
    pub fn hear(&mut self, update: &Update, at: Moment, chance: Chance, settings: &Settings) -> Step {
        if !self.pass(update.id, at.now) {
            return Step::Nothing;
        }
        let words = match &update.heard {
            Heard::Nothing => return Step::Nothing,
            Heard::Words(words) => words,
            Heard::Refused { user, private, why } => {
                let listed = user.filter(|user| *private && settings.people.role_of(*user).is_some());
                let Some(user) = listed else { return Step::Stranger { user: *user, why } };
                let cancelled = self.cancel(user, at.now);
                if !self.may_speak(user, at.now) {
                    return Step::Nothing;
                }
                return say(user, settings, &with(&format!("{why}: nothing was done"), cancelled.as_deref()));
            }
        };
        let user = words.user;
        let Some(role) = settings.people.role_of(user) else {
            return Step::Stranger { user: Some(user), why: "is not listed in [telegram]" };
        };
        let said = read(&words.text, &settings.components);
        if !stops(&said, role) && !self.may_speak(user, at.now) {
            // Said at the first that is not heard, and then no more often than once in that time.
            let spoken = self.spoken.entry(user).or_default();
            if spoken.told.is_some_and(|told| at.now.since(told) < SPOKEN_WITHIN) {
                return Step::Nothing;
            }
            spoken.told = Some(at.now);
            let text = "too many messages within a minute: they are not heard, but for /emergency_stop";
            return say(user, settings, text);
        }
        let speaker = Speaker { user, role, doubt: doubt(words.date, at.wall) };
        match said {
            Said::Text => self.confirmed(speaker, &words.text, at, settings),
            Said::Question(question) => {
                let note = self.cancel(user, at.now);
                match speaker.doubt {
                    Some(doubt) => say(user, settings, &doubt),
                    None => Step::Ask { user, role, question, note },
                }
            }
            Said::Wrong(how) => {
                let note = self.cancel(user, at.now);
                say(user, settings, &with(&how, note.as_deref()))
            }
            Said::Order(what) => self.ordered(speaker, what, at, chance, settings),
        }
    }

    fn ordered(&mut self, speaker: Speaker, what: What, at: Moment, chance: Chance, settings: &Settings) -> Step {
        let Speaker { user, role, doubt } = speaker;
        let note = self.cancel(user, at.now);
        let by = access(user, role, chance.trace);
        let command = what.clone().command(by.clone());
        if let Err(forbidden) = judge(&command) {
            return Step::Forbidden { user, by, forbidden };
        }
        if what.is_emergency_stop() {
            // What anybody was about to loosen was meant before this. The loop's count follows, and says so of stops by other doors.
            self.pending.clear();
            return Step::Give { user, by, what, loosens: None, note };
        }
        if let Some(doubt) = doubt {
            return say(user, settings, &with(&doubt, note.as_deref()));
        }
        if what.is_release() && at.engaged == Some(false) {
            let text =
                "the kill switch is not engaged, so there is nothing to release; /system_status shows what stands";
            return say(user, settings, &with(text, note.as_deref()));
        }
        // Every command of `What` is a control.
        let waits = ordered(&command).is_none_or(|Ordered { control, .. }| waits(control));
        if !waits {
            return Step::Give { user, by, what, loosens: None, note };
        }
        let (word, shown) = (format!("{} {:04}", settings.system, chance.code), what.words(&settings.components));
        let until = at.now.plus(CONFIRM_WITHIN);
        let text = format!("to {shown}, type\n{word}\nwithin {} s. Anything else leaves it.", CONFIRM_WITHIN.as_secs());
        let pending = Pending { what, trace: chance.trace, word, until, engagements: at.engagements, shown };
        self.pending.insert(user, pending);
        say(user, settings, &with(&text, note.as_deref()))
    }

    /// A text that is no command: what was asked for, if it is the very words and in time.
    fn confirmed(&mut self, speaker: Speaker, text: &str, at: Moment, settings: &Settings) -> Step {
        let Speaker { user, role, doubt } = speaker;
        let Some(pending) = self.pending.remove(&user) else {
            return say(user, settings, "nothing waits to be confirmed; /help lists the commands");
        };
        let Pending { what, trace, word, until, engagements, shown } = pending;
        if at.now >= until {
            let text = format!("the time was up, and it was not done: {shown}. Ask for it again if you still mean it");
            return say(user, settings, &text);
        }
        if at.engagements != engagements {
            let text = format!(
                "the kill switch was engaged since you asked, and it was not done: {shown}. Look again, and ask again if you still mean it"
            );
            return say(user, settings, &text);
        }
        // Telephones begin with a capital letter, and put spaces where they like.
        let typed: Vec<&str> = text.split_whitespace().collect();
        if !typed.join(" ").eq_ignore_ascii_case(&word) {
            let text =
                format!("these are not the words, and it was not done: {shown}. Ask for it again if you mean it");
            return say(user, settings, &text);
        }
        if let Some(doubt) = doubt {
            return say(user, settings, &doubt);
        }
        let by = access(user, role, trace);
        match judge(&what.clone().command(by.clone())) {
            Ok(()) => Step::Give { user, by, what, loosens: Some(engagements), note: None },
            Err(forbidden) => Step::Forbidden { user, by, forbidden },
        }
    }

    /// What the user was to confirm is left; in words, where its time was not up yet.
    fn cancel(&mut self, user: i64, now: Monotonic) -> Option<String> {
        let pending = self.pending.remove(&user)?;
        (now < pending.until).then(|| format!("(It was not done: {}.)", pending.shown))
    }

    fn may_speak(&mut self, user: i64, now: Monotonic) -> bool {
        let spoken = self.spoken.entry(user).or_default();
        while spoken.heard.front().is_some_and(|first| now.since(*first) >= SPOKEN_WITHIN) {
            spoken.heard.pop_front();
        }
        let may = spoken.heard.len() < SPOKEN_MAX;
        if may {
            spoken.heard.push_back(now);
        }
        may
    }
}

/// Whether this update is an emergency stop by somebody who may, heard or not.
pub(super) fn is_stop(update: &Update, settings: &Settings) -> bool {
    let Heard::Words(words) = &update.heard else { return false };
    let role = settings.people.role_of(words.user);
    role.is_some_and(|role| stops(&read(&words.text, &settings.components), role))
}

/// Whether this update asks for the release of the kill switch.
pub(super) fn asks_to_release(update: &Update, settings: &Settings) -> bool {
    let Heard::Words(words) = &update.heard else { return false };
    matches!(read(&words.text, &settings.components), Said::Order(what) if what.is_release())
        && settings.people.role_of(words.user).is_some()
}

/// Whoever may not engage it is one who asks for something like any other.
fn stops(said: &Said, role: Role) -> bool {
    matches!(said, Said::Order(what) if what.is_emergency_stop()) && Control::EmergencyStop.allows(Standing::Role(role))
}

fn access(user: i64, role: Role, trace: TraceId) -> Access {
    Who { principal: Principal::Telegram(user), standing: Standing::Role(role) }.asks(trace)
}

fn say(user: i64, settings: &Settings, text: &str) -> Step {
    Step::Say { user, text: format!("{}: {text}", settings.system) }
}

/// A text, and below it what else is said.
pub(super) fn with(text: &str, note: Option<&str>) -> String {
    note.map_or_else(|| text.to_owned(), |note| format!("{text}\n{note}"))
}

/// Why a message of this date acts on nothing now; `None` where it is fresh.
fn doubt(date: i64, wall: i64) -> Option<String> {
    let age = wall.saturating_sub(date);
    let span = failstop_view::duration::duration(Duration::from_secs(age.unsigned_abs()));
    if age > FRESH_SECONDS {
        Some(format!(
            "that message was sent {span} ago, and nothing was done: send it again if you still mean it. If this is said of every \
             message, this host's clock is ahead"
        ))
    } else if age < -FRESH_SECONDS {
        Some(format!(
            "that message is {span} ahead of this host's clock, and nothing was done: the clock is behind, see to it. /emergency_stop \
             is heard all the same"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
