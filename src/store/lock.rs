//! What keeps a second process off a SQLite file: the operating system's locks on `<database>.lock` and on the file itself.
//!
//! `open` takes both before SQLite sees the file. The first is for people: it holds the process id. But it guards a name
//! only, and a file may have another (a link, a mount), or its lock file may be removed: what guards the file is the second.
//! Both go with the process, however that ends; the lock file stays and means nothing.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    mem,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::open::OpenError;

/// What SQLite gives a file that it makes: others may read it at most.
const MODE: u32 = 0o644;

/// Both locks, for as long as this is kept. It must outlive every connection: closing a descriptor of a file takes from the
/// process all POSIX locks on it, SQLite's among them, and with those whoever opens and closes the file next removes the log
/// that commits still stand in.
pub struct Lock {
    _name: File,
    file: File,
}

impl Lock {
    /// Takes both, and makes both files where there are none: an empty one is a new database for SQLite.
    pub fn take(database: &Path) -> Result<Self, OpenError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error| OpenError::LockFile {
            file: path.clone(),
            error,
        };
        let mut name = (options().open(&path)).map_err(failed)?;
        match name.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                name.read_to_string(&mut pid).map_err(failed)?;
                let pid = match pid.trim() {
                    "" => "process unknown".to_owned(),
                    pid => format!("process {pid}"),
                };
                return Err(OpenError::Locked { file: path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let file = lock_file(database, &path)?;
        name.set_len(0).map_err(failed)?;
        writeln!(name, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _name: name, file })
    }

    /// The database file, whatever its name leads to by now.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Locks the file itself. SQLite does not notice: on Linux locks of whole open files and POSIX locks, which are SQLite's, know
/// nothing of each other. Elsewhere they exclude each other, SQLite would wait for this very process, and the name must do.
fn lock_file(database: &Path, name: &Path) -> Result<File, OpenError> {
    let failed = |error| OpenError::File {
        file: database.to_owned(),
        error,
    };
    let file = options().open(database).map_err(failed)?;
    if !cfg!(target_os = "linux") {
        return Ok(file);
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            // If the other one is a store of this process, closing this would take SQLite's locks from it. A process that
            // is refused does not live long.
            mem::forget(file);
            Err(OpenError::Elsewhere {
                file: database.to_owned(),
                lock: name.to_owned(),
            })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn options() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    options
}
