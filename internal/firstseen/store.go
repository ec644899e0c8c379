// Package firstseen remembers when each destination (an address or a name) was first and last seen: what is new to a network
// weighs more, what it has known for long weighs less. Hunts that are stored feed it.
package firstseen

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Span is when something was seen, Unix milliseconds.
type Span struct{ First, Last int64 }

// Join is the span over both.
func (s Span) Join(o Span) Span { return Span{min(s.First, o.First), max(s.Last, o.Last)} }

// Store is what is remembered. The file is text: a line that names the format, a line a destination in order (destination,
// first, last), and a line with the SHA-256 of all before it. A million destinations take some 45 MB.
type Store struct {
	path string
	seen map[string]Span
}

const (
	header = "dwell first-seen 1"
	// keep is how long a destination is remembered after it was last seen, most how many are.
	keep = 180 * 24 * time.Hour
	most = 2_000_000
)

// ErrBroken is a store file that cannot be trusted.
var ErrBroken = errors.New("is cut off or was changed")

// Open reads the store; without a file it is empty. A file that is broken is set aside under another name, and the store is
// empty: the error wraps [ErrBroken] and the store can be used all the same.
func Open(path string) (*Store, error) {
	s := &Store{path: path, seen: map[string]Span{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if s.seen, err = parse(text); err == nil {
		return s, nil
	}
	s.seen = map[string]Span{}
	aside := path + ".broken"
	if moved := os.Rename(path, aside); moved != nil {
		return s, fmt.Errorf("%w, and could not be set aside: %w", err, moved)
	}
	return s, fmt.Errorf("%w; it was set aside as %s", err, aside)
}

func parse(text []byte) (map[string]Span, error) {
	body, sum, ok := cutLast(text)
	if digest := sha256.Sum256(body); !ok || sum != hex.EncodeToString(digest[:]) {
		return nil, ErrBroken
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	if !lines.Scan() || lines.Text() != header {
		return nil, fmt.Errorf("%w: it is not of this version", ErrBroken)
	}
	seen := map[string]Span{}
	for lines.Scan() {
		var span Span
		destination, times, _ := strings.Cut(lines.Text(), " ")
		if _, err := fmt.Sscan(times, &span.First, &span.Last); err != nil {
			return nil, ErrBroken
		}
		seen[destination] = span
	}
	return seen, lines.Err()
}

// cutLast parts the last line from what is before it.
func cutLast(text []byte) (body []byte, last string, ok bool) {
	trimmed, ok := bytes.CutSuffix(text, []byte("\n"))
	i := bytes.LastIndexByte(trimmed, '\n')
	if !ok || i < 0 {
		return nil, "", false
	}
	return text[:i+1], string(trimmed[i+1:]), true
}

// Seen gives when a destination was seen.
func (s *Store) Seen(destination string) (Span, bool) {
	span, ok := s.seen[destination]
	return span, ok
}

// Reach is the earliest moment that anything was seen, Unix milliseconds; ok is false for an empty store.
func (s *Store) Reach() (first int64, ok bool) {
	for _, span := range s.seen {
		if !ok || span.First < first {
			first, ok = span.First, true
		}
	}
	return first, ok
}

// Feed adds what a hunt saw, forgets what was not seen for half a year, and writes the file: complete or not at all. What
// another process wrote meanwhile is kept.
func (s *Store) Feed(more map[string]Span) error {
	now, err := Open(s.path)
	if err != nil && !errors.Is(err, ErrBroken) {
		return err
	}
	newest := int64(0)
	for _, from := range []map[string]Span{s.seen, more} {
		for destination, span := range from {
			if strings.ContainsAny(destination, " \n\r") || destination == "" {
				continue // no name that DNS knows
			}
			if old, ok := now.seen[destination]; ok {
				span = span.Join(old)
			}
			now.seen[destination] = span
		}
	}
	for _, span := range now.seen {
		newest = max(newest, span.Last)
	}
	maps.DeleteFunc(now.seen, func(_ string, span Span) bool { return span.Last < newest-keep.Milliseconds() })
	if extra := len(now.seen) - most; extra > 0 {
		for _, destination := range slices.SortedFunc(maps.Keys(now.seen), func(a, b string) int { return int(now.seen[a].Last - now.seen[b].Last) })[:extra] {
			delete(now.seen, destination)
		}
	}
	s.seen = now.seen
	return s.write()
}

func (s *Store) write() error {
	var b bytes.Buffer
	fmt.Fprintln(&b, header)
	for _, destination := range slices.Sorted(maps.Keys(s.seen)) {
		fmt.Fprintln(&b, destination, s.seen[destination].First, s.seen[destination].Last)
	}
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintln(&b, hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone once it is renamed
	if _, err = f.Write(b.Bytes()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path)
}
