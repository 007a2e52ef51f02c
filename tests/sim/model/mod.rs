//! Every history with a bounded number of incidents, checked exhaustively: the same core as in the engine, two
//! components, time in halves of the lease, and a host whose engine may freeze, crash and restart anywhere, whose
//! fsync may fail, whose disk may fill, and whose kill switch is engaged from outside at any point.
//!
//! For each invariant there is a host that breaks the rule behind it; the check must find that.
//!
//! An incident is anything but time passing, the journal catching up, processes ending and checks passing. Two of them in
//! every order and at every moment, over three quanta; `FAILSTOP_MODEL=full` takes four quanta and some minutes.

mod history;
mod properties;
mod world;

use failstop_core::Cause;
use history::Bound;
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::collections::BTreeSet;
use world::Mutant;

fn bound(mutant: Mutant) -> Bound {
    let full = std::env::var("FAILSTOP_MODEL").is_ok_and(|value| value == "full");
    Bound {
        incidents: 2,
        ticks: if full && mutant == Mutant::None { 4 } else { 3 },
        restarts: 2,
        causes: vec![Cause::DailyLoss, Cause::OrdersInDoubt, Cause::Environment],
        mutant,
        two_key: false,
    }
}

/// With a witness: only what a release needs, since its histories are longer.
fn with_a_witness(mutant: Mutant) -> Bound {
    let full = std::env::var("FAILSTOP_MODEL").is_ok_and(|value| value == "full");
    let incidents = if full && mutant == Mutant::None { 3 } else { 2 };
    Bound { two_key: true, causes: vec![Cause::DailyLoss], ticks: 2, incidents, restarts: 1, mutant }
}

#[test]
fn every_short_history_keeps_the_invariants() {
    let checker = bound(Mutant::None).checker().threads(2).spawn_dfs().join();
    println!(
        "model: {} distinct states, {} generated, depth {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    assert!(checker.is_done());
    checker.assert_properties();
}

#[test]
fn every_short_history_with_a_witness_keeps_the_invariants() {
    let checker = with_a_witness(Mutant::None).checker().threads(2).spawn_dfs().join();
    println!("model with a witness: {} distinct states", checker.unique_state_count());
    assert!(checker.is_done());
    for property in properties::all() {
        if property.expectation == Expectation::Always {
            checker.assert_no_discovery(property.name);
        }
    }
    for reached in ["active after a release", "active after the kill switch"] {
        checker.assert_any_discovery(reached);
    }
}

#[test]
fn a_host_that_breaks_a_rule_is_caught() {
    let mutants = [
        ("I1", Mutant::ReaderForgetsTheTime),
        ("I2", Mutant::DeadlineFromTheWrite),
        ("I3", Mutant::DurableTooEarly),
        ("I4", Mutant::PageNeverNarrows),
        ("I5", Mutant::PageWaitsForTheJournal),
        ("I6", Mutant::LatchIgnoredAtStart),
        ("I6", Mutant::PageWrittenBlindly),
        ("I7", Mutant::EpochReused),
        ("I13", Mutant::WitnessedTooEarly),
    ];
    for (invariant, mutant) in mutants {
        let wanted = BTreeSet::from([invariant]);
        let wanted = HasDiscoveries::AllOf(wanted.into_iter().collect());
        let bound = if mutant == Mutant::WitnessedTooEarly { with_a_witness(mutant) } else { bound(mutant) };
        let checker = bound.checker().threads(2).finish_when(wanted).spawn_bfs().join();
        assert!(checker.discovery(invariant).is_some(), "{mutant:?} goes unnoticed by {invariant}");
        let path = checker.discovery(invariant).unwrap().into_actions();
        println!("model: {mutant:?} breaks {invariant} after {path:?}");
    }
}
