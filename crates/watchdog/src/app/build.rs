//! From a configuration to everything that runs: keys and tokens are read here, so that `check` finds what is wrong with them.

use super::{Watched, Witnessed};
use crate::acting::{Hooks, Means, UnitAt};
use crate::actuate::{PidSource, Unit, Units};
use crate::asking::Asking;
use crate::client::{Endpoint, Tls, TlsError};
use crate::config::{Config, DegradedIs, NonceMode, Role, StartOn, StreamMode, Target, UnitKeys};
use crate::heart::eyes::EyesSettings;
use crate::heart::flap::FlapSettings;
use crate::heart::ladder::LadderSettings;
use crate::heart::progress::ProgressSettings;
use crate::heart::schedule::Schedule;
use crate::heart::settings::{CheckInSettings, Judging, PeerSettings, Settings, StreamSettings, TargetSettings};
use crate::probe::Method;
use crate::tell::severity_of;
use crate::witness::shown::ShownLog;
use crate::witness::store::{Store, StoreError};
use failstop_client::signed::{Key, KeyFileError};
use failstop_settings::{Secret, SecretFault, Url};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// The longest that an incident waits for its end by default, milliseconds.
const SETTLE_MAX_MS: u64 = 120_000;

/// Without a beat for so long a target is probed at once, milliseconds: one beat may be late by half.
const BEAT_MAX_AGE_MS: u64 = 1_500;

/// The time-out of these probes, and the time between them, milliseconds: with three failures all that is 4.3 s.
const CONFIRM_TIMEOUT_MS: u64 = 800;
const CONFIRM_GAP_MS: u64 = 200;

/// While blind, look again this often, milliseconds.
const LOOK_AGAIN_MS: u64 = 5_000;

/// What is built.
pub struct Built {
    /// For the heart.
    pub settings: Settings,
    /// Tokens of check-ins by name.
    pub(super) checkin_tokens: BTreeMap<String, String>,
    /// What the shell knows of the targets; their stores are opened by [`Built::witness`].
    pub(super) watched: Vec<Watched>,
    pub(super) tls: Rc<Tls>,
    pub(super) references: Rc<Vec<(String, u16)>>,
    pub(super) peer: Option<Endpoint>,
    pub(super) outside: Option<String>,
    witnesses: Vec<bool>,
}

/// Why a configuration that is valid by itself cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A key file.
    #[error("{who}: {source}")]
    Key {
        /// Whose.
        who: String,
        /// Why.
        source: KeyFileError,
    },
    /// A secret.
    #[error("{who}: {source}\n  next: set it, or correct where it is kept")]
    Secret {
        /// Whose.
        who: String,
        /// Why.
        source: SecretFault,
    },
    /// The certificate authorities.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A witness's store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Builds everything but the witness's stores.
///
/// # Errors
/// [`BuildError`].
pub fn build(config: &Config) -> Result<Built, BuildError> {
    let tls = Rc::new(Tls::new(config.watchdog.ca_file.as_deref())?);
    let units = Rc::new(units_of(config));
    let mut watched = Vec::new();
    let mut targets = Vec::new();
    for target in &config.targets {
        targets.push(target_settings(target));
        watched.push(watch(target, &tls, &units)?);
    }
    let mut checkin_tokens = BTreeMap::new();
    for checkin in &config.checkins {
        if let Some(token) = &checkin.token {
            checkin_tokens
                .insert(checkin.name.as_str().to_owned(), reveal(&format!("check-in \"{}\"", checkin.name), token)?);
        }
    }
    let outside = match &config.outside {
        Some(outside) => Some(reveal("[outside]", &outside.ping_url)?),
        None => None,
    };
    let mut references: Vec<(String, u16)> =
        config.network.references.iter().map(|one| (one.host.clone(), one.port)).collect();
    // The peer is one more reference, where there are any: alone it could not tell its own death from ours.
    if let (Some(peer), false) = (&config.peer, references.is_empty()) {
        references.push((peer.url.host.clone(), peer.url.port));
    }
    let settings = Settings {
        name: config.watchdog.name.as_str().to_owned(),
        targets,
        checkins: config.checkins.iter().map(checkin_settings).collect(),
        eyes: EyesSettings {
            references: references.len(),
            need: config.network.need as usize,
            timeout_ms: ms(config.network.timeout),
            again_ms: LOOK_AGAIN_MS,
        },
        peer: config.peer.as_ref().map(|peer| PeerSettings {
            place: peer.url.to_string(),
            primary: peer.role == Role::Primary,
            interval_ms: ms(peer.interval),
            failures: peer.failures,
        }),
        outside_every_ms: config.outside.as_ref().map(|outside| ms(outside.interval)),
    };
    Ok(Built {
        settings,
        checkin_tokens,
        watched,
        tls,
        references: Rc::new(references),
        peer: config.peer.as_ref().map(|peer| Endpoint::from(&peer.url).at("/api/peer")),
        outside,
        witnesses: config.targets.iter().map(|target| target.witness && target.url.is_some()).collect(),
    })
}

