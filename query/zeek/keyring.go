package zeek

// keyring knows the column of each key of JSON records. The keys of a log come in the same order in every record, with some left out
// here and there, so what comes next is nearly always what came next the last time, and one comparison tells.
type keyring struct {
	keys  []knownKey
	place map[string]int
	// last is the key before, or -1 where a record begins; first is the key that records begin with.
	last, first int
}

// knownKey is what a key is for: special is columnTime, columnUID, columnPath or columnNone, column the wanted field or columnNone.
type knownKey struct {
	name                  string
	special, column, next int
}

// maxKeys is how many keys are known: Zeek's logs have some dozens each, hostile ones any number.
const maxKeys = 512

// rewind begins a record.
func (k *keyring) rewind() { k.last = -1 }

// find says what a key is for.
func (k *keyring) find(name []byte, fields *fieldSet, buf *[]byte) (special, column int) {
	next := k.first
	if k.last >= 0 {
		next = k.keys[k.last].next
	}
	if next >= len(k.keys) || k.keys[next].name != string(name) {
		at, ok := k.place[string(name)]
		if !ok {
			known := knownKey{name: string(name), special: specialOf(name), column: fields.index(buf, name), next: len(k.keys) + 1}
			if len(k.keys) == maxKeys {
				return known.special, known.column
			}
			if k.place == nil {
				k.place = map[string]int{}
			}
			at = len(k.keys)
			k.place[known.name] = at
			k.keys = append(k.keys, known)
		}
		if k.last < 0 {
			k.first = at
		} else {
			k.keys[k.last].next = at
		}
		next = at
	}
	k.last = next
	return k.keys[next].special, k.keys[next].column
}

func specialOf(name []byte) int {
	switch string(name) {
	case "ts":
		return columnTime
	case "uid":
		return columnUID
	case "_path", "@stream":
		return columnPath
	}
	return columnNone
}
