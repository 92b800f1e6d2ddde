//! Under which span a batch was created. Read for the export of traces, by nothing else.

use storyclip_actors::{error::StoreError, model::BatchId};

use super::{Store, decode::Cursor, reads::fetch, sql::text};

impl Store {
    /// The batch's W3C traceparent, if it was created under a span.
    pub async fn trace_parent(&self, batch: &BatchId) -> Result<Option<String>, StoreError> {
        let one = text("SELECT trace_parent FROM publish_batches WHERE batch_id = $1");
        self.reading(async {
            let rows = fetch(&mut *self.reader().await?, &one, &[batch.as_str()]).await?;
            let parent = rows.first().map(|row| Cursor::new(row).maybe_owned()).transpose()?;
            Ok(parent.flatten())
        })
        .await
    }
}
