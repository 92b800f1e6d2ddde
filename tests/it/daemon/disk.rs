//! A disk of its own for one daemon, which a test can fill up or make read-only, and put right again.
//!
//! A full one is a small file system in memory, a read-only one a file system in a file that the kernel stops writing to, as
//! it does by itself when a disk fails; both where the test may mount one. Such a failed disk can only be mounted anew, so one
//! that is put right under a running daemon, and either where nothing can be mounted, is a library (`disk.c`) preloaded
//! into the daemon, through which its writes go. Which of them it was is printed.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use super::experiment::tell;

const NO_SPACE: &str = "28";
const READ_ONLY: &str = "30";

/// See the file's first paragraph.
pub struct Disk {
    folder: PathBuf,
    mounted: bool,
    /// The file in which the file system is, if it is in one.
    image: Option<PathBuf>,
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
        disk.tell("a small tmpfs");
        disk
    }

    /// In a file, so that the kernel can be made to give it up; `None` where that cannot be mounted.
    pub fn failing() -> Option<Self> {
        let mut disk = Self::preloaded();
        let image = disk.folder.with_extension("img");
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(&image).output();
        disk.image = Some(image);
        disk.mounted = made.is_ok_and(|made| made.status.success()) && disk.mounts();
        disk.tell("an ext4 in a file");
        disk.mounted.then_some(disk)
    }

    fn mounts(&self) -> bool {
        let image = self.image.as_ref().unwrap();
        let mount = Command::new("mount")
            .args(["-o", "loop"])
            .arg(image)
            .arg(&self.folder)
            .output();
        mount.is_ok_and(|mount| mount.status.success())
    }

    /// The kernel gives it up: nobody can write to it any more.
    pub fn fails(&self) {
        let remount = Command::new("mount")
            .args(["-o", "remount,abort"])
            .arg(&self.folder)
            .status();
        assert!(remount.unwrap().success());
    }

    /// It is mounted anew; nobody may be on it.
    pub fn is_replaced(&self) {
        let unmount = Command::new("umount").arg(&self.folder).status();
        assert!(unmount.unwrap().success() && self.mounts());
    }

    fn tell(&self, what: &str) {
        tell(&if self.mounted {
            format!("disk: {what} of its own")
        } else {
            format!("disk: {what} CANNOT BE MOUNTED HERE; its errors are made up by a preloaded library, if at all")
        });
    }

    /// Whose errors are made up on the way to it.
    pub fn preloaded() -> Self {
        let folder = std::env::temp_dir().join(format!("storyclip-disk-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        Self {
            folder,
            mounted: false,
            image: None,
        }
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
        if let Some(image) = &self.image {
            let _: Result<_, _> = fs::remove_file(image);
        }
    }
}
