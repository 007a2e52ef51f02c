//! Every kind of bad configuration, with the whole text that a person sees. The texts are in `bad.txt`; after a change of
//! wording, `FAILSTOP_BLESS=1` writes it anew: read each and ask whether it tells what to write instead.

use super::*;
use std::fmt::Write as _;
use std::path::Path;

/// Name of the case, text after `LEAST`'s, in place of it where it begins with `!`.
const CASES: &[(&str, &str)] = &[
    (
        "unknown key, near a known one",
        "!\n[system]\nstate_dri = \"state\"\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    ("unknown key, near none", "[health]\ncolour = \"red\"\n"),
    ("unknown key of another section", "[health]\nlisten = \"127.0.0.1:1\"\n"),
    ("another supervisor's word", "cwd = \"/tmp\"\n"),
    ("unknown section", "[healht]\nevery = \"30s\"\n"),
    (
        "key outside of any section",
        "!name = \"demo\"\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    ("orders missing", "!\n[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\n"),
    (
        "orders misspelt",
        "!\n[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"ask\"\n",
    ),
    (
        "orders of another kind",
        "!\n[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"maybe\"\n",
    ),
    (
        "two sources of metrics of one name",
        "[[metrics.command]]\nname = \"x\"\ncommand = [\"a\"]\n[[metrics.prometheus]]\nname = \"x\"\nurl = \"http://h/m\"\ntake = [{ metric = \"y\" }]\n",
    ),
    (
        "two metrics of one name",
        "[[metrics.command]]\nname = \"x\"\ncommand = [\"a\"]\n[[metrics.prometheus]]\nname = \"z\"\nurl = \"http://h/m\"\ntake = [{ metric = \"y\", name = \"x\" }]\n",
    ),
    ("metrics of which nothing is taken", "[[metrics.prometheus]]\nname = \"z\"\nurl = \"http://h/m\"\ntake = []\n"),
    (
        "a fold that is none",
        "[[metrics.command]]\nname = \"x\"\ncommand = [\"a\"]\ntake = [{ metric = \"y\", fold = \"mean\" }]\n",
    ),
    (
        "a label that is a number",
        "[[metrics.command]]\nname = \"x\"\ncommand = [\"a\"]\ntake = [{ metric = \"y\", labels = { code = 429 } }]\n",
    ),
    (
        "a metric's name that breaks a line",
        "[[metrics.command]]\nname = \"x\"\ncommand = [\"a\"]\ntake = [{ metric = \"y\\nz\" }]\n",
    ),
    ("no component", "!\n[system]\nname = \"demo\"\n"),
    ("no system", "!\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n"),
    ("empty file", "!"),
    (
        "name with a space",
        "!\n[system]\nname = \"my bot\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    (
        "name too long",
        "!\n[system]\nname = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    (
        "command as a line",
        "!\n[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = \"python3 bot.py --fast\"\norders = \"asks\"\n",
    ),
    (
        "command empty",
        "!\n[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = []\norders = \"asks\"\n",
    ),
    (
        "command with a number",
        "!\n[system]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\", 8080]\norders = \"asks\"\n",
    ),
    ("duplicate component", "[[component]]\nname = \"bot\"\ncommand = [\"./b\"]\norders = \"none\"\n"),
    ("a mask as a number", "umask = 27\n"),
    ("a mask that is none", "umask = \"0877\"\n"),
    ("a priority out of range", "nice = 20\n"),
    ("a priority as a text", "nice = \"10\"\n"),
    ("a capability misspelt", "capabilities = [\"CAP_NET_BIND\"]\n"),
    ("capabilities as a text", "capabilities = \"CAP_NET_RAW\"\n"),
    ("inherits everything by a star", "inherit_env = [\"*\"]\n"),
    ("inherits a value", "inherit_env = [\"PATH=/bin\"]\n"),
    ("a credential in the file itself", "credentials = { api_key = \"abc\" }\n"),
    ("a credential without a place", "credentials = { api_key = {} }\n"),
    ("a credential with a path for a name", "credentials = { \"../x\" = { env = \"X\" } }\n"),
    (
        "credentials beside their variable",
        "credentials = { k = { env = \"K\" } }\nenv = { CREDENTIALS_DIRECTORY = \"/x\" }\n",
    ),
    ("a sandbox word misspelt", "sandbox = { filesystem = \"own_folder\" }\n"),
    ("a sandbox that opens what is not closed", "sandbox = { readable = [\"/srv\"] }\n"),
    ("a sandbox with new privileges", "no_new_privileges = false\nsandbox = { system_calls = \"ordinary\" }\n"),
    ("an own folder with the state in it", "sandbox = { filesystem = \"own-folder\" }\n"),
    (
        "a writable place with the state in it",
        "working_dir = \"own\"\nsandbox = { filesystem = \"own-folder\", writable = [\".\"] }\n",
    ),
    ("an asset without a scale", "[[asset]]\nname = \"USDT\"\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n"),
    (
        "a scale out of range",
        "[[asset]]\nname = \"USDT\"\nscale = 19\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n",
    ),
    (
        "a tolerance as a number",
        "[[asset]]\nname = \"USDT\"\nscale = 2\ntolerance = 0.01\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n",
    ),
    (
        "a tolerance that does not fit its asset",
        "[[asset]]\nname = \"USDT\"\nscale = 2\ntolerance = \"0.001\"\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n",
    ),
    (
        "a tolerance below zero",
        "[[asset]]\nname = \"USDT\"\nscale = 2\ntolerance = \"-1\"\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n",
    ),
    (
        "an asset twice",
        "[[asset]]\nname = \"USDT\"\nscale = 2\n[[asset]]\nname = \"USDT\"\nscale = 2\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n",
    ),
    (
        "an account of an outside name",
        "[[asset]]\nname = \"USDT\"\nscale = 2\n[[account]]\nname = \"fees\"\n[[pool]]\nname = \"main\"\n",
    ),
    ("an asset and nowhere to hold it", "[[asset]]\nname = \"USDT\"\nscale = 2\n"),
    (
        "a pool within nothing",
        "[[asset]]\nname = \"USDT\"\nscale = 2\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"main\"\n[[pool]]\nname = \"grid\"\nwithin = \"mian\"\n",
    ),
    (
        "pools within one another",
        "[[asset]]\nname = \"USDT\"\nscale = 2\n[[account]]\nname = \"k\"\n[[pool]]\nname = \"a\"\nwithin = \"b\"\n[[pool]]\nname = \"b\"\nwithin = \"a\"\n",
    ),
    ("an instrument with a space", "[[instrument]]\nname = \"BTC USDT\"\nquantity_scale = 8\nprice_scale = 2\n"),
    (
        "a transition to nowhere",
        "[[strategy]]\nname = \"grid\"\nstates = [\"idle\", \"holding\"]\ninitial = \"idle\"\ntransitions = [\"idle -> holding\", \"holding -> idel\"]\n",
    ),
    (
        "a transition that is none",
        "[[strategy]]\nname = \"grid\"\nstates = [\"idle\"]\ninitial = \"idle\"\ntransitions = [\"idle to holding\"]\n",
    ),
    (
        "a state twice and an unknown beginning",
        "[[strategy]]\nname = \"grid\"\nstates = [\"idle\", \"idle\"]\ninitial = \"begin\"\ntransitions = []\nfinal = [\"end\"]\n",
    ),
    ("snapshots never", "[snapshots]\nevery = \"never\"\n"),
    ("depends on nobody", "depends_on = [\"bto\"]\n"),
    (
        "depends on a dependency",
        "depends_on = [\"kraken\"]\n[[dependency]]\nname = \"kraken\"\ntcp = \"127.0.0.1:1\"\n",
    ),
    ("beats that nobody hears", "liveness = { watchdog = \"1m\" }\nnotify_access = \"none\"\n"),
    (
        "a socket that the sandbox hides",
        "working_dir = \"own\"\nnotify_socket = \"abstract\"\nsandbox = { filesystem = \"own-folder\" }\n",
    ),
    (
        "an end that cuts into a grace",
        "stop_grace = \"30s\"\npre_stop = { command = [\"./h\"], timeout = \"20s\" }\n[shutdown]\nwithin = \"45s\"\n",
    ),
    ("a hook without a program", "pre_stop = { timeout = \"20s\" }\n"),
    ("a reload that nobody asks for", "reload_notify = true\n"),
    ("a reload by a signal that ends it", "reload_signal = \"SIGKILL\"\n"),
    ("stopped with nobody", "on_dependency_exit = \"stop\"\n"),
    ("depends on itself", "depends_on = [\"bot\"]\n"),
    (
        "cycle",
        "depends_on = [\"b\"]\n[[component]]\nname = \"b\"\ncommand = [\"./b\"]\norders = \"none\"\ndepends_on = [\"c\"]\n[[component]]\nname = \"c\"\ncommand = [\"./c\"]\norders = \"none\"\ndepends_on = [\"bot\"]\n",
    ),
    ("needs nothing known", "needs = [\"krakn\"]\n[[dependency]]\nname = \"kraken\"\ntcp = \"127.0.0.1:1\"\n"),
    ("needs without any dependency", "needs = [\"kraken\"]\n"),
    ("duration without a unit", "stop_grace = \"10\"\n"),
    ("duration as a number", "stop_grace = 10\n"),
    ("duration in days", "[failsafe]\nsnapshot_max_age = \"2d\"\n"),
    ("duration that is none", "stop_grace = \"soon\"\n"),
    ("duration zero", "[permit]\nlease = \"0s\"\n"),
    ("duration absurd", "[permit]\nlease = \"90000h\"\n"),
    ("renewal too slow for the lease", "[permit]\nlease = \"1s\"\nrenew = \"500ms\"\n"),
    ("backoff the wrong way round", "backoff = { initial = \"2m\", max = \"1m\" }\n"),
    ("start limit of none", "start_limit = { starts = 0, within = \"300s\" }\n"),
    ("nested table as text", "backoff = \"1s\"\n"),
    ("size without a unit", "[limits]\nmemory_max = 1800\n"),
    ("size in another form", "[limits]\nmemory_max = \"1800M\"\n"),
    ("per cent above a hundred", "[limits]\ncpu_max_percent = 900\n"),
    ("limit that is no size", "[limits]\nmemory_max = \"none\"\n"),
    ("warning not below its limit", "limits = { memory_max = \"200MB\", memory_warn = \"200MB\" }\n"),
    ("warning not below the limit of all", "[limits]\nmemory_max = \"400MB\"\nmemory_warn = \"1GB\"\n"),
    ("too few descriptors", "limits = { files_max = 3 }\n"),
    ("action that is none", "limits = { action = \"kill\" }\n"),
    ("number as text", "[health]\nerrors_per_minute = \"10\"\n"),
    ("negative number", "[health]\nerrors_per_minute = -1\n"),
    ("flag as text", "essential = \"yes\"\n"),
    ("liveness in two ways", "liveness = { heartbeat = \"2m\", watchdog = \"3m\" }\n"),
    ("liveness in no way", "liveness = {}\n"),
    ("liveness as text", "liveness = \"2m\"\n"),
    ("readiness in no way", "readiness = { notify = false }\n"),
    ("progress without heartbeats", "progress_within = \"5m\"\n"),
    ("dependency without a probe", "[[dependency]]\nname = \"kraken\"\n"),
    (
        "dependency with two probes",
        "[[dependency]]\nname = \"kraken\"\ntcp = \"127.0.0.1:1\"\nhttp = \"http://127.0.0.1/\"\n",
    ),
    (
        "a password for what takes none",
        "[[dependency]]\nname = \"x\"\ntcp = \"127.0.0.1:1\"\npassword = { env = \"P\" }\n",
    ),
    ("a user without a password", "[[dependency]]\nname = \"x\"\nredis = \"127.0.0.1:1\"\nuser = \"me\"\n"),
    ("authorities without TLS", "liveness = { http = \"http://127.0.0.1:1/\", ca_file = \"ca.pem\" }\n"),
    ("a page of health that is no URL", "health = { url = \"127.0.0.1:9000\" }\n"),
    ("a page of health as text", "health = \"http://127.0.0.1:9000/health\"\n"),
    ("URL without a scheme", "[[dependency]]\nname = \"kraken\"\nhttp = \"api.kraken.com/0/public/Time\"\n"),
    ("URL with a password", "[[dependency]]\nname = \"kraken\"\nhttp = \"https://me:pw@api.kraken.com/\"\n"),
    ("port missing", "[[dependency]]\nname = \"db\"\ntcp = \"127.0.0.1\"\n"),
    (
        "mode misspelt",
        "!\n[system]\nname = \"demo\"\nmode = \"Live\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    (
        "profile unknown",
        "!\n[system]\nname = \"demo\"\nprofile = \"prod\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    ("control without keys", "[control]\nlisten = \"127.0.0.1:8443\"\n"),
    ("control without TLS", "[control]\nlisten = \"0.0.0.0:8443\"\nkeys = [\"wd1.key\"]\n"),
    ("control with half a TLS", "[control]\ntls_cert = \"cert.pem\"\n"),
    ("listen as a port", "[observe]\nlisten = 8080\n"),
    ("a certificate of the observe address without its key", "[observe]\ntls_cert = \"c.pem\"\n"),
    (
        "a token over the network in clear",
        "[observe]\nlisten = \"0.0.0.0:8080\"\nrequire_token = true\n[control]\ntoken_file = \"t\"\n",
    ),
    ("a token that nobody has", "[observe]\nrequire_token = true\n"),
    ("an origin with a path", "[observe]\ncors = [\"https://Grafana.example/d/1\"]\n"),
    ("a family of origins", "[observe]\ncors = [\"https://*.example\"]\n"),
    ("every origin and one more", "[observe]\ncors = [\"*\", \"https://a\"]\n"),
    ("every origin with a token", "[observe]\ncors = [\"*\"]\nrequire_token = true\n[control]\ntoken_file = \"t\"\n"),
    (
        "a fleet's token in clear",
        "[observe]\nfleet = [{ name = \"a\", url = \"http://10.0.0.2:8080\", token = { env = \"T\" } }]\n",
    ),
    ("listen on a name", "[observe]\nlisten = \"localhost:8080\"\n"),
    (
        "single brackets for a component",
        "!\n[system]\nname = \"demo\"\n\n[component]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    (
        "a component as a named table",
        "!\n[system]\nname = \"demo\"\n\n[component.bot]\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    (
        "double brackets for the system",
        "!\n[[system]]\nname = \"demo\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    ("path with a tilde", "working_dir = \"~/bot\"\n"),
    ("path with a variable", "working_dir = \"$HOME/bot\"\n"),
    (
        "state and runtime in one directory",
        "!\n[system]\nname = \"demo\"\nstate_dir = \"x\"\nruntime_dir = \"x\"\n\n[[component]]\nname = \"bot\"\ncommand = [\"./bot\"]\norders = \"asks\"\n",
    ),
    ("variable that failstop sets", "env = { NOTIFY_SOCKET = \"/x\" }\n"),
    ("variable with a number", "env = { WORKERS = 4 }\n"),
    ("group without a user", "group = \"bot\"\n"),
    ("stop signal by number", "stop_signal = 15\n"),
    ("fixed halt", "[halts.integrity]\nlatched = false\n"),
    ("unknown halt", "[halts.heartbeat_lots]\nlatched = false\n"),
    ("latched halt with a time", "[halts.overload]\nlatched = true\nclear_after = \"1m\"\n"),
    ("channel without a table", "[alerts]\nchannels = [\"console\", \"telegram\"]\n"),
    ("channel unknown", "[alerts]\nchannels = [\"pager-duty\"]\n"),
    (
        "chat id as a number",
        "[alerts]\nchannels = [\"telegram\"]\n[alerts.telegram]\nbot_token = { env = \"T\" }\nchat_id = 123\n",
    ),
    (
        "mail server with a password",
        "[alerts]\nchannels = [\"email\"]\n[alerts.email]\nsmtp_url = \"smtps://u:hunter2@mail.example.com\"\nfrom = \"a@b\"\nto = [\"a@b\"]\n",
    ),
    ("value without quotes", "[observe]\nlisten = off\n"),
    ("yes for true", "essential = yes\n"),
    ("quotes not closed", "working_dir = \"here\n"),
    ("bracket not closed", "[observe\nlisten = \"off\"\n"),
    ("colon for equals", "[permit]\nlease: 2s\n"),
    ("key twice", "[permit]\nlease = \"2s\"\nlease = \"3s\"\n"),
    ("section twice", "[permit]\nlease = \"2s\"\n[permit]\nrenew = \"500ms\"\n"),
    ("no value", "[permit]\nlease =\n"),
    ("shared rates without a gate", "[shared_rates]\nserver = \"127.0.0.1:6379\"\ngroup = \"desk\"\n"),
    (
        "shared rates nowhere",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\ngroup = \"desk\"\n",
    ),
    (
        "shared rates at two places",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\nserver = \"127.0.0.1:6379\"\nsocket = \"redis.sock\"\ngroup = \"desk\"\n",
    ),
    (
        "shared rates with a group that is no name",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\nserver = \"127.0.0.1:6379\"\ngroup = \"de{sk}\"\n",
    ),
    (
        "a local fallback without a share",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\nserver = \"127.0.0.1:6379\"\ngroup = \"desk\"\nfallback = \"local\"\n",
    ),
    (
        "a share without its fallback",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\nserver = \"127.0.0.1:6379\"\ngroup = \"desk\"\nshare_percent = 50\n",
    ),
    (
        "tls on a socket",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\nsocket = \"redis.sock\"\ngroup = \"desk\"\ntls = true\n",
    ),
    (
        "a user of shared rates without a password",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[shared_rates]\nsocket = \"redis.sock\"\ngroup = \"desk\"\nuser = \"failstop\"\n",
    ),
    (
        "a page of an unknown source",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[[prices.poll]]\nsource = \"rest\"\ninstrument = \"BTC/USDT\"\nurl = \"http://127.0.0.1:1/\"\nlast = \"$.p\"\n",
    ),
    (
        "a page of an unknown instrument",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[[prices.poll]]\nsource = \"bot\"\ninstrument = \"BTC/USD\"\nurl = \"http://127.0.0.1:1/\"\nlast = \"$.p\"\n",
    ),
    (
        "a page with a path to many values",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[[prices.poll]]\nsource = \"bot\"\ninstrument = \"BTC/USDT\"\nurl = \"http://127.0.0.1:1/\"\nlast = \"$.p[*]\"\n",
    ),
    (
        "a page without a price",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[[prices.poll]]\nsource = \"bot\"\ninstrument = \"BTC/USDT\"\nurl = \"http://127.0.0.1:1/\"\n",
    ),
    (
        "a page with half a price",
        "[gate]\nmoney = \"USDT\"\n[[account]]\nname = \"main\"\n[[instrument]]\nname = \"BTC/USDT\"\nquantity_scale = 8\nprice_scale = 2\n[prices]\nsources = [\"bot\"]\n[[prices.poll]]\nsource = \"bot\"\ninstrument = \"BTC/USDT\"\nurl = \"http://127.0.0.1:1/\"\nbid = \"$.b\"\n",
    ),
    (
        "several at once",
        "stop_grace = 10\nrestart = \"sometimes\"\n[permit]\nlease = \"1s\"\nrenew = \"1s\"\n[helth]\n",
    ),
];

/// The text with the folder's name taken out, since it differs from run to run.
fn shown(errors: &ConfigErrors, dir: &Path) -> String {
    errors.to_string().replace(&format!("{}/", dir.display()), "")
}

#[test]
fn every_kind_of_bad_configuration_says_what_to_write_instead() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("failstop.toml");
    let mut all = String::new();
    let mut record = |name: &str, result: Result<Config, ConfigErrors>| match result {
        Ok(_) => panic!("{name}: was accepted"),
        Err(errors) => {
            for problem in &errors.problems {
                assert!(!problem.help.is_empty(), "{name}: no help");
                if let Some(place) = problem.place.as_ref().filter(|place| place.line > 0) {
                    assert!(place.column > 0, "{name}: no column");
                }
            }
            let _ = write!(all, "## {name}\n\n{}\n\n", shown(&errors, dir.path()));
        }
    };
    for (name, text) in CASES {
        let text = text.strip_prefix('!').map_or_else(|| format!("{LEAST}{text}"), str::to_owned);
        fs::write(&file, text).unwrap();
        record(name, Config::load(&file, &Overrides::default()));
    }

    fs::write(&file, LEAST).unwrap();
    let overridden = |overrides: Overrides| Config::load(&file, &overrides);
    record("variable of an unknown section", overridden(variable("FAILSTOP__PERMTI__LEASE", "2s")));
    record("variable of an unknown key", overridden(variable("FAILSTOP__PERMIT__LEESE", "2s")));
    record("variable of an unknown component", overridden(variable("FAILSTOP__COMPONENT__BTO__RESTART", "never")));
    record("variable with a bad value", overridden(variable("FAILSTOP__PERMIT__LEASE", "2")));
    record("variable without a key", overridden(variable("FAILSTOP__PERMIT", "2s")));
    record("flag without a value", overridden(set("permit.lease")));
    record("flag with a bad value", overridden(set("permit.lease=never")));
    record("flag of an unknown key", overridden(set("component.bot.restrat=never")));
    record("listen flag", overridden(Overrides { listen: Some("8080x".into()), ..Overrides::default() }));
    let secret = "alerts.telegram.bot_token=123:abc";
    let flags = vec!["alerts.channels=telegram".into(), "alerts.telegram.chat_id=1".into(), secret.into()];
    record("secret on the command line", overridden(Overrides { set: flags, ..Overrides::default() }));

    let exposed = format!(
        "{LEAST}[alerts]\nchannels = [\"slack\"]\n[alerts.slack]\nwebhook_url = \"https://hooks.slack.com/services/T0/B0/x\"\n"
    );
    fs::write(&file, exposed).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    record("secret in a world-readable file", Config::load(&file, &Overrides::default()));

    let mut many = LEAST.to_owned();
    for index in 0..31 {
        let _ = write!(many, "[[component]]\nname = \"c{index}\"\ncommand = [\"./c\"]\norders = \"none\"\n");
    }
    fs::write(&file, many).unwrap();
    record("too many components", Config::load(&file, &Overrides::default()));

    fs::write(&file, [b"[system]\nname = \"d".as_slice(), &[0xE9], b"mo\"\n"].concat()).unwrap();
    record("Latin-1", Config::load(&file, &Overrides::default()));
    fs::write(&file, [0xFF, 0xFE, b'[', 0]).unwrap();
    record("UTF-16", Config::load(&file, &Overrides::default()));
    fs::write(&file, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    record("too large", Config::load(&file, &Overrides::default()));
    record("missing file", Config::load(&dir.path().join("absent.toml"), &Overrides::default()));
    record("a directory", Config::load(dir.path(), &Overrides::default()));
    let fifo = dir.path().join("fifo.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    record("a pipe", Config::load(&fifo, &Overrides::default()));
    if !nix::unistd::geteuid().is_root() {
        fs::write(&file, LEAST).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        let errors = Config::load(&file, &Overrides::default()).unwrap_err();
        assert!(errors.to_string().contains("permission denied"), "{errors}");
    }

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/bad.txt");
    let all = all.replace(dir.path().to_str().unwrap(), "DIR");
    if std::env::var_os("FAILSTOP_BLESS").is_some() {
        fs::write(&golden, &all).unwrap();
    }
    let known = fs::read_to_string(&golden).unwrap_or_default();
    for (now, before) in all.split("## ").zip(known.split("## ")) {
        assert_eq!(now, before, "wording changed; after reading it, FAILSTOP_BLESS=1 keeps it");
    }
    assert_eq!(all.len(), known.len(), "a case came or went; FAILSTOP_BLESS=1 keeps it");
}

#[test]
fn a_secret_is_never_shown() {
    let text =
        format!("{LEAST}[alerts]\nchannels = [\"slack\"]\n[alerts.slack]\nwebhook_url = \"https://hooks/TOPSECRET\"\n");
    let errors = load_with(text, 0o644, &Overrides::default()).unwrap_err();
    assert!(!errors.to_string().contains("TOPSECRET"), "{errors}");
    let broken = format!("{LEAST}[alerts.telegram]\nbot_token = \"TOPSECRET\nchat_id = \"1\"\n");
    let errors = load_with(broken, 0o600, &Overrides::default()).unwrap_err();
    assert!(!errors.to_string().contains("TOPSECRET"), "{errors}");
    let flag = set("alerts.telegram.bot_token=TOPSECRET");
    let errors = load_with(LEAST, 0o600, &flag).unwrap_err();
    assert!(!errors.to_string().contains("TOPSECRET"), "{errors}");
}

#[test]
fn no_more_than_twenty_problems_are_shown() {
    let mut text = LEAST.to_owned();
    for index in 0..40 {
        let _ = writeln!(text, "unknown_{index} = 1");
    }
    let errors = load(text).unwrap_err();
    assert_eq!(errors.problems.len(), 40);
    assert_eq!(errors.to_string().matches("error: ").count(), 20);
    assert!(errors.to_string().ends_with("and 20 more"));
}

#[test]
fn hostile_bytes_are_refused_and_never_panic() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let base =
        format!("{LEAST}backoff = {{ initial = \"1s\" }}\n[permit]\nlease = \"2s\"\n[alerts.email]\nto = [\"a@b\"]\n");
    for _ in 0..3_000 {
        let mut bytes = base.clone().into_bytes();
        for _ in 0..=(next() % 4) {
            let at = usize::try_from(next()).unwrap() % bytes.len();
            match next() % 3 {
                0 => bytes[at] = u8::try_from(next() % 256).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\"[]{}=.\n#\\'\x00\xff"[usize::try_from(next() % 13).unwrap()]),
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let source = Source { file: "x.toml".into(), text, world_readable: true };
        if let Err(errors) = Config::of(&source, &Overrides::default()) {
            assert!(!errors.problems.is_empty());
            let _ = errors.to_string();
        }
    }
}
