//! Commands over Telegram: listed users ask and order from their own chat with a bot, by the same controls, the same roles and the same
//! audit as at the control socket. Off while nobody is listed.
//!
//! The door asks Telegram (long polling, one question at a time) and opens no port. It lives on the doors' thread; whatever Telegram
//! answers, withholds or makes up costs that thread a bounded answer now and then, and the loop nothing. [`desk`] decides, purely, what
//! becomes of each message; here that is carried out. What loosens is given to the loop only after Telegram has confirmed that the
//! message was read, so that no crash has it carried out twice.

mod answer;
mod api;
mod desk;
mod pace;
mod people;
mod said;
mod update;

#[cfg(test)]
mod tests;

pub use people::{Channel, People, Settings};

use super::ask::{Asker, Unanswered};
use super::turned_away::Turned;
use crate::access::TraceId;
use crate::clock;
use crate::command::{Answer, Command, CommandSender, Engagements, Request};
use api::{Api, Came, Fault, Question as Asked};
use desk::{CODES, Chance, Desk, Moment, Step, asks_to_release, is_stop};
use failstop_notify::Telegram;
use pace::Pace;
use std::mem;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a question about the system waits for the loop.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Answers under way at one time; one beyond is not given. Orders are put all the same.
const WORK_MAX: usize = 16;

/// Answers to emergency stops that may be under way beside those.
const STOPS_MAX: usize = 16;

/// Whose messages were passed over is told to so many: no more of them are looked at.
const PASSED_OVER_MAX: usize = PILED_UP_MAX as usize;

/// The most updates of one answer.
const UPDATES_MAX: u32 = 16;

/// So many of those that piled up are looked at, to tell who wrote them; the others are forgotten unseen.
const PILED_UP_MAX: u32 = 100;

/// The least time between two questions of which the first brought nothing: a service that does not wait must not be asked without end.
const LEAST: Duration = Duration::from_secs(1);

/// How often an answer is sent that was not taken, and the longest pause between.
const TRIES: u32 = 3;
const RESEND_MAX: Duration = Duration::from_secs(30);

/// What stands behind the door.
#[derive(Debug)]
pub(super) struct Behind {
    /// The loop.
    pub commands: CommandSender,
    /// Who is told of those who are turned away.
    pub turned: Arc<Turned>,
    /// How often the kill switch was engaged.
    pub engagements: Engagements,
}

