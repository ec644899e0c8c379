package log

// keyring knows what each key of JSON records is for. The keys of a log come in the same order in every record, with
// some left out. So the next key is nearly always the one that came next before, and one comparison is enough.
type keyring struct {
	keys  []knownKey
	place map[string]int
	// last is the previous key, or -1 at the beginning of a record; first is the key that records begin with.
	last, first int
}

// knownKey is a key with its field, None if it is not wanted, and the log that only has that key.
type knownKey struct {
	name  string
	field Field
	mark  Kind
	next  int
}

// maxKeys is the number of keys kept: Zeek's logs have some dozens each, hostile ones any number.
const maxKeys = 1024

// rewind begins a record.
func (k *keyring) rewind() { k.last = -1 }

// next is the key that probably comes next, or -1.
func (k *keyring) next() int {
	next := k.first
	if k.last >= 0 {
		next = k.keys[k.last].next
	}
	if next >= len(k.keys) {
		return -1
	}
	return next
}

// came notes which key came.
func (k *keyring) came(at int) {
	if k.last < 0 {
		k.first = at
	} else {
		k.keys[k.last].next = at
	}
	k.last = at
}

// find says what a key is for.
func (k *keyring) find(name []byte, want *[fields]bool) (Field, Kind) {
	next := k.first
	if k.last >= 0 {
		next = k.keys[k.last].next
	}
	if next >= len(k.keys) || k.keys[next].name != string(name) {
		at, ok := k.place[string(name)]
		if !ok {
			key := knownKey{name: string(name), next: len(k.keys) + 1}
			if key.field, key.mark = fieldOf(key.name); !want[key.field] {
				key.field = None
			}
			if len(k.keys) == maxKeys {
				return key.field, key.mark
			}
			if k.place == nil {
				k.place = map[string]int{}
			}
			at = len(k.keys)
			k.place[key.name] = at
			k.keys = append(k.keys, key)
		}
		if k.last < 0 {
			k.first = at
		} else {
			k.keys[k.last].next = at
		}
		next = at
	}
	k.last = next
	return k.keys[next].field, k.keys[next].mark
}
