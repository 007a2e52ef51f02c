//! Random facts, random delays of the journal, random crashes: recovered state is the replay of what was durable, what
//! is published never exceeds it, and closing never waits.

use crate::host::*;
use failstop_core::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// What may happen next.
#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Durable(u8),
    /// The witness acknowledges so much of what is durable.
    Witnessed(u8),
    Sign(usize, Sign),
    Exit(usize, bool),
    Gone(usize),
    Spawned(usize),
    Raise(Cause),
    Passed(Cause),
    Order(Order),
    Check(bool),
    Seen,
    LatchGone,
    Dependency(bool),
    Tried(bool),
    Trigger(bool),
    /// Memory in MB of each of the two components, and CPU of both.
    Usage(u64, u64, u64),
    OutOfMemory(usize),
    Day,
    Hook(Hook),
    Reload,
    /// Another configuration, with numbers that hang on this one.
    Configure(u64),
    Jump,
    Crash,
    /// The journal fails; whether it still takes last words.
    Fail(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let index = 0..2_usize;
    let cause = prop::sample::select(vec![
        Cause::Integrity,
        Cause::Witness,
        Cause::OrdersInDoubt,
        Cause::DailyLoss,
        Cause::Environment,
        Cause::Reclaiming,
        Cause::ComponentFailed,
    ]);
    let order = prop_oneof![
        4 => Just(Order::Resume(Vec::new())),
        1 => Just(Order::KillSwitchEngage),
        2 => Just(Order::KillSwitchRelease),
        2 => Just(Order::Mode(Mode::Live)),
        1 => Just(Order::Mode(Mode::Dry)),
        1 => Just(Order::MaintenanceOn { span: 5 * SECOND, keep_trading: false }),
        1 => Just(Order::MaintenanceOff),
        1 => Just(Order::StopComponent(slot(0))),
        1 => Just(Order::StartComponent(slot(0))),
        1 => Just(Order::RestartComponent(slot(1))),
        1 => Just(Order::ReloadComponent(slot(0))),
    ];
    let sign = prop_oneof![
        Just(Sign::Ready),
        Just(Sign::Beat),
        Just(Sign::Heartbeat(Some(1))),
        Just(Sign::WatchdogTrigger),
        Just(Sign::Stopping),
        Just(Sign::Reloading(None)),
        Just(Sign::Failing("errno 5".to_owned())),
        Just(Sign::MainProcess(8)),
        Just(Sign::Tick { feed: "venue".to_owned(), fresh: true }),
        Just(Sign::Error { severity: 5, fatal: false, message: String::new() }),
        Just(Sign::Queue { state: QueueState::Stalled, depth: 1 }),
        Just(Sign::Part { name: "p".to_owned(), health: 100, critical: false }),
        Just(Sign::PartGone { name: "p".to_owned() }),
        Just(Sign::Halt { cap: Permission::ObserveOnly, reason: "x".to_owned() }),
    ];
    prop_oneof![
        6 => (0..3000_u64).prop_map(Event::Pass),
        8 => any::<u8>().prop_map(Event::Durable),
        3 => any::<u8>().prop_map(Event::Witnessed),
        4 => (index.clone(), sign).prop_map(|(index, sign)| Event::Sign(index, sign)),
        2 => (index.clone(), any::<bool>()).prop_map(|(index, clean)| Event::Exit(index, clean)),
        4 => index.clone().prop_map(Event::Gone),
        4 => index.clone().prop_map(Event::Spawned),
        4 => (0..1_200_u64, 0..1_200_u64, 0..10_000_u64).prop_map(|(one, other, cpu)| Event::Usage(one, other, cpu)),
        1 => index.prop_map(Event::OutOfMemory),
        2 => cause.clone().prop_map(Event::Raise),
        2 => cause.prop_map(Event::Passed),
        5 => order.prop_map(Event::Order),
        2 => any::<bool>().prop_map(Event::Check),
        1 => Just(Event::Seen),
        3 => Just(Event::LatchGone),
        1 => any::<bool>().prop_map(Event::Dependency),
        2 => any::<bool>().prop_map(Event::Tried),
        1 => any::<bool>().prop_map(Event::Trigger),
        1 => Just(Event::Day),
        1 => Just(Event::Reload),
        2 => (1..40_u64).prop_map(Event::Configure),
        2 => prop::sample::select(vec![Hook::PreStop, Hook::PostStop]).prop_map(Event::Hook),
        1 => Just(Event::Jump),
        1 => Just(Event::Crash),
        1 => prop::bool::weighted(0.1).prop_map(|full| if full { Event::Fail(true) } else { Event::Day }),
        1 => prop::bool::weighted(0.1).prop_map(|fail| if fail { Event::Fail(false) } else { Event::Day }),
    ]
}

