//! The ladder's table: every rung, its proof and its refusal; the budget; two copies never.

use super::*;
use crate::heart::order::Order;
use crate::heart::rung::LADDER as SETTINGS;
use crate::heart::time::Wall;

struct Climb {
    ladder: Ladder,
    settings: LadderSettings,
    now: Now,
    out: VecDeque<Order>,
    epoch: Option<u64>,
}

impl Climb {
    fn new(settings: LadderSettings) -> Self {
        let now = Now { boot: Boot(1_000_000), wall: Wall(1_794_274_387_000) };
        Self { ladder: Ladder::default(), settings, now, out: VecDeque::new(), epoch: Some(3) }
    }

    fn call(&mut self, what: impl FnOnce(&mut Ladder, Now, &Place<'_>, &mut VecDeque<Order>) -> Told) -> Told {
        let place = Place { target: 0, settings: &self.settings, epoch: self.epoch, reason: "test", look_ms: 10_000 };
        what(&mut self.ladder, self.now, &place, &mut self.out)
    }

    fn later(&mut self, ms: u64) {
        self.now = Now { boot: self.now.boot.plus(ms), wall: self.now.wall.plus(ms) };
    }

    fn down(&mut self) -> Told {
        self.call(Ladder::down)
    }

    fn tick(&mut self) -> Told {
        self.call(Ladder::tick)
    }

    /// The step that was ordered, ended so.
    fn ends(&mut self, expected: Step, outcome: Outcome) -> Told {
        let Some(Order::Act { step, ticket, expected_epoch, .. }) = self.out.pop_front() else {
            panic!("no step was ordered; the ladder stands at {:?}", self.ladder.rung());
        };
        assert_eq!((step, expected_epoch), (expected, self.epoch));
        assert!(self.out.is_empty(), "one step at a time");
        self.call(|ladder, now, place, out| ladder.stepped(now, ticket, outcome, place, out))
    }

    /// A look that begins now finds it down.
    fn still_down(&mut self) -> Told {
        let began = self.now.boot;
        self.call(|ladder, now, place, out| ladder.still_down(now, began, place, out))
    }

    fn good(&mut self, epoch: u64) -> Told {
        let settings = self.settings.clone();
        self.ladder.good(self.now, Some(epoch), &settings)
    }
}

fn proved() -> Outcome {
    Outcome::Proved("seen".to_owned())
}

fn failed() -> Outcome {
    Outcome::Failed("no".to_owned())
}

#[test]
fn an_engine_that_restarts_when_asked_is_verified_by_a_higher_epoch() {
    let mut climb = Climb::new(SETTINGS);
    assert_eq!(climb.down(), Told::Went("try 1 of 3: rung 1: ask".to_owned()));
    assert!(matches!(climb.ends(Step::Ask, proved()), Told::Went(_)));
    assert_eq!(climb.good(3), Told::Nothing, "the old epoch proves nothing");
    assert_eq!(climb.good(4), Told::Restarted("ask: seen".to_owned()));
    assert_eq!(*climb.ladder.rung(), Rung::Resting);
}

#[test]
fn where_nobody_can_start_it_the_return_is_waited_for_as_long_as_a_start_would_be() {
    let mut climb = Climb::new(LadderSettings { can_start: false, ..SETTINGS });
    climb.down();
    climb.ends(Step::Ask, proved());
    assert_eq!(climb.ladder.next(), Some(climb.now.boot.plus(60_000)));
    climb.later(60_000);
    assert_eq!(climb.tick(), Told::Went("rung 2: signal".to_owned()), "it said yes and is not back");
}

#[test]
fn what_said_yes_and_never_ends_is_signalled_and_a_start_that_is_refused_after_that_ends_the_try() {
    let mut climb = Climb::new(SETTINGS);
    climb.down();
    climb.ends(Step::Ask, proved());
    climb.later(5_000);
    climb.tick();
    // The refusal comes after the time in which it had to be back.
    climb.later(55_000);
    climb.ends(Step::Start, Outcome::Refused("it lives".to_owned()));
    assert_eq!(climb.tick(), Told::Went("rung 2: signal".to_owned()));
    climb.ends(Step::Signal, proved());
    climb.ends(Step::Start, Outcome::Refused("it lives".to_owned()));
    assert!(matches!(climb.ladder.rung(), Rung::Pausing { .. }), "{:?}", climb.ladder.rung());
}

#[test]
fn a_start_elsewhere_is_never_made_on_the_word_of_an_engine() {
    let mut climb = Climb::new(LadderSettings { can_fence: true, same_host: false, ..SETTINGS });
    climb.down();
    climb.ends(Step::Ask, proved());
    climb.later(59_999);
    assert_eq!(climb.tick(), Told::Nothing);
    assert!(climb.out.is_empty(), "{:?}", climb.out);
}

#[test]
fn an_engine_is_asked_for_a_short_while_and_no_longer_than_a_step() {
    for (ask_ms, within) in [(2_000, 2_000), (90_000, 30_000)] {
        let mut climb = Climb::new(LadderSettings { ask_ms, ..SETTINGS });
        climb.down();
        assert_eq!(climb.ladder.next(), Some(climb.now.boot.plus(within)));
        climb.out.clear();
        climb.later(within);
        climb.tick();
        climb.still_down();
        assert_eq!(climb.ladder.next(), Some(climb.now.boot.plus(30_000)), "a signal has the whole step");
    }
}

#[test]
fn each_rung_follows_the_failure_of_the_one_before() {
    let mut climb = Climb::new(LadderSettings { can_fence: true, same_host: false, ..SETTINGS });
    climb.down();
    climb.ends(Step::Ask, failed());
    climb.still_down();
    climb.ends(Step::Signal, failed());
    assert_eq!(climb.ladder.next(), Some(climb.now.boot.plus(4000)), "twice the lease");
    climb.later(3999);
    assert_eq!(climb.tick(), Told::Nothing);
    climb.later(1);
    climb.tick();
    climb.still_down();
    climb.ends(Step::Fence, proved());
    climb.ends(Step::Start, proved());
    assert!(matches!(climb.good(4), Told::Restarted(_)));
}

#[test]
fn without_a_fence_nothing_is_started_on_another_host() {
    let mut climb = Climb::new(LadderSettings { can_ask: false, can_signal: false, same_host: false, ..SETTINGS });
    climb.down();
    climb.later(4000);
    let Told::Went(text) = climb.tick() else { panic!("the try failed") };
    assert!(text.contains("without a fence"), "{text}");
    assert!(climb.out.is_empty(), "no start: {:?}", climb.out);
}

#[test]
fn a_fence_without_proof_starts_nothing() {
    let mut climb = Climb::new(LadderSettings { can_ask: false, can_signal: false, can_fence: true, ..SETTINGS });
    climb.down();
    climb.later(4000);
    climb.tick();
    climb.still_down();
    climb.ends(Step::Fence, failed());
    assert!(climb.out.is_empty());
    assert!(matches!(climb.ladder.rung(), Rung::Pausing { .. }));
}

#[test]
fn a_refusal_ends_the_try_on_every_rung() {
    for step in [Step::Ask, Step::Signal, Step::Start] {
        let mut climb = Climb::new(SETTINGS);
        climb.down();
        if step != Step::Ask {
            climb.ends(Step::Ask, failed());
            climb.still_down();
        }
        if step == Step::Start {
            climb.ends(Step::Signal, proved());
        }
        climb.ends(step, Outcome::Refused("another epoch".to_owned()));
        assert!(climb.out.is_empty(), "{step:?}");
        assert!(matches!(climb.ladder.rung(), Rung::Pausing { .. }), "{step:?}");
    }
}

#[test]
fn three_failed_tries_hold_until_released() {
    let mut climb = Climb::new(SETTINGS);
    for (number, pause) in [(1, 10_000), (2, 20_000)] {
        assert!(matches!(climb.down(), Told::Went(text) if text.starts_with(&format!("try {number} of 3"))));
        climb.ends(Step::Ask, Outcome::Refused("no".to_owned()));
        assert_eq!(*climb.ladder.rung(), Rung::Pausing { until: climb.now.boot.plus(pause) });
        assert_eq!(climb.down(), Told::Nothing, "it pauses");
        climb.later(pause);
        assert_eq!(climb.tick(), Told::Nothing);
    }
    climb.down();
    let Told::Held(why) = climb.ends(Step::Ask, Outcome::Refused("no".to_owned())) else {
        panic!("the budget is spent")
    };
    assert_eq!(why, "3 tries within 1 h are spent; the last: ask refused: no");
    climb.later(2 * 3_600_000);
    assert_eq!(climb.down(), Told::Nothing, "time does not release it");
    assert!(climb.ladder.release() && !climb.ladder.release());
    assert!(matches!(climb.down(), Told::Went(_)));
}

#[test]
fn three_tries_within_an_hour_hold_even_when_each_of_them_worked() {
    let mut climb = Climb::new(SETTINGS);
    for number in 1..=3u64 {
        assert!(matches!(climb.down(), Told::Went(_)), "{number}");
        climb.ends(Step::Ask, proved());
        assert!(matches!(climb.good(3 + number), Told::Restarted(_)));
        climb.epoch = Some(3 + number);
        climb.later(60_000);
    }
    assert!(matches!(climb.down(), Told::Held(why) if why == "3 tries within 1 h are spent"));
    assert!(climb.out.is_empty());
}

#[test]
fn only_the_signal_of_the_try_that_is_under_way_makes_a_stop_the_ladder_s_own() {
    let stop = Announced { kind: AnnouncedKind::Stop, until: None, by: Some(BY_SIGNAL.to_owned()) };
    let mut climb = Climb::new(SETTINGS);
    climb.down();
    assert!(!climb.ladder.is_its_doing(&stop, Some(3)), "it only asks");
    climb.ends(Step::Ask, failed());
    assert!(!climb.ladder.is_its_doing(&stop, Some(3)), "it only looks");
    climb.still_down();
    assert!(climb.ladder.is_its_doing(&stop, Some(3)));
    assert!(!climb.ladder.is_its_doing(&stop, Some(4)), "that is a later life");
    climb.ends(Step::Signal, Outcome::Refused("no".to_owned()));
    assert!(!climb.ladder.is_its_doing(&stop, Some(3)), "the try is over");
    climb.later(10_000);
    climb.tick();
    climb.down();
    assert!(!climb.ladder.is_its_doing(&stop, Some(3)), "the next only asks again");
}

#[test]
fn five_tries_a_day_hold_even_when_an_hour_has_room() {
    let mut climb = Climb::new(SETTINGS);
    for number in 1..=5u64 {
        assert!(matches!(climb.down(), Told::Went(_)), "{number}");
        climb.ends(Step::Ask, proved());
        assert!(matches!(climb.good(3 + number), Told::Restarted(_)));
        climb.epoch = Some(3 + number);
        climb.later(3_600_000);
    }
    assert!(matches!(climb.down(), Told::Held(why) if why == "5 tries within a day are spent"));
}

#[test]
fn the_pause_grows_to_its_bound_and_starts_anew_after_ten_healthy_minutes() {
    let mut climb = Climb::new(LadderSettings { tries: 60, tries_a_day: 60, ..SETTINGS });
    let mut pauses = Vec::new();
    for _ in 0..7 {
        climb.down();
        climb.ends(Step::Ask, Outcome::Refused("no".to_owned()));
        let Rung::Pausing { until } = *climb.ladder.rung() else { panic!("it pauses") };
        pauses.push(until.since(climb.now.boot) / 1000);
        climb.later(until.since(climb.now.boot));
        climb.tick();
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
    climb.good(4);
    climb.later(600_000);
    climb.good(4);
    climb.down();
    climb.ends(Step::Ask, Outcome::Refused("no".to_owned()));
    assert_eq!(*climb.ladder.rung(), Rung::Pausing { until: climb.now.boot.plus(10_000) });
}

#[test]
fn a_target_that_comes_back_in_the_middle_is_not_started_again() {
    let mut climb = Climb::new(SETTINGS);
    climb.down();
    climb.ends(Step::Ask, failed());
    climb.still_down();
    let Some(Order::Act { ticket, .. }) = climb.out.pop_front() else { panic!("a signal is under way") };
    assert!(matches!(climb.good(3), Told::Went(_)));
    climb.call(|ladder, now, place, out| ladder.stepped(now, ticket, proved(), place, out));
    assert!(climb.out.is_empty(), "the late proof starts nothing");
    assert_eq!(*climb.ladder.rung(), Rung::Resting);
}

#[test]
fn what_is_forbidden_in_the_middle_ends_at_once() {
    let mut climb = Climb::new(SETTINGS);
    climb.down();
    climb.ladder.forbid();
    let ticket = 1;
    climb.out.clear();
    climb.call(|ladder, now, place, out| ladder.stepped(now, ticket, proved(), place, out));
    assert!(climb.out.is_empty());
    assert_eq!(climb.ladder.spent(climb.now.boot, &SETTINGS), (1, 1), "the try stays counted");
}

#[test]
fn a_crash_in_the_middle_gives_no_try_away() {
    let mut climb = Climb::new(SETTINGS);
    climb.down();
    let text = serde_json::to_string(&climb.ladder).unwrap_or_default();
    climb.out.clear();
    climb.ladder = serde_json::from_str(&text).unwrap_or_default();
    assert!(matches!(climb.ladder.resumed(climb.now, &SETTINGS), Told::Went(_)));
    assert_eq!(climb.ladder.spent(climb.now.boot, &SETTINGS), (1, 1));
    assert!(matches!(climb.ladder.rung(), Rung::Pausing { .. }));
}

#[test]
fn a_step_without_proof_in_time_failed() {
    let mut climb = Climb::new(SETTINGS);
    climb.down();
    climb.out.clear();
    climb.later(2_000);
    climb.tick();
    assert_eq!(climb.still_down(), Told::Went("rung 2: signal".to_owned()));
    climb.out.clear();
    climb.later(30_000);
    assert!(matches!(climb.tick(), Told::Went(text) if text.starts_with("rung 3")));
    climb.later(4000);
    climb.tick();
    assert_eq!(
        climb.still_down(),
        Told::Went("rung 5: start".to_owned()),
        "the starter refuses while the old process lives"
    );
    climb.ends(Step::Start, proved());
    climb.later(60_000);
    assert!(matches!(climb.tick(), Told::Went(text) if text.starts_with("the try failed")));
}

#[test]
fn where_nothing_is_proved_a_look_that_began_since_must_find_it_down() {
    for (fails, waits, step) in [(Step::Ask, 0, Step::Signal), (Step::Signal, 4000, Step::Fence)] {
        let mut climb = Climb::new(LadderSettings { can_ask: fails == Step::Ask, can_fence: true, ..SETTINGS });
        climb.down();
        let early = climb.now.boot;
        climb.later(1);
        climb.ends(fails, failed());
        climb.later(waits);
        climb.tick();
        climb.call(|ladder, now, place, out| ladder.still_down(now, early, place, out));
        assert!(climb.out.is_empty(), "{step:?}: a look that began before says nothing");
        assert!(matches!(climb.still_down(), Told::Went(text) if text.ends_with(step.word())));
        climb.ends(step, failed());
    }
}

#[test]
fn a_look_that_brings_nothing_pauses_and_never_holds() {
    let mut climb = Climb::new(LadderSettings { tries: 1, ..SETTINGS });
    climb.down();
    climb.ends(Step::Ask, failed());
    climb.later(39_999);
    assert_eq!(climb.tick(), Told::Nothing);
    climb.later(1);
    assert!(matches!(climb.tick(), Told::Went(text) if text.contains("nobody knows whether it is still down")));
    assert!(climb.out.is_empty() && matches!(climb.ladder.rung(), Rung::Pausing { .. }));
}
