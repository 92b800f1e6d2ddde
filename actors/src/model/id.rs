//! Newtype ids: cheap to clone, never mixed up. Every layer passes them; none outlives its row.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_ids! {
    /// `batch_<milliseconds>_<random>`: one batch.
    BatchId;
    /// Who a key belongs to; tenants do not see each other.
    Tenant;
    /// A user of a tenant; live events are numbered per (tenant, user).
    UserId;
    /// The provider's account; Metricool calls it `blogId`, a brand.
    AccountId;
    /// The provider's handle of a post.
    PostId;
    /// A row of `batch_commands`.
    CommandId;
    /// One run of one daemon; the owner named in leases.
    NodeId;
}
