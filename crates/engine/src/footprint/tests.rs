#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;

const CAPS: Caps =
    Caps { memory: 100_000_000, cpu_percent: 25, sent_per_second: Some(10_000), written_per_day: Some(1_000_000) };

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_nanos(1_000_000_000 * (seconds + 9))
}

fn reading() -> Reading {
    Reading {
        memory: Some(9_000_000),
        meter: Meter::Proportional,
        cpu: Duration::ZERO,
        threads: 5,
        open_files: 40,
        written: Some(0),
        sent: 0,
    }
}

/// Measured every half minute for so long; what it uses a second of processor time (milliseconds) and bytes.
fn after(seconds: u64, cpu_ms: u64, sent: u64) -> Footprint {
    let mut footprint = Footprint::new(CAPS);
    for second in (0..=seconds).step_by(30) {
        let cpu = Duration::from_millis(second * cpu_ms);
        footprint.note(at(second), Reading { cpu, sent: second * sent, ..reading() });
    }
    footprint
}

#[test]
fn memory_counts_at_once_and_at_the_cap_it_holds() {
    for (memory, share, over) in [(9_000_000, 90, false), (100_000_000, 1_000, false), (100_000_001, 1_001, true)] {
        let mut footprint = Footprint::new(CAPS);
        footprint.note(at(0), Reading { memory: Some(memory), ..reading() });
        assert_eq!((footprint.share(true), footprint.memory_is_over()), (Some(share), over), "{memory}");
        assert_eq!(footprint.over().is_some(), over, "{memory}");
    }
    let mut unknown = Footprint::new(CAPS);
    assert_eq!((unknown.share(true), unknown.over()), (None, None), "nothing was measured");
    unknown.note(at(0), Reading { memory: None, ..reading() });
    assert_eq!((unknown.share(true), unknown.over()), (None, None), "what cannot be read is beyond nothing");
}

#[test]
fn processor_time_counts_by_the_mean_of_ten_minutes() {
    let at_cap = after(600, 250, 0);
    assert_eq!((at_cap.share(true), at_cap.over()), (Some(1_000), None));
    assert!((at_cap.cpu_percent().unwrap() - 25.0).abs() < 1e-9);
    let above = after(600, 251, 0);
    assert_eq!(above.share(true), Some(1_004));
    assert_eq!(above.over().unwrap(), "failstop uses 25.1 % of a processor, at most 25 %");
    let soon = after(570, 900, 0);
    assert_eq!((soon.share(true), soon.over()), (Some(90), None), "not ten minutes yet: only the memory counts");
    assert_eq!(soon.share(false), Some(3_600), "but for who wants to know now");
}

#[test]
fn what_is_sent_counts_the_same_way_and_only_where_it_is_capped() {
    assert_eq!(after(600, 0, 10_000).over(), None);
    let above = after(600, 0, 10_001);
    assert_eq!(above.over().unwrap(), "failstop sends 10001 bytes a second, at most 10000");
    assert_eq!(above.share(true), Some(1_001));
    let mut free = after(600, 0, 50_000_000);
    free.adopt(Caps { sent_per_second: None, ..CAPS });
    assert_eq!((free.share(true), free.over()), (Some(90), None));
}

#[test]
fn what_is_written_warns_and_sheds_nothing() {
    let mut footprint = Footprint::new(CAPS);
    for (hour, written) in [(0, 0), (1, 999_999), (2, 1_000_000), (3, 1_000_001)] {
        footprint.note(at(hour * 3_600), Reading { written: Some(written), ..reading() });
        assert_eq!(footprint.over().is_some(), written > 1_000_000, "{written}");
        assert_eq!(footprint.share(true), Some(90));
    }
    assert_eq!(footprint.over().unwrap(), "failstop wrote 1.0 MB within a day, at most 1.0 MB");
    for hour in 4..=28 {
        footprint.note(at(hour * 3_600), Reading { written: Some(1_000_001), ..reading() });
    }
    assert_eq!((footprint.written_in_a_day(), footprint.over()), (Some(0), None), "a day later it is past");
}

#[test]
fn what_was_before_a_trip_is_not_held_against_what_comes_after() {
    let mut footprint = after(600, 500, 0);
    assert_eq!(footprint.share(true), Some(2_000));
    footprint.begin_anew();
    assert_eq!(footprint.share(false), Some(90));
    let used = Duration::from_millis(600 * 500);
    footprint.note(at(660), Reading { cpu: used + Duration::from_millis(600), ..reading() });
    assert_eq!(footprint.share(false), Some(90), "1 % since, and 9 % of the memory");
    footprint.note(at(690), Reading { cpu: used + Duration::from_secs(80), ..reading() });
    assert!(footprint.share(false).unwrap() > 1_000 && footprint.share(true) == Some(90));
}

#[test]
fn what_is_not_judged_yet_is_not_over() {
    assert!(!Footprint::new(CAPS).is_known() && !after(570, 0, 0).is_known());
    let mut footprint = after(600, 500, 0);
    assert!(footprint.is_known() && footprint.over().is_some());
    // It trips: what only shows is shed, and the windows are empty.
    footprint.begin_anew();
    let used = Duration::from_millis(600 * 500);
    for second in (630..=1_200).step_by(30) {
        footprint.note(at(second), Reading { cpu: used, ..reading() });
        assert_eq!((footprint.over(), footprint.is_known()), (None, second == 1_200), "{second}");
    }
    footprint.note(at(1_230), Reading { cpu: used, memory: None, ..reading() });
    assert!(!footprint.is_known(), "the memory could not be read");
    // What has no cap needs no window.
    let mut free = Footprint::new(Caps { sent_per_second: None, ..CAPS });
    for second in (0..=600).step_by(30) {
        free.note(at(second), Reading { sent: 1_000 - second, ..reading() });
    }
    assert!(free.is_known());
    free.adopt(CAPS);
    assert!(!free.is_known(), "a counter that fell began anew");
}
