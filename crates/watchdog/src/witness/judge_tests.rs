//! Heads and lines of small journals, honest and not.

#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use super::*;

/// A journal of so many lines; `salt` makes another one.
pub(crate) fn journal(records: u64, salt: &str) -> Vec<(Head, Vec<u8>)> {
    let mut head = Head::from_hex(&[b'0'; 64]).unwrap();
    (1..=records)
        .map(|seq| {
            let body = format!(
                r#"{{"seq":{seq},"d":0,"ep":1,"ts":"2026-11-07T00:05:00.123456789Z","t":"x","b":{{"s":"{salt}"}}"#
            );
            head = head.next(body.as_bytes());
            (head, format!("{body},\"h\":\"{head}\"}}\n").into_bytes())
        })
        .collect()
}

fn shown(journal: &[(Head, Vec<u8>)], seq: usize, asked: Option<i64>) -> Shown {
    Shown { jid: "j".into(), seq: seq as u64, head: journal[seq - 1].0.to_string(), asked: asked.map(Boot) }
}

fn text(journal: &[(Head, Vec<u8>)], from: usize) -> Vec<u8> {
    journal[from - 1..].iter().flat_map(|(_, line)| line.clone()).collect()
}

fn agreed(journal: &[(Head, Vec<u8>)], seq: usize) -> Memory {
    let mut memory = Memory::default();
    let Next::Remember(finding) = memory.shown(&shown(journal, seq, Some(0)), Wall(0), true) else {
        panic!("first contact")
    };
    memory.remember(&finding, Some(Boot(10)));
    memory
}

#[test]
fn first_contact_pins_and_the_same_head_is_nothing() {
    let journal = journal(9, "");
    let memory = agreed(&journal, 5);
    assert_eq!(memory.jid.as_deref(), Some("j"));
    assert_eq!(memory.shown(&shown(&journal, 5, Some(20)), Wall(1), true), Next::Nothing);
    let beat = Shown { jid: String::new(), ..shown(&journal, 5, None) };
    assert_eq!(Memory::default().shown(&beat, Wall(0), true), Next::Nothing, "a beat does not name the journal");
}

#[test]
fn a_higher_head_is_fetched_and_recomputed() {
    let journal = journal(9, "");
    let memory = agreed(&journal, 5);
    assert_eq!(memory.shown(&shown(&journal, 9, Some(20)), Wall(1), true), Next::Fetch(6));
    assert!(matches!(memory.shown(&shown(&journal, 9, Some(20)), Wall(1), false), Next::Remember(f) if !f.proved));
    let from = (5, journal[4].0);
    assert_eq!(memory.continues(from, &text(&journal, 6)), Continues::Upto(journal[8].0, 9));
    let mut torn = text(&journal, 6);
    torn.truncate(torn.len() - 1);
    assert_eq!(memory.continues(from, &torn), Continues::Upto(journal[7].0, 8), "half a line does not count");
}

#[test]
fn every_flipped_byte_of_a_line_breaks_the_chain() {
    let journal = journal(8, "");
    let memory = agreed(&journal, 5);
    let good = text(&journal, 6);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let result = memory.continues((5, journal[4].0), &bad);
        assert_ne!(result, Continues::Upto(journal[7].0, 8), "byte {at}");
    }
}

#[test]
fn a_rewritten_journal_with_a_valid_chain_is_found() {
    let (old, new) = (journal(9, ""), journal(20, "other"));
    let memory = agreed(&old, 5);
    let Continues::Broken { found, agreed } = memory.continues((5, old[4].0), &text(&new, 6)) else {
        panic!("it is another")
    };
    assert!(found.contains("Record 6 does not follow"), "{found}");
    assert_eq!(agreed, 5);
    assert!(
        matches!(memory.shown(&shown(&new, 5, Some(20)), Wall(1), true), Next::Search(found) if found.contains("forked: record 5"))
    );
}

#[test]
fn a_rollback_is_proved_only_by_a_question_asked_later() {
    let journal = journal(9, "");
    let memory = agreed(&journal, 5);
    assert_eq!(memory.shown(&shown(&journal, 4, Some(9)), Wall(1), true), Next::Nothing, "asked before 5 was seen");
    assert_eq!(memory.shown(&shown(&journal, 4, None), Wall(1), true), Next::Nothing, "a beat may be overtaken");
    let Next::Search(found) = memory.shown(&shown(&journal, 4, Some(10)), Wall(1), true) else {
        panic!("it went back")
    };
    assert!(found.contains("ends at record 4, and had record 5"), "{found}");
    let mut loaded = memory.clone();
    loaded.seen = None;
    assert!(matches!(loaded.shown(&shown(&journal, 4, Some(0)), Wall(1), true), Next::Search(_)), "of an earlier life");
}

/// Agreed on record 5, and record 8 was shown at boot time 20.
fn seen(journal: &[(Head, Vec<u8>)]) -> Memory {
    let mut memory = agreed(journal, 5);
    assert!(memory.saw(&shown(journal, 8, Some(19)), Wall(1), Some(Boot(20))).is_some());
    memory
}

