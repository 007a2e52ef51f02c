//! Freshness: whether an answer is of now and of a system that moves. Green health of a dead bot is the commonest complaint
//! about health checks, so an answer is believed only if its own time, its sequence number and its data's age move, and if it
//! echoes what was asked.

use super::fault::{Fault, Stage};
use super::reading::Facts;
use super::time::{Boot, Now, Wall, span};
use serde::{Deserialize, Serialize};

/// How still an answer may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressSettings {
    /// An answer's own time may differ by so much from the watchdog's clock, milliseconds.
    pub answer_max_age_ms: u64,
    /// The journal must grow within this, milliseconds; `None`: not judged.
    pub journal_still_ms: Option<u64>,
    /// Market data must move within this, milliseconds; `None`: not judged.
    pub data_still_ms: Option<u64>,
    /// Whether the nonce must be echoed even by a target that never did.
    pub nonce_required: bool,
}

/// What was seen of a target so far. Whatever it showed once, it must go on showing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    made: Option<Wall>,
    epoch: Option<u64>,
    journal: Option<Moved<(u64, u64)>>,
    data: Option<Moved<String>>,
    echoes: bool,
    /// Another boot's clock says nothing about stillness: the first answer after a start rearms it.
    #[serde(skip)]
    armed: bool,
}

/// Something that must move, and when it last did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Moved<T> {
    value: T,
    at: Boot,
}

impl Progress {
    /// The last epoch seen.
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// The last sequence number seen.
    pub fn seq(&self) -> Option<u64> {
        self.journal.as_ref().map(|moved| moved.value.1)
    }

    /// Time stood still for the watchdog, or jumped: what stood still meanwhile is not the target's fault.
    pub fn rearm(&mut self) {
        self.armed = false;
    }

    /// A beat came: it moves what it shows.
    pub fn beat(&mut self, now: Now, epoch: u64, seq: u64) -> Result<(), Fault> {
        self.epoch_moves(epoch)?;
        moved(&mut self.journal, (epoch, seq), now.boot);
        Ok(())
    }

    /// Judges whether an answer to a question that carried `nonce` is one of now, and of this system. What it shows may still
    /// stand still: see [`Progress::moves`].
    ///
    /// # Errors
    /// A fault of the stage `stale` or `head`.
    pub fn answer(&mut self, now: Now, facts: &Facts, nonce: &str, settings: &ProgressSettings) -> Result<(), Fault> {
        let stale = |detail: String| Err(Fault::new(Stage::Stale, detail));
        match &facts.nonce {
            Some(echo) if echo == nonce => self.echoes = true,
            Some(_) => return stale("the answer echoes another question: it is cached or replayed".to_owned()),
            None if self.echoes || settings.nonce_required => {
                return stale("the answer does not echo the question: it is cached, or by somebody else".to_owned());
            }
            None => {}
        }
        match facts.made {
            Some(made) => {
                let off = made.0.abs_diff(now.wall.0);
                if off > settings.answer_max_age_ms {
                    let side = if made < now.wall { "old" } else { "ahead" };
                    return stale(format!(
                        "the answer's own time ({}) is {} {side}: it is cached, or the clocks differ",
                        made.text(),
                        span(off)
                    ));
                }
                // Two answers within a millisecond are possible; going back is not, but for a step of the target's clock.
                if self.made == Some(made) && !self.echoes {
                    return stale(format!("the answer is again that of {}: it is cached", made.text()));
                }
                self.made = Some(made);
            }
            None if self.made.is_some() => return stale("the answer no longer says when it was made".to_owned()),
            None => {}
        }
        match facts.epoch {
            Some(epoch) => self.epoch_moves(epoch)?,
            None if self.epoch.is_some() => return stale("the answer no longer has an epoch".to_owned()),
            None => {}
        }
        if let Some(shown) = &facts.shown {
            moved(&mut self.journal, (facts.epoch.unwrap_or(0), shown.seq), now.boot);
        } else if self.journal.is_some() {
            return stale("the answer no longer has a journal head".to_owned());
        }
        if let Some(at) = &facts.last_market_data {
            moved(&mut self.data, at.clone(), now.boot);
        }
        if !self.armed {
            self.armed = true;
            self.journal.iter_mut().for_each(|journal| journal.at = now.boot);
            self.data.iter_mut().for_each(|data| data.at = now.boot);
        }
        Ok(())
    }

    fn epoch_moves(&mut self, epoch: u64) -> Result<(), Fault> {
        if let Some(last) = self.epoch
            && epoch < last
        {
            let detail = format!(
                "its epoch went back from {last} to {epoch}: an old copy answers, or its state was rolled back"
            );
            return Err(Fault::new(Stage::Head, detail));
        }
        self.epoch = Some(epoch);
        Ok(())
    }

    /// Judges whether what was shown still moves.
    ///
    /// # Errors
    /// A fault of the stage `stale`.
    pub fn moves(&self, now: Now, settings: &ProgressSettings) -> Result<(), Fault> {
        let still = |at: Boot, most: Option<u64>| most.filter(|most| now.boot.since(at) > *most);
        if let Some(journal) = &self.journal
            && still(journal.at, settings.journal_still_ms).is_some()
        {
            let (_, seq) = journal.value;
            let detail = format!("its journal has stood at {seq} for {}", span(now.boot.since(journal.at)));
            return Err(Fault::new(Stage::Stale, detail));
        }
        if let Some(data) = &self.data
            && still(data.at, settings.data_still_ms).is_some()
        {
            let detail = format!("its market data has not moved for {}", span(now.boot.since(data.at)));
            return Err(Fault::new(Stage::Stale, detail));
        }
        Ok(())
    }