/// Hears whoever is listed, as the settings have it at the time, until `closing`. Runs on the doors' thread.
pub(super) async fn serve(
    mut settings: watch::Receiver<Option<Settings>>,
    behind: Behind,
    mut closing: watch::Receiver<bool>,
) {
    let Behind { commands, turned, engagements } = behind;
    let asker = Arc::new(Asker::new(commands.clone(), ANSWER_WITHIN));
    let mut session: Option<Session> = None;
    // What is done for somebody while nobody is heard.
    let mut work = JoinSet::new();
    let mut silent = false;
    loop {
        let wanted = settings.borrow_and_update().clone();
        session = match (wanted, session.take()) {
            (Some(wanted), Some(open)) if open.settings.same_bot(&wanted) => Some(open.going_by(wanted)),
            (wanted, open) => {
                // It goes on, whoever is heard from here on: the answer to the very change is a part of it.
                work = open.map_or(work, |open| open.work);
                let work = &mut work;
                let new = |wanted| Session::new(wanted, mem::take(work), &asker, &turned, &commands, &engagements);
                wanted.map(new)
            }
        };
        let Some(open) = &mut session else {
            // What an earlier life told of the way to Telegram is over where there is none.
            silent = silent || tell(&commands, None);
            tokio::select! {
                changed = settings.changed() => if changed.is_err() { break },
                () = closed(&mut closing) => break,
                // There was no room for that.
                () = sleep(LEAST), if !silent => {}
            }
            continue;
        };
        silent = false;
        let polled = tokio::select! {
            biased;
            () = closed(&mut closing) => break,
            // A question that is given up changes nothing: what it would have brought comes with the next.
            changed = settings.changed() => {
                if changed.is_err() {
                    break;
                }
                open.pause = None;
                continue;
            }
            polled = open.poll() => polled,
        };
        open.take(polled).await;
    }
    // The answers to the last orders, an end of the engine perhaps, leave as far as there is time.
    let mut work = session.map_or(work, |open| open.work);
    while work.join_next().await.is_some() {}
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the sender was dropped: closing without waiting.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Tells the loop why nobody is heard, or that all is well. Whether it took that: nobody waits for room.
fn tell(commands: &CommandSender, fault: Option<String>) -> bool {
    let (reply, _) = oneshot::channel();
    Request::new(Command::Hearing { fault }, reply).is_ok_and(|request| commands.try_send(request).is_ok())
}

/// One bot that is listened to.
struct Session {
    settings: Settings,
    /// `None` until the token was had, and anew where it is not taken.
    api: Option<Api>,
    desk: Desk,
    pace: Pace,
    pause: Option<Instant>,
    /// Whether what had piled up was passed over.
    begun: bool,
    /// Whether the last answer was too large, so that updates are asked for one by one.
    one_by_one: bool,
    work: JoinSet<()>,
    asker: Arc<Asker>,
    turned: Arc<Turned>,
    commands: CommandSender,
    engagements: Engagements,
}

/// What a question brought, and when it was put.
struct Polled {
    put: Instant,
    came: Result<Came, Fault>,
}

/// What an answer is.
enum Read {
    /// Updates.
    Updates(Vec<update::Update>),
    /// Larger than what is read: they are to come one by one.
    Apart,
    /// One that is too large by itself, and to be passed over.
    Over(i64),
}

impl Read {
    fn of(came: Came, one_by_one: bool) -> Result<Self, Fault> {
        match came {
            Came::Whole(values) => {
                let updates: Vec<update::Update> = values.iter().filter_map(update::read).collect();
                if updates.is_empty() && !values.is_empty() {
                    return Err(Fault::Foreign("its updates have no numbers"));
                }
                Ok(Self::Updates(updates))
            }
            Came::TooLarge { .. } if !one_by_one => Ok(Self::Apart),
            Came::TooLarge { first: Some(id) } => Ok(Self::Over(id)),
            Came::TooLarge { first: None } => Err(Fault::Foreign("it is large and begins with no update")),
        }
    }
}

impl Session {
    fn new(
        settings: Settings,
        work: JoinSet<()>,
        asker: &Arc<Asker>,
        turned: &Arc<Turned>,
        commands: &CommandSender,
        engagements: &Engagements,
    ) -> Self {
        let now = clock::now();
        Self {
            settings,
            api: None,
            desk: Desk::new(now),
            pace: Pace::new(now),
            pause: None,
            begun: false,
            one_by_one: false,
            work,
            asker: Arc::clone(asker),
            turned: Arc::clone(turned),
            commands: commands.clone(),
            engagements: engagements.clone(),
        }
    }

    /// The same, with other people.
    fn going_by(mut self, settings: Settings) -> Self {
        self.desk.adopt(&settings);
        Self { settings, ..self }
    }

    /// Puts one question, after the pause that there may be. Given up at any time it has changed nothing that counts.
    async fn poll(&mut self) -> Polled {
        if let Some(until) = self.pause {
            sleep_until(until).await;
            self.pause = None;
        }
        let put = Instant::now();
        let question = match (self.begun, self.one_by_one) {
            (false, false) => {
                Asked { offset: Some(-i64::from(PILED_UP_MAX)), limit: PILED_UP_MAX, wait: Duration::ZERO }
            }
            (false, true) => Asked { offset: Some(-1), limit: 1, wait: Duration::ZERO },
            (true, one_by_one) => {
                let limit = if one_by_one { 1 } else { UPDATES_MAX };
                Asked { offset: self.desk.offset(clock::now()), limit, wait: self.settings.wait }
            }
        };
        let came = match self.api() {
            Ok(api) => api.updates(question).await,
            Err(fault) => Err(fault),
        };
        Polled { put, came }
    }

    /// The way to the bot: its token is read where it is kept, so that a new one there is taken.
    fn api(&mut self) -> Result<Api, Fault> {
        if let Some(api) = &self.api {
            return Ok(api.clone());
        }
        let token = self.settings.token.reveal();
        let token = token.map_err(|fault| Fault::Unusable(format!("the bot's token cannot be had: {fault}")))?;
        let ca_file = self.settings.ca_file.as_deref();
        let api = Api::new(&token, &self.settings.api_base, ca_file).map_err(Fault::Unusable)?;
        self.api = Some(api.clone());
        Ok(api)
    }

    /// What came of a question.
    async fn take(&mut self, polled: Polled) {
        let Polled { put, came } = polled;
        let read = match came.and_then(|came| Read::of(came, self.one_by_one)) {
            Ok(read) => read,
            Err(fault) => return self.failed(&fault),
        };
        let now = clock::now();
        if self.pace.answered(now) && tell(&self.commands, None) {
            self.pace.tell(true);
        }
        let news = match read {
            Read::Updates(updates) => {
                self.one_by_one = false;
                if self.begun { self.hear(&updates).await } else { self.pass_over(&updates) }
            }
            Read::Apart => {
                self.one_by_one = true;
                true
            }
            Read::Over(id) => {
                tracing::warn!(id, "a message over Telegram is larger than any that is taken, and is passed over");
                (self.begun, self.one_by_one) = (true, false);
                self.desk.pass(id, now)
            }
        };
        if !news {
            self.pause = Some(put + LEAST);
        }
    }

    /// Nothing of what was written before anybody listened acts.
    fn pass_over(&mut self, updates: &[update::Update]) -> bool {
        self.begun = true;
        let system = self.settings.system.clone();
        for user in self.desk.piled_up(updates, &self.settings, clock::now()) {
            let text = format!(
                "{system}: failstop listens from now on. What was written before was not carried out: send it again if you still mean it"
            );
            self.work_on(PASSED_OVER_MAX, user, async move { text });
        }
        !updates.is_empty()
    }

    /// Whether any was new. Stops are put first: none waits for what stands before it, and what was to be loosened before it is left.
    async fn hear(&mut self, updates: &[update::Update]) -> bool {
        let mut steps = Vec::with_capacity(updates.len());
        let engaged = self.is_engaged(updates).await;
        for update in updates {
            let (now, wall) = (clock::now(), clock::wall().as_second());
            let at = Moment { now, wall, engagements: self.engagements.count(), engaged };
            let chance = Chance { trace: TraceId::new(), code: code() };
            steps.push((update.id, self.desk.hear(update, at, chance, &self.settings)));
        }
        steps.retain(|(_, step)| *step != Step::Nothing);
        let news = !steps.is_empty();
        let (stops, others): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .partition(|(_, step)| matches!(step, Step::Give { what, .. } if what.is_emergency_stop()));
        let mut stop = stops.iter().map(|(id, _)| *id).max();
        for (id, step) in stops.into_iter().chain(others) {
            self.carry_out(step, id, &mut stop).await;
        }
        news
    }

    /// Whether the kill switch stands, where one asks for its release and nobody for a stop, which waits for no answer.
    async fn is_engaged(&self, updates: &[update::Update]) -> Option<bool> {
        let asked = updates.iter().any(|update| asks_to_release(update, &self.settings));
        if !asked || updates.iter().any(|update| is_stop(update, &self.settings)) {
            return None;
        }
        self.asker.status().await.ok().map(|status| status.kill_switch)
    }

    /// `stop`: the number of the last emergency stop that was seen.
    async fn carry_out(&mut self, step: Step, id: i64, stop: &mut Option<i64>) {
        match step {
            Step::Nothing => {}
            Step::Stranger { user, why } => {
                let who = user.map_or_else(|| "telegram, nobody".to_owned(), |user| format!("telegram user {user}"));
                self.turned.stranger(&who, why);
            }
            Step::Say { user, text } => self.send(user, text),
            Step::Ask { user, role, question, note } => {
                let (asker, system) = (Arc::clone(&self.asker), self.settings.system.clone());
                self.work_on(WORK_MAX, user, async move {
                    let text = answer::to_question(question, user, role, &system, &asker).await;
                    desk::with(&text, note.as_deref())
                });
            }
            Step::Forbidden { user, by, forbidden } => {
                self.turned.forbidden(&by, forbidden);
                let row = forbidden.control.row();
                let text = format!(
                    "{}: `{}` needs the role {}, and you are {}: nothing was done",
                    self.settings.system,
                    row.name,
                    row.least,
                    forbidden.standing.name()
                );
                self.send(user, text);
            }
            Step::Give { user, by, what, loosens, note } => {
                let shown = what.words(&self.settings.components);
                if loosens.is_some()
                    && let Err(why) = self.may_loosen(id, stop).await
                {
                    let text = format!("{}: not done: {shown}. {why}", self.settings.system);
                    return self.send(user, text);
                }
                let (system, within, trace) = (self.settings.system.clone(), self.settings.order, by.trace);
                let asker = what.is_emergency_stop().then(|| Arc::clone(&self.asker));
                let room = if what.is_emergency_stop() { WORK_MAX + STOPS_MAX } else { WORK_MAX };
                // Put here, in the order in which it was said, whether or not there is room for its answer; that alone is waited for beside.
                let given = self.asker.begin(what.command(by.clone()), loosens).await;
                if let Err(Unanswered::Forbidden(forbidden)) = &given {
                    self.turned.forbidden(&by, *forbidden);
                }
                self.work_on(room, user, async move {
                    let answered = match given {
                        Ok(given) => given.within(within).await,
                        Err(unanswered) => Err(unanswered),
                    };
                    let stands = match (&asker, &answered) {
                        (Some(asker), Ok(Answer::Done)) => asker.status().await.ok(),
                        (Some(_) | None, _) => None,
                    };
                    let text = answer::to_control(answered, &shown, stands.as_deref(), trace);
                    desk::with(&format!("{system}: {text}"), note.as_deref())
                });
            }
        }
    }

    /// Whether what this update confirms may be put now; otherwise why not, and what to do.
    async fn may_loosen(&mut self, id: i64, stop: &mut Option<i64>) -> Result<(), String> {
        let left = |stop: Option<i64>| stop.is_some_and(|stop| stop > id);
        if !left(*stop) {
            let seen = self.confirm_read(id).await.map_err(|fault| {
                format!(
                    "Telegram could not be told that your message was read, and a message that comes twice must not loosen twice \
                     ({fault}). Ask for it again"
                )
            })?;
            *stop = seen.max(*stop);
        }
        if left(*stop) {
            return Err(
                "An emergency stop was written after it: look again, and ask again if you still mean it".to_owned()
            );
        }
        Ok(())
    }

    /// Telegram takes back what was read up to here: it will not come again. The number of the last emergency stop that it has by now.
    async fn confirm_read(&mut self, id: i64) -> Result<Option<i64>, Fault> {
        let question = Asked { offset: Some(id.saturating_add(1)), limit: UPDATES_MAX, wait: Duration::ZERO };
        // What it brings beside comes again with the next question, and is heard then.
        match self.api()?.updates(question).await? {
            Came::Whole(values) => {
                let updates = values.iter().filter_map(update::read);
                Ok(updates.filter(|update| is_stop(update, &self.settings)).map(|update| update.id).max())
            }
            Came::TooLarge { .. } => Ok(None),
        }
    }

    fn send(&mut self, user: i64, text: String) {
        self.work_on(WORK_MAX, user, async move { text });
    }

    /// Sends a text once it is there, unless so many are under way.
    fn work_on(&mut self, room: usize, user: i64, text: impl Future<Output = String> + Send + 'static) {
        while self.work.try_join_next().is_some() {}
        if self.work.len() >= room {
            return tracing::warn!(user, "too many answers over Telegram are under way: one is not given");
        }
        let Ok(api) = self.api() else { return };
        self.work.spawn(async move {
            let text = text.await;
            say(&api, user, &Telegram::cut(&text)).await;
        });
    }

    fn failed(&mut self, fault: &Fault) {
        let now = clock::now();
        let asked = match fault {
            Fault::Refused { after, code, .. } => {
                if matches!(*code, 401 | 404) {
                    self.api = None;
                }
                *after
            }
            Fault::Unusable(_) | Fault::Unreached(_) | Fault::Foreign(_) => None,
        };
        let mut chance = [0; 1];
        // Without chance the pause is the shortest; it only spreads.
        let _ = getrandom::fill(&mut chance);
        let pause = self.pace.failed(asked, chance[0]);
        self.pause = Some(Instant::now() + pause);
        if self.pace.is_news() {
            tracing::warn!(%fault, "nobody is heard over Telegram; it is asked again");
        }
        if self.pace.is_long(now) && tell(&self.commands, Some(fault.to_string())) {
            self.pace.tell(false);
        }
    }
}

/// Four digits of chance. They tell one request from another and keep nobody out: whoever types them was shown them.
fn code() -> u16 {
    let mut bytes = [0; 2];
    let _ = getrandom::fill(&mut bytes);
    u16::from_be_bytes(bytes) % CODES
}

/// Sends an answer. One that is lost is lost: what was done stands in the journal.
async fn say(api: &Api, user: i64, text: &str) {
    for attempt in 1..=TRIES {
        let fault = match api.send(user, text).await {
            Ok(()) => return,
            Err(fault) => fault,
        };
        let again = match &fault {
            Fault::Refused { code: 429 | 500..=599, after, .. } => Some(after.unwrap_or(LEAST)),
            Fault::Unreached(_) => Some(LEAST),
            Fault::Refused { .. } | Fault::Foreign(_) | Fault::Unusable(_) => None,
        };
        match again.filter(|_| attempt < TRIES) {
            Some(pause) => sleep(pause.min(RESEND_MAX)).await,
            None => return tracing::warn!(user, %fault, "an answer over Telegram was not taken"),
        }
    }
}
