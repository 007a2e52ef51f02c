//! Orders between their intent and their end: which fit their parents, what was filled of them, and which are in doubt.

use super::check::{Check, Violation};
use super::declared::{Declared, amount, sum};
use super::entry::{Fill, ID_MAX, OrderIntent, OrderOutcome, OrderResolved, Outcome};
use crate::time::Wall;
use failstop_amount::{Amount, Scale};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most orders that are open at a time.
pub const ORDERS_MAX: usize = 4096;

/// Why nobody knows what became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The engine ended between its intent and its outcome.
    EngineGone,
    /// Its component ended between its intent and its outcome.
    ComponentGone,
    /// Its bot said that it does not know (a time-out).
    Unknown,
    /// It is older than its own time and has no outcome.
    Overdue,
}

/// An open order: its intent was recorded, its end was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What was recorded of it.
    pub intent: OrderIntent,
    /// The intent's record.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its time.
    pub time: Wall,
    /// What is known of it: nothing yet, `accepted` or `unknown`.
    pub outcome: Option<Outcome>,
    /// The venue's id of it, where it was told.
    pub venue_id: Option<String>,
    /// Why it is in doubt, where something that happened makes it so.
    pub doubt: Option<Doubt>,
    /// What was filled of it, in units of the instrument.
    pub filled: i128,
    /// What its open children ask for and its ended ones filled, in units of the instrument.
    pub children: i128,
}

impl Order {
    /// Why it is in doubt at this time, if it is.
    pub fn doubt_at(&self, now: Wall) -> Option<Doubt> {
        let overdue = || {
            let valid = self.intent.valid_ms?.checked_mul(1_000_000)?;
            (self.outcome.is_none() && now.0 >= self.time.0.saturating_add(valid)).then_some(Doubt::Overdue)
        };
        self.doubt.or_else(overdue)
    }
}

/// The open orders, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    pub open: BTreeMap<String, Order>,
}

/// Whether an outcome says anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Already,
    New,
}

/// What a weighed intent changes beside itself: its parent.
#[derive(Clone, Debug, Default)]
pub(crate) struct IntentChange {
    children: Option<i128>,
}

/// What a weighed fill changes at its order.
#[derive(Clone, Debug)]
pub(crate) struct FillChange {
    order: String,
    filled: i128,
}

impl Orders {
    pub fn weigh_intent(&self, declared: &Declared, intent: &OrderIntent) -> Result<IntentChange, Violation> {
        let id = &intent.id;
        is_id(id)?;
        if self.open.len() >= ORDERS_MAX {
            let detail = format!("{ORDERS_MAX} orders are open, which is the most: report what became of them");
            return Err(Violation::new(Check::Bound, id, detail));
        }
        if let Some(account) = &intent.account {
            declared.account(account)?;
        }
        let quantity = quantity(declared, intent)?;
        if let Some(price) = &intent.price {
            let Some(instrument) = &intent.instrument else {
                return Err(Violation::new(Check::Amount, id, "a price needs its instrument"));
            };
            amount(id, "price", price, declared.instrument(instrument)?.1.price)?;
        }
        let Some(parent) = &intent.parent else { return Ok(IntentChange::default()) };
        let Some(parent) = self.open.get(parent) else {
            return Err(Violation::new(Check::OrderChildren, id, format!("its parent {parent:?} is no open order")));
        };
        self.child(declared, intent, quantity, parent)
    }

    fn child(
        &self,
        declared: &Declared,
        intent: &OrderIntent,
        quantity: Option<Amount>,
        parent: &Order,
    ) -> Result<IntentChange, Violation> {
        let (id, above) = (&intent.id, &parent.intent);
        let wrong = |detail: String| Err(Violation::new(Check::OrderChildren, id, detail));
        if (&intent.account, &intent.instrument, intent.side) != (&above.account, &above.instrument, above.side) {
            return wrong(format!("has another account, instrument or side than its parent {:?}", above.id));
        }
        let (Some(quantity), Some(whole)) = (quantity, self::quantity(declared, above)?) else {
            return wrong("a child and its parent both need a quantity".to_owned());
        };
        let children = sum(id, parent.children, quantity.units())?;
        if children > whole.units() {
            let over = Amount::from_units(children - whole.units(), whole.scale());
            let all = Amount::from_units(children, whole.scale());
            let detail = format!("the children of {:?} ask for {all} together, and it for {whole}", above.id);
            return Err(Violation::new(Check::OrderChildren, id, detail).by(over));
        }
        Ok(IntentChange { children: Some(children) })
    }

    pub fn commit_intent(&mut self, intent: &OrderIntent, change: IntentChange, seq: u64, epoch: u64, time: Wall) {
        if let (Some(parent), Some(children)) = (&intent.parent, change.children)
            && let Some(parent) = self.open.get_mut(parent)
        {
            parent.children = children;
        }
        let order = Order {
            intent: intent.clone(),
            seq,
            epoch,
            time,
            outcome: None,
            venue_id: None,
            doubt: None,
            filled: 0,
            children: 0,
        };
        self.open.insert(intent.id.clone(), order);
    }

    pub fn weigh_outcome(&self, said: &OrderOutcome) -> Result<Known, Violation> {
        is_id(&said.id)?;
        let order = self.known(&said.id)?;
        if let Some(venue) = &said.venue_id {
            is_id(venue)?;
        }
        let same = order.outcome == Some(said.outcome) && (said.venue_id.is_none() || said.venue_id == order.venue_id);
        Ok(if same { Known::Already } else { Known::New })
    }