    /// The operator accepted what is there now: another journal, a lower epoch.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

fn moved<T: PartialEq>(slot: &mut Option<Moved<T>>, value: T, at: Boot) {
    match slot {
        Some(last) if last.value == value => {}
        _ => *slot = Some(Moved { value, at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heart::order::Shown;

    const SETTINGS: ProgressSettings = ProgressSettings {
        answer_max_age_ms: 300_000,
        journal_still_ms: Some(120_000),
        data_still_ms: Some(600_000),
        nonce_required: false,
    };
    const WALL: i64 = 1_794_274_387_000;

    fn at(ms: i64) -> Now {
        Now { boot: Boot(ms), wall: Wall(WALL + ms) }
    }

    fn facts(ms: i64, seq: u64) -> Facts {
        Facts {
            made: Some(Wall(WALL + ms)),
            epoch: Some(3),
            shown: Some(Shown { jid: "j".into(), seq, head: "h".into(), asked: None }),
            ..Facts::default()
        }
    }

    /// Of now, and moving.
    fn judge(
        progress: &mut Progress,
        now: Now,
        facts: &Facts,
        nonce: &str,
        settings: &ProgressSettings,
    ) -> Result<(), Fault> {
        progress.answer(now, facts, nonce, settings)?;
        progress.moves(now, settings)
    }

    fn detail(result: Result<(), Fault>) -> String {
        result.err().map(|fault| fault.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_journal_that_stands_still_is_stale_and_one_that_moves_is_not() {
        let mut progress = Progress::default();
        assert_eq!(judge(&mut progress, at(0), &facts(0, 5), "n", &SETTINGS), Ok(()));
        assert_eq!(judge(&mut progress, at(120_000), &facts(120_000, 5), "n", &SETTINGS), Ok(()));
        let fault = judge(&mut progress, at(121_000), &facts(121_000, 5), "n", &SETTINGS);
        assert!(detail(fault).starts_with("stale: its journal has stood at 5 for 2 min 1 s"));
        assert_eq!(judge(&mut progress, at(122_000), &facts(122_000, 6), "n", &SETTINGS), Ok(()));
    }

    #[test]
    fn after_a_jump_stillness_counts_anew() {
        let mut progress = Progress::default();
        assert_eq!(judge(&mut progress, at(0), &facts(0, 5), "n", &SETTINGS), Ok(()));
        progress.rearm();
        assert_eq!(judge(&mut progress, at(500_000), &facts(500_000, 5), "n", &SETTINGS), Ok(()));
        assert!(judge(&mut progress, at(621_000), &facts(621_000, 5), "n", &SETTINGS).is_err());
    }

    #[test]
    fn cached_and_replayed_answers_are_caught() {
        let mut progress = Progress::default();
        assert_eq!(judge(&mut progress, at(0), &facts(0, 5), "n", &SETTINGS), Ok(()));
        assert!(detail(judge(&mut progress, at(9000), &facts(0, 6), "n", &SETTINGS)).contains("it is cached"));
        assert!(detail(judge(&mut progress, at(400_000), &facts(1, 6), "n", &SETTINGS)).contains("6 min 39 s old"));
        assert!(detail(judge(&mut progress, at(0), &facts(400_000, 6), "n", &SETTINGS)).contains("ahead"));

        let echo = |nonce: &str, ms| Facts { nonce: Some(nonce.to_owned()), ..facts(ms, 5) };
        assert!(detail(judge(&mut progress, at(10), &echo("other", 10), "n", &SETTINGS)).contains("another question"));
        assert_eq!(judge(&mut progress, at(10), &echo("n", 10), "n", &SETTINGS), Ok(()));
        assert!(detail(judge(&mut progress, at(20), &facts(20, 5), "n", &SETTINGS)).contains("does not echo"));
        let required = ProgressSettings { nonce_required: true, ..SETTINGS };
        assert!(judge(&mut Progress::default(), at(20), &facts(20, 5), "n", &required).is_err());
    }

    #[test]
    fn an_epoch_that_goes_back_is_a_fault_of_the_head() {
        let mut progress = Progress::default();
        assert_eq!(judge(&mut progress, at(0), &facts(0, 5), "n", &SETTINGS), Ok(()));
        let old = Facts { epoch: Some(2), ..facts(1000, 6) };
        assert!(
            detail(judge(&mut progress, at(1000), &old, "n", &SETTINGS))
                .starts_with("head: its epoch went back from 3 to 2")
        );
        assert!(progress.beat(at(1000), 2, 9).is_err());
        progress.forget();
        assert_eq!(
            judge(&mut progress, at(2000), &Facts { made: Some(Wall(WALL + 2000)), ..old }, "n", &SETTINGS),
            Ok(())
        );
    }

    #[test]
    fn what_was_shown_once_must_go_on_being_shown() {
        for drop in [0, 1, 2] {
            let mut progress = Progress::default();
            assert_eq!(judge(&mut progress, at(0), &facts(0, 5), "n", &SETTINGS), Ok(()));
            let mut less = facts(1000, 6);
            match drop {
                0 => less.made = None,
                1 => less.epoch = None,
                _ => less.shown = None,
            }
            assert!(detail(judge(&mut progress, at(1000), &less, "n", &SETTINGS)).contains("no longer"), "{drop}");
        }
        let mut plain = Progress::default();
        assert_eq!(
            judge(&mut plain, at(0), &Facts::default(), "n", &SETTINGS),
            Ok(()),
            "a foreign bot shows none of it"
        );
    }
}
