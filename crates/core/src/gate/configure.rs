//! Other limits while running: what is tighter holds at once, the rest when the host says that the record of the change is durable.
//! What is counted, held and remembered stays as it is; the journal's records mean the same under any limits.

use crate::gate::Gate;
use crate::gate::limit::{LimitName, Limits};
use crate::gate::policy::{ComponentRules, GatePolicy, InstrumentPolicy};

impl GatePolicy {
    /// Whether `other` may take this one's place while the gate runs: the same components, accounts and instruments, counted in the
    /// same way. Everything else is limits.
    pub fn may_become(&self, other: &Self) -> bool {
        let same = |(ours, theirs): (&InstrumentPolicy, &InstrumentPolicy)| {
            ours.name == theirs.name
                && (ours.quantity, ours.price) == (theirs.quantity, theirs.price)
                && (ours.contract, ours.quote, ours.margin) == (theirs.contract, theirs.quote, theirs.margin)
                && ours.sources == theirs.sources
        };
        (self.money, self.shared_rates) == (other.money, other.shared_rates)
            && self.accounts == other.accounts
            && self.components.len() == other.components.len()
            && self.components.iter().zip(&other.components).all(|(ours, theirs)| ours.name == theirs.name)
            && self.instruments.len() == other.instruments.len()
            && self.instruments.iter().zip(&other.instruments).all(same)
    }

    /// This policy with everything in which `new` is tighter.
    fn tightest(&self, new: &Self) -> Self {
        Self {
            money: self.money,
            components: self.components.iter().zip(&new.components).map(|(old, new)| of_component(old, new)).collect(),
            accounts: self.accounts.clone(),
            instruments: self
                .instruments
                .iter()
                .zip(&new.instruments)
                .map(|(old, new)| of_instrument(old, new))
                .collect(),
            system: of_limits(&self.system, &new.system),
            user: of_limits(&self.user, &new.user),
            price_max_age: self.price_max_age.min(new.price_max_age),
            price_deviation: self.price_deviation.min(new.price_deviation),
            position_max_age: self.position_max_age.min(new.position_max_age),
            equity_max_age: self.equity_max_age.min(new.equity_max_age),
            confirm_within: self.confirm_within.min(new.confirm_within),
            shared_rates: self.shared_rates,
        }
    }
}

fn of_component(old: &ComponentRules, new: &ComponentRules) -> ComponentRules {
    let instruments = match (&old.instruments, &new.instruments) {
        (Some(old), Some(new)) => Some(old.intersection(new).copied().collect()),
        (one, other) => one.as_ref().or(other.as_ref()).cloned(),
    };
    ComponentRules { name: old.name.clone(), limits: of_limits(&old.limits, &new.limits), instruments }
}

fn of_instrument(old: &InstrumentPolicy, new: &InstrumentPolicy) -> InstrumentPolicy {
    InstrumentPolicy {
        limits: of_limits(&old.limits, &new.limits),
        required: old.required.max(new.required),
        ..old.clone()
    }
}

fn of_limits(old: &Limits, new: &Limits) -> Limits {
    LimitName::ALL.into_iter().fold(old.clone(), |limits, name| {
        if name.tightens(old.get(name), new.get(name)) { limits.with(name, new.get(name)) } else { limits }
    })
}

impl Gate {
    /// Whatever is tighter in `policy` holds from here on. A policy that [may not](GatePolicy::may_become) take the place of this one
    /// changes nothing; whether it may.
    pub fn tighten(&mut self, policy: &GatePolicy) -> bool {
        let tightest = self.setup.policy.tightest(policy);
        self.setup.policy.may_become(policy) && self.take_policy(tightest)
    }

    /// Everything in `policy` holds from here on: the record of the change is durable. As [`Gate::tighten`] otherwise.
    pub fn adopt(&mut self, policy: GatePolicy) -> bool {
        self.setup.policy.may_become(&policy) && self.take_policy(policy)
    }

