package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
)

// Version of the format: another one is not read, and its hours are read again from the source.
const Version = 1

// Span is a kept whole hour, or a day into which hours were merged.
type Span struct {
	// Start and Hours are the time that it covers: Unix milliseconds, and 1 or 24.
	Start int64 `json:"start"`
	Hours int   `json:"hours"`
	// Longest is the longest of its connections, milliseconds: how far its records may reach.
	Longest int64 `json:"longest,omitempty"`
	// State of each hour when it was read.
	States   []hunt.HourState `json:"states"`
	Segments []Segment        `json:"segments"`
}

const hourMS = int64(time.Hour / time.Millisecond)

// end is the first millisecond after the span.
func (s *Span) end() int64 { return s.Start + int64(s.Hours)*hourMS }

func (s *Span) bytes() (n int64) {
	for i := range s.Segments {
		n += s.Segments[i].Bytes
	}
	return n
}

// Options of a store.
type Options struct {
	// Keep is how long records are kept after they started, Size the largest number of bytes of all; zero means no
	// bound.
	Keep time.Duration
	Size int64
	Now  func() time.Time
	// EndOfData counts Keep back from the newest kept hour, not from now: for archives, which may be old.
	EndOfData bool
}

// Identity names the subject of a history: one source, whose records in one scope are kept.
func Identity(scope hunt.Scope, source ...string) string {
	parts := append([]string{"history", strconv.Itoa(Version), scope.Direction.String()}, source...)
	for _, p := range scope.Internal {
		parts = append(parts, p.String())
	}
	return hunt.Digest(parts...)
}

// Store is the history of one source and scope. One process writes it at a time, any number may read. To a reader whose
// segments were replaced meanwhile they are lost.
type Store struct {
	dir, id string
	o       Options

	mu     sync.Mutex
	spans  []Span // by start, without overlap
	inputs Inputs
	// local are addresses that a sensor called local when the records were read: they are internal to later hunts, too.
	local []netip.Addr
	// commits is the number of commits.
	commits int64
	// dropped is the end of the newest hour that was dropped, Unix milliseconds.
	dropped int64
}

// Inputs describes the files of an archive. A cluster has nothing but its name.
type Inputs struct {
	// Source is its name.
	Source string `json:"source"`
	// Files that were read, by path.
	Files map[string]File `json:"files,omitempty"`
	// Window is the span of their records, Newest the start of the newest connection, Unix milliseconds.
	Window hunt.Window `json:"window"`
	Newest int64       `json:"newest"`
	// Open are connections that no record says have ended, and ConnEnd the end of the conn logs, up to which they count.
	Open    []hunt.Connection `json:"open,omitempty"`
	ConnEnd int64             `json:"conn_end,omitempty"`
	// Proxies are internal hosts that were asked for names of others: connections to them are kept.
	Proxies []netip.Addr `json:"proxies,omitempty"`
	// Notes and Gaps were reported when they were read. They are valid as long as their records are kept.
	Notes []hunt.Note `json:"notes,omitempty"`
	Gaps  []hunt.Note `json:"gaps,omitempty"`
}

// File shows whether a file is still the one that was read.
type File struct {
	Bytes int64 `json:"bytes"`
	// Changed is Unix nanoseconds.
	Changed int64 `json:"changed"`
	// CRC is the CRC-32C of those bytes.
	CRC uint32 `json:"crc32c"`
	// Conn says that it has connections.
	Conn bool `json:"conn,omitempty"`
	// During is the time of its connections.
	During hunt.Window `json:"during,omitzero"`
}

// manifest is the content of manifest.json.
type manifest struct {
	Version  int          `json:"version"`
	Identity string       `json:"identity"`
	Commits  int64        `json:"commits"`
	Dropped  int64        `json:"dropped,omitempty"`
	Inputs   Inputs       `json:"inputs"`
	Local    []netip.Addr `json:"local,omitempty"`
	Spans    []Span       `json:"spans"`
	// CRC is the CRC-32C of the rest. An older dwell wrote none.
	CRC *uint32 `json:"crc32c,omitempty"`
}

// text is the manifest as it is written.
func (m *manifest) text() ([]byte, error) {
	m.CRC = nil
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	sum := crc32.Checksum(text, castagnoli)
	m.CRC = &sum
	return json.Marshal(m)
}

// parse reads what text made. Another manifest, or one that was changed, is an error.
func (m *manifest) parse(text []byte, id string) error {
	if err := json.Unmarshal(text, m); err != nil {
		return err
	}
	if m.Version != Version || m.Identity != id {
		return fmt.Errorf("version %d of history %q, not %d of %q", m.Version, m.Identity, Version, id)
	}
	if m.CRC == nil {
		return nil
	}
	again, err := (&manifest{m.Version, m.Identity, m.Commits, m.Dropped, m.Inputs, m.Local, m.Spans, nil}).text()
	if err == nil && !bytes.Equal(again, text) {
		err = errors.New("its checksum differs")
	}
	return err
}

const manifestFile = "manifest.json"

// Open opens the history below dir with this identity, the source and its scope, and makes it if it is missing. An
// unreadable manifest, or one of another version, is an empty history and the error wraps [ErrDamaged]; the store can
// be used all the same.
func Open(dir, identity string, o Options) (*Store, error) {
	s := &Store{dir: filepath.Join(dir, identity), id: identity, o: o}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	return s, s.load()
}

