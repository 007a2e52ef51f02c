//! Killing one component's tree: nothing of it is left, everything else is, and its end is told exactly once.

use crate::harness::{Engine, Mode, alive, is_alive, modes};

/// Every way to get away that the requirements name, and some more.
const KINDS: [&str; 8] = ["plain", "stubborn", "double-fork", "chain:30", "storm:150", "stopped", "comet", "leave"];

#[test]
fn nothing_of_a_killed_tree_is_left_and_its_neighbour_lives() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        let neighbour = engine.start_component(8, "double-fork");
        for kind in KINDS {
            engine.start_component(1, kind);
            if kind == "leave" {
                engine.hear("exited 1 ");
            }
            engine.tell("kill 1");
            engine.hear("gone 1");
            let left: Vec<_> = alive(&engine.token)
                .into_iter()
                .filter(|(_, arguments)| arguments.contains(&format!("victim {kind}")))
                .collect();
            let neighbours = if kind == "double-fork" { 2 } else { 0 };
            assert_eq!(left.len(), neighbours, "{mode:?} {kind}: {left:#?}");
        }
        assert!(is_alive(neighbour));
        assert_eq!(engine.heard_all("stray"), [""; 0], "{mode:?}: every orphan was told to be whose it was");
        engine.tell("members 8");
        assert_eq!(engine.hear("members"), "members 2", "{mode:?}: the orphan counts as its component's");
    }
}

#[test]
fn a_component_that_daemonises_a_helper_keeps_it_while_it_runs() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        engine.start_component(1, "double-fork");
        engine.tell("strays");
        engine.hear("swept");
        assert!(!engine.heard("stray"), "{mode:?}");
        engine.tell("members 1");
        assert_eq!(engine.hear("members"), "members 2");
    }
}

#[test]
fn an_orphan_without_a_mark_is_known_by_its_ancestry_or_its_cgroup_and_else_killed() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        engine.start_component(1, "hide");
        engine.tell("strays");
        engine.hear("swept");
        // It had left its parent before anybody could see whose it was; only a cgroup still says it.
        assert_eq!(engine.heard("stray"), mode != Mode::RootWithCgroup, "{mode:?}");
        engine.tell("kill 1");
        engine.hear("gone 1");
        engine.tell("exit 0");
        engine.wait_until_all_dead();
    }
}

#[test]
fn a_peer_is_known_to_be_inside_a_tree() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        let main = engine.start_component(3, "chain:5");
        let mut inside: Vec<i32> = alive(&engine.token)
            .into_iter()
            .filter(|(_, arguments)| arguments.contains("victim chain"))
            .map(|(pid, _)| pid)
            .collect();
        assert!(inside.len() == 6 && inside.contains(&main), "{inside:?}");
        inside.sort_unstable();
        for pid in inside {
            engine.tell(format_args!("tree-of {pid}"));
            assert_eq!(engine.hear("tree-of"), "tree-of 3");
        }
        let own = std::process::id();
        for stranger in [engine.engine, engine.guard, i32::try_from(own).unwrap(), 1, 999_999_999] {
            engine.tell(format_args!("tree-of {stranger}"));
            assert_eq!(engine.hear("tree-of"), "tree-of 0");
        }
    }
}