    pub fn weigh_resolved(&self, resolved: &OrderResolved) -> Result<(), Violation> {
        is_id(&resolved.id)?;
        self.known(&resolved.id)?;
        if resolved.outcome == Outcome::Unknown {
            let detail = "\"unknown\" resolves nothing: say what became of it, or leave it in doubt";
            return Err(Violation::new(Check::Order, &resolved.id, detail));
        }
        Ok(())
    }

    fn known(&self, id: &str) -> Result<&Order, Violation> {
        let unknown = || {
            Violation::new(
                Check::Order,
                id,
                "no order with this id is open: it has no recorded intent, or it has ended",
            )
        };
        self.open.get(id).ok_or_else(unknown)
    }

    /// Takes what became of an order. What leaves nothing open is forgotten.
    pub fn commit_outcome(&mut self, declared: &Declared, id: &str, outcome: Outcome, venue_id: Option<&String>) {
        if outcome.is_final() {
            return self.end(declared, id);
        }
        let Some(order) = self.open.get_mut(id) else { return };
        order.outcome = Some(outcome);
        order.doubt = (outcome == Outcome::Unknown).then_some(Doubt::Unknown);
        if let Some(venue_id) = venue_id {
            order.venue_id = Some(venue_id.clone());
        }
    }

    /// An ended child asks its parent for no more than was filled of it.
    fn end(&mut self, declared: &Declared, id: &str) {
        let Some(order) = self.open.remove(id) else { return };
        let asked = quantity(declared, &order.intent).ok().flatten();
        if let (Some(parent), Some(asked)) = (&order.intent.parent, asked)
            && let Some(parent) = self.open.get_mut(parent)
        {
            parent.children = parent.children.saturating_sub(asked.units()).saturating_add(order.filled);
        }
    }

    /// A fill of an open order stays within it. One of an order that has ended, or was never told of, is not held against any.
    pub fn weigh_fill(
        &self,
        declared: &Declared,
        fill: &Fill,
        filled: Amount,
    ) -> Result<Option<FillChange>, Violation> {
        let Some((id, order)) = fill.order.as_ref().and_then(|id| self.open.get_key_value(id)) else { return Ok(None) };
        let intent = &order.intent;
        let fits = intent.account.as_ref().is_none_or(|account| *account == fill.account)
            && intent.instrument.as_ref().is_none_or(|instrument| *instrument == fill.instrument)
            && intent.side.is_none_or(|side| side == fill.side);
        if !fits {
            let detail = format!("is of another account, instrument or side than its order {id:?}");
            return Err(Violation::new(Check::OrderFills, &fill.id, detail));
        }
        let all = sum(id, order.filled, filled.units())?;
        if let Some(asked) = quantity(declared, intent)?
            && all > asked.units()
        {
            let over = Amount::from_units(all - asked.units(), asked.scale());
            let all = Amount::from_units(all, asked.scale());
            let detail = format!("{all} of order {id:?} would be filled, which asked for {asked}");
            return Err(Violation::new(Check::OrderFills, &fill.id, detail).by(over));
        }
        Ok(Some(FillChange { order: id.clone(), filled: all }))
    }

    /// A fill also proves that the order had reached the venue.
    pub fn commit_fill(&mut self, change: FillChange) {
        if let Some(order) = self.open.get_mut(&change.order) {
            order.filled = change.filled;
            order.outcome = Some(Outcome::Accepted);
            order.doubt = None;
        }
    }

    /// The engine began anew: whoever was to tell the outcome of these may be gone.
    pub fn engine_gone(&mut self) {
        for order in self.open.values_mut().filter(|order| order.outcome.is_none()) {
            order.doubt = Some(Doubt::EngineGone);
        }
    }

    /// A component ended.
    pub fn component_gone(&mut self, component: &str) {
        let of_it = |order: &&mut Order| order.intent.component.as_deref() == Some(component);
        for order in self.open.values_mut().filter(|order| order.outcome.is_none()).filter(of_it) {
            order.doubt.get_or_insert(Doubt::ComponentGone);
        }
    }
}

/// The quantity that an order asks for, above zero.
pub(crate) fn quantity(declared: &Declared, intent: &OrderIntent) -> Result<Option<Amount>, Violation> {
    let Some(instrument) = &intent.instrument else {
        return match &intent.quantity {
            Some(_) => Err(Violation::new(Check::Amount, &intent.id, "a quantity needs its instrument")),
            None => Ok(None),
        };
    };
    let scale = declared.instrument(instrument)?.1.quantity;
    intent.quantity.as_ref().map(|text| above_zero(&intent.id, text, scale)).transpose()
}

/// Reads a quantity, which is above zero.
pub(crate) fn above_zero(subject: &str, text: &str, scale: Scale) -> Result<Amount, Violation> {
    let quantity = amount(subject, "quantity", text, scale)?;
    if quantity.units() <= 0 {
        return Err(Violation::new(
            Check::Amount,
            subject,
            format!("the quantity is {quantity}; it must be above zero"),
        ));
    }
    Ok(quantity)
}

/// Whether a text may be an outside id: 1 to [`ID_MAX`] bytes, no control characters.
pub(crate) fn is_id(id: &str) -> Result<(), Violation> {
    if id.is_empty() || id.len() > ID_MAX || id.chars().any(char::is_control) {
        let shown: String = id.chars().take(ID_MAX).collect();
        let detail = format!("an id has 1 to {ID_MAX} bytes and no control characters");
        return Err(Violation::new(Check::Bound, shown, detail));
    }
    Ok(())
}