#[test]
fn a_head_below_one_that_was_only_shown_is_a_rollback_where_it_was_asked_for_later() {
    let journal = journal(9, "");
    let memory = seen(&journal);
    let Next::Search(found) = memory.shown(&shown(&journal, 7, Some(20)), Wall(2), true) else {
        panic!("it went back")
    };
    assert!(found.contains("ends at record 7, and had shown record 8"), "{found}");
    let Next::Search(found) = memory.shown(&shown(&journal, 3, Some(20)), Wall(2), true) else {
        panic!("it went back")
    };
    assert!(found.contains("had shown record 8"), "{found}");
    for (seq, asked) in [(7, Some(19)), (7, None), (8, Some(30)), (9, Some(30)), (9, None)] {
        let next = memory.shown(&shown(&journal, seq, asked), Wall(2), true);
        assert_eq!(next, Next::Fetch(6), "{seq} {asked:?}: overtaken, the same, or progress");
    }
    assert_eq!(memory.shown(&shown(&journal, 4, None), Wall(2), true), Next::Nothing);
    let mut loaded = memory.clone();
    loaded.seen = None;
    assert!(matches!(loaded.shown(&shown(&journal, 7, Some(0)), Wall(2), true), Next::Search(_)), "of an earlier life");
}

#[test]
fn another_hash_than_the_one_that_was_only_shown_is_a_fork() {
    let (old, new) = (journal(9, ""), journal(9, "other"));
    let memory = seen(&old);
    let Next::Search(found) = memory.shown(&shown(&new, 8, None), Wall(2), true) else { panic!("a fork") };
    assert!(found.contains("forked: record 8"), "{found}");
    // The lines since the last record that was agreed on continue it, and yet they are others than those that were shown.
    let mut mixed: Vec<(Head, Vec<u8>)> = old[..5].to_vec();
    let mut head = old[4].0;
    for seq in 6..=9u64 {
        let body = format!(r#"{{"seq":{seq},"d":0,"ep":1,"ts":"2026-11-07T00:05:00.123456789Z","t":"y","b":{{}}"#);
        head = head.next(body.as_bytes());
        mixed.push((head, format!("{body},\"h\":\"{head}\"}}\n").into_bytes()));
    }
    let Continues::Broken { found, agreed } = memory.continues((5, old[4].0), &text(&mixed, 6)) else {
        panic!("it was rewritten")
    };
    assert!(found.contains("record 8 is not the one that it showed"), "{found}");
    assert_eq!(agreed, 7);
    assert_eq!(memory.continues((5, old[4].0), &text(&old, 6)), Continues::Upto(old[8].0, 9));
}

#[test]
fn only_a_higher_head_of_the_same_journal_is_noted_and_what_is_proved_takes_it_away() {
    let journal = journal(12, "");
    let mut memory = seen(&journal);
    let mut saw = |seq, jid: &str| {
        let shown = Shown { jid: jid.to_owned(), ..shown(&journal, seq, None) };
        memory.saw(&shown, Wall(3), Some(Boot(30))).map(|point| point.seq)
    };
    assert_eq!(
        (saw(8, "j"), saw(7, "j"), saw(9, "k"), saw(9, ""), saw(10, "j")),
        (None, None, None, Some(9), Some(10))
    );
    let finding = |seq: u64| Finding {
        point: Point { seq, head: journal[seq as usize - 1].0.to_string(), at: Wall(4) },
        jid: None,
        proved: true,
    };
    memory.remember(&finding(9), Some(Boot(40)));
    assert_eq!(memory.shown.as_ref().map(|top| top.seq), Some(10));
    memory.remember(&finding(11), Some(Boot(41)));
    assert_eq!(memory.shown, None);
    assert_eq!(
        Memory::default().saw(&shown(&journal, 9, None), Wall(0), None),
        None,
        "the first contact is remembered"
    );
    let junk = Shown { head: "x".to_owned(), ..shown(&journal, 12, None) };
    assert_eq!(memory.saw(&junk, Wall(5), None), None);
}

#[test]
fn another_journal_alarms_until_it_is_released() {
    let journal = journal(9, "");
    let mut memory = agreed(&journal, 5);
    let other = Shown { jid: "k".into(), ..shown(&journal, 9, Some(20)) };
    let Next::Alarm(alarm) = memory.shown(&other, Wall(1), true) else { panic!("another journal") };
    assert!(alarm.found.contains("its id is k, and was j"));
    memory.alarm = Some(alarm);
    assert_eq!(memory.shown(&other, Wall(1), true), Next::Nothing);
    memory.release();
    assert!(matches!(memory.shown(&other, Wall(1), true), Next::Remember(_)));
    assert!(matches!(memory.shown(&Shown { head: "x".into(), ..other }, Wall(1), true), Next::Alarm(_)));
}

#[test]
fn the_last_agreed_point_is_found_by_halves() {
    let journal = journal(2000, "");
    let mut memory = Memory::default();
    for seq in 1..=2000usize {
        let point = Point { seq: seq as u64, head: journal[seq - 1].0.to_string(), at: Wall(0) };
        memory.remember(&Finding { point, jid: None, proved: true }, None);
        assert!(memory.points.len() <= POINTS_MAX);
    }
    assert_eq!(memory.points[0].seq, 1);
    assert!(memory.points.windows(2).all(|two| two[0].seq < two[1].seq));
    for parted in [1u64, 2, 777, 1500, 1999, 2000, 2001] {
        let (mut low, mut high, mut asked) = (0, memory.points.len(), 0);
        while let Some((middle, point)) = memory.search(low, high) {
            asked += 1;
            if point.seq < parted { low = middle + 1 } else { high = middle }
        }
        assert!(asked <= 9, "{asked}");
        let last = low.checked_sub(1).and_then(|index| memory.points.get(index)).map(|point| point.seq);
        assert_eq!(last, memory.points.iter().map(|point| point.seq).filter(|seq| *seq < parted).max());
    }
}
