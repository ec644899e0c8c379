// Package firstseen remembers when each destination, registered domain and finding was first and last seen. Stored
// hunts feed it, as does a single pass over past data.
package firstseen

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"dwell/internal/atomicfile"
)

// Span is when something was seen, in Unix milliseconds.
type Span struct{ First, Last int64 }

// Join spans both.
func (s Span) Join(o Span) Span { return Span{min(s.First, o.First), max(s.Last, o.Last)} }

// Store is a read-only view of the remembered times. The file is text: a line with the format, a sorted line per item
// (name, first, last), and a line with the SHA-256 of everything before it. A million items take about 45 MB on disk
// and in memory. The zero Store is empty.
type Store struct {
	text  string
	lines []uint32 // where each item's line starts
	reach int64
}

const (
	header = "dwell first-seen 2"
	// older is the format without domains and findings; it is read, and rewritten in the newer one.
	older = "dwell first-seen 1"
	// keep is how long an item is remembered after it was last seen. most limits destinations and domains, mostFindings
	// findings: the most recently seen stay.
	keep         = 180 * 24 * time.Hour
	most         = 2_000_000
	mostFindings = 200_000
	// longest is the maximum length of a name (RFC 1035, 2.3.4).
	longest = 255
)

// Domain is the key of a name's registered domain; empty for an address or a name without one.
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

// FindingKey is the key of a finding, by its id.
func FindingKey(id string) string { return "#" + id }

// Plain reports whether a text from network data cannot be taken for a [Domain] or a [FindingKey]. A client can send
// the server name "#..." and would otherwise make a finding look older.
func Plain(name string) bool { return !strings.ContainsAny(name, "*#") }

// ErrBroken means that a store's file cannot be trusted.
var ErrBroken = errors.New("the first-seen store is cut off or was changed")

// Open opens the store; without a file it is empty. A broken file is renamed and the store is empty; the error then
// wraps [ErrBroken], and the store is still usable.
func Open(path string) (*Store, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Store{}, nil
	}
	if err != nil {
		return &Store{}, err
	}
	s, err := parse(text)
	if err == nil {
		return s, nil
	}
	aside := path + ".broken"
	if moved := os.Rename(path, aside); moved != nil {
		return &Store{}, fmt.Errorf("%w, and could not be set aside: %w", err, moved)
	}
	return &Store{}, fmt.Errorf("%w; it was set aside as %s", err, aside)
}

// read returns a file as a string.
func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // It is only read.
	var b strings.Builder
	if info, err := f.Stat(); err == nil {
		b.Grow(int(info.Size()))
	}
	_, err = io.Copy(&b, f)
	return b.String(), err
}

func parse(text string) (*Store, error) {
	body, sum, ok := cutLast(text)
	digest := sha256.New()
	_, _ = io.WriteString(digest, body) // a hash never fails
	if !ok || sum != hex.EncodeToString(digest.Sum(nil)) {
		return nil, ErrBroken
	}
	head, _, _ := strings.Cut(body, "\n")
	if head != header && head != older {
		return nil, fmt.Errorf("%w: its first line is not of this version", ErrBroken)
	}
	s := &Store{text: body}
	before := ""
	for at := len(head) + 1; at < len(body); {
		what, span, next, ok := s.line(at)
		if !ok || what <= before {
			return nil, ErrBroken
		}
		s.lines = append(s.lines, uint32(at))
		if s.reach == 0 || span.First < s.reach {
			s.reach = span.First
		}
		at, before = next, what
	}
	if head == older {
		seen := spans{}
		for what, span := range s.all {
			seen.add(what, span, true)
		}
		return parse(seen.render())
	}
	return s, nil
}

// line reads the line at an offset, and returns the offset of the next.
func (s *Store) line(at int) (what string, span Span, next int, ok bool) {
	line, _, ok := strings.Cut(s.text[at:], "\n")
	what, times, _ := strings.Cut(line, " ")
	first, last, _ := strings.Cut(times, " ")
	var bad [2]error
	span.First, bad[0] = strconv.ParseInt(first, 10, 64)
	span.Last, bad[1] = strconv.ParseInt(last, 10, 64)
	return what, span, at + len(line) + 1, ok && errors.Join(bad[:]...) == nil
}

// all yields everything remembered, sorted.
func (s *Store) all(yield func(string, Span) bool) {
	for _, at := range s.lines {
		if what, span, _, _ := s.line(int(at)); !yield(what, span) {
			return
		}
	}
}

// cutLast splits off the last line.
func cutLast(text string) (body, last string, ok bool) {
	trimmed, ok := strings.CutSuffix(text, "\n")
	i := strings.LastIndexByte(trimmed, '\n')
	if !ok || i < 0 {
		return "", "", false
	}
	return text[:i+1], trimmed[i+1:], true
}

// Seen returns when an address, a name, a [Domain] or a [FindingKey] was seen.
func (s *Store) Seen(what string) (Span, bool) {
	i, found := slices.BinarySearchFunc(s.lines, what, func(at uint32, what string) int {
		own, _, _ := strings.Cut(s.text[at:], " ")
		return strings.Compare(own, what)
	})
	if !found {
		return Span{}, false
	}
	_, span, _, _ := s.line(int(s.lines[i]))
	return span, true
}

