//! Reading a configuration again while running: who is asked to, who says so of itself, and by when it must be ready again.
//! And who a component's main process is, once it says that it is another one.
//!
//! A reload takes nothing from a component: it stays ready, its beats are required as ever. What is judged is its end.

use crate::component::{Component, Phase};
use crate::effect::Effect;
use crate::hindrance::Hindrance;
use crate::id::Slot;
use crate::machine::Core;
use crate::operator::Asked;
use crate::policy::Reload;
use crate::record::Record;
use crate::time::Monotonic;
use crate::turn::{Turn, clip, one_line};

/// A reload under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reloading {
    /// When it was asked for, or when the component said that it began.
    pub begun: Monotonic,
    /// By when it must be ready again.
    pub deadline: Monotonic,
    /// Whether the component has said that it reloads, so that `READY=1` ends this and nothing older.
    pub announced: bool,
}

/// The longest account of a failure that is kept, in bytes.
const FAILING_MAX_BYTES: usize = 256;

impl Core {
    /// An operator wants a component to read its configuration again.
    pub(crate) fn order_reload(&mut self, turn: &mut Turn<'_>, asked: Asked, slot: Slot) {
        let Some((index, name)) = self.ordered(slot) else { return self.no_such(turn, asked, "reload component") };
        let mut refusals = Vec::new();
        if self.policy.components.get(index).is_none_or(|policy| policy.reload.is_none()) {
            refusals.push(format!(
                "component {} has no `reload_signal`: set it if it knows one, or use `failstop restart {}`",
                name.0, name.0
            ));
        }
        if !self.components.get(index).is_some_and(Component::is_ready) {
            let why = self.hindrance(index).map_or("not ready", Hindrance::state);
            refusals.push(format!("component {} is {why}: only a ready one can reload; see `failstop status`", name.0));
        }
        if self.components.get(index).is_some_and(|component| component.reload.is_some()) {
            refusals.push(format!("component {} reloads already; see `failstop status`", name.0));
        }
        if !refusals.is_empty() {
            self.refuse(turn, asked, "reload component", refusals);
            return;
        }
        self.begin_reload(turn, index);
        let order = format!("reload component {}", name.0);
        let ticket = self.record(turn, Record::OperatorOrder { order, by: asked.by, reason: asked.reason });
        self.answer_when_durable(turn, asked.request, ticket);
    }

    /// Every ready component that can is asked to reload.
    pub(crate) fn reload_all(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.components.len() {
            let wants = self.policy.components.get(index).is_some_and(|policy| policy.reload.is_some());
            let can = self.components.get(index).is_some_and(|one| one.is_ready() && one.reload.is_none());
            if wants && can {
                self.begin_reload(turn, index);
            }
        }
    }

    fn begin_reload(&mut self, turn: &mut Turn<'_>, index: usize) {
        let (Some(component), Some(policy), Some(slot)) =
            (self.components.get_mut(index), self.policy.components.get(index), Slot::component(index))
        else {
            return;
        };
        match policy.reload {
            Some(Reload::Announced) => {
                let deadline = turn.now.plus(policy.start_period);
                component.reload = Some(Reloading { begun: turn.now, deadline, announced: false });
            }
            // Nobody will say when it is over.
            Some(Reload::Signal) => {}
            None => return,
        }
        self.dirty = true;
        turn.push(Effect::Reload { slot, instance: component.instance });
    }

    /// It says that it reloads, since then by its own account. An account from before it was asked is of an earlier reload.
    pub(crate) fn announced_reload(&mut self, turn: &mut Turn<'_>, index: usize, since: Option<Monotonic>) {
        let since = since.map(|since| since.plus(self.life.lag));
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        if !component.is_ready() {
            return;
        }
        match &mut component.reload {
            Some(reload) if since.is_some_and(|since| since < reload.begun) => return,
            Some(reload) if reload.announced => return,
            Some(reload) => reload.announced = true,
            None => {
                let deadline = turn.now.plus(policy.start_period);
                component.reload = Some(Reloading { begun: turn.now, deadline, announced: true });
            }
        }
        let (name, instance) = (policy.name.clone(), component.instance);
        self.dirty = true;
        self.record(turn, Record::ComponentReloading { component: name, instance });
    }

    /// A ready component says that it is ready: its reload is over, if one was announced.
    pub(crate) fn reload_over(&mut self, turn: &mut Turn<'_>, index: usize) {
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        let Some(reload) = component.reload.filter(|reload| reload.announced) else { return };
        component.reload = None;
        let (name, instance) = (policy.name.clone(), component.instance);
        self.dirty = true;
        let after_ms = u64::try_from(turn.now.since(reload.begun).as_millis()).unwrap_or(u64::MAX);
        self.record(turn, Record::ComponentReloaded { component: name, instance, after_ms });
    }

    /// What it says of its failure: kept for the record of its end, the last of each kind that fits.
    pub(crate) fn says_it_fails(&mut self, index: usize, what: &str) {
        let Some(component) = self.components.get_mut(index) else { return };
        let what = one_line(what);
        let said = match component.failing.take() {
            Some(before) if before != what => format!("{before}, {what}"),
            Some(_) | None => what,
        };
        component.failing = Some(clip(said, FAILING_MAX_BYTES));
    }

    /// Another process of its tree is its main process from now on.
    pub(crate) fn main_changed(&mut self, turn: &mut Turn<'_>, index: usize, pid: u32) {
        let (Some(component), Some(policy)) = (self.components.get_mut(index), self.policy.components.get(index))
        else {
            return;
        };
        match component.phase {
            Phase::Starting { .. } | Phase::Ready | Phase::Stopping { .. } => {}
            // Its end is settled: what is left of the tree goes with it.
            Phase::Killing { .. } | Phase::Leaving { .. } | Phase::Down | Phase::Waiting { .. } => return,
        }
        if component.pid == Some(pid) {
            return;
        }
        let from = component.pid.replace(pid);
        let (name, instance) = (policy.name.clone(), component.instance);
        self.dirty = true;
        self.record(turn, Record::ComponentMainChanged { component: name, instance, from, pid });
    }
}
