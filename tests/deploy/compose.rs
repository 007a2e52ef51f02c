//! The compose files, as docker-compose reads them, and the shipped defaults in them.

use crate::files::{below, good, read, root, text, yaml};
use std::process::{Command, Output};
use yaml_rust2::Yaml;

/// `docker-compose config`, with these variables and no others.
fn config(file: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("docker-compose");
    command.args(["-f", file, "config"]).current_dir(root().join("deploy/container")).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent").envs(variables.iter().copied());
    command.output().unwrap_or_else(|error| panic!("docker-compose: {error}: cargo xtask setup"))
}

fn resolved(file: &str, variables: &[(&str, &str)]) -> Yaml {
    let output = config(file, variables);
    good(&output);
    yaml(&String::from_utf8(output.stdout).unwrap())
}

fn whole() -> Yaml {
    resolved("compose.yml", &[("GRAFANA_PASSWORD", "secret")])
}

/// The texts of a list.
fn list(found: &Yaml) -> Vec<&str> {
    found.as_vec().map(|items| items.iter().filter_map(Yaml::as_str).collect()).unwrap_or_default()
}

#[test]
fn the_shipped_defaults_are_there() {
    let document = whole();
    let engine = &document["services"]["failstop"];
    let resources = &engine["deploy"]["resources"];
    assert_eq!(text(resources, &["limits", "memory"]), "2G");
    assert_eq!(resources["limits"]["cpus"].as_f64(), Some(2.0));
    assert_eq!(text(resources, &["reservations", "memory"]), "512M");
    assert_eq!(text(resources, &["reservations", "cpus"]), "0.5");
    for service in ["failstop", "watchdog"] {
        let check = &document["services"][service]["healthcheck"];
        assert_eq!((text(check, &["interval"]), text(check, &["timeout"])), ("30s", "10s"), "{service}");
        assert_eq!((check["retries"].as_i64(), text(check, &["start_period"])), (Some(3), "1m"), "{service}");
    }
    assert!(
        list(&engine["volumes"]).iter().any(|volume| volume.ends_with("failstop.toml:/etc/failstop/failstop.toml:ro"))
    );
    assert!(list(&engine["tmpfs"]).contains(&"/tmp:noexec,nosuid,size=100m"));
    // Docker's 10 s would cut an orderly stop short.
    assert_eq!(text(engine, &["stop_grace_period"]), "90s");

    let services = document["services"].as_hash().unwrap();
    assert_eq!(services.len(), 6);
    for (name, service) in services {
        let name = name.as_str().unwrap();
        assert_eq!(text(service, &["restart"]), "unless-stopped", "{name}");
        assert_eq!(list(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(text(service, &["logging", "options", "max-size"]), "10m", "{name}");
        assert!(service["networks"]["failstop"].is_null(), "{name}");
        assert!(service["privileged"].is_badvalue(), "{name}");
        for volume in list(&service["volumes"]) {
            let writable = volume.ends_with(":rw");
            assert!(!writable || !volume.starts_with('/'), "{name} may write to the host's {volume}");
        }
        for port in list(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} is open to the network: {port}");
        }
    }
    let prometheus = list(&document["services"]["prometheus"]["command"]);
    assert!(
        prometheus.contains(&"--storage.tsdb.retention.time=200h") && prometheus.contains(&"--web.enable-lifecycle")
    );
    assert_eq!(text(&document, &["services", "grafana", "environment", "GF_SECURITY_ADMIN_PASSWORD"]), "secret");
}

#[test]
fn what_must_be_set_is_asked_for() {
    for (file, name) in [("compose.yml", "GRAFANA_PASSWORD"), ("compose.watchdog.yml", "HEALTH_CHECK_URL")] {
        let output = config(file, &[]);
        assert!(!output.status.success(), "{file}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("write {name} into .env")), "{file}: {said}");
    }
    let alone = resolved("compose.watchdog.yml", &[("HEALTH_CHECK_URL", "http://bot-host:8080/health")]);
    assert_eq!(
        text(&alone, &["services", "watchdog", "environment", "HEALTH_CHECK_URL"]),
        "http://bot-host:8080/health"
    );
}

#[test]
fn every_variable_is_in_the_example() {
    let example = read("deploy/container/.env.example");
    for file in below("deploy/container", ".yml") {
        let text = read(&file);
        for rest in text.split("${").skip(1) {
            let name = rest.split([':', '}']).next().unwrap();
            assert!(example.contains(&format!("\n{name}=")), "{file}: {name} is not in .env.example");
        }
    }
}

#[test]
fn what_is_mounted_and_built_is_there() {
    let folder = format!("{}/", root().display());
    for (name, service) in whole()["services"].as_hash().unwrap() {
        for volume in list(&service["volumes"]) {
            let Some(path) = volume.strip_prefix(&folder) else { continue };
            let path = path.split(':').next().unwrap();
            // Made by whoever has the secrets.
            if path != "deploy/container/secrets/alertmanager" {
                assert!(root().join(path).exists(), "{name:?}: {path}");
            }
        }
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            assert!(root().join(file).exists(), "{name:?}: {file}");
        }
    }
}

#[test]
fn images_build_locked_in_stages_and_run_as_nobody_special() {
    for file in ["deploy/container/Dockerfile", "deploy/container/Dockerfile.watchdog"] {
        let text = read(file);
        let last = text.rsplit("\nFROM ").next().unwrap();
        assert_eq!(text.matches("\nFROM ").count(), 2, "{file}");
        assert!(text.contains("cargo build") && text.contains("--locked"), "{file}");
        let user = last.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
        assert!(user.split(':').all(|number| number.parse::<u32>().unwrap() > 1000), "{file}: {user}");
        assert!(!last.contains("cargo") && last.contains("ENTRYPOINT [\"/usr/local/bin/failstop"), "{file}");
        assert!(last.contains("--interval=30s --timeout=10s --retries=3 --start-period=60s"), "{file}");
    }
    // The owner of what is mounted is the user of the image.
    assert!(
        read("deploy/container/compose.yml").contains("uid=10001,gid=10001")
            && read("deploy/container/Dockerfile").contains("USER 10001:10001")
    );
}
