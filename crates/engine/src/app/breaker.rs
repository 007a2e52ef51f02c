//! The circuit breaker in the loop: the host is measured with every sample, what gives way in the loop asks [`Engine::is_shed`], and the
//! doors are told.

use super::engine::Engine;
use crate::alerts::Concern;
use crate::clock;
use crate::command::{Answer as DoorAnswer, ReplyTo};
use failstop_client::status::BreakerSummary;
use failstop_core::{BreakerNews, BreakerState, HostLoad, Monotonic};
use serde_json::json;

impl Engine {
    /// Whether what only shows gives way.
    pub(super) fn is_shed(&self) -> bool {
        self.breaker.is_shed()
    }

    /// The host was measured.
    pub(super) fn look_at_load(&mut self, now: Monotonic) {
        let load = self.load();
        let news = self.breaker.look(now, load);
        self.tell_doors_of_load();
        let stays = matches!(self.breaker.state(), BreakerState::Shed { next: None, .. });
        self.concern(Concern::StaysShed, stays.then(|| in_use(load)));
        let Some(news) = news else { return };
        self.shed_or_back(now, news);
        let (kind, text) = match news {
            BreakerNews::Tripped { stays } => {
                self.meters.breaker_trips += 1;
                let text = if stays {
                    "what only shows is shed until `failstop breaker reset`"
                } else {
                    "dashboard, history and the verification beside give way until there is room again"
                };
                ("x.failstop.breaker_tripped", text)
            }
            BreakerNews::StillBusy => return self.say("breaker", &format!("still busy: {}", in_use(load))),
            BreakerNews::StaysShed => {
                ("x.failstop.breaker_stays", "what only shows stays shed until `failstop breaker reset`")
            }
            BreakerNews::Recovered => ("x.failstop.breaker_recovered", "everything is shown again"),
        };
        self.say("breaker", &format!("{}: {text}", in_use(load)));
        self.note(kind, &json!({ "cpu": load.cpu, "memory": load.memory, "own": load.own }));
    }

    /// The configuration changed.
    pub(super) fn adopt_breaker(&mut self, now: Monotonic) {
        self.breaker.adopt(now, self.config.breaker.policy());
        self.tell_doors_of_load();
    }

    fn tell_doors_of_load(&mut self) {
        if !self.is_shed() {
            self.verifier.make_up(clock::now());
        }
        self.shed.send_replace(self.is_shed());
    }

    /// An operator wants everything shown again.
    pub(super) fn reset_breaker(&mut self, by: &str, reply: ReplyTo) {
        let answer = if self.breaker.reset() {
            self.tell_doors_of_load();
            self.concern(Concern::StaysShed, None);
            self.say("breaker", &format!("reset by {by}: everything is shown again"));
            self.note("x.failstop.breaker_reset", &json!({ "by": by }));
            DoorAnswer::Done
        } else {
            DoorAnswer::Refused(vec!["the breaker has not tripped: there is nothing to reset".to_owned()])
        };
        // Whoever asked may have gone.
        let _ = reply.send(answer);
    }

    /// For the status.
    pub(super) fn breaker_summary(&self) -> BreakerSummary {
        let (now, wall) = (clock::now(), clock::wall());
        let before = |at: Monotonic| clock::rfc3339(wall.saturating_sub(now.since(at)).unwrap_or(wall));
        let after = |at: Monotonic| clock::rfc3339(wall.saturating_add(at.since(now)).unwrap_or(wall));
        match self.breaker.state() {
            BreakerState::Closed => BreakerSummary::default(),
            BreakerState::Shed { since, failed, next, load } => BreakerSummary {
                state: if next.is_some() { "shed" } else { "stays-shed" }.to_owned(),
                since: Some(before(since)),
                failed_tries: failed,
                next_try: next.map(after),
                why: Some(in_use(load)),
            },
        }
    }

    fn load(&self) -> HostLoad {
        // While it is shed, what was used since then counts, however short that is: a try waits for no window.
        let own = self.footprint.share(!self.is_shed());
        let Some(host) = self.facts.host() else { return HostLoad { own, ..HostLoad::default() } };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage; a cast saturates")]
        let cpu = host.cpu_percent.map(|percent| (percent * 10.0).ceil() as u32);
        let used = host.memory_total_bytes.saturating_sub(host.memory_available_bytes);
        let memory = used.saturating_mul(1_000).checked_div(host.memory_total_bytes);
        HostLoad { cpu, memory: memory.and_then(|thousandths| u32::try_from(thousandths).ok()), own }
    }
}

fn in_use(load: HostLoad) -> String {
    let share =
        |used: Option<u32>| used.map_or_else(|| "unknown".to_owned(), |used| format!("{}.{} %", used / 10, used % 10));
    let host = format!("processors {}, memory {} in use", share(load.cpu), share(load.memory));
    // Within its caps it is nobody's concern here.
    match load.own.filter(|own| *own > 1_000) {
        Some(_) => format!("{host}, and failstop itself {} of a cap of its own ([footprint])", share(load.own)),
        None => host,
    }
}