impl Built {
    /// Opens the witness's stores. `shown`: what an earlier life was shown.
    ///
    /// # Errors
    /// [`BuildError::Store`].
    pub(super) fn witness(&mut self, folder: &Path, shown: &ShownLog) -> Result<(), BuildError> {
        for (watched, witness) in self.watched.iter_mut().zip(&self.witnesses) {
            if *witness {
                let mut store = Store::open(folder, &watched.name)?;
                if let Some((jid, point)) = shown.of(&watched.name) {
                    store.recall(jid.as_deref(), point);
                }
                watched.witness = Some(Witnessed { store, busy: false, next: None, compared_at: None, trouble: None });
            }
        }
        Ok(())
    }
}

impl Built {
    /// Who can be asked about each target: its name, its engine, its unit and responder.
    pub fn askings(&self) -> impl Iterator<Item = (String, Option<Asking>, Option<(String, Asking)>)> + '_ {
        self.watched.iter().map(|watched| {
            let responder = match &watched.means.unit {
                Some(UnitAt::There { unit, responder }) => Some((unit.clone(), responder.clone())),
                Some(UnitAt::Here { .. }) | None => None,
            };
            (watched.name.clone(), watched.engine.clone(), responder)
        })
    }
}

/// The units of this host.
pub fn units_of(config: &Config) -> Units {
    let unit = |keys: &UnitKeys| Unit {
        name: keys.name.as_str().to_owned(),
        source: match (&keys.pid_file, &keys.engine) {
            (Some(path), _) => PidSource::File(path.clone()),
            (None, engine) => PidSource::Engine(engine.clone().unwrap_or_default()),
        },
        stop: keys.stop.as_ref().map(|argv| argv.as_slice().to_vec()),
        start: keys.start.as_ref().map(|argv| argv.as_slice().to_vec()),
        grace: keys.grace,
    };
    let state_dir = match &config.actuate {
        Some(actuate) => actuate.state_dir.clone(),
        None => config.watchdog.state_dir.join("units"),
    };
    Units { units: config.units.iter().map(unit).collect(), state_dir }
}

fn watch(target: &Target, tls: &Rc<Tls>, units: &Rc<Units>) -> Result<Watched, BuildError> {
    let name = target.name.as_str().to_owned();
    let who = format!("target \"{name}\"");
    let token = match &target.token {
        Some(token) => Some(reveal(&who, token)?),
        None => None,
    };
    let key = |path: &Path| Key::read(path).map(Rc::new).map_err(|source| BuildError::Key { who: who.clone(), source });
    let engine = match (&target.control, &target.key_file) {
        (Some(url), Some(path)) => Some(Asking {
            endpoint: Endpoint::from(url),
            audience: target.system.as_ref().unwrap_or(&target.name).as_str().to_owned(),
            key: key(path)?,
            tls: Rc::clone(tls),
        }),
        (Some(_) | None, _) => None,
    };
    let mut means = Means { engine: engine.clone(), ..Means::default() };
    if let Some(restart) = &target.restart {
        let argv = |argv: &Option<failstop_settings::Argv>| argv.as_ref().map(|argv| argv.as_slice().to_vec());
        means.hooks = Hooks {
            signal: argv(&restart.signal),
            fence: argv(&restart.fence),
            fence_proof: argv(&restart.fence_proof),
            start: argv(&restart.start),
        };
        means.unit = match (&restart.unit, &restart.actuate, &restart.actuate_name, &restart.actuate_key_file) {
            (Some(unit), Some(url), Some(at), Some(path)) => Some(UnitAt::There {
                unit: unit.as_str().to_owned(),
                responder: Asking {
                    endpoint: Endpoint::from(url),
                    audience: format!("actuate/{at}"),
                    key: key(path)?,
                    tls: Rc::clone(tls),
                },
            }),
            (Some(unit), _, _, _) => Some(UnitAt::Here { unit: unit.as_str().to_owned(), units: Rc::clone(units) }),
            (None, _, _, _) => None,
        };
    }
    let method = match (&target.url, &target.http, &target.tcp, &target.exec) {
        (Some(url), _, _, _) => Method::Health {
            endpoint: Endpoint::from(url),
            token: token.clone(),
            nonce: target.nonce != NonceMode::Off,
        },
        (None, Some(url), _, _) => Method::Http { endpoint: Endpoint::from(url) },
        (None, None, Some(at), _) => Method::Tcp { host: at.host.clone(), port: at.port },
        (None, None, None, argv) => {
            Method::Exec { argv: argv.as_ref().map(|argv| argv.as_slice().to_vec()).unwrap_or_default() }
        }
    };
    Ok(Watched {
        name,
        method: Rc::new(method),
        connection: None,
        stream: stream_of(target).map(|endpoint| (endpoint, token)),
        means: Rc::new(means),
        engine,
        witness: None,
    })
}