fn two() -> Policy {
    let bot = ComponentPolicy {
        readiness: true,
        liveness: Some(Liveness::Watchdog(20 * SECOND)),
        needs: vec!["venue".to_owned()],
        reload: Some(Reload::Announced),
        pre_stop: Some(3 * SECOND),
        post_stop: Some(3 * SECOND),
        ..component("bot", Orders::Asks)
    };
    let direct = ComponentPolicy {
        essential: false,
        depends_on: vec![0],
        on_dependency_exit: DependencyExit::Stop,
        ..component("direct", Orders::Direct)
    };
    let mut policy = policy(vec![bot, direct]);
    policy.dependencies = vec![DependencyPolicy { name: "venue".to_owned(), timeout: 10 * SECOND }];
    policy.health.market_data_max_age = 10 * SECOND;
    policy.failsafe.market_data_max_age = 30 * SECOND;
    policy.health.clear_after = SECOND;
    policy.components[0].limits.memory_max = Some(600_000_000);
    policy.components[0].limits.cpu_max_percent = Some(50);
    policy.components[0].limits.cpu_for = 5 * SECOND;
    policy.limits.memory_max = Some(1_500_000_000);
    policy
}

/// A world that remembers what a real one would: the latch on disk, the durable journal.
struct World {
    host: Host,
    /// The kill switch's latch on disk.
    latch: bool,
    /// Whether the engine was told to remove it and has not been told that it is gone.
    removing: bool,
    failed: bool,
    /// Whether this life's integrity checks ever passed.
    checked: bool,
    /// Halt latches beside the journal.
    latches: Vec<(Cause, String)>,
    /// What people were told of each incident, over all lives.
    told: BTreeMap<AlertId, Told>,
}

/// What people were told of one incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Open,
    Over,
}

