//! The broker as a process of its own: what it costs can be told from what its members and clients cost.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::binary::{File, Served};
use crate::support::Running;

/// Names another build of the program to be measured, for example a release build driven by a development build of this.
const PROGRAM: &str = "STAC_BROKER_LOAD_PROGRAM";
/// Cores the broker is bound to, as `taskset -c` reads them.
const CORES: &str = "STAC_BROKER_LOAD_CORES";
/// Beside every federation that is measured: the listener that tells of tasks, and no line of log for each search.
const TOLD: &str = "[server]\nadmin_listen = \"127.0.0.1:0\"\n[telemetry]\naccess_log = \"off\"\n";
/// A broker that has not read its members by then does not start.
const START_MAX: Duration = Duration::from_secs(60);

/// A serving broker. Dropping it ends it.
pub struct Program {
    served: Served,
    file: File,
}

/// What a process holds at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub tasks: usize,
    pub files: usize,
    pub resident_kib: usize,
}

impl Program {
    /// Serves these members; `limits` are lines of that table, `more` further tables. Returns when all members were read.
    pub async fn over(members: &[Running], limits: &str, more: &str) -> Self {
        let of = |member: &Running| {
            format!("[[member]]\nid = \"{}\"\nurl = \"{}\"\ninternal = true\n", member.id, member.url)
        };
        let listed: String = members.iter().map(of).collect();
        let file = File::of(&format!(
            "[federation]\nid = \"test\"\ntitle = \"Test\"\n[limits]\n{limits}\n{TOLD}{more}{listed}"
        ));
        let program = tokio::task::spawn_blocking(move || {
            let mut program = crate::binary::program();
            if let Ok(other) = std::env::var(PROGRAM) {
                program = Command::new(other);
            }
            if let Ok(cores) = std::env::var(CORES) {
                let mut bound = Command::new("taskset");
                bound.args(["-c", &cores]).arg(program.get_program());
                program = bound;
            }
            let served = Served::of(program, &file);
            Self { served, file }
        });
        let program = program.await.unwrap();
        program.has_read_all().await;
        program
    }

    async fn has_read_all(&self) {
        let all_read = async {
            loop {
                let status = self.status().await;
                if status["members"].as_array().unwrap().iter().all(|member| !member["read_at"].is_null()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_MAX, all_read).await.expect("the members are read");
    }

    /// Without a slash at its end.
    pub fn base(&self) -> &str {
        &self.served.base
    }

    /// Host and port.
    pub fn address(&self) -> std::net::SocketAddr {
        self.base().trim_start_matches("http://").parse().unwrap()
    }

    pub async fn status(&self) -> Value {
        let text = self.admin("/admin/status").await;
        serde_json::from_str(&text).unwrap()
    }

    /// Lets it read its file again.
    pub async fn reload(&self) {
        let admin = self.served.admin.as_deref().unwrap();
        let text = std::fs::read_to_string(self.file.path()).unwrap();
        // Another file, or nothing would be done.
        std::fs::write(self.file.path(), format!("{text}\n")).unwrap();
        let answer = reqwest::Client::new().post(format!("{admin}/admin/reload")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn admin(&self, path: &str) -> String {
        let admin = self.served.admin.as_deref().unwrap();
        reqwest::get(format!("{admin}{path}")).await.unwrap().text().await.unwrap()
    }

    /// The breaker of a member: `closed`, `half-open` or `open`.
    pub async fn breaker(&self, member: &str) -> String {
        let status = self.status().await;
        let members = status["members"].as_array().unwrap();
        let found = members.iter().find(|one| one["id"] == member).unwrap();
        found["guard"]["breaker"].as_str().unwrap().to_owned()
    }

    pub async fn held(&self) -> Held {
        let metrics = self.admin("/metrics").await;
        let tasks = metrics.lines().find_map(|line| line.strip_prefix("stac_broker_tasks ")).unwrap();
        Held {
            tasks: tasks.trim().parse().unwrap(),
            files: std::fs::read_dir(self.proc("fd")).unwrap().count(),
            resident_kib: self.memory("VmRSS:"),
        }
    }

    /// The most memory it ever had.
    pub fn most_resident_kib(&self) -> usize {
        self.memory("VmHWM:")
    }

    pub fn resident_kib(&self) -> usize {
        self.memory("VmRSS:")
    }

    fn memory(&self, line: &str) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
        found.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn proc(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.served.process())
    }
}
