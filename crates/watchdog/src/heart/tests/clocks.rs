//! Clock steps of an hour either way, and suspend: never an alarm, never a missed one.

use super::*;

fn jump(world: &mut World, jump: Jump) {
    let before = world.now;
    world.now = match jump {
        Jump::Suspended(ms) => Now { boot: before.boot.plus(ms), wall: before.wall.plus(ms) },
        Jump::Forward(ms) => Now { boot: before.boot, wall: before.wall.plus(ms) },
        Jump::Back(ms) => Now { boot: before.boot, wall: Wall(before.wall.0.saturating_sub_unsigned(ms)) },
    };
    // What was under way fails, as connections do.
    for input in world.due.values_mut() {
        if let Input::Probed { probed, .. } = input {
            *probed = Probed::Failed(Fault::new(Stage::TimeOut, "no answer within 10 s"));
        }
    }
    world.hand(Input::Jumped { jump, before });
}

#[test]
fn no_jump_raises_an_alarm() {
    for how in [Jump::Suspended(8 * 3_600_000), Jump::Forward(3_600_000), Jump::Back(3_600_000)] {
        for offset in [0, 3, 59_999, 60_003] {
            let mut world = World::new(settings(vec![target("a"), target("b")]));
            world.run(300_000 + offset);
            jump(&mut world, how);
            world.run(600_000);
            assert!(world.told.is_empty(), "{how:?} at {offset}: {:?}", world.told);
            assert_eq!(world.state(0), "up");
        }
    }
}

#[test]
fn failures_do_not_count_for_one_interval_and_do_after_it() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(300_000);
    world.answers[0] = Answers::Refuses;
    jump(&mut world, Jump::Suspended(3_600_000));
    world.run(50_000);
    assert_eq!(world.heart.view(world.now).targets[0].consecutive_failures, 0);
    world.run(200_000);
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
}

#[test]
fn a_jump_probes_at_once() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.run(310_000);
    let before = world.probes.len();
    jump(&mut world, Jump::Suspended(3_600_000));
    world.run(100);
    assert_eq!(world.probes.len(), before + 1);
}

#[test]
fn a_target_that_was_down_stays_down_without_a_second_alert() {
    let mut world = World::new(settings(vec![target("demo")]));
    world.answers[0] = Answers::Refuses;
    world.run(200_000);
    for how in [Jump::Suspended(3_600_000), Jump::Forward(3_600_000), Jump::Back(7_200_000)] {
        jump(&mut world, how);
        world.run(600_000);
    }
    assert_eq!(world.triggers(), ["demo/target-down/1"]);
    assert_eq!(world.told.len(), 1);
}
