//! The policy made ready: names found fast, texts read at the right scale.

use crate::gate::fact::{FactError, What};
use crate::gate::index::Index;
use crate::gate::limit::{Limit, LimitName, Limits, Scope};
use crate::gate::order::{Placed, ShortText, fingerprint, leverage, positive};
use crate::gate::overrides::{Of, Whose};
use crate::gate::policy::{GatePolicy, InstrumentPolicy, PolicyError};
use crate::gate::record::OrderText;
use crate::gate::valuation::Valuation;
use crate::id::Slot;
use failstop_amount::{Amount, Scale};

/// The policy, with what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub policy: GatePolicy,
    pub valuations: Vec<Valuation>,
    /// By the fingerprint of the name.
    instruments: Index,
}

impl Setup {
    pub fn new(policy: GatePolicy) -> Result<Self, PolicyError> {
        policy.check()?;
        let mut instruments = Index::new(policy.instruments.len());
        for (index, instrument) in policy.instruments.iter().enumerate() {
            instruments.add(fingerprint(&instrument.name), index);
        }
        let valuations = policy.instruments.iter().map(Valuation::of).collect();
        Ok(Self { policy, valuations, instruments })
    }

    pub fn instrument(&self, name: &str) -> Option<usize> {
        let is_it =
            |index: &usize| self.policy.instruments.get(*index).is_some_and(|instrument| instrument.name == name);
        self.instruments.places(fingerprint(name)).find(is_it)
    }

    pub fn account(&self, name: &str) -> Option<usize> {
        self.policy.accounts.iter().position(|other| other == name)
    }

    pub fn component(&self, name: &str) -> Option<u8> {
        let found = self.policy.components.iter().position(|component| component.name.0 == name)?;
        u8::try_from(found).ok()
    }

    /// The component in a slot; `Err` where there is none, and `Ok(None)` for the system's own.
    pub fn slot(&self, slot: Slot) -> Result<Option<u8>, ()> {
        match slot.index() {
            None => Ok(None),
            Some(index) if index < self.policy.components.len() => u8::try_from(index).map(Some).map_err(|_| ()),
            Some(_) => Err(()),
        }
    }

    pub fn at(&self, instrument: usize) -> Option<(&InstrumentPolicy, &Valuation)> {
        Some((self.policy.instruments.get(instrument)?, self.valuations.get(instrument)?))
    }

    /// What is configured for a limit of somebody.
    pub fn configured(&self, limit: LimitName, of: &Whose<'_>) -> Limit {
        let limits: Option<&Limits> = match of {
            Of::System => Some(&self.policy.system),
            Of::Instrument(index) => self.policy.instruments.get(*index).map(|instrument| &instrument.limits),
            Of::Component(index) => self.policy.components.get(usize::from(*index)).map(|component| &component.limits),
            Of::User(_) => Some(&self.policy.user),
        };
        limits.map_or(Limit::Waived, |limits| limits.get(limit))
    }

    /// Whose limit, by name.
    pub fn of(&self, scope: Scope, name: Option<&str>) -> Result<Of, FactError> {
        match (scope, name) {
            (Scope::System, None) => Ok(Of::System),
            (Scope::Instrument, Some(name)) => {
                self.instrument(name).map(Of::Instrument).ok_or(FactError::Unknown(What::Instrument))
            }
            (Scope::Component, Some(name)) => {
                self.component(name).map(Of::Component).ok_or(FactError::Unknown(What::Component))
            }
            (Scope::User, Some(name)) => ShortText::of(name).map(Of::User).ok_or(FactError::Invalid(What::User)),
            (Scope::System, Some(_)) | (Scope::Instrument | Scope::Component | Scope::User, None) => {
                Err(FactError::Misplaced)
            }
        }
    }

    /// The scale of an instrument's quantities, where a limit is of one.
    pub fn quantity_scale(&self, of: &Of) -> Scale {
        match of {
            Of::Instrument(index) => self.at(*index).map(|(instrument, _)| instrument.quantity),
            Of::System | Of::Component(_) | Of::User(_) => None,
        }
        .unwrap_or(crate::gate::limit::COUNT_SCALE)
    }

    pub fn place(&self, account: &str, instrument: &str) -> Result<(usize, usize), FactError> {
        let account = self.account(account).ok_or(FactError::Unknown(What::Account))?;
        let instrument = self.instrument(instrument).ok_or(FactError::Unknown(What::Instrument))?;
        Ok((account, instrument))
    }

    pub fn price(&self, instrument: usize, text: &str) -> Result<u128, FactError> {
        let scale = self.at(instrument).map(|(instrument, _)| instrument.price);
        scale.and_then(|scale| positive(text, scale)).ok_or(FactError::Invalid(What::Price))
    }

    pub fn quantity(&self, instrument: usize, text: &str) -> Result<u128, FactError> {
        let scale = self.at(instrument).map(|(instrument, _)| instrument.quantity);
        scale.and_then(|scale| positive(text, scale)).ok_or(FactError::Invalid(What::Quantity))
    }

    pub fn signed_quantity(&self, instrument: usize, text: &str) -> Result<i128, FactError> {
        let scale = self.at(instrument).map(|(instrument, _)| instrument.quantity);
        let read = scale.and_then(|scale| Amount::parse(text, scale).ok());
        read.map(Amount::units).filter(|units| *units != i128::MIN).ok_or(FactError::Invalid(What::Quantity))
    }

    pub fn money(&self, text: &str) -> Result<i128, FactError> {
        Amount::parse(text, self.policy.money).map(Amount::units).map_err(|_| FactError::Invalid(What::Money))
    }

    /// An amount of money for people and for records; what is beyond counting shows as the most that there is.
    pub fn shown(&self, units: u128) -> Amount {
        shown(units, self.policy.money)
    }

    /// An order of the journal.
    pub fn placed(&self, order: &OrderText, paper: bool) -> Result<Placed, FactError> {
        let (account, instrument) = self.place(&order.account, &order.instrument)?;
        let name = |text: &str| ShortText::of(text).ok_or(FactError::Invalid(What::Id));
        Ok(Placed {
            client: name(&order.client_id)?,
            // A component that is not configured any more is nobody's; the account's own numbers stay whole.
            component: order.component.as_deref().and_then(|component| self.component(component)),
            user: order.user.as_deref().map(name).transpose()?,
            account,
            instrument,
            kind: order.kind,
            side: order.side,
            quantity: self.quantity(instrument, &order.quantity)?,
            price: order.price.as_deref().map(|price| self.price(instrument, price)).transpose()?,
            leverage: match order.leverage.as_deref() {
                Some(text) => Some(leverage(text).ok_or(FactError::Invalid(What::Leverage))?),
                None => None,
            },
            paper,
        })
    }
}

/// Units at a scale, as an amount.
pub(crate) fn shown(units: u128, scale: Scale) -> Amount {
    Amount::from_units(i128::try_from(units).unwrap_or(i128::MAX), scale)
}
