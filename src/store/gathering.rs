//! The next drain while it comes together: operations in the order of arrival, and their rows as far as that goes.
//!
//! The committer adds to it, also while a drain is being written, and takes it when the connection is free. It dies with the
//! committer, and its waiters are told.

use std::collections::{HashSet, VecDeque};

use super::{
    express::Steps,
    op::{Key, Op},
    sql::Dialect,
};

/// How many operations one transaction takes at most.
const DRAIN_MAX: usize = 2_048;

/// See the file's first paragraph.
pub struct Gathering {
    dialect: Dialect,
    ops: Vec<Op>,
    /// Their rows, while all of them are steps that go the short way.
    steps: Option<Steps>,
    touched: HashSet<Key>,
    /// Nothing may follow in this drain.
    ended: bool,
    /// What has to wait for the drain after it.
    later: VecDeque<Op>,
}

impl Gathering {
    /// Nothing yet.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            ops: Vec::new(),
            steps: short_way(dialect),
            touched: HashSet::new(),
            ended: false,
            later: VecDeque::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether another operation may be taken from the queue.
    pub fn has_room(&self) -> bool {
        self.ops.len() + self.later.len() < DRAIN_MAX
    }

    /// Adds what came next.
    pub fn add(&mut self, op: Op) {
        if self.ended || !op.fits(&mut self.touched) || (op.is_last() && !self.later.is_empty()) {
            self.later.push_back(op);
            return;
        }
        self.ended = op.is_last();
        let goes = match (&mut self.steps, &op) {
            (Some(steps), Op::Commit(change, _)) => steps.add(change),
            (None, Op::Commit(..)) => false,
            (_, Op::Create(..) | Op::Command(..) | Op::Fact(..) | Op::Take(..) | Op::Renew(..)) => false,
            (_, Op::Release(..) | Op::GiveBack(..) | Op::Close(..)) => false,
        };
        if !goes {
            self.steps = None;
        }
        self.ops.push(op);
    }

    /// Takes the drain, and begins the next one with what had to wait.
    pub fn take(&mut self) -> (Vec<Op>, Option<Steps>) {
        let ops = std::mem::take(&mut self.ops);
        let steps = std::mem::replace(&mut self.steps, short_way(self.dialect));
        self.touched.clear();
        self.ended = false;
        for op in std::mem::take(&mut self.later) {
            self.add(op);
        }
        (ops, steps)
    }
}

fn short_way(dialect: Dialect) -> Option<Steps> {
    match dialect {
        Dialect::Sqlite => Some(Steps::default()),
        Dialect::Postgres => None,
    }
}
