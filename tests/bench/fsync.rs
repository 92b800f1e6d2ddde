//! The limit of everything durable: overwriting 4 KiB and waiting for the disk. Standard library only; the file goes with
//! the folder.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use super::{Outcome, samples::Samples};

const BLOCK: usize = 4_096;
const BLOCKS: u64 = 64;

/// Overwrites blocks of one file, each followed by `fdatasync`, with a rest before each: a disk and a processor that were
/// idle for a moment are slower than those of a tight loop.
pub fn measure(folder: &Path, count: u32, rest: Duration) -> Outcome<Samples> {
    let file = File::create(folder.join("fsync"))?;
    let mut block = [0; BLOCK];
    for place in 0..BLOCKS {
        file.write_all_at(&block, place * BLOCK as u64)?;
    }
    file.sync_all()?;
    let mut durations = Vec::new();
    for turn in 0..count {
        block.fill(turn as u8);
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
        let began = Instant::now();
        file.write_all_at(&block, u64::from(turn) % BLOCKS * BLOCK as u64)?;
        file.sync_data()?;
        durations.push(began.elapsed());
    }
    Ok(Samples::new(durations))
}
