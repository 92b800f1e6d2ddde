//! The demo's temporary folder: only its owner can look inside, and it is removed with the value.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::PathBuf};

use super::CliError;

/// See the module.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(super) fn new() -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("storyclip-demo-{:016x}", rand::random::<u64>()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(reason) => Err(CliError::Input {
                name: path.display().to_string(),
                reason: reason.to_string(),
            }),
        }
    }

    /// A database file inside.
    pub(super) fn database_url(&self) -> String {
        format!("sqlite://{}", self.0.join("storyclip.db").display())
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} could not be removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_leaves_nothing_behind() {
        let folder = TemporaryFolder::new().unwrap();
        let path = folder.0.clone();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("storyclip.db"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
