package once

import "hash/maphash"

// Records recognizes records that came before of logs of which a connection may have many in a second: queries,
// requests, messages. Memory is bounded like a [Set]'s, three times.
type Records struct {
	seed maphash.Seed
	// whole has the records, said what they say without exact time and observer, seen that with the observer.
	whole, said, seen *Set
}

// NewRecords remembers at least the newest most records.
func NewRecords(most int) *Records {
	return &Records{maphash.MakeSeed(), New(most), New(most), New(most)}
}

// Bytes is the hash of a part of a record, for [Records.Again] and [Records.Copy].
func (r *Records) Bytes(b []byte) uint64 { return maphash.Bytes(r.seed, b) }

// Hash is [Records.Bytes] of a value.
func Hash[T comparable](r *Records, v T) uint64 { return maphash.Comparable(r.seed, v) }

// Again reports whether a record is known: the same to all its values, whole, or a copy by [Records.Copy] unless what
// is 0.
func (r *Records) Again(whole, what, by uint64, start int64) bool {
	return r.whole.again(whole|1, 0, start) || what != 0 && r.Copy(what, by, start)
}

// Copy reports whether another observer, by, has seen the same within a second, and this one has not: two taps log what
// they see with a uid of their own. What one sees twice is two. Where by is 0, what is the same within a second is one.
func (r *Records) Copy(what, by uint64, start int64) bool {
	mine := r.said.Mix(what, by) | 1
	if r.said.again(what|1, 0, start) {
		return by == 0 || !r.seen.came(mine, 0, start)
	}
	if by != 0 {
		r.seen.again(mine, 0, start)
	}
	return false
}

// Forgot reports whether records were forgotten.
func (r *Records) Forgot() bool { return r.whole.Forgot() || r.said.Forgot() }
