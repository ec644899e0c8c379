// Package firstseen remembers when each destination (an address or a name), each registered domain and each story was first and
// last seen: what is new to a network weighs more, what it has known for long weighs less. Hunts that are stored feed it, and so does
// one pass over the past.
package firstseen

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Span is when something was seen, Unix milliseconds.
type Span struct{ First, Last int64 }

// Join is the span over both.
func (s Span) Join(o Span) Span { return Span{min(s.First, o.First), max(s.Last, o.Last)} }

// Store is what is remembered, to be asked. The file is text: a line that names the format, a line for each thing in order (what,
// first, last), and a line with the SHA-256 of all before it. A million take some 45 MB.
type Store struct {
	seen  map[string]Span
	reach int64
}

const (
	header = "dwell first-seen 2"
	// older is the format without domains and stories; it is read, and written as the newer one.
	older = "dwell first-seen 1"
	// keep is how long a thing is remembered after it was last seen, most how many destinations and domains are, and mostStories
	// how many stories: those that were seen last stay.
	keep        = 180 * 24 * time.Hour
	most        = 2_000_000
	mostStories = 200_000
	// longest is how long a name may be (RFC 1035, 2.3.4).
	longest = 255
)

// Domain is what a name's registered domain is remembered as; empty for an address and for a name that has none.
func Domain(name string) string {
	if strings.Contains(name, ":") || !Plain(name) || strings.Trim(name, "0123456789.") == "" {
		return ""
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return "*." + domain
}

// Story is what a story is remembered as.
func Story(id string) string { return "#" + id }

// Plain says that a text out of network data reads as neither a [Domain] nor a [Story]: anybody can ask for the server name "#..." and
// make a story older than it is.
func Plain(name string) bool { return !strings.ContainsAny(name, "*#") }

// ErrBroken is a store file that cannot be trusted.
var ErrBroken = errors.New("is cut off or was changed")

// Open reads the store; without a file it is empty. A file that is broken is set aside under another name, and the store is
// empty: the error wraps [ErrBroken] and the store can be used all the same.
func Open(path string) (*Store, error) {
	s := &Store{seen: map[string]Span{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	seen, err := parse(text)
	if err == nil {
		s.seen = seen
		s.measure()
		return s, nil
	}
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
	if !lines.Scan() || lines.Text() != header && lines.Text() != older {
		return nil, fmt.Errorf("%w: it is not of this version", ErrBroken)
	}
	domains := lines.Text() == older
	seen := map[string]Span{}
	for lines.Scan() {
		var span Span
		destination, times, _ := strings.Cut(lines.Text(), " ")
		first, last, _ := strings.Cut(times, " ")
		var bad [2]error
		span.First, bad[0] = strconv.ParseInt(first, 10, 64)
		if span.Last, bad[1] = strconv.ParseInt(last, 10, 64); errors.Join(bad[:]...) != nil {
			return nil, ErrBroken
		}
		add(seen, destination, span, domains)
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

// add joins a span into what is held and, if asked for, into what is held of the name's domain.
func add(into map[string]Span, what string, span Span, domain bool) {
	if old, ok := into[what]; ok {
		span = span.Join(old)
	}
	into[what] = span
	if domain {
		if name := Domain(what); name != "" {
			add(into, name, span, false)
		}
	}
}

// Seen gives when an address or a name, a [Domain] or a [Story] was seen.
func (s *Store) Seen(what string) (Span, bool) {
	span, ok := s.seen[what]
	return span, ok
}

// Reach is the earliest moment that anything was seen, Unix milliseconds; ok is false for an empty store.
func (s *Store) Reach() (first int64, ok bool) { return s.reach, len(s.seen) > 0 }

// settle forgets what was not seen for half a year before the newest and what is too much, and finds how far the store reaches. A
// sensor whose clock is ahead makes nothing old.
func (s *Store) settle(now time.Time) {
	newest := int64(0)
	for _, span := range s.seen {
		newest = max(newest, span.Last)
	}
	newest = min(newest, now.UnixMilli())
	var things, stories []string
	maps.DeleteFunc(s.seen, func(_ string, span Span) bool { return span.Last < newest-keep.Milliseconds() })
	if len(s.seen) > mostStories {
		for what := range s.seen {
			if strings.HasPrefix(what, "#") {
				stories = append(stories, what)
			} else {
				things = append(things, what)
			}
		}
	}
	s.cut(stories, mostStories)
	s.cut(things, most)
	s.measure()
}

// measure finds how far the store reaches.
func (s *Store) measure() {
	s.reach = 0
	for _, span := range s.seen {
		if s.reach == 0 || span.First < s.reach {
			s.reach = span.First
		}
	}
}

// cut forgets those of a kind that were not seen for longest, down to a number.
func (s *Store) cut(kind []string, number int) {
	if len(kind) <= number {
		return
	}
	slices.SortFunc(kind, func(a, b string) int { return cmp.Compare(s.seen[a].Last, s.seen[b].Last) })
	for _, what := range kind[:len(kind)-number] {
		delete(s.seen, what)
	}
}

// Fed says what feeding did.
type Fed struct {
	// Held is how many things the store holds now, New how many of what it was fed it did not know.
	Held, New int
	// Reach is the earliest moment that anything was seen, Unix milliseconds; 0 for an empty store.
	Reach int64
	// Broken, if not nil, wraps [ErrBroken]: the file could not be trusted, so it was set aside and begun anew.
	Broken error
}

// Feed adds what was seen to a store's file, with the names' domains, and writes it: complete or not at all. What another process
// wrote since the file was opened for a hunt is kept.
func Feed(path string, more map[string]Span, now time.Time) (fed Fed, err error) {
	s, err := Open(path)
	if errors.Is(err, ErrBroken) {
		fed.Broken, err = err, nil
	}
	if err != nil {
		return fed, err
	}
	before := len(s.seen)
	for what, span := range more {
		if what != "" && len(what) <= longest && !strings.ContainsAny(what, " \n\r") { // else no name that DNS knows
			add(s.seen, what, span, true)
		}
	}
	fed.New = len(s.seen) - before
	s.settle(now)
	fed.Held, fed.Reach = len(s.seen), s.reach
	return fed, s.write(path)
}

func (s *Store) write(path string) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, header)
	for _, what := range slices.Sorted(maps.Keys(s.seen)) {
		span := s.seen[what]
		b.WriteString(what)
		b.WriteByte(' ')
		b.Write(strconv.AppendInt(b.AvailableBuffer(), span.First, 10))
		b.WriteByte(' ')
		b.Write(strconv.AppendInt(b.AvailableBuffer(), span.Last, 10))
		b.WriteByte('\n')
	}
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintln(&b, hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
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
	return os.Rename(f.Name(), path)
}
