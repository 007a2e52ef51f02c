//! The policy that the gate decides by, made of every section that has a part in it; and what contradicts itself in them.

use super::limits::{LimitSection, Written};
use super::{ContractKind, MarginKind};
use crate::config::Config;
use crate::config::books::{Instrument, Symbol};
use crate::config::scale::{WIDEST, scale};
use crate::price_poller::MAX_POLLS;
use failstop_amount::{Amount, Scale};
use failstop_core::ComponentName;
use failstop_core::gate::{
    ComponentRules, Contract, GatePolicy, InstrumentPolicy, Limit, LimitName, Limits, Margin, Quote, SHARE_SCALE,
    SharedRates,
};
use failstop_settings::document::{Table, Value};
use failstop_settings::{Kind, Origin, Reading, nearest, origin_in, shown};
use std::collections::BTreeSet;

/// Why there is no policy, and where that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateFault {
    /// Which section: its name, which of several, and the key.
    place: Place,
    /// Which kind of mistake.
    kind: Kind,
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// `[section]`, a key of it, and perhaps one of the table that it is.
    Single(&'static str, &'static str, Option<&'static str>),
    /// `[[section]]`, which of them, and a key.
    Repeated(&'static str, usize, &'static str),
}

fn fault(place: Place, kind: Kind, message: String, help: impl Into<String>) -> GateFault {
    GateFault { place, kind, message, help: help.into() }
}

/// Reports what keeps the gate from being made; nothing where none is configured.
pub(in crate::config) fn check(root: &Table, config: &Config, reading: &mut Reading<'_>) {
    if let Err(fault) = gate_policy(config) {
        let origin = origin_of(root, &fault.place);
        reading.refuse(fault.kind, &origin, fault.message, fault.help);
    }
}

fn origin_of(root: &Table, place: &Place) -> Origin {
    match place {
        Place::Repeated(section, index, key) => origin_in(root, section, *index, key),
        Place::Single(section, key, inner) => {
            let Some(entry) = root.get(section) else { return Origin::Whole };
            let Value::Table(table) = &entry.node.value else { return entry.node.origin.clone() };
            let Some(entry) = table.get(key) else { return entry.key_origin.clone() };
            match (&entry.node.value, inner) {
                (Value::Table(table), Some(inner)) => {
                    table.get(inner).map_or_else(|| entry.node.origin.clone(), |entry| entry.node.origin.clone())
                }
                _ => entry.node.origin.clone(),
            }
        }
    }
}

