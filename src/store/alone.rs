//! A step that is alone in its drain, as on a daemon with little to do: the statements of [`super::express`] over bound values
//! instead of JSON.
//!
//! The express asks whether a step goes this way, and runs it. A processor that has rested since the step before waits for
//! each piece of code that it has to fetch, and what takes JSON apart is more of it than the rest together. A death before
//! its end leaves nothing.

use sqlx::{Any, SqlStr, any::AnyArguments, query::Query};
use storyclip_actors::ports::Change;

use super::{
    attempts::{INTENTS, OUTCOMES, POSTS, Parts},
    changes::{self, CLIPS, HEADS},
    events::STREAMS,
    express::{self, EVENTS},
    rows::{Table, Value, Values},
    sql::{Dialect, Shape, text},
};

/// A place for one row. A column of the view `steps` is the name of its place, then that of the shape.
struct Place {
    name: &'static str,
    shape: &'static Shape,
    /// Whether everything is taken back if the row was not written.
    guarded: bool,
}

const fn place(name: &'static str, shape: &'static Shape, guarded: bool) -> Place {
    Place { name, shape, guarded }
}

/// What a step may consist of. What confirms a clip and sends the next needs all but the post.
const PLACES: [Place; 9] = [
    place("head", &HEADS, true),
    place("clip", &CLIPS, true),
    place("next", &CLIPS, true),
    place("intent", &INTENTS, false),
    place("post", &POSTS, false),
    place("outcome", &OUTCOMES, false),
    place("event", &EVENTS, false),
    place("then", &EVENTS, false),
    place("stream", &STREAMS, false),
];

impl Place {
    fn columns(&self) -> impl Iterator<Item = String> {
        self.shape.names().map(|column| format!("{}_{column}", self.name))
    }
}

/// The view and the trigger that carries out what is inserted into it.
pub fn made(dialect: Dialect) -> String {
    let columns: Vec<String> = PLACES.iter().flat_map(Place::columns).collect();
    let statements = PLACES.iter().flat_map(|place| {
        let first = place.columns().next().unwrap_or_default();
        let guard = place
            .guarded
            .then(|| express::guard(&format!("(NEW.{first} IS NOT NULL)")));
        [Some(dialect.single(place.shape, place.name)), guard]
    });
    let statements: Vec<String> = statements.flatten().collect();
    format!(
        "CREATE TEMP VIEW steps ({}) AS SELECT {} WHERE false; \
         CREATE TEMP TRIGGER step INSTEAD OF INSERT ON temp.steps BEGIN {}; END",
        columns.join(", "),
        vec!["NULL"; columns.len()].join(", "),
        statements.join("; ")
    )
}

/// The statement.
pub struct Texts {
    insert: SqlStr,
    /// How many columns each place has.
    widths: [usize; PLACES.len()],
}

impl Texts {
    pub fn new() -> Self {
        let widths = PLACES.map(|place| place.shape.names().count());
        let marks = vec!["?"; widths.iter().sum()].join(",");
        Self {
            insert: text(format!("INSERT OR ROLLBACK INTO temp.steps VALUES ({marks})")),
            widths,
        }
    }

    /// The statement with the values of this step; nothing if there is no room in it for all that it writes.
    pub fn bound(&self, change: &Change) -> Option<Query<'static, Any, AnyArguments>> {
        let mut query = sqlx::query(self.insert.clone());
        for (row, width) in rows(change)?.into_iter().zip(self.widths) {
            let cells = row.into_iter().flatten().chain(std::iter::repeat(Value::Null));
            for cell in cells.take(width) {
                query = match cell {
                    Value::Null => query.bind(None::<i64>),
                    Value::Text(text) => query.bind(text),
                    Value::Number(number) => query.bind(number),
                };
            }
        }
        Some(query)
    }
}

/// What goes to each place.
fn rows(change: &Change) -> Option<[Option<Vec<Value>>; PLACES.len()]> {
    let [mut heads, mut leases, mut clips, mut events, mut streams] = std::array::from_fn(|_| Values::default());
    changes::push_head(&mut heads, change);
    changes::push_lease(&mut leases, change);
    for write in &change.clips {
        changes::push_clip(&mut clips, change, write);
    }
    let mut attempts = Parts::<Values>::default();
    if !change.attempts.iter().all(|write| attempts.push(change, write)) {
        return None;
    }
    for (place, number) in (0..change.events.len()).zip(1..) {
        express::push_event(&mut events, change, place, number);
    }
    if !change.events.is_empty() {
        streams.row(&[&change.tenant, &change.user, &change.events.len()]);
    }
    let tables = [
        heads,
        clips,
        attempts.intents,
        attempts.posts,
        attempts.outcomes,
        events,
        streams,
    ];
    let [
        mut heads,
        mut clips,
        mut intents,
        mut posts,
        mut outcomes,
        mut events,
        mut streams,
    ] = tables.map(|table| table.0.into_iter());
    let rows = [
        heads.next(),
        clips.next(),
        clips.next(),
        intents.next(),
        posts.next(),
        outcomes.next(),
        events.next(),
        events.next(),
        streams.next(),
    ];
    let mut left = (leases.0.into_iter())
        .chain(clips)
        .chain(intents)
        .chain(posts)
        .chain(outcomes)
        .chain(events);
    left.next().is_none().then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_rows_write_nothing_and_events_follow_their_batch() {
        let made = made(Dialect::Sqlite);
        assert!(!made.contains(" v.") && !made.contains("FROM v"), "{made}");
        assert!(made.contains("WHERE NEW.intent_b IS NOT NULL ON CONFLICT"), "{made}");
        assert!(
            made.contains("FROM publish_batches p LEFT JOIN user_streams s"),
            "{made}"
        );
    }
}
