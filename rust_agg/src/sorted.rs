//! Maps of counters as one sorted list: compact, the same for the same counts, and merged in one pass.

/// What can be added up, in any order.
pub trait Add {
    /// Add another's counts.
    fn add(&mut self, other: &Self);
}

/// Counters by key, sorted, each key once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V: Add + Clone> Sorted<K, V> {
    /// Sort entries and add up those of one key.
    #[must_use]
    pub fn new(entries: Vec<(K, V)>) -> Self {
        if entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Self(entries);
        }
        Self::of([entries.as_slice()])
    }

    /// Sort the entries of several lists and add up those of one key.
    #[must_use]
    pub fn of<'a>(lists: impl IntoIterator<Item = &'a [(K, V)]>) -> Self
    where
        K: 'a,
        V: 'a,
    {
        // Values are large, so what is sorted is where they stand; stably, which makes use of runs that are in order.
        let mut order: Vec<_> = lists.into_iter().flatten().map(|entry| (entry.0, &entry.1)).collect();
        order.sort_by_key(|entry| entry.0);
        let mut sorted: Vec<(K, V)> = Vec::with_capacity(order.len());
        for (key, value) in order {
            match sorted.last_mut() {
                Some(last) if last.0 == key => last.1.add(value),
                _ => sorted.push((key, value.clone())),
            }
        }
        Self(sorted)
    }

    /// The entries, sorted by key.
    #[must_use]
    pub fn entries(&self) -> &[(K, V)] {
        &self.0
    }

    /// The entries themselves.
    #[must_use]
    pub fn into_entries(self) -> Vec<(K, V)> {
        self.0
    }

    /// Add all entries of another.
    pub fn merge(&mut self, other: Self) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        if other.0.is_empty() {
            return;
        }
        if self.0.last().map(|entry| entry.0) < Some(other.0[0].0) {
            self.0.extend(other.0);
            return;
        }
        let mut merged = Vec::with_capacity(self.0.len().max(other.0.len()));
        merge(std::mem::take(&mut self.0), other.0, |key, value| merged.push((key, value)));
        self.0 = merged;
    }
}

/// Give `push` the entries of both in the order of their keys, each key once. Both are sorted so.
pub fn merge<K: Ord, V: Add>(
    left: impl IntoIterator<Item = (K, V)>,
    right: impl IntoIterator<Item = (K, V)>,
    mut push: impl FnMut(K, V),
) {
    let mut right = right.into_iter().peekable();
    for (key, mut value) in left {
        while let Some((before, value)) = right.next_if(|entry| entry.0 < key) {
            push(before, value);
        }
        if let Some((_, same)) = right.next_if(|entry| entry.0 == key) {
            value.add(&same);
        }
        push(key, value);
    }
    right.for_each(|(key, value)| push(key, value));
}

/// `left[i] += right[i]`; the longer list decides how many there are.
pub fn add_lists<V: Add + Clone>(left: &mut Vec<V>, right: &[V]) {
    let (both, more) = right.split_at(left.len().min(right.len()));
    for (left, right) in left.iter_mut().zip(both) {
        left.add(right);
    }
    left.extend_from_slice(more);
}

impl Add for u64 {
    fn add(&mut self, other: &Self) {
        *self += other;
    }
}
