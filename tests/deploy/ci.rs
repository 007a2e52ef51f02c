//! The CI jobs in `examples/ci`: they are YAML of the right shape, and the `failstop` lines in them do what they are there for.

use crate::files::{failstop, read, text, yaml};
use std::fs;
use std::path::Path;
use std::process::Command;
use yaml_rust2::Yaml;

/// The commands of GitHub's job `check`, in order.
fn github(document: &Yaml) -> Vec<String> {
    let steps = document["jobs"]["check"]["steps"].as_vec().unwrap();
    steps.iter().filter_map(|step| step["run"].as_str()).map(str::to_owned).collect()
}

/// Those of GitLab's, with what follows a failure.
fn gitlab(document: &Yaml) -> Vec<String> {
    let job = &document["failstop-check"];
    let parts = ["script", "after_script"].into_iter().flat_map(|part| job[part].as_vec().unwrap());
    parts.map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Runs a job's line in a folder, with the binary under test in the path; its exit status and what it printed.
fn run(folder: &Path, line: &str) -> (i32, String) {
    let binaries = Path::new(failstop()).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    // As both services do: the first line that fails ends the step.
    command.args(["-e", "-c", line]).current_dir(folder).env("PATH", path).env_remove("FAILSTOP_CONFIG");
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), said)
}

/// A job on a configuration: whether it passed, and all that it printed.
fn job(lines: &[String], configuration: &str) -> (bool, String, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("failstop.toml"), configuration).unwrap();
    let own: Vec<&String> = lines.iter().filter(|line| line.starts_with("failstop ")).collect();
    assert!(own.len() >= 2, "{lines:?}");
    let (mut passed, mut said) = (true, String::new());
    for line in own {
        let (status, printed) = run(folder.path(), line);
        passed &= status == 0;
        said.push_str(&printed);
    }
    (passed, said, fs::read_to_string(folder.path().join("failstop.xml")).ok())
}

const GOOD: &str = "[system]\nname = \"ci\"\nstate_dir = \"state\"\nruntime_dir = \"run\"\n[[component]]\nname = \"bot\"\ncommand = [\"/bin/sleep\", \"1\"]\norders = \"none\"\n";

#[test]
fn both_jobs_stop_a_deployment_that_must_not_be() {
    let (github_file, gitlab_file) = (yaml(&read("examples/ci/github.yml")), yaml(&read("examples/ci/gitlab.yml")));
    for (name, lines) in [("github", github(&github_file)), ("gitlab", gitlab(&gitlab_file))] {
        let (passed, said, report) = job(&lines, GOOD);
        assert!(passed, "{name}: {said}");
        assert!(report.unwrap().contains("<testsuite"), "{name}");

        // A bot that is not there, and a file that cannot be read.
        let (passed, said, report) = job(&lines, &GOOD.replace("/bin/sleep", "./nowhere"));
        assert!(!passed && said.contains("nowhere"), "{name}: {said}");
        assert!(report.unwrap().contains("<failure"), "{name}");
        let (passed, said, _) = job(&lines, &GOOD.replace("state_dir", "state_dri"));
        assert!(!passed && said.contains("did you mean `state_dir`"), "{name}: {said}");
    }
}

#[test]
fn a_deployment_waits_for_the_check() {
    let github = yaml(&read("examples/ci/github.yml"));
    assert_eq!(text(&github, &["jobs", "deploy", "needs"]), "check");
    assert_eq!(text(&github, &["permissions", "contents"]), "read");
    let gitlab = yaml(&read("examples/ci/gitlab.yml"));
    let stages: Vec<&str> = gitlab["stages"].as_vec().unwrap().iter().filter_map(Yaml::as_str).collect();
    assert_eq!(stages, ["check", "deploy"]);
    assert_eq!((text(&gitlab, &["failstop-check", "stage"]), text(&gitlab, &["deploy", "stage"])), ("check", "deploy"));
}
