// Package spool keeps hunts on disk that the cluster would not take, until it takes them.
//
// A hunt is held as a whole: its own document and its findings in one file, so that replaying it is writing it as if it
// had just been carried out, with the same ids and in the right order. Files are written to a temporary name, synced and
// renamed, so that a crash leaves a whole file or none; they are replayed oldest first; and the folder is bounded: when it
// is full, [Spool.Put] says so and the caller still has the hunt.
//
// Documents that the cluster refuses for good are kept beside, in dead-letter files that nothing replays: they are for a
// person to look at.
package spool

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
)

// DefaultMaxBytes bounds a spool when nothing else is said: about 100,000 findings.
const DefaultMaxBytes = 256 << 20

const (
	heldSuffix = ".hunt.ndjson"
	deadSuffix = ".dead.ndjson"
)

// FullError means that a hunt does not fit any more. Nothing was written.
type FullError struct {
	Dir         string
	Bytes, Max  int64
	Hunt        string
	NeededBytes int64
}

// Error says how full it is and what to do.
func (e *FullError) Error() string {
	return fmt.Sprintf("hold hunt %s in %s: the spool is full (%d of %d bytes used, %d needed): see to the cluster, or raise the spool's limit",
		e.Hunt, e.Dir, e.Bytes, e.Max, e.NeededBytes)
}

// Spool is a folder. One process uses it at a time.
type Spool struct {
	dir string
	max int64
	now func() time.Time
}

// Options of a Spool.
type Options struct {
	// Dir is made when it is not there, for its owner alone.
	Dir string
	// MaxBytes bounds all files together; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Now names files; nil means time.Now.
	Now func() time.Time
}

// Open makes the folder ready and removes what a crash left half written.
func Open(o Options) (*Spool, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool's folder: %w", err)
	}
	s := &Spool{dir: o.Dir, max: o.MaxBytes, now: o.Now}
	if err := atomicfile.Sweep(o.Dir); err != nil {
		return nil, fmt.Errorf("tidy the spool: %w", err)
	}
	return s, nil
}

// Look gives the status of a spool that another process may be using; it changes nothing.
func Look(dir string, maxBytes int64) (Status, error) {
	return (&Spool{dir: dir, max: maxBytes}).Status()
}

// Status is what a spool holds.
type Status struct {
	// Hunts are held, Dead are documents refused for good; Bytes is what both take of Max.
	Hunts, Dead int
	Bytes, Max  int64
	// Oldest is since when the oldest hunt has been held, zero for none.
	Oldest time.Time
}

// Status looks at the folder.
func (s *Spool) Status() (Status, error) {
	st := Status{Max: s.max}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return st, fmt.Errorf("look into the spool: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return st, fmt.Errorf("look into the spool: %w", err)
		}
		switch {
		case strings.HasSuffix(e.Name(), heldSuffix):
			st.Hunts++
			if t, ok := heldSince(e.Name()); ok && (st.Oldest.IsZero() || t.Before(st.Oldest)) {
				st.Oldest = t
			}
		case strings.HasSuffix(e.Name(), deadSuffix):
			n, err := countLines(filepath.Join(s.dir, e.Name()))
			if err != nil {
				return st, err
			}
			st.Dead += n
		default:
			continue
		}
		st.Bytes += info.Size()
	}
	return st, nil
}

// nameTime sorts as text as it does as time.
const nameTime = "20060102T150405.000000000Z"

func heldSince(name string) (time.Time, bool) {
	stamp, _, _ := strings.Cut(name, "_")
	t, err := time.Parse(nameTime, stamp)
	return t, err == nil
}

func countLines(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("look into the spool: %w", err)
	}
	defer f.Close()
	n := 0
	for r := bufio.NewReader(f); ; {
		_, err := r.ReadSlice('\n')
		switch {
		case err == nil:
			n++
		case errors.Is(err, io.EOF):
			return n, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return n, fmt.Errorf("look into the spool: %w", err)
		}
	}
}

