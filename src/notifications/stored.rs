//! A stored message, as far as the texts for people need it. Mail and Web Push read it.

use serde::Deserialize;

/// What of a stored message the texts for people need.
#[derive(Deserialize)]
pub struct Stored {
    /// About what.
    pub data: StoredData,
}

/// Its data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredData {
    /// The batch.
    pub batch_id: String,
    /// Its user.
    pub user_id: String,
    /// Its brand.
    pub account_id: String,
    /// Its network.
    pub network: String,
    /// Its numbers.
    pub posts: StoredPosts,
    /// Why it stopped.
    pub error: Option<String>,
}

/// How many clips are where.
#[derive(Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct StoredPosts {
    pub total: u32,
    pub published: u32,
    pub failed: u32,
}
