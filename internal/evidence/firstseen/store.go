// Package firstseen remembers when each destination, registered domain and finding was first and last seen. Hunts
// that are stored feed it, and so does one pass over the past.
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

// Span is when something was seen, Unix milliseconds.
type Span struct{ First, Last int64 }

// Join is the span over both.
func (s Span) Join(o Span) Span { return Span{min(s.First, o.First), max(s.Last, o.Last)} }

// Store is what is remembered, to be asked. The file is text: a line that names the format, a line for each thing in order (what,
// first, last), and a line with the SHA-256 of all before it. A million take some 45 MB, on disk as in memory. The zero Store is empty.
type Store struct {
	text  string
	lines []uint32 // where the line of each thing begins
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

// FindingKey is what a finding is remembered as, by its id.
func FindingKey(id string) string { return "#" + id }

// Plain says that a text out of network data reads as neither a [Domain] nor a [FindingKey]: anybody can ask for the server name "#..." and
// make a story older than it is.
func Plain(name string) bool { return !strings.ContainsAny(name, "*#") }

// ErrBroken is a store file that cannot be trusted.
var ErrBroken = errors.New("the first-seen store is cut off or was changed")

// Open reads the store; without a file it is empty. A file that is broken is set aside under another name, and the store is
// empty: the error wraps [ErrBroken] and the store can be used all the same.
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

// read gives a file as one text.
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
	_, _ = io.WriteString(digest, body) // a hash takes everything
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

// line reads the line that begins at a place, and says where the next begins.
func (s *Store) line(at int) (what string, span Span, next int, ok bool) {
	line, _, ok := strings.Cut(s.text[at:], "\n")
	what, times, _ := strings.Cut(line, " ")
	first, last, _ := strings.Cut(times, " ")
	var bad [2]error
	span.First, bad[0] = strconv.ParseInt(first, 10, 64)
	span.Last, bad[1] = strconv.ParseInt(last, 10, 64)
	return what, span, at + len(line) + 1, ok && errors.Join(bad[:]...) == nil
}

// all gives everything that is remembered, in order.
func (s *Store) all(yield func(string, Span) bool) {
	for _, at := range s.lines {
		if what, span, _, _ := s.line(int(at)); !yield(what, span) {
			return
		}
	}
}

// cutLast parts the last line from what is before it.
func cutLast(text string) (body, last string, ok bool) {
	trimmed, ok := strings.CutSuffix(text, "\n")
	i := strings.LastIndexByte(trimmed, '\n')
	if !ok || i < 0 {
		return "", "", false
	}
	return text[:i+1], trimmed[i+1:], true
}

// Seen gives when an address or a name, a [Domain] or a [FindingKey] was seen.
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

// Reach is the earliest moment that anything was seen, Unix milliseconds; ok is false for an empty store.
func (s *Store) Reach() (first int64, ok bool) { return s.reach, len(s.lines) > 0 }

// spans is what a store's file is made of.
type spans map[string]Span

// add joins a span into what is held and, if asked for, into what is held of the name's domain.
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

// settle forgets what was not seen for half a year before the newest and what is too much, and gives how far the rest reaches. A sensor
// whose clock is ahead makes nothing old.
func (s spans) settle(now time.Time) (reach int64) {
	newest := int64(0)
	for _, span := range s {
		newest = max(newest, span.Last)
	}
	newest = min(newest, now.UnixMilli())
	var things, stories []string
	maps.DeleteFunc(s, func(_ string, span Span) bool { return span.Last < newest-keep.Milliseconds() })
	if len(s) > mostStories {
		for what := range s {
			if strings.HasPrefix(what, "#") {
				stories = append(stories, what)
			} else {
				things = append(things, what)
			}
		}
	}
	s.cut(stories, mostStories)
	s.cut(things, most)
	for _, span := range s {
		if reach == 0 || span.First < reach {
			reach = span.First
		}
	}
	return reach
}

// cut forgets of a kind down to a number: what was seen within one day alone goes before what came again, and of both what was
// not seen for longest. So a scan, however large, pushes out other scans first.
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

// Fed says what feeding did.
type Fed struct {
	// Held is how many things the store holds now, New how many of what it was fed it did not know.
	Held, New int
	// Reach is the earliest moment that anything was seen, Unix milliseconds; 0 for an empty store.
	Reach int64
	// Broken, if not nil, wraps [ErrBroken]: the file could not be trusted, so it was set aside and begun again.
	Broken error
}

// lockPatience is how long Feed waits for others that feed the same store; one takes half a minute at most.
const lockPatience = 10 * time.Minute

// Feed adds what was seen to a store's file, with the names' domains, and writes it: complete or not at all. Others that feed it
// at the same time wait, so nobody's sightings are lost. What a killed process left beside the file is removed.
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
		if what != "" && len(what) <= longest && !strings.ContainsAny(what, " \n\r") { // else no name that DNS knows
			seen.add(what, span, true)
		}
	}
	fed.New = len(seen) - len(s.lines)
	fed.Reach = seen.settle(now)
	fed.Held = len(seen)
	return fed, seen.write(path)
}

// sweep removes what earlier builds left when they were killed: files of the store's name and a number. The lock is held.
func sweep(path string) {
	left, _ := filepath.Glob(path + ".[0-9]*") // fails for a malformed pattern alone
	for _, f := range left {
		_ = os.Remove(f) // It costs space alone.
	}
}

func (s spans) write(path string) error {
	return atomicfile.Write(path, 0o600, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 1<<16)
		s.put(out) // Flush gives the error
		return out.Flush()
	})
}

// put writes a store's text.
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

// render gives a store's text.
func (s spans) render() string {
	var b strings.Builder
	s.put(&b)
	return b.String()
}