// Reach is the earliest time in the store, in Unix milliseconds; ok is false for an empty store.
func (s *Store) Reach() (first int64, ok bool) { return s.reach, len(s.lines) > 0 }

// spans is the content of a store's file.
type spans map[string]Span

// add merges a span, and, if domain is set, also for the name's domain.
func (s spans) add(what string, span Span, domain bool) {
	if old, ok := s[what]; ok {
		span = span.Join(old)
	}
	s[what] = span
	if domain {
		if name := Domain(what); name != "" {
			s.add(name, span, false)
		}
	}
}

// settle forgets what was not seen in the half year before the newest item, and the excess, and returns the reach of
// the rest. A sensor whose clock is ahead does not count.
func (s spans) settle(now time.Time) (reach int64) {
	newest := int64(0)
	for _, span := range s {
		newest = max(newest, span.Last)
	}
	newest = min(newest, now.UnixMilli())
	var things, stories []string
	maps.DeleteFunc(s, func(_ string, span Span) bool { return span.Last < newest-keep.Milliseconds() })
	if len(s) > mostFindings {
		for what := range s {
			if strings.HasPrefix(what, "#") {
				stories = append(stories, what)
			} else {
				things = append(things, what)
			}
		}
	}
	s.cut(stories, mostFindings)
	s.cut(things, most)
	for _, span := range s {
		if reach == 0 || span.First < reach {
			reach = span.First
		}
	}
	return reach
}

// cut reduces a kind to a number of items. Those seen within a single day go first, then those not seen for longest, so
// a scan of any size mostly evicts other scans.
func (s spans) cut(kind []string, number int) {
	if len(kind) <= number {
		return
	}
	again := func(what string) int {
		if s[what].Last-s[what].First >= (24 * time.Hour).Milliseconds() {
			return 1
		}
		return 0
	}
	slices.SortFunc(kind, func(a, b string) int {
		return cmp.Or(cmp.Compare(again(a), again(b)), cmp.Compare(s[a].Last, s[b].Last), cmp.Compare(a, b))
	})
	for _, what := range kind[:len(kind)-number] {
		delete(s, what)
	}
}

// Fed is the result of feeding.
type Fed struct {
	// Held is the number of items now in the store, New how many of those fed were unknown.
	Held, New int
	// Reach is the earliest time in the store, in Unix milliseconds; 0 if empty.
	Reach int64
	// Broken, if not nil, wraps [ErrBroken]: the file could not be trusted, was set aside and started again.
	Broken error
}

// lockPatience is how long Feed waits for other processes that feed the same store; each takes at most half a minute.
const lockPatience = 10 * time.Minute

// Feed adds items, and the domains of names, to a store's file, and writes it atomically. Concurrent processes wait for
// each other, so no sighting is lost. It removes what a killed process left beside the file.
func Feed(path string, more iter.Seq2[string, Span], now time.Time) (fed Fed, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fed, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	release, err := atomicfile.Lock(ctx, path+".lock")
	if err != nil {
		return fed, err
	}
	defer release()
	sweep(path)
	s, err := Open(path)
	if errors.Is(err, ErrBroken) {
		fed.Broken, err = err, nil
	}
	if err != nil {
		return fed, err
	}
	seen := make(spans, len(s.lines))
	for what, span := range s.all {
		seen[what] = span
	}
	for what, span := range more {
		if what != "" && len(what) <= longest && !strings.ContainsAny(what, " \n\r") { // otherwise not a name in DNS
			seen.add(what, span, true)
		}
	}
	fed.New = len(seen) - len(s.lines)
	fed.Reach = seen.settle(now)
	fed.Held = len(seen)
	return fed, seen.write(path)
}

// sweep removes what killed earlier versions left: files with the store's name and a number. The caller holds the lock.
func sweep(path string) {
	left, _ := filepath.Glob(path + ".[0-9]*") // fails only for a malformed pattern
	for _, f := range left {
		_ = os.Remove(f) // It costs space alone.
	}
}

func (s spans) write(path string) error {
	return atomicfile.Write(path, 0o600, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 1<<16)
		s.put(out) // Flush returns the error
		return out.Flush()
	})
}

// put writes the store's text.
func (s spans) put(to io.Writer) {
	sum := sha256.New()
	to = io.MultiWriter(sum, to)
	line := append([]byte(header), '\n') // A hash takes everything, and the file's writer keeps its first error.
	for _, what := range slices.Sorted(maps.Keys(s)) {
		_, _ = to.Write(line)
		line = append(append(line[:0], what...), ' ')
		line = append(strconv.AppendInt(line, s[what].First, 10), ' ')
		line = append(strconv.AppendInt(line, s[what].Last, 10), '\n')
	}
	_, _ = to.Write(line)
	_, _ = fmt.Fprintln(to, hex.EncodeToString(sum.Sum(nil)))
}

// render returns the store's text.
func (s spans) render() string {
	var b strings.Builder
	s.put(&b)
	return b.String()
}
