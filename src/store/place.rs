//! Where SQLite's files are: whether what this process has open is still what their names lead to.
//!
//! A file that was moved or removed takes writes as before, and whoever opens its name next finds none of them. The store
//! looks once a second ([`watch`]), before it promises anything to a client, and at each new connection. If the watching
//! ends by itself, a file that goes is noticed by the other two only.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::sync::mpsc;

use super::{health::Health, op::Op};

/// Between two looks at the names: for so long at most something can be written into a file that is gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a name does not lead to the open file, and what helps.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum Displaced {
    #[error("{} was moved or removed: put that very file back, or what this daemon writes is lost with it", .0.display())]
    Database(PathBuf),
    #[error("{} is another file than the one that is open: put that very file back, or stop this daemon to work with this one", .0.display())]
    Replaced(PathBuf),
    #[error("{} is gone: put it back, or stop this daemon in order (SIGTERM), which saves what was in it", .0.display())]
    Log(PathBuf),
    #[error("{} cannot be looked at: {}", .0.display(), .1)]
    Unseen(PathBuf, io::Error),
}

impl From<Displaced> for sqlx::Error {
    fn from(displaced: Displaced) -> Self {
        Self::Io(io::Error::new(ErrorKind::NotFound, displaced.to_string()))
    }
}

/// What tells a file from every other one, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl From<Metadata> for Identity {
    fn from(found: Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

/// The database file and its log (`-wal`), in which a commit stands first.
pub struct Place {
    database: PathBuf,
    log: PathBuf,
    open: Mutex<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    /// The file that is locked.
    database: Identity,
    /// `None` while nothing is connected: SQLite removes the log with its last connection, and makes it anew.
    log: Option<Identity>,
}

impl Place {
    /// Of the database file that is locked, and to which this name is to lead; nothing is connected yet.
    pub fn of(database: &Path, locked: &File) -> io::Result<Self> {
        let mut log = OsString::from(database);
        log.push("-wal");
        let open = Open {
            database: locked.metadata()?.into(),
            log: None,
        };
        Ok(Self {
            database: database.to_owned(),
            log: log.into(),
            open: Mutex::new(open),
        })
    }

    /// Notes the log of a connection that was just made; the database must be the one that is locked.
    pub fn connected(&self) -> Result<(), Displaced> {
        self.check()?;
        let log = identity(&self.log)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).log = log;
        Ok(())
    }

    /// The connection is gone, and the log with it if there was no other.
    pub fn disconnected(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).log = None;
    }

    /// Whether the disk refuses every write. The log is what is asked: SQLite keeps no lock on it that would be lost with
    /// another opening of it.
    pub fn is_read_only(&self) -> bool {
        let opened = OpenOptions::new().write(true).open(&self.log);
        opened.is_err_and(|error| error.kind() == ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether both names lead to what is open.
    pub fn check(&self) -> Result<(), Displaced> {
        let open = *self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match identity(&self.database)? {
            None => return Err(Displaced::Database(self.database.clone())),
            Some(found) if found != open.database => return Err(Displaced::Replaced(self.database.clone())),
            Some(_) => {}
        }
        if open.log.is_some() && identity(&self.log)? != open.log {
            return Err(Displaced::Log(self.log.clone()));
        }
        Ok(())
    }
}

/// What the name leads to; `None` if to nothing.
fn identity(file: &Path) -> Result<Option<Identity>, Displaced> {
    match fs::metadata(file) {
        Ok(found) => Ok(Some(found.into())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Displaced::Unseen(file.to_owned(), error)),
    }
}

/// Looks until the store is closed, and tells when a name leads elsewhere and when it leads back.
pub async fn watch(place: Arc<Place>, health: Health, store: mpsc::WeakUnboundedSender<Op>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let place = place.clone();
        // A file system that hangs takes a thread with it, not the actors.
        let Ok(looked) = tokio::task::spawn_blocking(move || place.check()).await else {
            return;
        };
        // Whoever closes the store removes the log.
        if store.upgrade().is_none_or(|queue| queue.is_closed()) {
            return;
        }
        match looked {
            Ok(()) => health.in_place(),
            Err(displaced) => health.displaced(&displaced.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("storyclip-place-{:016x}", rand::random::<u64>()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _: io::Result<()> = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_known_again_by_more_than_its_name() {
        let folder = Folder::new();
        let (database, log, aside) = (folder.file("a.db"), folder.file("a.db-wal"), folder.file("aside"));
        fs::write(&database, "a").unwrap();
        let place = Place::of(&database, &File::open(&database).unwrap()).unwrap();
        place.check().unwrap();
        fs::write(&log, "b").unwrap();
        place.connected().unwrap();
        place.check().unwrap();

        fs::rename(&database, &aside).unwrap();
        assert!(matches!(place.check(), Err(Displaced::Database(_))));
        fs::copy(&aside, &database).unwrap();
        assert!(matches!(place.check(), Err(Displaced::Replaced(_))));
        assert!(place.connected().is_err(), "a new connection opened another file");
        fs::rename(&aside, &database).unwrap();
        place.check().unwrap();

        fs::rename(&log, &aside).unwrap();
        assert!(matches!(place.check(), Err(Displaced::Log(_))));
        place.disconnected();
        place.check().unwrap();
        fs::write(&log, "anew").unwrap();
        place.connected().unwrap();
        place.check().unwrap();
    }
}
