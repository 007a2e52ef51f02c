//! The deaths of failstop's own processes, at rest and in the middle of a spawn: no process of a component survives.

use crate::harness::{Engine, Mode, alive, is_alive, modes, signal, wait_until};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

const REVOKED: u64 = 8;

fn tries() -> u32 {
    std::env::var("FAILSTOP_TRIES").ok().and_then(|tries| tries.parse().ok()).unwrap_or(5)
}

/// Which of failstop's processes dies.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Engine,
    Guard,
}

/// At rest: one that ignores SIGTERM in a session of its own, one that double-forks, one that hides, a chain.
fn at_rest(engine: &mut Engine, _attempt: u32) {
    engine.start_component(1, "stubborn");
    engine.start_component(2, "double-fork");
    engine.start_component(3, "hide");
    engine.start_component(4, "chain:10");
}

/// Within 3 ms of a spawn: one component is started and killed without end.
fn while_spawning(engine: &mut Engine, attempt: u32) {
    engine.start_component(2, "double-fork");
    engine.tell("churn 1 plain");
    for _ in 0..=attempt % 7 {
        engine.hear("spawning 1");
    }
    let moment = Instant::now() + Duration::from_micros(u64::from(attempt * 331 % 3000));
    while Instant::now() < moment {
        std::hint::spin_loop();
    }
}

fn die(victim: Victim, prepare: fn(&mut Engine, u32)) {
    for mode in modes() {
        let mut longest = Duration::ZERO;
        for attempt in 0..tries() {
            let mut engine = Engine::start(mode);
            prepare(&mut engine, attempt);
            match victim {
                Victim::Engine => {
                    signal(engine.engine, libc::SIGKILL);
                    longest = longest.max(engine.wait_until_all_dead());
                    assert_eq!(engine.wait().code(), Some(7));
                    assert!(engine.permit().into_iter().all(|word| word == REVOKED), "{:x?}", engine.permit());
                }
                Victim::Guard => {
                    signal(engine.guard, libc::SIGKILL);
                    longest = longest.max(engine.wait_until_all_dead());
                    engine.hear("extinguished");
                }
            }
        }
        eprintln!("{victim:?} killed, {mode:?}: {} tries, 0 survivors, the last dead after {longest:?}", tries());
    }
}

#[test]
fn engine_killed_at_rest() {
    die(Victim::Engine, at_rest);
}

#[test]
fn guard_killed_at_rest() {
    die(Victim::Guard, at_rest);
}

#[test]
fn engine_killed_while_spawning() {
    die(Victim::Engine, while_spawning);
}

#[test]
fn guard_killed_while_spawning() {
    die(Victim::Guard, while_spawning);
}

#[test]
fn a_stopped_engine_obeys_when_its_guard_is_killed() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        at_rest(&mut engine, 0);
        signal(engine.engine, libc::SIGSTOP);
        signal(engine.guard, libc::SIGKILL);
        engine.wait_until_all_dead();
    }
}

#[test]
fn main_processes_die_with_the_engine_though_the_guard_is_stopped_and_the_rest_when_it_goes_on() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        let main = engine.start_component(1, "stubborn");
        let other = engine.start_component(2, "double-fork");
        signal(engine.guard, libc::SIGSTOP);
        signal(engine.engine, libc::SIGKILL);
        wait_until("the death of the main processes", || !is_alive(main) && !is_alive(other));
        assert_ne!(engine.permit()[0], REVOKED);
        signal(engine.guard, libc::SIGCONT);
        engine.wait_until_all_dead();
        assert_eq!(engine.wait().code(), Some(7));
        assert_eq!(engine.permit()[0], REVOKED);
    }
}

/// Whether the engine dies before the new process has its death signal or after: nobody but the process itself can see to
/// its end, as the guard is stopped.
#[test]
fn a_process_that_was_just_being_started_dies_with_the_engine_though_the_guard_is_stopped() {
    for mode in modes() {
        for attempt in 0..tries() {
            let mut engine = Engine::start(mode);
            engine.tell("churn 1 plain");
            for _ in 0..=attempt % 7 {
                engine.hear("spawning 1");
            }
            signal(engine.guard, libc::SIGSTOP);
            let moment = Instant::now() + Duration::from_micros(u64::from(attempt * 331 % 3000));
            while Instant::now() < moment {
                std::hint::spin_loop();
            }
            signal(engine.engine, libc::SIGKILL);
            wait_until("the death of all but the guard", || {
                alive(&engine.token).iter().all(|(pid, _)| *pid == engine.guard)
            });
            signal(engine.guard, libc::SIGCONT);
            assert_eq!(engine.wait().code(), Some(7));
        }
    }
}

