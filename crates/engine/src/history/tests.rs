#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::{ADDED_FIGURES, History, Own, Span};
use failstop_client::history::{History as Answer, Series};
use failstop_core::Monotonic;
use std::time::Duration;

fn at(seconds: f64) -> Monotonic {
    Monotonic::from_nanos(0).plus(Duration::from_secs_f64(seconds))
}

fn wall(seconds: f64) -> jiff::Timestamp {
    "2026-11-03T00:00:00Z".parse::<jiff::Timestamp>().unwrap().saturating_add(Duration::from_secs_f64(seconds)).unwrap()
}

fn answer(history: &History, span: Span, seconds: f64) -> Answer {
    history.extract(span, at(seconds), wall(seconds), 0).answer()
}

fn series<'a>(answer: &'a Answer, name: &str) -> &'a Series {
    answer.series.iter().find(|series| series.name == name).unwrap_or_else(|| panic!("no {name}: {answer:?}"))
}

#[test]
fn each_step_keeps_least_mean_and_most() {
    let mut history = History::new(at(1_000.0));
    for (seconds, value) in [(1_000.0, 1.0), (1_001.0, 3.0), (1_004.9, 8.0), (1_005.0, 5.0), (1_017.0, 7.0)] {
        history.note(at(seconds), Own::Memory, value);
    }
    let answer = answer(&history, Span::Hour, 1_018.0);
    assert_eq!((answer.step_seconds, answer.points), (5, 4));
    assert_eq!(answer.first.as_deref(), Some("2026-11-03T00:16:40.000Z"), "the step begins at 1 000 s");
    let memory = series(&answer, "memory_bytes");
    assert_eq!(memory.min, [Some(1.0), Some(5.0), None, Some(7.0)]);
    assert_eq!(memory.mean, [Some(4.0), Some(5.0), None, Some(7.0)]);
    assert_eq!(memory.max, [Some(8.0), Some(5.0), None, Some(7.0)]);
    let day = self::answer(&history, Span::Day, 1_018.0);
    assert_eq!((day.step_seconds, day.points), (60, 1));
    let memory = series(&day, "memory_bytes");
    assert_eq!((memory.min[0], memory.mean[0], memory.max[0]), (Some(1.0), Some(4.8), Some(8.0)));
}

#[test]
fn a_dip_between_two_looks_is_seen() {
    let mut history = History::new(at(0.0));
    history.look(at(0.0), [(Own::Permission, 3.0)]);
    history.note_change(at(2.0), Own::Permission, 1.0);
    history.note_change(at(2.1), Own::Permission, 3.0);
    for _ in 0..100 {
        history.note_change(at(2.2), Own::Permission, 3.0);
    }
    let answer = answer(&history, Span::Day, 3.0);
    let permission = series(&answer, "permission");
    assert_eq!((permission.min[0], permission.mean[0]), (Some(1.0), Some(7.0 / 3.0)), "told often, it weighs no more");
}

#[test]
fn memory_is_fixed_and_what_is_older_is_gone() {
    let mut history = History::new(at(0.0));
    // Two days, a look every minute.
    for minute in 0..2_880u32 {
        history.note(at(f64::from(minute) * 60.0), Own::Errors, f64::from(minute));
    }
    let end = 2_879.0 * 60.0;
    let day = answer(&history, Span::Day, end);
    let errors = series(&day, "errors_per_minute");
    assert_eq!((day.points, errors.mean.len()), (1_440, 1_440));
    assert_eq!((errors.mean[0], errors.mean[1_439]), (Some(1_440.0), Some(2_879.0)));
    assert_eq!(day.first, Some(crate::status::rfc3339(wall(1_440.0 * 60.0))));
    let hour = answer(&history, Span::Hour, end);
    assert_eq!(hour.points, 720);
    let known = series(&hour, "errors_per_minute").mean.iter().flatten().count();
    assert_eq!(known, 60, "one in twelve steps had a look");
}

#[test]
fn a_long_silence_leaves_nothing_behind() {
    let mut history = History::new(at(0.0));
    history.note(at(0.0), Own::Cpu, 1.0);
    history.note(at(90_000.0), Own::Cpu, 2.0);
    let cpu = series(&answer(&history, Span::Day, 90_000.0), "cpu_percent").clone();
    assert_eq!(cpu.mean.iter().flatten().collect::<Vec<_>>(), [&2.0]);
    assert_eq!(cpu.mean.len(), 1_440);
}

