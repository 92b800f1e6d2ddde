//! A disk of its own for one daemon, which a test can fill up or make read-only, and put right again.
//!
//! A full one is a small file system in memory where the test may mount one. Nobody can make a file system read-only under
//! a process that writes to it, as a kernel does by itself when a disk fails; that one, and a full one where nothing can be
//! mounted, is a library (`disk.c`) preloaded into the daemon, through which its writes go.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

const NO_SPACE: &str = "28";
const READ_ONLY: &str = "30";

/// See the file's first paragraph.
pub struct Disk {
    folder: PathBuf,
    mounted: bool,
}

impl Disk {
    /// Of 16 MB.
    pub fn small() -> Self {
        let mut disk = Self::preloaded();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "storyclip-test"])
            .arg(&disk.folder)
            .output();
        disk.mounted = mount.is_ok_and(|mount| mount.status.success());
        disk
    }

    /// Whose errors are made up on the way to it.
    pub fn preloaded() -> Self {
        let folder = std::env::temp_dir().join(format!("storyclip-disk-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        Self { folder, mounted: false }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a daemon on it has in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        if self.mounted {
            return Vec::new();
        }
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/daemon/disk.c");
        let library = self.folder.join("disk.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .status()
            .unwrap();
        assert!(compiled.success());
        vec![
            ("LD_PRELOAD", library.to_str().unwrap().to_owned()),
            ("STORYCLIP_TEST_DISK", self.error().to_str().unwrap().to_owned()),
        ]
    }

    fn error(&self) -> PathBuf {
        self.folder.join("error")
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// No byte fits on it any more.
    pub fn fill(&self) {
        if !self.mounted {
            return fs::write(self.error(), NO_SPACE).unwrap();
        }
        let mut filler = File::create(self.filler()).unwrap();
        let mut chunk = vec![1; 1 << 20];
        while !chunk.is_empty() {
            if filler.write_all(&chunk).is_err() {
                chunk.truncate(chunk.len() / 2);
            }
        }
    }

    pub fn make_read_only(&self) {
        assert!(!self.mounted);
        fs::write(self.error(), READ_ONLY).unwrap();
    }

    /// It can be written again.
    pub fn mend(&self) {
        let obstacle = if self.mounted { self.filler() } else { self.error() };
        fs::remove_file(obstacle).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a test that fails may leave a daemon on it for a moment.
            let _: Result<_, _> = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
        let _: Result<_, _> = fs::remove_dir_all(&self.folder);
    }
}
