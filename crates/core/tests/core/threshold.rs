//! One figure and its levels: at, just below and just above each edge, in value and in time.

use core::time::Duration;
use failstop_core::{Degree, Found, Gauge, Monotonic, News, Rule, Side};

const MINUTE: u64 = 60;

const ABOVE: Rule = Rule {
    side: Side::Above,
    levels: [Some(10.0), Some(20.0), Some(200.0)],
    hold: Duration::ZERO,
    clear_for: Duration::from_secs(5 * MINUTE),
    cooldown: Duration::from_secs(30 * MINUTE),
};

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_nanos(seconds * 1_000_000_000)
}

/// What is heard of these values, each at its second.
fn heard(rule: &Rule, values: &[(u64, f64)]) -> Vec<(u64, News)> {
    let mut gauge = Gauge::default();
    let look = |(second, value): &(u64, f64)| {
        gauge.look(at(*second), Some(Found::whole(*value)), rule).map(|news| (*second, news))
    };
    values.iter().filter_map(look).collect()
}

fn just_above(value: f64) -> f64 {
    f64::from_bits(value.to_bits() + 1)
}

fn just_below(value: f64) -> f64 {
    f64::from_bits(value.to_bits() - 1)
}

#[test]
fn at_a_level_it_is_good_and_just_beyond_it_is_not() {
    for (value, degree) in [
        (just_below(10.0), None),
        (10.0, None),
        (just_above(10.0), Some(Degree::Warning)),
        (just_below(20.0), Some(Degree::Warning)),
        (20.0, Some(Degree::Warning)),
        (just_above(20.0), Some(Degree::Critical)),
        (200.0, Some(Degree::Critical)),
        (just_above(200.0), Some(Degree::Emergency)),
        (f64::MAX, Some(Degree::Emergency)),
        (f64::MIN, None),
    ] {
        let mut gauge = Gauge::default();
        let news = gauge.look(at(0), Some(Found::whole(value)), &ABOVE);
        assert_eq!((gauge.degree(), news), (degree, degree.map(News::Begun)), "{value}");
        assert_eq!(ABOVE.degree_of(value), degree, "{value}");
    }
    let below = Rule { side: Side::Below, levels: [None, Some(85.0), None], ..ABOVE };
    for (value, degree) in [
        (just_above(85.0), None),
        (85.0, None),
        (just_below(85.0), Some(Degree::Critical)),
        (-85.0, Some(Degree::Critical)),
    ] {
        assert_eq!(below.degree_of(value), degree, "{value}");
        assert_eq!(heard(&below, &[(0, value)]).len(), usize::from(degree.is_some()), "{value}");
    }
    let loss = Rule { side: Side::Below, levels: [None, Some(-50.0), Some(-100.0)], ..ABOVE };
    assert_eq!(loss.degree_of(-50.0), None);
    assert_eq!(loss.degree_of(-50.01), Some(Degree::Critical));
    assert_eq!(loss.degree_of(-100.0), Some(Degree::Critical));
    assert_eq!(loss.degree_of(-100.01), Some(Degree::Emergency));
}

#[test]
fn it_must_hold_without_a_break() {
    let held = Rule { hold: Duration::from_secs(60), ..ABOVE };
    assert_eq!(heard(&held, &[(0, 11.0), (59, 11.0)]), []);
    assert_eq!(heard(&held, &[(0, 11.0), (59, 11.0), (60, 11.0)]), [(60, News::Begun(Degree::Warning))]);
    assert_eq!(heard(&held, &[(0, 11.0), (30, 10.0), (60, 11.0), (119, 11.0)]), [], "a break");
    assert_eq!(heard(&held, &[(0, 201.0)]), [(0, News::Begun(Degree::Emergency))], "never waits");
    let mut gauge = Gauge::default();
    assert_eq!(gauge.look(at(0), Some(Found::whole(11.0)), &held), None);
    gauge.forget_spans();
    assert_eq!(gauge.look(at(60), Some(Found::whole(11.0)), &held), None, "a gap in time is a break");
    assert_eq!(gauge.look(at(120), Some(Found::whole(11.0)), &held), Some(News::Begun(Degree::Warning)));
}

#[test]
fn it_opens_once_and_is_over_when_it_was_good_for_long_enough() {
    let flapping = [(0, 11.0), (60, 9.0), (120, 11.0), (180, 9.0), (479, 9.0), (480, 9.0)];
    assert_eq!(heard(&ABOVE, &flapping), [(0, News::Begun(Degree::Warning)), (480, News::Over)]);
    let rough = [(0, 11.0), (60, 9.0), (359, 9.0), (360, 11.0), (420, 9.0), (719, 9.0)];
    assert_eq!(heard(&ABOVE, &rough), [(0, News::Begun(Degree::Warning))]);
}

#[test]
fn it_rests_before_it_opens_again_and_what_is_worse_never_waits() {
    let begun = (0, News::Begun(Degree::Warning));
    let over = [(0, 11.0), (1, 9.0), (301, 9.0)];
    let after = |more: &[(u64, f64)]| heard(&ABOVE, &[&over, more].concat());
    let ends = 301;
    assert_eq!(after(&[]), [begun, (ends, News::Over)]);
    assert_eq!(after(&[(ends + 1_799, 11.0)]), [begun, (ends, News::Over)], "it rests");
    let again = (ends + 1_800, News::Begun(Degree::Warning));
    assert_eq!(after(&[(ends + 1_800, 11.0)]), [begun, (ends, News::Over), again]);
    assert_eq!(
        after(&[(ends + 60, 11.0), (ends + 1_800, 11.0)]),
        [begun, (ends, News::Over), again],
        "told when it has"
    );
    let worse = (ends + 60, News::Begun(Degree::Critical));
    assert_eq!(after(&[(ends + 60, 21.0)]), [begun, (ends, News::Over), worse]);
}