// load reads the manifest.
func (s *Store) load() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans, s.inputs, s.local, s.commits, s.dropped = nil, Inputs{}, nil, 0, 0
	text, err := os.ReadFile(filepath.Join(s.dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open history: %w", err)
	}
	var m manifest
	if err := m.parse(text, s.id); err != nil {
		return fmt.Errorf("history %s: its manifest %w (%w): everything is read again", s.dir, ErrDamaged, err)
	}
	s.spans, s.inputs, s.local, s.commits, s.dropped = m.Spans, m.Inputs, m.Local, m.Commits, m.Dropped
	return nil
}

// lock makes this process the writer, until release is called. With wait it waits for its turn, else the error is
// [atomicfile.ErrLocked] while another process writes. It reads what that process wrote, and removes what a killed one
// left.
func (s *Store) lock(ctx context.Context, wait bool) (release func(), err error) {
	path := filepath.Join(s.dir, "lock")
	if wait {
		release, err = atomicfile.Lock(ctx, path)
	} else {
		release, err = atomicfile.TryLock(path)
	}
	if err != nil {
		return nil, err
	}
	if err := s.load(); err != nil && !errors.Is(err, ErrDamaged) {
		release()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sweep(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Hours returns the state of each kept hour of [from, to), by its start in Unix milliseconds.
func (s *Store) Hours(from, to time.Time) map[int64]hunt.HourState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int64]hunt.HourState{}
	for i := range s.spans {
		for h, state := range s.spans[i].States {
			if at := s.spans[i].Start + int64(h)*hourMS; at+hourMS > from.UnixMilli() && at < to.UnixMilli() {
				out[at] = state
			}
		}
	}
	return out
}

// teach makes internal to a scope what was local when the records were read.
func (s *Store) teach(scope *hunt.Scope) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.local {
		scope.AddLocal(a)
	}
}

// named notes the name of the source, which the next commit keeps.
func (s *Store) named(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if source != "" {
		s.inputs.Source = source
	}
}

// Oldest is since when every hour is kept; false if none is.
func (s *Store) Oldest() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spans) == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(max(s.spans[0].Start, s.dropped)).UTC(), true
}

// Bytes is the size of a kind's segments on disk.
func (s *Store) Bytes(of Kind) (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.spans {
		for _, seg := range s.spans[i].Segments {
			if seg.Kind == of {
				n += seg.Bytes
			}
		}
	}
	return n
}

// bound drops what is too old, then the oldest until the rest fits; dropped counts hours that went for their size.
func (s *Store) bound(spans []Span) (kept []Span, dropped int) {
	if s.o.Keep > 0 {
		// A clock that jumps ahead must not empty the history: age counts from a day after the newest records at most.
		newest := s.o.Now().UnixMilli()
		for i := len(spans) - 1; i >= 0; i-- {
			if len(spans[i].Segments) > 0 {
				newest = min(newest, spans[i].end()+24*hourMS)
				break
			}
		}
		oldest := newest - s.o.Keep.Milliseconds()
		if s.o.EndOfData && len(spans) > 0 {
			oldest = spans[len(spans)-1].end() - s.o.Keep.Milliseconds()
		}
		spans = slices.DeleteFunc(spans, func(sp Span) bool {
			// 30 days of logs have what began before their first midnight: minutes before, or what lasted.
			if sp.end() > oldest || s.o.EndOfData && (sp.end() > oldest-24*hourMS || sp.end()+sp.Longest > oldest) {
				return false
			}
			s.dropped = max(s.dropped, sp.end())
			return true
		})
	}
	var total int64
	for i := range spans {
		total += spans[i].bytes()
	}
	for s.o.Size > 0 && total > s.o.Size && len(spans) > 0 {
		total -= spans[0].bytes()
		dropped += spans[0].Hours
		s.dropped = max(s.dropped, spans[0].end())
		spans = spans[1:]
	}
	return spans, dropped
}

// commit makes spans the valid ones.
func (s *Store) commit(spans []Span) error {
	text, err := (&manifest{Version: Version, Identity: s.id, Commits: s.commits + 1, Dropped: s.dropped, Inputs: s.inputs, Local: s.local, Spans: spans}).text()
	if err != nil {
		return fmt.Errorf("write history manifest: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(s.dir, manifestFile), 0o600, text); err != nil {
		return fmt.Errorf("write history manifest: %w", err)
	}
	s.spans, s.commits = spans, s.commits+1
	return nil
}

// sweep removes what the manifest does not name: replaced segments, and what a killed process left.
func (s *Store) sweep() error {
	named := map[string]bool{manifestFile: true}
	for i := range s.spans {
		for _, seg := range s.spans[i].Segments {
			named[seg.File] = true
		}
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("sweep history: %w", err)
	}
	for _, e := range entries {
		if !named[e.Name()] && strings.HasSuffix(e.Name(), ".parquet") {
			err = errors.Join(err, os.Remove(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}

// Drop removes hours that turned out to be damaged, but only while their segments are those that this store knows. It
// does nothing while another process writes: that one finds the damage, too.
func (s *Store) Drop(ctx context.Context, hours map[int64]bool) error {
	s.mu.Lock()
	known := map[string]bool{}
	for i := range s.spans {
		for at := s.spans[i].Start; at < s.spans[i].end(); at += hourMS {
			for _, seg := range s.spans[i].Segments {
				known[seg.File] = known[seg.File] || hours[at]
			}
		}
	}
	s.mu.Unlock()
	release, err := s.lock(ctx, false)
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inputs = Inputs{} // all files are read again
	return s.commit(slices.DeleteFunc(slices.Clone(s.spans), func(sp Span) bool {
		return slices.ContainsFunc(sp.Segments, func(seg Segment) bool { return known[seg.File] })
	}))
}
