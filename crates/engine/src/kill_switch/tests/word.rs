//! What the report says, and what it comes to, with what the engine said.

use super::*;
use std::io;

/// What a user without any right to the files comes to: nothing of a running engine's system was reached.
fn nothing_reached() -> Report {
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let path = PathBuf::from("/s/kill-switch");
    Report {
        pages: vec![PageOutcome { path: PathBuf::from("/r/permit"), outcome: Err(denied()) }],
        latch: Some(Err(LatchError::Write { path: path.clone(), source: denied() })),
        latch_path: Some(path),
        processes: Ok(Swept {
            gone: 1,
            survivors: vec![Survivor { pid: 7, command: "bot".to_owned(), why: Why::NotAllowed }],
            ..Swept::default()
        }),
        processes_known: true,
        nameless: false,
        engine: Some(EngineState::Running),
        unseen: None,
        word: None,
        denied_after: Duration::ZERO,
        latched_after: Duration::ZERO,
        stopped_after: Duration::ZERO,
    }
}

fn took(left: &[&str], unlatched: Option<&str>) -> Option<EngineWord> {
    let left = Some(left.iter().map(ToString::to_string).collect());
    Some(EngineWord::Took { after: Duration::from_millis(3), left, unlatched: unlatched.map(str::to_owned) })
}

fn with(word: Option<EngineWord>) -> (Verdict, String) {
    let report = Report { word, ..nothing_reached() };
    (report.verdict(), report.lines().join("\n"))
}

#[test]
fn what_reached_nothing_is_nothing_and_never_says_that_everything_is_stopped() {
    let refused = Some(EngineWord::Refused("it needs the role admin".to_owned()));
    let silent = Some(EngineWord::Silent("no answer within 5 s".to_owned()));
    for word in [None, refused, silent] {
        let (verdict, said) = with(word.clone());
        assert_eq!(verdict, Verdict::Nothing, "{word:?}: {said}");
        assert!(!said.contains("keeps everything stopped") && said.contains("goes on as before"), "{word:?}: {said}");
        assert!(said.contains("0 killed, 1 left"), "{word:?}: {said}");
        match word {
            Some(EngineWord::Refused(why)) => assert!(said.contains(&why), "{said}"),
            Some(EngineWord::Silent(why)) => assert!(said.contains(&format!("it took no order: {why}")), "{said}"),
            Some(EngineWord::Took { .. }) | None => {}
        }
    }
}

#[test]
fn an_engine_that_took_the_order_does_what_the_files_did_not() {
    let (verdict, said) = with(took(&[], None));
    assert_eq!(verdict, Verdict::Done, "{said}");
    for words in
        ["took the order", "keeps everything stopped", "engaged by the engine", "none left, as the engine says"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (verdict, said) = with(took(&["bot"], None));
    assert_eq!(verdict, Verdict::Incomplete, "{said}");
    assert!(said.contains("not ended yet, as the engine says: bot"), "{said}");
    let (verdict, said) = with(took(&[], Some("write: read-only")));
    assert_eq!(verdict, Verdict::Incomplete, "a restart has the journal alone: {said}");
    assert!(said.contains("not on the disk") && said.contains("write: read-only"), "{said}");
    let unsaid = EngineWord::Took { after: Duration::ZERO, left: None, unlatched: None };
    let (verdict, said) = with(Some(unsaid.clone()));
    assert_eq!(verdict, Verdict::Incomplete, "whether anything is left is not known");
    assert!(said.contains("whether the engine wrote it is not known"), "{said}");
    assert!(!said.contains("engaged by the engine") && !said.contains("keeps everything stopped"), "{said}");
    let none_left = || Ok(Swept { gone: 1, ..Swept::default() });
    let report = Report { word: Some(unsaid.clone()), processes: none_left(), ..nothing_reached() };
    assert_eq!(report.verdict(), Verdict::Incomplete, "whether the latch is on the disk is not known");
    let placeless = Report { latch: None, latch_path: None, ..report };
    assert_eq!(placeless.verdict(), Verdict::Incomplete);
    assert!(
        placeless.lines().join("\n").contains("whether the engine wrote it is not known"),
        "{:?}",
        placeless.lines()
    );
    let latched =
        Report { latch: Some(Ok(Written::Engaged)), word: Some(unsaid), processes: none_left(), ..nothing_reached() };
    assert_eq!(latched.verdict(), Verdict::Done);
    assert!(latched.lines().join("\n").contains("keeps everything stopped"), "{:?}", latched.lines());
}

#[test]
fn a_revoked_page_alone_stops_an_engine_and_a_refusal_changes_nothing_about_it() {
    let mut report = nothing_reached();
    report.pages[0].outcome = Ok(());
    assert_eq!(report.verdict(), Verdict::Incomplete);
    assert!(report.lines().join("\n").contains("keeps everything stopped until"), "{:?}", report.lines());
    report.word = Some(EngineWord::Refused("r".to_owned()));
    assert!(report.lines().join("\n").contains("its permits are revoked, which it obeys"), "{:?}", report.lines());
}

#[test]
fn an_engagement_that_the_engine_wrote_for_this_order_is_this_one() {
    let system = System::new("both-ways");
    let time = clock::rfc3339(clock::wall() + Duration::from_secs(60));
    let by_engine = Engagement { by: "root (0)".to_owned(), reason: "a test".to_owned(), time };
    write_latch(&system.state(), &by_engine).unwrap();
    assert_eq!(system.engage().latch.unwrap().unwrap(), Written::Engaged);
    let other = System::new("another");
    write_latch(&other.state(), &Engagement { reason: "another".to_owned(), ..by_engine.clone() }).unwrap();
    assert_eq!(
        other.engage().latch.unwrap().unwrap(),
        Written::Already { first: Some(Engagement { reason: "another".to_owned(), ..by_engine }) }
    );
}
