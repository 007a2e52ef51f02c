//! What one step costs on the path of a bot-socket round trip: a heartbeat, a tick, and a renewal of the permit.
//! `cargo bench -p failstop-core`. The budget of a heartbeat is 1 µs.
#![expect(clippy::disallowed_types, reason = "a measurement needs a clock")]
#![expect(clippy::unwrap_used, reason = "a failed setup fails the measurement")]

use failstop_core::{
    CheckClass, ComponentLimits, ComponentName, ComponentPolicy, Core, DependencyExit, Effect, Epoch, FailsafePolicy,
    HealthPolicy, Input, Instance, Liveness, Mode, Monotonic, Orders, Permission, Policy, RestartPolicy, Sign, Slot,
    Start, SystemLimits,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const STEPS: u32 = 1_000_000;

fn policy() -> Policy {
    let minute = Duration::from_secs(60);
    let component = |index: usize| ComponentPolicy {
        name: ComponentName(format!("bot-{index}")),
        orders: Orders::Asks,
        essential: true,
        restart: RestartPolicy::Always,
        backoff_initial: minute,
        backoff_max: minute,
        backoff_reset_after: minute,
        start_limit: 5,
        start_limit_within: 5 * minute,
        stop_grace: minute,
        readiness: false,
        start_period: minute,
        liveness: Some(Liveness::Heartbeat(2 * minute)),
        progress_within: None,
        limits: ComponentLimits::default(),
        needs: Vec::new(),
        depends_on: Vec::new(),
        on_dependency_exit: DependencyExit::Keep,
        reload: None,
        pre_stop: None,
        post_stop: None,
    };
    Policy {
        mode_ceiling: Mode::Dry,
        lease: Duration::from_secs(2),
        renew: Duration::from_millis(500),
        components: (0..10).map(component).collect(),
        dependencies: Vec::new(),
        limits: SystemLimits::default(),
        health: HealthPolicy {
            market_data_max_age: 5 * minute,
            feeds: Vec::new(),
            journal_max_age: 10 * minute,
            errors_per_minute: 10,
            queue_stalled_after: minute,
            every: minute / 2,
            clear_after: minute,
        },
        failsafe: FailsafePolicy {
            market_data_max_age: 10 * minute,
            journal_max_age: 15 * minute,
            snapshot_max_age: 1500 * minute,
            unhealthy_for: 5 * minute,
        },
        halts: BTreeMap::new(),
        two_key: None,
        heartbeat_every: minute / 2,
        environment_latched: false,
        shutdown_within: Duration::from_secs(3600),
        jitter_seed: 0,
    }
}

/// Ten components, ready, journal prompt.
struct Bed {
    core: Core,
    now: Monotonic,
    out: Vec<Effect>,
}

impl Bed {
    fn new() -> Self {
        let mut bed = Self { core: Core::new(policy()), now: Monotonic::from_nanos(1_000_000_000), out: Vec::new() };
        let start = Start {
            epoch: Epoch(1),
            kill_switch: None,
            latches: Vec::new(),
            new_journal: true,
            unclean: None,
            damage: None,
        };
        bed.step(Input::Start(start));
        bed.step(Input::Checked { class: CheckClass::Integrity, outcome: Ok(()) });
        assert_eq!(bed.core.permission(), Permission::Active);
        bed
    }

    fn step(&mut self, input: Input) {
        self.core.step(self.now, input, &mut self.out);
        while !self.out.is_empty() {
            let mut durable = None;
            let effects = std::mem::take(&mut self.out);
            for effect in effects {
                match effect {
                    Effect::Record { ticket, .. } => durable = Some(ticket),
                    Effect::Spawn { slot, instance } => {
                        self.core.step(self.now, Input::Spawned { slot, instance, pid: 1 }, &mut self.out);
                    }
                    _ => {}
                }
            }
            if let Some(ticket) = durable {
                self.core.step(self.now, Input::Durable(ticket), &mut self.out);
            }
        }
    }
}

fn measure(name: &str, apart: Duration, input: impl Fn(u32) -> Input) {
    let mut bed = Bed::new();
    let begun = Instant::now();
    for round in 0..STEPS {
        bed.now = bed.now.plus(apart);
        bed.step(input(round));
    }
    let each = begun.elapsed().as_nanos() / u128::from(STEPS);
    println!("{name:<28} {each:>6} ns a step");
}

fn main() {
    let slot = Slot::component(3).unwrap();
    let apart = Duration::from_micros(20);
    let sign = |sign| Input::Sign { slot, instance: Instance(1), sign };
    measure("heartbeat", apart, |_| sign(Sign::Heartbeat(None)));
    measure("tick, one feed", apart, |_| sign(Sign::Tick { feed: "binance".to_owned(), fresh: true }));
    measure("tick, 64 feeds", apart, |round| sign(Sign::Tick { feed: format!("feed-{}", round % 64), fresh: true }));
    measure("part", apart, |_| sign(Sign::Part { name: "executor".to_owned(), health: 900, critical: false }));
    measure("renewal of the permit", Duration::from_millis(500), |round| {
        // The beats that keep ten components alive are spread over the renewals.
        let index = usize::try_from(round % 10).unwrap();
        Input::Sign { slot: Slot::component(index).unwrap(), instance: Instance(1), sign: Sign::Heartbeat(None) }
    });
}