/// Beside /health, or where the configuration says.
fn stream_of(target: &Target) -> Option<Endpoint> {
    if target.stream == StreamMode::Off {
        return None;
    }
    if let Some(url) = &target.stream_url {
        return Some(Endpoint::from(url));
    }
    let url = target.url.as_ref()?;
    let prefix = url.path.split('?').next()?.strip_suffix("/health")?;
    let prefix = prefix.strip_suffix("/api").unwrap_or(prefix);
    Some(Endpoint::from(url).at(format!("{prefix}/api/beat")))
}

fn target_settings(target: &Target) -> TargetSettings {
    let interval_ms = ms(target.interval);
    let place = match (&target.url, &target.http, &target.tcp, &target.exec) {
        (Some(url), _, _, _) | (None, Some(url), _, _) => place_of(url),
        (None, None, Some(at), _) => at.to_string(),
        (None, None, None, argv) => argv.as_ref().map(|argv| argv.program().to_owned()).unwrap_or_default(),
    };
    TargetSettings {
        name: target.name.as_str().to_owned(),
        place,
        judging: match (&target.url, &target.http) {
            (Some(_), _) => Judging::Health,
            (None, Some(_)) => Judging::Plain { contains: target.contains.clone() },
            (None, None) => Judging::Reached,
        },
        interval_ms,
        timeout_ms: ms(target.timeout),
        failures: target.failures,
        window: target.window.unwrap_or(target.failures),
        settle_ms: target.settle.map_or_else(|| interval_ms.saturating_mul(2).min(SETTLE_MAX_MS), ms),
        degraded_is_failure: target.degraded == DegradedIs::Failure,
        severity: severity_of(target.severity),
        progress: ProgressSettings {
            answer_max_age_ms: ms(target.answer_max_age),
            journal_still_ms: Some(ms(target.journal_still)).filter(|still| *still > 0),
            data_still_ms: target.data_still.map(ms),
            nonce_required: target.nonce == NonceMode::Require,
        },
        flap: FlapSettings::default(),
        stream: stream_of(target).map(|_| StreamSettings {
            beat_max_age_ms: BEAT_MAX_AGE_MS,
            confirm_timeout_ms: CONFIRM_TIMEOUT_MS,
            confirm_gap_ms: CONFIRM_GAP_MS,
        }),
        ladder: target.restart.as_ref().map(|restart| LadderSettings {
            can_ask: target.control.is_some() && restart.ask != Some(false),
            can_signal: restart.unit.is_some() || restart.signal.is_some(),
            can_fence: restart.fence.is_some(),
            can_start: restart.unit.is_some() || restart.start.is_some(),
            same_host: restart.start_on == StartOn::SameHost,
            ask_ms: ms(restart.ask_timeout),
            come_back_ms: ms(restart.come_back),
            lease_ms: ms(restart.lease),
            step_ms: ms(restart.step_timeout),
            verify_ms: ms(restart.verify_within),
            tries: restart.tries as usize,
            within_ms: ms(restart.within),
            tries_a_day: restart.tries_a_day as usize,
            backoff_ms: ms(restart.backoff),
            backoff_max_ms: ms(restart.backoff_max),
            reset_after_ms: ms(restart.reset_after),
        }),
    }
}

fn place_of(url: &Url) -> String {
    Endpoint::from(url).shown()
}

fn checkin_settings(checkin: &crate::config::CheckIn) -> CheckInSettings {
    // Both were read by the configuration's own check.
    let schedule = match (checkin.period, checkin.cron.as_deref().map(str::parse)) {
        (_, Some(Ok(cron))) => Schedule::Calendar(cron, TimeZone::get(&checkin.timezone).unwrap_or(TimeZone::UTC)),
        (period, _) => Schedule::Period(period.map_or(86_400_000, ms)),
    };
    CheckInSettings {
        name: checkin.name.as_str().to_owned(),
        schedule,
        grace_ms: ms(checkin.grace),
        runtime_max_ms: checkin.max_runtime.map(ms),
        severity: severity_of(checkin.severity),
    }
}

fn reveal(who: &str, secret: &Secret) -> Result<String, BuildError> {
    secret.reveal().map_err(|source| BuildError::Secret { who: who.to_owned(), source })
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