// Put holds a hunt. A hunt of the same id and revision that is held already is replaced, since it says the same.
func (s *Spool) Put(doc hunt.Document, findings []hunt.Finding) error {
	lines := make([]any, 0, len(findings)+1)
	lines = append(lines, doc)
	for i := range findings {
		lines = append(lines, &findings[i])
	}
	key := hunt.Digest(doc.Dwell.HuntID, doc.Dwell.Revision)
	same, err := filepath.Glob(filepath.Join(s.dir, "*_"+key+heldSuffix))
	if err != nil {
		return fmt.Errorf("look into the spool: %w", err)
	}
	name := s.now().UTC().Format(nameTime) + "_" + key + heldSuffix
	if len(same) > 0 {
		name = filepath.Base(same[0])
	}
	return s.write(name, doc.Dwell.HuntID, lines)
}

// deadLine is a line of a dead-letter file.
type deadLine struct {
	Stream   string          `json:"stream"`
	ID       string          `json:"id"`
	Reason   string          `json:"reason"`
	Document json.RawMessage `json:"document"`
}

// Bury keeps documents that the cluster refused for good.
func (s *Spool) Bury(stream string, dead []bulk.Dead) error {
	if len(dead) == 0 {
		return nil
	}
	var lines []any
	var ids []string
	for _, d := range dead {
		lines = append(lines, deadLine{Stream: stream, ID: d.ID, Reason: d.Err.Error(), Document: d.Doc})
		ids = append(ids, d.ID)
	}
	// The same refusals have the same name, so that a hunt written again does not bury them twice.
	slices.Sort(ids)
	return s.write(stream+"_"+hunt.Digest(ids...)+deadSuffix, stream, lines)
}

// write puts a file there, whole or not at all.
func (s *Spool) write(name, what string, lines []any) error {
	var b []byte
	for _, line := range lines {
		text, err := json.Marshal(line)
		if err != nil {
			return fmt.Errorf("hold %s: encode: %w", what, err)
		}
		b = append(append(b, text...), '\n')
	}
	st, err := s.Status()
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, name)
	if info, err := os.Stat(path); err == nil {
		st.Bytes -= info.Size()
	}
	if st.Bytes+int64(len(b)) > s.max {
		return &FullError{Dir: s.dir, Bytes: st.Bytes, Max: s.max, Hunt: what, NeededBytes: int64(len(b))}
	}
	if err := atomicfile.WriteBytes(path, 0o600, b); err != nil {
		return fmt.Errorf("hold %s: %w", what, err)
	}
	return nil
}

// Replay gives the held hunts to write, oldest first, and removes each that write took. It stops at the first that write
// did not take, with its error, so that hunts keep their order; the rest stays. It gives the number of hunts that are
// gone from the spool. A file that cannot be read is set aside under the name NAME.unreadable and is an error, once.
func (s *Spool) Replay(write func(hunt.Document, []hunt.Finding) error) (int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fmt.Errorf("look into the spool: %w", err)
	}
	done := 0
	for _, e := range entries { // ReadDir sorts by name, which is by time.
		if !strings.HasSuffix(e.Name(), heldSuffix) {
			continue
		}
		path := filepath.Join(s.dir, e.Name())
		doc, findings, err := read(path)
		if err != nil {
			return done, errors.Join(fmt.Errorf("replay %s: %w", path, err), os.Rename(path, path+".unreadable"))
		}
		if err := write(doc, findings); err != nil {
			return done, err
		}
		if err := os.Remove(path); err != nil {
			return done, fmt.Errorf("replay %s: it is written, but: %w", path, err)
		}
		done++
	}
	return done, nil
}

// Held gives the documents of the held hunts, oldest first.
func (s *Spool) Held() ([]hunt.Document, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("look into the spool: %w", err)
	}
	var out []hunt.Document
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), heldSuffix) {
			continue
		}
		doc, _, err := read(filepath.Join(s.dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("look into %s: %w", e.Name(), err)
		}
		out = append(out, doc)
	}
	return out, nil
}

func read(path string) (hunt.Document, []hunt.Finding, error) {
	var doc hunt.Document
	f, err := os.Open(path)
	if err != nil {
		return doc, nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	if err := d.Decode(&doc); err != nil {
		return doc, nil, fmt.Errorf("line 1: %w", err)
	}
	var findings []hunt.Finding
	for {
		var one hunt.Finding
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return doc, findings, nil
		}
		if err != nil {
			return doc, nil, fmt.Errorf("line %d: %w", len(findings)+2, err)
		}
		findings = append(findings, one)
	}
}