#[test]
fn a_worse_level_is_told_and_a_better_one_too() {
    let told = heard(&ABOVE, &[(0, 11.0), (60, 21.0), (120, 11.0), (420, 11.0), (480, 21.0), (2_280, 21.0)]);
    assert_eq!(
        told,
        [
            (0, News::Begun(Degree::Warning)),
            (60, News::Worse(Degree::Critical)),
            (420, News::Eased(Degree::Warning)),
            // It was critical until 420.
            (2_280, News::Worse(Degree::Critical)),
        ]
    );
}

#[test]
fn what_is_not_known_is_no_alarm_and_ends_none() {
    let nothing = [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)];
    for unknown in nothing.map(|value| value.map(Found::whole)) {
        let mut gauge = Gauge::default();
        assert_eq!(gauge.look(at(0), unknown, &ABOVE), None, "{unknown:?}");
        assert_eq!((gauge.value(), gauge.degree()), (None, None));
        assert!(!gauge.is_well(at(10_000), &ABOVE), "not known to be");
        gauge.look(at(1), Some(Found::whole(21.0)), &ABOVE);
        gauge.look(at(2), Some(Found::whole(9.0)), &ABOVE);
        assert_eq!(gauge.look(at(10_000), unknown, &ABOVE), None, "{unknown:?}");
        assert_eq!((gauge.value(), gauge.degree()), (None, Some(Degree::Critical)));
        assert_eq!(gauge.look(at(10_001), Some(Found::whole(9.0)), &ABOVE), None, "counts anew");
        assert_eq!(gauge.look(at(10_301), Some(Found::whole(9.0)), &ABOVE), Some(News::Over));
        assert!(gauge.is_well(at(10_301), &ABOVE));
    }
}

#[test]
fn few_samples_tell_only_the_gross() {
    let mut gauge = Gauge::default();
    let few = |value| Some(Found { value, from: Degree::Emergency });
    assert_eq!(gauge.look(at(0), few(21.0), &ABOVE), None);
    assert_eq!(gauge.look(at(1), few(201.0), &ABOVE), Some(News::Begun(Degree::Emergency)));
    // Few samples say nothing of the lower levels, whole ones do.
    gauge.look(at(2), Some(Found::whole(9.0)), &ABOVE);
    assert_eq!(gauge.look(at(302), Some(Found::whole(9.0)), &ABOVE), Some(News::Over));
}

#[test]
fn a_level_that_is_not_judged_any_more_is_over() {
    let mut gauge = Gauge::default();
    assert_eq!(gauge.look(at(0), Some(Found::whole(21.0)), &ABOVE), Some(News::Begun(Degree::Critical)));
    let off = Rule { levels: [None; 3], ..ABOVE };
    assert_eq!(gauge.look(at(1), Some(Found::whole(21.0)), &off), Some(News::Over));
    assert_eq!(gauge.look(at(2), Some(Found::whole(21.0)), &ABOVE), None, "it rests");
}

#[test]
fn where_there_is_nothing_to_be_bad_it_is_over() {
    let mut gauge = Gauge::default();
    assert_eq!(gauge.end(at(0), &ABOVE), None);
    assert!(!gauge.is_well(at(299), &ABOVE) && gauge.is_well(at(300), &ABOVE));
    gauge.look(at(400), Some(Found::whole(21.0)), &ABOVE);
    assert_eq!(gauge.end(at(401), &ABOVE), Some(News::Over));
    assert_eq!((gauge.degree(), gauge.value(), gauge.since()), (None, None, Some(at(401))));
    assert_eq!(gauge.look(at(402), Some(Found::whole(21.0)), &ABOVE), None, "it rests");
}

#[test]
fn since_when_is_when_it_changed() {
    let mut gauge = Gauge::default();
    gauge.look(at(0), Some(Found::whole(9.0)), &ABOVE);
    assert_eq!(gauge.since(), None);
    gauge.look(at(5), Some(Found::whole(11.0)), &ABOVE);
    gauge.look(at(6), Some(Found::whole(12.0)), &ABOVE);
    assert_eq!(gauge.since(), Some(at(5)));
    gauge.look(at(7), Some(Found::whole(21.0)), &ABOVE);
    assert_eq!(gauge.since(), Some(at(7)));
}

#[test]
fn while_a_change_waits_the_tighter_of_both_holds() {
    let other = Rule {
        levels: [None, Some(15.0), Some(300.0)],
        hold: Duration::from_secs(60),
        clear_for: Duration::from_secs(600),
        cooldown: Duration::from_secs(60),
        ..ABOVE
    };
    let tightest = Rule {
        side: Side::Above,
        levels: [Some(10.0), Some(15.0), Some(200.0)],
        hold: Duration::ZERO,
        clear_for: Duration::from_secs(600),
        cooldown: Duration::from_secs(60),
    };
    assert_eq!(ABOVE.tightest(&other), tightest);
    assert_eq!(other.tightest(&ABOVE), tightest);
    let below = |level| Rule { side: Side::Below, levels: [None, Some(level), None], ..ABOVE };
    assert_eq!(below(85.0).tightest(&below(90.0)), below(90.0));
    assert_eq!(below(90.0).tightest(&below(85.0)), below(90.0));
    assert_eq!(ABOVE.tightest(&below(85.0)), ABOVE, "the other way round it is another rule");
}
