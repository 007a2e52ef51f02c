//! Health over HTTPS: with an authority of one's own it is up; where the certificate is no good the fault is the certificate's, and
//! people are not told that the bot is dead.

use crate::certificates::{Authority, Certified};
use crate::stage::{Setup, WATCHDOG, Watched};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A bot's health over TLS with this certificate.
fn healthy(certified: &Certified) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(&certified.certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&certified.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    crate::wire::serve(
        move |stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            Some(StreamOwned::new(ServerConnection::new(config.clone()).ok()?, stream))
        },
        |_| {
            let now = jiff::Timestamp::now();
            format!("{{\"status\":\"healthy\",\"timestamp\":\"{now}\"}}")
        },
    )
}

#[test]
fn a_certificate_that_is_no_good_is_the_certificate_s_fault() {
    let mut watched = Watched::prepare(Setup::default());
    let folder = watched.system.path("");
    let (own, other) = (Authority::make(&folder, "own"), Authority::make(&folder, "other"));
    let servers = [
        ("good", own.sign("good", "127.0.0.1")),
        ("expired", own.sign_until("expired", "127.0.0.1", 2020)),
        ("wrong-name", own.sign("wrong-name", "bot-host.example")),
        ("stranger", other.sign("stranger", "127.0.0.1")),
    ];
    let mut text = format!(
        "[watchdog]\nname = \"wd1\"\nlisten = \"127.0.0.1:{}\"\nca_file = \"own.pem\"\n\
         [alerts]\nchannels = [\"webhook\"]\n[alerts.webhook]\nurl = {{ file = \"hook-url\" }}\nsecret = {{ file = \"hook-secret\" }}\n",
        watched.port
    );
    for (name, certified) in &servers {
        text.push_str(&format!(
            "[[target]]\nname = \"{name}\"\nurl = \"https://{}/health\"\ninterval = \"200ms\"\ntimeout = \"5s\"\nstream = \"off\"\n",
            healthy(certified)
        ));
    }
    watched.write("watchdog.toml", &text);
    watched.run(&["--config", "watchdog.toml"], WATCHDOG);
    let targets =
        || watched.get("/status").and_then(|status| status["targets"].as_array().cloned()).unwrap_or_default();
    watched.until("all of them judged", || {
        let targets = targets();
        targets.len() == 4 && targets.iter().all(|target| target["state"] != "unknown")
    });
    for target in targets() {
        let name = target["name"].as_str().unwrap();
        let (state, why) = match name {
            "good" => ("up", ""),
            "expired" => ("down", "expired"),
            "wrong-name" => ("down", "not valid for name"),
            _ => ("down", "UnknownIssuer"),
        };
        assert_eq!(target["state"], state, "{target:#}");
        if state == "up" {
            continue;
        }
        assert_eq!(target["last_error_stage"], "tls", "{target:#}");
        assert!(target["last_error"].as_str().unwrap().contains(why), "{target:#}");
        let told = watched.told(name, |posted| posted.text("system") == name);
        assert_eq!((told.text("cause"), told.change()), ("target-down", "trigger"));
        assert!(told.text("root_cause").starts_with("tls: ") && told.text("root_cause").contains(why), "{told:#?}");
        assert!(told.text("recommended_action").contains("check the certificate"), "{told:#?}");
    }
    assert!(watched.receiver.posted().iter().all(|posted| posted.text("system") != "good"));
}
