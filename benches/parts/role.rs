//! The processes of a benchmark: this program again, in a role.

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{ITEMS, ITEMS_PER_PAGE, ROLE, UPSTREAM};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A process of this benchmark; ends with it.
pub struct Role {
    child: Child,
    pub url: String,
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Role {
    /// Starts this program again in a role and reads the address it prints.
    pub fn start(role: &str, upstream: &str) -> Outcome<Self> {
        Self::of(&mut Command::new(std::env::current_exe()?), role, upstream, ITEMS_PER_PAGE)
    }

    /// The same on these cores only, as `taskset -c` reads them; members answer so many Items.
    pub fn bound(cores: &str, role: &str, upstream: &str, items: usize) -> Outcome<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(std::env::current_exe()?);
        Self::of(&mut command, role, upstream, items)
    }

    fn of(command: &mut Command, role: &str, upstream: &str, items: usize) -> Outcome<Self> {
        let child = command.env(ROLE, role).env(UPSTREAM, upstream).env(ITEMS, items.to_string());
        let mut child = child.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        Ok(Self { child, url: line.trim().to_owned() })
    }

    /// CPU time of the process so far, user and system.
    pub fn cpu(&self) -> Outcome<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().ok_or("stat")?.split_whitespace().collect();
        let ticks: u64 =
            fields.get(11).ok_or("utime")?.parse::<u64>()? + fields.get(12).ok_or("stime")?.parse::<u64>()?;
        // USER_HZ is 100 on every Linux there is
        Ok(Duration::from_millis(ticks * 10))
    }

    pub fn resident_mb(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("VmRSS")?;
        let kb: f64 = line.split_whitespace().nth(1).ok_or("VmRSS")?.parse()?;
        Ok(kb / 1024.0)
    }
}