    fn take_policy(&mut self, policy: GatePolicy) -> bool {
        if policy.check().is_err() {
            return false;
        }
        for (feed, instrument) in self.feeds.iter_mut().zip(&policy.instruments) {
            feed.require(instrument);
        }
        self.setup.policy = policy;
        true
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a failed setup fails the test")]
    use super::*;
    use crate::gate::limit::Limit;
    use crate::gate::policy::{Contract, Margin, Quote, SharedRates};
    use crate::id::ComponentName;
    use core::time::Duration;
    use failstop_amount::{Amount, Scale};
    use std::collections::BTreeSet;

    fn scale(decimals: u8) -> Scale {
        Scale::new(decimals).expect("a scale")
    }

    fn policy(position: Limit, buffer: Limit, required: usize, instruments: Option<&[usize]>) -> GatePolicy {
        let instrument = |name: &str| InstrumentPolicy {
            name: name.to_owned(),
            quantity: scale(8),
            price: scale(2),
            contract: Contract::Linear { size: Amount::from_units(1, scale(0)) },
            quote: Quote::Money,
            margin: Margin::Spot,
            limits: Limits::WAIVED,
            sources: vec!["a".to_owned(), "b".to_owned()],
            required,
        };
        GatePolicy {
            money: scale(2),
            components: vec![ComponentRules {
                name: ComponentName("bot".to_owned()),
                limits: Limits::WAIVED,
                instruments: instruments.map(|list| list.iter().copied().collect()),
            }],
            accounts: vec!["main".to_owned()],
            instruments: vec![instrument("BTC/USDT"), instrument("ETH/USDT")],
            system: Limits::WAIVED.with(LimitName::Position, position).with(LimitName::LiquidationBuffer, buffer),
            user: Limits::WAIVED,
            price_max_age: Duration::from_secs(5),
            price_deviation: 5_000,
            position_max_age: Duration::from_secs(300),
            equity_max_age: Duration::from_secs(300),
            confirm_within: Duration::from_secs(120),
            shared_rates: SharedRates::Off,
        }
    }

    #[test]
    fn what_is_tighter_holds_at_once_and_the_rest_with_the_record() {
        let set = Limit::Set;
        let mut gate = Gate::new(policy(set(100), set(5), 1, None)).expect("a gate");
        let new = policy(set(900), set(7), 2, Some(&[1]));
        assert!(gate.tighten(&new));
        let now = gate.policy().clone();
        assert_eq!(now.system.get(LimitName::Position), set(100), "a higher limit waits");
        assert_eq!(now.system.get(LimitName::LiquidationBuffer), set(7), "a wider buffer does not");
        assert_eq!((now.instruments[0].required, gate.feeds[0].required()), (2, 2));
        assert_eq!(now.components[0].instruments, Some(BTreeSet::from([1])));
        assert!(gate.adopt(new.clone()));
        assert_eq!(gate.policy(), &new);
        // And back.
        let old = policy(Limit::Waived, Limit::Waived, 1, None);
        assert!(gate.tighten(&old));
        assert_eq!(gate.policy(), &new, "nothing of it is tighter");
        assert!(gate.adopt(old.clone()));
        assert_eq!((gate.policy(), gate.feeds[0].required()), (&old, 1));
    }

    #[test]
    fn a_policy_for_other_instruments_changes_nothing() {
        let base = policy(Limit::Set(100), Limit::Waived, 1, None);
        let mut gate = Gate::new(base.clone()).expect("a gate");
        let mut renamed = policy(Limit::Set(1), Limit::Waived, 1, None);
        renamed.instruments[1].name = "SOL/USDT".to_owned();
        let mut finer = policy(Limit::Set(1), Limit::Waived, 1, None);
        finer.instruments[0].price = scale(3);
        let mut fewer = policy(Limit::Set(1), Limit::Waived, 1, None);
        fewer.accounts.clear();
        for other in [renamed, finer, fewer] {
            assert!(!gate.tighten(&other) && !gate.adopt(other));
            assert_eq!(gate.policy(), &base);
        }
    }
}