#[test]
fn guard_and_engine_killed_together_leave_nothing_for_the_next_start() {
    for mode in modes() {
        let mut engine = Engine::start(mode);
        at_rest(&mut engine, 0);
        signal(engine.guard, libc::SIGSTOP);
        signal(engine.engine, libc::SIGKILL);
        signal(engine.guard, libc::SIGKILL);
        engine.wait();
        // The orphan that had double-forked has no parent whose death would end it.
        wait_until("the death of the engine", || !is_alive(engine.engine));
        let (ground, token) = (engine.ground.clone(), engine.token.clone());
        let left = alive(&token);
        let mut next = Engine::start_on(mode, &ground, &token, &[]);
        assert_eq!(next.epoch, engine.epoch + 1);
        assert!(next.cleared >= 1, "{mode:?}: {left:#?}");
        let after = alive(&token);
        // What hides its environment is found only by its cgroup; without one it may stay, as is documented.
        let may_stay = usize::from(mode != Mode::RootWithCgroup);
        assert!(after.len() <= 2 + may_stay, "{mode:?}: guard and engine alone: {after:#?}");
        next.tell("exit 0");
        assert_eq!(next.wait().code(), Some(0));
        for (pid, _) in alive(&token) {
            signal(pid, libc::SIGKILL);
        }
    }
}

#[test]
fn the_guard_mirrors_the_engines_status_and_ends_what_it_left() {
    for mode in modes() {
        for status in [0, 2, 5, 6, 255] {
            let mut engine = Engine::start(mode);
            engine.start_component(1, "double-fork");
            engine.tell(format_args!("exit {status}"));
            assert_eq!(engine.wait().code(), Some(status), "{mode:?}");
            engine.wait_until_all_dead();
            assert!(engine.permit().into_iter().all(|word| word == REVOKED));
        }
    }
}

#[test]
fn signals_to_the_guard_are_handed_on_once() {
    let mut engine = Engine::start(modes()[0]);
    signal(engine.guard, libc::SIGHUP);
    engine.hear("signal Hangup");
    signal(engine.guard, libc::SIGTERM);
    engine.hear("signal Terminate");
    engine.hear("stopped 0");
    assert_eq!(engine.wait().code(), Some(0));
    assert!(!engine.heard("signal Hangup\n"), "once");

    let mut engine = Engine::start(modes()[0]);
    signal(engine.guard, libc::SIGINT);
    engine.hear("signal Interrupt");
    assert_eq!(engine.wait().code(), Some(0));
}

#[test]
fn lines_for_the_service_manager_come_from_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let mode = if crate::harness::is_root() { Mode::RootWithout } else { Mode::OrdinaryUser };
    let ground = std::rc::Rc::new(crate::harness::Ground::new(false));
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let engine = Engine::start_on(mode, &ground, &crate::harness::unique(), &environment);
    let mut buffer = [0; 100];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1");
    drop(engine);
}

#[test]
fn a_second_engine_is_refused_and_touches_nothing() {
    let mode = modes()[0];
    let mut first = Engine::start(mode);
    let main = first.start_component(1, "plain");
    let mut second = Engine::start_on(mode, &first.ground.clone(), &first.token.clone(), &[]);
    assert!(second.heard(&format!("refused another failstop runs this system (pid {})", first.engine)));
    assert_eq!(second.wait().code(), Some(4));
    assert!(is_alive(main) && is_alive(first.engine));
    let epoch = std::fs::read_to_string(first.ground.directory.path().join("epoch")).unwrap();
    assert_eq!(epoch, format!("{}\n", first.epoch));
    // The component does not hold the lock: it goes with the engine alone.
    signal(first.guard, libc::SIGSTOP);
    signal(first.engine, libc::SIGKILL);
    wait_until("the engine's death", || !is_alive(first.engine));
    let third = Engine::start_on(mode, &first.ground.clone(), &first.token.clone(), &[]);
    assert_eq!(third.epoch, first.epoch + 1);
    signal(first.guard, libc::SIGCONT);
}
