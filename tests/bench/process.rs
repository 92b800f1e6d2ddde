//! What another process has used so far, from `/proc`. The sections ask it about the daemon and the bare loop.

use std::{fs, time::Duration};

use super::Outcome;

/// Linux counts processor time for user space in hundredths of a second, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// A process by its id.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// Processor time of all its threads, user and system.
    pub fn cpu(self) -> Outcome<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The second field is a name in parentheses that may hold spaces.
        let rest = text.rsplit(')').next().unwrap_or_default();
        let ticks: u32 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u32>)
            .sum::<Result<_, _>>()?;
        Ok(TICK * ticks)
    }

    /// Resident memory in bytes.
    pub fn resident(self) -> Outcome<u64> {
        self.memory("VmRSS:")
    }

    /// The most that was ever resident, in bytes.
    pub fn peak(self) -> Outcome<u64> {
        self.memory("VmHWM:")
    }

    fn memory(self, field: &str) -> Outcome<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.ok_or("no such field")?.trim().trim_end_matches(" kB");
        Ok(kib.parse::<u64>()? * 1_024)
    }
}