/// The policy; `None` where no gate is configured.
///
/// # Errors
/// The first [`GateFault`].
pub fn gate_policy(config: &Config) -> Result<Option<GatePolicy>, GateFault> {
    let Some(gate) = &config.gate else { return without_gate(config).map(|()| None) };
    let money = money(config);
    let books = &config.books;
    for (section, empty, example) in [
        ("instrument", books.instruments.is_empty(), "name = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2"),
        ("account", books.accounts.is_empty(), "name = \"kraken\""),
    ] {
        if empty {
            let message = format!("there is a [gate] and no [[{section}]]: every order would be refused");
            let help = format!("write for example:\n[[{section}]]\n{example}");
            return Err(fault(Place::Single("gate", "money", None), Kind::Missing, message, help));
        }
    }
    let of_gate = |key: &'static str| move |name: LimitName| Place::Single("gate", key, Some(name.name()));
    let mut policy = GatePolicy {
        money,
        components: Vec::with_capacity(config.components.len()),
        accounts: books.accounts.iter().map(|account| account.name.as_str().to_owned()).collect(),
        instruments: Vec::with_capacity(books.instruments.len()),
        system: limits(&gate.limits, money, WIDEST, of_gate("limits"))?,
        user: limits(&gate.user, money, WIDEST, of_gate("user"))?,
        price_max_age: config.prices.max_age,
        // What is no share was refused where it is read.
        price_deviation: config.prices.deviation.share().unwrap_or(0),
        position_max_age: gate.position_max_age,
        equity_max_age: gate.equity_max_age,
        confirm_within: gate.confirm_within,
        // With `local` this host's share is a word, too: without any nothing is opened.
        shared_rates: if config.shared_rates.is_some() { SharedRates::ElseRefuse } else { SharedRates::Off },
    };
    if let Some(equity) = &gate.paper_equity {
        let wrong = match Amount::parse(equity, money) {
            Ok(amount) if amount.units() > 0 => None,
            Ok(_) => Some("it is above zero".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(wrong) = wrong {
            let message = format!("`paper_equity` cannot be \"{}\": {wrong}", shown(equity));
            let help = format!("write an amount of money with at most {} decimals, like \"10000\"", money.decimals());
            return Err(fault(Place::Single("gate", "paper_equity", None), Kind::BadValue, message, help));
        }
    }
    for (index, instrument) in books.instruments.iter().enumerate() {
        policy.instruments.push(instrument_policy(config, money, index, instrument)?);
    }
    for (index, component) in config.components.iter().enumerate() {
        let place = move |_: LimitName| Place::Repeated("component", index, "gate");
        let limits = limits(&component.gate, money, WIDEST, place)?;
        let instruments = match &component.gate.instruments {
            None => None,
            Some(named) => Some(instruments_of(config, index, named)?),
        };
        policy.components.push(ComponentRules {
            name: ComponentName(component.name.as_str().to_owned()),
            limits,
            instruments,
        });
    }
    polls(config, &policy)?;
    match policy.check() {
        Ok(()) => Ok(Some(policy)),
        Err(error) => Err(fault(
            Place::Single("gate", "money", None),
            Kind::Contradiction,
            format!("the gate cannot be made: {error}"),
            "see docs/gate.md",
        )),
    }
}

/// What has no meaning without a gate.
fn without_gate(config: &Config) -> Result<(), GateFault> {
    let (section, key) = match (&config.shared_rates, config.prices.poll.is_empty()) {
        (Some(_), _) => ("shared_rates", "group"),
        (None, false) => ("prices", "poll"),
        (None, true) => return Ok(()),
    };
    let message = format!("there is a [{section}] and no [gate]: nothing is judged by it");
    let help = "write [gate] as well (docs/gate.md), or remove it";
    Err(fault(Place::Single(section, key, None), Kind::Contradiction, message, help))
}

/// What is asked for prices is a source of what it prices, and each is asked once.
fn polls(config: &Config, policy: &GatePolicy) -> Result<(), GateFault> {
    let at =
        |kind, message: String, help: String| Err(fault(Place::Single("prices", "poll", None), kind, message, help));
    let polls = &config.prices.poll;
    if polls.len() > MAX_POLLS {
        return at(
            Kind::OutOfRange,
            format!("more than {MAX_POLLS} pages are asked for prices"),
            "remove some".to_owned(),
        );
    }
    for (index, poll) in polls.iter().enumerate() {
        let (source, instrument) = (poll.source.as_str(), poll.instrument.as_str());
        let Some(priced) = policy.instruments.iter().find(|known| known.name == instrument) else {
            let message = format!("a page is asked for prices of \"{instrument}\", which is no [[instrument]]");
            return at(Kind::UnknownName, message, known(config, &poll.instrument));
        };
        if !priced.sources.iter().any(|known| known == source) {
            let message =
                format!("a page is asked as source \"{source}\" of \"{instrument}\", which has no such source");
            let help = format!(
                "add it: sources = [\"{}\"]",
                [&priced.sources[..], &[source.to_owned()]].concat().join("\", \"")
            );
            return at(Kind::UnknownName, message, help);
        }
        if polls.iter().take(index).any(|other| (&other.source, &other.instrument) == (&poll.source, &poll.instrument))
        {
            let message = format!("source \"{source}\" of \"{instrument}\" is asked twice");
            return at(Kind::Duplicate, message, "give the second one a source's name of its own".to_owned());
        }
    }
    Ok(())
}

/// How finely money is counted: as its asset, where there is one.
pub(super) fn money(config: &Config) -> Scale {
    let Some(gate) = &config.gate else { return scale(2) };
    let asset = config.books.assets.iter().find(|asset| asset.name == gate.money);
    asset.map_or_else(|| scale(gate.money_scale), crate::config::Asset::scale)
}

fn limits(
    section: &impl LimitSection,
    money: Scale,
    quantity: Scale,
    place: impl Fn(LimitName) -> Place,
) -> Result<Limits, GateFault> {
    let mut limits = Limits::WAIVED;
    for (name, bound) in section.written() {
        limits = limits.with(name, limit((name, bound), money, quantity, &place)?);
    }
    if let Some((name, limit)) = section.span() {
        limits = limits.with(name, limit);
    }
    Ok(limits)
}

fn limit(
    (name, bound): Written<'_>,
    money: Scale,
    quantity: Scale,
    place: impl Fn(LimitName) -> Place,
) -> Result<Limit, GateFault> {
    name.parse(bound.as_text(), money, quantity).map_err(|error| {
        let message = format!("`{}` cannot be \"{}\": {error}", name.name(), bound.as_text());
        let decimals = name.scale(money, quantity).decimals();
        fault(place(name), Kind::BadValue, message, format!("write it with at most {decimals} decimals"))
    })
}

fn instruments_of(config: &Config, component: usize, named: &[Symbol]) -> Result<BTreeSet<usize>, GateFault> {
    let index = |name: &Symbol| {
        let found = config.books.instruments.iter().position(|instrument| instrument.name == *name);
        found.ok_or_else(|| {
            let message = format!("`instruments` names \"{name}\", which is no [[instrument]]");
            fault(Place::Repeated("component", component, "gate"), Kind::UnknownName, message, known(config, name))
        })
    };
    named.iter().map(index).collect()
}

fn known(config: &Config, name: &Symbol) -> String {
    let names: Vec<&str> = config.books.instruments.iter().map(|instrument| instrument.name.as_str()).collect();
    match nearest(name.as_str(), names.iter().copied()) {
        Some(known) => format!("did you mean \"{known}\"?"),
        None => format!("instruments: {}", names.join(", ")),
    }
}

fn instrument_policy(
    config: &Config,
    money: Scale,
    index: usize,
    instrument: &Instrument,
) -> Result<InstrumentPolicy, GateFault> {
    let name = &instrument.name;
    let at = |key: &'static str| Place::Repeated("instrument", index, key);
    let (quantity, price) = (scale(instrument.quantity_scale), scale(instrument.price_scale));
    let size = Amount::parse(&instrument.contract_size, WIDEST).ok().filter(|size| size.units() > 0);
    let Some(size) = size else {
        let message = format!("`contract_size` of \"{name}\" cannot be \"{}\"", instrument.contract_size);
        return Err(fault(at("contract_size"), Kind::BadValue, message, "write a number above zero, like \"1\""));
    };
    let size = shortest(size);
    let contract = match instrument.contract {
        ContractKind::Linear => Contract::Linear { size },
        ContractKind::Inverse => Contract::Inverse { value: size },
    };
    if instrument.contract == ContractKind::Inverse && instrument.margin == MarginKind::Spot {
        let message = format!("\"{name}\" is inverse and spot: an inverse contract has a margin");
        return Err(fault(at("margin"), Kind::Contradiction, message, "write margin = \"isolated\" or \"cross\""));
    }
    let quote = match &instrument.quote_through {
        None => Quote::Money,
        Some(through) => {
            let found = config.books.instruments.iter().position(|other| other.name == *through);
            let Some(found) = found else {
                let message = format!("\"{name}\" is quoted through \"{through}\", which is no [[instrument]]");
                return Err(fault(at("quote_through"), Kind::UnknownName, message, known(config, through)));
            };
            Quote::Through(found)
        }
    };
    let sources = instrument.sources.as_deref().or(config.prices.sources.as_deref()).unwrap_or_default();
    if sources.is_empty() {
        let message = format!("\"{name}\" has no price source: nothing could ever be opened");
        let help = "write for example:\n[prices]\nsources = [\"kraken\"]";
        return Err(fault(at("name"), Kind::Missing, message, help));
    }
    let required = instrument.required.unwrap_or(config.prices.required);
    let required = usize::try_from(required).unwrap_or(usize::MAX);
    if required > sources.len() {
        let message = format!("\"{name}\" requires {required} price sources and has {}", sources.len());
        let place = if instrument.required.is_some() { at("required") } else { at("name") };
        return Err(fault(place, Kind::Contradiction, message, "name more `sources`, or require fewer"));
    }
    Ok(InstrumentPolicy {
        name: name.as_str().to_owned(),
        quantity,
        price,
        contract,
        quote,
        margin: margin(instrument, at)?,
        limits: limits(&instrument.limits, money, quantity, |_| at("limits"))?,
        sources: sources.iter().map(|source| source.as_str().to_owned()).collect(),
        required,
    })
}

fn margin(instrument: &Instrument, at: impl Fn(&'static str) -> Place) -> Result<Margin, GateFault> {
    let name = &instrument.name;
    let maintenance = match &instrument.maintenance {
        None => None,
        Some(text) => {
            let rate = Amount::parse(text, SHARE_SCALE).ok().and_then(|rate| u32::try_from(rate.units()).ok());
            let Some(rate) = rate.filter(|rate| *rate < 1_000_000) else {
                let message = format!("`maintenance` of \"{name}\" cannot be \"{text}\"");
                let help = "write a fraction of one with at most six decimals, like \"0.005\"";
                return Err(fault(at("maintenance"), Kind::BadValue, message, help));
            };
            Some(rate)
        }
    };
    match (instrument.margin, maintenance) {
        (MarginKind::Spot, None) => Ok(Margin::Spot),
        (MarginKind::Spot, Some(_)) => {
            let message = format!("\"{name}\" is spot and has a maintenance margin: nothing of it is ever liquidated");
            Err(fault(at("maintenance"), Kind::Contradiction, message, "remove `maintenance`, or write the `margin`"))
        }
        (MarginKind::Isolated, maintenance) => Ok(Margin::Isolated { maintenance }),
        (MarginKind::Cross, maintenance) => Ok(Margin::Cross { maintenance }),
    }
}

/// The same amount at the coarsest scale that holds it, so that products stay far from what can be counted.
fn shortest(amount: Amount) -> Amount {
    let (mut units, mut decimals) = (amount.units(), amount.scale().decimals());
    while decimals > 0 && units % 10 == 0 {
        units /= 10;
        decimals -= 1;
    }
    Amount::from_units(units, scale(u32::from(decimals)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Gate, Overrides};
    use failstop_core::gate::{Scope, Unit};
    use std::path::Path;

    const SMALL: &str = "[system]\nname = \"t\"\n[[component]]\nname = \"bot\"\ncommand = [\"true\"]\norders = \"asks\"\n\
                         [gate]\nmoney = \"USDT\"\n[prices]\nsources = [\"kraken\"]\n[[account]]\nname = \"main\"\n\
                         [[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n";

    fn load(text: &str) -> Result<Config, String> {
        let source =
            failstop_settings::Source { file: Path::new("t.toml").into(), text: text.into(), world_readable: false };
        Config::of(&source, &Overrides::default()).map_err(|errors| errors.to_string())
    }

    #[track_caller]
    fn policy(text: &str) -> GatePolicy {
        match load(text).map(|config| gate_policy(&config)) {
            Ok(Ok(Some(policy))) => policy,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_the_section_there_is_no_gate() {
        let text = SMALL.replace("[gate]\nmoney = \"USDT\"\n", "").replace("[[account]]\nname = \"main\"\n", "");
        assert_eq!(load(&text).map(|config| gate_policy(&config)), Ok(Ok(None)));
    }

    #[test]
    fn what_is_shipped_is_what_the_gate_ships() {
        let policy = policy(SMALL);
        assert_eq!(policy.system, Limits::shipped(100));
        assert_eq!(policy.user, Limits::shipped_rates(100));
        assert_eq!(policy.components.len(), 1);
        assert_eq!(policy.components.first().map(|bot| &bot.limits), Some(&Limits::WAIVED));
        assert_eq!((policy.price_max_age.as_secs(), policy.price_deviation), (5, 5_000));
    }

    /// A value of its own for each limit of each scope, as it is written.
    fn own_value(name: LimitName, scope: Scope) -> String {
        let number = 2 + name as usize + 20 * (scope as usize);
        match name.unit() {
            Unit::Share => format!("0.{number:06}"),
            Unit::Money | Unit::Times | Unit::Quantity | Unit::Count => number.to_string(),
            Unit::Milliseconds => format!("{number}ms"),
        }
    }

    #[test]
    fn each_key_of_each_scope_is_the_limit_of_its_name() {
        let table = |scope: Scope| {
            let of_scope = LimitName::ALL.into_iter().filter(|name| name.applies(scope));
            let keys = of_scope.map(|name| format!("{} = \"{}\"", name.name(), own_value(name, scope)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        };
        let (system, user) = (table(Scope::System), table(Scope::User));
        let text = SMALL
            .replace("[prices]", &format!("limits = {system}\nuser = {user}\n[prices]"))
            .replace("[gate]", &format!("gate = {}\n[gate]", table(Scope::Component)));
        let text = format!("{text}limits = {}\n", table(Scope::Instrument));
        let policy = policy(&text);
        let (instrument, component) = (policy.instruments.first(), policy.components.first());
        let quantity = instrument.map(|one| one.quantity).unwrap_or(WIDEST);
        for (scope, limits) in [
            (Scope::System, Some(&policy.system)),
            (Scope::User, Some(&policy.user)),
            (Scope::Instrument, instrument.map(|one| &one.limits)),
            (Scope::Component, component.map(|one| &one.limits)),
        ] {
            for name in LimitName::ALL {
                let written = if name.applies(scope) { own_value(name, scope) } else { "waived".to_owned() };
                let wanted = name.parse(written.trim_end_matches("ms"), policy.money, quantity);
                assert_eq!(limits.map(|limits| limits.get(name)), wanted.ok(), "{scope:?} {name:?}");
            }
        }
    }

    /// The limits that a section has.
    fn names(section: &impl LimitSection) -> Vec<LimitName> {
        let numbers = section.written().into_iter().map(|(name, _)| name);
        let mut names: Vec<LimitName> = numbers.chain(section.span().map(|(name, _)| name)).collect();
        names.sort_by_key(|name| *name as usize);
        names
    }

    #[test]
    fn a_section_has_the_limits_that_apply_to_its_scope() {
        let config = load(SMALL).unwrap_or_else(|errors| panic!("{errors}"));
        let of_gate = |of: fn(&Gate) -> Vec<LimitName>| config.gate.as_ref().map(of).unwrap_or_default();
        for (scope, names) in [
            (Scope::System, of_gate(|gate| names(&gate.limits))),
            (Scope::User, of_gate(|gate| names(&gate.user))),
            (Scope::Instrument, config.books.instruments.iter().flat_map(|one| names(&one.limits)).collect()),
            (Scope::Component, config.components.iter().flat_map(|one| names(&one.gate)).collect()),
        ] {
            let apply: Vec<LimitName> = LimitName::ALL.into_iter().filter(|name| name.applies(scope)).collect();
            assert_eq!(names, apply, "{scope:?}");
        }
    }

    #[test]
    fn limits_are_read_at_their_scales() {
        let text = SMALL
            .replace("[prices]", "money_scale = 4\nlimits = { position = 2.5, trades_per_day = \"waived\" }\n[prices]")
            .replace("name = \"BTC/USDT\"\n", "name = \"BTC/USDT\"\nlimits = { order_quantity = \"0.125\" }\n")
            .replace("quantity_scale = 8", "quantity_scale = 3");
        let policy = policy(&text);
        assert_eq!(policy.system.get(LimitName::Position), Limit::Set(25_000));
        assert_eq!(policy.system.get(LimitName::TradesPerDay), Limit::Waived);
        assert_eq!(
            policy.instruments.first().map(|one| one.limits.get(LimitName::OrderQuantity)),
            Some(Limit::Set(125))
        );
    }

    #[test]
    fn the_equity_on_paper_is_read_as_finely_as_its_asset() {
        let text = SMALL.replace("[prices]", "paper_equity = \"10000.123456\"\n[prices]");
        assert!(
            load(&text).is_err_and(|errors| errors.contains("t.toml:9:16") && errors.contains("at most 2 decimals"))
        );
        let finely = format!("{text}[[asset]]\nname = \"USDT\"\nscale = 6\n[[pool]]\nname = \"all\"\n");
        let config = load(&finely);
        assert_eq!(
            config.map(|config| config.gate.and_then(|gate| gate.paper_equity)),
            Ok(Some("10000.123456".to_owned()))
        );
        let coarsely = finely.replace("scale = 6", "scale = 0").replace("10000.123456", "10000.12");
        assert!(load(&coarsely).is_err_and(|errors| errors.contains("`paper_equity` cannot be \"10000.12\"")));
    }

    #[test]
    fn contradictions_are_told_where_they_stand() {
        for (find, put, told) in [
            ("[[account]]\nname = \"main\"\n", "", "t.toml:8:9|there is a [gate] and no [[account]]"),
            ("[prices]\nsources = [\"kraken\"]\n", "", "\"BTC/USDT\" has no price source"),
            ("sources = [\"kraken\"]", "sources = [\"kraken\"]\nrequired = 2", "requires 2 price sources and has 1"),
            ("money = \"USDT\"", "money = \"USDT\"\nlimits = { daily_loss = 20 }", "a share is a fraction of one"),
            (
                "money = \"USDT\"",
                "money = \"USDT\"\nlimits = { position = 0.001 }",
                "t.toml:9:23|`position` cannot be \"0.001\"",
            ),
            ("money = \"USDT\"", "money = \"USDT\"\nlimits = { positoin = 1 }", "did you mean `position`"),
            ("name = \"BTC/USDT\"", "name = \"BTC/USDT\"\nmaintenance = \"0.01\"", "t.toml:15:15|\"BTC/USDT\" is spot"),
            ("name = \"BTC/USDT\"", "name = \"BTC/USDT\"\nquote_through = \"ETH/USDT\"", "which is no [[instrument]]"),
            (
                "orders = \"asks\"",
                "orders = \"asks\"\ngate = { instruments = [\"BTC/USD\"] }",
                "did you mean \"BTC/USDT\"?",
            ),
            ("money = \"USDT\"", "money = \"USDT\"\nday_starts_at = \"24:00\"", "a time of the day"),
            ("money = \"USDT\"", "money = \"USDT\"\npaper_equity = \"0\"", "it is above zero"),
        ] {
            let text = SMALL.replace(find, put);
            assert_ne!(text, SMALL, "{find}");
            match load(&text) {
                Ok(_) => panic!("{put} was taken"),
                Err(errors) => assert!(told.split('|').all(|part| errors.contains(part)), "{put}: {errors}"),
            }
        }
    }
}