impl World {
    fn new(two_key: bool) -> Self {
        let mut host = Host::new(Policy { two_key: two_key.then_some(5 * SECOND), ..two() });
        host.prompt = false;
        host.obliging = false;
        host.dependencies_answer = None;
        host.plain_start();
        Self {
            host,
            latch: false,
            removing: false,
            failed: false,
            checked: false,
            latches: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    fn durable_fold(&self) -> Recorded {
        let mut fold = Recorded::new();
        for (ticket, record) in &self.host.journal {
            if *ticket <= self.host.durable {
                fold.apply(&over_the_wire(record));
            }
        }
        fold
    }

    fn take(&mut self, event: Event) {
        let instance = |index| self.host.instance(index);
        let effects = match event {
            Event::Pass(ms) => self.host.pass(Duration::from_millis(ms)),
            Event::Durable(part) => {
                let last = self.host.journal.last().map_or(0, |(ticket, _)| ticket.0);
                let waiting = last.saturating_sub(self.host.durable.0);
                let more = waiting * u64::from(part) / 255;
                if self.failed {
                    return;
                }
                self.host.durable = Ticket(self.host.durable.0 + more);
                let durable = self.host.durable;
                self.host.send(Input::Durable(durable))
            }
            Event::Witnessed(part) => {
                let seen = self.host.durable.0 * u64::from(part) / 255;
                self.host.send(Input::Witnessed(Ticket(seen)))
            }
            Event::Sign(index, sign) => self.host.sign(index, sign),
            Event::Exit(index, clean) => self.host.exits(index, if clean { Exit::Status(0) } else { Exit::Signal(9) }),
            Event::Gone(index) => {
                let instance = instance(index);
                self.host.send(Input::TreeGone { slot: slot(index), instance })
            }
            Event::Spawned(index) => {
                let instance = instance(index);
                self.host.send(Input::Spawned { slot: slot(index), instance, pid: 7 })
            }
            Event::Raise(cause) => self.host.send(Input::Raise { cause, slot: None, evidence: "seen".to_owned() }),
            Event::Passed(cause) => self.host.send(Input::Passed { cause, slot: None }),
            Event::Order(order) => self.host.order_effects(order, "because"),
            Event::Check(good) => {
                self.checked |= good;
                let outcome = if good { Ok(()) } else { Err("bad".to_owned()) };
                self.host.send(Input::Checked { class: CheckClass::Integrity, outcome })
            }
            Event::Seen => {
                self.latch = true;
                self.host.send(Input::KillSwitchSeen { by: "o".to_owned(), reason: "r".to_owned() })
            }
            Event::LatchGone => {
                if !self.removing {
                    return;
                }
                self.removing = false;
                self.latch = false;
                self.host.send(Input::KillSwitchLatchRemoved)
            }
            Event::Tried(answered) => self.host.send(Input::DependencyTried { index: 0, answered }),
            Event::Dependency(up) => self.host.send(Input::Dependency { index: 0, up, evidence: String::new() }),
            Event::Trigger(on) if on => {
                self.host.send(Input::Trigger { trigger: Trigger::Capital, evidence: "off".to_owned() })
            }
            Event::Usage(one, other, cpu) => {
                let usage = |index: usize, mb: u64| Usage {
                    slot: slot(index),
                    instance: instance(index),
                    memory_bytes: mb * 1_000_000,
                    cpu_hundredths: Some(cpu),
                    processes: 1,
                    files: Some(10),
                };
                let sample = vec![usage(0, one), usage(1, other)];
                self.host.send(Input::Usage(sample))
            }
            Event::OutOfMemory(index) => {
                let (slot, instance) = (slot(index), instance(index));
                self.host.send(Input::OutOfMemory { slot, instance, certainty: OutOfMemory::Probable })
            }
            Event::Trigger(_) => self.host.send(Input::TriggerPassed(Trigger::Capital)),
            Event::Day => self.host.send(Input::TradingDay),
            Event::Reload => self.host.send(Input::ReloadRequested),
            Event::Configure(number) => self.configure(number),
            Event::Hook(hook) => {
                let instance = instance(0);
                let outcome = HookOutcome::Ended(Exit::Status(0));
                self.host.send(Input::HookEnded { slot: slot(0), instance, hook, outcome })
            }
            Event::Jump => self.host.send(Input::ClockJumped { by: SECOND, evidence: "slept".to_owned() }),
            Event::Fail(last_words) => {
                self.failed = true;
                self.host.send(storage_failed("EIO", last_words))
            }
            Event::Crash => {
                let kill_switch = self.latch.then(|| ("o".to_owned(), "r".to_owned()));
                let latches = std::mem::take(&mut self.latches);
                let before = self.host.log.len();
                let fold = self.durable_fold();
                self.removing = false;
                self.failed = false;
                self.checked = false;
                self.host.exit = None;
                let policy = self.host.policy.clone();
                let mut replayed = Core::new(policy);
                for (ticket, record) in &self.host.journal {
                    if *ticket <= self.host.durable {
                        replayed.replay(&over_the_wire(record));
                    }
                }
                assert_eq!(replayed.recorded(), &fold);
                self.host.crash_and_start(|epoch| Start {
                    kill_switch,
                    latches,
                    unclean: Some(Unclean::default()),
                    ..plain(epoch)
                });
                self.host.log[before..].to_vec()
            }
        };
        for effect in effects {
            match effect {
                Effect::WriteKillSwitchLatch { .. } => self.latch = true,
                Effect::RemoveKillSwitchLatch => self.removing = true,
                Effect::Latch(halt) => self.latches.push((halt.cause, halt.evidence)),
                Effect::RemoveLatches => {}
                Effect::Publish(page) => self.judge_page(&page),
                Effect::Alert(alert) => self.judge_alert(&alert),
                _ => {}
            }
        }
    }

    fn configure(&mut self, number: u64) -> Vec<Effect> {
        let mut policy = self.host.core.policy().clone();
        policy.health.market_data_max_age = Duration::from_secs(number);
        policy.failsafe.market_data_max_age = Duration::from_secs(number * 2);
        policy.limits.memory_max = (!number.is_multiple_of(3)).then_some(number * 100_000_000);
        policy.components[0].limits.memory_max = Some(number * 50_000_000);
        policy.components[0].progress_within = (!number.is_multiple_of(2)).then_some(Duration::from_secs(number));
        policy.components[1].essential = number.is_multiple_of(4);
        // What a start after a crash has is what its file says: here, the last one that was written.
        let policy = with_emergencies(policy);
        self.host.policy = policy.clone();
        let change = ConfigChange { by: "a test".to_owned(), ..ConfigChange::default() };
        self.host.send(Input::Configure(Box::new(Configuration { policy, change })))
    }

    /// One trigger for each key, over crashes and replays; one end, after it; nothing for what is never told.
    fn judge_alert(&mut self, alert: &Alert) {
        let told = self.told.get(&alert.id).copied();
        match &alert.change {
            AlertChange::Trigger => {
                assert_eq!(told, None, "told twice: {alert:?}");
                assert_ne!(alert.id.subject.row().when, When::Never, "{alert:?}");
                self.told.insert(alert.id.clone(), Told::Open);
            }
            // A core that died before it could tell is not told of by the next one: its host asks for what stands.
            AlertChange::Recovered => assert_ne!(told, Some(Told::Over), "{alert:?}"),
            AlertChange::Resolve(_) => {
                assert_ne!(told, Some(Told::Over), "over twice: {alert:?}");
                self.told.insert(alert.id.clone(), Told::Over);
            }
        }
        if let Some(halt) = &alert.halt {
            assert_eq!(alert.id.halt, Some(halt.id));
            assert_eq!(alert.id.subject, Subject::Halt(halt.cause));
        }
    }

    /// What a host that delivers reconciles: what stands and is told has a key that was never over, and the other way
    /// round whatever is listed stands.
    fn judge_list(&self) {
        for alert in self.host.core.alerts() {
            assert_ne!(self.told.get(&alert.id), Some(&Told::Over), "listed although over: {alert:?}");
            if let Some(halt) = &alert.halt {
                assert!(self.host.core.recorded().halts.contains_key(&halt.id));
            }
        }
        let listed: Vec<AlertId> = self.host.core.alerts().into_iter().map(|alert| alert.id).collect();
        if self.failed || self.host.exit.is_some() {
            return;
        }
        for halt in self.host.core.recorded().halts.values() {
            // The switch stands on after its release is durable, until its latch is gone.
            if alert_row(halt.cause).when != When::AtOnce || halt.cause == Cause::KillSwitch {
                continue;
            }
            let clearing = self.host.journal.iter().any(|(ticket, record)| {
                *ticket > self.host.durable && matches!(record, Record::HaltCleared { id, .. } if *id == halt.id)
            });
            let is_listed = listed.iter().any(|id| id.halt == Some(halt.id));
            assert_eq!(is_listed, !clearing, "{halt:?}");
        }
    }

    fn judge_page(&self, page: &Page) {
        assert!(page.deadline <= self.host.now.plus(2 * SECOND), "a lease longer than the lease");
        let fold = self.durable_fold();
        assert_eq!(fold.epoch, Epoch(self.host.epoch), "a permit before its epoch was durable");
        if self.latch && !self.removing {
            assert!(page.rights.iter().all(|rights| !rights.open && !rights.reduce), "open under the latch");
        }
        let granted = page.rights.iter().any(|rights| rights.open || rights.reduce);
        assert!(self.checked || !granted, "rights before the checks passed");
        let allowed = Rights::of(fold.permission(), Mode::Live.min(fold.ceremony));
        for (slot, rights) in page.rights.iter().enumerate() {
            assert!(rights.within(allowed), "slot {slot}: more rights than the durable journal allows");
        }
    }

    fn judge(&self) {
        let durable = self.durable_fold();
        let now = self.host.core.recorded();
        assert!(
            now.permission() <= durable.permission() || self.host.exit.is_some(),
            "permission above the durable journal"
        );
        assert!(now.ceremony <= durable.ceremony);
        assert!(
            self.host.core.permission()
                == now
                    .halts
                    .values()
                    .filter(|halt| halt.scope == Scope::System)
                    .map(|halt| halt.cap)
                    .min()
                    .unwrap_or(Permission::Active)
        );
        assert!(now.contradiction.is_none() && durable.contradiction.is_none());
        if let Some(deadline) = self.host.core.next_deadline() {
            assert!(deadline > self.host.now || self.host.exit.is_some());
        }
        if let Some(page) = self.host.core.page() {
            let rights = Rights::of(now.permission(), self.host.core.mode());
            assert!(page.rights.iter().all(|slot| slot.within(rights)), "the page lags behind a closing");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recovered_state_is_the_replay_of_what_was_durable(events in prop::collection::vec(event(), 1..120), two_key in any::<bool>()) {
        let mut world = World::new(two_key);
        for event in events {
            world.take(event);
            world.judge();
            world.judge_list();
        }
        // Everything settles: the latch is removed where that was ordered, and all is durable.
        if !world.failed && world.host.exit.is_none() {
            for _ in 0..4 {
                world.take(Event::LatchGone);
                world.take(Event::Durable(255));
            }
            prop_assert_eq!(world.host.core.recorded(), &world.durable_fold());
        }
    }
}