#[test]
fn a_clock_that_goes_back_harms_nothing() {
    let mut history = History::new(at(100.0));
    history.note(at(110.0), Own::Cpu, 1.0);
    history.note(at(50.0), Own::Cpu, 3.0);
    let answer = answer(&history, Span::Hour, 110.0);
    assert_eq!(series(&answer, "cpu_percent").mean.last(), Some(&Some(2.0)));
}

#[test]
fn what_is_no_number_is_nothing() {
    let mut history = History::new(at(0.0));
    history.note(at(0.0), Own::Cpu, f64::NAN);
    history.note(at(0.0), Own::Cpu, f64::INFINITY);
    history.note(at(0.0), Own::Health, 1e300);
    let answer = answer(&history, Span::Hour, 0.0);
    assert!(answer.series.iter().all(|series| series.name != "cpu_percent"));
    assert_eq!(series(&answer, "health").max, [Some(f32::MAX)]);
}

#[test]
fn bots_have_so_many_figures_and_no_more() {
    let mut history = History::new(at(0.0));
    for number in 0..40 {
        history.note_of_bot(at(1.0), &format!("m{number}"), f64::from(number));
    }
    let answer = history.extract(Span::Day, at(1.0), wall(1.0), 40).answer();
    assert_eq!((answer.series.len(), answer.left_out), (ADDED_FIGURES, 40 - ADDED_FIGURES as u64));
    assert_eq!(series(&answer, "bot.m3").mean, [Some(3.0)]);
}

#[test]
fn what_there_is_no_more_makes_room_for_others() {
    let mut history = History::new(at(0.0));
    history.note_of_bot(at(1.0), "stays", 1.0);
    history.note_of_bot(at(1.0), "taken over", 1.0);
    for number in 0..ADDED_FIGURES {
        history.note_of_source(at(1.0), &format!("before{number}"), 1.0);
    }
    history.retain(|name| name == "stays", |name| name.starts_with("after"));
    for number in 0..ADDED_FIGURES - 1 {
        history.note_of_source(at(2.0), &format!("after{number}"), 2.0);
    }
    let answer = history.extract(Span::Day, at(2.0), wall(2.0), ADDED_FIGURES).answer();
    assert_eq!((answer.series.len(), answer.left_out), (ADDED_FIGURES, 0));
    assert_eq!(series(&answer, "custom.after22").mean, [Some(2.0)]);
    assert_eq!(series(&answer, "bot.stays").mean, [Some(1.0)]);
}

#[test]
fn a_bots_figure_and_a_sources_of_one_name_are_two() {
    let mut history = History::new(at(0.0));
    history.note_of_bot(at(1.0), "queue", 3.0);
    history.note_of_source(at(1.0), "queue", 5.0);
    history.note_of_bot(at(1.0), "custom.queue", 7.0);
    let answer = history.extract(Span::Day, at(1.0), wall(1.0), 3).answer();
    let means: Vec<(&str, Option<f32>)> =
        answer.series.iter().map(|series| (series.name.as_str(), series.mean[0])).collect();
    let unsaid = history.extract(Span::Day, at(1.0), wall(1.0), 9).answer();
    assert_eq!(unsaid.left_out, 0, "there is a place for whatever is said");
    assert_eq!(means, [("bot.queue", Some(3.0)), ("custom.queue", Some(5.0)), ("bot.custom.queue", Some(7.0))]);
}

#[test]
fn a_history_without_anything_says_so() {
    let answer = answer(&History::new(at(7.0)), Span::Day, 8.0);
    assert_eq!((answer.first, answer.points, answer.series.len()), (None, 0, 0));
}

#[test]
fn looks_come_at_their_time() {
    let mut history = History::new(at(0.0));
    assert!(history.is_due(at(0.0)));
    history.look(at(0.0), []);
    assert!(!history.is_due(at(4.9)) && history.is_due(at(5.0)));
}

#[test]
fn the_past_of_a_figure_leaves_out_the_last_minutes_and_figures_that_are_silent() {
    let mut history = History::new(at(0.0));
    for minute in 0..30 {
        history.note_of_bot(at(f64::from(minute) * 60.0), "x", f64::from(minute));
    }
    let of = |history: &History| {
        let mut found = Vec::new();
        history.for_each_past(|name, now, past| found.push((name.to_owned(), now, past.clone())));
        found
    };
    let past: Vec<f64> = (0..25).map(f64::from).collect();
    assert_eq!(of(&history), [("bot.x".to_owned(), 29.0, past)]);
    history.note(at(29.0 * 60.0 + 65.0), Own::Memory, 1.0);
    let names: Vec<String> = of(&history).into_iter().map(|(name, _, _)| name).collect();
    assert_eq!(names, ["memory_bytes"], "nothing is said of what was not reported for a minute");
}
